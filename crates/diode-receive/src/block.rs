//! A block that is not whole yet.

use std::collections::HashMap;
use std::time::Instant;

/// Words of the set of source symbols that are there.
const WORDS: usize = fastness_diode::BLOCK_SYMBOLS_MAX as usize / 64;

/// A block while its symbols come in.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    /// Its source symbols, each at its place.
    pub(crate) buffer: Vec<u8>,
    /// The repair symbols that came, with their numbers.
    pub(crate) repair: Vec<(u32, Vec<u8>)>,
    symbols: u32,
    symbol_bytes: usize,
    /// Which source symbols are there.
    have: [u64; WORDS],
    sources: u32,
    /// How many symbols did not do, the last time that somebody tried.
    tried: u32,
    /// When the last symbol came.
    pub(crate) last: Instant,
}

/// What a symbol was to its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is there already.
    Already,
    /// The block waits for more.
    Waits,
    /// The block can be built.
    Enough,
}

impl OpenBlock {
    pub(crate) fn new(symbols: u32, symbol_bytes: usize, spare: &mut Spare, now: Instant) -> Self {
        let bytes = usize::try_from(symbols).unwrap_or(0) * symbol_bytes;
        let buffer = spare.take(bytes);
        Self { buffer, repair: Vec::new(), symbols, symbol_bytes, have: [0; WORDS], sources: 0, tried: 0, last: now }
    }

    pub(crate) fn take(&mut self, id: u32, bytes: &[u8], spare: &mut Spare, now: Instant) -> Taken {
        self.last = now;
        if id >= self.symbols {
            if self.repair.iter().any(|(other, _)| *other == id) {
                return Taken::Already;
            }
            let mut symbol = spare.take(self.symbol_bytes);
            symbol.copy_from_slice(bytes);
            self.repair.push((id, symbol));
        } else {
            let at = usize::try_from(id).unwrap_or(0);
            let mask = 1 << (id % 64);
            let start = at * self.symbol_bytes;
            let place = self.buffer.get_mut(start..start + self.symbol_bytes);
            let (Some(word), Some(place)) = (self.have.get_mut(at / 64), place) else { return Taken::Already };
            if *word & mask != 0 {
                return Taken::Already;
            }
            *word |= mask;
            self.sources += 1;
            place.copy_from_slice(bytes);
        }
        if self.is_complete() || self.count() >= enough(self.symbols) { Taken::Enough } else { Taken::Waits }
    }

    /// Whether every source symbol is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.sources == self.symbols
    }

    /// Whether it may well be built, if nothing more comes.
    pub(crate) fn may_do(&self) -> bool {
        self.count() >= self.symbols && self.count() > self.tried
    }

    /// Takes note that its symbols are being tried.
    pub(crate) fn try_now(&mut self) {
        self.tried = self.count();
    }

    /// How many source symbols it has when whole.
    pub(crate) fn symbols(&self) -> u32 {
        self.symbols
    }

    /// The symbols that are there, with their numbers.
    pub(crate) fn present(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let sources = (0_u32..).zip(self.buffer.chunks_exact(self.symbol_bytes)).filter(|(id, _)| {
            let word = self.have.get(usize::try_from(*id / 64).unwrap_or(usize::MAX));
            word.is_some_and(|word| word & (1 << (id % 64)) != 0)
        });
        sources.chain(self.repair.iter().map(|(id, symbol)| (*id, symbol.as_slice())))
    }

    /// The memory that it takes, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.buffer.len() + self.repair.len() * self.symbol_bytes
    }

    fn count(&self) -> u32 {
        self.sources + u32::try_from(self.repair.len()).unwrap_or(u32::MAX)
    }
}

/// How many symbols are waited for while more are coming. As many as the block has do with 99 % certainty; two more make
/// that 99.9999 % (RFC 6330, section 5.8), and about a dozen let the decoder do without its slowest part.
fn enough(symbols: u32) -> u32 {
    symbols + (2 + symbols / 12).min(14)
}

/// Buffers that were used before: memory that the system need not clear again.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    /// By their length.
    buffers: HashMap<usize, Vec<Vec<u8>>>,
    bytes: usize,
}

impl Spare {
    fn take(&mut self, length: usize) -> Vec<u8> {
        let spare = self.buffers.get_mut(&length).and_then(Vec::pop);
        spare.inspect(|_| self.bytes -= length).unwrap_or_else(|| vec![0; length])
    }

    /// Keeps a buffer, unless so many bytes are kept already.
    pub(crate) fn give(&mut self, buffer: Vec<u8>, bytes_max: usize) {
        if self.bytes + buffer.len() > bytes_max {
            self.buffers.clear();
            self.bytes = 0;
        }
        self.bytes += buffer.len();
        self.buffers.entry(buffer.len()).or_default().push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_waits_until_it_can_be_built() {
        let (mut spare, now) = (Spare::default(), Instant::now());
        let mut block = OpenBlock::new(3, 64, &mut spare, now);
        let mut take = |id: u32| block.take(id, &[id as u8; 64], &mut spare, now);
        assert_eq!((take(0), take(0), take(7), take(7)), (Taken::Waits, Taken::Already, Taken::Waits, Taken::Already));
        assert_eq!((take(2), take(8), take(9)), (Taken::Waits, Taken::Waits, Taken::Enough));
        assert!(!block.is_complete() && block.may_do());
        assert_eq!(
            block.present().map(|(id, symbol)| (id, symbol[0])).collect::<Vec<_>>(),
            [(0, 0), (2, 2), (7, 7), (8, 8), (9, 9)]
        );
        assert_eq!(block.take(1, &[1; 64], &mut spare, now), Taken::Enough);
        assert!(block.is_complete());
    }

    #[test]
    fn spare_buffers_are_bounded() {
        let mut spare = Spare::default();
        (0..10).for_each(|_| spare.give(vec![0; 100], 350));
        assert!(spare.bytes <= 350);
        assert_eq!(spare.take(100).len(), 100);
        assert_eq!(spare.take(77).len(), 77);
    }
}
