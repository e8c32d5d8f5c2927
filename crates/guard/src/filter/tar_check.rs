//! The other reader of tar, `tar-no-std`. It knows the ustar form alone, so that what an extended header or a long name of
//! GNU would change is a difference, and refused.

use crate::Kind;
use crate::filter::differs;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use tar_no_std::TarArchiveRef;

/// Parts: the archive before and after, then each entry's content before, then each one's after.
pub(crate) fn run(_: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let [before, after, entries @ ..] = contents else { return Err(differs("nothing was to be compared")) };
    let (old, new) = entries.split_at(task.entries.len().min(entries.len()));
    compare(before, &task.entries, old)?;
    compare(after, &task.entries, new)?;
    Ok(Done::default())
}

fn compare(content: &[u8], names: &[String], entries: &[Vec<u8>]) -> Result<(), Refusal> {
    let ambiguous = || Refusal::new(Kind::Ambiguous, "the second reader does not take it for a tar");
    if names.is_empty() {
        return Ok(());
    }
    let archive = TarArchiveRef::new(content).map_err(|_| ambiguous())?;
    let mut found = archive.entries();
    for (name, expected) in names.iter().zip(entries) {
        let entry = found.next().ok_or_else(|| differs("the entries of the archive"))?;
        let own = entry.filename();
        let own = own.as_str().map_err(|_| ambiguous())?;
        if own.strip_prefix("./").unwrap_or(own) != name {
            return Err(differs("the names of entries"));
        }
        if entry.data() != expected.as_slice() {
            return Err(differs("the content of an entry"));
        }
    }
    if found.next().is_some() { Err(differs("the entries of the archive")) } else { Ok(()) }
}
