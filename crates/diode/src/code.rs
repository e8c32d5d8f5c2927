//! RaptorQ (RFC 6330) over one block. The library trusts what it is handed; so only what was authenticated and measured
//! reaches it, and what it would refuse by panicking is refused here in words.

use std::collections::HashMap;

use raptorq::{EncodingPacket, ObjectTransmissionInformation, PayloadId, SourceBlockDecoder};
use raptorq::{SourceBlockEncoder, SourceBlockEncodingPlan};
use thiserror::Error;

use crate::geometry::{BLOCK_SYMBOLS_MAX, SYMBOL_ALIGNMENT};

/// RFC 6330's payload id has 24 bits for a symbol's number.
pub(crate) const SYMBOL_ID_END: u32 = 1 << 24;

/// Why there is nothing to encode or decode.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CodeError {
    /// The block is no whole number of symbols, or of too many.
    #[error("a block of {bytes} bytes is not 1 to {BLOCK_SYMBOLS_MAX} symbols of {symbol_bytes} bytes")]
    Block {
        /// Its bytes.
        bytes: usize,
        /// The bytes of a symbol.
        symbol_bytes: u32,
    },
    /// A symbol beyond the last that a payload id can name, or one of another size.
    #[error("symbol {0} of the block is none of the format's")]
    Symbol(u32),
    /// The symbols do not determine the block. More of them may.
    #[error("the symbols at hand do not determine the block")]
    Undetermined,
}

/// Makes repair symbols. Keeps the plan of each block size: making one takes longer than following it.
#[derive(Default)]
pub struct Encoder {
    plans: HashMap<u16, SourceBlockEncodingPlan>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("plans", &self.plans.len()).finish()
    }
}

impl Encoder {
    /// Repair symbols of a block. `first` counts repair symbols, so 0 is the one after the block's last source symbol. The
    /// block is whole symbols: whoever cut it has filled it up with zeros.
    ///
    /// # Errors
    /// For a block that is none, and for symbols beyond the last.
    pub fn repair(
        &mut self,
        block: &[u8],
        symbol_bytes: u32,
        first: u32,
        count: u32,
    ) -> Result<Vec<(u32, Vec<u8>)>, CodeError> {
        let symbols = symbols(block.len(), symbol_bytes)?;
        // The code counts padding symbols, too, which are never more than there are symbols in the largest block.
        let last = first.checked_add(count).and_then(|end| end.checked_add(2 * BLOCK_SYMBOLS_MAX));
        if last.is_none_or(|last| last >= SYMBOL_ID_END) {
            return Err(CodeError::Symbol(first));
        }
        let config = config(symbol_bytes)?;
        let plan = self.plans.entry(symbols).or_insert_with(|| SourceBlockEncodingPlan::generate(symbols));
        let encoder = SourceBlockEncoder::with_encoding_plan(0, &config, block, plan);
        let packets = encoder.repair_packets(first, count);
        Ok(packets.into_iter().map(EncodingPacket::split).map(|(id, data)| (id.encoding_symbol_id(), data)).collect())
    }
}

/// Rebuilds a block of so many source symbols, as whole symbols, from any of its symbols.
///
/// # Errors
/// If a symbol is none of the format's, or if the symbols do not determine the block.
pub fn decode<'a>(
    symbols_of_block: u32,
    symbol_bytes: u32,
    symbols: impl IntoIterator<Item = (u32, &'a [u8])>,
) -> Result<Vec<u8>, CodeError> {
    let bytes = u64::from(symbols_of_block) * u64::from(symbol_bytes);
    if symbols_of_block == 0 || symbols_of_block > BLOCK_SYMBOLS_MAX {
        return Err(CodeError::Block { bytes: usize::try_from(bytes).unwrap_or(usize::MAX), symbol_bytes });
    }
    let mut packets = Vec::with_capacity(usize::try_from(symbols_of_block).unwrap_or(0) + 16);
    for (id, data) in symbols {
        if id >= SYMBOL_ID_END - BLOCK_SYMBOLS_MAX || u32::try_from(data.len()) != Ok(symbol_bytes) {
            return Err(CodeError::Symbol(id));
        }
        packets.push(EncodingPacket::new(PayloadId::new(0, id), data.to_vec()));
    }
    let mut decoder = SourceBlockDecoder::new(0, &config(symbol_bytes)?, bytes);
    decoder.decode(packets).ok_or(CodeError::Undetermined)
}

fn symbols(bytes: usize, symbol_bytes: u32) -> Result<u16, CodeError> {
    let error = CodeError::Block { bytes, symbol_bytes };
    let size = usize::try_from(symbol_bytes).ok().filter(|size| *size > 0).ok_or(error)?;
    let symbols = u32::try_from(bytes / size).map_err(|_| error)?;
    if !bytes.is_multiple_of(size) || symbols == 0 || symbols > BLOCK_SYMBOLS_MAX {
        return Err(error);
    }
    u16::try_from(symbols).map_err(|_| error)
}

/// What RFC 6330 calls the object transmission information, of a block by itself: one block, one sub-block.
fn config(symbol_bytes: u32) -> Result<ObjectTransmissionInformation, CodeError> {
    let error = CodeError::Block { bytes: 0, symbol_bytes };
    let size = u16::try_from(symbol_bytes).ok().filter(|size| *size > 0).ok_or(error)?;
    let alignment = u8::try_from(SYMBOL_ALIGNMENT).map_err(|_| error)?;
    if !size.is_multiple_of(u16::from(alignment)) {
        return Err(error);
    }
    Ok(ObjectTransmissionInformation::new(0, size, 1, 1, alignment))
}
