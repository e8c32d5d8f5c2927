use super::*;
use crate::entry::tests::entry;
use crate::note::SigningKeys;
use crate::tree::{Frontier, Hashes, consistency, inclusion};
use crate::{Entry, Outcome};
use std::convert::Infallible;

const REGION: &str = "fastness/us-isob-east-1";
const LOG: &str = "fastness/us-isob-east-1/SECRET";

struct Leaves(Vec<Hash>);

impl Hashes for Leaves {
    type Error = Infallible;

    fn hashes(&self, _: u8, from: u64, to: u64) -> Result<Vec<Hash>, Infallible> {
        Ok(self.0[from as usize..to as usize].to_vec())
    }
}

fn keys() -> SigningKeys {
    SigningKeys::from_seeds(&[3; 32], &[4; 32]).unwrap()
}

/// A package of seven records of a log of a hundred: fields withheld of some, one withheld as a whole. The log grew while
/// it was written.
fn package() -> Vec<String> {
    let row = |number: u64| {
        let each = Outcome::Each(vec![Outcome::Done(None), Outcome::Refused("request".into(), "NoSuchKey".into())]);
        let outcome = if number.is_multiple_of(3) { each } else { Outcome::Done(None) };
        let bytes = Entry { outcome, time_ms: number as i64, ..entry() }.record(&[number as u8; 32]);
        let (commitment, content) = bytes.split_first_chunk().unwrap();
        (*commitment, Recorded::read(content).unwrap())
    };
    let rows: Vec<(Hash, Recorded)> = (0..100).map(row).collect();
    let leaves = Leaves(rows.iter().map(|(commitment, _)| leaf_hash(commitment)).collect());
    let signed = |size: u64, old: u64| {
        let mut frontier = Frontier::default();
        leaves.0[..size as usize].iter().for_each(|leaf| frontier.push(*leaf, |_| ()));
        let checkpoint = Checkpoint { origin: LOG.to_owned(), size, root: frontier.root() };
        let checkpoint = keys().sign(LOG, checkpoint.to_string()).unwrap().to_string();
        let extends = consistency(&leaves, old, size).unwrap();
        let extends = extends.iter().map(|hash| STANDARD.encode(hash)).collect();
        serde_json::to_string(&PackageCheckpoint { checkpoint, extends }).unwrap()
    };
    let hidden = vec!["key".to_owned(), "source".to_owned()];
    let known = keys().of_log(REGION).map(|key| key.to_string()).to_vec();
    let head = PackageHead::new("all of ann's".to_owned(), hidden.clone(), known);
    let mut lines = vec![serde_json::to_string(&head).unwrap(), signed(70, 0)];
    for index in [0, 1, 2, 50, 63, 64, 99] {
        if index == 64 {
            lines.push(signed(100, 70));
        }
        let size = if index < 64 { 70 } else { 100 };
        let proof = inclusion(&leaves, index, size).unwrap();
        let (commitment, recorded) = &rows[index as usize];
        let record = match index {
            50 => DisclosedRecord::withheld(LOG.to_owned(), index, commitment, &proof),
            _ => DisclosedRecord::fields(LOG.to_owned(), index, recorded, &hidden, &proof),
        };
        lines.push(serde_json::to_string(&record).unwrap());
    }
    lines.push(serde_json::to_string(&PackageEnd { records: 7 }).unwrap());
    lines
}

fn verify(lines: &[String]) -> Result<PackageReport, PackageFinding> {
    let text = lines.join("\n") + "\n";
    verify_package(text.as_bytes(), &keys().of_log(REGION), |_| ()).unwrap()
}

#[test]
fn a_package_is_checked_with_public_keys_alone() {
    let lines = package();
    let report = verify(&lines).unwrap();
    assert_eq!(report.logs, [(LOG.to_owned(), 100)]);
    assert_eq!((report.records, report.withheld_records, report.withheld_fields), (7, 1, 12));
    assert_eq!(report.chosen, "all of ann's");
    assert_eq!(report.checkpoints.iter().map(|one| one.size).collect::<Vec<_>>(), [70, 100]);
    for hidden in ["AKIAEXAMPLEEXAMPLE12", "127.0.0.1"] {
        assert!(!lines.join("").contains(hidden), "{hidden} is withheld");
    }
    assert!(lines.join("").contains("aws-cli/2.15.0"));
}

#[test]
fn whatever_is_changed_is_found_in_its_line() {
    let lines = package();
    let bad = |line: u64, says: &str, change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = lines.clone();
        change(&mut changed);
        assert_ne!(changed, lines);
        let finding = verify(&changed).expect_err(says);
        assert!(finding.line == line && finding.what.contains(says), "{finding} instead of {says}");
    };
    let edit = |line: usize, from: &'static str, to: &'static str| {
        move |lines: &mut Vec<String>| lines[line] = lines[line].replacen(from, to, 1)
    };
    // Lines: head, checkpoint, records 0, 1, 2, 50, 63, checkpoint, records 64, 99, end.
    bad(3, "was changed", &edit(2, "user/ann", "user/bob"));
    bad(4, "was changed", &edit(3, "\"index\":1", "\"index\":2"));
    bad(4, "was changed", &edit(3, "write b/k", "write b/l"));
    bad(4, "not 32 bytes", &|lines| lines[3] = lines[3].replacen("\"proof\":[\"", "\"proof\":[\"A", 1));
    bad(5, "stands where", &edit(4, "\"name\":\"service\"", "\"name\":\"operation\""));
    bad(5, "salt", &edit(4, "\"salt\":\"", "\"salt\":\"0"));
    bad(6, "was changed", &|lines| {
        let at = lines[5].find("withheld\":\"").unwrap() + 20;
        let other = if lines[5].as_bytes()[at] == b'A' { "B" } else { "A" };
        lines[5].replace_range(at..=at, other);
    });
    bad(10, "14 fields", &|lines| {
        let end = lines[9].find(",{\"name\":\"source\"").unwrap();
        let close = lines[9].find("]},\"proof\"").unwrap();
        lines[9].replace_range(end..close, "");
    });
    bad(2, "does not fit", &edit(1, "\\n70\\n", "\\n71\\n"));
    bad(2, "no known key", &|lines| {
        let other = SigningKeys::from_seeds(&[9; 32], &[9; 32]).unwrap();
        let mut signed: PackageCheckpoint = serde_json::from_str(&lines[1]).unwrap();
        let text = signed.checkpoint.split_inclusive('\n').take(3).collect::<String>();
        signed.checkpoint = other.sign(LOG, text).unwrap().to_string();
        lines[1] = serde_json::to_string(&signed).unwrap();
    });
    bad(2, "no key that you trust", &|lines| lines[1] = lines[1].replace("us-isob-east-1", "us-iso-east-1"));
    bad(8, "does not extend", &|lines| {
        let mut signed: PackageCheckpoint = serde_json::from_str(&lines[7]).unwrap();
        signed.extends.swap(0, 1);
        lines[7] = serde_json::to_string(&signed).unwrap();
    });
    bad(8, "a wrong length", &|lines| drop(lines.remove(7)));
    bad(1, "format", &edit(0, "disclosure 1", "disclosure 2"));
    bad(3, "has no checkpoint", &edit(2, "/SECRET\"", "/SECRETS\""));
    bad(10, "says 7 records, 6", &|lines| drop(lines.remove(3)));
    bad(11, "cut off", &|lines| drop(lines.pop()));
    bad(12, "follows", &|lines| lines.push(String::new()));
    bad(1, "no disclosure package", &|lines| lines[0].truncate(40));
    bad(3, "no record", &|lines| lines[2].truncate(40));
    bad(3, "no record", &edit(2, "\"proof\"", "\"proofs\""));
    // What the head says of all records holds for each.
    bad(3, "`key` is withheld, against", &edit(0, "[\"key\",", "["));
    bad(3, "`agent` is shown, against", &edit(0, "[\"key\",", "[\"key\",\"agent\","));
    bad(1, "no field", &edit(0, "[\"key\",", "[\"kez\","));
    bad(1, "named twice", &edit(0, "[\"key\",", "[\"key\",\"key\","));
    bad(1, "`keys` holds", &edit(0, "\"keys\":[\"", "\"keys\":[\"no\",\""));
    // One record counts once.
    bad(5, "in the package already", &|lines| lines.insert(4, lines[3].clone()));
}

#[test]
fn a_line_is_written_in_one_way() {
    let lines = package();
    let changed = |line: usize, from: &str, to: &str| {
        let mut changed = lines.clone();
        changed[line] = changed[line].replacen(from, to, 1);
        assert_ne!(changed, lines);
        verify(&changed).unwrap_err().what
    };
    let record: serde_json::Value = serde_json::from_str(&lines[2]).unwrap();
    let salt = record.pointer("/record/fields/0/salt").unwrap().as_str().unwrap().to_owned();
    // What another reader takes for the same number.
    assert!(changed(2, &salt, &format!("+{}", &salt[1..])).contains("salt"));
    if salt != salt.to_uppercase() {
        assert!(changed(2, &salt, &salt.to_uppercase()).contains("salt"));
    }
    // Members without names.
    let list = serde_json::json!([record["log"], record["index"], record["record"], record["proof"]]).to_string();
    assert!(serde_json::from_str::<DisclosedRecord>(&list).is_ok(), "the parser takes it");
    assert!(changed(2, &lines[2], &list).contains("not written as"));
    let end = lines.len() - 1;
    assert!(changed(end, "{\"records\":7}", "[7]").contains("no record"));
}

#[test]
fn a_checkpoint_from_elsewhere_is_compared_where_it_can_be() {
    let report = verify(&package()).unwrap();
    let [older, newer] = &report.checkpoints[..] else { panic!("two checkpoints") };
    assert_eq!(report.compare(older), Ok(true));
    assert_eq!(report.compare(newer), Ok(true));
    assert_eq!(report.compare(&Checkpoint { root: [9; 32], ..newer.clone() }), Ok(false), "forked");
    let not = |other: &Checkpoint, says: &str| assert!(report.compare(other).unwrap_err().contains(says));
    not(&Checkpoint { size: 99, ..newer.clone() }, "over 70 and 100");
    not(&Checkpoint { origin: format!("{REGION}/region"), ..newer.clone() }, "no checkpoint of the log");
}

/// Not a promise, a limit: which records are there is the sender's word.
#[test]
fn a_record_that_was_left_out_is_not_missed() {
    let mut lines = package();
    lines.remove(3);
    let end = lines.len() - 1;
    lines[end] = lines[end].replace('7', "6");
    assert_eq!(verify(&lines).unwrap().records, 6);
    assert!(lines[0].contains("that none was left out is not"), "and the package says so");
}
