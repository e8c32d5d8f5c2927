//! Entries on their way into the tail: those that one turn appends lie in few rows, so that they share what a row costs.
//!
//! Every byte is described in `docs/formats/ledger.md`.

use super::SEGMENT_LEN;
use super::segments::COMMITMENT_LEN;
use crate::Fault;

/// Entries that follow one another, each with its length in front of it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    bytes: Vec<u8>,
    count: u64,
}

/// A row that would become longer takes no more entries: four of `redb`'s pages hold it, with what they say of it.
const LEN_FULL: usize = (16 << 10) - 128;

/// Bytes of a length.
const LENGTH_LEN: usize = size_of::<u32>();

impl Group {
    pub(crate) const fn len(&self) -> usize {
        self.count as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// As a row holds them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Takes an entry: its commitment, then its content.
    pub(crate) fn push(&mut self, entry: &[u8]) -> Result<(), Fault> {
        let long = |error| Fault::failed("an entry of the ledger is too long", error);
        if entry.len() < COMMITMENT_LEN {
            return Err(Fault::Failed("an entry of the ledger has no commitment".to_owned()));
        }
        self.bytes.extend_from_slice(&u32::try_from(entry.len()).map_err(long)?.to_be_bytes());
        self.bytes.extend_from_slice(entry);
        self.count += 1;
        Ok(())
    }

    /// Takes another's entries behind its own.
    pub(crate) fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// Whether an entry of this length and number belongs into a row of its own. Rows end where segments do.
    pub(crate) const fn is_full_for(&self, length: usize, number: u64) -> bool {
        let long = self.bytes.len() + LENGTH_LEN + length > LEN_FULL;
        !self.is_empty() && (long || number.is_multiple_of(SEGMENT_LEN))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<&[u8], Fault>> {
        entries(&self.bytes)
    }
}

/// The entries of a row, in order; the last is an error if the row is malformed.
pub(crate) fn entries(row: &[u8]) -> impl Iterator<Item = Result<&[u8], Fault>> {
    let mut rest = row;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = rest
            .split_first_chunk::<LENGTH_LEN>()
            .and_then(|(length, tail)| tail.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?));
        let Some((entry, tail)) = next else {
            rest = &[];
            return Some(Err(Fault::Failed("a row of the ledger is malformed".to_owned())));
        };
        rest = tail;
        Some(Ok(entry))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What was put in comes out; what was cut off says so and never reads as whole.
        #[test]
        fn entries_come_out_as_they_were_put_in(
            lengths in prop::collection::vec(32..3_000_usize, 1..20),
            cut in 1..3_000_usize,
        ) {
            let mut group = Group::default();
            let expected: Vec<Vec<u8>> = (0..).zip(&lengths).map(|(byte, length)| vec![byte; *length]).collect();
            for entry in &expected {
                group.push(entry).unwrap();
            }
            prop_assert_eq!(group.len(), expected.len());
            let found: Vec<Vec<u8>> = group.iter().map(|entry| entry.unwrap().to_vec()).collect();
            prop_assert_eq!(&found, &expected);
            let short = &group.bytes()[..group.bytes().len().saturating_sub(cut)];
            let whole: Result<Vec<&[u8]>, Fault> = entries(short).collect();
            prop_assert!(whole.is_err() || whole.unwrap().len() < expected.len());
        }
    }

    #[test]
    fn rows_end_where_they_are_full_and_where_segments_do() {
        let mut group = Group::default();
        assert!(!group.is_full_for(1 << 20, SEGMENT_LEN), "an empty row takes any entry");
        group.push(&[1; 16_000]).unwrap();
        assert!(!group.is_full_for(200, 5) && group.is_full_for(260, 5) && group.is_full_for(40, SEGMENT_LEN));
        assert!(group.push(&[1; 31]).is_err() && group.len() == 1);
    }
}
