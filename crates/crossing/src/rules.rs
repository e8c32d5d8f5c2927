//! The rules of a manifest. Who writes one is held to them as who reads one is.

use crate::manifest::Object;
use crate::pad::padded_len;
use crate::{
    BundleError, Errand, GAPS_MAX, Kind, MANIFEST_FORMAT, Manifest, OBJECT_LEN_MAX, OBJECTS_MAX, PERSONS_MAX, Person,
};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastness_label::{Label, Policy};
use fastness_operation::Attributes;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// A bundle made so much later than now, in ms, is of a clock that nobody set.
pub const CLOCK_AHEAD_MAX_MS: i64 = 15 * 60 * 1_000;
/// A bundle made so long ago, in ms, is not taken any more: who remembers that it came already may forget it then.
pub const MADE_BEFORE_MAX_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// What comes down says no more of its time than the hour, in ms.
pub const RELEASE_HOUR_MS: i64 = 60 * 60 * 1_000;

/// The most bytes of one header of an object.
const HEADER_LEN_MAX: usize = 8 << 10;
/// The most characters of a person's name or duty.
const PERSON_LEN_MAX: usize = 128;
/// What `xs:dateTime` and people write.
const DATE_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Ms since 1970 as a date; nothing before 1970 and after 9999.
pub(crate) fn date_time(ms: i64) -> Option<String> {
    let nanos = i128::from(ms).checked_mul(1_000_000).filter(|nanos| *nanos >= 0)?;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?.format(&DATE_TIME).ok()
}

/// The bytes of all objects together.
pub(crate) fn objects_len(objects: &[Object]) -> Option<u64> {
    objects.iter().try_fold(0_u64, |sum, object| sum.checked_add(object.size))
}

/// Checks everything that does not depend on a policy or a clock. `json_len` is the manifest's own length,
/// `plain_len` the stream's.
pub(crate) fn check_form(manifest: &Manifest, json_len: u64, plain_len: u64) -> Result<(), BundleError> {
    let kind = manifest.errand.kind();
    if manifest.format != MANIFEST_FORMAT {
        return Err(BundleError::Malformed("its manifest is of another format than 1"));
    }
    check_objects(&manifest.objects)?;
    if let Errand::Lift { ordered_by, .. } = &manifest.errand {
        check_persons(ordered_by)?;
    } else {
        check_downward(manifest)?;
    }
    let padded = objects_len(&manifest.objects)
        .and_then(|objects| objects.checked_add(json_len))
        .and_then(|length| padded_len(kind, length));
    // The one right length: so nobody says anything with another.
    if padded != Some(plain_len) {
        return Err(BundleError::Malformed("its objects and its manifest do not add up to its padded length"));
    }
    Ok(())
}

fn check_objects(objects: &[Object]) -> Result<(), BundleError> {
    let found = objects.len() as u64;
    if objects.is_empty() {
        return Err(BundleError::Malformed("it holds nothing"));
    }
    if objects.len() > OBJECTS_MAX {
        return Err(BundleError::Oversized { what: "objects", found, most: OBJECTS_MAX as u64 });
    }
    let mut keys = BTreeSet::new();
    for object in objects {
        check_size(object.size)?;
        check_attributes(&object.attributes)?;
        if !keys.insert(object.key.as_str()) {
            return Err(BundleError::Malformed("it holds two objects of one name"));
        }
    }
    Ok(())
}

pub(crate) fn check_size(found: u64) -> Result<(), BundleError> {
    let what = "bytes in an object";
    if found > OBJECT_LEN_MAX { Err(BundleError::Oversized { what, found, most: OBJECT_LEN_MAX }) } else { Ok(()) }
}

/// Headers and metadata are held to what HTTP can carry (RFC 9110, section 5.5) and S3 allows.
pub(crate) fn check_attributes(attributes: &Attributes) -> Result<(), BundleError> {
    let Attributes { metadata, .. } = attributes;
    let is_text = |text: &String| {
        text.len() <= HEADER_LEN_MAX && !text.chars().any(|character| character.is_control() && character != '\t')
    };
    if !headers(attributes).into_iter().flatten().chain(metadata.keys()).chain(metadata.values()).all(is_text) {
        return Err(BundleError::Malformed("a header or metadata of an object is too long, or has control characters"));
    }
    if attributes.metadata_len() > Attributes::METADATA_LEN_MAX {
        return Err(BundleError::Malformed("the metadata of an object has more than 2,048 bytes"));
    }
    Ok(())
}

/// All headers, the content's type first.
fn headers(attributes: &Attributes) -> [Option<&String>; 6] {
    let Attributes {
        content_type,
        content_encoding,
        content_disposition,
        content_language,
        cache_control,
        expires,
        metadata: _,
    } = attributes;
    [content_type, content_encoding, content_disposition, content_language, cache_control, expires].map(Option::as_ref)
}

fn check_persons(persons: &[Person]) -> Result<(), BundleError> {
    let is_text = |text: &str| text.chars().count() <= PERSON_LEN_MAX && !text.chars().any(char::is_control);
    if !(1..=PERSONS_MAX).contains(&persons.len()) {
        return Err(BundleError::Malformed("it is a lift that nobody ordered, or more than 16 people"));
    }
    if !persons.iter().all(|person| !person.name.is_empty() && is_text(&person.name) && is_text(&person.duty)) {
        return Err(BundleError::Malformed("who ordered it has no name, or one that nobody has"));
    }
    Ok(())
}

/// What comes down says as little as it can: one object, its type and the metadata that was reviewed, and the hour.
fn check_downward(manifest: &Manifest) -> Result<(), BundleError> {
    let [object] = manifest.objects.as_slice() else {
        return Err(BundleError::Malformed("it comes down and holds more than one object"));
    };
    let [_content_type, others @ ..] = headers(&object.attributes);
    if others.into_iter().flatten().next().is_some() {
        return Err(BundleError::Malformed("it comes down with headers that nobody reviews"));
    }
    if manifest.made_ms % RELEASE_HOUR_MS != 0 {
        return Err(BundleError::Malformed("it comes down and says more of its time than the hour"));
    }
    if manifest.errand.kind() == Kind::Gaps && !is_gaps(object) {
        return Err(BundleError::Malformed("it should hold gaps, and holds something else"));
    }
    Ok(())
}

fn is_gaps(object: &Object) -> bool {
    object.key.as_str() == "gaps.json"
        && object.attributes.content_type.as_deref() == Some("application/json")
        && object.attributes.metadata.is_empty()
        && object.size <= 16 + GAPS_MAX * 24
}

/// The clock here against the time in the bundle.
pub(crate) fn check_clock(made_ms: i64, now_ms: i64) -> Result<(), BundleError> {
    let age = i128::from(now_ms) - i128::from(made_ms);
    let is_right = date_time(made_ms).is_some()
        && (-i128::from(CLOCK_AHEAD_MAX_MS)..=i128::from(MADE_BEFORE_MAX_MS)).contains(&age);
    if is_right { Ok(()) } else { Err(BundleError::Clock { made_ms, now_ms }) }
}

/// The label that the manifest says three times: as a banner, as XML, and by its policy. All three must be as this
/// region's policy writes them; the XML is written anew and compared, never read.
pub(crate) fn check_label(manifest: &Manifest, policy: &Policy) -> Result<Label, BundleError> {
    let label = check_banner(manifest, policy)?;
    if label_xml(policy, label, manifest.made_ms, &manifest.objects)? != manifest.label_xml {
        return Err(BundleError::Mislabelled("its XML says another label, time or content than the bundle"));
    }
    Ok(label)
}

/// The label by policy and banner alone: what whoever has just written the XML is left to check.
pub(crate) fn check_banner(manifest: &Manifest, policy: &Policy) -> Result<Label, BundleError> {
    if manifest.policy != policy.name() {
        return Err(BundleError::Mislabelled("it is one of another policy"));
    }
    let label = policy.label(&manifest.label);
    let label = label.map_err(|_| BundleError::Mislabelled("its marking is none of this region's policy"))?;
    if policy.banner(label) != manifest.label {
        return Err(BundleError::Mislabelled("its marking is not written in the policy's own way"));
    }
    Ok(label)
}

/// The label bound to what is in the bundle: each object by its digest (RFC 6920, section 3).
pub(crate) fn label_xml(
    policy: &Policy,
    label: Label,
    made_ms: i64,
    objects: &[Object],
) -> Result<String, BundleError> {
    let made = date_time(made_ms).ok_or(BundleError::Malformed("its time is none"))?;
    let reference = |object: &Object| format!("ni:///sha-256;{}", URL_SAFE_NO_PAD.encode(object.sha256));
    Ok(policy.binding(label, &made, objects.iter().map(reference)))
}
