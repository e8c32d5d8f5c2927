//! Amazon Resource Names, and dates as AWS writes them.

use fastness_identity::Principal;
use fastness_identity::directory::User;
use fastness_operation::{AccessKeyId, AccountNumber, UserName, arn_partition};
use time::OffsetDateTime;
use time::macros::format_description;

/// The account number of the operator, who is of no account.
pub(crate) const NO_ACCOUNT: &str = "000000000000";

fn of_user(region: &str, account: AccountNumber, path: &str, name: &UserName) -> String {
    format!("arn:{}:iam::{account}:user{path}{name}", arn_partition(region))
}

/// A user's ARN.
pub(crate) fn user(region: &str, user: &User) -> String {
    of_user(region, user.account, &user.path, &user.name)
}

/// A principal's account, unique id and ARN. The operator is of no account, and their key is what identifies them.
pub(crate) fn principal(region: &str, principal: &Principal, key: &AccessKeyId) -> (String, String, String) {
    match principal {
        Principal::Operator => {
            let arn = format!("arn:{}:iam::{NO_ACCOUNT}:operator", arn_partition(region));
            (NO_ACCOUNT.to_owned(), key.to_string(), arn)
        }
        Principal::User { account, name, id, path } => {
            (account.to_string(), id.clone(), of_user(region, *account, path, name))
        }
    }
}

/// A date: seconds, UTC.
pub(crate) fn date(ms: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    moment.format(&form).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_seconds() {
        assert_eq!(date(1_700_000_000_999), "2023-11-14T22:13:20Z");
        assert_eq!(date(-1), "1969-12-31T23:59:59Z");
        assert_eq!(date(i64::MAX), "1970-01-01T00:00:00Z");
    }
}
