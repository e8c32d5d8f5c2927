//! Somebody with the region's root key changes what the store keeps: the verifier of the folder finds it.

use crate::files::{Signed, fill, signed};
use crate::support::{S, TOP, U};
use fastness_ledger::{Checkpoint, Finding, Log, LogError, LogReport, Note, NoteError, SigningKeys, verify};
use fastness_store::{Kept, LedgerLog};

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
