//! Releases in Fastness's own API (see [`crate::json`] for its form).

use crate::Frame;
use crate::arn::date;
use crate::call::Malformed;
use crate::crossing::marking;
use crate::json::{fields, invalid, named};
use crate::lifts::page_len;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_gate::{Answer, CrossingAnswer, ReleaseShown, ReleaseVote};
use fastness_operation::{
    Attributes, BucketName, BundleId, CrossingAct, MappingName, ObjectKey, ObjectTarget, Purpose, RegionName,
    ReleaseId, ReleaseWanted, VersionId, Words,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Days that a release waits when nobody says how many.
const DAYS: u8 = 7;
/// The longest type that is read: no longer one crosses.
const TYPE_BYTES_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requested {
    bucket: String,
    key: String,
    version_id: Option<String>,
    to: String,
    mapping: Option<String>,
    name: String,
    label: String,
    #[serde(rename = "type")]
    content_type: String,
    metadata: Option<BTreeMap<String, String>>,
    purpose: String,
    days: Option<u8>,
    gaps: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRelease {
    release: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approved {
    release: String,
    digest: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    release: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<String>,
    limit: Option<u16>,
}

/// The operation of this target, if it is one of releases.
pub(crate) fn act(target: &str, body: &[u8]) -> Result<Option<CrossingAct>, Malformed> {
    Ok(Some(match target {
        "Fastness.RequestRelease" => CrossingAct::RequestRelease { wanted: Box::new(wanted(fields(body)?)?) },
        "Fastness.ReviewRelease" => CrossingAct::ReviewRelease { release: release_id(body)? },
        "Fastness.ApproveRelease" => {
            let Approved { release, digest, reason } = fields(body)?;
            if digest.len() != 64 {
                return Err(invalid("a digest has 64 hexadecimal digits"));
            }
            let release = ReleaseId::new(release).map_err(named)?;
            CrossingAct::ApproveRelease { release, digest, reason: Words::new(reason).map_err(named)? }
        }
        "Fastness.RefuseRelease" => {
            let Refused { release, reason } = fields(body)?;
            let release = ReleaseId::new(release).map_err(named)?;
            CrossingAct::RefuseRelease { release, reason: Words::new(reason).map_err(named)? }
        }
        "Fastness.DescribeRelease" => CrossingAct::DescribeRelease { release: release_id(body)? },
        "Fastness.ListReleases" => {
            let Page { after, limit } = fields(body)?;
            let after = after.map(ReleaseId::new).transpose().map_err(named)?;
            CrossingAct::ListReleases { after, limit: page_len(limit)? }
        }
        _ => return Ok(None),
    }))
}

fn release_id(body: &[u8]) -> Result<ReleaseId, Malformed> {
    let OfRelease { release } = fields(body)?;
    ReleaseId::new(release).map_err(named)
}

fn wanted(asked: Requested) -> Result<ReleaseWanted, Malformed> {
    let metadata = asked.metadata.unwrap_or_default();
    if asked.content_type.len() > TYPE_BYTES_MAX {
        return Err(invalid(format!("a type has at most {TYPE_BYTES_MAX} bytes")));
    }
    if metadata.keys().any(|name| name.is_empty() || name.chars().any(|c| c.is_ascii_uppercase() || c.is_whitespace()))
    {
        return Err(invalid("metadata has names in lower case, without `x-amz-meta-`"));
    }
    let target = ObjectTarget {
        bucket: BucketName::new(asked.bucket).map_err(named)?,
        key: ObjectKey::new(asked.key).map_err(named)?,
        version: asked.version_id.map(VersionId::new),
    };
    Ok(ReleaseWanted {
        source: target,
        gaps: asked.gaps.unwrap_or_default(),
        to: RegionName::new(asked.to).map_err(named)?,
        mapping: asked.mapping.map(MappingName::new).transpose().map_err(named)?,
        key: ObjectKey::new(asked.name).map_err(named)?,
        marking: marking(asked.label)?,
        metadata: Attributes { content_type: Some(asked.content_type), metadata, ..Attributes::default() },
        purpose: Purpose::new(asked.purpose).map_err(named)?,
        days: asked.days.unwrap_or(DAYS),
    })
}

/// The answer as JSON; none when it is not the one that goes with the operation.
pub(crate) fn answer(frame: &Frame<'_>, action: &str, answer: &Answer) -> Option<Value> {
    let Answer::Crossing(answer) = answer else { return None };
    match (action, answer.as_ref()) {
        ("RequestRelease" | "ApproveRelease" | "RefuseRelease" | "DescribeRelease", CrossingAnswer::Release(found)) => {
            Some(shown(frame, found))
        }
        ("ReviewRelease", CrossingAnswer::Review(found, content)) => {
            let mut value = shown(frame, found);
            if let (Some(members), Some(content)) = (value.as_object_mut(), content) {
                members.insert("content".to_owned(), Value::from(STANDARD.encode(content)));
            }
            Some(value)
        }
        ("ListReleases", CrossingAnswer::Releases(all, more)) => {
            let all: Vec<Value> = all.iter().map(|one| shown(frame, one)).collect();
            Some(json!({ "releases": all, "more": more }))
        }
        _ => None,
    }
}

fn vote(vote: &ReleaseVote) -> Value {
    json!({ "by": vote.by.name, "at": date(vote.at_ms), "reason": vote.reason.as_str(), "digest": vote.digest })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shown(frame: &Frame<'_>, shown: &ReleaseShown) -> Value {
    let ReleaseShown { label, state, digest, release } = shown;
    let source = &release.source;
    let mut value = json!({
        "release": release.id.as_str(),
        "state": state.name(),
        "digest": digest,
        "label": (frame.banner)(*label),
        "bucket": source.bucket.as_str(),
        "key": source.key.as_str(),
        "version_id": source.version,
        "bytes": source.size,
        "sha256": hexadecimal(&source.sha256),
        "leaves": { "bytes": release.leaves.size, "sha256": hexadecimal(&release.leaves.sha256) },
        "to": release.to.as_str(),
        "to_account": release.to_account.to_string(),
        "to_bucket": release.to_bucket.as_str(),
        "gaps": release.gaps,
        "new_name": release.new_key.as_str(),
        "new_label": release.new_label,
        "type": release.attributes.content_type,
        "metadata": release.attributes.metadata,
        "mapping": release.mapping.as_str(),
        "purpose": release.purpose.as_str(),
        "findings": release.findings,
    });
    let people = json!({
        "requested_by": release.by.name,
        "requested": date(release.requested_ms),
        "expires": date(release.expires_ms),
        "ended": release.ended_ms.map(date),
        "seen_by": release.seen.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        "approvals": release.approvals.iter().map(vote).collect::<Vec<_>>(),
        "refused": release.refused.as_ref().map(vote),
        "bundle": release.bundle.as_ref().map(BundleId::as_str),
        "why": release.why,
    });
    if let (Some(members), Value::Object(more)) = (value.as_object_mut(), people) {
        members.extend(more);
    }
    value
}
