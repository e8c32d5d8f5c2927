//! Access keys. A key carries its session label, fixed when it is made.

use super::{Directory, DirectoryChange, DirectoryError, chance, find_user, read, refused, secret, unique_id, write};
use crate::RegionLabels;
use fastness_label::Policy;
use fastness_operation::{AccessKeyId, AccountNumber, Code, Moment, UserName};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The most keys a user has. IAM allows two; a person here needs one for each label they work at.
pub const KEYS_PER_USER_MAX: usize = 8;

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// The region's operator.
    Operator,
    /// A user.
    User {
        /// The account.
        account: AccountNumber,
        /// The user's name.
        name: UserName,
    },
}

/// A secret that is wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// The secret itself. Callers hand it to a signature check or, once, to the key's maker.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// The public half (`AKIA…`), never reused.
    pub id: AccessKeyId,
    /// The secret half.
    pub secret: Secret,
    /// Whose it is.
    pub holder: Holder,
    /// The session label, as its canonical marking.
    pub label: String,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

fn row(id: &AccessKeyId) -> String {
    format!("key/{id}")
}

fn holder_row(account: AccountNumber, name: &UserName, id: &str) -> String {
    format!("user-key/{account}/{name}/{id}")
}

/// Makes a key for a user, at the label given or the user's default.
///
/// # Errors
/// `NoSuchEntity`, `LimitExceeded`, `InvalidInput` when the marking is malformed, `AccessDenied` when the label is
/// not within the clearance, not releasable to the nationality, or not held by the region.
pub fn create_key(
    directory: &mut dyn DirectoryChange,
    policy: &Policy,
    labels: &RegionLabels,
    (account, name, caller): (AccountNumber, &UserName, &UserName),
    marking: Option<&str>,
    moment: &Moment,
) -> Result<AccessKey, DirectoryError> {
    let user = find_user(directory, account, name)?;
    user.check_is_not_in_charge(Some(caller))?;
    let label = match marking {
        Some(text) => policy.label(text).map_err(|error| error.to_string()),
        None => user.default_label(policy, labels),
    };
    let label = label.or_else(|message| refused(Code::InvalidInput, message))?;
    user.may_use(policy, labels, label).or_else(|message| refused(Code::AccessDenied, message))?;
    if list_keys(directory, account, name)?.len() >= KEYS_PER_USER_MAX {
        return refused(
            Code::LimitExceeded,
            format!("Cannot exceed quota for AccessKeysPerUser: {KEYS_PER_USER_MAX}; delete one first"),
        );
    }
    issue(directory, Holder::User { account, name: name.clone() }, &policy.banner(label), moment)
}

pub(super) fn issue(
    directory: &mut dyn DirectoryChange,
    holder: Holder,
    label: &str,
    moment: &Moment,
) -> Result<AccessKey, DirectoryError> {
    let mut rng = chance(moment);
    let id = AccessKeyId::new(unique_id(&mut rng, "AKIA", 16))
        .or_else(|error| refused(Code::InternalError, error.to_string()))?;
    let key = AccessKey {
        id,
        secret: Secret(secret(&mut rng)),
        holder,
        label: label.to_owned(),
        active: true,
        created_ms: moment.now_ms,
    };
    if directory.get(&row(&key.id))?.is_some() {
        return refused(Code::InternalError, "an access key id was drawn twice; try again");
    }
    if let Holder::User { account, name } = &key.holder {
        directory.put(&holder_row(*account, name, key.id.as_str()), &[])?;
    }
    write(directory, &row(&key.id), &key)?;
    Ok(key)
}

/// The key with this id, if there is one.
///
/// # Errors
/// Only the store's own faults.
pub fn find_key(directory: &dyn Directory, id: &AccessKeyId) -> Result<Option<AccessKey>, DirectoryError> {
    read(directory, &row(id))
}

/// A user's keys, by id.
///
/// # Errors
/// `NoSuchEntity` when there is no such user.
pub fn list_keys(
    directory: &dyn Directory,
    account: AccountNumber,
    name: &UserName,
) -> Result<Vec<AccessKey>, DirectoryError> {
    find_user(directory, account, name)?;
    let prefix = holder_row(account, name, "");
    let mut found = Vec::new();
    for (key, _) in directory.list(&prefix, "", 1_000)? {
        let id = key.strip_prefix(&prefix).unwrap_or_default();
        if let Some(key) = read(directory, &format!("key/{id}"))? {
            found.push(key);
        }
    }
    Ok(found)
}

fn own_key(
    directory: &dyn Directory,
    account: AccountNumber,
    name: &UserName,
    id: &AccessKeyId,
) -> Result<AccessKey, DirectoryError> {
    find_user(directory, account, name)?;
    match find_key(directory, id)? {
        Some(key) if key.holder == (Holder::User { account, name: name.clone() }) => Ok(key),
        _ => refused(Code::NoSuchEntity, format!("The Access Key with id {id} cannot be found.")),
    }
}

/// Switches a key on or off.
///
/// # Errors
/// `NoSuchEntity`.
pub fn update_key(
    directory: &mut dyn DirectoryChange,
    (account, name, caller): (AccountNumber, &UserName, &UserName),
    id: &AccessKeyId,
    active: bool,
) -> Result<(), DirectoryError> {
    find_user(directory, account, name)?.check_is_not_in_charge(Some(caller))?;
    let mut key = own_key(directory, account, name, id)?;
    key.active = active;
    write(directory, &row(id), &key)
}

/// Removes a key.
///
/// # Errors
/// `NoSuchEntity`.
pub fn delete_key(
    directory: &mut dyn DirectoryChange,
    (account, name, caller): (AccountNumber, &UserName, &UserName),
    id: &AccessKeyId,
) -> Result<(), DirectoryError> {
    find_user(directory, account, name)?.check_is_not_in_charge(Some(caller))?;
    own_key(directory, account, name, id)?;
    directory.remove(&row(id))?;
    Ok(directory.remove(&holder_row(account, name, id.as_str()))?)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{Rows, moment};
    use super::super::{create_account, create_user, tag_user};
    use super::*;
    use fastness_operation::AccountName;
    use std::collections::BTreeMap;

    fn labels(policy: &Policy) -> RegionLabels {
        let label = |text: &str| policy.label(text).unwrap();
        let held = ["UNCLASSIFIED", "SECRET", "SECRET//REL TO USA, GBR"].map(label);
        RegionLabels::new(policy, label("UNCLASSIFIED"), label("SECRET"), held)
    }

    #[test]
    fn a_key_has_a_label_within_clearance_nationality_and_region() {
        let policy = Policy::us();
        let labels = labels(&policy);
        let check = |tags: &[(&str, &str)], marking: Option<&str>, expected: Result<&str, Code>| {
            let mut rows = Rows::default();
            let name = AccountName::new("a").unwrap();
            let account = create_account(&mut rows, &policy, "UNCLASSIFIED", name, &moment(1)).unwrap().account.number;
            let user = UserName::new("u").unwrap();
            create_user(&mut rows, account, &user, "/", BTreeMap::new(), &moment(2)).unwrap();
            let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            tag_user(&mut rows, &policy, account, &user, &tags).unwrap();
            let before = rows.0.clone();
            let made = create_key(&mut rows, &policy, &labels, (account, &user, &user), marking, &moment(3));
            match (made, expected) {
                (Ok(key), Ok(label)) => assert_eq!(key.label, label),
                (Err(DirectoryError::Refused { code, .. }), Err(wanted)) => {
                    assert_eq!(code, wanted);
                    assert_eq!(rows.0, before, "a refusal leaves no trace");
                }
                (made, expected) => panic!("{tags:?} {marking:?}: {made:?} instead of {expected:?}"),
            }
        };
        let usa = ("nationality", "USA");
        check(&[], None, Ok("UNCLASSIFIED"));
        check(&[("clearance", "SECRET"), usa], None, Ok("SECRET"));
        check(&[("clearance", "SECRET")], None, Err(Code::AccessDenied));
        check(&[("clearance", "SECRET"), usa, ("label", "UNCLASSIFIED")], None, Ok("UNCLASSIFIED"));
        check(&[("clearance", "SECRET"), usa], Some("SECRET//REL TO USA, GBR"), Ok("SECRET//REL TO USA, GBR"));
        check(&[("clearance", "SECRET"), ("nationality", "GBR")], None, Ok("SECRET//REL TO USA, GBR"));
        check(&[("clearance", "SECRET"), ("nationality", "GBR")], Some("SECRET"), Err(Code::AccessDenied));
        check(&[("clearance", "SECRET"), ("nationality", "FRA")], None, Err(Code::AccessDenied));
        check(&[("clearance", "TOP SECRET"), usa], None, Err(Code::AccessDenied));
        check(&[usa], Some("SECRET"), Err(Code::AccessDenied));
        check(&[usa], Some("SECERT"), Err(Code::InvalidInput));
    }
}
