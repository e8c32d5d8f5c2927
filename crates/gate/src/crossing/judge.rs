//! Judgement: nothing that came in a bundle is stored but what went through here.
//!
//! INVARIANT: [`inspect`] alone makes a [`Judged`], and it asks the guard about every object that is to pass; a [`Judged`]
//! alone becomes something that the store commits. `cargo xtask tidy` looks for other callers of what commits.

use super::release::sha256 as sha256_of;
use super::seams::{GuardRules, Inspector, Judgement, Suspect};
use crate::{Gate, classification};
use bytes::Bytes;
use fastness_decide::Permit;
use fastness_identity::directory::Mapping;
use fastness_operation::{Attributes, MediaType, ObjectKey};
use fastness_store::{Arriving, ArrivingObject, Fault};

/// An object as it came: its digest was checked, and nothing else of it.
pub(super) struct Came {
    pub(super) key: ObjectKey,
    pub(super) sha256: [u8; 32],
    pub(super) attributes: Attributes,
    pub(super) content: Vec<u8>,
}

/// An object that the guard has looked at.
pub(super) struct Judged {
    key: ObjectKey,
    content: Vec<u8>,
    attributes: Attributes,
    verdict: Arriving,
    /// SHA-256 of what came and of what is stored, where they differ.
    rewritten: Option<([u8; 32], [u8; 32])>,
}

/// A fault of ours, as long as the guard does not say that it is the content.
fn fault(text: impl std::fmt::Display) -> Fault {
    Fault::Failed(format!("looking at what arrived: {text}"))
}

/// Why an object does not even go to the guard: each such reason stops it, none lets it pass.
fn stopped_at_once(mapping: &Mapping, came: &Came) -> Option<String> {
    let size = came.content.len() as u64;
    if size > mapping.object_len_max.min(mapping.bytes_per_day) {
        return Some(format!("it has {size} bytes, which is more than the mapping lets in"));
    }
    let claimed = came.attributes.content_type.as_deref().unwrap_or_default();
    match MediaType::claimed(claimed) {
        Some(media_type) if mapping.types.contains(&media_type) => None,
        Some(media_type) => Some(format!("the mapping lets no {media_type} in")),
        None => Some("it claims no type that crosses".to_owned()),
    }
}

/// What a mapping lets through, as the guard is told.
pub(super) fn rules_of(mapping: &Mapping) -> Result<GuardRules, Fault> {
    Ok(GuardRules {
        mapping: mapping.name.clone(),
        types: mapping.types.clone(),
        metadata: mapping.metadata.clone(),
        row_digest: mapping.digest().map_err(fault)?,
    })
}

/// Has the guard look at a batch of what came with one banner. It blocks.
pub(super) fn inspect(
    inspector: &mut dyn Inspector,
    mapping: &Mapping,
    banner: &str,
    batch: Vec<Came>,
) -> Result<Vec<Judged>, Fault> {
    let rules = rules_of(mapping)?;
    let at_once: Vec<Option<String>> = batch.iter().map(|came| stopped_at_once(mapping, came)).collect();
    let asked = batch.iter().zip(&at_once).filter(|(_, stopped)| stopped.is_none());
    let suspects: Vec<Suspect> = asked.map(|(came, _)| suspect(came, banner)).collect();
    let count = suspects.len();
    let answers = if count == 0 { Vec::new() } else { inspector.inspect(&rules, suspects).map_err(fault)? };
    if answers.len() != count {
        return Err(fault(format!("the guard was asked about {count} objects and judged {}", answers.len())));
    }
    let mut answers = answers.into_iter();
    let judge = |(came, stopped): (Came, Option<String>)| match stopped {
        Some(finding) => Ok(judged(came, Judgement::Stopped { findings: vec![finding] })),
        None => answers.next().map(|answer| judged(came, answer)).ok_or_else(|| fault("a judgement is missing")),
    };
    batch.into_iter().zip(at_once).map(judge).collect()
}

fn suspect(came: &Came, banner: &str) -> Suspect {
    Suspect {
        name: came.key.to_string(),
        content_type: came.attributes.content_type.clone().unwrap_or_default(),
        label: banner.to_owned(),
        metadata: came.attributes.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        content: came.content.clone(),
    }
}

fn judged(came: Came, judgement: Judgement) -> Judged {
    let Came { key, sha256, attributes, content: came } = came;
    match judgement {
        Judgement::Stopped { findings } => {
            // Nothing of its headers is kept but the claim: nobody looked at them.
            let attributes = Attributes { content_type: attributes.content_type, ..Attributes::default() };
            Judged { key, content: came, attributes, verdict: Arriving::Stopped(findings), rewritten: None }
        }
        Judgement::Passed { content, metadata, findings: _ } => {
            let attributes = Attributes {
                content_type: attributes.content_type,
                metadata: metadata.into_iter().collect(),
                ..Attributes::default()
            };
            let rewritten = (content != came).then(|| (sha256, sha256_of(&content)));
            Judged { key, content, attributes, verdict: Arriving::Passes, rewritten }
        }
    }
}

/// What is said of an object in the entry, beside what became of it.
pub(super) type Rewritten = Option<([u8; 32], [u8; 32])>;

impl Gate {
    /// Seals what was judged into the partition at which it arrives. It blocks.
    pub(super) fn seal_judged(
        &self,
        permit: &Permit,
        judged: Vec<Judged>,
    ) -> Result<(Vec<ArrivingObject>, Vec<Rewritten>), Fault> {
        let label = permit.view().session();
        let (mut contents, mut rest) = (Vec::new(), Vec::new());
        for Judged { key, content, attributes, verdict, rewritten } in judged {
            let (content, verdict) = match (classification::check(self.store.policy(), label, &attributes), verdict) {
                (Err(Fault::Refused { code, message, .. }), Arriving::Passes) => {
                    (Vec::new(), Arriving::Refused(code, message))
                }
                (Err(Fault::Failed(text)), _) => return Err(Fault::Failed(text)),
                (_, verdict) => (content, verdict),
            };
            contents.push(Bytes::from(content));
            rest.push((key, attributes, verdict, rewritten));
        }
        let received = self.store.receive_many(permit, contents)?;
        let object = |((key, attributes, verdict, rewritten), content)| {
            (ArrivingObject { key, content, attributes, verdict }, rewritten)
        };
        Ok(rest.into_iter().zip(received).map(object).unzip())
    }
}
