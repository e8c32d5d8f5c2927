//! The journal: which bundles came, and so which are missing. A small file that is replaced whole.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use fastness_diode::{BundleNumber, Numbers};
use serde_json::{Value, json};

use crate::ReceiveError;

const FILE: &str = "journal.json";
/// The most ranges that the journal keeps: a sender that skips every other number fills it up, not the disk.
const RANGES_MAX: usize = 1 << 16;

/// The journal.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    /// The first bundle that is waited for.
    first: BundleNumber,
    /// The highest number that the sender spoke of.
    highest: Option<BundleNumber>,
    received: Numbers,
    under_way: Numbers,
}

impl Journal {
    /// Reads the journal; nothing came if there is none. `first` is where it begins then.
    pub(crate) fn load(work: &Path, first: Option<BundleNumber>) -> Result<Self, ReceiveError> {
        let path = work.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let first = first.unwrap_or(BundleNumber::FIRST);
                let (received, under_way) = Default::default();
                return Ok(Self { path, first, highest: None, received, under_way });
            }
            Err(source) => return Err(ReceiveError::File { path, doing: "the journal cannot be read", source }),
        };
        let parsed = parse(&text).map_err(|problem| ReceiveError::Journal { path: path.clone(), problem })?;
        Ok(Self { path, first: first.unwrap_or(parsed.0), highest: parsed.1, received: parsed.2, under_way: parsed.3 })
    }

    /// Writes it. Durable when it returns.
    pub(crate) fn save(&self) -> std::io::Result<()> {
        let highest = self.highest.map(BundleNumber::get);
        let (received, under_way) = (self.received.to_string(), self.under_way.to_string());
        let value = json!({
            "version": 1, "first": self.first.get(), "highest": highest, "received": received, "under_way": under_way,
        });
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all((value.to_string() + "\n").as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&new, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    pub(crate) fn has(&self, number: BundleNumber) -> bool {
        self.received.contains(number)
    }

    /// Whether there is room to note another bundle.
    pub(crate) fn has_room(&self) -> bool {
        self.received.range_count() < RANGES_MAX
    }

    pub(crate) fn receive(&mut self, number: BundleNumber) {
        self.received.insert(number);
        self.hear_of(number);
    }

    /// Takes note that the sender spoke of a bundle; says whether that is news.
    pub(crate) fn hear_of(&mut self, number: BundleNumber) -> bool {
        let is_news = self.highest.is_none_or(|highest| highest < number);
        self.highest = self.highest.max(Some(number));
        is_news
    }

    pub(crate) fn set_under_way(&mut self, numbers: impl IntoIterator<Item = BundleNumber>) {
        self.under_way = numbers.into_iter().collect();
    }

    /// What did not come, and is not under way.
    pub(crate) fn missing(&self) -> Numbers {
        let Some(highest) = self.highest else { return Numbers::default() };
        let mut there = self.received.clone();
        self.under_way.ranges().for_each(|(first, last)| there.insert_range(first, last));
        there.missing(self.first, highest)
    }

    /// The gap list for people and for `--resend`.
    pub(crate) fn gaps_text(&self) -> String {
        self.missing().to_string() + "\n"
    }

    /// The gap list for programs.
    pub(crate) fn gaps_json(&self) -> Value {
        let pairs = |numbers: &Numbers| -> Vec<[u64; 2]> {
            numbers.ranges().map(|(first, last)| [first.get(), last.get()]).collect()
        };
        let missing = self.missing();
        json!({
            "first": self.first.get(),
            "highest": self.highest.map(BundleNumber::get),
            "received": self.received.count(),
            "missing": missing.to_string(),
            "missing_ranges": pairs(&missing),
            "under_way": pairs(&self.under_way),
        })
    }
}

type Parsed = (BundleNumber, Option<BundleNumber>, Numbers, Numbers);

fn parse(text: &str) -> Result<Parsed, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if value.get("version") != Some(&json!(1)) {
        return Err("it has another version".to_owned());
    }
    let number = |name: &str| value.get(name).and_then(Value::as_u64).and_then(BundleNumber::new);
    let numbers = |name: &str| -> Result<Numbers, String> {
        let text = value.get(name).and_then(Value::as_str).ok_or_else(|| format!("`{name}` is missing"))?;
        text.parse().map_err(|error: fastness_diode::NumberError| error.to_string())
    };
    let first = number("first").ok_or_else(|| "`first` is missing".to_owned())?;
    Ok((first, number("highest"), numbers("received")?, numbers("under_way")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> BundleNumber {
        BundleNumber::new(number).unwrap()
    }

    #[test]
    fn gaps_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::load(folder.path(), None).unwrap();
        assert_eq!(journal.gaps_text(), "\n");
        [2, 3, 7].into_iter().for_each(|at| journal.receive(number(at)));
        assert!(journal.hear_of(number(9)) && !journal.hear_of(number(4)));
        journal.set_under_way([number(9)]);
        journal.save().unwrap();
        let journal = Journal::load(folder.path(), None).unwrap();
        assert_eq!(journal.gaps_text(), "1, 4-6, 8\n");
        let json = journal.gaps_json();
        assert_eq!(json["missing_ranges"], json!([[1, 1], [4, 6], [8, 8]]));
        assert_eq!((&json["highest"], &json["received"], &json["under_way"]), (&json!(9), &json!(3), &json!([[9, 9]])));
        let later = Journal::load(folder.path(), Some(number(5))).unwrap();
        assert_eq!(later.gaps_text(), "5-6, 8\n");
    }

    #[test]
    fn a_journal_that_is_none_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        for (text, words) in [
            ("x", "expected value"),
            (r#"{"version":2}"#, "another version"),
            (r#"{"version":1}"#, "`first` is missing"),
            (r#"{"version":1,"first":1,"highest":1}"#, "`received` is missing"),
            (r#"{"version":1,"first":1,"received":"0"}"#, "whole numbers from 1"),
        ] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let error = Journal::load(folder.path(), None).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
