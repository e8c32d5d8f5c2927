//! Outbox and inbox: numbers, crashes, power cuts, and hostile files.

use super::*;
use crate::carry::Taking;
use crate::{BundleReader, BundleWriter, Errand, NewObject, Outline, OwnKeys, Receiver};
use fastness_label::Policy;
use fastness_operation::{AccountNumber, Attributes, BucketName, BundleId, MappingName, ObjectKey, RegionName};
use fastness_vault::RootKey;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const NOW_MS: i64 = 1_790_000_000_000;
const LABELS: [&str; 2] = ["UNCLASSIFIED", "SECRET"];

/// Two regions: the keys that all of their folders in these tests share.
struct Pair {
    root: RootKey,
    low: OwnKeys,
    high: OwnKeys,
    policy: Policy,
}

fn region(name: &str) -> RegionName {
    RegionName::new(name).unwrap()
}

fn number(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

impl Pair {
    fn new() -> Self {
        let [root, other] = [(); 2].map(|()| RootKey::generate().unwrap());
        let low = OwnKeys::of(&region("low"), &root).unwrap();
        let high = OwnKeys::of(&region("high"), &other).unwrap();
        Self { root, low, high, policy: Policy::builtin("us").unwrap() }
    }

    /// As the low region opens it.
    fn outbox(&self, folder: &Path) -> Outbox {
        Outbox::new(crossing_outbox(folder), &self.root).unwrap()
    }

    fn write(&self, outbox: &Outbox, label: &str, id: &BundleId) -> io::Result<WholeBundle> {
        let new = outbox.stage(&region("high"), label, id)?;
        let mut writer = BundleWriter::begin(new.file(), &region("low"), &self.high.peer()).unwrap();
        let attributes = Attributes::default();
        writer.object(NewObject { key: ObjectKey::new("a").unwrap(), attributes }).unwrap();
        writer.write(b"content").unwrap();
        writer.end_object().unwrap();
        let errand = Errand::Release {
            mapping: MappingName::new("m").unwrap(),
            to_account: AccountNumber::from_random(1),
            to_bucket: BucketName::new("bucket").unwrap(),
        };
        let label = self.policy.label(label).unwrap();
        let made_ms = NOW_MS - NOW_MS % crate::RELEASE_HOUR_MS;
        writer.finish(Outline { id: id.clone(), made_ms, errand, label }, &self.policy).unwrap();
        new.finish()
    }

    fn stage(&self, outbox: &Outbox, label: &str, random: u128) -> BundleId {
        let id = BundleId::from_random(random);
        self.write(outbox, label, &id).unwrap().release().unwrap();
        id
    }

    /// What a receiver reads in a file: number, id and what was signed.
    fn read(&self, path: &Path) -> (u64, BundleId, [u8; 32]) {
        let peer = self.low.peer();
        let receiver = Receiver { own: &self.high, peer: &peer, policy: &self.policy, now_ms: NOW_MS };
        let mut reader = BundleReader::open(fs::File::open(path).unwrap(), receiver).unwrap();
        reader.verify().unwrap();
        (reader.signed().number, reader.manifest().id.clone(), reader.signed().note_sha256)
    }
}

fn ready(folder: &Path) -> PathBuf {
    ready_folder(folder, &region("high"))
}

fn names(folder: &Path) -> Vec<String> {
    if !folder.exists() {
        return Vec::new();
    }
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn spool_all(spooler: &mut Spooler, keys: &OwnKeys) -> Vec<Numbered> {
    let mut all = Vec::new();
    while let Some(numbered) = spooler.next(keys).unwrap() {
        spooler.show(&numbered).unwrap();
        all.push(numbered);
    }
    all
}

#[test]
fn bundles_get_numbers_in_turns_of_labels_and_in_the_order_of_each() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let outbox = pair.outbox(folder.path());
    // Ids count down: the order of names is not that of ids.
    let first: Vec<BundleId> = (0..3).map(|n| pair.stage(&outbox, LABELS[0], 100 - n)).collect();
    let second: Vec<BundleId> = (0..2).map(|n| pair.stage(&outbox, LABELS[1], 50 - n)).collect();
    assert_eq!(LABELS.map(|label| outbox.staged(&region("high"), label).unwrap()), [3, 2]);
    let mut spooler = outbox.spooler(&region("high"));
    let spooled = spool_all(&mut spooler, &pair.low);
    assert_eq!(spooled.iter().map(|one| one.number.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let of =
        |ids: &[BundleId]| spooled.iter().map(|one| &one.id).filter(|id| ids.contains(id)).cloned().collect::<Vec<_>>();
    assert_eq!((of(&first), of(&second)), (first.clone(), second.clone()));
    // Labels take turns as long as both have something.
    let turns: Vec<bool> = spooled.iter().map(|one| first.contains(&one.id)).collect();
    assert!(turns[0] != turns[1] && turns[1] != turns[2] && turns[2] != turns[3], "{turns:?}");
    for one in &spooled {
        let path = ready(folder.path()).join(bundle_file_name(one.number));
        assert_eq!(pair.read(&path), (one.number.get(), one.id.clone(), one.signed.note_sha256));
    }
    // Names of folders say no label.
    let text = names(&crossing_outbox(folder.path()).join("high/staged")).join(" ");
    assert!(!text.contains("SECRET") && text.len() == 33, "{text}");
}

#[test]
fn what_a_carrier_took_waits_no_longer_and_is_kept() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let outbox = pair.outbox(folder.path());
    let ids: Vec<BundleId> = (0..3).map(|n| pair.stage(&outbox, LABELS[0], n)).collect();
    let mut spooler = outbox.spooler(&region("high"));
    spool_all(&mut spooler, &pair.low);
    spooler.tidy(SystemTime::now()).unwrap();
    assert_eq!(outbox.staged(&region("high"), LABELS[0]).unwrap(), 3);
    fs::remove_file(ready(folder.path()).join(bundle_file_name(number(2)))).unwrap();
    spooler.tidy(SystemTime::now()).unwrap();
    assert_eq!(outbox.staged(&region("high"), LABELS[0]).unwrap(), 2);
    let kept = crossing_outbox(folder.path()).join("high/kept");
    assert_eq!(names(&kept).len(), 3);

    // Sent again: the very same file, and what is not kept is said.
    let resent = outbox.resend(&region("high"), &[number(2), number(9)]).unwrap();
    assert_eq!((resent.again, resent.gone), (vec![number(2)], vec![number(9)]));
    assert_eq!(pair.read(&ready(folder.path()).join(bundle_file_name(number(2)))).1, ids[1]);
    let list = crossing_outbox(folder.path()).join("high/resend");
    assert_eq!(fs::read_to_string(&list).unwrap(), "2\n");
    // A list that no carrier took yet is added to; one that was taken is over; what is no list is no part of one.
    outbox.resend(&region("high"), &[number(3), number(1)]).unwrap();
    assert_eq!(fs::read_to_string(&list).unwrap(), "1\n2\n3\n");
    fs::remove_file(&list).unwrap();
    outbox.resend(&region("high"), &[number(3)]).unwrap();
    assert_eq!(fs::read_to_string(&list).unwrap(), "3\n");
    fs::write(&list, "0\n-1\n1-3\nnone\n").unwrap();
    outbox.resend(&region("high"), &[number(2)]).unwrap();
    assert_eq!(fs::read_to_string(&list).unwrap(), "2\n");

    // After a week what was taken goes, but never the last one; what nobody took, or took again, stays.
    fs::remove_file(ready(folder.path()).join(bundle_file_name(number(1)))).unwrap();
    let later = SystemTime::now() + Duration::from_secs(8 * 86_400);
    spooler.tidy(later).unwrap();
    assert_eq!(names(&kept).len(), 2);
    fs::remove_file(ready(folder.path()).join(bundle_file_name(number(2)))).unwrap();
    spooler.tidy(later).unwrap();
    assert_eq!(names(&kept).len(), 1);
    assert_eq!(outbox.staged(&region("high"), LABELS[0]).unwrap(), 1);
    // The number goes on, also for who comes anew.
    pair.stage(&outbox, LABELS[0], 9);
    assert_eq!(spool_all(&mut pair.outbox(folder.path()).spooler(&region("high")), &pair.low)[0].number.get(), 4);
}

#[test]
fn a_diode_is_told_what_to_send_again_before_it_sees_it() {
    // Cut the power at each step: whatever lies in `ready/` again is in the list.
    for steps in 0.. {
        let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
        let outbox = pair.outbox(folder.path());
        pair.stage(&outbox, LABELS[0], 1);
        pair.stage(&outbox, LABELS[0], 2);
        spool_all(&mut outbox.spooler(&region("high")), &pair.low);
        let path = |at: u64| ready(folder.path()).join(bundle_file_name(number(at)));
        [1, 2].iter().for_each(|at| fs::remove_file(path(*at)).unwrap());
        outbox.disk().power.cut_after(steps);
        let resent = outbox.resend(&region("high"), &[number(1), number(2)]);
        let list = fs::read_to_string(crossing_outbox(folder.path()).join("high/resend")).unwrap_or_default();
        for at in [1, 2] {
            assert!(!path(at).exists() || list.lines().any(|line| line == at.to_string()), "after {steps} steps");
        }
        if resent.is_ok() {
            assert!(steps > 2 && path(1).exists() && path(2).exists());
            return;
        }
    }
}

#[test]
fn numbers_go_on_when_all_that_was_kept_is_dropped() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let outbox = pair.outbox(folder.path());
    let ids: BTreeSet<BundleId> = (0..2).map(|n| pair.stage(&outbox, LABELS[0], n)).collect();
    spool_all(&mut outbox.spooler(&region("high")), &pair.low);
    let waiting = pair.stage(&outbox, LABELS[1], 7);
    // Ready, kept and staged; one that has no number; and one that is not there any more.
    let both = ids.iter().cloned().chain([waiting.clone()]).collect();
    assert_eq!(outbox.drop_bundles(&region("high"), &ids).unwrap(), ids);
    assert_eq!(outbox.drop_bundles(&region("high"), &both).unwrap(), [waiting.clone()].into());
    assert_eq!(outbox.drop_bundles(&region("high"), &both).unwrap(), [].into());
    for of in ["ready", "kept"] {
        assert_eq!(names(&crossing_outbox(folder.path()).join("high").join(of)), Vec::<String>::new());
    }
    assert_eq!(LABELS.map(|label| outbox.staged(&region("high"), label).unwrap()), [0, 0]);
    pair.stage(&outbox, LABELS[0], 3);
    assert_eq!(spool_all(&mut pair.outbox(folder.path()).spooler(&region("high")), &pair.low)[0].number.get(), 3);
    // Who has lost count does not guess.
    fs::write(crossing_outbox(folder.path()).join("high/next"), "many").unwrap();
    pair.stage(&outbox, LABELS[0], 4);
    let error = pair.outbox(folder.path()).spooler(&region("high")).next(&pair.low).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("next"), "{error:?}");
}

#[test]
fn what_waits_is_held_where_no_carrier_sees_it_and_what_was_carried_is_not() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let (outbox, high) = (pair.outbox(folder.path()), region("high"));
    let [carried, again, shown, unseen, staged, other] = [1, 2, 3, 4, 5, 6].map(|n| {
        let id = pair.stage(&outbox, LABELS[usize::from(n == 5)], n);
        if n < 4 {
            spool_all(&mut outbox.spooler(&high), &pair.low);
        } else if n == 4 {
            outbox.spooler(&high).next(&pair.low).unwrap().unwrap();
        }
        id
    });
    for number in [1, 2].map(number) {
        fs::remove_file(ready(folder.path()).join(bundle_file_name(number))).unwrap();
    }
    outbox.resend(&high, &[number(2)]).unwrap();
    let ids: BTreeSet<BundleId> = [&carried, &again, &shown, &unseen, &staged].map(Clone::clone).into();
    assert_eq!(outbox.hold_bundles(&high, &ids).unwrap(), ids, "all of them were there");
    // What was carried is kept no longer. What waits again, since it was missing, is held as what waits, as long as its name is
    // staged.
    let held = |label| outbox.held(label).unwrap();
    assert_eq!(held(LABELS[0]), [(high.clone(), [again, shown, unseen].into())].into());
    assert_eq!(held(LABELS[1]), [(high.clone(), [staged].into())].into());
    for of in ["ready", "kept"] {
        assert_eq!(names(&crossing_outbox(folder.path()).join("high").join(of)), Vec::<String>::new(), "{of}");
    }
    assert_eq!(LABELS.map(|label| outbox.staged(&high, label).unwrap()), [1, 0]);
    // Nobody gives it a number or a name, now or at the next start; the others go on.
    let next = pair.outbox(folder.path());
    next.settle(&high, LABELS[0], |_| true).unwrap();
    let spooled = spool_all(&mut next.spooler(&high), &pair.low);
    assert_eq!(spooled.iter().map(|one| (&one.id, one.number.get())).collect::<Vec<_>>(), [(&other, 5)]);
    assert_eq!(next.hold_bundles(&high, &ids).unwrap(), [].into(), "they are held");
    assert_eq!(next.drop_bundles(&high, &ids).unwrap().len(), 4);
    assert_eq!(LABELS.map(|label| next.held(label).unwrap().len()), [0, 0]);
    assert_eq!(next.drop_bundles(&high, &[other.clone()].into()).unwrap(), [other].into());
}

#[test]
fn a_bundle_that_a_crash_left_without_its_name_is_held_too() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let (outbox, high) = (pair.outbox(folder.path()), region("high"));
    let other = pair.stage(&outbox, LABELS[0], 1);
    let id = BundleId::from_random(7);
    let file = outbox.stage(&high, LABELS[0], &id).unwrap();
    drop(file.finish().unwrap());
    let next = pair.outbox(folder.path());
    assert_eq!(next.hold_bundles(&high, &[id.clone()].into()).unwrap(), [id.clone()].into());
    next.settle(&high, LABELS[0], |_| true).unwrap();
    let spooled = spool_all(&mut next.spooler(&high), &pair.low);
    assert_eq!(spooled.into_iter().map(|one| one.id).collect::<Vec<_>>(), [other]);
    assert_eq!(next.held(LABELS[0]).unwrap(), [(high, [id].into())].into());
}

#[test]
fn what_a_crash_left_half_held_is_shown_to_nobody_and_held_by_whoever_finds_it() {
    for steps in 0.. {
        let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
        let (outbox, high) = (pair.outbox(folder.path()), region("high"));
        let staged = pair.stage(&outbox, LABELS[1], 2);
        spool_all(&mut outbox.spooler(&high), &pair.low);
        let unseen = pair.stage(&outbox, LABELS[0], 1);
        outbox.spooler(&high).next(&pair.low).unwrap().unwrap();
        let ids: BTreeSet<BundleId> = [unseen.clone(), staged.clone()].into();
        outbox.disk().power.cut_after(steps);
        let is_done = outbox.hold_bundles(&high, &ids).is_ok();
        let next = pair.outbox(folder.path());
        let held = |label| next.held(label).unwrap().remove(&high).unwrap_or_default();
        let of_label = [(LABELS[0], unseen), (LABELS[1], staged)];
        // As the region starts: the spooler goes on, and whoever has a label's turn finds what is held.
        let before = LABELS.map(held);
        let mut spooler = next.spooler(&high);
        let shown: BTreeSet<BundleId> = spool_all(&mut spooler, &pair.low).into_iter().map(|one| one.id).collect();
        assert!(before.iter().flatten().all(|id| !shown.contains(id)), "after {steps} steps");
        spooler.tidy(SystemTime::now()).unwrap();
        for (label, id) in &of_label {
            if held(label).contains(id) {
                next.hold_bundles(&high, &[id.clone()].into()).unwrap();
                assert_eq!(held(label), [id.clone()].into(), "after {steps} steps");
            }
        }
        // The call comes again.
        next.hold_bundles(&high, &ids).unwrap();
        assert_eq!(names(&ready(folder.path())), Vec::<String>::new(), "after {steps} steps");
        assert_eq!(of_label.map(|(label, id)| held(label) == [id].into()), [true, true], "after {steps} steps");
        if is_done {
            assert!(steps > 4);
            return;
        }
    }
}

#[test]
fn what_is_ready_again_is_kept_so_that_a_containment_finds_it() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let (outbox, high) = (pair.outbox(folder.path()), region("high"));
    let mut spooler = outbox.spooler(&high);
    let [asked, old, newest] = [1, 2, 3].map(|n| {
        let id = pair.stage(&outbox, LABELS[0], n);
        spool_all(&mut spooler, &pair.low);
        id
    });
    (1..=3).for_each(|at| fs::remove_file(ready(folder.path()).join(bundle_file_name(number(at)))).unwrap());
    spooler.tidy(SystemTime::now()).unwrap();
    outbox.resend(&high, &[number(1)]).unwrap();
    spooler.tidy(SystemTime::now() + Duration::from_secs(31 * 24 * 60 * 60)).unwrap();
    let taken = |id: BundleId| outbox.hold_bundles(&high, &[id].into()).unwrap().len();
    // One that waits keeps no other: what came after it goes when it is old, but for the newest.
    assert_eq!((taken(asked), taken(old), taken(newest)), (1, 0, 1));
    assert_eq!(names(&ready(folder.path())), Vec::<String>::new());
}

#[test]
fn what_the_region_sent_to_itself_and_no_mapping_let_in_goes_with_the_others() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let (outbox, high) = (pair.outbox(folder.path()), region("high"));
    let id = pair.stage(&outbox, LABELS[0], 1);
    spool_all(&mut outbox.spooler(&high), &pair.low);
    let name = bundle_file_name(number(1));
    let aside = crossing_outbox(folder.path()).join("high/refused");
    fs::create_dir(&aside).unwrap();
    fs::rename(ready(folder.path()).join(&name), aside.join(&name)).unwrap();
    pair.stage(&outbox, LABELS[0], 2);
    let mut spooler = outbox.spooler(&high);
    spool_all(&mut spooler, &pair.low);
    spooler.tidy(SystemTime::now() + Duration::from_secs(31 * 24 * 60 * 60)).unwrap();
    assert_eq!(outbox.hold_bundles(&high, &[id.clone()].into()).unwrap(), [id].into());
    assert_eq!((names(&aside), outbox.held(LABELS[0]).unwrap().len()), (Vec::<String>::new(), 0));
}

#[test]
fn a_bundle_that_was_dropped_between_its_number_and_its_showing_is_not_shown() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let outbox = pair.outbox(folder.path());
    let id = pair.stage(&outbox, LABELS[0], 1);
    let mut spooler = outbox.spooler(&region("high"));
    let numbered = spooler.next(&pair.low).unwrap().unwrap();
    outbox.drop_bundles(&region("high"), &[id].into()).unwrap();
    spooler.show(&numbered).unwrap();
    assert_eq!(names(&ready(folder.path())), Vec::<String>::new());
    assert_eq!(spooler.next(&pair.low).unwrap(), None);
}

#[test]
fn what_was_not_released_is_settled_by_what_the_rows_say() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let outbox = pair.outbox(folder.path());
    let [sent, unsent] = [1, 2].map(BundleId::from_random);
    // As a crash leaves them: nobody runs any more.
    for id in [&sent, &unsent] {
        std::mem::forget(pair.write(&outbox, LABELS[0], id).unwrap());
    }
    // One that was never finished goes by itself.
    drop(outbox.stage(&region("high"), LABELS[0], &BundleId::from_random(3)).unwrap());
    assert_eq!(outbox.staged(&region("high"), LABELS[0]).unwrap(), 0);
    assert_eq!(outbox.spooler(&region("high")).next(&pair.low).unwrap(), None);
    outbox.settle(&region("high"), LABELS[0], |id| *id == sent).unwrap();
    outbox.settle(&region("high"), LABELS[1], |_| true).unwrap();
    let spooled = spool_all(&mut outbox.spooler(&region("high")), &pair.low);
    assert_eq!(spooled.iter().map(|one| &one.id).collect::<Vec<_>>(), [&sent]);
    pair.write(&outbox, LABELS[0], &unsent).unwrap().discard().unwrap();
    outbox.settle(&region("high"), LABELS[0], |_| true).unwrap();
    assert_eq!(outbox.staged(&region("high"), LABELS[0]).unwrap(), 1);
}

#[test]
fn a_staged_file_that_is_no_bundle_holds_up_nobody() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let outbox = pair.outbox(folder.path());
    let mut new = outbox.stage(&region("high"), LABELS[0], &BundleId::from_random(1)).unwrap();
    let mut file = new.file();
    file.write_all(b"torn").unwrap();
    new.finish().unwrap().release().unwrap();
    new = outbox.stage(&region("high"), LABELS[0], &BundleId::from_random(5)).unwrap();
    drop(new);
    let good = pair.stage(&outbox, LABELS[0], 2);
    let mut spooler = outbox.spooler(&region("high"));
    assert!(matches!(spooler.next(&pair.low), Err(SpoolError::Unusable { .. })));
    let numbered = spooler.next(&pair.low).unwrap().unwrap();
    assert_eq!((numbered.number.get(), numbered.id), (1, good));
}

/// What a carrier brought, by number. A second one of a number is the same bundle.
#[derive(Default)]
struct Brought(BTreeMap<u64, (BundleId, [u8; 32])>);

impl Brought {
    fn carry(&mut self, pair: &Pair, folder: &Path) {
        let inbox = folder.join("inbox of high");
        Taking::new(ready(folder), inbox.clone()).carry().unwrap();
        for name in names(&inbox) {
            let (number, id, note) = pair.read(&inbox.join(&name));
            assert_eq!(number_of(&name).unwrap().get(), number);
            if let Some(known) = self.0.insert(number, (id.clone(), note)) {
                assert_eq!(known, (id, note), "another bundle under the number {number}");
            }
            fs::remove_file(inbox.join(name)).unwrap();
        }
    }
}

/// Stages, spools, carries and tidies, until the power is cut.
fn work(
    pair: &Pair,
    outbox: &Outbox,
    folder: &Path,
    ids: &[BundleId],
    brought: &mut Brought,
) -> Result<(), SpoolError> {
    let mut spooler = outbox.spooler(&region("high"));
    for (n, id) in ids.iter().enumerate() {
        pair.write(outbox, LABELS[n % 2], id)?.release()?;
        while let Some(numbered) = spooler.next(&pair.low)? {
            spooler.show(&numbered)?;
        }
        if n == 1 {
            brought.carry(pair, folder);
            // The carrier makes durable what it took.
            outbox.disk().power.syncs(&ready(folder))?;
            spooler.tidy(SystemTime::now())?;
        }
    }
    Ok(())
}

#[test]
fn no_number_is_given_twice_and_none_is_left_out_wherever_the_power_is_cut() {
    let pair = Pair::new();
    let ids: Vec<BundleId> = (1..=3).map(BundleId::from_random).collect();
    let mut steps = 0;
    loop {
        let mut is_cut = false;
        // A process that is killed loses nothing that it wrote; a machine without power what was not synced.
        for loses in [false, true] {
            let (folder, mut brought) = (tempfile::tempdir().unwrap(), Brought::default());
            let outbox = pair.outbox(folder.path());
            outbox.disk().power.cut_after(steps);
            let _cut = work(&pair, &outbox, folder.path(), &ids, &mut brought);
            is_cut = outbox.disk().power.is_cut();
            if loses {
                outbox.disk().power.lose();
            }
            drop(outbox);
            // Meanwhile the carrier goes on.
            brought.carry(&pair, folder.path());
            let outbox = pair.outbox(folder.path());
            for label in LABELS {
                outbox.settle(&region("high"), label, |_| true).unwrap();
            }
            let mut spooler = outbox.spooler(&region("high"));
            spool_all(&mut spooler, &pair.low);
            brought.carry(&pair, folder.path());
            spooler.tidy(SystemTime::now()).unwrap();
            // Whatever was durable once, arrived once; numbers have no gap.
            let numbers: Vec<u64> = brought.0.keys().copied().collect();
            assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "after {steps} steps");
            let arrived: Vec<&BundleId> = brought.0.values().map(|(id, _)| id).collect();
            let different: BTreeSet<&BundleId> = arrived.iter().copied().collect();
            assert_eq!(arrived.len(), different.len(), "after {steps} steps");
            assert!(is_cut || arrived.len() == ids.len());
            assert_eq!(
                LABELS.map(|label| outbox.staged(&region("high"), label).unwrap()),
                [0, 0],
                "after {steps} steps"
            );
            assert_eq!(names(&ready(folder.path())), Vec::<String>::new());
        }
        if !is_cut {
            break;
        }
        steps += 1;
    }
    assert!(steps > 40, "{steps} steps");
}

#[test]
fn an_inbox_hands_out_bundles_and_nothing_else_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join("inbox").join(name);
    let mut inbox = Inbox::new(folder.path().join("inbox"));
    let none = BTreeSet::new();
    assert_eq!(inbox.look(SystemTime::now(), &none).unwrap(), []);
    fs::write(folder.path().join("secret"), "of the region").unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret"), at("0000000001.bundle")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("nowhere"), at("0000000002.bundle")).unwrap();
    fs::create_dir(at("0000000003.bundle")).unwrap();
    fs::create_dir_all(at("0000000004.bundle/full")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, at("0000000005.bundle"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::write(at("0000000006.bundle"), "whole").unwrap();
    fs::write(at("0000000007.bundle.new"), "half").unwrap();
    fs::write(at("\u{1b}[2Jx"), "a name that cleans a terminal").unwrap();
    fs::create_dir(at("refused")).unwrap();
    let found = inbox.look(SystemTime::now(), &none).unwrap();
    let numbers: Vec<Option<u64>> = found.iter().map(|one| one.number().map(NonZeroU64::get)).collect();
    assert_eq!(numbers, [None, Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)]);
    assert!(!found[0].name().contains('\u{1b}'));
    for (one, is_bundle) in found.iter().zip([false, false, false, false, false, false, true]) {
        assert_eq!(matches!(inbox.open(one).unwrap(), Opened::File(_)), is_bundle, "{}", one.name());
    }
    // What is being worked on is not handed out twice.
    assert_eq!(inbox.look(SystemTime::now(), &[number(6)].into()).unwrap().len(), 6);
    for one in &found {
        // Nothing here makes folders, so one with something in it stays; and is not looked at any more.
        assert_eq!(inbox.remove(one).is_err(), one.number() == Some(number(4)), "{}", one.name());
    }
    assert_eq!(inbox.look(SystemTime::now(), &none).unwrap(), []);
    assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"of the region");
    assert_eq!(names(&folder.path().join("inbox")), ["0000000004.bundle", "0000000007.bundle.new", "refused"]);
    let later = SystemTime::now() + Duration::from_secs(2 * 3600);
    assert_eq!(inbox.look(later, &none).unwrap(), []);
    assert_eq!(names(&folder.path().join("inbox")), ["0000000004.bundle", "refused"]);
}

#[test]
fn what_is_set_aside_is_bounded_and_what_came_in_its_place_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut inbox = Inbox::new(folder.path().join("inbox"));
    let none = BTreeSet::new();
    inbox.look(SystemTime::now(), &none).unwrap();
    let at = |n: u64| folder.path().join("inbox").join(bundle_file_name(number(n)));
    for n in 1..=70 {
        fs::write(at(n), "bundle").unwrap();
        let found = inbox.look(SystemTime::now(), &none).unwrap();
        inbox.set_aside(&found[0], SystemTime::now()).unwrap();
    }
    assert_eq!(names(&folder.path().join("inbox/refused")).len(), 64);
    fs::write(at(80), "first").unwrap();
    let found = inbox.look(SystemTime::now(), &none).unwrap();
    fs::write(folder.path().join("second"), "another one").unwrap();
    fs::rename(folder.path().join("second"), at(80)).unwrap();
    inbox.remove(&found[0]).unwrap();
    assert_eq!(fs::read(at(80)).unwrap(), b"another one");
    let later = SystemTime::now() + Duration::from_secs(8 * 86_400);
    let found = inbox.look(later, &none).unwrap();
    inbox.set_aside(&found[0], later).unwrap();
    assert_eq!(names(&folder.path().join("inbox/refused")), Vec::<String>::new());
}

#[test]
fn what_a_region_sends_to_itself_arrives_where_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("own/ready");
    fs::create_dir_all(&ready).unwrap();
    fs::write(ready.join("0000000001.bundle"), "seen").unwrap();
    fs::write(ready.join("0000000002.bundle.new"), "not seen yet").unwrap();
    let mut inbox = Inbox::of_own(ready.clone());
    let later = SystemTime::now() + Duration::from_secs(30 * 86_400);
    let found = inbox.look(later, &BTreeSet::new()).unwrap();
    assert_eq!(found.len(), 1);
    inbox.set_aside(&found[0], SystemTime::now()).unwrap();
    // The spooler's files are its own.
    assert_eq!(names(&ready), ["0000000002.bundle.new"]);
}
