//! MD5 for `ETag`s of large values: on a thread of its own, several values at once.
//!
//! One MD5 is a chain of dependent steps and fills a core at 0.4–0.7 GB/s, less than everything else that is done to a
//! value taken together. Values that arrive at the same time are independent, so their steps share the lanes of the
//! processor's vectors: eight at once cost as much as one (`docs/measurements/2026-11-22-md5.md`). Whatever waits when
//! the thread is free goes together, as in a group commit. Each partition has its own thread: no queue is shared
//! between labels. Nothing is protected by an MD5.

use bytes::Bytes;
use md5_many::{Md5Many, Md5State};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// Values whose steps are hashed together.
const TOGETHER_MAX: usize = 16;

/// Below this many values one after the other is as fast.
const TOGETHER_MIN: usize = 3;

/// Steps that may wait; beyond it, whoever asks hashes by themselves. A value has one step here at a time.
const WAITING_MAX: usize = 1024;

/// Bytes that MD5 takes at once (RFC 1321, section 3.4).
const BLOCK_LEN: usize = 64;

struct Job {
    state: Box<Md5State>,
    bytes: Bytes,
    done: oneshot::Sender<Box<Md5State>>,
}

/// A partition's hashing thread; it begins with the first large value and ends with the partition.
#[derive(Default)]
pub(crate) struct Lanes {
    queue: OnceLock<Option<SyncSender<Job>>>,
}

impl Lanes {
    fn queue(&self) -> Option<&SyncSender<Job>> {
        let start = || {
            let (sender, receiver) = sync_channel(WAITING_MAX);
            let run = move || hash_until_closed(&receiver);
            std::thread::Builder::new().name("partition-md5".to_owned()).spawn(run).ok().map(|_| sender)
        };
        self.queue.get_or_init(start).as_ref()
    }

    /// Hashes the next bytes of a value.
    pub(crate) async fn update(&self, state: Box<Md5State>, bytes: Bytes) -> Box<Md5State> {
        let (done, answer) = oneshot::channel();
        let (kept, rest) = (state.clone(), bytes.clone());
        if let Some(queue) = self.queue()
            && queue.try_send(Job { state, bytes, done }).is_ok()
            && let Ok(state) = answer.await
        {
            return state;
        }
        let mut state = kept;
        state.update(&rest);
        state
    }
}

fn hash_until_closed(receiver: &Receiver<Job>) {
    while let Ok(first) = receiver.recv() {
        let mut jobs = vec![first];
        jobs.extend(receiver.try_iter().take(TOGETHER_MAX - 1));
        hash(&mut jobs);
        for job in jobs {
            // A request that went away has no use for it.
            let _gone = job.done.send(job.state);
        }
    }
}

/// Hashes what each job brings: together as far as they are equally long, the rest one by one.
fn hash(jobs: &mut [Job]) {
    let aligned = |job: &Job| job.state.bytes_hashed().is_multiple_of(BLOCK_LEN as u64);
    loop {
        let ready = |job: &&Job| aligned(job) && job.bytes.len() >= BLOCK_LEN;
        let count = jobs.iter().filter(ready).count();
        let shortest = jobs.iter().filter(ready).map(|job| job.bytes.len()).min().unwrap_or(0);
        let length = shortest - shortest % BLOCK_LEN;
        if count < TOGETHER_MIN || length == 0 {
            break;
        }
        let (mut states, mut inputs) = (Vec::with_capacity(TOGETHER_MAX), Vec::with_capacity(TOGETHER_MAX));
        for job in jobs.iter().filter(ready) {
            states.push(*job.state);
            inputs.push(job.bytes.slice(..length));
        }
        // Empty lanes cost nothing, half a vector of them costs the whole vector's speed: they hash the first again.
        let lanes = if count <= TOGETHER_MAX / 2 { TOGETHER_MAX / 2 } else { TOGETHER_MAX };
        let filler = (states.first().copied(), inputs.first().cloned());
        if let (Some(state), Some(input)) = filler {
            states.resize(lanes.max(count), state);
            inputs.resize(lanes.max(count), input);
        }
        let slices: Vec<&[u8]> = inputs.iter().map(AsRef::as_ref).collect();
        Md5Many::new().update_many(&mut states, &slices);
        let mut hashed = states.into_iter();
        for job in jobs.iter_mut().filter(|job| aligned(job) && job.bytes.len() >= BLOCK_LEN) {
            if let Some(state) = hashed.next() {
                *job.state = state;
                let rest = job.bytes.slice(length..);
                job.bytes = rest;
            }
        }
    }
    for job in jobs {
        job.state.update(&job.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes together, in whatever steps: each value's hash is what another implementation says.
        #[test]
        fn values_hashed_together_have_their_own_hashes(
            values in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..6), 1..20),
        ) {
            let mut states: Vec<Box<Md5State>> = values.iter().map(|_| Box::default()).collect();
            for step in 0..6 {
                let mut jobs: Vec<Job> = Vec::new();
                for (value, state) in values.iter().zip(&states) {
                    let bytes = Bytes::from(value.get(step).cloned().unwrap_or_default());
                    jobs.push(Job { state: state.clone(), bytes, done: oneshot::channel().0 });
                }
                for together in jobs.chunks_mut(TOGETHER_MAX) {
                    hash(together);
                }
                states = jobs.into_iter().map(|job| job.state).collect();
            }
            for (value, state) in values.iter().zip(&states) {
                prop_assert_eq!(state.finalize(), <[u8; 16]>::from(Md5::digest(value.concat())));
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_at_once_each_get_their_own() {
        let lanes = std::sync::Arc::new(Lanes::default());
        let task = |index: u8| {
            let lanes = std::sync::Arc::clone(&lanes);
            async move {
                let step = Bytes::from(vec![index; 128 * 1024]);
                let mut state = Box::default();
                for _ in 0..5 {
                    state = lanes.update(state, step.clone()).await;
                }
                (index, state.finalize())
            }
        };
        let tasks: Vec<_> = (0..40).map(|index| tokio::spawn(task(index))).collect();
        for task in tasks {
            let (index, digest) = task.await.unwrap();
            assert_eq!(digest, <[u8; 16]>::from(Md5::digest(vec![index; 5 * 128 * 1024])));
        }
    }
}
