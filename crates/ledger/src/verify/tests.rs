use super::bound::{Bound, bind, follows};
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
        let mut before = Bound::new();
        for (number, one) in (0..).zip(all) {
            let checkpoint = follows(&before, one.to_string().as_bytes())?;
            bind(&mut before, number, checkpoint);
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
    assert!(follows(&Bound::new(), b"a\n1\n").is_err());
}

fn by_the_region(operation: &str, what: &str) -> Entry {
    Entry {
        service: "fastness".into(),
        operation: operation.into(),
        principal: "region".into(),
        outcome: crate::Outcome::Done(Some(what.into())),
        ..entry()
    }
}

/// What the entries of a ledger say, held against its chain and counters: the finding, and whether something remains.
fn said(entries: &[(u64, Entry)], chain: (u64, Hash), dropped: u64) -> (Option<Finding>, bool) {
    let (mut said, mut remarks) = (Said::default(), Vec::new());
    entries.iter().for_each(|(number, entry)| said.see(*number, entry));
    let label = fastness_label::Policy::us().lowest();
    let state = LedgerState { label, length: 90_000, packed: 81_920, dropped, region_length: 0, frozen: None };
    (said.compare(chain, &state, &mut remarks), !remarks.is_empty())
}

#[test]
fn an_older_chain_is_held_to_what_the_ledger_says_of_it() {
    let head = [0xab; 32];
    let text = |length: u64, pair: &str| format!("entries={length} head={}", pair.repeat(32));
    let end = |length, pair| (7, by_the_region("EndChain", &text(length, pair)));
    assert_eq!(said(&[end(9, "ab")], (9, head), 0), (None, false));
    let other = |number, said, found| (Some(Finding::ChainEnd { number, said, found }), false);
    assert_eq!(said(&[end(9, "ab")], (8, head), 0), other(7, 9, 8), "another length");
    assert_eq!(said(&[end(9, "ab")], (9, [1; 32]), 0), other(7, 9, 9), "rewritten");
    assert_eq!(said(&[end(9, "ab")], (0, [0; 32]), 0), other(7, 9, 0), "removed");
    assert_eq!(said(&[end(9, "+a")], (9, head), 0), other(7, 0, 9), "nonsense");
    let again = (8, by_the_region("EndChain", &text(3, "ab")));
    assert_eq!(said(&[end(9, "ab"), again], (9, head), 0), other(8, 3, 9), "each of them counts");
    assert_eq!(said(&[], (9, head), 0), (Some(Finding::NoChainEnd), false));
    assert_eq!(said(&[], (0, [0; 32]), 0), (None, false), "a ledger without a chain");
    // Somebody of the same name is not the region.
    let user = Entry { principal: "user/region".into(), ..by_the_region("EndChain", &text(9, "ab")) };
    assert_eq!(said(&[(7, user)], (9, head), 0), (Some(Finding::NoChainEnd), false));
    // What said so was dropped.
    let drop = (85_000, by_the_region("DropContents", "from=0 to=4095 kept-ms=1"));
    assert_eq!(said(&[drop], (9, head), 4_096), (None, true));
}

#[test]
fn contents_are_dropped_by_an_entry_that_says_so() {
    let none = (0, [0; 32]);
    let drop = |number, from: u64, to: u64| {
        (number, by_the_region("DropContents", &format!("from={from} to={to} kept-ms=86400000")))
    };
    let gone = |from, to| (Some(Finding::Dropped { from, to }), false);
    let all = [drop(82_000, 0, 8_191), drop(83_000, 8_192, 12_287)];
    assert_eq!(said(&all, none, 12_288), (None, false));
    assert_eq!(said(&[], none, 4_096), gone(0, 4_095));
    assert_eq!(said(&all, none, 16_384), gone(12_288, 16_383), "more than was said");
    assert_eq!(said(&all[..1], none, 12_288), gone(8_192, 12_287));
    // Of two that are there, nothing between them was dropped by a third.
    let parted = [drop(82_000, 0, 4_095), drop(83_000, 8_192, 12_287)];
    assert_eq!(said(&parted, none, 12_288), gone(4_096, 8_191));
    // The first ones may have been dropped since.
    assert_eq!(said(&all[1..], none, 12_288), (None, true));
    // An entry speaks of what lies before it.
    assert_eq!(said(&[drop(4_000, 0, 4_095)], none, 4_096), gone(0, 4_095));
    assert_eq!(said(&[drop(82_000, 9, 8)], none, 4_096), gone(0, 4_095), "nonsense");
}

#[test]
fn what_should_long_be_signed_is_found() {
    let label = fastness_label::Policy::us().lowest();
    let report = |signed| LogReport {
        origin: String::new(),
        label,
        is_region: false,
        entries: 0,
        signed,
        dropped: 0,
        root: [0; 32],
        finding: None,
        remarks: Vec::new(),
    };
    let check = |logs: &[(u64, &[i64])]| -> Vec<Option<Finding>> {
        let times: Vec<Times> = logs
            .iter()
            .map(|(signed, all)| {
                let mut times = Times::behind(*signed);
                for (number, time_ms) in (0..).zip(*all) {
                    let _ = times.see(number, *time_ms);
                }
                times
            })
            .collect();
        let mut reports: Vec<LogReport> = logs.iter().map(|(signed, _)| report(*signed)).collect();
        super::times::compare(&times, &mut reports);
        reports.into_iter().map(|report| report.finding).collect()
    };
    let unsigned = |first, last| Some(Finding::Unsigned { first, last });
    let minute = 60_000;
    assert_eq!(check(&[(0, &[0, minute]), (0, &[])]), [None, None]);
    assert_eq!(check(&[(0, &[0, minute + 1])]), [unsigned(0, 1)]);
    assert_eq!(check(&[(1, &[0, minute + 1])]), [None], "the last second before an end");
    assert_eq!(check(&[(1, &[0, 5, minute + 6])]), [unsigned(1, 2)]);
    // No checkpoint, and the region went on elsewhere.
    assert_eq!(check(&[(0, &[0]), (1, &[minute + 1])]), [unsigned(0, 0), None]);
    // A region that was ended within a second and not looked at for long.
    assert_eq!(check(&[(1, &[0, 5]), (2, &[0, 99 * minute])]), [None, None]);
}
