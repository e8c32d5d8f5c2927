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

/// How a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Haste {
    /// So often.
    pub(crate) rounds: u32,
    /// So many times as slow as the rate, at least once.
    pub(crate) slowness: f64,
}

/// How a batch of so many bytes is sent whose blocks have so many symbols.
pub(crate) fn haste(settings: &Settings, bytes: u64, blocks: impl Iterator<Item = u32> + Clone) -> Haste {
    let as_set = Haste { rounds: settings.rounds, slowness: 1.0 };
    // Longer ones are cut into groups each of which is long enough.
    let is_long = settings.interleave > 0 && bytes >= settings.interleave;
    if settings.rounds > 1 || is_long {
        return as_set;
    }
    let twice = Haste { rounds: 2, ..as_set };
    let frames: f64 = blocks.clone().map(|symbols| f64::from(symbols + repair_count(symbols, settings.repair))).sum();
    let symbol_bytes = usize::try_from(settings.symbol_bytes).unwrap_or(usize::MAX);
    let frame_bytes = settings.header_bytes().saturating_add(symbol_bytes).saturating_add(SYMBOL_OVERHEAD);
    let seconds = frames * frame_bytes as f64 / settings.rate;
    match spread(settings, blocks) {
        Some(needed) if seconds >= needed.as_secs_f64() => as_set,
        Some(needed) if bytes >= BYTES_MIN && needed <= SPREAD_MAX => {
            Haste { slowness: needed.as_secs_f64() / seconds, ..as_set }
        }
        Some(_) => twice,
        // What goes faster than a break lasts could be lost altogether.
        None if seconds < settings.burst.as_secs_f64() * 2.0 => twice,
        None => as_set,
    }
}

/// How long a group must be on the line at least, so that a break takes no more than four fifths of each block's repair; nothing
/// when one turn has more frames than that makes good.
fn spread(settings: &Settings, blocks: impl Iterator<Item = u32>) -> Option<Duration> {
    let symbol_bytes = usize::try_from(settings.symbol_bytes).ok()?;
    let turn = u32::try_from(turn_frames(symbol_bytes)).ok()?;
    // What the sender is late it catches up at once, as if the break were longer.
    let broken = settings.burst + BEHIND_MAX;
    let (mut apart, mut turns) = (Duration::ZERO, 0);
    for symbols in blocks {
        let repair = repair_count(symbols, settings.repair);
        let in_turn = turn.min(symbols.max(repair));
        let may_go = (repair * 4 / 5) / in_turn;
        if may_go == 0 {
            return None;
        }
        // Of turns that are so far apart, no more fall into a break.
        apart = apart.max(broken / may_go);
        turns = turns.max(symbols.div_ceil(turn) + repair.div_ceil(turn));
    }
    Some(apart * turns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastness_diode::Geometry;

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

    #[test]
    fn wherever_a_break_falls_the_repair_of_each_block_makes_it_good() {
        let settings = settings();
        let turn = u32::try_from(turn_frames(8_880)).unwrap();
        for length in (1 << 20..40_000_000_u64).step_by(777_777) {
            let blocks = blocks_of(length);
            let Haste { rounds, slowness } = haste(&settings, length, blocks.iter().copied());
            assert_eq!(rounds, 1);
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
            for (begin, ..) in &sent {
                let mut lost = vec![0; blocks.len()];
                let broken = sent.iter().filter(|(at, ..)| (*begin..begin + 0.05).contains(at));
                broken.for_each(|(_, block, frames)| lost[*block] += frames);
                assert!(lost.iter().zip(&repairs).all(|(lost, repair)| lost <= repair), "{length}: {lost:?}");
            }
        }
    }
}
