//! A look at every byte of a catalog's file, without `redb`: what authenticates, and what does not.

use super::{
    BLOCK, BLOCKS_START, CatalogError, DiskFile, GROUP, IDENTITY, PAGE_OVERHEAD, PageCipher, Pages, SEALED, SEQUENCE,
    SLOT, SLOT_STRIDE, SUPERBLOCK, place_of, slot_place,
};
use std::io;
use std::sync::Arc;

/// Blocks that a survey names; more are counted.
const NAMED_MAX: usize = 16;

/// What a survey found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Blocks in the file, the header not among them.
    pub(crate) blocks: u64,
    /// Blocks that are neither zeros nor authenticate: how many, and the first of them.
    pub(crate) refused: u64,
    pub(crate) refused_first: Vec<u64>,
    /// Header slots that are neither zeros nor authenticate.
    pub(crate) slots_refused: u64,
    /// Bytes that should be zero and are not.
    pub(crate) strays: u64,
}

/// Reads the whole file. `step` hears of every byte read.
///
/// # Errors
/// When the file is not ours or not under this key, or cannot be read.
pub(crate) fn survey(
    name: &str,
    file: Arc<dyn DiskFile>,
    cipher: PageCipher,
    step: &mut dyn FnMut(u64),
) -> Result<Survey, CatalogError> {
    let mut pages = Pages::over(name, file, cipher);
    let length = pages.file.len().map_err(|source| pages.failed(source))?;
    if length <= SUPERBLOCK {
        return Err(pages.damaged("it was cut off, or its making was"));
    }
    pages.check_superblock()?;
    pages.survey(length, step).map_err(|source| pages.failed(source))
}

impl Pages {
    fn survey(&self, length: u64, step: &mut dyn FnMut(u64)) -> io::Result<Survey> {
        let mut found = Survey { blocks: length.saturating_sub(BLOCKS_START) / SEALED as u64, ..Survey::default() };
        self.survey_head(&mut found)?;
        step(BLOCKS_START.min(length));
        let (mut sealed, mut plain) = (vec![0; GROUP * SEALED], [0; BLOCK]);
        let mut first = 1;
        while first <= found.blocks {
            let read = self.file.read_at(place_of(first), &mut sealed)?;
            let blocks = sealed.get(..read).unwrap_or_default().chunks_exact(SEALED);
            let count = blocks.len() as u64;
            for (number, block) in (first..).zip(blocks) {
                if block.iter().all(|byte| *byte == 0) || self.cipher.open(number, block, &mut plain).is_ok() {
                    continue;
                }
                found.refused += 1;
                if found.refused_first.len() < NAMED_MAX {
                    found.refused_first.push(number);
                }
            }
            if count == 0 {
                break;
            }
            first += count;
            step(read as u64);
        }
        Ok(found)
    }

    /// The superblock's zeros and the two headers with theirs.
    fn survey_head(&self, found: &mut Survey) -> io::Result<()> {
        let mut head = vec![0; BLOCKS_START as usize];
        self.read_or_zeros(0, &mut head)?;
        let used = IDENTITY + IDENTITY + PAGE_OVERHEAD;
        let mut strays = |from: usize, to: usize| {
            let bytes = head.get(from..to).unwrap_or_default();
            found.strays += bytes.iter().filter(|byte| **byte != 0).count() as u64;
        };
        strays(used, SUPERBLOCK as usize);
        for slot in [0, 1] {
            let start = slot_place(slot) as usize;
            strays(start + SLOT, start + SLOT_STRIDE as usize);
        }
        for slot in [0, 1] {
            let start = slot_place(slot) as usize;
            let sealed = head.get(start..start + SLOT).unwrap_or_default();
            let mut opened = [0; SEQUENCE + BLOCK];
            let written = sealed.iter().any(|byte| *byte != 0);
            found.slots_refused += u64::from(written && self.cipher.open(0, sealed, &mut opened).is_err());
        }
        Ok(())
    }
}
