//! Events: one JSON object a line, for whoever keeps a ledger of what came in.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ReceiveError;

/// Bytes of a file of events, about: then it gets the ending `.1`, in place of the one before, and a new one begins.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where events go: a file, or the standard error.
#[derive(Debug)]
pub(crate) struct Events {
    file: Option<Mutex<Log>>,
}

/// A file of events that is bounded.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Log {
    fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, bytes_max })
    }

    fn put(&mut self, line: &str) -> io::Result<()> {
        if self.bytes >= self.bytes_max {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            *self = Self::open(&self.path, self.bytes_max)?;
        }
        self.file.write_all(line.as_bytes())?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

impl Events {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, ReceiveError> {
        let open = |path: &Path| {
            let failed =
                |source| ReceiveError::File { path: path.to_owned(), doing: "events cannot be written", source };
            Log::open(path, FILE_BYTES_MAX).map_err(failed)
        };
        Ok(Self { file: path.map(open).transpose()?.map(Mutex::new) })
    }

    /// Writes an event. What cannot be written stops nothing.
    pub(crate) fn put(&self, event: &str, fields: &[(&str, Value)]) {
        let mut object = Map::new();
        let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        object.insert("time".to_owned(), now.into());
        object.insert("event".to_owned(), event.into());
        object.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let line = Value::Object(object).to_string() + "\n";
        match &self.file {
            Some(file) => {
                let _unwritten = file.lock().unwrap_or_else(PoisonError::into_inner).put(&line);
            }
            None => {
                let _unwritten = std::io::stderr().write_all(line.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_events_is_bounded_and_the_one_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut log = Log::open(&path, 100).unwrap();
        for at in 0..1_000 {
            log.put(&format!("{{\"event\":{at}}}\n")).unwrap();
        }
        let (new, old) =
            (std::fs::read_to_string(&path).unwrap(), std::fs::read_to_string(folder.path().join("events.1")).unwrap());
        assert!(new.ends_with("{\"event\":999}\n") && new.len() <= 120 && old.len() <= 120, "{new}{old}");
        let numbers: Vec<&str> = old.lines().chain(new.lines()).collect();
        assert_eq!(numbers.first(), Some(&format!("{{\"event\":{}}}", 1_000 - numbers.len()).as_str()));
        // What was there before counts.
        let mut log = Log::open(&path, new.len() as u64).unwrap();
        log.put("{}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
