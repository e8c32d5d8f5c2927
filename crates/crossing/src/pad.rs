//! How long the plain stream is made, so that its length tells little.

use crate::Kind;

/// The least length: one whole frame.
const PADDED_MIN: u64 = 64 * 1024;

/// The length that a stream of `length` bytes is padded to; nothing when there is none in 64 bits.
///
/// A lift's goes up to the next Padmé length (Nikitin, Barman, Lueks, Underwood, Hubaux, Ford: "Reducing Metadata
/// Leakage from Encrypted Files and Communication with PURBs", PETS 2019, section 4), at most 12 % more; a release's
/// to the next power of two, since there each bundle is one object that somebody chose.
pub(crate) fn padded_len(kind: Kind, length: u64) -> Option<u64> {
    let length = length.max(PADDED_MIN);
    match kind {
        Kind::Lift => padme(length),
        Kind::Release | Kind::Gaps => length.checked_next_power_of_two(),
    }
}

/// Only as many leading bits are kept as it takes to write the length's exponent.
fn padme(length: u64) -> Option<u64> {
    let exponent = length.checked_ilog2()?;
    let kept = exponent.checked_ilog2()? + 1;
    let rest = (1_u64 << exponent.saturating_sub(kept)) - 1;
    Some(length.checked_add(rest)? & !rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_the_paper_and_of_powers_of_two() {
        let lift = |length| padded_len(Kind::Lift, length).unwrap();
        assert_eq!([0, 1, 65_536].map(lift), [65_536; 3]);
        // 2^16 is written in 5 bits: steps of 2^11.
        assert_eq!([65_537, 67_584, 67_585].map(lift), [67_584, 67_584, 69_632]);
        assert_eq!(lift((1 << 30) + 1), (1 << 30) + (1 << 25));
        let release = |length| padded_len(Kind::Release, length).unwrap();
        assert_eq!([0, 65_537, 1 << 20, (1 << 20) + 1].map(release), [65_536, 131_072, 1 << 20, 1 << 21]);
        assert_eq!(padded_len(Kind::Lift, u64::MAX), None);
        assert_eq!(padded_len(Kind::Release, u64::MAX), None);
    }

    #[test]
    fn padding_is_small_and_a_padded_length_stays() {
        let mut length: u64 = 65_536;
        while length < 1 << 40 {
            for kind in [Kind::Lift, Kind::Release, Kind::Gaps] {
                let padded = padded_len(kind, length).unwrap();
                assert!(padded >= length && padded_len(kind, padded) == Some(padded));
                assert!(kind != Kind::Lift || (padded - length) * 100 <= length * 12, "{length}");
            }
            length += length / 7 + 13;
        }
    }
}
