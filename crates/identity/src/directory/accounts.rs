//! Accounts, and the operator who makes them.

use super::{
    AccessKey, Directory, DirectoryChange, DirectoryError, Holder, chance, create_user, keys, read, refused, write,
};
use fastness_label::Policy;
use fastness_operation::{AccountName, AccountNumber, Code, Moment, UserName};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An account: whose buckets, whose users. Its number and name are never reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The number.
    pub number: AccountNumber,
    /// The name.
    pub name: AccountName,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

/// A new account with the keys of its first people.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The account.
    pub account: Account,
    /// The key of the first administrator, the user `admin`.
    pub administrator: AccessKey,
    /// The key of the officer, the user `officer`.
    pub officer: AccessKey,
}

/// Officers of an account at most.
const OFFICERS_MAX: u8 = 16;

fn number_row(number: AccountNumber) -> String {
    format!("account/{number}")
}

fn name_row(name: &AccountName) -> String {
    format!("account-name/{name}")
}

/// Makes an account with its first administrator and its officer.
///
/// # Errors
/// `EntityAlreadyExists` when the name was ever used.
pub fn create_account(
    directory: &mut dyn DirectoryChange,
    policy: &Policy,
    floor: &str,
    name: AccountName,
    moment: &Moment,
) -> Result<NewAccount, DirectoryError> {
    if directory.get(&name_row(&name))?.is_some() {
        return refused(
            Code::EntityAlreadyExists,
            format!("there is or was an account `{name}`; names are never reused"),
        );
    }
    let mut rng = chance(moment);
    let number = loop {
        let number = AccountNumber::from_random(rng.random());
        if directory.get(&number_row(number))?.is_none() {
            break number;
        }
    };
    let account = Account { number, name, created_ms: moment.now_ms };
    write(directory, &number_row(number), &account)?;
    write(directory, &name_row(&account.name), &number)?;
    let mut person = |name: &str, duty: &str| -> Result<AccessKey, DirectoryError> {
        let user = UserName::new(name)
            .map_err(|error| DirectoryError::Refused { code: Code::InvalidInput, message: error.to_string() })?;
        let tags = BTreeMap::from([
            ("duty".to_owned(), duty.to_owned()),
            ("nationality".to_owned(), policy.own_nation().to_owned()),
        ]);
        let seed: [u8; 32] = rng.random();
        let moment = Moment { now_ms: moment.now_ms, seed };
        create_user(directory, number, &user, "/", tags, &moment)?;
        keys::issue(directory, Holder::User { account: number, name: user }, floor, &moment)
    };
    let administrator = person("admin", "administrator")?;
    let officer = person("officer", "officer")?;
    Ok(NewAccount { account, administrator, officer })
}

/// Makes a further officer of an account, the user `officer-2` or the next that is free: what two officers decide
/// together (the erasure of a spill), two people decide.
///
/// # Errors
/// `NoSuchEntity` when there is no such account, `LimitExceeded` when it has officers enough.
pub fn add_officer(
    directory: &mut dyn DirectoryChange,
    policy: &Policy,
    floor: &str,
    number: AccountNumber,
    moment: &Moment,
) -> Result<AccessKey, DirectoryError> {
    if !exists(directory, number)? {
        return refused(Code::NoSuchEntity, format!("there is no account `{number}`"));
    }
    let mut rng = chance(moment);
    for place in 2..=OFFICERS_MAX {
        let name = UserName::new(format!("officer-{place}"))
            .map_err(|error| DirectoryError::Refused { code: Code::InvalidInput, message: error.to_string() })?;
        let tags = BTreeMap::from([
            ("duty".to_owned(), "officer".to_owned()),
            ("nationality".to_owned(), policy.own_nation().to_owned()),
        ]);
        let moment = Moment { now_ms: moment.now_ms, seed: rng.random() };
        match create_user(directory, number, &name, "/", tags, &moment) {
            Err(DirectoryError::Refused { code: Code::EntityAlreadyExists, .. }) => {}
            made => {
                made?;
                return keys::issue(directory, Holder::User { account: number, name }, floor, &moment);
            }
        }
    }
    refused(Code::LimitExceeded, format!("the account has {OFFICERS_MAX} officers, or users of their names"))
}

/// Makes the operator's key, once, when the region is made.
///
/// # Errors
/// Only the store's own faults.
pub fn create_operator(
    directory: &mut dyn DirectoryChange,
    floor: &str,
    moment: &Moment,
) -> Result<AccessKey, DirectoryError> {
    keys::issue(directory, Holder::Operator, floor, moment)
}

/// Every account, by number.
///
/// # Errors
/// Only the store's own faults.
pub fn list_accounts(directory: &dyn Directory) -> Result<Vec<Account>, DirectoryError> {
    directory.list("account/", "", 100_000)?.iter().map(|(key, bytes)| super::decode(key, bytes)).collect()
}

/// One account.
pub(super) fn exists(directory: &dyn Directory, number: AccountNumber) -> Result<bool, DirectoryError> {
    Ok(read::<Account>(directory, &number_row(number))?.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{Rows, moment};
    use super::*;

    #[test]
    fn an_account_comes_with_two_people_and_its_name_is_taken() {
        let mut rows = Rows::default();
        let name = AccountName::new("alpha").unwrap();
        let made = create_account(&mut rows, &Policy::us(), "UNCLASSIFIED", name.clone(), &moment(1)).unwrap();
        assert_ne!(made.administrator.id, made.officer.id);
        assert_ne!(made.administrator.secret, made.officer.secret);
        assert!(exists(&rows, made.account.number).unwrap());
        let floor = "UNCLASSIFIED";
        let second = add_officer(&mut rows, &Policy::us(), floor, made.account.number, &moment(3)).unwrap();
        let third = add_officer(&mut rows, &Policy::us(), floor, made.account.number, &moment(4)).unwrap();
        assert_ne!(second.holder, third.holder);
        for name in ["officer-2", "officer-3"] {
            let user = super::super::find_user(&rows, made.account.number, &UserName::new(name).unwrap()).unwrap();
            assert!(user.is_in_charge());
        }
        let nobody = AccountNumber::from_random(0);
        let none = add_officer(&mut rows, &Policy::us(), floor, nobody, &moment(5));
        assert!(matches!(none, Err(DirectoryError::Refused { code: Code::NoSuchEntity, .. })));
        let users = super::super::list_users(&rows, made.account.number, "", None, 10).unwrap();
        assert_eq!(users.0.len(), 4);
        let again = create_account(&mut rows, &Policy::us(), "UNCLASSIFIED", name, &moment(2));
        assert!(matches!(again, Err(DirectoryError::Refused { code: Code::EntityAlreadyExists, .. })));
    }
}
