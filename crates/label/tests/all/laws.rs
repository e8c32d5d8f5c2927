//! Laws over labels that the policies admit, and a naive oracle that knows nothing of bits.

use fastness_label::{Label, Policy};
use proptest::prelude::*;
use std::collections::BTreeSet;

const US: &[&str] = &[
    "U",
    "U//NF",
    "U//REL TO USA, GBR",
    "CUI",
    "CUI//REL TO USA, FVEY",
    "C//REL TO USA, AUS, CAN, GBR",
    "C//SI",
    "S",
    "S//REL TO USA, GBR",
    "S//REL TO USA, FRA, GBR",
    "S//REL TO USA, NATO",
    "S//SI-ABC//REL TO USA, GBR, JPN",
    "S//SAR-BP",
    "TS//SI/TK",
    "TS//SI-G ABCD//OC",
    "TS//SI-G DEFG//OC",
    "TS//HCS-O//OC/NF",
    "TS//HCS-P//NF",
    "TS//TK//SAR-BP/SAR-SP//REL TO USA, ACGU",
    "TS//KDK//REL TO USA, CAN",
];

const NATO: &[&str] = &[
    "NU",
    "NU//REL TO NATO",
    "NU//REL TO NATO, UKR",
    "NR",
    "NR//REL TO NATO, AP4",
    "NC//ATOMAL",
    "NS//REL TO NATO, CHE, JPN",
    "NS//ATOMAL//REL TO NATO, JPN",
    "CTS//BOHEMIA",
    "CTS//ATOMAL/BOHEMIA//REL TO NATO, AUS",
];

/// A label of a policy: joins and meets of a few of its markings, with the naive model computed alongside.
#[derive(Clone, Debug)]
struct Case {
    policy: Policy,
    labels: Vec<Label>,
    models: Vec<Model>,
}

/// What a label means, in words. Everyone is the missing list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Model {
    level: usize,
    compartments: BTreeSet<String>,
    release: Option<BTreeSet<String>>,
}

impl Model {
    /// Written down by hand from the text, without the parser of the crate.
    fn of(policy: &str, text: &str) -> Model {
        let (levels, own): (&[&str], &[&str]) = match policy {
            "us" => (&["U", "CUI", "C", "S", "TS"], &["USA"]),
            _ => (&["NU", "NR", "NC", "NS", "CTS"], &NATO_MEMBERS),
        };
        let mut parts = text.split("//");
        let level = parts.next().and_then(|word| levels.iter().position(|level| *level == word)).unwrap();
        let own: BTreeSet<String> = own.iter().map(|code| (*code).to_owned()).collect();
        let mut model = Model { level, compartments: BTreeSet::new(), release: (level > 0).then(|| own.clone()) };
        for entry in parts.flat_map(|part| part.split('/')) {
            if entry == "NF" {
                model.release = Some(own.clone());
            } else if let Some(list) = entry.strip_prefix("REL TO ") {
                model.release = Some(list.split(", ").flat_map(members).map(str::to_owned).collect());
            } else if entry != "OC" {
                model.compartments.extend(prefixes(entry));
            }
        }
        model
    }

    fn is_dominated_by(&self, other: &Model) -> bool {
        let releases = match (&self.release, &other.release) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => mine.is_superset(theirs),
        };
        self.level <= other.level && self.compartments.is_subset(&other.compartments) && releases
    }

    fn join(&self, other: &Model) -> Model {
        Model {
            level: self.level.max(other.level),
            compartments: &self.compartments | &other.compartments,
            release: match (&self.release, &other.release) {
                (None, list) | (list, None) => list.clone(),
                (Some(mine), Some(theirs)) => Some(mine & theirs),
            },
        }
    }

    fn meet(&self, other: &Model) -> Model {
        Model {
            level: self.level.min(other.level),
            compartments: &self.compartments & &other.compartments,
            release: match (&self.release, &other.release) {
                (Some(mine), Some(theirs)) => Some(mine | theirs),
                _ => None,
            },
        }
    }
}

/// `SI-G ABCD` holds `SI`, `SI-G` and itself. Program identifiers of `SAR` stand alone.
fn prefixes(entry: &str) -> Vec<String> {
    if entry.starts_with("SAR") {
        return vec![entry.to_owned()];
    }
    let cuts = entry.match_indices(['-', ' ']).map(|(end, _)| entry[..end].to_owned());
    cuts.chain([entry.to_owned()]).collect()
}

const NATO_MEMBERS: [&str; 32] = [
    "ALB", "BEL", "BGR", "CAN", "HRV", "CZE", "DNK", "EST", "FIN", "FRA", "DEU", "GRC", "HUN", "ISL", "ITA", "LVA",
    "LTU", "LUX", "MNE", "NLD", "MKD", "NOR", "POL", "PRT", "ROU", "SVK", "SVN", "ESP", "SWE", "TUR", "GBR", "USA",
];

fn members(code: &str) -> Vec<&str> {
    match code {
        "NATO" => NATO_MEMBERS.to_vec(),
        "FVEY" => vec!["AUS", "CAN", "GBR", "NZL", "USA"],
        "ACGU" => vec!["AUS", "CAN", "GBR", "USA"],
        "AP4" => vec!["AUS", "JPN", "KOR", "NZL"],
        code => vec![code],
    }
}

/// Three labels of one policy, each folded from one to four markings by joins and meets.
fn any_case() -> impl Strategy<Value = Case> {
    any::<bool>().prop_flat_map(|is_us| {
        let (policy, texts) = if is_us { (Policy::us(), US) } else { (Policy::nato(), NATO) };
        let step = (any::<bool>(), prop::sample::select(texts));
        let recipe = prop::collection::vec(step, 1..=4);
        prop::collection::vec(recipe, 3).prop_map(move |recipes| {
            let (labels, models) = recipes.iter().map(|recipe| fold(&policy, recipe)).unzip();
            Case { policy: policy.clone(), labels, models }
        })
    })
}

fn fold(policy: &Policy, recipe: &[(bool, &str)]) -> (Label, Model) {
    let both = |text: &str| (policy.label(text).unwrap(), Model::of(policy.name(), text));
    let (_, first) = recipe[0];
    recipe[1..].iter().fold(both(first), |(label, model), (is_join, text)| {
        let (other_label, other_model) = both(text);
        if *is_join {
            (label.join(other_label), model.join(&other_model))
        } else {
            (label.meet(other_label), model.meet(&other_model))
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn bits_agree_with_words(case in any_case()) {
        for (a, a_model) in case.labels.iter().zip(&case.models) {
            for (b, b_model) in case.labels.iter().zip(&case.models) {
                prop_assert_eq!(a.is_dominated_by(*b), a_model.is_dominated_by(b_model));
                prop_assert_eq!(a == b, a_model == b_model);
            }
            prop_assert_eq!(usize::from(a.level_rank()), a_model.level);
            prop_assert_eq!(a.compartment_count() as usize, a_model.compartments.len());
            for country in case.policy.countries() {
                let code = case.policy.country_code(country);
                let is_on_list = a_model.release.as_ref().is_none_or(|list| list.contains(code));
                prop_assert_eq!(case.policy.releasable_to(*a, country), is_on_list);
            }
        }
    }

    #[test]
    fn what_is_printed_reads_back(case in any_case()) {
        for label in case.labels {
            for text in [case.policy.banner(label), case.policy.portion(label)] {
                let marking = case.policy.parse(&text).unwrap();
                prop_assert_eq!(marking.label(), label);
                prop_assert_eq!(case.policy.label(&marking.banner()), Ok(label));
                prop_assert_eq!(case.policy.parse(&marking.portion().to_lowercase()), Ok(marking));
            }
            prop_assert!(case.policy.admits(label));
            prop_assert!(!label.is_readable_by_nobody());
            prop_assert!(case.policy.lowest().is_dominated_by(label));
        }
    }

    #[test]
    fn the_order_key_extends_dominance(case in any_case()) {
        for a in &case.labels {
            for b in &case.labels {
                let (a_key, b_key) = (case.policy.order_key(*a), case.policy.order_key(*b));
                prop_assert_eq!(a == b, a_key == b_key);
                if a.is_dominated_by(*b) && a != b {
                    prop_assert!(a_key < b_key);
                }
            }
        }
    }

    #[test]
    fn lattice_laws_hold(case in any_case()) {
        let [a, b, c] = case.labels[..] else { unreachable!("three labels a case") };
        prop_assert_eq!(a.is_dominated_by(c) && b.is_dominated_by(c), a.join(b).is_dominated_by(c));
        prop_assert_eq!(c.is_dominated_by(a) && c.is_dominated_by(b), c.is_dominated_by(a.meet(b)));
        prop_assert_eq!(a.join(a.meet(b)), a);
        prop_assert_eq!(a.meet(a.join(b)), a);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _ = Policy::us().parse(&text);
        let _ = Policy::from_toml(&text);
    }

    #[test]
    fn any_text_of_words_is_read_or_refused(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "U", "S", "TS", "//", "/", "-", " ", ",", "(", ")", "SI", "G", "ABCD", "NOFORN", "REL TO", "USA",
                "GBR", "FVEY", "EYES ONLY", "FGI", "RELIDO", "DISPLAY ONLY", "HCS", "ORCON", "SAR-BP",
            ]),
            0..14,
        )
    ) {
        if let Ok(marking) = Policy::us().parse(&parts.concat()) {
            prop_assert_eq!(Policy::us().parse(&marking.banner()), Ok(marking.clone()));
            prop_assert_eq!(Policy::us().parse(&marking.portion()), Ok(marking.clone()));
            prop_assert_eq!(Policy::us().label(&Policy::us().banner(marking.label())), Ok(marking.label()));
        }
    }
}
