//! What leaves in a release: the version as the filters wrote it anew, and no other bytes. They write it when somebody asks
//! for it, when a reviewer looks, and once more when it is sent; the three must be the same to the byte.

use super::judge::rules_of;
use super::release::{sha256, whole};
use super::seams::{Judgement, Suspect};
use super::{Crossing, send_release::Halt};
use crate::{Gate, Reason, Refusal};
use fastness_decide::Permit;
use fastness_identity::directory::Mapping;
use fastness_label::Label;
use fastness_operation::Code;
use fastness_store::{Fault, Leaving, Release, ReleaseState, Sendable};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What the filters made of a content.
pub(super) enum Filtered {
    /// Nothing of it passes, for these reasons.
    Stopped(Vec<String>),
    /// What they wrote, and what they changed.
    Passed(Zeroizing<Vec<u8>>, Vec<String>),
}

pub(super) fn leaving_of(content: &[u8]) -> Leaving {
    Leaving { size: content.len() as u64, sha256: sha256(content) }
}

pub(super) fn ends(state: ReleaseState, message: impl Into<String>) -> Halt {
    Halt::Ends(state, Refusal::new(Code::InvalidRequest, Reason::Request, message))
}

impl Crossing {
    /// Has filters that met nothing else write an object anew, as something of its new label. It blocks.
    ///
    /// # Errors
    /// A failure of the guard's.
    pub(super) fn filter(&self, label: Label, mapping: &Mapping, suspect: Suspect) -> Result<Filtered, Fault> {
        let wanted: BTreeMap<String, String> = suspect.metadata.iter().cloned().collect();
        let inspected = self.parts.guard.inspector(label).inspect(&rules_of(mapping)?, vec![suspect]);
        let judgements = inspected.map_err(|error| Fault::Failed(format!("looking at a release: {error}")))?;
        let Ok([judgement]) = <[Judgement; 1]>::try_from(judgements) else {
            return Err(Fault::Failed("the guard was asked about one object and judged another number".to_owned()));
        };
        Ok(match judgement {
            Judgement::Stopped { findings } => Filtered::Stopped(findings),
            Judgement::Passed { metadata, .. } if metadata.iter().cloned().collect::<BTreeMap<_, _>>() != wanted => {
                Filtered::Stopped(vec!["they do not let the metadata through as it is written".to_owned()])
            }
            Judgement::Passed { content, findings, .. } => Filtered::Passed(Zeroizing::new(content), findings),
        })
    }
}

impl Gate {
    /// The bytes that leave in a release, read with the leave of whoever asked for it: the version must be the one that
    /// was asked for, and the filters must write of it what they wrote then. It blocks.
    pub(super) fn what_leaves(
        &self,
        crossing: &Crossing,
        label: Label,
        (release, mapping): (&Release, &Mapping),
        permit: &Permit,
    ) -> Result<Zeroizing<Vec<u8>>, Halt> {
        let changed = || ends(ReleaseState::Changed, "the object was changed, removed or contained");
        let opened = self.store.open_versions(permit)?.next().ok_or_else(changed)??;
        let Sendable { size, content, .. } = opened.map_err(|_| changed())?;
        let plain = whole(&content, size)?.ok_or_else(changed)?;
        if sha256(&plain) != release.source.sha256 {
            return Err(changed());
        }
        let suspect = Suspect {
            name: release.new_key.to_string(),
            content_type: release.attributes.content_type.clone().unwrap_or_default(),
            label: release.new_label.clone(),
            metadata: release.attributes.metadata.clone().into_iter().collect(),
            content: plain.to_vec(),
        };
        drop(plain);
        match crossing.filter(label, mapping, suspect)? {
            Filtered::Stopped(findings) => {
                let message = format!("the filters stop it now: {}", findings.join("; "));
                Err(ends(ReleaseState::Stopped, message.chars().take(1_000).collect::<String>()))
            }
            Filtered::Passed(content, _) if leaving_of(&content) == release.leaves => Ok(content),
            Filtered::Passed(..) => {
                let message = "the filters write it otherwise than when it was asked for: ask anew";
                Err(ends(ReleaseState::Changed, message))
            }
        }
    }
}
