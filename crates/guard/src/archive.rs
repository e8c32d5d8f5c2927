//! Archives: opened by one filter, each entry through the whole pipeline, and written anew by another.

use crate::pipeline::{Guard, Way, finding, within};
use crate::rules::{Refusal, Task};
use crate::{Bounds, ContentType, Finding, Kind};

/// What may still expand out of one object, all its archives together.
pub(crate) struct Room {
    bytes: usize,
    entries: usize,
}

impl Room {
    /// The whole room of an object of so many bytes: the ratio holds across all its archives.
    pub(crate) fn new(bounds: &Bounds, content_bytes: usize) -> Room {
        let by_ratio = content_bytes.saturating_mul(bounds.expansion_ratio).max(1 << 20);
        Room { bytes: bounds.expanded_bytes.min(by_ratio), entries: bounds.entries }
    }

    /// Takes it for what expanded out of an archive.
    pub(crate) fn take(&mut self, contents: &[Vec<u8>]) -> Result<(), Refusal> {
        let bytes = contents.iter().map(Vec::len).sum();
        let entries = self.entries.checked_sub(contents.len());
        self.entries = entries.ok_or_else(|| Refusal::new(Kind::Count, "more entries than the policy allows"))?;
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or_else(|| Refusal::new(Kind::Bomb, "more expands out of it than the policy allows"))?;
        Ok(())
    }
}

impl Guard {
    /// An archive on its way. One entry that does not pass stops it whole.
    pub(crate) fn archive(
        &mut self,
        [open, rewrite, check]: [&'static str; 3],
        way: &mut Way<'_>,
    ) -> Result<Vec<u8>, Finding> {
        let Way { task, content, place, depth, passage, .. } = way;
        let (content, place) = (*content, place.as_str());
        let fault = |filter: &str, refusal: Refusal| finding(filter, refusal.at(place));
        if *depth >= self.policy.bounds.archive_depth {
            return Err(fault(
                "guard",
                Refusal::new(Kind::Depth, "archives within archives, deeper than the policy allows"),
            ));
        }
        let opened = self.ask(open, (task, &[content]), passage).map_err(|found| within(found, place))?;
        if opened.entries.len() != opened.parts.len() {
            return Err(fault(open, Refusal::new(Kind::Crash, "the filter's answer is none")));
        }
        passage.note(open, place, &opened);
        passage.take(&opened.parts).map_err(|refusal| fault("guard", refusal))?;
        let mut anew = Vec::with_capacity(opened.parts.len());
        for (name, entry) in opened.entries.iter().zip(&opened.parts) {
            let place = inside(place, name);
            let inner = Task {
                name: name.clone(),
                content_type: ContentType::of_name(name),
                label: task.label.clone(),
                ..Task::default()
            };
            self.claim(&inner, passage).map_err(|found| within(found, &place))?;
            // One after the other: what expands out of each counts against the room of all.
            let mut entry = [Way::new(inner, entry, place, depth.saturating_add(1), passage)];
            self.contents(&mut entry);
            let [entry] = entry;
            anew.push(entry.anew?);
        }
        let entries = Task { entries: opened.entries.clone(), ..task.clone() };
        let contents: Vec<&[u8]> = anew.iter().map(Vec::as_slice).collect();
        let written = self.ask(rewrite, (&entries, &contents), passage).map_err(|found| within(found, place))?;
        passage.note(rewrite, place, &written);
        let Some(archive) = written.parts.into_iter().next() else {
            return Err(fault(rewrite, Refusal::new(Kind::Crash, "the filter made nothing")));
        };
        let mut compared = vec![content, archive.as_slice()];
        compared.extend(opened.parts.iter().chain(&anew).map(Vec::as_slice));
        self.ask(check, (&entries, &compared), passage).map_err(|found| within(found, place))?;
        Ok(archive)
    }
}

/// `a.zip` in `b.tar` is shown as such.
fn inside(place: &str, name: &str) -> String {
    let shown: String = name.chars().take(80).collect();
    let entry = format!("entry `{}`", shown.escape_debug());
    if place.is_empty() { entry } else { format!("{place}, {entry}") }
}
