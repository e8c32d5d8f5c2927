//! From the portions of a document to its banner.
//!
//! The label of the banner is the join of the portions' labels. Of what decides nothing, each marking says in
//! the policy how it carries up (source: the public release of the ISM rules, in FACTS, section 3).

use crate::label::{Countries, Label};
use crate::marking::{Content, Marking};
use crate::policy::{Item, Kind, Policy, Vocabulary};
use crate::print::{label_content, release_codes};
use crate::source::RollUp;
use crate::{MarkingError, TEXT_BYTES_MAX, rules};

impl Marking {
    /// The banner of portions: the level is the highest, compartments unite, release lists intersect. A
    /// release list that was written alike on all portions that restrict anything stays as it was written.
    /// Where lists have nobody but the own nation in common, the banner says so in the policy's word
    /// (`NOFORN`). Portions of the lowest level that are for everyone restrict nothing: they take no part in
    /// what every portion must have (`RELIDO`).
    ///
    /// # Errors
    /// When there is no portion, when they belong to different policies, or when markings that the portions
    /// carry exclude each other.
    pub fn roll_up(markings: &[Marking]) -> Result<Marking, MarkingError> {
        let (first, rest) = markings.split_first().ok_or(MarkingError::NothingToRollUp)?;
        let policy = first.policy();
        if let Some(other) = rest.iter().find(|other| other.policy() != policy) {
            return Err(MarkingError::MixedPolicies {
                one: policy.name().to_owned(),
                other: other.policy().name().to_owned(),
            });
        }
        let portions = Portions {
            words: &policy.words,
            label: rest.iter().fold(first.label(), |label, marking| label.join(marking.label())),
            restricting: markings.iter().filter(|marking| marking.label() != policy.lowest()).collect(),
            all: markings,
        };
        let content = portions.content();
        rules::check(&policy.words, &content)?;
        bounded(policy, content)
    }
}

/// So that every banner can be read again.
fn bounded(policy: &Policy, content: Content) -> Result<Marking, MarkingError> {
    let marking = Marking::new(policy, content);
    let bytes = marking.banner().len().max(marking.portion().len());
    if bytes > TEXT_BYTES_MAX {
        return Err(MarkingError::TooLong { bytes, bytes_max: TEXT_BYTES_MAX });
    }
    Ok(marking)
}

struct Portions<'a> {
    words: &'a Vocabulary,
    label: Label,
    all: &'a [Marking],
    restricting: Vec<&'a Marking>,
}

impl Portions<'_> {
    fn content(&self) -> Content {
        // The compartments, and what they require.
        let mut content = label_content(self.words, self.label);
        content.items.retain(|place, _| self.kind(*place).is_some_and(|kind| !is_release(kind)));
        for (place, item) in self.words.items.iter().enumerate() {
            if let Some(codes) = self.carried(place, item) {
                content.items.insert(place, codes);
            }
        }
        for (_, item, _) in content.clone().present(self.words) {
            content.items.retain(|place, _| !item.supersedes.contains(place));
        }
        if let Some((place, codes)) = self.release(&content) {
            // What only stands if all have it gives way to the release list that all have together.
            let excluded = self.words.items.get(place).map(|item| item.excludes.as_slice()).unwrap_or_default();
            content.items.retain(|other, _| !excluded.contains(other) || !self.yields(*other));
            content.items.insert(place, codes);
        }
        content
    }

    fn kind(&self, place: usize) -> Option<Kind> {
        self.words.items.get(place).map(|item| item.kind)
    }

    fn yields(&self, place: usize) -> bool {
        self.words.items.get(place).is_some_and(|item| item.roll_up == RollUp::All)
    }

    /// The list of a marking that decides nothing, if it carries up.
    fn carried(&self, place: usize, item: &Item) -> Option<Vec<String>> {
        if !matches!(item.kind, Kind::Informative | Kind::CountryList(_)) {
            return None;
        }
        let lists = || self.all.iter().filter_map(|marking| marking.content().items.get(&place));
        let is_on_any = lists().next().is_some();
        let is_on_all = self.restricting.iter().all(|marking| marking.content().items.contains_key(&place));
        let carries = match item.roll_up {
            RollUp::Any => is_on_any,
            RollUp::WhileAllowed => is_on_any && item.goes_with(self.label.level),
            RollUp::All => is_on_any && is_on_all,
            RollUp::Common => return if is_on_any { self.common(place) } else { None },
        };
        if !carries || lists().any(Vec::is_empty) {
            return carries.then(Vec::new);
        }
        Some(self.words.in_order(&lists().flatten().cloned().collect::<Vec<_>>()))
    }

    /// Those to whom every portion is shown or released, without those to whom the whole is released.
    fn common(&self, place: usize) -> Option<Vec<String>> {
        let shown = self.restricting.iter().fold(Countries::EVERYONE, |shown, marking| {
            let list = marking.content().items.get(&place).map_or(Countries::NOBODY, |codes| self.words.codes(codes));
            shown.intersection(marking.label().release.union(list))
        });
        let shown = shown.without(self.label.release);
        let as_written = self.restricting.first().and_then(|marking| marking.content().items.get(&place));
        match as_written {
            _ if shown == Countries::NOBODY => None,
            Some(codes) if self.words.codes(codes) == shown => Some(codes.clone()),
            _ => Some(self.words.codes_of(shown).collect()),
        }
    }

    /// The word that says to whom the whole is released, where one is needed.
    fn release(&self, content: &Content) -> Option<(usize, Vec<String>)> {
        let release = self.label.release;
        let written: Vec<_> = self.restricting.iter().map(|marking| self.written_release(marking)).collect();
        if let Some(Some((place, codes))) = written.first()
            && written.iter().all(|other| other == &Some((*place, *codes)))
        {
            return Some((*place, (*codes).clone()));
        }
        let is_default = release == self.words.default_release(self.label.level);
        if release != self.words.own_countries {
            let list = self.words.find(|kind| matches!(kind, Kind::ReleaseList(_)))?;
            return (!is_default).then(|| (list, release_codes(self.words, release)));
        }
        let Some(alone) = self.words.find(|kind| kind == Kind::OwnNationAlone) else {
            let list = self.words.find(|kind| matches!(kind, Kind::ReleaseList(_)))?;
            return (!is_default).then(|| (list, vec![self.words.own.clone()]));
        };
        // Shown to somebody: the word would deny it, and no list means the same.
        let is_shown = content
            .present(self.words)
            .any(|(_, item, _)| item.roll_up == RollUp::Common && item.excludes.contains(&alone));
        let is_needed = !is_default || (!is_shown && written.iter().any(Option::is_some));
        is_needed.then(|| (alone, Vec::new()))
    }

    fn written_release<'m>(&self, marking: &'m Marking) -> Option<(usize, &'m Vec<String>)> {
        let items = marking.content().items.iter().map(|(place, codes)| (*place, codes));
        items.into_iter().find(|(place, _)| self.kind(*place).is_some_and(is_release))
    }
}

fn is_release(kind: Kind) -> bool {
    matches!(kind, Kind::OwnNationAlone | Kind::ReleaseList(_))
}
