//! A parsed marking.

use crate::label::Label;
use crate::policy::{Item, Kind, Policy, Vocabulary};
use crate::print::{Style, print, print_one};
use std::collections::BTreeMap;

/// A valid marking of one policy: the label that decides, and the further markings that travel with the object.
/// It prints what was written, in canonical spelling: groups stay groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marking {
    policy: Policy,
    label: Label,
    content: Content,
    further: Vec<Further>,
}

/// A marking that decides nothing, such as `ORCON` or `FGI DEU`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Further {
    name: String,
    countries: Vec<String>,
    banner: String,
    portion: String,
}

/// What stands in a marking, free of spelling.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Content {
    pub(crate) level: u8,
    /// Each item by its place in the vocabulary, with the codes of its list.
    /// INVARIANT: where a compartment stands, what it stands under does too.
    pub(crate) items: BTreeMap<usize, Vec<String>>,
}

impl Content {
    /// The items in their order of print.
    pub(crate) fn present<'a>(
        &'a self,
        words: &'a Vocabulary,
    ) -> impl Iterator<Item = (usize, &'a Item, &'a Vec<String>)> {
        self.items.iter().filter_map(|(place, codes)| words.items.get(*place).map(|item| (*place, item, codes)))
    }
}

impl Marking {
    /// INVARIANT: `content` has passed `rules::check`.
    pub(crate) fn new(policy: &Policy, content: Content) -> Marking {
        let words = &policy.words;
        let further = content
            .present(words)
            .filter(|(_, item, _)| matches!(item.kind, Kind::Informative | Kind::CountryList(_)))
            .map(|(_, item, codes)| Further {
                name: item.name.clone(),
                countries: codes.clone(),
                banner: print_one(item, codes, Style::Banner),
                portion: print_one(item, codes, Style::Portion),
            })
            .collect();
        Marking { policy: policy.clone(), label: words.label_of(&content), content, further }
    }

    /// The label that decides.
    #[must_use]
    pub fn label(&self) -> Label {
        self.label
    }

    /// The policy that the marking belongs to.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The whole marking as a banner.
    #[must_use]
    pub fn banner(&self) -> String {
        print(&self.policy.words, &self.content, Style::Banner)
    }

    /// The whole marking as a portion mark, in parentheses.
    #[must_use]
    pub fn portion(&self) -> String {
        print(&self.policy.words, &self.content, Style::Portion)
    }

    /// The markings that decide nothing, in banner order.
    #[must_use]
    pub fn further(&self) -> &[Further] {
        &self.further
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }
}

impl std::fmt::Display for Marking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.banner())
    }
}

impl Further {
    /// Its name, without a list: `FGI`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The countries and groups that it lists, as written; empty if it takes no list.
    #[must_use]
    pub fn countries(&self) -> &[String] {
        &self.countries
    }

    /// As it stands in a banner: `FGI DEU GBR`.
    #[must_use]
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// As it stands in a portion mark.
    #[must_use]
    pub fn portion(&self) -> &str {
        &self.portion
    }
}
