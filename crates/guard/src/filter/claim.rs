//! What is claimed: the name and the metadata. Metadata passes by an allow-list of keys alone.

use crate::Kind;
use crate::filter::path;
use crate::filter::text_rewrite::clean;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use std::collections::HashSet;

pub(crate) fn run(rules: &Rules, task: &Task, _: &[Vec<u8>]) -> Outcome {
    path::check(rules, &task.name).map_err(|refusal| refusal.at(path::place(&task.name)))?;
    let mut done = Done::default();
    let (mut taken, mut keys) = (0, HashSet::new());
    for (key, value) in &task.metadata {
        let key = key.to_ascii_lowercase();
        if !rules.text.metadata_keys.contains(&key) {
            taken += 1;
            continue;
        }
        let place = format!("metadata `{key}`");
        if !keys.insert(key.clone()) {
            return Err(Refusal::new(Kind::Duplicate, "the same key of metadata twice").at(place));
        }
        if value.len() > rules.bounds().name_bytes || value.contains(['\n', '\r', '\t']) {
            return Err(Refusal::new(Kind::Metadata, "a value that is too long or has several lines").at(place));
        }
        let value = clean(value).map_err(|refusal| Refusal { kind: Kind::Metadata, ..refusal }.at(place))?;
        done.metadata.push((key, value.into_owned()));
    }
    Ok(if taken > 0 { done.note(format!("keys of metadata were taken away: {taken}")) } else { done })
}
