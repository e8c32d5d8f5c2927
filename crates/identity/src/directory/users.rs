//! Users and their tags.

use super::{Directory, DirectoryChange, DirectoryError, accounts, chance, keys, read, refused, unique_id, write};
use crate::{Duty, RegionLabels};
use fastness_label::{Label, Policy};
use fastness_operation::{AccountNumber, Code, Moment, UserName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The tags that only an officer sets.
pub const RESERVED_TAGS: [&str; 4] = ["clearance", "nationality", "label", "duty"];

/// The most tags a user has (IAM quotas).
pub const TAGS_PER_USER_MAX: usize = 50;

/// A user of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The account.
    pub account: AccountNumber,
    /// The name, unique in the account.
    pub name: UserName,
    /// The unique id (`AIDA…`), never reused.
    pub id: String,
    /// The path, `/` or `/…/`.
    pub path: String,
    /// When the user was made, milliseconds since 1970.
    pub created_ms: i64,
    /// The tags; clearance, nationality, label and duty among them.
    pub tags: BTreeMap<String, String>,
}

impl User {
    /// The duty, if the tag names one.
    #[must_use]
    pub fn duty(&self) -> Option<Duty> {
        self.tags.get("duty").and_then(|text| Duty::parse(text))
    }

    /// Whether the user is an administrator or an officer.
    #[must_use]
    pub fn is_in_charge(&self) -> bool {
        matches!(self.duty(), Some(Duty::Administrator | Duty::Officer))
    }

    /// The duties of administrator and officer come with an account and with nothing else: whoever could give them
    /// to a user whose secret they know would hold both, and see data.
    fn check_duty_may_change(&self, to: Option<&String>) -> Result<(), DirectoryError> {
        let to = to.and_then(|text| Duty::parse(text));
        if self.is_in_charge() || matches!(to, Some(Duty::Administrator | Duty::Officer)) {
            let message =
                "the duties administrator and officer come with an account and are not set or removed by tags";
            return refused(Code::AccessDenied, message);
        }
        Ok(())
    }

    /// Keys of administrators and officers are their own affair: `caller` must be the same user.
    pub(super) fn check_is_not_in_charge(&self, caller: Option<&UserName>) -> Result<(), DirectoryError> {
        if self.is_in_charge() && caller != Some(&self.name) {
            let message = "the user is an administrator or an officer: nobody else manages them or their keys";
            return refused(Code::AccessDenied, message);
        }
        Ok(())
    }

    /// The clearance: what the officer set, or the region's floor.
    ///
    /// # Errors
    /// A text when the tag is not a marking of the policy.
    pub fn clearance(&self, policy: &Policy, labels: &RegionLabels) -> Result<Label, String> {
        match self.tags.get("clearance") {
            None => Ok(labels.floor()),
            Some(text) => policy.label(text).map_err(|error| format!("the tag `clearance`: {error}")),
        }
    }

    /// The label of a key when nobody names one: the tag `label`, else the clearance, for a foreign national
    /// with a release list of the policy's own nation and theirs (DESIGN.md section 1, sessions).
    ///
    /// # Errors
    /// A text when a tag is malformed.
    pub fn default_label(&self, policy: &Policy, labels: &RegionLabels) -> Result<Label, String> {
        if let Some(text) = self.tags.get("label") {
            return policy.label(text).map_err(|error| format!("the tag `label`: {error}"));
        }
        let clearance = self.clearance(policy, labels)?;
        let Some(code) = self.tags.get("nationality") else { return Ok(clearance) };
        let country = policy.country(code).map_err(|error| format!("the tag `nationality`: {error}"))?;
        if policy.releasable_to(clearance, country) {
            return Ok(clearance);
        }
        // A list holds the policy's own nation always.
        Ok(policy.with_release(clearance, &[country]))
    }

    /// Whether the user may have a session at this label: within the clearance, released to the nationality,
    /// held by the region.
    ///
    /// # Errors
    /// A text that says which of them fails, and what to do.
    pub fn may_use(&self, policy: &Policy, labels: &RegionLabels, label: Label) -> Result<(), String> {
        let text = policy.banner(label);
        let clearance = self.clearance(policy, labels)?;
        if !label.is_dominated_by(clearance) {
            let clearance = policy.banner(clearance);
            return Err(format!("the label `{text}` is above the clearance `{clearance}` of the user `{}`", self.name));
        }
        if !policy.admits(label) {
            return Err(format!("`{text}` is not a marking that the policy admits"));
        }
        if label != policy.lowest() {
            let Some(code) = self.tags.get("nationality") else {
                return Err(format!(
                    "the user `{}` has no nationality; the officer sets the tag `nationality`",
                    self.name
                ));
            };
            let country = policy.country(code).map_err(|error| format!("the tag `nationality`: {error}"))?;
            if !policy.releasable_to(label, country) {
                return Err(format!("the label `{text}` is not releasable to `{code}`, the nationality of the user"));
            }
        }
        if !labels.holds(label) {
            return Err(format!(
                "this region does not hold the label `{text}`; the officer adds it with `fastness label allow`"
            ));
        }
        Ok(())
    }
}

pub(super) fn row(account: AccountNumber, name: &UserName) -> String {
    format!("user/{account}/{name}")
}

/// Makes a user.
///
/// # Errors
/// `EntityAlreadyExists`, or `InvalidInput` for tags or a path against their rules.
pub fn create_user(
    directory: &mut dyn DirectoryChange,
    account: AccountNumber,
    name: &UserName,
    path: &str,
    tags: BTreeMap<String, String>,
    moment: &Moment,
) -> Result<User, DirectoryError> {
    if !accounts::exists(directory, account)? {
        return refused(Code::NoSuchEntity, format!("there is no account `{account}`"));
    }
    let well_formed = path.len() <= 512
        && path.starts_with('/')
        && path.ends_with('/')
        && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if !well_formed {
        return refused(Code::InvalidInput, "a path starts and ends with `/` and has printable characters between");
    }
    check_tags(&tags)?;
    // IAM user names are unique without regard to case.
    let names = directory.list(&format!("user/{account}/"), "", 100_000)?;
    let wanted = row(account, name);
    if names.iter().any(|(key, _)| key.eq_ignore_ascii_case(&wanted)) {
        return refused(Code::EntityAlreadyExists, format!("User with name {name} already exists."));
    }
    let user = User {
        account,
        name: name.clone(),
        id: unique_id(&mut chance(moment), "AIDA", 17),
        path: path.to_owned(),
        created_ms: moment.now_ms,
        tags,
    };
    write(directory, &wanted, &user)?;
    Ok(user)
}

/// One user, if there is one.
///
/// # Errors
/// `NoSuchEntity`.
pub fn find_user(directory: &dyn Directory, account: AccountNumber, name: &UserName) -> Result<User, DirectoryError> {
    match read(directory, &row(account, name))? {
        Some(user) => Ok(user),
        None => refused(Code::NoSuchEntity, format!("The user with name {name} cannot be found.")),
    }
}

/// Users of an account whose path starts with `prefix`, by name, and whether there are more.
///
/// # Errors
/// Only the store's own faults.
pub fn list_users(
    directory: &dyn Directory,
    account: AccountNumber,
    prefix: &str,
    after: Option<&UserName>,
    limit: usize,
) -> Result<(Vec<User>, bool), DirectoryError> {
    let start = after.map_or_else(String::new, |name| row(account, name));
    let mut found = Vec::new();
    for (key, bytes) in directory.list(&format!("user/{account}/"), &start, 100_000)? {
        let user: User = super::decode(&key, &bytes)?;
        if !user.path.starts_with(prefix) {
            continue;
        }
        if found.len() == limit {
            return Ok((found, true));
        }
        found.push(user);
    }
    Ok((found, false))
}

/// Removes a user who has no keys.
///
/// # Errors
/// `NoSuchEntity`, `DeleteConflict` while keys are left.
pub fn delete_user(
    directory: &mut dyn DirectoryChange,
    account: AccountNumber,
    name: &UserName,
) -> Result<(), DirectoryError> {
    find_user(directory, account, name)?.check_is_not_in_charge(None)?;
    if !keys::list_keys(directory, account, name)?.is_empty() {
        return refused(Code::DeleteConflict, "Cannot delete entity, must delete access keys first.");
    }
    Ok(directory.remove(&row(account, name))?)
}

/// Sets tags; those of the officer must be well formed under the region's policy.
///
/// # Errors
/// `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
pub fn tag_user(
    directory: &mut dyn DirectoryChange,
    policy: &Policy,
    account: AccountNumber,
    name: &UserName,
    tags: &BTreeMap<String, String>,
) -> Result<(), DirectoryError> {
    let mut user = find_user(directory, account, name)?;
    check_tags(tags)?;
    if tags.contains_key("duty") {
        user.check_duty_may_change(tags.get("duty"))?;
    }
    for (key, value) in tags {
        let wrong = match key.as_str() {
            "clearance" | "label" => policy.label(value).err().map(|error| error.to_string()),
            "nationality" => policy.country(value).err().map(|error| error.to_string()),
            "duty" if Duty::parse(value).is_none() => {
                Some(format!("`{value}` is not a duty; duties: administrator, officer, reviewer, auditor, contracting"))
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            return refused(Code::InvalidInput, format!("the tag `{key}`: {wrong}"));
        }
        user.tags.insert(key.clone(), value.clone());
    }
    if user.tags.len() > TAGS_PER_USER_MAX {
        return refused(Code::LimitExceeded, format!("a user has at most {TAGS_PER_USER_MAX} tags"));
    }
    write(directory, &row(account, name), &user)
}

/// Removes tags; those that are not there are passed over, as IAM does.
///
/// # Errors
/// `NoSuchEntity`.
pub fn untag_user(
    directory: &mut dyn DirectoryChange,
    account: AccountNumber,
    name: &UserName,
    keys: &[String],
) -> Result<(), DirectoryError> {
    let mut user = find_user(directory, account, name)?;
    if keys.iter().any(|key| key == "duty") {
        user.check_duty_may_change(None)?;
    }
    user.tags.retain(|key, _| !keys.contains(key));
    write(directory, &row(account, name), &user)
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), DirectoryError> {
    if tags.len() > TAGS_PER_USER_MAX {
        return refused(Code::LimitExceeded, format!("a user has at most {TAGS_PER_USER_MAX} tags"));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            let key: String = key.chars().take(128).collect();
            return refused(
                Code::InvalidInput,
                format!("the tag `{key}`: a key has 1 to 128 characters and no prefix `aws:`, a value at most 256"),
            );
        }
    }
    Ok(())
}
