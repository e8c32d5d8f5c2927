use super::*;
use crate::entry::tests::entry;

type ChainRow = (u64, Hash, Vec<u8>);
type ChangeChain = dyn Fn(&mut Vec<ChainRow>, &mut (u64, Hash));
type Row = (u64, Hash, Option<Vec<u8>>);

/// An entry of format 1, as older programs chained them.
fn chained(number: u64) -> Vec<u8> {
    let entry = entry();
    let fields = (
        (number as i64, entry.request, entry.service, entry.operation, entry.principal, entry.account, entry.key),
        (entry.label, entry.nationality, entry.resources, entry.outcome, entry.source),
    );
    [vec![1], postcard::to_stdvec(&fields).unwrap()].concat()
}

fn chain(length: u64) -> (Vec<ChainRow>, (u64, Hash)) {
    let mut head = [0; 32];
    let mut rows = Vec::new();
    for number in 0..length {
        let entry = chained(number);
        head = chain_link(&head, number, &entry);
        rows.push((number, head, entry));
    }
    (rows, (length, head))
}

#[test]
fn each_kind_of_damage_to_an_old_chain_is_found_at_its_first_place() {
    let (rows, counters) = chain(10);
    let check = |change: &ChangeChain, expected: Option<Finding>| {
        let (mut rows, mut counters) = (rows.clone(), counters);
        change(&mut rows, &mut counters);
        let mut chain = Chain::default();
        for (number, stored, entry) in &rows {
            if !chain.take(*number, stored, entry) {
                break;
            }
        }
        assert_eq!(chain.finish(Ok(()), Some(counters)), expected);
    };
    check(&|_, _| {}, None);
    check(&|rows, _| drop(rows.remove(4)), Some(Finding::Gap { expected: 4, found: 5 }));
    check(&|rows, _| rows.swap(3, 4), Some(Finding::Gap { expected: 3, found: 4 }));
    check(&|rows, _| rows[6].2 = chained(99), Some(Finding::Link(6)));
    check(&|rows, _| rows[6].1[0] ^= 1, Some(Finding::Link(6)));
    check(&|rows, _| drop(rows.pop()), Some(Finding::Length { expected: 10, found: 9 }));
    check(&|_, counters| counters.0 = 9, Some(Finding::Length { expected: 9, found: 10 }));
    check(&|_, counters| counters.1[31] ^= 1, Some(Finding::Head));
    // Whoever chains nonsense with the right hashes is told of the nonsense.
    let forged = |rows: &mut Vec<ChainRow>, _: &mut (u64, Hash)| {
        let previous = rows[8].1;
        rows[9] = (9, chain_link(&previous, 9, b"\x01nonsense"), b"\x01nonsense".to_vec());
    };
    let error = crate::EntryError::Malformed.to_string();
    check(&forged, Some(Finding::Content { number: 9, error }));
}

#[test]
fn gaps_lengths_and_nonsense_are_found_in_a_ledger() {
    let row = |number: u64| {
        let bytes = entry().record(&[number as u8; 32]);
        let (commitment, content) = bytes.split_first_chunk().unwrap();
        (number, *commitment, Some(content.to_vec()))
    };
    let rows: Vec<Row> = (0..10).map(row).collect();
    let label = fastness_label::Policy::us().lowest();
    let state = LedgerState { label, length: 10, packed: 0, dropped: 0, region_length: 0, frozen: None };
    let check = |change: &dyn Fn(&mut Vec<Row>), expected: Option<Finding>| {
        let mut rows = rows.clone();
        change(&mut rows);
        let mut checker = Checker::default();
        for (number, commitment, content) in &rows {
            if !checker.row(*number, commitment, content.as_deref()) {
                break;
            }
        }
        assert_eq!(checker.finish(&state, Ok(())), expected.map(|finding| finding.to_string()));
    };
    let content = |number, error: crate::EntryError| Some(Finding::Content { number, error: error.to_string() });
    check(&|_| {}, None);
    check(&|rows| rows[3].2 = None, None);
    check(&|rows| drop(rows.remove(4)), Some(Finding::Gap { expected: 4, found: 5 }));
    check(&|rows| rows.swap(3, 4), Some(Finding::Gap { expected: 3, found: 4 }));
    check(&|rows| drop(rows.pop()), Some(Finding::Length { expected: 10, found: 9 }));
    check(&|rows| rows.push((10, [0; 32], None)), Some(Finding::Length { expected: 10, found: 11 }));
    check(&|rows| rows[6].2 = Some(vec![7]), content(6, crate::EntryError::Format(7)));
    check(&|rows| rows[6].2 = rows[5].2.clone(), content(6, crate::EntryError::Commitment));
    check(&|rows| rows[6].1[0] ^= 1, content(6, crate::EntryError::Commitment));
}

#[test]
fn what_the_region_knows_of_a_log_only_grows() {
    let checkpoint = |origin: &str, size, root| Checkpoint { origin: origin.to_owned(), size, root: [root; 32] };
    let bound = |all: &[Checkpoint]| -> Result<(), String> {
        let mut before = Vec::new();
        for (number, one) in (0..).zip(all) {
            let checkpoint = follows(&before, one.to_string().as_bytes())?;
            before.push(Bound { number, checkpoint });
        }
        Ok(())
    };
    assert_eq!(
        bound(&[checkpoint("a", 1, 1), checkpoint("b", 9, 1), checkpoint("a", 1, 1), checkpoint("a", 2, 2)]),
        Ok(())
    );
    assert!(
        bound(&[checkpoint("a", 3, 1), checkpoint("b", 1, 1), checkpoint("a", 2, 2)]).unwrap_err().contains("shrank")
    );
    assert!(bound(&[checkpoint("a", 3, 1), checkpoint("a", 3, 2)]).unwrap_err().contains("forked"));
    assert!(follows(&[], b"a\n1\n").is_err());
}
