//! Markings and policies as people write them.
//!
//! Oracle: what is read prints, in both forms, as what reads back the same; labels keep the laws of a lattice; joins and
//! meets of what a policy admits are admitted; a policy that is taken keeps all of that for its own words.

use fastness_label::{Label, Marking, Policy};
use std::sync::OnceLock;

/// Lines of text under one of the policies.
pub(crate) fn marking(data: &[u8]) {
    static POLICIES: OnceLock<[Policy; 2]> = OnceLock::new();
    let policies = POLICIES.get_or_init(|| [Policy::us(), Policy::nato()]);
    let Some((first, rest)) = data.split_first() else { return };
    let Some(policy) = policies.get(usize::from(*first % 2)) else { return };
    let text = String::from_utf8_lossy(rest);
    laws(policy, text.split('\n').take(8));
}

/// A policy as TOML; below a line `%%` markings of it.
pub(crate) fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (source, markings) = text.split_once("\n%%\n").unwrap_or((&text, ""));
    let Ok(policy) = Policy::from_toml(source) else { return };
    assert!(policy.admits(policy.lowest()), "nothing may be marked at the lowest level");
    let levels: Vec<String> = policy.levels().map(str::to_owned).collect();
    assert!(!levels.is_empty(), "a policy without levels");
    laws(&policy, markings.split('\n').take(8).chain(levels.iter().take(8).map(String::as_str)));
    for country in policy.countries().take(8) {
        assert_eq!(policy.country(policy.country_code(country)), Ok(country));
    }
}

fn laws<'text>(policy: &Policy, texts: impl Iterator<Item = &'text str>) {
    let mut markings = Vec::new();
    for text in texts {
        let Ok(marking) = policy.parse(text) else { continue };
        for printed in [marking.banner(), marking.portion(), marking.portion().to_lowercase()] {
            assert_eq!(policy.parse(&printed).as_ref(), Ok(&marking), "{text:?} prints as {printed:?}");
        }
        let label = marking.label();
        for printed in [policy.banner(label), policy.portion(label)] {
            assert_eq!(policy.label(&printed), Ok(label), "the label of {text:?} prints as {printed:?}");
        }
        markings.push(marking);
    }
    let labels: Vec<Label> = markings.iter().map(Marking::label).collect();
    for a in &labels {
        assert!(policy.lowest().is_dominated_by(*a) && a.is_dominated_by(*a));
        for b in &labels {
            pair(policy, *a, *b);
            for c in &labels {
                assert_eq!(a.is_dominated_by(*c) && b.is_dominated_by(*c), a.join(*b).is_dominated_by(*c));
                assert_eq!(c.is_dominated_by(*a) && c.is_dominated_by(*b), c.is_dominated_by(a.meet(*b)));
            }
        }
    }
    if let Ok(whole) = Marking::roll_up(&markings) {
        for marking in &markings {
            assert!(marking.label().is_dominated_by(whole.label()), "a roll-up below one of its portions");
        }
        assert_eq!(policy.parse(&whole.banner()).as_ref(), Ok(&whole), "a roll-up that does not read back");
    }
}

fn pair(policy: &Policy, a: Label, b: Label) {
    let (join, meet) = (a.join(b), a.meet(b));
    assert_eq!((join, meet), (b.join(a), b.meet(a)));
    assert_eq!((a.join(meet), a.meet(join)), (a, a));
    assert!(
        policy.admits(join) && policy.admits(meet),
        "not admitted: {:?}",
        (policy.banner(join), policy.banner(meet))
    );
    let (a_key, b_key) = (policy.order_key(a), policy.order_key(b));
    assert_eq!(a == b, a_key == b_key);
    if a.is_dominated_by(b) && a != b {
        assert!(a_key < b_key, "the order of partitions turns dominance round");
    }
}
