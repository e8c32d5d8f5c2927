//! Bytes of a file in memory, chunk by chunk.

/// Bytes of one chunk.
pub(super) const CHUNK: usize = 4096;

/// What a device writes as a whole or not at all.
const SECTOR: usize = 512;

/// Bytes of a file; a chunk never written takes no room and reads as zeros.
#[derive(Clone, Default)]
pub(super) struct Sparse {
    chunks: Vec<Option<Box<[u8; CHUNK]>>>,
    pub(super) length: u64,
}

impl Sparse {
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> usize {
        let there = self.length.saturating_sub(offset).min(out.len() as u64) as usize;
        let (wanted, _) = out.split_at_mut(there);
        for (chunk, start, part) in pieces_mut(offset, wanted) {
            let stored = self.chunks.get(chunk).and_then(Option::as_ref);
            match stored.and_then(|bytes| bytes.get(start..start + part.len())) {
                Some(bytes) => part.copy_from_slice(bytes),
                None => part.fill(0),
            }
        }
        there
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        self.length = self.length.max(offset + data.len() as u64);
        self.fit();
        for (chunk, start, part) in pieces(offset, data) {
            if let Some(place) = self.chunks.get_mut(chunk) {
                let bytes = place.get_or_insert_with(|| Box::new([0; CHUNK]));
                if let Some(bytes) = bytes.get_mut(start..start + part.len()) {
                    bytes.copy_from_slice(part);
                }
            }
        }
    }

    pub(super) fn write_sectors(&mut self, offset: u64, data: &[u8], dice: &mut Dice) {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let to_border = SECTOR - (at % SECTOR as u64) as usize;
            let (sector, after) = rest.split_at(to_border.min(rest.len()));
            if dice.roll().is_multiple_of(2) {
                self.write(at, sector);
            }
            at += sector.len() as u64;
            rest = after;
        }
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, data } => self.write(*offset, data),
            Change::Length(length) => {
                self.set_length(*length);
            }
        }
    }

    /// Returns the number of chunks freed.
    pub(super) fn set_length(&mut self, length: u64) -> u64 {
        let before = self.allocated();
        let shorter = length < self.length;
        self.length = length;
        self.fit();
        let tail = (length % CHUNK as u64) as usize;
        if shorter
            && tail > 0
            && let Some(Some(last)) = self.chunks.last_mut()
            && let Some(cut) = last.get_mut(tail..)
        {
            cut.fill(0);
        }
        before - self.allocated()
    }

    pub(super) fn fit(&mut self) {
        let chunks = self.length.div_ceil(CHUNK as u64) as usize;
        if self.chunks.len() != chunks {
            self.chunks.resize(chunks, None);
        }
    }

    pub(super) fn flip(&mut self, offset: u64) -> bool {
        let mut byte = [0];
        let there = self.read(offset, &mut byte) == 1;
        if there {
            self.write(offset, &byte.map(|byte| byte ^ 1));
        }
        there
    }

    pub(super) fn allocated(&self) -> u64 {
        self.chunks.iter().flatten().count() as u64
    }

    pub(super) fn missing(&self, offset: u64, length: usize) -> u64 {
        if length == 0 {
            return 0;
        }
        let first = (offset / CHUNK as u64) as usize;
        let last = ((offset + length as u64 - 1) / CHUNK as u64) as usize;
        let there = |chunk: &usize| matches!(self.chunks.get(*chunk), Some(Some(_)));
        (first..=last).filter(|chunk| !there(chunk)).count() as u64
    }
}

/// Cuts a range at the chunks' borders: chunk, start within it, bytes.
pub(super) fn pieces(offset: u64, data: &[u8]) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let (mut at, mut rest) = (offset, data);
    std::iter::from_fn(move || {
        let start = (at % CHUNK as u64) as usize;
        let (part, after) = rest.split_at(rest.len().min(CHUNK - start));
        let chunk = (at / CHUNK as u64) as usize;
        at += part.len() as u64;
        rest = after;
        (!part.is_empty()).then_some((chunk, start, part))
    })
}

fn pieces_mut(offset: u64, data: &mut [u8]) -> impl Iterator<Item = (usize, usize, &mut [u8])> {
    let (mut at, mut rest) = (offset, Some(data));
    std::iter::from_fn(move || {
        let whole = rest.take()?;
        let start = (at % CHUNK as u64) as usize;
        let length = whole.len().min(CHUNK - start);
        let (part, after) = whole.split_at_mut(length);
        let chunk = (at / CHUNK as u64) as usize;
        at += length as u64;
        rest = Some(after);
        (!part.is_empty()).then_some((chunk, start, part))
    })
}

/// SplitMix64, with one temper a crash: some crashes lose nearly everything, some nearly nothing.
pub(super) struct Dice {
    state: u64,
    kept_of_eight: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Self { state: seed, kept_of_eight: 0 };
        dice.kept_of_eight = dice.roll() % 9;
        dice
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Dice of one file's own, of the same temper.
    pub(super) fn of_file(&self, number: u64) -> Self {
        let mut dice = Self { state: self.state ^ number.wrapping_mul(0xd605_bbb5_8c8a_bc2b), ..*self };
        dice.state = dice.roll();
        dice
    }

    pub(super) fn kept(&mut self) -> bool {
        self.roll() % 8 < self.kept_of_eight
    }

    pub(super) fn torn(&mut self) -> bool {
        self.roll().is_multiple_of(4)
    }
}

pub(super) enum Change {
    Write { offset: u64, data: Vec<u8> },
    Length(u64),
}
