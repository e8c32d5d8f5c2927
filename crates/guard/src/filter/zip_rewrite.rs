//! ZIP, opened and written anew by `zip`: files alone, deflated, without dates, rights, comments and extra fields.

use crate::Kind;
use crate::filter::only;
use crate::filter::path::{Names, place};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// What makes a ZIP an Office document, an OpenDocument or a book, a program of Java or of Android.
const DISGUISED: &[&str] =
    &["[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF", "META-INF/container.xml", "AndroidManifest.xml"];

/// The archive's entries, each within the bounds.
pub(crate) fn open(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let malformed = |what: &str| Refusal::new(Kind::Malformed, what);
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(|_| malformed("it is not a sound ZIP"))?;
    if archive.offset() != 0 {
        return Err(Refusal::new(Kind::Trailing, "bytes before the beginning of the archive"));
    }
    if archive.len() > rules.bounds().entries {
        return Err(Refusal::new(Kind::Count, "more entries than the policy allows"));
    }
    if archive.has_duplicate_names() {
        return Err(Refusal::new(Kind::Duplicate, "the same name twice in one archive"));
    }
    if archive.has_overlapping_entries().map_err(|_| malformed("it is not a sound ZIP"))? {
        return Err(Refusal::new(Kind::Bomb, "entries that overlap"));
    }
    let (mut done, mut names, mut room) = (Done::default(), Names::default(), room(rules, content.len()));
    let mut folders = 0;
    for index in 0..archive.len() {
        let about = archive.by_index_data(index).map_err(|_| malformed("an entry that cannot be read"))?;
        let name = about.name().map_err(|_| Refusal::new(Kind::Name, "a name that is not UTF-8"))?.into_owned();
        let at = place(&name);
        if about.encrypted() {
            return Err(Refusal::new(Kind::Encrypted, "an entry that is encrypted").at(at));
        }
        let kind = about.unix_mode().map_or(0, |mode| mode & 0o170_000);
        if about.is_symlink() || !matches!(kind, 0 | 0o100_000 | 0o040_000) {
            return Err(Refusal::new(Kind::Special, "a link or a device").at(at));
        }
        if about.is_dir() {
            crate::filter::path::check(rules, name.trim_end_matches('/')).map_err(|refusal| refusal.at(at))?;
            folders += 1;
            continue;
        }
        if !matches!(about.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(Refusal::new(Kind::Unverifiable, "a method of compression that is not read").at(at));
        }
        if DISGUISED.contains(&name.as_str()) {
            return Err(Refusal::new(Kind::Type, "a document or a program that has the form of a ZIP").at(at));
        }
        names.add(rules, &name)?;
        let file = archive.by_index(index).map_err(|_| malformed("an entry that cannot be read").at(at.clone()))?;
        let entry = room.read(file, rules).map_err(|refusal| refusal.at(at))?;
        done.entries.push(name);
        done.parts.push(entry);
    }
    names.finish()?;
    Ok(if folders > 0 { done.note("folders without files of their own were left out") } else { done })
}

/// The archive of these entries.
pub(crate) fn run(_: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let unwritable = |_| Refusal::new(Kind::Malformed, "the archive cannot be written anew");
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::DEFAULT
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644);
    for (name, content) in task.entries.iter().zip(contents) {
        writer.start_file(name, options).map_err(unwritable)?;
        writer.write_all(content).map_err(|error| unwritable(error.into()))?;
    }
    let archive = writer.finish().map_err(unwritable)?;
    Ok(Done::content(archive.into_inner()).note("the archive was written anew, without dates, rights and comments"))
}

/// What may still expand out of an archive.
pub(crate) struct Room(usize);

/// The room of an archive of so many bytes: beyond the first MiB, no more than the policy's ratio.
pub(crate) fn room(rules: &Rules, archive_bytes: usize) -> Room {
    let bounds = rules.bounds();
    let by_ratio = archive_bytes.saturating_mul(bounds.expansion_ratio).max(1 << 20);
    Room(bounds.expanded_bytes.min(by_ratio))
}

impl Room {
    /// Reads one entry to its end.
    pub(crate) fn read(&mut self, from: impl Read, rules: &Rules) -> Result<Vec<u8>, Refusal> {
        let most = self.0.min(rules.bounds().content_bytes);
        let mut content = Vec::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        let read = from.take(limit).read_to_end(&mut content);
        if content.len() > most {
            return Err(Refusal::new(Kind::Bomb, "more expands out of it than the policy allows"));
        }
        read.map_err(|_| Refusal::new(Kind::Malformed, "an entry that cannot be expanded"))?;
        self.0 = self.0.saturating_sub(content.len());
        Ok(content)
    }
}
