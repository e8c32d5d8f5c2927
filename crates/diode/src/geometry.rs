//! How a bundle lies in blocks and symbols. Both ends compute it from two numbers; a frame carries no other parameter of
//! the code, because a decoder that believes a stranger's parameters allocates what the stranger says.

use thiserror::Error;

/// The smallest symbol, bytes.
pub const SYMBOL_BYTES_MIN: u32 = 64;
/// The largest symbol, bytes: what a frame of 9,216 bytes of Ethernet payload holds, in whole units of 8.
pub const SYMBOL_BYTES_MAX: u32 = 9_096;
/// RFC 6330's symbol alignment (Al): symbols are whole units of 8 bytes.
pub const SYMBOL_ALIGNMENT: u32 = 8;
/// The most source symbols in a block. More would need fewer repair symbols in all, and more time to decode.
pub const BLOCK_SYMBOLS_MAX: u32 = 512;
/// The most bytes in a block: it stays within a core's cache while it is decoded.
pub const BLOCK_BYTES_MAX: u32 = 1_179_648;
/// The longest bundle, bytes: 1 TiB.
pub const BUNDLE_BYTES_MAX: u64 = 1 << 40;

/// Why a bundle cannot lie so.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GeometryError {
    /// No bytes, or too many.
    #[error("a bundle has 1 to {BUNDLE_BYTES_MAX} bytes, not {0}")]
    Length(u64),
    /// A symbol of another size.
    #[error("a symbol has {SYMBOL_BYTES_MIN} to {SYMBOL_BYTES_MAX} bytes in units of {SYMBOL_ALIGNMENT}, not {0}")]
    Symbol(u32),
}

/// How a bundle lies in blocks.
///
/// The bundle's symbols are spread over its blocks as RFC 6330, section 4.4.1.2 spreads them: the first blocks may have one
/// more than the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    length: u64,
    symbol_bytes: u32,
    blocks: u32,
    /// Blocks that have one symbol more, before all others.
    long_blocks: u32,
    /// Symbols of a block that is not long.
    short: u32,
}

/// One block of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it begins in the bundle, bytes.
    pub offset: u64,
    /// How many of the bundle's bytes it holds. The last symbol of the last block is filled up with zeros.
    pub bytes: usize,
    /// Its source symbols.
    pub symbols: u32,
}

impl Geometry {
    /// The geometry of a bundle.
    ///
    /// # Errors
    /// For a length or a symbol size that the format does not have.
    pub fn new(length: u64, symbol_bytes: u32) -> Result<Self, GeometryError> {
        if length == 0 || length > BUNDLE_BYTES_MAX {
            return Err(GeometryError::Length(length));
        }
        let is_size = (SYMBOL_BYTES_MIN..=SYMBOL_BYTES_MAX).contains(&symbol_bytes);
        if !is_size || !symbol_bytes.is_multiple_of(SYMBOL_ALIGNMENT) {
            return Err(GeometryError::Symbol(symbol_bytes));
        }
        let symbols = length.div_ceil(u64::from(symbol_bytes));
        let in_block = u64::from((BLOCK_BYTES_MAX / symbol_bytes).clamp(1, BLOCK_SYMBOLS_MAX));
        let blocks = symbols.div_ceil(in_block);
        let (short, long_blocks) = (symbols / blocks, symbols % blocks);
        let narrow = |number: u64| u32::try_from(number).map_err(|_| GeometryError::Length(length));
        Ok(Self {
            length,
            symbol_bytes,
            blocks: narrow(blocks)?,
            long_blocks: narrow(long_blocks)?,
            short: narrow(short)?,
        })
    }

    /// The bundle's length, bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The size of a symbol, bytes.
    #[must_use]
    pub fn symbol_bytes(&self) -> u32 {
        self.symbol_bytes
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// A block; nothing if the bundle has no such block.
    #[must_use]
    pub fn block(&self, number: u32) -> Option<Block> {
        if number >= self.blocks {
            return None;
        }
        let is_long = number < self.long_blocks;
        let symbols = self.short + u32::from(is_long);
        let before = u64::from(number) * u64::from(self.short) + u64::from(number.min(self.long_blocks));
        let offset = before * u64::from(self.symbol_bytes);
        let whole = u64::from(symbols) * u64::from(self.symbol_bytes);
        let bytes = usize::try_from(whole.min(self.length.checked_sub(offset)?)).ok()?;
        Some(Block { offset, bytes, symbols })
    }
}
