//! The decision table of the crate's page, as code: one arm a row.

use crate::{Reason, Refusal};
use fastness_identity::directory::RESERVED_TAGS;
use fastness_identity::{Duty, Principal, RegionLabels, Subject};
use fastness_operation::{Code, CrossingAct, Operation, UserName};

/// Whether the subject's duty covers the operation.
pub(crate) fn check(subject: &Subject, operation: &Operation, labels: &RegionLabels) -> Result<(), Refusal> {
    use Operation as O;
    let at_floor = || floor(subject, labels);
    match operation {
        O::GetCallerIdentity => Ok(()),
        O::CreateAccount { .. } => operator(subject).and_then(|()| at_floor()),
        O::AddOfficer { .. } => operator(subject).and_then(|()| at_floor()),
        O::ListAccounts => operator(subject),
        O::ListLabels => match (subject.principal(), subject.duty()) {
            (Principal::Operator, _) | (_, Some(Duty::Officer | Duty::Administrator)) => Ok(()),
            _ => denied("the region's list of labels is for its officer, administrator and operator"),
        },
        O::AllowLabel { .. } => duty(subject, &[Duty::Officer]).and_then(|()| at_floor()),
        O::LookupEvents { .. } | O::DiscloseEvents { .. } => duty(subject, &[Duty::Auditor]),
        // An officer works at the label of a spill, an auditor at that of a ledger: they need keys at more than one.
        O::CreateKeyAt { .. } if matches!(subject.duty(), Some(Duty::Officer | Duty::Auditor)) => at_floor(),
        O::CreateKeyAt { .. } => {
            worker(subject)?;
            at_floor()
        }
        O::ContainSpill { .. } | O::EraseSpill { .. } => duty(subject, &[Duty::Officer]),
        O::ReportSpill { .. } => {
            duty(subject, &[Duty::Officer])?;
            ceiling(subject, labels, "the report on a spill names readers at every label")
        }
        O::Crossing(act) => crossing(subject, act, labels),
        O::ListUsers { .. } => duty(subject, &[Duty::Administrator, Duty::Officer]),
        O::GetUser { user } | O::ListAccessKeys { user } => {
            self_or(subject, user.as_ref(), &[Duty::Administrator, Duty::Officer])
        }
        O::ListUserTags { user } => self_or(subject, Some(user), &[Duty::Administrator, Duty::Officer]),
        O::CreateUser { tags, .. } => {
            duty(subject, &[Duty::Administrator])?;
            if tags.keys().any(|key| reserved(key)) {
                return denied(
                    "clearance, nationality, label and duty are set by the officer: tag the user afterwards",
                );
            }
            at_floor()
        }
        O::DeleteUser { .. } => duty(subject, &[Duty::Administrator]).and_then(|()| at_floor()),
        // An officer changes their own key; whose keys an administrator may make depends on whose they are.
        O::CreateAccessKey { user } if own(subject, user.as_ref()) => {
            duty(subject, &[Duty::Administrator, Duty::Officer]).and_then(|()| at_floor())
        }
        O::CreateAccessKey { .. } => duty(subject, &[Duty::Administrator]).and_then(|()| at_floor()),
        O::DeleteAccessKey { user, .. } => {
            self_or(subject, user.as_ref(), &[Duty::Administrator]).and_then(|()| at_floor())
        }
        O::UpdateAccessKey { user, .. } => {
            self_or(subject, user.as_ref(), &[Duty::Administrator, Duty::Officer]).and_then(|()| at_floor())
        }
        O::TagUser { user, tags } => tag(subject, user, tags.keys()).and_then(|()| at_floor()),
        O::UntagUser { user, keys } => tag(subject, user, keys.iter()).and_then(|()| at_floor()),
        O::CreateBucket { .. }
        | O::HeadBucket { .. }
        | O::ListBuckets
        | O::GetBucketLocation { .. }
        | O::DeleteBucket { .. }
        | O::GetBucketVersioning { .. }
        | O::PutBucketVersioning { .. }
        | O::GetBucketAcl { .. }
        | O::PutBucketAcl { .. }
        | O::GetBucketPolicyStatus { .. }
        | O::GetBucketConfiguration { .. }
        | O::PutBucketConfiguration { .. }
        | O::DeleteBucketConfiguration { .. }
        | O::PutObject { .. }
        | O::GetObject { .. }
        | O::HeadObject { .. }
        | O::GetObjectAttributes { .. }
        | O::DeleteObject { .. }
        | O::DeleteObjects { .. }
        | O::GetObjectAcl { .. }
        | O::PutObjectAcl { .. }
        | O::GetObjectRetention { .. }
        | O::PutObjectRetention { .. }
        | O::GetObjectLegalHold { .. }
        | O::PutObjectLegalHold { .. }
        | O::GetObjectTagging { .. }
        | O::PutObjectTagging { .. }
        | O::DeleteObjectTagging { .. }
        | O::CopyObject { .. }
        | O::ListObjects { .. }
        | O::ListObjectVersions { .. }
        | O::CreateMultipartUpload { .. }
        | O::UploadPart { .. }
        | O::UploadPartCopy { .. }
        | O::CompleteMultipartUpload { .. }
        | O::AbortMultipartUpload { .. }
        | O::ListParts { .. }
        | O::ListMultipartUploads { .. } => worker(subject),
    }
}

fn reserved(key: &str) -> bool {
    // IAM compares tag keys without regard to case, so `Clearance` is the same tag; and one that only looks like it to a
    // person (with a space, or characters that do not show) is refused with it.
    let letters: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    RESERVED_TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&letters))
}

fn denied(message: &str) -> Result<(), Refusal> {
    Err(Refusal::new(Code::AccessDenied, Reason::Duty, message))
}

/// The directory changes only from the region's floor.
fn floor(subject: &Subject, labels: &RegionLabels) -> Result<(), Refusal> {
    if subject.session() == labels.floor() {
        return Ok(());
    }
    let message = "users, keys and labels change only from a session at the region's floor; use a key at that label";
    Err(Refusal::new(Code::AccessDenied, Reason::Mandatory, message))
}

/// What tells of every label is read where everything may be known.
fn ceiling(subject: &Subject, labels: &RegionLabels, why: &str) -> Result<(), Refusal> {
    if subject.session() == labels.ceiling() {
        return Ok(());
    }
    let message = format!("{why}: ask from a session at the region's ceiling");
    Err(Refusal::new(Code::AccessDenied, Reason::Mandatory, message))
}

/// The rows of crossings.
fn crossing(subject: &Subject, act: &CrossingAct, labels: &RegionLabels) -> Result<(), Refusal> {
    use CrossingAct as A;
    let gaps = |()| ceiling(subject, labels, "which bundles are missing tells of every label");
    match act {
        A::PutMapping { .. } | A::DeleteMapping { .. } => {
            duty(subject, &[Duty::Officer]).and_then(|()| floor(subject, labels))
        }
        A::ListMappings => user(subject),
        A::ListGaps { .. } => worker(subject).and_then(gaps),
        A::RequestRelease { wanted } if wanted.gaps => worker(subject).and_then(gaps),
        A::StartLift { .. }
        | A::StopLift { .. }
        | A::DescribeLift { .. }
        | A::ListLifts { .. }
        | A::RequestRelease { .. }
        | A::WalkLift { .. }
        | A::SendObjects { .. } => worker(subject),
        A::ReviewRelease { .. } | A::ApproveRelease { .. } | A::RefuseRelease { .. } => {
            duty(subject, &[Duty::Reviewer])
        }
        A::DescribeRelease { .. } | A::ListReleases { .. } => {
            duty(subject, &[Duty::Auditor]).or_else(|_| worker(subject))
        }
        A::ListArrivals { .. } | A::FindArrival { .. } => match subject.duty() {
            Some(Duty::Officer | Duty::Auditor) => user(subject),
            Some(Duty::Reviewer) => denied("a reviewer decides what leaves; what came in is for others"),
            _ => worker(subject),
        },
        A::ReceiveObjects { .. } => denied("what arrives is taken in by the region itself, on a mapping's leave"),
    }
}

/// Anybody of an account.
fn user(subject: &Subject) -> Result<(), Refusal> {
    match subject.principal() {
        Principal::User { .. } => Ok(()),
        Principal::Operator => denied("the operator is of no account"),
    }
}

fn operator(subject: &Subject) -> Result<(), Refusal> {
    match subject.principal() {
        Principal::Operator => Ok(()),
        Principal::User { .. } => denied("accounts are made and listed by the region's operator"),
    }
}

fn duty(subject: &Subject, duties: &[Duty]) -> Result<(), Refusal> {
    match subject.duty() {
        Some(duty) if duties.contains(&duty) => Ok(()),
        _ => denied("the caller's duty does not cover this action"),
    }
}

/// Who works with data: a user without the administrator's, the officer's and the auditor's duty.
fn worker(subject: &Subject) -> Result<(), Refusal> {
    match (subject.principal(), subject.duty()) {
        (Principal::Operator, _) => denied("the operator never sees data"),
        (_, Some(Duty::Administrator)) => denied("the administrator manages users and never sees data"),
        (_, Some(Duty::Officer)) => denied("the officer manages clearances and never sees data"),
        (_, Some(Duty::Auditor)) => denied("the auditor reads the ledger and never sees data"),
        (Principal::User { .. }, _) => Ok(()),
    }
}

fn self_or(subject: &Subject, user: Option<&UserName>, duties: &[Duty]) -> Result<(), Refusal> {
    if own(subject, user) { Ok(()) } else { duty(subject, duties) }
}

/// Whether a request names the caller, or nobody, which means the same.
fn own(subject: &Subject, user: Option<&UserName>) -> bool {
    subject.user().is_some_and(|own| user.is_none_or(|user| user == own))
}

fn tag<'a>(subject: &Subject, user: &UserName, keys: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    let (mut plain, mut officers) = (false, false);
    for key in keys {
        if !reserved(key) {
            plain = true;
        } else if RESERVED_TAGS.contains(&key.as_str()) {
            officers = true;
        } else {
            return denied("the tags clearance, nationality, label and duty are written in lower case");
        }
    }
    if officers {
        if plain {
            return denied("set clearance, nationality, label and duty apart from other tags: their duties differ");
        }
        duty(subject, &[Duty::Officer])
            .or_else(|_| denied("clearance, nationality, label and duty are set by the officer"))?;
        if subject.user() == Some(user) {
            return denied("an officer does not set their own clearance, nationality, label or duty");
        }
        return Ok(());
    }
    duty(subject, &[Duty::Administrator])
}
