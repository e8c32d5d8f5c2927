//! The batches of a bundle, on their way through three stages that work side by side, each on one batch after the other:
//!
//! ```text
//! read (digests) → the guard looks, what it left is sealed → committed with its entry, when the bundle's turn has come
//! ```
//!
//! The mapping is asked when a batch is read, and once more when it is committed: what it lets in no longer stays out. Time
//! and day are those of the commit.

use super::apart;
use super::judge::{Came, Rewritten, inspect};
use super::line::Place;
use super::receive::{ArrivingBundle, Coming, reading};
use super::seams::Inspector;
use super::take::{Held, elsewhere};
use crate::record::Draft;
use crate::{Context, Gate};
use fastness_decide::Permit;
use fastness_decide::crossing::Used;
use fastness_identity::directory::Mapping;
use fastness_label::Label;
use fastness_ledger::Outcome;
use fastness_operation::{Code, MappingName};
use fastness_store::{ArrivalStep, Arrived, ArrivedMany, ArrivingObject, Fault, Measure, day_of};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Objects that go to the guard together, at most: with their bundle a hundred resources of one entry, which is as many as an
/// auditor is shown of it.
const BATCH_OBJECTS_MAX: usize = 99;
/// Bytes that go to the guard together, at most, unless one object alone has more.
const BATCH_BYTES_MAX: u64 = 2 << 20;
/// KiB of a bundle that are on their way, at most, unless one object alone has more.
const ROOM_KIB: u32 = 8 << 10;
/// Batches that the guard has looked at and that wait to be committed; and as many may be at it, together.
const LOOKED_MAX: usize = 4;

/// A batch that was read.
struct Batch {
    mapping: Mapping,
    permit: Permit,
    step: ArrivalStep,
    came: Vec<Came>,
    room: OwnedSemaphorePermit,
}

/// A batch that the guard looked at.
struct Looked {
    mapping: Mapping,
    step: ArrivalStep,
    objects: Vec<ArrivingObject>,
    rewritten: Vec<Rewritten>,
    /// Its room is free again when it is committed.
    _room: OwnedSemaphorePermit,
}

/// What a mapping's measure of a day is used up to when all is committed that was read.
#[derive(Default)]
struct Ahead {
    of: Option<(MappingName, u32)>,
    used: Used,
}

impl Ahead {
    /// With what is committed: of this bundle no more than was read, and of others what they have.
    fn over(&mut self, mapping: &MappingName, day: u32, committed: Used) -> Used {
        if self.of.as_ref().is_none_or(|(of, on)| of != mapping || *on != day) {
            *self = Self { of: Some((mapping.clone(), day)), used: committed };
        }
        let used = &mut self.used;
        *used = Used { bytes: used.bytes.max(committed.bytes), objects: used.objects.max(committed.objects) };
        *used
    }
}

impl Gate {
    /// Takes all batches in, from the object at `next` on.
    pub(super) async fn take_batches(
        &self,
        bundle: ArrivingBundle,
        next: u32,
        inspector: Box<dyn Inspector>,
        place: &Place,
    ) -> Result<(), Held> {
        let (coming, target) = (Arc::clone(bundle.coming()), bundle.target());
        let (to_guard, for_guard) = mpsc::channel(1);
        let (to_commit, for_commit) = mpsc::channel(LOOKED_MAX);
        let (read, looked, committed) = tokio::join!(
            self.read_batches(bundle, next, to_guard),
            self.look_at_batches(&coming, inspector, for_guard, to_commit),
            self.commit_batches(&coming, target, for_commit, place),
        );
        committed.and(looked).and(read)
    }

    /// Reads batch after batch, as long as somebody takes them.
    async fn read_batches(
        &self,
        mut bundle: ArrivingBundle,
        mut next: u32,
        to_guard: mpsc::Sender<Batch>,
    ) -> Result<(), Held> {
        let (objects, room) = (bundle.head().objects, Arc::new(Semaphore::new(ROOM_KIB as usize)));
        let mut ahead = Ahead::default();
        while next < objects {
            let (back, batch) = self.read_batch(bundle, next, &mut ahead, &room).await?;
            bundle = back;
            next = next.saturating_add(u32::try_from(batch.came.len()).unwrap_or(u32::MAX));
            if to_guard.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Reads the next batch, from the object at `first` on: as much as the day's measure has room for.
    async fn read_batch(
        &self,
        mut bundle: ArrivingBundle,
        first: u32,
        ahead: &mut Ahead,
        room: &Arc<Semaphore>,
    ) -> Result<(ArrivingBundle, Batch), Held> {
        let day = day_of(self.moment_of(bundle.coming(), bundle.target()).moment.now_ms);
        let (mapping, permit) = self.leave_for(bundle.coming(), Vec::new())?;
        if permit.view().session() != bundle.target() {
            return Err(elsewhere());
        }
        let used = ahead.over(&mapping.name, day, self.store.used(&permit, &mapping.name, day)?);
        let place = usize::try_from(first).unwrap_or(usize::MAX);
        let (count, bytes, asked) =
            room_for(&bundle, place, &mapping, used).ok_or(Held::Waits("the day's measure is used up"))?;
        ahead.used = used.plus(asked);
        let measure = Measure { mapping: mapping.name.clone(), day, asked, most: Used::of_a_day(&mapping) };
        let step = ArrivalStep { head: bundle.head(), number: bundle.number(), first, measure };
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).clamp(1, ROOM_KIB);
        let room = Arc::clone(room).acquire_many_owned(kib).await;
        let room = room.map_err(|error| Fault::Failed(format!("reading a bundle: {error}")))?;
        let (bundle, came) = apart(move || {
            let mut batch = Vec::with_capacity(count);
            for at in place..place + count {
                let content = bundle.content(at).map_err(reading)?;
                let object = bundle.manifest().objects.get(at).ok_or_else(crate::perform::mismatch)?;
                let (key, sha256, attributes) = (object.key.clone(), object.sha256, object.attributes.clone());
                batch.push(Came { key, sha256, attributes, content });
            }
            Ok((bundle, batch))
        })
        .await?;
        Ok((bundle, Batch { mapping, permit, step, came, room }))
    }

    /// Has the guard look at what was read, and seals what it left.
    async fn look_at_batches(
        &self,
        coming: &Arc<Coming>,
        mut inspector: Box<dyn Inspector>,
        mut for_guard: mpsc::Receiver<Batch>,
        to_commit: mpsc::Sender<Looked>,
    ) -> Result<(), Held> {
        while let Some(batch) = for_guard.recv().await {
            let (gate, coming) = (self.clone(), Arc::clone(coming));
            let looked = apart(move || {
                let Batch { mapping, permit, step, came, room: _room } = batch;
                let judged = inspect(&mut *inspector, &mapping, &coming.label, came)?;
                let (objects, rewritten) = gate.seal_judged(&permit, judged)?;
                Ok((inspector, Looked { mapping, step, objects, rewritten, _room }))
            });
            let (back, looked) = looked.await?;
            inspector = back;
            if to_commit.send(looked).await.is_err() {
                break;
            }
        }
        // Its processes end on a thread that may wait for them.
        drop(tokio::task::spawn_blocking(move || drop(inspector)));
        Ok(())
    }

    /// Commits batch after batch, when the bundle's turn has come. What has been looked at by then goes together: each
    /// batch has a turn and an entry of its own, and the partition writes them at once.
    async fn commit_batches(
        &self,
        coming: &Coming,
        target: Label,
        mut for_commit: mpsc::Receiver<Looked>,
        place: &Place,
    ) -> Result<(), Held> {
        let mut ready = Vec::new();
        while for_commit.recv_many(&mut ready, LOOKED_MAX).await > 0 {
            place.come().await;
            while ready.len() < LOOKED_MAX
                && let Ok(more) = for_commit.try_recv()
            {
                ready.push(more);
            }
            // Polled in their order, they are in the partition's queue in their order; were it full, the store would not take
            // what is not next, and the bundle would come again.
            let committing = ready.drain(..).map(|looked| self.commit_batch(coming, target, looked));
            join_all(committing).await.into_iter().collect::<Result<(), Held>>()?;
        }
        Ok(())
    }

    /// Commits a batch with its entry, if its mapping is still what it was.
    async fn commit_batch(&self, coming: &Coming, target: Label, looked: Looked) -> Result<(), Held> {
        let Looked { mapping: then, mut step, objects, rewritten, .. } = looked;
        let context = self.moment_of(coming, target);
        step.measure.day = day_of(context.moment.now_ms);
        let keys = objects.iter().map(|object| object.key.clone()).collect();
        let (mapping, permit) = self.leave_for(coming, keys)?;
        if permit.view().session() != target {
            return Err(elsewhere());
        }
        if mapping != then {
            return Err(Held::Waits("its mapping changed while it was looked at"));
        }
        let draft = Draft::by_crossing(self, &permit, &context);
        let note = format!("note sha256={}", hex::encode(coming.note_sha256));
        let record = draft.record_outcome(move |outcomes: &ArrivedMany| outcome_of(note, outcomes, &rewritten));
        // What is not taken now comes again, and nothing was refused: it has no entry.
        let record = Box::new(move |done: &Result<_, _>| if comes_again(done) { Vec::new() } else { record(done) });
        match self.store.put_arrivals(&permit, objects, step, context.moment, record).await {
            // Others used it meanwhile.
            Err(Fault::Refused { code: Code::LimitExceeded, .. }) => Err(Held::Waits("the day's measure is used up")),
            Err(fault) => {
                // The same bundle was beside this one, under another number.
                let known = self.store.arrival_under_way(&permit)?;
                let is_another = known.is_some_and(|known| known.head.note_sha256 != coming.note_sha256);
                Err(if is_another { Held::Refused("replayed") } else { Held::Failed(fault) })
            }
            Ok(_) => Ok(()),
        }
    }

    fn moment_of(&self, coming: &Coming, target: Label) -> Context {
        self.context_of_order(target, &format!("bundle {}", coming.id))
    }
}

/// Whether a batch is only not taken now: the day has no room, or one before it was not taken.
fn comes_again(done: &Result<ArrivedMany, Fault>) -> bool {
    matches!(done, Err(Fault::Refused { code: Code::LimitExceeded | Code::SlowDown, .. }))
}

/// How many objects go together, from a place on: as many as the day has room for; nothing when it has none. With their bytes,
/// and what they take of the day.
fn room_for(bundle: &ArrivingBundle, first: usize, mapping: &Mapping, used: Used) -> Option<(usize, u64, Used)> {
    let (mut bytes, mut count, mut asked) = (0_u64, 0_usize, used);
    for object in bundle.manifest().objects.iter().skip(first).take(BATCH_OBJECTS_MAX) {
        // What alone is more than a day's measure is stopped, and need not wait for a day.
        let counted = if object.size > mapping.bytes_per_day { 0 } else { object.size };
        let with = asked.plus(Used { bytes: counted, objects: 1 });
        let is_over = with.exceeds(Used::of_a_day(mapping));
        let is_full = count > 0 && bytes.saturating_add(object.size) > BATCH_BYTES_MAX;
        if is_over || is_full {
            break;
        }
        (bytes, asked) = (bytes.saturating_add(object.size), with);
        count += 1;
    }
    let asked = Used { bytes: asked.bytes - used.bytes, objects: asked.objects - used.objects };
    (count > 0).then_some((count, bytes, asked))
}

/// One outcome for the bundle, and one for each object, in the order of the entry's resources.
fn outcome_of(note: String, outcomes: &ArrivedMany, rewritten: &[Rewritten]) -> Outcome {
    let each = |(outcome, rewritten): (&Result<Arrived, Fault>, &Rewritten)| match outcome {
        Ok(Arrived::Version(written)) => {
            let made = written.version.clone().unwrap_or_else(|| format!("etag {}", written.etag));
            Outcome::Done(Some(match rewritten {
                Some((came, stored)) => {
                    format!("{made} came sha256={} stored sha256={}", hex::encode(came), hex::encode(stored))
                }
                None => made,
            }))
        }
        Ok(Arrived::Quarantined(spill)) => Outcome::Done(Some(format!("quarantined spill {spill}"))),
        Err(fault) => crate::record::refused_outcome(fault),
    };
    let first = Outcome::Done(Some(note));
    Outcome::Each(std::iter::once(first).chain(outcomes.iter().zip(rewritten).map(each)).collect())
}
