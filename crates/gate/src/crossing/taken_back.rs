//! What is taken back: bundles that wait or are kept, and hold what was contained. Nobody is to carry them; what else waited
//! in them goes again (docs/decisions/0029-what-is-taken-back.md).
//!
//! ```text
//! ContainSpill, EraseSpill → the ledger names the bundles → held: no carrier sees them → an entry
//! the label's next turn, this one first → what was in them is noted → removed
//! ```

use super::report::{crossings, sent};
use super::send::disk;
use super::{Crossing, LabelTurn, apart};
use crate::Gate;
use crate::record::Draft;
use crate::spill::{Certainty, Name, parse};
use fastness_decide::{Chore, Permit};
use fastness_label::Label;
use fastness_ledger::Entry;
use fastness_operation::{BundleId, LiftId, ObjectKey, RegionName, VersionId};
use fastness_store::{Fault, Spill, SpilledVersion, TakenBack, TookBack};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Gate {
    /// Removes the bundles in which versions of a spill went, as far as they wait here or are kept to be sent again, with an
    /// entry that names those that were there. What else waited in them goes again. Those are looked for that entries at the
    /// permit's own label name; whoever calls this has the label's turn, so that none is being written.
    pub(crate) async fn drop_bundles_of(
        &self,
        permit: &Permit,
        spill: &Spill,
        turn: &mut LabelTurn,
        draft: &Draft,
    ) -> Result<(), Fault> {
        let (Some(crossing), label) = (self.crossing.clone(), permit.view().session()) else { return Ok(()) };
        let chore = Chore::of(label, &self.store.labels()).ok_or_else(crate::perform::mismatch)?;
        // What a crash or a failure left whole has its name first: it is one of those that wait.
        self.settle_staged(&crossing, &chore, turn).await?;
        // Whoever has the turn next looks for what is held, if this one does not get so far.
        turn.settled = false;
        let (gate, permit, spill, with) = (self.clone(), permit.clone(), spill.clone(), Arc::clone(&crossing));
        let held = apart(move || {
            let (mut all, mut failed) = (Vec::new(), None);
            for (to, ids) in gate.bundles_of(&permit, &spill)? {
                match with.parts.staging.hold_bundles(&to, &ids) {
                    Ok(held) => all.extend((!held.is_empty()).then_some((to, held))),
                    // The others go all the same.
                    Err(error) => failed = failed.or(Some(disk(error))),
                }
            }
            Ok((all, failed))
        });
        let (held, failed) = held.await?;
        for (to, ids) in held {
            let ids: Vec<&str> = ids.iter().map(BundleId::as_str).collect();
            let made = format!("removed from the outbox of {to}: {}", ids.join(" "));
            self.store.record(draft.label(), draft.done(Some(made))).await?;
        }
        self.settle_staged(&crossing, &chore, turn).await?;
        failed.map_or(Ok(()), Err)
    }

    /// Notes that what was in bundles that are held goes again, and removes them. Whoever calls this has the label's turn.
    pub(super) async fn take_held_back(
        &self,
        crossing: &Arc<Crossing>,
        chore: &Chore,
        turn: &mut LabelTurn,
    ) -> Result<(), Fault> {
        let label = chore.view().session();
        let mut all = BTreeMap::new();
        for to in crossing.destinations() {
            let held = crossing.parts.staging.held(&to, &self.banner(label)).map_err(disk)?;
            all.extend((!held.is_empty()).then(|| (to, BTreeSet::from_iter(held))));
        }
        if all.is_empty() {
            return Ok(());
        }
        let (gate, ids) = (self.clone(), all.values().flatten().cloned().collect());
        let mut known = apart(move || gate.lifted_in(label, &ids)).await?;
        for (to, ids) in all {
            let mut back = Vec::new();
            for one in ids.iter().filter_map(|id| known.remove(id)) {
                turn.rests.remove(&one.lift);
                back.push((one.lift.clone(), one.bundle.clone()));
                self.take_back(chore, &to, one).await?;
            }
            let with = Arc::clone(crossing);
            apart(move || with.parts.staging.drop_bundles(&to, &ids).map_err(disk)).await?;
            for (lift, bundle) in back {
                self.store.forget_taken_back(chore, &lift, &bundle).await?;
            }
        }
        Ok(())
    }

    async fn take_back(&self, chore: &Chore, to: &RegionName, back: TakenBack) -> Result<(), Fault> {
        let draft = Draft::of_what_is_taken_back(self, (chore.view().session(), to), &back);
        let objects = back.objects.len();
        let record = Box::new(move |took: &Result<TookBack, Fault>| {
            let words = match took {
                Ok(TookBack::Again) => "again",
                Ok(TookBack::Ended) => "not again: the lift has ended",
                Ok(TookBack::Forgotten) => "not again: the lift is known no longer",
                Ok(TookBack::Before) | Err(_) => return Vec::new(),
            };
            draft.done(Some(format!("objects={objects} {words}")))
        });
        self.store.take_back(chore, back, record).await.map(drop)
    }

    /// The bundles in which versions of a spill went, by the ledger of its label.
    fn bundles_of(&self, permit: &Permit, spill: &Spill) -> Result<BTreeMap<RegionName, BTreeSet<BundleId>>, Fault> {
        let account = spill.account.to_string();
        let is_of = |name: &Name, id: Option<&str>| {
            let one = |version: &SpilledVersion| {
                (&version.bucket, &version.key) == (&name.0, &name.1) && id == Some(version.version.as_str())
            };
            spill.versions.iter().any(one).then_some(Certainty::Certain)
        };
        let mut found: BTreeMap<RegionName, BTreeSet<BundleId>> = BTreeMap::new();
        self.walk(permit, permit.view().session(), |entry| {
            if entry.account != account {
                return;
            }
            for one in crossings(&entry, "", is_of) {
                if let (Ok(to), Ok(bundle)) = (RegionName::new(one.to), BundleId::new(one.bundle)) {
                    found.entry(to).or_default().insert(bundle);
                }
            }
        })?;
        Ok(found)
    }

    /// What was in these bundles, by the ledger of their label; of those of lifts alone. It blocks.
    fn lifted_in(&self, label: Label, ids: &BTreeSet<BundleId>) -> Result<BTreeMap<BundleId, TakenBack>, Fault> {
        let mut found = BTreeMap::new();
        self.store.ledger_rows(label, 0, u64::MAX, |_, _, content| {
            let entry = content.and_then(|content| Entry::decode_content(content).ok());
            found.extend(entry.and_then(|entry| lifted(&entry)).filter(|(id, _)| ids.contains(id)));
            found.len() < ids.len()
        })?;
        Ok(found)
    }
}

/// What an entry says that a lift sent in a bundle.
fn lifted(entry: &Entry) -> Option<(BundleId, TakenBack)> {
    let sent = sent(entry).filter(|sent| sent.kind == "lift")?;
    let (bundle, lift) = (BundleId::new(sent.bundle).ok()?, LiftId::new(sent.crossing).ok()?);
    let object = |line: &String| {
        let ((_, key), version) = parse(line, "read")?;
        Some((ObjectKey::new(key).ok()?, VersionId::new(version?)))
    };
    let objects = entry.resources.iter().filter_map(object).collect();
    Some((bundle.clone(), TakenBack { account: entry.account.parse().ok()?, lift, bundle, objects }))
}
