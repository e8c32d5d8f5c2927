//! tar, opened and written anew by `tar`: files alone, in the ustar form, owned by nobody and of no date.

use crate::Kind;
use crate::filter::only;
use crate::filter::path::{Names, place};
use crate::filter::zip_rewrite::room;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use tar::{Archive, Builder, Entry, EntryType, Header};

/// The archive's entries, each within the bounds.
pub(crate) fn open(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let malformed = |what: &str| Refusal::new(Kind::Malformed, what);
    let mut rest = content;
    let mut archive = Archive::new(&mut rest);
    let (mut done, mut names, mut room) = (Done::default(), Names::default(), room(rules, content.len()));
    let (mut folders, mut seen) = (0, 0_usize);
    for entry in archive.entries().map_err(|_| malformed("it is not a sound tar"))? {
        let mut entry = entry.map_err(|_| malformed("it is not a sound tar"))?;
        seen += 1;
        check_extension(&mut entry)?;
        if seen > rules.bounds().entries {
            return Err(Refusal::new(Kind::Count, "more entries than the policy allows"));
        }
        let name = String::from_utf8(entry.path_bytes().into_owned());
        let name = name.map_err(|_| Refusal::new(Kind::Name, "a name that is not UTF-8"))?;
        let at = place(&name);
        match entry.header().entry_type() {
            EntryType::Regular => {}
            EntryType::Directory => {
                let folder = name.trim_end_matches('/');
                if folder != "." {
                    crate::filter::path::check(rules, folder).map_err(|refusal| refusal.at(at))?;
                }
                folders += 1;
                continue;
            }
            _ => return Err(Refusal::new(Kind::Special, "a link, a device or another thing that is not a file").at(at)),
        }
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        names.add(rules, &name)?;
        let size = entry.size();
        let content = room.read(entry, rules).map_err(|refusal| refusal.at(at.clone()))?;
        if content.len() as u64 != size {
            return Err(malformed("the archive ends before it is complete").at(at));
        }
        done.entries.push(name);
        done.parts.push(content);
    }
    names.finish()?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Refusal::new(Kind::Trailing, "bytes after the end of the archive"));
    }
    Ok(if folders > 0 { done.note("folders without files of their own were left out") } else { done })
}

/// An extended header (POSIX pax) may say when and whose a file is, which is not kept; nothing that readers who do not know
/// it would understand otherwise.
fn check_extension(entry: &mut Entry<'_, &mut &[u8]>) -> Result<(), Refusal> {
    let refusal = || Refusal::new(Kind::Ambiguous, "an extended header that not every reader understands");
    let Some(records) = entry.pax_extensions().map_err(|_| refusal())? else { return Ok(()) };
    for record in records {
        let key = record.map_err(|_| refusal())?.key().map_err(|_| refusal())?;
        if !matches!(key, "mtime" | "atime" | "ctime" | "uid" | "gid" | "uname" | "gname") {
            return Err(refusal());
        }
    }
    Ok(())
}

/// The archive of these entries.
pub(crate) fn run(_: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let unwritable = |_| Refusal::new(Kind::Name, "a name that is too long for the form that is written");
    let mut builder = Builder::new(Vec::new());
    for (name, content) in task.entries.iter().zip(contents) {
        let mut header = Header::new_ustar();
        header.set_path(name).map_err(unwritable)?;
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        builder.append(&header, content.as_slice()).map_err(unwritable)?;
    }
    let archive = builder.into_inner().map_err(unwritable)?;
    Ok(Done::content(archive).note("the archive was written anew, without dates, owners and rights"))
}
