//! What the policies beside a bucket's records say of an operation.

use crate::{Bucket, Reason, Refusal};
use fastness_identity::{Principal, Subject};
use fastness_label::Label;
use fastness_operation::configuration::{Asking, BucketPolicy, Verdict};
use fastness_operation::{Code, Need, Operation};
use std::sync::Arc;

/// What goes with a bucket's record in one partition of a view, as far as it decides.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The partition's label.
    pub label: Label,
    /// The policy, if there is one.
    pub policy: Option<Arc<BucketPolicy>>,
    /// Whether a public policy lets in the owner's account alone.
    pub restricts_public: bool,
}

/// What a bucket's name means in a view, and what decides about it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The bucket.
    pub bucket: Bucket,
    /// One for each record in view, topmost first.
    pub rules: Vec<Rules>,
}

/// What was granted on one bucket.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) bucket: Bucket,
    /// Labels at which the policy withholds versions from this reading.
    pub(crate) withheld: Vec<Label>,
    /// Whether the caller may know which keys there are.
    pub(crate) lists: bool,
}

/// The actions on a policy itself: only a denial that names a user withholds them from a user of the owner's account,
/// so that nobody is locked out for good.
const ON_POLICIES: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

struct Question<'a> {
    asking: Option<Asking<'a>>,
    owns: bool,
}

impl Question<'_> {
    /// Whether the rules of one record give leave for an action.
    fn allows(&self, rules: &Rules, action: &str, resource: &str) -> Result<(), Reason> {
        let (Some(policy), Some(asking)) = (&rules.policy, &self.asking) else {
            return if self.owns { Ok(()) } else { Err(Reason::Ownership) };
        };
        if !self.owns && rules.restricts_public && policy.is_public() {
            return Err(Reason::Policy);
        }
        match policy.verdict(asking, action, resource, self.owns && ON_POLICIES.contains(&action)) {
            Verdict::Denied => Err(Reason::Policy),
            Verdict::Allowed => Ok(()),
            Verdict::Silent if self.owns => Ok(()),
            Verdict::Silent => Err(Reason::Ownership),
        }
    }
}

/// Decides about one bucket of an operation.
///
/// A version is read under the policy beside it; everything else is decided by the policy of the topmost record in view,
/// which for a write is the session's own or the one that it takes over.
pub(crate) fn grant(subject: &Subject, operation: &Operation, resolved: Resolved) -> Result<Grant, Refusal> {
    let Resolved { bucket, rules } = resolved;
    let owns = subject.account() == Some(bucket.account);
    if owns && rules.iter().all(|rules| rules.policy.is_none()) {
        return Ok(Grant { bucket, withheld: Vec::new(), lists: true });
    }
    let asking = match subject.principal() {
        Principal::User { account, name, path, .. } => Some(Asking { account: *account, path, name }),
        Principal::Operator => None,
    };
    let (question, denied) =
        (Question { asking, owns }, |reason| Refusal::new(Code::AccessDenied, reason, "Access Denied"));
    let needs = operation.needs();
    let mut withheld = Vec::new();
    for need in needs.iter().filter(|need| *need.bucket == bucket.name) {
        let Need { action, reads_version, .. } = *need;
        let resource = need.resource();
        if reads_version {
            let mut refused = None;
            for rules in &rules {
                if let Err(reason) = question.allows(rules, action, &resource) {
                    if !withheld.contains(&rules.label) {
                        withheld.push(rules.label);
                    }
                    refused = Some(reason);
                }
            }
            if let Some(reason) = refused.filter(|_| withheld.len() >= rules.len()) {
                return Err(denied(reason));
            }
        } else if let Some(top) = rules.first() {
            question.allows(top, action, &resource).map_err(denied)?;
        }
    }
    let lists = rules.first().is_some_and(|top| question.allows(top, "s3:ListBucket", bucket.name.as_str()).is_ok());
    Ok(Grant { bucket, withheld, lists })
}
