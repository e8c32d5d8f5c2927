//! MD5 for `ETag`s of large values: on a thread of its own, several values at once.
//!
//! One MD5 is a chain of dependent steps and fills a core at 0.4–0.7 GB/s, less than everything else that is done to a
//! value taken together. Values that arrive at the same time are independent, so their steps share the lanes of the
//! processor's vectors: eight at once cost as much as one (`cargo xtask bench md5`). A value runs a few
//! steps ahead of its hash, so that the thread can wait a moment until all values under way have something to hash.
//! Each partition has its own thread: no queue is shared between labels. Nothing is protected by an MD5.

use crate::Fault;
use bytes::{Buf, Bytes};
use md5_many::{Md5Many, Md5State};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Values whose steps are hashed together.
const TOGETHER_MAX: usize = 16;

/// Below this many values one after the other is as fast.
const TOGETHER_MIN: usize = 3;

/// Steps that a value may be ahead of its hash.
pub(crate) const AHEAD_MAX: usize = 3;

/// How long a step waits for company, if other values are under way.
const COMPANY_TIME_MAX: Duration = Duration::from_millis(4);

/// Messages that may wait: more than all connections of a region can send.
const WAITING_MAX: usize = 32 * 1024;

/// Bytes that MD5 takes at once (RFC 1321, section 3.4).
const BLOCK_LEN: usize = 64;

enum Message {
    Begin(u64),
    Step(u64, Bytes, OwnedSemaphorePermit),
    Finish(u64, oneshot::Sender<[u8; 16]>),
    End(u64),
}

/// A partition's hashing thread; it begins with the first large value and ends with the partition.
#[derive(Default)]
pub(crate) struct Lanes {
    queue: OnceLock<Option<SyncSender<Message>>>,
    next: AtomicU64,
}

/// One value's hash, under way. Dropping it ends it.
pub(crate) struct Hashing {
    id: u64,
    queue: SyncSender<Message>,
    ahead: Arc<Semaphore>,
}

fn gone() -> Fault {
    Fault::Failed("the hashing thread is gone, or has fallen behind".to_owned())
}

impl Lanes {
    /// Begins a value's hash.
    pub(crate) fn begin(&self) -> Result<Hashing, Fault> {
        let start = || {
            let (sender, receiver) = sync_channel(WAITING_MAX);
            let run = move || hash_until_closed(&receiver);
            std::thread::Builder::new().name("partition-md5".to_owned()).spawn(run).ok().map(|_| sender)
        };
        let queue = self.queue.get_or_init(start).clone().ok_or_else(gone)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        queue.try_send(Message::Begin(id)).map_err(|_| gone())?;
        Ok(Hashing { id, queue, ahead: Arc::new(Semaphore::new(AHEAD_MAX)) })
    }
}

impl Hashing {
    /// Hands over the value's next bytes; waits while too many of the earlier are not hashed yet.
    pub(crate) async fn push(&self, bytes: Bytes) -> Result<(), Fault> {
        let permit = Arc::clone(&self.ahead).acquire_owned().await.map_err(|_| gone())?;
        self.queue.try_send(Message::Step(self.id, bytes, permit)).map_err(|_| gone())
    }

    /// The hash of everything that was handed over.
    pub(crate) async fn finish(self) -> Result<[u8; 16], Fault> {
        let (done, answer) = oneshot::channel();
        self.queue.try_send(Message::Finish(self.id, done)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        // The thread may be gone, and the value with it.
        let _gone = self.queue.try_send(Message::End(self.id));
    }
}

/// One value, as the thread knows it.
#[derive(Default)]
struct Value {
    state: Md5State,
    steps: VecDeque<(Bytes, OwnedSemaphorePermit)>,
    done: Option<oneshot::Sender<[u8; 16]>>,
}

impl Value {
    /// Bytes at hand that can go through a lane.
    fn blocks_len(&self) -> usize {
        let aligned = self.state.bytes_hashed().is_multiple_of(BLOCK_LEN as u64);
        let length = self.steps.front().map_or(0, |(bytes, _)| bytes.len());
        if aligned { length - length % BLOCK_LEN } else { 0 }
    }

    /// Takes `length` bytes, which were hashed, off the first step.
    fn advance(&mut self, length: usize) {
        if let Some((bytes, _)) = self.steps.front_mut() {
            bytes.advance(length);
            if bytes.is_empty() {
                self.steps.pop_front();
            }
        }
    }

    /// Hashes all of its first step, alone.
    fn hash_first(&mut self) {
        if let Some((bytes, _)) = self.steps.pop_front() {
            self.state.update(&bytes);
        }
    }
}

fn hash_until_closed(receiver: &Receiver<Message>) {
    let mut values: BTreeMap<u64, Value> = BTreeMap::new();
    let mut since: Option<Instant> = None;
    loop {
        let next = match since {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) => receiver.recv_timeout(COMPANY_TIME_MAX.saturating_sub(since.elapsed())),
        };
        match next {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(message) => std::iter::once(message).chain(receiver.try_iter()).for_each(|message| {
                match message {
                    Message::Begin(id) => drop(values.insert(id, Value::default())),
                    Message::Step(id, bytes, permit) if !bytes.is_empty() => {
                        values.entry(id).or_default().steps.push_back((bytes, permit));
                    }
                    Message::Step(..) => {}
                    Message::Finish(id, done) => values.entry(id).or_default().done = Some(done),
                    Message::End(id) => {
                        // Dropped after `finish`, the value is still waited for.
                        if values.get(&id).is_some_and(|value| value.done.is_none()) {
                            values.remove(&id);
                        }
                    }
                }
            }),
        }
        loop {
            let ready = values.values().filter(|value| !value.steps.is_empty()).count();
            let enough = ready >= values.len().min(TOGETHER_MAX);
            let waited = since.is_some_and(|since| since.elapsed() >= COMPANY_TIME_MAX);
            if ready == 0 {
                since = None;
                break;
            }
            if !enough && !waited {
                since = since.or_else(|| Some(Instant::now()));
                break;
            }
            since = None;
            hash(values.values_mut().filter(|value| !value.steps.is_empty()).take(TOGETHER_MAX).collect());
        }
        values.retain(|_, value| {
            let finished = value.steps.is_empty() && value.done.is_some();
            if finished && let Some(done) = value.done.take() {
                // A request that went away has no use for it.
                let _gone = done.send(value.state.finalize());
            }
            !finished
        });
    }
}

/// Hashes the first step of each value: together as far as they are equally long, the rest one by one.
fn hash(mut values: Vec<&mut Value>) {
    loop {
        let length = values.iter().map(|value| value.blocks_len()).filter(|length| *length > 0).min().unwrap_or(0);
        let count = values.iter().filter(|value| value.blocks_len() > 0).count();
        if count < TOGETHER_MIN {
            break;
        }
        // Empty lanes cost nothing, half a vector of them costs the whole vector's speed: they hash the first again.
        let lanes = if count <= TOGETHER_MAX / 2 { TOGETHER_MAX / 2 } else { TOGETHER_MAX };
        let mut states = Vec::with_capacity(lanes);
        let mut inputs: Vec<Bytes> = Vec::with_capacity(lanes);
        for value in values.iter().filter(|value| value.blocks_len() > 0) {
            states.push(value.state);
            inputs.extend(value.steps.front().map(|(bytes, _)| bytes.slice(..length)));
        }
        if let (Some(state), Some(input)) = (states.first().copied(), inputs.first().cloned()) {
            states.resize(lanes, state);
            inputs.resize(lanes, input);
        }
        let slices: Vec<&[u8]> = inputs.iter().map(AsRef::as_ref).collect();
        Md5Many::new().update_many(&mut states, &slices);
        drop(slices);
        drop(inputs);
        let mut hashed = states.into_iter();
        for value in values.iter_mut().filter(|value| value.blocks_len() > 0) {
            if let Some(state) = hashed.next() {
                value.state = state;
                value.advance(length);
            }
        }
        // What is left of longer steps goes with the next round, if that has company for it.
        values.retain(|value| !value.steps.is_empty());
    }
    values.into_iter().for_each(Value::hash_first);
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};
    use proptest::prelude::*;

    fn permit() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
    }

    proptest! {
        /// Whatever comes together, in whatever steps: each value's hash is what another implementation says.
        #[test]
        fn values_hashed_together_have_their_own_hashes(
            values in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 1..400), 0..6), 1..20),
        ) {
            let mut hashed: Vec<Value> = Vec::new();
            for steps in &values {
                let steps = steps.iter().map(|step| (Bytes::from(step.clone()), permit())).collect();
                hashed.push(Value { steps, ..Value::default() });
            }
            while hashed.iter().any(|value| !value.steps.is_empty()) {
                hash(hashed.iter_mut().filter(|value| !value.steps.is_empty()).take(TOGETHER_MAX).collect());
            }
            for (value, hashed) in values.iter().zip(&hashed) {
                prop_assert_eq!(hashed.state.finalize(), <[u8; 16]>::from(Md5::digest(value.concat())));
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_at_once_each_get_their_own() {
        let lanes = Arc::new(Lanes::default());
        let task = |index: u8| {
            let lanes = Arc::clone(&lanes);
            async move {
                let hashing = lanes.begin().unwrap();
                for _ in 0..5 {
                    hashing.push(Bytes::from(vec![index; 100_000 + usize::from(index)])).await.unwrap();
                }
                // Some go away in the middle.
                if index % 7 == 3 { None } else { Some((index, hashing.finish().await.unwrap())) }
            }
        };
        let tasks: Vec<_> = (0..40).map(|index| tokio::spawn(task(index))).collect();
        for task in tasks {
            if let Some((index, digest)) = task.await.unwrap() {
                let whole = vec![index; 5 * (100_000 + usize::from(index))];
                assert_eq!(digest, <[u8; 16]>::from(Md5::digest(whole)));
            }
        }
    }
}
