//! What was sent, in a small file that is replaced whole.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use fastness_diode::{BundleNumber, Numbers};
use serde_json::{Value, json};

use crate::SendError;

/// The state: which bundles were sent.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    sent: Numbers,
}

impl State {
    /// Reads the state; nothing was sent if there is none.
    pub(crate) fn load(path: &Path) -> Result<Self, SendError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), sent: Numbers::default() });
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
        let sent = sent.parse().map_err(|error: fastness_diode::NumberError| wrong(error.to_string()))?;
        Ok(Self { path: path.to_owned(), sent })
    }

    pub(crate) fn was_sent(&self, number: BundleNumber) -> bool {
        self.sent.contains(number)
    }

    pub(crate) fn highest(&self) -> Option<BundleNumber> {
        self.sent.highest()
    }

    /// Remembers that bundles were sent. Durable when it returns.
    pub(crate) fn add(&mut self, numbers: impl IntoIterator<Item = BundleNumber>) -> Result<(), SendError> {
        numbers.into_iter().for_each(|number| self.sent.insert(number));
        let text = json!({ "version": 1, "sent": self.sent.to_string() }).to_string() + "\n";
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
    fn a_state_that_is_none_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for (text, words) in [
            ("", "EOF"),
            ("{}", "another version"),
            (r#"{"version":1}"#, "`sent` is missing"),
            (r#"{"version":1,"sent":"5-3"}"#, "ends before it begins"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = State::load(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
