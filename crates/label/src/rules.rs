//! Which markings go together: levels, requirements, exclusions. All of it is the policy's data.

use crate::MarkingError;
use crate::marking::Content;
use crate::policy::Vocabulary;

/// Checks a content against the policy's rules.
pub(crate) fn check(words: &Vocabulary, content: &Content) -> Result<(), MarkingError> {
    for (_, item, _) in content.present(words) {
        if !item.goes_with(content.level) {
            return Err(MarkingError::NotAtLevel {
                marking: item.name.clone(),
                level: words.levels.get(usize::from(content.level)).map(|word| word.banner.clone()).unwrap_or_default(),
                levels: words.level_names(item.levels),
            });
        }
        if let Some(other) = item.excludes.iter().find(|other| content.items.contains_key(other)) {
            return Err(MarkingError::Excludes { one: item.name.clone(), other: words.name_of(*other) });
        }
        if let Some(needed) = item.requires.iter().find(|needed| !content.items.contains_key(needed)) {
            return Err(MarkingError::Requires { marking: item.name.clone(), needs: words.name_of(*needed) });
        }
    }
    Ok(())
}
