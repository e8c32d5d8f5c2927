//! The other reader of what is claimed, on ICU4X: the name must stay where it is put, and of the metadata that which the
//! policy lets through must have been kept, as it came.

use crate::Kind;
use crate::filter::text_check::{inspect, normal};
use crate::filter::{differs, only};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};

/// The task's metadata are those that came; its content is those that were kept, as a record.
pub(crate) fn run(rules: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let kept: Vec<(String, String)> =
        postcard::from_bytes(only(contents)?).map_err(|_| differs("the metadata that were kept"))?;
    check_name(rules, &task.name)?;
    let expected = task.metadata.iter().map(|(key, value)| (key.to_ascii_lowercase(), value));
    let mut expected = expected.filter(|(key, _)| rules.text.metadata_keys.contains(key));
    let mut keys: Vec<&str> = Vec::new();
    for (key, value) in &kept {
        let Some((own, came)) = expected.next() else { return Err(differs("metadata of which more was kept")) };
        if *key != own || *value != normal(came) {
            return Err(differs("the metadata before and after"));
        }
        let place = format!("metadata `{key}`");
        if keys.contains(&key.as_str()) {
            return Err(Refusal::new(Kind::Duplicate, "the same key of metadata twice").at(place));
        }
        keys.push(key);
        if value.len() > rules.bounds().name_bytes || value.contains(char::is_control) {
            return Err(Refusal::new(Kind::Metadata, "a value that is too long or has several lines").at(place));
        }
        inspect(value).map_err(|refusal| Refusal { kind: Kind::Metadata, ..refusal }.at(place))?;
    }
    if expected.next().is_some() { Err(differs("metadata of which less was kept")) } else { Ok(Done::default()) }
}

fn check_name(rules: &Rules, name: &str) -> Result<(), Refusal> {
    let refuse = |what: &str| Err(Refusal::new(Kind::Name, what));
    if name.len() > rules.bounds().name_bytes {
        return refuse("a name that is longer than the policy allows");
    }
    for step in name.split('/') {
        let stays = !step.is_empty() && step.trim() == step && !step.ends_with('.');
        if !stays || step.contains('\\') || step.contains(char::is_control) {
            return refuse("a name that is none on every system, or climbs out of its place");
        }
    }
    if matches!(name.as_bytes(), [_, b':', ..]) {
        return refuse("a name that begins with a drive of Windows");
    }
    inspect(name).map_err(|refusal| Refusal { kind: Kind::Name, ..refusal })
}
