//! Erasure keys: each wraps the keys of a few thousand values, in a small file of its own, so that destroying the
//! file (after the survivors are wrapped anew) erases what it wrapped.

use crate::Fault;
use crate::disk::{Disk, OpenMode};
use crate::records::Piece;
use fastness_vault::{ErasureKey, PartitionKey, ValueKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Values under one erasure key at most.
pub const VALUES_PER_KEY_MAX: u32 = 4096;

/// Erasure keys kept unwrapped in memory at most, for each partition.
const CACHED_MAX: usize = 1024;

pub(crate) struct ErasureKeys {
    disk: Arc<dyn Disk>,
    key: Arc<PartitionKey>,
    /// Guards the current key, how many values it wrapped since start, and the cache.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<(u64, u32)>,
    cache: HashMap<u64, Arc<ErasureKey>>,
}

fn file_name(id: u64) -> String {
    format!("erasure/{id:016x}")
}

impl ErasureKeys {
    pub(crate) fn new(disk: Arc<dyn Disk>, key: Arc<PartitionKey>) -> Self {
        Self { disk, key, state: Mutex::new(State::default()) }
    }

    /// A new value key, wrapped: the erasure key's number and the wrapped bytes. A new erasure key is durable before
    /// it is used.
    pub(crate) fn new_value_key(&self) -> Result<(ValueKey, u64, Vec<u8>), Fault> {
        let value = ValueKey::generate().map_err(|error| Fault::failed("making a value's key", error))?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let id = match state.current {
            Some((id, used)) if used < VALUES_PER_KEY_MAX => {
                state.current = Some((id, used + 1));
                id
            }
            _ => {
                let id = self.make(&mut state)?;
                state.current = Some((id, 1));
                id
            }
        };
        let key = state.cache.get(&id).cloned();
        drop(state);
        let key = match key {
            Some(key) => key,
            None => self.load(id)?,
        };
        let wrapped = key.wrap(&value).map_err(|error| Fault::failed("wrapping a value's key", error))?;
        Ok((value, id, wrapped.to_vec()))
    }

    /// The key of a piece of content.
    pub(crate) fn value_key(&self, piece: &Piece) -> Result<ValueKey, Fault> {
        let cached = self.state.lock().unwrap_or_else(PoisonError::into_inner).cache.get(&piece.erasure).cloned();
        let key = match cached {
            Some(key) => key,
            None => self.load(piece.erasure)?,
        };
        key.unwrap(&piece.key).map_err(|error| Fault::failed("unwrapping a value's key", error))
    }

    fn make(&self, state: &mut State) -> Result<u64, Fault> {
        let context = "making an erasure key";
        let key = ErasureKey::generate().map_err(|error| Fault::failed(context, error))?;
        let id: u64 = rand::random();
        let file = self.disk.open(&file_name(id), OpenMode::CreateNew).map_err(|e| Fault::failed(context, e))?;
        let wrapped = self.key.wrap_erasure(id, &key).map_err(|error| Fault::failed(context, error))?;
        file.write_all_at(0, &wrapped).map_err(|error| Fault::failed(context, error))?;
        file.sync_data().map_err(|error| Fault::failed(context, error))?;
        self.disk.sync_folder("erasure").map_err(|error| Fault::failed(context, error))?;
        remember(state, id, Arc::new(key));
        Ok(id)
    }

    fn load(&self, id: u64) -> Result<Arc<ErasureKey>, Fault> {
        let context = "reading an erasure key";
        let file = self.disk.open(&file_name(id), OpenMode::Read).map_err(|error| Fault::failed(context, error))?;
        let length = file.len().map_err(|error| Fault::failed(context, error))?;
        if length > 4096 {
            return Err(Fault::failed(context, "the file is too long"));
        }
        let mut wrapped = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(0, &mut wrapped).map_err(|error| Fault::failed(context, error))?;
        let key = self.key.unwrap_erasure(id, &wrapped).map_err(|error| Fault::failed(context, error))?;
        let key = Arc::new(key);
        remember(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), id, Arc::clone(&key));
        Ok(key)
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
