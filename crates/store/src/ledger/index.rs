//! A segment's index: in which of its entries a term occurs. Terms are numbers that whoever packs makes of an entry's
//! content; two that differ may have the same, so what is found may match, and what is not found does not.
//!
//! Every byte is described in `docs/formats/ledger.md`.

use crate::Fault;

fn malformed(error: postcard::Error) -> Fault {
    Fault::failed("a segment's index is malformed", error)
}

/// The index of terms, each with the place of an entry in the segment.
pub(crate) fn build(mut terms: Vec<(u32, u16)>) -> Result<Vec<u8>, Fault> {
    terms.sort_unstable();
    terms.dedup();
    let (mut index, mut last) = (Vec::with_capacity(terms.len() * 4), 0);
    for run in terms.chunk_by(|one, other| one.0 == other.0) {
        let Some((term, _)) = run.first() else { continue };
        let (mut places, mut before) = (Vec::with_capacity(run.len() + 1), 0);
        for (_, place) in run {
            places = postcard::to_extend(&(place - before), places).map_err(malformed)?;
            before = *place;
        }
        index = postcard::to_extend(&(term - last, places.as_slice()), index).map_err(malformed)?;
        last = *term;
    }
    Ok(index)
}

/// The places of a term, in order.
pub(crate) fn places(mut index: &[u8], wanted: u32) -> Result<Vec<u16>, Fault> {
    let (mut term, mut found) = (0_u32, Vec::new());
    while !index.is_empty() {
        let ((step, mut places), rest) = postcard::take_from_bytes::<(u32, &[u8])>(index).map_err(malformed)?;
        index = rest;
        term = term.saturating_add(step);
        if term < wanted {
            continue;
        }
        let mut place = 0_u16;
        while term == wanted && !places.is_empty() {
            let (step, rest) = postcard::take_from_bytes::<u16>(places).map_err(malformed)?;
            place = place.saturating_add(step);
            found.push(place);
            places = rest;
        }
        break;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_in_is_found_and_nothing_else(
            terms in proptest::collection::vec((prop_oneof![0_u32..40, any::<u32>()], 0_u16..4096), 0..400),
            more in any::<u32>(),
        ) {
            let index = build(terms.clone()).unwrap();
            for wanted in terms.iter().map(|(term, _)| *term).chain([0, 7, u32::MAX, more]) {
                let mut expected: Vec<u16> =
                    terms.iter().filter(|(term, _)| *term == wanted).map(|(_, place)| *place).collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(places(&index, wanted).unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_cut_index_is_an_error() {
        let index = build(vec![(5, 1), (5, 4000), (70_000, 2)]).unwrap();
        assert_eq!(places(&index, 5).unwrap(), [1, 4000]);
        assert!(places(&index[..index.len() - 1], 70_000).is_err());
        assert!(places(&[0xff; 9], 1).is_err());
    }
}
