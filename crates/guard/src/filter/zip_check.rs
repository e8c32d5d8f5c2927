//! The other reader of ZIP: `rawzip` for the structure, `zune-inflate` for what is compressed. It wants the same entries in
//! both archives, and the archive that came to be covered by them from its first byte to its last.

use crate::Kind;
use crate::filter::differs;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use rawzip::{CompressionMethod, ZipArchive, ZipSliceEntry};
use zune_inflate::{DeflateDecoder, DeflateOptions};

/// What may stand behind an entry's data: the longest data descriptor (APPNOTE 4.3.9, with ZIP64).
const DESCRIPTOR_BYTES_MAX: u64 = 24;

/// Parts: the archive before and after, then each entry's content before, then each one's after.
pub(crate) fn run(_: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let [before, after, entries @ ..] = contents else { return Err(differs("nothing was to be compared")) };
    let (old, new) = entries.split_at(task.entries.len().min(entries.len()));
    compare(before, &task.entries, old)?;
    compare(after, &task.entries, new)?;
    Ok(Done::default())
}

fn ambiguous() -> Refusal {
    Refusal::new(Kind::Ambiguous, "the second reader does not take it for a ZIP")
}

fn compare(content: &[u8], names: &[String], entries: &[Vec<u8>]) -> Result<(), Refusal> {
    let archive = ZipArchive::from_slice(content).map_err(|_| ambiguous())?;
    if archive.end_offset() != content.len() as u64 || !archive.comment().as_bytes().is_empty() {
        return Err(Refusal::new(Kind::Trailing, "bytes after the end of the archive, or a comment"));
    }
    let mut expected = names.iter().zip(entries);
    let (mut spans, mut records) = (Vec::new(), archive.entries());
    while let Some(record) = records.next_entry().map_err(|_| ambiguous())? {
        let entry = archive.get_entry(record.wayfinder()).map_err(|_| ambiguous())?;
        let local = entry.local_header();
        if local.file_path().as_bytes() != record.file_path().as_bytes() {
            return Err(differs("an entry has two names"));
        }
        if local.compression_method() != record.compression_method() || local.flags() != record.flags() {
            return Err(differs("an entry's two headers"));
        }
        spans.push((record.local_header_offset(), entry.compressed_data_range().1));
        if record.is_dir() {
            continue;
        }
        let (name, expected) = expected.next().ok_or_else(|| differs("the entries of the archive"))?;
        if record.file_path().as_bytes() != name.as_bytes() {
            return Err(differs("the names of entries"));
        }
        let size = usize::try_from(record.uncompressed_size_hint()).unwrap_or(usize::MAX);
        let method = record.compression_method();
        if size != expected.len() || !is_same(&entry, method, expected)? {
            return Err(differs("the content of an entry"));
        }
    }
    if expected.next().is_some() {
        return Err(differs("the entries of the archive"));
    }
    check_cover(spans, archive.directory_offset())
}

fn is_same(entry: &ZipSliceEntry<'_>, method: CompressionMethod, expected: &[u8]) -> Result<bool, Refusal> {
    match method {
        CompressionMethod::STORE => Ok(entry.data() == expected),
        CompressionMethod::DEFLATE => {
            let options =
                DeflateOptions::default().set_limit(expected.len().saturating_add(1)).set_size_hint(expected.len());
            let expanded = DeflateDecoder::new_with_options(entry.data(), options).decode_deflate();
            Ok(expanded.map_err(|_| differs("an entry that only one reader can expand"))? == expected)
        }
        _ => Err(ambiguous()),
    }
}

/// Nothing but entries from the first byte to the directory, one after the other.
fn check_cover(mut spans: Vec<(u64, u64)>, directory: u64) -> Result<(), Refusal> {
    spans.sort_unstable();
    let mut end = 0_u64;
    for (from, to) in spans.into_iter().chain([(directory, directory)]) {
        if from < end || from > end.saturating_add(if end == 0 { 0 } else { DESCRIPTOR_BYTES_MAX }) {
            return Err(Refusal::new(Kind::Trailing, "bytes between the entries, or entries that overlap"));
        }
        end = to;
    }
    Ok(())
}
