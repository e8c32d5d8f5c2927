//! What was sent, in a small file that is replaced whole.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use fastness_diode::{BundleNumber, Numbers};
use serde_json::{Value, json};

use crate::SendError;

/// The state: which bundles were sent, and need not be sent again.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    sent: Numbers,
    /// The highest number that ever was sent: it stays when that bundle is to be sent again.
    highest: Option<BundleNumber>,
}

impl State {
    /// Reads the state; nothing was sent if there is none.
    pub(crate) fn load(path: &Path) -> Result<Self, SendError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), sent: Numbers::default(), highest: None });
            }
            Err(source) => {
                return Err(SendError::File { path: path.to_owned(), doing: "the state cannot be read", source });
            }
        };
        let wrong = |problem: String| SendError::State { path: path.to_owned(), problem };
        let value: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if value.get("version") != Some(&json!(1)) {
            return Err(wrong("it has another version".to_owned()));
        }
        let sent = value.get("sent").and_then(Value::as_str).ok_or_else(|| wrong("`sent` is missing".to_owned()))?;
        let sent: Numbers = sent.parse().map_err(|error: fastness_diode::NumberError| wrong(error.to_string()))?;
        let highest = match value.get("highest") {
            None | Some(Value::Null) => None,
            Some(number) => {
                let number = number.as_u64().and_then(BundleNumber::new);
                Some(number.ok_or_else(|| wrong("`highest` is no bundle number".to_owned()))?)
            }
        };
        let highest = highest.max(sent.highest());
        Ok(Self { path: path.to_owned(), sent, highest })
    }

    pub(crate) fn was_sent(&self, number: BundleNumber) -> bool {
        self.sent.contains(number)
    }

    pub(crate) fn highest(&self) -> Option<BundleNumber> {
        self.highest
    }

    /// Remembers that bundles were sent. Durable when it returns.
    pub(crate) fn add(&mut self, numbers: impl IntoIterator<Item = BundleNumber>) -> Result<(), SendError> {
        numbers.into_iter().for_each(|number| self.sent.insert(number));
        self.highest = self.highest.max(self.sent.highest());
        self.write()
    }

    /// Forgets that bundles were sent, because they are to be sent again. Durable when it returns: whoever asked need
    /// not ask again if this program is killed before they are sent. Says whether the state has room for so many ranges;
    /// it stays as it was if not.
    pub(crate) fn forget(&mut self, numbers: &Numbers) -> Result<bool, SendError> {
        let mut sent = self.sent.clone();
        numbers.ranges().for_each(|(first, last)| sent.remove_range(first, last));
        if sent.range_count() > Numbers::RANGES_MAX {
            return Ok(false);
        }
        if sent != self.sent {
            self.sent = sent;
            self.write()?;
        }
        Ok(true)
    }

    fn write(&self) -> Result<(), SendError> {
        let highest = self.highest.map(BundleNumber::get);
        let value = json!({ "version": 1, "sent": self.sent.to_string(), "highest": highest });
        let text = value.to_string() + "\n";
        let new = self.path.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            std::fs::rename(&new, &self.path)?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|source| SendError::File {
            path: self.path.clone(),
            doing: "the state cannot be written",
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let number = |number| BundleNumber::new(number).unwrap();
        let mut state = State::load(&path).unwrap();
        assert_eq!(state.highest(), None);
        state.add([number(1), number(2), number(7)]).unwrap();
        let state = State::load(&path).unwrap();
        assert!(state.was_sent(number(2)) && !state.was_sent(number(3)));
        assert_eq!(state.highest(), Some(number(7)));
    }

    #[test]
    fn what_is_to_be_sent_again_is_durably_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let number = |number| BundleNumber::new(number).unwrap();
        let mut state = State::load(&path).unwrap();
        state.add((1..=9).map(number)).unwrap();
        assert!(state.forget(&"2-3, 9, 40".parse().unwrap()).unwrap());
        let mut state = State::load(&path).unwrap();
        let sent: Vec<bool> = (1..=9).map(|at| state.was_sent(number(at))).collect();
        assert_eq!(sent, [true, false, false, true, true, true, true, true, false]);
        // It is announced as before.
        assert_eq!(state.highest(), Some(number(9)));
        // As many ranges as no state may have.
        let most = u64::try_from(Numbers::RANGES_MAX).unwrap();
        state.add([number(4 * most)]).unwrap();
        state.sent.insert_range(number(1), number(4 * most));
        let every_other: Numbers = (1..=most).map(|at| number(2 * at)).collect();
        assert!(!state.forget(&every_other).unwrap());
        assert!(state.was_sent(number(2)));
    }

    #[test]
    fn a_state_that_is_none_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for (text, words) in [
            ("", "EOF"),
            ("{}", "another version"),
            (r#"{"version":1}"#, "`sent` is missing"),
            (r#"{"version":1,"sent":"5-3"}"#, "ends before it begins"),
            (r#"{"version":1,"sent":"1","highest":0}"#, "`highest` is no bundle number"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = State::load(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
