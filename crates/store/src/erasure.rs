//! Erasure keys: each wraps the keys of a few thousand values, in a small file of its own, so that destroying the
//! file (after the survivors are wrapped anew) erases what it wrapped.
//!
//! INVARIANT: keys of values are wrapped on the partition's writer thread alone, inside the turn that commits them
//! ([`ErasureKeys::wrap`]). So once a turn that retired an erasure key is durable, nothing is under way that could yet
//! become a row under it.

use crate::Fault;
use crate::disk::{Disk, OpenMode};
use crate::records::Piece;
use fastness_vault::{ErasureKey, PartitionKey, ValueKey, WRAPPED_KEY_LEN};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values under one erasure key at most.
pub const VALUES_PER_KEY_MAX: u32 = 4096;

/// From so many values on, the next key is made ready outside of the writer's turn.
const VALUES_PER_KEY_SOFT: u32 = VALUES_PER_KEY_MAX - 512;

/// Erasure keys kept unwrapped in memory at most, for each partition.
const CACHED_MAX: usize = 1024;

const FOLDER: &str = "erasure";

pub(crate) struct ErasureKeys {
    disk: Arc<dyn Disk>,
    key: Arc<PartitionKey>,
    /// Held while a key is made, so that those who need one wait for one. Taken before `state`.
    making: Mutex<()>,
    /// Guards the current key, how many values it wrapped since start, and the cache.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<(u64, u32)>,
    cache: HashMap<u64, Arc<ErasureKey>>,
    /// Keys whose files are being overwritten and unlinked now.
    going: HashSet<u64>,
    /// Keys that wrapped something in a turn that did not commit: its pages may hold what was never acknowledged.
    suspects: BTreeSet<u64>,
}

fn file_name(id: u64) -> String {
    format!("{FOLDER}/{id:016x}")
}

impl ErasureKeys {
    pub(crate) fn new(disk: Arc<dyn Disk>, key: Arc<PartitionKey>) -> Self {
        Self { disk, key, making: Mutex::new(()), state: Mutex::new(State::default()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that there is a key for the next value, so that no turn has to make one. A new key is durable before
    /// it is used.
    pub(crate) fn prepare(&self) -> Result<(), Fault> {
        let ready = |state: &State| state.current.is_some_and(|(_, used)| used < VALUES_PER_KEY_SOFT);
        if ready(&self.state()) {
            return Ok(());
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if ready(&self.state()) {
            return Ok(());
        }
        self.make()
    }

    /// Wraps a value's key under the current erasure key: its number and the wrapped bytes. On the writer's thread.
    pub(crate) fn wrap(&self, value: &ValueKey) -> Result<(u64, Vec<u8>), Fault> {
        let (id, key) = match self.take_current() {
            Some(current) => current,
            None => {
                let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(current) = self.take_current() {
                    current
                } else {
                    self.make()?;
                    self.take_current().ok_or_else(|| Fault::Failed("there is no current erasure key".to_owned()))?
                }
            }
        };
        let key = match key {
            Some(key) => key,
            None => self.load(id)?.ok_or_else(|| Fault::Failed("the current erasure key is missing".to_owned()))?,
        };
        let wrapped = key.wrap(value).map_err(|error| Fault::failed("wrapping a value's key", error))?;
        Ok((id, wrapped.to_vec()))
    }

    /// One more value under the current key, if that has room.
    fn take_current(&self) -> Option<(u64, Option<Arc<ErasureKey>>)> {
        let mut state = self.state();
        let (id, used) = state.current.filter(|(_, used)| *used < VALUES_PER_KEY_MAX)?;
        state.current = Some((id, used + 1));
        let key = state.cache.get(&id).cloned();
        Some((id, key))
    }

    /// The key of a piece of content; nothing when its erasure key was destroyed: then a new snapshot has the piece
    /// under another key, or not at all.
    pub(crate) fn value_key(&self, piece: &Piece) -> Result<Option<ValueKey>, Fault> {
        let Some(key) = self.find(piece.erasure)? else { return Ok(None) };
        key.unwrap(&piece.key).map(Some).map_err(|error| Fault::failed("unwrapping a value's key", error))
    }

    /// An erasure key; nothing when it was destroyed.
    pub(crate) fn find(&self, id: u64) -> Result<Option<Arc<ErasureKey>>, Fault> {
        {
            let state = self.state();
            if state.going.contains(&id) {
                return Ok(None);
            }
            if let Some(key) = state.cache.get(&id) {
                return Ok(Some(Arc::clone(key)));
            }
        }
        self.load(id)
    }

    /// Nothing is wrapped under these keys any more: the next value gets another one. On the writer's thread.
    pub(crate) fn retire(&self, ids: &HashSet<u64>) {
        let mut state = self.state();
        if state.current.is_some_and(|(id, _)| ids.contains(&id)) {
            state.current = None;
        }
    }

    /// A turn did not commit: what it wrapped may lie in pages that were written all the same, so the key goes soon.
    pub(crate) fn suspect(&self) {
        let mut state = self.state();
        if let Some((id, _)) = state.current.take() {
            state.suspects.insert(id);
        }
    }

    /// The keys that the next commit lists as having had a deletion, though none of them has.
    pub(crate) fn suspects(&self) -> BTreeSet<u64> {
        self.state().suspects.clone()
    }

    /// A commit has listed them.
    pub(crate) fn listed(&self, ids: &BTreeSet<u64>) {
        self.state().suspects.retain(|id| !ids.contains(id));
    }

    /// Destroys keys for good: their files are overwritten in place, synced, unlinked, and the folder is synced.
    ///
    /// INVARIANT: no durable row, and none that could become one, needs them (see [`crate::erase`]). A crash on the way
    /// is harmless: destroying what is half destroyed, or gone, does the rest.
    pub(crate) fn destroy(&self, ids: &BTreeSet<u64>) -> Result<(), Fault> {
        let context = "destroying an erasure key";
        {
            let mut state = self.state();
            for id in ids {
                state.going.insert(*id);
                // The last holder's drop wipes it from memory.
                state.cache.remove(id);
            }
        }
        let destroyed = ids.iter().try_for_each(|id| self.overwrite(*id)).and_then(|()| {
            for id in ids {
                match self.disk.remove(&file_name(*id)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            self.disk.sync_folder(FOLDER)
        });
        let mut state = self.state();
        state.going.retain(|id| !ids.contains(id));
        destroyed.map_err(|error| Fault::failed(context, error))
    }

    fn overwrite(&self, id: u64) -> std::io::Result<()> {
        let name = file_name(id);
        if !self.disk.exists(&name) {
            return Ok(());
        }
        let file = self.disk.open(&name, OpenMode::ReadWriteCreate)?;
        let noise: [u8; WRAPPED_KEY_LEN] = fastness_vault::random_bytes().map_err(std::io::Error::other)?;
        file.write_all_at(0, &noise)?;
        file.sync_data()
    }

    /// Whether the key of this number can be unwrapped.
    pub(crate) fn check(&self, id: u64) -> Result<(), Fault> {
        self.load(id).map(|_| ())
    }

    /// Makes the next current key. The caller holds `making`.
    fn make(&self) -> Result<(), Fault> {
        let context = "making an erasure key";
        let key = ErasureKey::generate().map_err(|error| Fault::failed(context, error))?;
        let id: u64 = rand::random();
        let file = self.disk.open(&file_name(id), OpenMode::CreateNew).map_err(|e| Fault::failed(context, e))?;
        let wrapped = self.key.wrap_erasure(id, &key).map_err(|error| Fault::failed(context, error))?;
        file.write_all_at(0, &wrapped).map_err(|error| Fault::failed(context, error))?;
        file.sync_data().map_err(|error| Fault::failed(context, error))?;
        self.disk.sync_folder(FOLDER).map_err(|error| Fault::failed(context, error))?;
        let mut state = self.state();
        remember(&mut state, id, Arc::new(key));
        state.current = Some((id, 0));
        Ok(())
    }

    fn load(&self, id: u64) -> Result<Option<Arc<ErasureKey>>, Fault> {
        let context = "reading an erasure key";
        let file = match self.disk.open(&file_name(id), OpenMode::Read) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| Fault::failed(context, error))?,
        };
        let length = file.len().map_err(|error| Fault::failed(context, error))?;
        if length > 4096 {
            return Err(Fault::failed(context, "the file is too long"));
        }
        let mut wrapped = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(0, &mut wrapped).map_err(|error| Fault::failed(context, error))?;
        let mut state = self.state();
        if state.going.contains(&id) {
            return Ok(None);
        }
        let key = self.key.unwrap_erasure(id, &wrapped).map_err(|error| Fault::failed(context, error))?;
        let key = Arc::new(key);
        remember(&mut state, id, Arc::clone(&key));
        Ok(Some(key))
    }
}

fn remember(state: &mut State, id: u64, key: Arc<ErasureKey>) {
    if state.cache.len() >= CACHED_MAX {
        let current = state.current.map(|(id, _)| id);
        let victim = state.cache.keys().copied().find(|id| Some(*id) != current);
        if let Some(victim) = victim {
            state.cache.remove(&victim);
        }
    }
    state.cache.insert(id, key);
}
