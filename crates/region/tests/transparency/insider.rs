//! Somebody with the region's root key changes what the store keeps: the verifier of the folder finds it.

use crate::files::{Signed, entry, fill, signed};
use crate::support::{Counted, S, TOP, Template, U};
use fastness_ledger::{
    Checkpoint, Entry, EntryError, Finding, Log, LogError, LogReport, Note, NoteError, Outcome, SigningKeys, digest,
    verify,
};
use fastness_store::{ContentDigest, Kept, LedgerLog, SEGMENT_LEN};
use std::sync::Arc;

fn found(signed: &Signed, label: &str) -> Option<Finding> {
    let store = &signed.house.store;
    let origin = match label {
        "region" => Log::of_region(store).origin(),
        label => Log::of_partition(store, signed.template.label(label)).origin(),
    };
    let reports = verify(store, &signed.house.log_keys(), |_| ()).unwrap();
    let others: Vec<&LogReport> = reports.iter().filter(|one| one.origin != origin && one.finding.is_some()).collect();
    assert_eq!(others, Vec::<&LogReport>::new(), "nothing is wrong elsewhere");
    reports.into_iter().find(|one| one.origin == origin).unwrap().finding
}

async fn keep(signed: &Signed, label: &str, kept: Kept) {
    signed.house.store.keep(signed.template.label(label), kept).await.unwrap();
}

async fn put_note(signed: &Signed, label: &str, name: &str, text: &[u8]) {
    keep(signed, label, Kept { notes: vec![(name.to_owned(), text.to_vec())], ..Kept::default() }).await;
}

#[tokio::test]
async fn a_sound_region_is_sound_signed_or_not() {
    let mut signed = signed().await;
    for label in [U, S, TOP, "region"] {
        assert_eq!(found(&signed, label), None);
    }
    // What is not signed yet is no finding.
    fill(&signed.house.store, &signed.template, S, 2_500, 1).await;
    assert_eq!(found(&signed, S), None);
    signed.keeper.step().await;
    let reports = verify(&signed.house.store, &signed.house.log_keys(), |_| ()).unwrap();
    let of_s = reports.iter().find(|report| report.label == signed.template.label(S)).unwrap();
    assert_eq!((of_s.entries, of_s.signed, &of_s.finding), (2_500, 2_500, &None));
}

#[tokio::test]
async fn a_changed_hash_is_found_with_the_entries_under_it() {
    let signed = signed().await;
    keep(&signed, S, Kept { tiles: vec![(LedgerLog::Partition, 1, 3, [7; 32])], ..Kept::default() }).await;
    assert_eq!(found(&signed, S), Some(Finding::Tile { first: 768, last: 1_023 }));
}

#[tokio::test]
async fn another_checkpoint_in_the_place_of_the_last_is_found() {
    let signed = signed().await;
    let good = signed.house.store.note_kept(signed.template.label(S), "checkpoint").unwrap().unwrap();
    // An older one: the region's log knows better.
    put_note(&signed, S, "checkpoint", &signed.copies[1]["checkpoint"]).await;
    let put_back = LogError::PutBack { bound: 2_100, signed: 1_500 };
    assert_eq!(found(&signed, S), Some(Finding::Log(put_back)));
    // Another log's.
    let other = signed.house.store.note_kept(signed.template.label(U), "checkpoint").unwrap().unwrap();
    put_note(&signed, S, "checkpoint", &other).await;
    assert_eq!(found(&signed, S), Some(Finding::Log(LogError::Note(NoteError::Unsigned))));
    // One that other keys signed, one with a changed size, nonsense.
    let checkpoint = Checkpoint::parse(&Note::parse(&good).unwrap().text).unwrap();
    let keys = SigningKeys::from_seeds(&[1; 32], &[2; 32]).unwrap();
    let forged = keys.sign(&checkpoint.origin, checkpoint.to_string()).unwrap().to_string();
    put_note(&signed, S, "checkpoint", forged.as_bytes()).await;
    assert_eq!(found(&signed, S), Some(Finding::Log(LogError::Note(NoteError::Unsigned))));
    let resized = String::from_utf8(good.clone()).unwrap().replacen("\n2100\n", "\n2099\n", 1);
    put_note(&signed, S, "checkpoint", resized.as_bytes()).await;
    let unfit = LogError::Note(NoteError::Signature(checkpoint.origin));
    assert_eq!(found(&signed, S), Some(Finding::Log(unfit)));
    put_note(&signed, S, "checkpoint", b"nonsense").await;
    assert!(matches!(found(&signed, S), Some(Finding::Log(LogError::Note(NoteError::Malformed(_))))));
    put_note(&signed, S, "checkpoint", &good).await;
    assert_eq!(found(&signed, S), None);
}

#[tokio::test]
async fn a_fork_in_the_regions_log_is_found() {
    for (what, size, says) in [("shrunk", 1_000, "shrank"), ("forked", 2_100, "forked")] {
        let signed = signed().await;
        let origin = Log::of_partition(&signed.house.store, signed.template.label(S)).origin();
        let forged = Checkpoint { origin, size, root: [9; 32] }.to_string();
        keep(&signed, TOP, Kept { region: vec![forged.into_bytes()], ..Kept::default() }).await;
        match found(&signed, "region") {
            Some(Finding::Region { number, why }) => assert!(number >= 3 && why.contains(says), "{what}: {why}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_keeper_signs_nothing_over_what_no_longer_fits() {
    let signed = signed().await;
    put_note(&signed, S, "checkpoint", &signed.copies[1]["checkpoint"]).await;
    // A keeper that was there all the time goes on from what it knows; one that starts anew does not sign.
    let step = signed.house.keeper().step().await;
    let log = Log::of_partition(&signed.house.store, signed.template.label(S)).origin();
    assert_eq!(step.alarms, [(log, LogError::PutBack { bound: 2_100, signed: 1_500 })]);
    assert_eq!(step.signed, []);

    keep(&signed, S, Kept { tiles: vec![(LedgerLog::Partition, 1, 3, [7; 32])], ..Kept::default() }).await;
    put_note(&signed, S, "checkpoint", &signed.copies[2]["checkpoint"]).await;
    let step = signed.house.keeper().step().await;
    assert!(matches!(&step.alarms[..], [(_, LogError::Root(2_100))]), "{:?}", step.alarms);
}

/// An entry by the region itself.
fn by_the_region(operation: &str, what: &str) -> Entry {
    Entry {
        service: "fastness".to_owned(),
        operation: operation.to_owned(),
        principal: "region".to_owned(),
        outcome: Outcome::Done(Some(what.to_owned())),
        ..entry(9_000)
    }
}

async fn record(signed: &mut Signed, entry: &Entry) {
    let label = signed.template.label(S);
    signed.house.store.record(label, entry.record(&[7; 32])).await.unwrap();
    assert_eq!(signed.keeper.step().await.alarms, []);
}

#[tokio::test]
async fn an_older_chain_that_was_removed_is_found_by_what_was_signed_of_it() {
    let mut signed = signed().await;
    record(&mut signed, &by_the_region("EndChain", &format!("entries=7 head={}", "ab".repeat(32)))).await;
    // The table and its counters are gone, as if there had never been a chain.
    assert_eq!(found(&signed, S), Some(Finding::ChainEnd { number: 2_100, said: 7, found: 0 }));
}

#[tokio::test]
async fn contents_that_go_without_a_record_are_found() {
    let mut signed = signed().await;
    let (label, store) = (signed.template.label(S), signed.house.store.clone());
    fill(&store, &signed.template, S, 9_000, 1).await;
    while store.pack(label, digest).await.unwrap() {}
    let other = entry(9_000).record(&[1; 32]);
    assert_eq!(store.drop_contents(label, SEGMENT_LEN, move |_, _| other).await, Ok(SEGMENT_LEN));
    signed.keeper.step().await;
    assert_eq!(found(&signed, S), Some(Finding::Dropped { from: 0, to: SEGMENT_LEN - 1 }));
    // A record of the next ones does not speak for them.
    let lawful = |from: u64, to: u64| by_the_region("DropContents", &format!("from={from} to={}", to - 1));
    let record = move |from, to| lawful(from, to).record(&[2; 32]);
    assert_eq!(store.drop_contents(label, 2 * SEGMENT_LEN, record).await, Ok(SEGMENT_LEN));
    signed.keeper.step().await;
    let reports = verify(&store, &signed.house.log_keys(), |_| ()).unwrap();
    let report = reports.iter().find(|report| report.label == label).unwrap();
    assert_eq!(report.finding, None, "their time was over, too");
    assert_eq!(report.remarks.len(), 1, "and what is missing is said: {report:?}");
}

#[tokio::test]
async fn a_segment_that_is_looked_up_by_something_else_is_found() {
    type Digest = fn(&[u8; 32], &[u8]) -> ContentDigest;
    let lies: [(&str, Digest, bool); 3] = [
        ("nothing but the truth", digest, false),
        ("other times", |hash, content| ContentDigest { time_ms: 5, ..digest(hash, content) }, true),
        (
            "an event without terms",
            |hash, content| {
                let hidden = Entry::decode_content(content).unwrap().resources == ["read plans/77"];
                let ContentDigest { time_ms, terms } = digest(hash, content);
                ContentDigest { time_ms, terms: if hidden { Vec::new() } else { terms } }
            },
            false,
        ),
    ];
    let template = Template::make().await;
    for (what, lie, by_verify) in lies {
        let disk = template.disk();
        let house = template.open_on(&disk, Arc::new(Counted::default())).unwrap();
        let label = template.label(S);
        fill(&house.store, &template, S, SEGMENT_LEN + 10, 1).await;
        house.keeper().step().await;
        assert_eq!(house.store.pack(label, lie).await, Ok(true));
        let reports = verify(&house.store, &house.log_keys(), |_| ()).unwrap();
        let found = reports.into_iter().find(|report| report.label == label).unwrap().finding;
        assert_eq!(found, by_verify.then_some(Finding::Times { first: 0, last: SEGMENT_LEN - 1 }), "{what}");
        house.store.close();
        let report = template.check(&disk);
        assert_eq!(report.is_sound(), what.starts_with("nothing"), "{what}: {:?}", report.findings);
        assert!(report.findings.iter().all(|one| one.what.starts_with("segment 0 of the ledger")), "{what}");
    }
}

#[tokio::test]
async fn a_log_without_checkpoints_is_found_when_it_had_a_minute_for_them() {
    let template = Template::make().await;
    let house = template.open();
    let label = template.label(S);
    for time_ms in [0, 60_000, 60_001] {
        let reports = verify(&house.store, &house.log_keys(), |_| ()).unwrap();
        assert!(reports.iter().all(|report| report.finding.is_none()), "{reports:?}");
        let time_ms = 1_790_000_000_000 + time_ms;
        house.store.record(label, Entry { time_ms, ..entry(1) }.record(&[1; 32])).await.unwrap();
    }
    let find = || {
        let reports = verify(&house.store, &house.log_keys(), |_| ()).unwrap();
        reports.into_iter().filter_map(|report| Some((report.label, report.finding?))).collect::<Vec<_>>()
    };
    let unsigned = |last| Finding::Unsigned { first: 0, last };
    // The floor's has one entry; it is told by the others that its time was over.
    assert_eq!(find(), [(label, unsigned(2)), (template.label(U), unsigned(0))]);
    house.keeper().step().await;
    assert_eq!(find(), []);
}

#[tokio::test]
async fn a_content_is_kept_as_it_was_written() {
    let mut signed = signed().await;
    let row = [entry(1).record(&[7; 32]), vec![0]].concat();
    signed.house.store.record(signed.template.label(S), row).await.unwrap();
    signed.keeper.step().await;
    let error = EntryError::Malformed.to_string();
    assert_eq!(found(&signed, S), Some(Finding::Content { number: 2_100, error }));
}

#[tokio::test]
async fn what_follows_a_bad_entry_of_the_regions_log_counts() {
    let signed = signed().await;
    let log = Log::of_partition(&signed.house.store, signed.template.label(S));
    let later = Checkpoint { origin: log.origin(), size: 2_200, root: [9; 32] }.to_string();
    keep(&signed, TOP, Kept { region: vec![b"nonsense".to_vec(), later.into_bytes()], ..Kept::default() }).await;
    let reports = verify(&signed.house.store, &signed.house.log_keys(), |_| ()).unwrap();
    let found: Vec<Finding> = reports.into_iter().filter_map(|report| report.finding).collect();
    let put_back = Finding::Log(LogError::PutBack { bound: 2_200, signed: 2_100 });
    assert!(matches!(&found[..], [one, Finding::Region { .. }] if *one == put_back), "{found:?}");
}
