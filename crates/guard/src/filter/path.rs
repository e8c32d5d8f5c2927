//! Names: of objects, and of what lies in archives.

use crate::Kind;
use crate::filter::text_rewrite::clean;
use crate::rules::{Refusal, Rules};
use std::borrow::Cow;
use std::collections::HashSet;

/// A name that stays where it is put: relative, of parts that are no steps up, of characters that people see.
pub(crate) fn check(rules: &Rules, name: &str) -> Result<(), Refusal> {
    let refuse = |what: &str| Err(Refusal::new(Kind::Name, what));
    if name.is_empty() || name.len() > rules.bounds().name_bytes {
        return refuse("a name that is empty or longer than the policy allows");
    }
    if name.starts_with('/') || name.contains('\\') || name.as_bytes().get(1) == Some(&b':') {
        return refuse("a name that begins at the root, or a path of Windows");
    }
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("a name that climbs out of its place");
    }
    if name.contains(['\n', '\r', '\t']) || name.split('/').any(|part| part.trim() != part || part.ends_with('.')) {
        return refuse("a name with spaces at its ends, a dot at its end, or the end of a line");
    }
    match clean(name).map_err(|refusal| Refusal { kind: Kind::Name, ..refusal })? {
        Cow::Borrowed(_) => Ok(()),
        Cow::Owned(_) => refuse("a name that is not in Unicode's normalization form C"),
    }
}

/// The names of one archive: each once, also for those who do not tell cases apart, and none a folder of another.
#[derive(Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    pub(crate) fn add(&mut self, rules: &Rules, name: &str) -> Result<(), Refusal> {
        check(rules, name).map_err(|refusal| refusal.at(place(name)))?;
        if !self.0.insert(name.to_lowercase()) {
            return Err(Refusal::new(Kind::Duplicate, "the same name twice in one archive").at(place(name)));
        }
        if self.0.len() > rules.bounds().entries {
            return Err(Refusal::new(Kind::Count, "more entries than the policy allows"));
        }
        Ok(())
    }

    /// Whether some name is also the folder of another.
    pub(crate) fn finish(&self) -> Result<(), Refusal> {
        let folder_of = |name: &String| name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        for name in &self.0 {
            let mut folder = folder_of(name);
            while let Some(own) = folder {
                if self.0.contains(&own) {
                    return Err(Refusal::new(Kind::Duplicate, "a name that is a file and a folder").at(place(&own)));
                }
                folder = folder_of(&own);
            }
        }
        Ok(())
    }
}

/// A name as it may stand in a finding.
pub(crate) fn place(name: &str) -> String {
    let shown: String = name.chars().take(80).collect();
    format!("`{}`", shown.escape_debug())
}
