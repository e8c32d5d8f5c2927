//! Sessions that were opened lately, so that a busy key costs one signature and no reading of the directory.
//!
//! What is kept holds as long as the directory is what it was: its epoch is read before the directory, and compared
//! on each use. Refusals are never kept. A label's keys push out that label's keys alone.

use fastness_identity::Subject;
use fastness_identity::directory::AccessKey;
use fastness_identity::signature::{Scope, SigningKey};
use fastness_label::Label;
use fastness_operation::AccessKeyId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Keys that are kept for one label.
const KEYS_PER_LABEL_MAX: usize = 1024;

/// A key whose signature was right and whose session could be opened.
pub(crate) struct Opened {
    epoch: u64,
    key: AccessKey,
    subject: Arc<Subject>,
    /// The signing key of the latest day and service that were asked for.
    signing: Mutex<Option<(Scope, SigningKey)>>,
}

impl Opened {
    pub(crate) const fn new(epoch: u64, key: AccessKey, subject: Arc<Subject>) -> Self {
        Self { epoch, key, subject, signing: Mutex::new(None) }
    }

    pub(crate) fn subject(&self) -> Arc<Subject> {
        Arc::clone(&self.subject)
    }

    /// The signing key for a scope, derived anew when the day or the service is another.
    pub(crate) fn signing(&self, scope: &Scope) -> SigningKey {
        let mut slot = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.as_ref() {
            Some((of, key)) if of == scope => key.clone(),
            _ => {
                let key = SigningKey::derive(self.key.secret.reveal(), scope);
                *slot = Some((scope.clone(), key.clone()));
                key
            }
        }
    }
}

/// The sessions kept.
#[derive(Default)]
pub(crate) struct OpenedLately {
    keys: RwLock<HashMap<AccessKeyId, Arc<Opened>>>,
}

impl fmt::Debug for OpenedLately {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedLately").finish_non_exhaustive()
    }
}

impl OpenedLately {
    /// The session of a key, if it was opened under this very directory.
    pub(crate) fn find(&self, key: &AccessKeyId, epoch: u64) -> Option<Arc<Opened>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(key).filter(|opened| opened.epoch == epoch).cloned()
    }

    /// Keeps a session.
    pub(crate) fn keep(&self, opened: Arc<Opened>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let label: Label = opened.subject.session();
        let of_label = |kept: &Arc<Opened>| kept.subject.session() == label;
        if keys.values().filter(|kept| of_label(kept)).count() >= KEYS_PER_LABEL_MAX {
            keys.retain(|_, kept| !of_label(kept));
        }
        keys.insert(opened.key.id.clone(), opened);
    }
}
