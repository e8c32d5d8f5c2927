//! The decision: a pure function from (subject, operation, what the names mean) to a [`Permit`] or a [`Refusal`].
//!
//! Two steps, because names can be resolved only in a view. [`admit`] applies the mandatory rule and the duties and
//! yields the [`View`]; [`decide`] applies discretionary rules to what the names resolved to, and yields the
//! [`Permit`]. Both have private fields and are made nowhere else (but for what arrives out of another region, where
//! nobody's session acts: [`crossing::arrive`]), so whoever holds one has passed the check
//! (`tests/ui` shows that nobody else can make one). Any error inside refuses.
//!
//! The mandatory rule: a session reads the partitions whose label it dominates, and writes at exactly its own label.
//! The decision table, by duty (rows: groups of operations; everything else is refused):
//!
//! | operations | operator | administrator | officer | auditor | any other user |
//! |---|---|---|---|---|---|
//! | S3 | – | – | – | – | own account's buckets, and what a bucket's policy allows or denies |
//! | GetUser, ListUserTags, ListAccessKeys | – | account | account | self | self |
//! | ListUsers | – | account | account | – | – |
//! | CreateUser, DeleteUser | – | account, at the floor | – | – | – |
//! | CreateAccessKey | – | account, at the floor | own, at the floor | – | – |
//! | DeleteAccessKey | – | account, at the floor | own, at the floor | own, at the floor | own, at the floor |
//! | UpdateAccessKey | – | account, at the floor | account, at the floor | self, at the floor | self, at the floor |
//! | TagUser, UntagUser: plain tags | – | account, at the floor | – | – | – |
//! | TagUser, UntagUser: clearance, nationality, label, duty | – | – | others of the account, at the floor | – | – |
//! | CreateKeyAt | – | – | self, at the floor | self, at the floor | self, at the floor |
//! | GetCallerIdentity | yes | yes | yes | yes | yes |
//! | LookupEvents, DiscloseEvents | – | – | – | own account's, in view; at the ceiling nobody's, too | – |
//! | AllowLabel | – | – | at the floor | – | – |
//! | ListLabels | yes | yes | yes | – | – |
//! | CreateAccount, ListAccounts, AddOfficer | yes | – | – | – | – |
//! | ContainSpill, EraseSpill | – | – | own account's, at the spilled label | – | – |
//! | ReportSpill | – | – | own account's, at the ceiling | – | – |
//!
//! Crossings, in which reviewers have rows of their own:
//!
//! | operations | operator | administrator | officer | auditor | reviewer | any other user |
//! |---|---|---|---|---|---|---|
//! | PutMapping, DeleteMapping | – | – | own account's, at the floor | – | – | – |
//! | ListMappings | – | account | account | account | account | account |
//! | StartLift, StopLift, DescribeLift, ListLifts, RequestRelease, and the region's WalkLift and SendObjects on their order | – | – | – | – | as any other user | own account's buckets, and what a bucket's policy allows or denies |
//! | ReviewRelease, ApproveRelease, RefuseRelease | – | – | – | – | own account's, at the release's label, never one's own request | – |
//! | DescribeRelease, ListReleases | – | – | – | in view | in view | in view |
//! | ListGaps, RequestRelease of gaps | – | – | – | – | at the ceiling | at the ceiling |
//! | ListArrivals, FindArrival | – | – | own account's, in view | in view | – | in view |
//! | ReceiveObjects | – | – | – | – | – | – |
//!
//! Containing and erasing write at the session's label, as every write does: so they run at the spilled label. That an
//! erasure takes two officers is decided where the proposal lies, in the partition's turn (the store).
//!
//! The directory adds what depends on whose user it is: administrators and officers come from the operator alone, and
//! nobody but they themselves makes, switches or deletes their keys, changes their duty or deletes them
//! ([`fastness_identity::directory`]).

pub mod crossing;
mod duties;
mod policies;

pub use policies::{Resolved, Rules};

use fastness_identity::{RegionLabels, Subject};
use fastness_label::Label;
use fastness_operation::{AccessKeyId, AccountNumber, BucketName, Code, Operation};

/// The partitions a session sees: those whose label its own dominates, topmost first; its own is the first.
#[derive(Debug, Clone)]
pub struct View {
    labels: Vec<Label>,
    session: Label,
    account: Option<AccountNumber>,
}

impl View {
    /// The labels in view, topmost first.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The session's label: the one label it writes at, and the ledger that records it.
    #[must_use]
    pub const fn session(&self) -> Label {
        self.session
    }

    /// The caller's account: whose buckets its names mean first.
    #[must_use]
    pub const fn account(&self) -> Option<AccountNumber> {
        self.account
    }
}

/// What a bucket's name means in a view.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket {
    /// The account that owns it.
    pub account: AccountNumber,
    /// Its name.
    pub name: BucketName,
}

/// Leave to do exactly one operation, in one view. The store does nothing without it.
#[derive(Debug, Clone)]
pub struct Permit {
    view: View,
    operation: Operation,
    buckets: Vec<policies::Grant>,
}

impl Permit {
    /// The view in which names are resolved and data is read.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The operation that is permitted.
    #[must_use]
    pub const fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The bucket that this name meant when it was decided.
    #[must_use]
    pub fn bucket(&self, name: &BucketName) -> Option<&Bucket> {
        self.grant(name).map(|grant| &grant.bucket)
    }

    fn grant(&self, name: &BucketName) -> Option<&policies::Grant> {
        self.buckets.iter().find(|grant| grant.bucket.name == *name)
    }

    /// Whether the policy beside a version at this label withholds it, although the operation may be done.
    #[must_use]
    pub fn withholds(&self, name: &BucketName, label: Label) -> bool {
        self.grant(name).is_none_or(|grant| grant.withheld.contains(&label))
    }

    /// Whether the caller may know which keys the bucket has: else what is missing is refused like what is withheld.
    #[must_use]
    pub fn lists(&self, name: &BucketName) -> bool {
        self.grant(name).is_some_and(|grant| grant.lists)
    }
}

/// Leave to look up one credential in the directory, before anybody is known.
#[derive(Debug, Clone)]
pub struct Lookup {
    key: AccessKeyId,
}

impl Lookup {
    /// The only thing that may be read without a subject: the key that a request claims, and its user.
    #[must_use]
    pub const fn credential(key: AccessKeyId) -> Self {
        Self { key }
    }

    /// The key to look up.
    #[must_use]
    pub const fn key(&self) -> &AccessKeyId {
        &self.key
    }
}

/// A refusal: what the caller is told, and what the ledger keeps. Made here, and by the gate from what the store says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Refusal {
    /// AWS's code.
    pub code: Code,
    /// The text for the caller.
    pub message: String,
    /// Why, for the ledger.
    pub reason: Reason,
    /// The version that the refusal is about, if it is one in the view.
    pub about: Option<Box<About>>,
}

/// The version that a refusal is about: the answer's headers tell of it as a success would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its label.
    pub label: Label,
    /// What `x-amz-version-id` says, if anything.
    pub version: Option<String>,
    /// Its `ETag`, without quotes, and when it was written, in milliseconds since 1970; a delete marker has neither.
    pub content: Option<(String, i64)>,
}

/// Why something was refused, for the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The labels forbid it.
    Mandatory,
    /// The caller's duty does not cover it.
    Duty,
    /// Another account owns it, and no policy lets the caller in.
    Ownership,
    /// A bucket policy forbids it.
    Policy,
    /// Nothing of this name is in view.
    NotInView,
    /// The request is malformed, or contradicts what is there.
    Request,
    /// The signature or the credential is not good.
    Authentication,
    /// A fault on our side.
    Fault,
}

impl Reason {
    /// A word for the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mandatory => "mandatory",
            Self::Duty => "duty",
            Self::Ownership => "ownership",
            Self::Policy => "policy",
            Self::NotInView => "not-in-view",
            Self::Request => "request",
            Self::Authentication => "authentication",
            Self::Fault => "fault",
        }
    }
}

impl Refusal {
    /// A refusal with its parts.
    #[must_use]
    pub fn new(code: Code, reason: Reason, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), reason, about: None }
    }
}

/// The mandatory rule and the duties: may this subject ask for this operation at all, and in which view.
///
/// # Errors
/// A [`Refusal`]: the session lies outside the region, or the subject's duty does not cover the operation, or the
/// directory would change from above the floor.
pub fn admit(subject: &Subject, operation: &Operation, labels: &RegionLabels) -> Result<View, Refusal> {
    let session = subject.session();
    if !labels.holds(session) || !labels.could_hold(session) {
        return Err(Refusal::new(
            Code::AccessDenied,
            Reason::Mandatory,
            "the session's label is not one of this region",
        ));
    }
    duties::check(subject, operation, labels)?;
    let visible = labels.held().iter().copied().filter(|label| label.is_dominated_by(session)).collect();
    let view = View { labels: visible, session, account: subject.account() };
    // INVARIANT: the session's own partition is the first of its view, so a write is never hidden by a lower one.
    if view.labels.first() == Some(&session) {
        Ok(view)
    } else {
        Err(Refusal::new(Code::InternalError, Reason::Fault, "the region's order of labels does not extend dominance"))
    }
}

/// Leave for a partition's own housekeeping, without a session: it reads what the partition's label dominates, and writes
/// at that label alone, what its buckets' lifecycles say.
#[derive(Debug, Clone)]
pub struct Chore {
    view: View,
}

impl Chore {
    /// The housekeeping of one partition; nothing if the region does not hold the label.
    #[must_use]
    pub fn of(label: Label, labels: &RegionLabels) -> Option<Self> {
        let visible: Vec<Label> = labels.held().iter().copied().filter(|held| held.is_dominated_by(label)).collect();
        let own_first = visible.first() == Some(&label);
        own_first.then_some(Self { view: View { labels: visible, session: label, account: None } })
    }

    /// What it reads, and where it writes.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }
}

/// Leave to read what a bucket's CORS rules at the floor say to a preflight, before anybody is known (docs/decisions).
#[derive(Debug, Clone)]
pub struct Preflight {
    bucket: BucketName,
}

impl Preflight {
    /// The only thing that a preflight reads.
    #[must_use]
    pub const fn of(bucket: BucketName) -> Self {
        Self { bucket }
    }

    /// The bucket.
    #[must_use]
    pub const fn bucket(&self) -> &BucketName {
        &self.bucket
    }
}

/// The discretionary rule: ownership, and the bucket's policies. `resolved` pairs each bucket name of the operation with what it means
/// in the view.
///
/// # Errors
/// A [`Refusal`]: `NoSuchBucket` for a name that means nothing in the view, `AccessDenied` for what a policy denies, or for
/// another account's bucket whose policy does not allow it.
pub fn decide(
    view: View,
    subject: &Subject,
    operation: Operation,
    resolved: Vec<(BucketName, Option<Resolved>)>,
) -> Result<Permit, Refusal> {
    let mut buckets = Vec::with_capacity(resolved.len());
    for (name, bucket) in resolved {
        match bucket {
            None if matches!(operation, Operation::CreateBucket { .. }) => {}
            None => {
                let message = "The specified bucket does not exist";
                return Err(Refusal::new(Code::NoSuchBucket, Reason::NotInView, message));
            }
            Some(found)
                if matches!(operation, Operation::CreateBucket { .. })
                    && Some(found.bucket.account) != subject.account() =>
            {
                let message =
                    "The requested bucket name is not available. Please select a different name and try again.";
                return Err(Refusal::new(Code::BucketAlreadyExists, Reason::Ownership, message));
            }
            // No policy holds an officer up who contains a spill, and none lets another account's officer do it.
            Some(Resolved { bucket, .. }) if matches!(operation, Operation::ContainSpill { .. }) => {
                if Some(bucket.account) != subject.account() || bucket.name != name {
                    return Err(Refusal::new(Code::AccessDenied, Reason::Ownership, "Access Denied"));
                }
                buckets.push(policies::Grant { bucket, withheld: Vec::new(), lists: true });
            }
            Some(found) if found.bucket.name == name => buckets.push(policies::grant(subject, &operation, found)?),
            Some(_) => return Err(Refusal::new(Code::InternalError, Reason::Fault, "a name resolved to another")),
        }
    }
    Ok(Permit { view, operation, buckets })
}

/// The bucket names that an operation's resources are in, each once, to be resolved in the view.
#[must_use]
pub fn bucket_names(operation: &Operation) -> Vec<BucketName> {
    use fastness_operation::Resource;
    let mut names: Vec<BucketName> = operation
        .touches()
        .into_iter()
        .filter_map(|(_, resource)| match resource {
            Resource::Bucket(bucket) | Resource::Object(bucket, _) => Some(bucket),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
