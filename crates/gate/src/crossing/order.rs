//! On whose order the region acts: whoever ordered a lift or a release is decided about anew, with the session that their
//! key opens today (docs/decisions, "On whose order").

use crate::{Context, Gate, Reason, Refusal};
use fastness_decide::{Lookup, Permit, admit, bucket_names, decide};
use fastness_identity::{Principal, Subject};
use fastness_label::Label;
use fastness_operation::{AccessKeyId, Code, Operation};
use fastness_store::{Actor, Fault};

/// Why an order is not followed any more.
pub(crate) enum Unfollowed {
    /// It may not go on: in words for whoever ordered it.
    Refused(Refusal),
    /// It cannot be said now.
    Failed(Fault),
}

impl From<Fault> for Unfollowed {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failed(text) => Self::Failed(Fault::Failed(text)),
            refused => Self::Refused(crate::record::refusal(refused)),
        }
    }
}

impl From<Refusal> for Unfollowed {
    fn from(refusal: Refusal) -> Self {
        match refusal.reason {
            Reason::Fault => Self::Failed(Fault::Failed(refusal.message)),
            _ => Self::Refused(refusal),
        }
    }
}

impl Gate {
    /// The subject of a key as it is today, if it is still the same user's at the same label.
    pub(crate) fn subject_today(&self, key: &AccessKeyId, by: &Actor, label: Label) -> Result<Subject, Unfollowed> {
        let refused =
            |message: String| Unfollowed::Refused(Refusal::new(Code::AccessDenied, Reason::Authentication, message));
        let Some((key, user)) = self.store.credential(&Lookup::credential(key.clone()))? else {
            return Err(refused("the key of whoever ordered it is gone".to_owned()));
        };
        let subject = Subject::open(self.store.policy(), &self.store.labels(), &key, user.as_ref())
            .map_err(|error| refused(error.to_string()))?;
        let is_same = matches!(subject.principal(), Principal::User { id, .. } if *id == by.id);
        if is_same && subject.session() == label {
            Ok(subject)
        } else {
            Err(refused("the key is of another user or label than it was".to_owned()))
        }
    }

    /// Leave for an operation of a subject, through every step of a request's.
    pub(crate) fn permit_for(&self, subject: &Subject, operation: Operation) -> Result<Permit, Unfollowed> {
        let view = admit(subject, &operation, &self.store.labels())?;
        let resolved = self.store.resolve(&view, bucket_names(&operation))?;
        Ok(decide(view, subject, operation, resolved)?)
    }

    /// The surroundings of what the region does on an order: `agent` names it.
    pub(crate) fn context_of_order(&self, label: Label, agent: &str) -> Context {
        Context::new(self.environment.chore(&self.banner(label)), String::new(), agent)
    }
}
