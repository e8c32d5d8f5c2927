//! gzip (RFC 1952), opened and written anew by `flate2`: one member, without a name, a date or a comment.

use crate::Kind;
use crate::filter::only;
use crate::filter::zip_rewrite::room;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use std::io::Write;

/// Written where the operating system stands: unknown.
const NO_SYSTEM: u8 = 255;

/// What is inside, under the name of the outside without its ending.
pub(crate) fn open(rules: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let mut rest = content;
    let expanded = room(rules, content.len()).read(GzDecoder::new(&mut rest), rules)?;
    if !rest.is_empty() {
        return Err(Refusal::new(Kind::Trailing, "bytes after the end, or a second member"));
    }
    let own = task.name.rsplit('/').next().unwrap_or_default();
    let inside = match own.rsplit_once('.') {
        Some((stem, ending)) if ending.eq_ignore_ascii_case("tgz") => format!("{stem}.tar"),
        Some((stem, _)) => stem.to_owned(),
        None => own.to_owned(),
    };
    Ok(Done { entries: vec![inside], parts: vec![expanded], ..Done::default() })
}

/// The member of this content.
pub(crate) fn run(_: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let mut writer = GzBuilder::new().mtime(0).operating_system(NO_SYSTEM).write(Vec::new(), Compression::default());
    let written = writer.write_all(content).and_then(|()| writer.finish());
    let anew = written.map_err(|_| Refusal::new(Kind::Malformed, "it cannot be written anew"))?;
    Ok(Done::content(anew).note("the gzip was written anew, without its name and date"))
}
