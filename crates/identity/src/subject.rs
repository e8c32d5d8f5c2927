//! The subject of a request: a principal in a session.

use crate::directory::{AccessKey, Holder, User};
use fastness_label::{Label, Policy};
use fastness_operation::{AccessKeyId, AccountNumber, UserName};

/// What a person is charged with, beside or instead of working with data (DESIGN.md section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Manages users and keys; never sees data.
    Administrator,
    /// Sets clearances, nationalities, labels and duties; keeps the region's list of labels; never sees data.
    Officer,
    /// Reviews releases (crossings come later).
    Reviewer,
    /// Reads the ledger; never sees data.
    Auditor,
    /// Keeps contracts (they come later).
    Contracting,
}

impl Duty {
    /// The word for it: the value of the user tag `duty`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Officer => "officer",
            Self::Reviewer => "reviewer",
            Self::Auditor => "auditor",
            Self::Contracting => "contracting",
        }
    }

    /// The duty named by the user tag `duty`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "administrator" => Self::Administrator,
            "officer" => Self::Officer,
            "reviewer" => Self::Reviewer,
            "auditor" => Self::Auditor,
            "contracting" => Self::Contracting,
            _ => return None,
        })
    }
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Whoever owns the region's folder: makes accounts, and nothing else.
    Operator,
    /// A user of an account.
    User {
        /// The account.
        account: AccountNumber,
        /// The user's name.
        name: UserName,
        /// The user's unique id (`AIDA…`), never reused.
        id: String,
        /// The user's path, part of the ARN.
        path: String,
    },
}

/// A principal in a session: what the gate decides about. Made only from a verified credential, here.
#[derive(Debug, Clone)]
pub struct Subject {
    principal: Principal,
    session: Label,
    duty: Option<Duty>,
    nationality: Option<String>,
    key: AccessKeyId,
}

/// Why a key opens no session although its signature is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The key was switched off.
    #[error("the access key is inactive")]
    Inactive,
    /// The key's holder is gone.
    #[error("the access key's user no longer exists")]
    NoHolder,
    /// The key's label is above what its holder may have today.
    #[error("the key's label `{label}` is no longer within its holder's clearance and nationality")]
    BeyondClearance {
        /// The key's label.
        label: String,
    },
    /// The key's label is not one that the region holds.
    #[error("the key's label `{0}` is not one that this region holds")]
    NotHeld(String),
}

impl Subject {
    /// Opens the session of a key whose signature was verified.
    ///
    /// # Errors
    /// [`SessionError`] when the key is inactive, its user is gone, or its label exceeds what the user may have now.
    pub fn open(
        policy: &Policy,
        labels: &RegionLabels,
        key: &AccessKey,
        user: Option<&User>,
    ) -> Result<Self, SessionError> {
        if !key.active {
            return Err(SessionError::Inactive);
        }
        let session = policy.label(&key.label).map_err(|_| SessionError::NotHeld(key.label.clone()))?;
        if !labels.holds(session) {
            return Err(SessionError::NotHeld(key.label.clone()));
        }
        let (principal, duty, nationality) = match (&key.holder, user) {
            (Holder::Operator, _) => (Principal::Operator, None, None),
            (Holder::User { .. }, None) => return Err(SessionError::NoHolder),
            (Holder::User { .. }, Some(user)) => {
                user.may_use(policy, labels, session)
                    .map_err(|_| SessionError::BeyondClearance { label: key.label.clone() })?;
                let principal = Principal::User {
                    account: user.account,
                    name: user.name.clone(),
                    id: user.id.clone(),
                    path: user.path.clone(),
                };
                (principal, user.duty(), user.tags.get("nationality").cloned())
            }
        };
        Ok(Self { principal, session, duty, nationality, key: key.id.clone() })
    }

    /// Who is asking.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The account, if the principal is of one.
    #[must_use]
    pub const fn account(&self) -> Option<AccountNumber> {
        match &self.principal {
            Principal::Operator => None,
            Principal::User { account, .. } => Some(*account),
        }
    }

    /// The user's name, if the principal is a user.
    #[must_use]
    pub const fn user(&self) -> Option<&UserName> {
        match &self.principal {
            Principal::Operator => None,
            Principal::User { name, .. } => Some(name),
        }
    }

    /// The session's label.
    #[must_use]
    pub const fn session(&self) -> Label {
        self.session
    }

    /// The principal's duty, if any.
    #[must_use]
    pub const fn duty(&self) -> Option<Duty> {
        self.duty
    }

    /// The nationality, as its tag writes it.
    #[must_use]
    pub fn nationality(&self) -> Option<&str> {
        self.nationality.as_deref()
    }

    /// The key that signed.
    #[must_use]
    pub const fn key(&self) -> &AccessKeyId {
        &self.key
    }
}

/// The labels of a region: its floor, its ceiling and its closed list, in the region's fixed order.
#[derive(Debug, Clone)]
pub struct RegionLabels {
    floor: Label,
    ceiling: Label,
    held: Vec<Label>,
}

impl RegionLabels {
    /// Orders the list: level, number of compartments, shorter release list, canonical text; topmost first
    /// (DESIGN.md section 1, names in a view, 1).
    #[must_use]
    pub fn new(policy: &Policy, floor: Label, ceiling: Label, held: impl IntoIterator<Item = Label>) -> Self {
        let mut held: Vec<Label> = held.into_iter().collect();
        held.sort_by_cached_key(|label| std::cmp::Reverse(policy.order_key(*label)));
        held.dedup();
        Self { floor, ceiling, held }
    }

    /// The region's floor: where its directory lives.
    #[must_use]
    pub const fn floor(&self) -> Label {
        self.floor
    }

    /// The region's ceiling: where refusals before authentication are recorded.
    #[must_use]
    pub const fn ceiling(&self) -> Label {
        self.ceiling
    }

    /// Every label held, topmost first.
    #[must_use]
    pub fn held(&self) -> &[Label] {
        &self.held
    }

    /// Whether the region holds this label.
    #[must_use]
    pub fn holds(&self, label: Label) -> bool {
        self.held.contains(&label)
    }

    /// Whether the label lies between floor and ceiling.
    #[must_use]
    pub fn could_hold(&self, label: Label) -> bool {
        self.floor.is_dominated_by(label) && label.is_dominated_by(self.ceiling)
    }
}
