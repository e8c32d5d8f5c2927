//! Who may know whom: the arrows between our crates point only up the house.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Findings, House};
use crate::tree::Metadata;

/// The order of the house: a crate may depend only on those before it.
const HOUSE: [&str; 18] = [
    "label",
    "operation",
    "identity",
    "decide",
    "vault",
    "store",
    "ledger",
    "crossing",
    "guard",
    "gate",
    "s3",
    "iam",
    "trail",
    "diode",
    "diode-send",
    "diode-receive",
    "region",
    "fastness",
];
/// Packages beside the house: they may know everybody, nobody may know them.
const OUTSIDE: [&str; 3] = ["fastness-bench", "fastness-fuzz", "xtask"];
const SNAPSHOT: &str = "xtask/dependency-graph.txt";

/// The normal dependencies between our crates, by short name.
type Graph = BTreeMap<String, Vec<String>>;

/// Writes the graph as it is.
pub fn bless(root: &Path, metadata: &Metadata) -> Result<()> {
    let path = root.join(SNAPSHOT);
    std::fs::write(&path, print(&graph(metadata))).with_context(|| format!("`{SNAPSHOT}` cannot be written"))
}

/// Checks the arrows, and the graph against its snapshot.
pub fn check(house: &House<'_>, findings: &mut Findings) {
    let graph = graph(house.metadata);
    check_arrows(&graph, findings);
    let snapshot = std::fs::read_to_string(house.root.join(SNAPSHOT)).unwrap_or_default();
    let now = print(&graph);
    for line in now.lines().filter(|line| !snapshot.lines().any(|other| other == *line)) {
        findings.push(format!(
            "{SNAPSHOT}: `{line}` is not in the snapshot: a new arrow is a change of architecture, so it is shown in the \
             change; if it is meant, `cargo xtask tidy --bless`"
        ));
    }
    for line in snapshot.lines().filter(|line| !now.lines().any(|other| other == *line)) {
        findings.push(format!("{SNAPSHOT}: `{line}` is no longer so: `cargo xtask tidy --bless` if that is meant"));
    }
}

fn check_arrows(graph: &Graph, findings: &mut Findings) {
    for (from, targets) in graph {
        let Some(floor) = position(from) else {
            findings.push(format!(
                "crate `{from}` has no place in the order of the house (`HOUSE` in xtask/src/tidy/graph.rs): without one, \
                 nobody knows who may depend on it"
            ));
            continue;
        };
        for to in targets {
            if position(to).is_none_or(|ceiling| ceiling >= floor) {
                findings.push(format!(
                    "crate `{from}` depends on `{to}`, which does not stand before it in the order of the house ({}): \
                     arrows point one way, so that a part can be read and tested without what stands on it",
                    HOUSE.join(", ")
                ));
            }
        }
    }
}

fn position(name: &str) -> Option<usize> {
    HOUSE.iter().position(|other| *other == name)
}

fn short(name: &str) -> String {
    name.strip_prefix("fastness-").filter(|_| !OUTSIDE.contains(&name)).unwrap_or(name).to_owned()
}

fn graph(metadata: &Metadata) -> Graph {
    let mut graph = Graph::new();
    for package in metadata.packages.iter().filter(|package| !OUTSIDE.contains(&package.name.as_str())) {
        let ours = package.dependencies.iter().filter(|other| other.path.is_some() && other.kind.is_none());
        let mut targets: Vec<String> = ours.map(|other| short(&other.name)).collect();
        targets.sort_by_key(|name| (position(name), name.clone()));
        targets.dedup();
        graph.insert(short(&package.name), targets);
    }
    graph
}

fn print(graph: &Graph) -> String {
    let mut lines: Vec<_> = graph.iter().collect();
    lines.sort_by_key(|(name, _)| (position(name).unwrap_or(HOUSE.len()), (*name).clone()));
    let lines =
        lines.into_iter().map(|(name, targets)| format!("{name}: {}", targets.join(" ")).trim_end().to_owned() + "\n");
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(arrows: &[(&str, &[&str])]) -> Findings {
        let own =
            |(from, to): &(&str, &[&str])| ((*from).to_owned(), to.iter().map(|name| (*name).to_owned()).collect());
        let mut findings = Findings::new();
        check_arrows(&arrows.iter().map(own).collect(), &mut findings);
        findings
    }

    #[test]
    fn arrows_up_the_house_are_fine() {
        assert_eq!(findings(&[("label", &[]), ("gate", &["label", "ledger"])]), Findings::new());
    }

    #[test]
    fn an_arrow_down_to_itself_or_out_of_the_house_is_found() {
        assert_eq!(findings(&[("label", &["gate"])]).len(), 1);
        assert_eq!(findings(&[("gate", &["gate"])]).len(), 1);
        assert_eq!(findings(&[("gate", &["fastness-bench"])]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(findings(&[("shed", &[])]).len(), 1);
    }

    #[test]
    fn the_snapshot_is_in_the_order_of_the_house() {
        let graph: Graph =
            [("store".to_owned(), vec!["label".to_owned(), "vault".to_owned()]), ("label".to_owned(), Vec::new())]
                .into();
        assert_eq!(print(&graph), "label:\nstore: label vault\n");
    }
}
