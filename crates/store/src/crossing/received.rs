//! Which numbers of a region's bundles came in. The numbers are of all labels, so this lies at the ceiling, and no session
//! below is ever shown it.

use super::rows::Until;
use super::{CROSSING_KEPT_MS, rows};
use crate::catalog::Turn;
use crate::{Fault, Record, Store};
use fastness_decide::Chore;
use fastness_operation::{Code, Moment, RegionName};
use serde::{Deserialize, Serialize};

/// Ranges of numbers that are kept of a region. For a number that would need one more the lowest gap is closed.
pub const RANGES_MAX: usize = 1_024;

/// Rows of which one write takes the old ones away.
const FORGOTTEN_MAX: usize = 64;

/// The numbers that came: taken in whole, or refused by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReceivedNumbers {
    /// Ranges with both ends in them, in order, none touching the next; in them, too, the numbers of gaps that were closed.
    pub ranges: Vec<(u64, u64)>,
    /// When the highest came, milliseconds since 1970.
    pub highest_seen_ms: i64,
}

impl ReceivedNumbers {
    /// Whether a number is among them.
    #[must_use]
    pub fn holds(&self, number: u64) -> bool {
        let after = self.ranges.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|(_, last)| number <= *last)
    }

    /// The numbers that are missing below the highest, as ranges.
    #[must_use]
    pub fn gaps(&self) -> Vec<(u64, u64)> {
        let mut next = 1;
        let mut found = Vec::new();
        for (first, last) in &self.ranges {
            if next < *first {
                found.push((next, first - 1));
            }
            next = last.saturating_add(1);
        }
        found
    }

    /// The same with one number more; nothing when there is no room for it.
    #[must_use]
    pub fn with(&self, number: u64, now_ms: i64) -> Option<Self> {
        if self.holds(number) {
            return Some(self.clone());
        }
        let is_highest = self.ranges.last().is_none_or(|(_, last)| *last < number);
        let mut all = self.ranges.clone();
        all.push((number, number));
        all.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match ranges.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        let highest_seen_ms = if is_highest { now_ms } else { self.highest_seen_ms };
        (ranges.len() <= RANGES_MAX).then_some(Self { ranges, highest_seen_ms })
    }

    /// The same with one number more, and the gap that had to be closed for it, if there was no room. The lowest one goes,
    /// which has been missing longest: what came in it would be refused as replayed.
    #[must_use]
    pub fn with_room(&self, number: u64, now_ms: i64) -> (Self, Option<(u64, u64)>) {
        if let Some(with) = self.with(number, now_ms) {
            return (with, None);
        }
        let pairs = self.ranges.iter().zip(self.ranges.iter().skip(1));
        let gaps = pairs.map(|((_, end), (next, _))| (end.saturating_add(1), next.saturating_sub(1)));
        let mut others = gaps.filter(|(first, last)| !(*first..=*last).contains(&number));
        let Some(gap) = others.next() else { return (self.clone(), None) };
        let closed = self.closed(gap);
        (closed.with(number, now_ms).unwrap_or(closed), Some(gap))
    }

    /// The same without a gap between two ranges.
    fn closed(&self, (first, last): (u64, u64)) -> Self {
        let mut closed = self.clone();
        closed.ranges.dedup_by(|next, before| {
            let is_gap = before.1 < first && next.0 > last;
            if is_gap {
                before.1 = next.1;
            }
            is_gap
        });
        closed
    }
}

/// A gap that was closed to make room for a number, if there was none: its first and last number.
pub type ClosedGap = Option<(u64, u64)>;

/// What is kept of one number, for as long as a bundle may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberSeen {
    /// SHA-256 of the note's text: another bundle under the same number has another.
    pub note_sha256: [u8; 32],
    /// The banner of the label at which it is put: also after a crash, whatever the mapping says by then. Nothing of one
    /// that no mapping has let in yet.
    pub target: String,
    /// When it came first, milliseconds since 1970.
    pub at_ms: i64,
    /// Whether all of it was taken out.
    pub done: bool,
}

impl Store {
    /// The numbers of a region's bundles that came in whole. The chore is the ceiling's.
    ///
    /// # Errors
    /// A failure.
    pub fn received_numbers(&self, chore: &Chore, from: &RegionName) -> Result<ReceivedNumbers, Fault> {
        let reading = self.partition(self.ceiling_of(chore)?)?.read()?;
        Ok(rows::read(&reading, &rows::received(from))?.unwrap_or_default())
    }

    /// What is known of one number of a region's.
    ///
    /// # Errors
    /// A failure.
    pub fn number_seen(&self, chore: &Chore, from: &RegionName, number: u64) -> Result<Option<NumberSeen>, Fault> {
        let reading = self.partition(self.ceiling_of(chore)?)?.read()?;
        rows::read(&reading, &rows::number(from, number))
    }

    fn ceiling_of(&self, chore: &Chore) -> Result<fastness_label::Label, Fault> {
        let ceiling = self.labels().ceiling();
        if chore.view().session() == ceiling { Ok(ceiling) } else { Err(Fault::mismatch()) }
    }

    /// Notes that a bundle begins to be taken out, and at which label. One that began before goes on. Answers the gap that
    /// was closed to make room, if one was.
    ///
    /// # Errors
    /// `InvalidRequest` when the number is another bundle's or was taken out already, or a failure.
    pub async fn begin_number(
        &self,
        chore: &Chore,
        (from, number): (&RegionName, u64),
        seen: NumberSeen,
        record: Record<ClosedGap>,
    ) -> Result<ClosedGap, Fault> {
        let (from, partition) = (from.clone(), self.partition(self.ceiling_of(chore)?)?);
        let came = || Err(Fault::refused(Code::InvalidRequest, "the number came already"));
        let work = move |turn: &mut Turn<'_>| {
            let row = rows::number(&from, number);
            let numbers: ReceivedNumbers = rows::read_in(turn, &rows::received(&from))?.unwrap_or_default();
            match rows::read_in::<NumberSeen>(turn, &row)? {
                Some(known) if known.done || known.note_sha256 != seen.note_sha256 => return came(),
                Some(known) if !known.target.is_empty() => return Ok(None),
                Some(_) => {}
                None if numbers.holds(number) => return came(),
                None => {}
            }
            forget(turn, &from, seen.at_ms)?;
            rows::write(turn, &row, &seen)?;
            // The number itself is among them when all of it was taken out.
            let (_, closed) = numbers.with_room(number, seen.at_ms);
            if let Some(gap) = closed {
                rows::write(turn, &rows::received(&from), &numbers.closed(gap))?;
            }
            Ok(closed)
        };
        partition.turn(work, record).await
    }

    /// Notes the number of a bundle whose signatures and digests are right and that is not taken out: it is missing no
    /// longer. The same bundle may begin later, no other under its number. Answers as [`Store::begin_number`].
    ///
    /// # Errors
    /// A failure.
    pub async fn note_number(
        &self,
        chore: &Chore,
        (from, number): (&RegionName, u64),
        note_sha256: [u8; 32],
        moment: Moment,
        record: Record<ClosedGap>,
    ) -> Result<ClosedGap, Fault> {
        let (from, partition) = (from.clone(), self.partition(self.ceiling_of(chore)?)?);
        let work = move |turn: &mut Turn<'_>| {
            let row = rows::number(&from, number);
            let numbers: ReceivedNumbers = rows::read_in(turn, &rows::received(&from))?.unwrap_or_default();
            if numbers.holds(number) {
                return Ok(None);
            }
            if rows::read_in::<NumberSeen>(turn, &row)?.is_none() {
                forget(turn, &from, moment.now_ms)?;
                let seen = NumberSeen { note_sha256, target: String::new(), at_ms: moment.now_ms, done: false };
                rows::write(turn, &row, &seen)?;
            }
            let (with, closed) = numbers.with_room(number, moment.now_ms);
            rows::write(turn, &rows::received(&from), &with)?;
            Ok(closed)
        };
        partition.turn(work, record).await
    }

    /// Notes that a bundle was taken out whole. Answers as [`Store::begin_number`].
    ///
    /// # Errors
    /// `InvalidRequest` when it never began, or a failure.
    pub async fn finish_number(
        &self,
        chore: &Chore,
        (from, number): (&RegionName, u64),
        moment: Moment,
        record: Record<ClosedGap>,
    ) -> Result<ClosedGap, Fault> {
        let (from, partition) = (from.clone(), self.partition(self.ceiling_of(chore)?)?);
        let work = move |turn: &mut Turn<'_>| {
            let row = rows::number(&from, number);
            let Some(seen) = rows::read_in::<NumberSeen>(turn, &row)? else {
                return Err(Fault::refused(Code::InvalidRequest, "the number never began"));
            };
            let numbers: ReceivedNumbers = rows::read_in(turn, &rows::received(&from))?.unwrap_or_default();
            // There was room when it began. What came since may have taken it.
            let (with, closed) = numbers.with_room(number, moment.now_ms);
            rows::write(turn, &rows::received(&from), &with)?;
            rows::write(turn, &row, &NumberSeen { done: true, ..seen })?;
            Ok(closed)
        };
        partition.turn(work, record).await
    }
}

/// Rows of numbers go that are older than any bundle may be. The lowest numbers are the oldest, but for a few that were sent
/// again: the first rows alone are looked at, because each new number asks for it.
fn forget(turn: &Turn<'_>, from: &RegionName, now_ms: i64) -> Result<(), Fault> {
    let old = |_: &str, known: &NumberSeen| now_ms - known.at_ms > CROSSING_KEPT_MS;
    for forgotten in rows::keys_in(turn, &rows::numbers(from), Until::LookedAt(FORGOTTEN_MAX), old)? {
        rows::remove(turn, &forgotten)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_hold_what_was_added_and_gaps_the_rest(added in proptest::collection::vec(1_u64..60, 0..80)) {
            let mut numbers = ReceivedNumbers::default();
            for number in &added {
                numbers = numbers.with(*number, 1).unwrap();
            }
            let set: BTreeSet<u64> = added.iter().copied().collect();
            let gaps = numbers.gaps();
            let highest = set.last().copied().unwrap_or(0);
            for number in 1..70 {
                prop_assert_eq!(numbers.holds(number), set.contains(&number));
                let missing = gaps.iter().any(|(first, last)| (*first..=*last).contains(&number));
                prop_assert_eq!(missing, number < highest && !set.contains(&number));
            }
            prop_assert!(numbers.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }

    #[test]
    fn there_is_an_end_to_ranges_and_a_closed_gap_makes_room() {
        let mut numbers = ReceivedNumbers::default();
        for number in 0..RANGES_MAX as u64 {
            numbers = numbers.with(2 * number + 1, 1).unwrap();
        }
        assert!(numbers.with(1_000_000, 1).is_none());
        let closed = numbers.with(2, 1).unwrap();
        assert!(closed.with(1_000_000, 1).is_some());
        assert_eq!(closed.with_room(1_000_000, 1), (closed.with(1_000_000, 1).unwrap(), None));
        assert_eq!(numbers.with(u64::MAX, 1), None);
        assert!(closed.with(u64::MAX, 1).unwrap().holds(u64::MAX));
    }

    #[test]
    fn where_there_is_no_room_the_lowest_gap_closes_and_no_number_waits_for_ever() {
        let mut numbers = ReceivedNumbers::default();
        let mut closed = Vec::new();
        for number in 0..2 * RANGES_MAX as u64 {
            let (with, gap) = numbers.with_room(3 * number + 2, 1);
            assert!(with.holds(3 * number + 2) && with.ranges.len() <= RANGES_MAX);
            closed.extend(gap);
            numbers = with;
        }
        let expected: Vec<(u64, u64)> = (0..RANGES_MAX as u64).map(|at| (3 * at + 3, 3 * at + 4)).collect();
        assert_eq!(closed, expected, "lowest first, each once");
        assert_eq!(numbers.ranges[0], (2, 3 * RANGES_MAX as u64 + 2));
        // One that comes late, in what is then the lowest gap: it is not closed over its head.
        let late = numbers.ranges[0].1 + 1;
        let filled = numbers.with_room(late, 1);
        assert_eq!(filled, (numbers.with(late, 1).unwrap(), None));
        let mut wide = ReceivedNumbers { ranges: vec![(1, 1)], highest_seen_ms: 1 };
        wide.ranges.extend((1..RANGES_MAX as u64).map(|at| (1_000 * at, 1_000 * at)));
        let (with, gap) = wide.with_room(500, 1);
        assert_eq!((with.holds(500), gap), (true, Some((1_001, 1_999))));
    }
}
