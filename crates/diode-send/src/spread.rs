//! How a batch is sent that is too short for the rate: at full speed a break would take more of it than its repair makes good,
//! or all of it.
//!
//! It could be sent twice, with a break's length in between, and that costs both ends everything twice. So it is sent once, more
//! slowly: over as long as a break may last, of each block no more turns pass than its repair makes good. What waits meanwhile is
//! the next batch, and the longer that is the faster it goes; so the line carries no less. Little is sent twice all the same:
//! it costs little, and comes at once.

use std::time::Duration;

use fastness_diode::SYMBOL_OVERHEAD;

use crate::line::turn_frames;
use crate::options::Settings;
use crate::pace::BEHIND_MAX;
use crate::plan::repair_count;

/// Batches of fewer bytes are sent twice.
const BYTES_MIN: u64 = 1 << 20;
/// What would take longer is sent twice.
const SPREAD_MAX: Duration = Duration::from_secs(1);
/// How exactly the slowness is found: to this power of a half of what it may be.
const HALVINGS: u32 = 12;

/// How a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Haste {
    /// So often.
    pub(crate) rounds: u32,
    /// So many times as slow as the rate, at least once.
    pub(crate) slowness: f64,
}

/// How a batch of so many bytes is sent whose blocks have so many symbols.
pub(crate) fn haste(settings: &Settings, bytes: u64, blocks: impl Iterator<Item = u32>) -> Haste {
    let as_set = Haste { rounds: settings.rounds, slowness: 1.0 };
    if settings.rounds > 1 || settings.burst.is_zero() {
        return as_set;
    }
    let twice = Haste { rounds: 2, ..as_set };
    let Some(turns) = Turns::of(settings, blocks.collect()) else { return twice };
    let seconds = turns.seconds(1.0);
    // What goes faster than a break lasts could be lost altogether.
    let is_short = seconds < settings.burst.as_secs_f64() * 2.0;
    // Longer ones are cut into groups.
    let is_long = settings.interleave > 0 && bytes >= settings.interleave;
    if is_long || settings.repair <= 0.0 {
        return if is_short { twice } else { as_set };
    }
    if turns.outlast_breaks(1.0) {
        return as_set;
    }
    let slowest = SPREAD_MAX.as_secs_f64() / seconds;
    if bytes < BYTES_MIN || slowest <= 1.0 || !turns.outlast_breaks(slowest) {
        return twice;
    }
    let (mut too_fast, mut slowness) = (1.0, slowest);
    for _ in 0..HALVINGS {
        let between = f64::midpoint(too_fast, slowness);
        if turns.outlast_breaks(between) { slowness = between } else { too_fast = between }
    }
    Haste { slowness, ..as_set }
}

/// A batch as the line will send it.
struct Turns {
    /// Of each turn its block, and how many frames it has.
    all: Vec<(usize, u32)>,
    /// How many frames of each block a break may take: four fifths of its repair.
    may_lose: Vec<u32>,
    seconds_a_frame: f64,
    broken: f64,
}

impl Turns {
    /// Turn by turn: a turn of each block that has more symbols, and again; then the repair, likewise. Blocks of other lengths
    /// end at other times, and the turns of those that are left come faster.
    fn of(settings: &Settings, blocks: Vec<u32>) -> Option<Self> {
        let symbol_bytes = usize::try_from(settings.symbol_bytes).ok()?;
        let turn = turn_frames(symbol_bytes);
        let frames_max = u32::try_from(turn).ok()?;
        let frame_bytes = settings.header_bytes().saturating_add(symbol_bytes).saturating_add(SYMBOL_OVERHEAD);
        let repairs: Vec<u32> = blocks.iter().map(|symbols| repair_count(*symbols, settings.repair)).collect();
        let may_lose = repairs.iter().map(|repair| repair * 4 / 5).collect();
        let mut all = Vec::new();
        for phase in [blocks, repairs] {
            for first in (0..phase.iter().copied().max().unwrap_or(0)).step_by(turn) {
                let left = phase.iter().map(|frames| frames.saturating_sub(first)).enumerate();
                all.extend(left.filter(|(_, left)| *left > 0).map(|(block, left)| (block, left.min(frames_max))));
            }
        }
        let seconds_a_frame = frame_bytes as f64 / settings.rate;
        // What the sender is late it catches up at once, as if the break were longer.
        Some(Self { all, may_lose, seconds_a_frame, broken: (settings.burst + BEHIND_MAX).as_secs_f64() })
    }

    /// How long it is on the line, so many times as slow as the rate.
    fn seconds(&self, slowness: f64) -> f64 {
        self.all.iter().map(|(_, frames)| f64::from(*frames)).sum::<f64>() * self.seconds_a_frame * slowness
    }

    /// Whether a break, wherever it falls, takes of each block no more than it may lose.
    fn outlast_breaks(&self, slowness: f64) -> bool {
        let mut lost = vec![0; self.may_lose.len()];
        let seconds = |frames: u32| f64::from(frames) * self.seconds_a_frame * slowness;
        // How long ago the first turn began that is lost with the present one.
        let (mut since, mut first_lost) = (0.0, self.all.iter());
        self.all.iter().all(|(block, frames)| {
            while since >= self.broken
                && let Some((gone, frames)) = first_lost.next()
            {
                since -= seconds(*frames);
                lost.get_mut(*gone).into_iter().for_each(|lost| *lost -= frames);
            }
            since += seconds(*frames);
            let Some((lost, may_lose)) = lost.get_mut(*block).zip(self.may_lose.get(*block)) else { return false };
            *lost += frames;
            *lost <= *may_lose
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastness_diode::Geometry;
    use proptest::prelude::*;

    /// As `up` runs it.
    fn settings() -> Settings {
        Settings { rate: 200e6, symbol_bytes: 8_880, interleave: 55_800_000, ..crate::options::tests::settings() }
    }

    fn blocks_of(length: u64) -> Vec<u32> {
        let geometry = Geometry::new(length, settings().symbol_bytes).unwrap();
        (0..geometry.blocks()).map(|number| geometry.block(number).unwrap().symbols).collect()
    }

    #[test]
    fn a_batch_is_sent_twice_or_slowly_or_as_it_is_by_its_length() {
        let settings = settings();
        let of = |length: u64| haste(&settings, length, blocks_of(length).into_iter());
        assert_eq!(of(75_792), Haste { rounds: 2, slowness: 1.0 });
        for length in [1 << 20, 4_300_000, 18_000_000, 40_000_000] {
            let Haste { rounds, slowness } = of(length);
            assert!(rounds == 1 && slowness > 1.0, "{length}: {rounds}, {slowness}");
        }
        assert_eq!(of(60_000_000), Haste { rounds: 1, slowness: 1.0 });
        // The faster the more there is.
        assert!(of(4_300_000).slowness > 2.0 * of(12_900_000).slowness);
        let carousel = Settings { rounds: 3, ..settings.clone() };
        assert_eq!(haste(&carousel, 4_300_000, blocks_of(4_300_000).into_iter()), Haste { rounds: 3, slowness: 1.0 });
        let bare = Settings { repair: 0.0, interleave: 0, ..settings };
        assert_eq!(haste(&bare, 4_300_000, blocks_of(4_300_000).into_iter()), Haste { rounds: 2, slowness: 1.0 });
    }

    /// What each block may lose, and has lost at worst, of bundles of these lengths.
    fn worst(settings: &Settings, lengths: &[u64]) -> Option<Vec<(u32, u32)>> {
        let turn = u32::try_from(turn_frames(8_880)).unwrap();
        let blocks: Vec<u32> = lengths.iter().flat_map(|length| blocks_of(*length)).collect();
        let Haste { rounds, slowness } = haste(settings, lengths.iter().sum(), blocks.iter().copied());
        if rounds > 1 {
            return None;
        }
        // When each turn goes, of which block, with how many frames: as the line sends them.
        let (mut sent, mut at) = (Vec::new(), 0.0);
        let repairs: Vec<u32> = blocks.iter().map(|symbols| repair_count(*symbols, settings.repair)).collect();
        for phase in [&blocks, &repairs] {
            for first in (0..*phase.iter().max().unwrap()).step_by(turn.try_into().unwrap()) {
                for (block, symbols) in phase.iter().enumerate().filter(|(_, symbols)| first < **symbols) {
                    let frames = turn.min(symbols - first);
                    sent.push((at, block, frames));
                    at += f64::from(frames) * 8_980.0 * slowness / settings.rate;
                }
            }
        }
        let mut worst: Vec<(u32, u32)> = repairs.iter().map(|repair| (*repair, 0)).collect();
        for (begin, ..) in &sent {
            let mut lost = vec![0; blocks.len()];
            let broken = sent.iter().filter(|(at, ..)| (*begin..begin + settings.burst.as_secs_f64()).contains(at));
            broken.for_each(|(_, block, frames)| lost[*block] += frames);
            worst.iter_mut().zip(lost).for_each(|((_, worst), lost)| *worst = lost.max(*worst));
        }
        Some(worst)
    }

    fn is_whole(worst: &[(u32, u32)]) -> bool {
        worst.iter().all(|(repair, lost)| lost <= repair)
    }

    #[test]
    fn wherever_a_break_falls_the_repair_of_each_block_makes_it_good() {
        for length in (1 << 20..40_000_000_u64).step_by(777_777) {
            let worst = worst(&settings(), &[length]).unwrap();
            assert!(is_whole(&worst), "{length}: {worst:?}");
        }
        // Of unlike ones: when the short are through, the turns of the long come faster.
        let unlike = [&[1_118_880][..], &[1_713_840; 6]].concat();
        assert!(worst(&settings(), &unlike).is_none_or(|worst| is_whole(&worst)));
    }

    proptest! {
        #[test]
        fn unlike_bundles_outlast_a_break_or_are_sent_twice(
            lengths in prop::collection::vec(prop_oneof![1_000_u64..9_000_000, Just(4_300_000)], 1..8),
        ) {
            let worst = worst(&settings(), &lengths);
            prop_assert!(worst.as_ref().is_none_or(|worst| is_whole(worst)), "{:?}", worst);
        }
    }

    #[test]
    fn what_is_interleaved_in_short_groups_and_short_itself_is_sent_twice() {
        let of = |settings: &Settings, length: u64| haste(settings, length, blocks_of(length).into_iter());
        let hasty = Settings { interleave: 1_000_000, ..settings() };
        assert_eq!(of(&hasty, 1_200_000), Haste { rounds: 2, slowness: 1.0 });
        assert_eq!(of(&hasty, 60_000_000), Haste { rounds: 1, slowness: 1.0 });
        let unbroken = Settings { burst: Duration::ZERO, ..settings() };
        assert_eq!(of(&unbroken, 4_300_000), Haste { rounds: 1, slowness: 1.0 });
    }
}
