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
        // What a crash or a failure left whole has its name first: it is one of those that wait. Nothing that fails here keeps
        // anything from being held.
        let mut failed = Failed::default();
        failed.note(self.name_staged(&crossing, &chore));
        // Whoever has the turn next looks for what is held, if this one does not get so far.
        turn.settled = false;
        let (gate, permit, spill, with) = (self.clone(), permit.clone(), spill.clone(), Arc::clone(&crossing));
        let held = apart(move || {
            let hold = |(to, ids): (RegionName, BTreeSet<BundleId>)| {
                let held = with.parts.staging.hold_bundles(&to, &ids).map_err(disk);
                (to, held)
            };
            Ok(gate.bundles_of(&permit, &spill)?.into_iter().map(hold).collect::<Vec<_>>())
        });
        for (to, held) in held.await? {
            let Some(held) = failed.note(held).filter(|held| !held.is_empty()) else { continue };
            let ids: Vec<&str> = held.iter().map(BundleId::as_str).collect();
            let made = format!("removed from the outbox of {to}: {}", ids.join(" "));
            failed.note(self.store.record(draft.label(), draft.done(Some(made))).await);
        }
        failed.note(self.settle_staged(&crossing, &chore, turn).await);
        failed.0.map_or(Ok(()), Err)
    }

    /// Notes that what was in bundles that are held goes again, and removes them. Whoever calls this has the label's turn.
    pub(super) async fn take_held_back(
        &self,
        crossing: &Arc<Crossing>,
        chore: &Chore,
        turn: &mut LabelTurn,
    ) -> Result<(), Fault> {
        let all = crossing.parts.staging.held(&self.banner(chore.view().session())).map_err(disk)?;
        if all.is_empty() {
            return Ok(());
        }
        let (gate, of, ids) = (self.clone(), chore.clone(), all.values().flatten().cloned().collect());
        let mut known = apart(move || gate.sent_in(&of, &ids)).await?;
        let mut failed = Failed::default();
        for (to, ids) in all {
            let sent = ids.iter().filter_map(|id| known.remove(id)).collect();
            failed.note(self.take_back_from(crossing, chore, turn, (to, ids, sent)).await);
        }
        failed.0.map_or(Ok(()), Err)
    }

    /// The same of one region's.
    async fn take_back_from(
        &self,
        crossing: &Arc<Crossing>,
        chore: &Chore,
        turn: &mut LabelTurn,
        (to, mut ids, sent): (RegionName, BTreeSet<BundleId>, Vec<SentIn>),
    ) -> Result<(), Fault> {
        let (with, of, which) = (Arc::clone(crossing), to.clone(), ids.clone());
        // A hold that a crash or a failure broke off comes to its end.
        apart(move || with.parts.staging.hold_bundles(&of, &which).map_err(disk)).await?;
        let (with, of, which) = (Arc::clone(crossing), to.clone(), ids.clone());
        let (mut back, mut others) = (Vec::new(), Vec::new());
        for SentIn { bundle, account, lifted } in sent {
            ids.remove(&bundle);
            let Some(one) = lifted else {
                others.push((bundle, account, "a release"));
                continue;
            };
            turn.rests.remove(&one.lift);
            back.push((one.lift.clone(), bundle.clone()));
            if self.take_back(chore, &to, one).await? == TookBack::Forgotten {
                others.push((bundle, account, "its lift is known no longer"));
            }
        }
        others.extend(ids.into_iter().map(|id| (id, String::new(), "no entry says what was in it")));
        let gone = apart(move || with.parts.staging.drop_bundles(&of, &which).map_err(disk)).await?;
        for (lift, bundle) in back {
            self.store.forget_taken_back(chore, &lift, &bundle).await?;
        }
        // Of these no row says that they were counted: once they are gone, so that each has one entry.
        for (bundle, account, why) in others.into_iter().filter(|(bundle, ..)| gone.contains(bundle)) {
            let label = chore.view().session();
            let draft = Draft::of_what_is_taken_back(self, label, (&to, &bundle), (account, None));
            self.store.record(label, draft.done(Some(format!("not again: {why}")))).await?;
        }
        Ok(())
    }

    async fn take_back(&self, chore: &Chore, to: &RegionName, back: TakenBack) -> Result<TookBack, Fault> {
        let of = (back.account.to_string(), Some(&back.lift));
        let draft = Draft::of_what_is_taken_back(self, chore.view().session(), (to, &back.bundle), of);
        let objects = back.objects.len();
        let record = Box::new(move |took: &Result<TookBack, Fault>| {
            let words = match took {
                Ok(TookBack::Again) => "again",
                Ok(TookBack::Ended) => "not again: the lift has ended",
                Ok(TookBack::Forgotten | TookBack::Before) | Err(_) => return Vec::new(),
            };
            draft.done(Some(format!("objects={objects} {words}")))
        });
        self.store.take_back(chore, back, record).await
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

    /// What was in these bundles, by the ledger of their label. It blocks.
    fn sent_in(&self, chore: &Chore, ids: &BTreeSet<BundleId>) -> Result<BTreeMap<BundleId, SentIn>, Fault> {
        let mut found = BTreeMap::new();
        self.store.ledger_contents(chore, |content| {
            let one = Entry::decode_content(content).ok().and_then(|entry| sent_by(&entry));
            let one = one.filter(|one| ids.contains(&one.bundle));
            found.extend(one.map(|one| (one.bundle.clone(), one)));
            found.len() < ids.len()
        })?;
        Ok(found)
    }
}

/// What the ledger says of a bundle.
struct SentIn {
    bundle: BundleId,
    account: String,
    /// Of a lift's bundle, what was in it.
    lifted: Option<TakenBack>,
}

/// The first of some failures, while the rest goes on.
#[derive(Default)]
struct Failed(Option<Fault>);

impl Failed {
    fn note<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.0.get_or_insert(fault)).ok()
    }
}

/// What an entry says that was sent in a bundle.
fn sent_by(entry: &Entry) -> Option<SentIn> {
    let sent = sent(entry)?;
    let (bundle, account) = (BundleId::new(sent.bundle).ok()?, entry.account.clone());
    let object = |line: &String| {
        let ((_, key), version) = parse(line, "read")?;
        Some((ObjectKey::new(key).ok()?, VersionId::new(version?)))
    };
    let lift = (sent.kind == "lift").then(|| LiftId::new(sent.crossing).ok()).flatten();
    let lifted = lift.zip(account.parse().ok()).map(|(lift, account)| {
        let objects = entry.resources.iter().filter_map(object).collect();
        TakenBack { account, lift, bundle: bundle.clone(), objects }
    });
    Some(SentIn { bundle, account, lifted })
}
