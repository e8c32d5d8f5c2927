//! Bucket policies: the plain allow and deny of actions to principals (S3 user guide, "Bucket policies"; IAM user guide,
//! "JSON policy element reference").
//!
//! What is not evaluated is refused when the policy is set, never passed over: conditions, `NotPrincipal`, `NotAction`,
//! `NotResource`, policy variables, principals that are no account and no user.

use super::Invalid;
use crate::actions::{self, Level};
use crate::{AccountNumber, BucketName, Code, UserName};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A bucket policy: as it was sent, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketPolicy {
    text: String,
    statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Whether it denies.
    denies: bool,
    principals: Vec<Who>,
    /// Patterns of actions, in lower case (`s3:get*`).
    actions: Vec<String>,
    /// The ARN partition (nothing for `*`), and the pattern of a bucket, or of a bucket, `/` and a key.
    resources: Vec<(Option<String>, String)>,
}

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// Everybody.
    Anyone,
    /// Every user of an account; with the ARN partition, if it was written as an ARN.
    Account(AccountNumber, Option<String>),
    /// One user: account, path, name.
    User(AccountNumber, String, UserName, String),
}

/// Who asks, as far as a policy is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The account.
    pub account: AccountNumber,
    /// The user's path (`/`).
    pub path: &'a str,
    /// The user's name.
    pub name: &'a UserName,
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement denies it, whatever others say.
    Denied,
    /// A statement allows it.
    Allowed,
    /// No statement is about it.
    Silent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    #[serde(default)]
    version: Option<String>,
    #[serde(default, rename = "Id")]
    _id: Option<String>,
    statement: OneOrMany<RawStatement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawStatement {
    #[serde(default)]
    sid: Option<String>,
    effect: String,
    #[serde(default)]
    principal: Option<RawPrincipal>,
    #[serde(default)]
    not_principal: Option<IgnoredAny>,
    #[serde(default)]
    action: Option<OneOrMany<String>>,
    #[serde(default)]
    not_action: Option<IgnoredAny>,
    #[serde(default)]
    resource: Option<OneOrMany<String>>,
    #[serde(default)]
    not_resource: Option<IgnoredAny>,
    #[serde(default)]
    condition: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPrincipal {
    Text(String),
    Kinds(BTreeMap<String, OneOrMany<String>>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(item) => vec![item],
            Self::Many(items) => items,
        }
    }
}

fn malformed(message: impl Into<String>) -> Invalid {
    Invalid::new(Code::MalformedPolicy, message)
}

impl TryFrom<String> for BucketPolicy {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl From<BucketPolicy> for String {
    fn from(policy: BucketPolicy) -> Self {
        policy.text
    }
}

impl BucketPolicy {
    /// The most bytes of a policy (S3 user guide, "Bucket policies": 20 KB).
    pub const LEN_MAX: usize = 20 << 10;

    /// Reads a policy.
    ///
    /// # Errors
    /// `MalformedPolicy`, or `NotImplemented` for what is not evaluated.
    pub fn parse(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if text.len() > Self::LEN_MAX {
            return Err(malformed("Policy document exceeds the maximum allowed size of 20480 bytes"));
        }
        if !text.trim_start().starts_with('{') {
            return Err(malformed("Policies must be valid JSON and the first byte must be '{'"));
        }
        let document: Document = serde_json::from_str(&text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => malformed(format!("This policy contains invalid fields: {error}")),
            _ => malformed(format!("This policy contains invalid Json: {error}")),
        })?;
        let variables = match document.version.as_deref() {
            None | Some("2008-10-17") => false,
            Some("2012-10-17") => true,
            Some(_) => return Err(malformed("The policy must contain a valid version string")),
        };
        let raw = document.statement.into_vec();
        if raw.is_empty() {
            return Err(malformed("Missing required field Statement"));
        }
        let mut names: Vec<String> = Vec::new();
        let mut statements = Vec::with_capacity(raw.len());
        for mut statement in raw {
            if let Some(name) = statement.sid.take().filter(|name| !name.is_empty()) {
                if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Err(malformed("Statement IDs (SID) must be alpha-numeric"));
                }
                if names.contains(&name) {
                    return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
                }
                names.push(name);
            }
            statements.push(Statement::read(statement, variables)?);
        }
        Ok(Self { text, statements })
    }

    /// The policy as it was sent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks the policy against the bucket that it is set on: its resources are this bucket and its objects, its ARNs are
    /// of the region's ARN partition.
    ///
    /// # Errors
    /// `MalformedPolicy`.
    pub fn check(&self, bucket: &BucketName, partition: &str) -> Result<(), Invalid> {
        let other = |found: &Option<String>| found.as_ref().is_some_and(|found| found != partition);
        for statement in &self.statements {
            let foreign = |who: &Who| match who {
                Who::Anyone => false,
                Who::Account(_, found) => other(found),
                Who::User(.., found) => found != partition,
            };
            if statement.principals.iter().any(foreign) {
                return Err(malformed("Invalid principal in policy"));
            }
            let is_this = |pattern: &str| {
                let name = pattern.split('/').next().unwrap_or_default();
                fits(name, bucket.as_str())
            };
            if statement.resources.iter().any(|(found, pattern)| other(found) || !is_this(pattern)) {
                return Err(malformed("Policy has invalid resource"));
            }
        }
        Ok(())
    }

    /// Whether it lets in everybody (S3 user guide, "The meaning of public").
    #[must_use]
    pub fn is_public(&self) -> bool {
        let public = |statement: &Statement| !statement.denies && statement.principals.contains(&Who::Anyone);
        self.statements.iter().any(public)
    }

    /// What it says of an action on a resource: `bucket`, or `bucket/key`.
    ///
    /// `by_name_alone`: a denial counts only where it names the user, not where it is about everybody or an account.
    #[must_use]
    pub fn verdict(&self, asking: &Asking<'_>, action: &str, resource: &str, by_name_alone: bool) -> Verdict {
        let action = action.to_ascii_lowercase();
        let mut found = Verdict::Silent;
        for statement in &self.statements {
            let about = statement.actions.iter().any(|pattern| fits(pattern, &action))
                && statement.resources.iter().any(|(_, pattern)| fits(pattern, resource));
            if !about {
                continue;
            }
            let named = |who: &Who| match who {
                Who::Anyone => !(statement.denies && by_name_alone),
                Who::Account(account, _) => *account == asking.account && !(statement.denies && by_name_alone),
                Who::User(account, path, name, _) => {
                    *account == asking.account && path == asking.path && name == asking.name
                }
            };
            if statement.principals.iter().any(named) {
                if statement.denies {
                    return Verdict::Denied;
                }
                found = Verdict::Allowed;
            }
        }
        found
    }
}

impl Statement {
    fn read(raw: RawStatement, variables: bool) -> Result<Self, Invalid> {
        let unread = [
            ("NotPrincipal", raw.not_principal.is_some()),
            ("NotAction", raw.not_action.is_some()),
            ("NotResource", raw.not_resource.is_some()),
            ("Condition", raw.condition.is_some_and(|condition| !condition.is_empty())),
        ];
        if let Some((name, _)) = unread.iter().find(|(_, there)| *there) {
            return Err(Invalid::not_offered(&format!("`{name}` in a bucket policy")));
        }
        let denies = match raw.effect.as_str() {
            "Allow" => false,
            "Deny" => true,
            other => {
                let other: String = other.chars().take(80).collect();
                return Err(malformed(format!("Invalid effect: {other}")));
            }
        };
        let principals = match raw.principal {
            None => return Err(malformed("Missing required field Principal")),
            Some(RawPrincipal::Text(text)) if text == "*" => vec![Who::Anyone],
            Some(RawPrincipal::Text(_)) => return Err(malformed("Invalid principal in policy")),
            Some(RawPrincipal::Kinds(kinds)) => {
                let mut found = Vec::new();
                for (kind, texts) in kinds {
                    if kind != "AWS" {
                        return Err(Invalid::not_offered("a principal that is no account and no user"));
                    }
                    for text in texts.into_vec() {
                        found.push(Who::read(&text).ok_or_else(|| malformed("Invalid principal in policy"))?);
                    }
                }
                found
            }
        };
        let actions = raw.action.ok_or_else(|| malformed("Missing required field Action"))?.into_vec();
        let resources = raw.resource.ok_or_else(|| malformed("Missing required field Resource"))?.into_vec();
        if principals.is_empty() || actions.is_empty() || resources.is_empty() {
            return Err(malformed("Principal, Action and Resource cannot be empty"));
        }
        let mut read = Vec::with_capacity(resources.len());
        for resource in resources {
            if variables && resource.contains("${") {
                return Err(Invalid::not_offered("a policy variable in a bucket policy"));
            }
            read.push(read_resource(&resource).ok_or_else(|| malformed("Policy has invalid resource"))?);
        }
        let actions: Vec<String> = actions.iter().map(|action| action.to_ascii_lowercase()).collect();
        for action in &actions {
            let levels: Vec<Level> = actions::known(|name| fits(action, name)).collect();
            if levels.is_empty() {
                return Err(malformed("Policy has invalid action"));
            }
            let applies = |level: &Level| read.iter().any(|(_, pattern)| could_be(*level, pattern));
            if !levels.iter().any(applies) {
                return Err(malformed("Action does not apply to any resource(s) in statement"));
            }
        }
        Ok(Self { denies, principals, actions, resources: read })
    }
}

/// Whether a pattern could name a bucket, or an object.
fn could_be(level: Level, pattern: &str) -> bool {
    match level {
        Level::Bucket => !pattern.contains('/') || pattern.split('/').next().is_some_and(|name| name.ends_with('*')),
        Level::Object => pattern.contains('/') || pattern.ends_with('*'),
    }
}

fn read_resource(text: &str) -> Option<(Option<String>, String)> {
    if text == "*" {
        return Some((None, text.to_owned()));
    }
    let (partition, rest) = text.strip_prefix("arn:")?.split_once(':')?;
    let pattern = rest.strip_prefix("s3:::")?;
    (!pattern.is_empty()).then(|| (Some(partition.to_owned()), pattern.to_owned()))
}

impl Who {
    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Anyone);
        }
        if let Ok(account) = text.parse() {
            return Some(Self::Account(account, None));
        }
        let (partition, rest) = text.strip_prefix("arn:")?.split_once(':')?;
        let (account, name) = rest.strip_prefix("iam::")?.split_once(':')?;
        let (partition, account) = (partition.to_owned(), account.parse().ok()?);
        if name == "root" {
            return Some(Self::Account(account, Some(partition)));
        }
        let name = name.strip_prefix("user")?;
        let (path, name) = name.split_at(name.rfind('/')? + 1);
        Some(Self::User(account, path.to_owned(), UserName::new(name).ok()?, partition))
    }
}

/// Whether a text fits a pattern: `*` is any run of characters, `?` any one of them (IAM user guide, "Using wildcards
/// in resource ARNs").
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` was, and how much of the text it takes.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(seen) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => (at, seen) = (at + 1, seen + 1),
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, seen) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "arn:aws-iso-b:iam::123456789012:root";

    fn statement(more: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ROOT}"}},{more}}}]}}"#
        )
    }

    fn code(text: &str) -> Option<Code> {
        BucketPolicy::parse(text).err().map(|invalid| invalid.code)
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let check = |more: &str, expected: Option<Code>| assert_eq!(code(&statement(more)), expected, "{more}");
        let (bad, not) = (Some(Code::MalformedPolicy), Some(Code::NotImplemented));
        let rest = r#""Action":"s3:GetObject","Resource":"arn:aws-iso-b:s3:::b/*""#;
        check(rest, None);
        check(&format!(r#"{rest},"Condition":{{}}"#), None);
        check(&format!(r#"{rest},"Condition":{{"StringEquals":{{"a":"b"}}}}"#), not);
        check(r#""NotAction":"s3:GetObject","Resource":"arn:aws-iso-b:s3:::b/*""#, not);
        check(r#""Action":"s3:GetObject","NotResource":"arn:aws-iso-b:s3:::b/*""#, not);
        check(r#""Action":"s3:GetObject","Resource":"arn:aws-iso-b:s3:::b/${aws:username}/*""#, not);
        check(r#""Action":"s3:GetObject""#, bad);
        check(r#""Resource":"arn:aws-iso-b:s3:::b/*""#, bad);
        check(r#""Action":"s3:MakeCoffee","Resource":"arn:aws-iso-b:s3:::b/*""#, bad);
        check(r#""Action":"iam:GetUser","Resource":"arn:aws-iso-b:s3:::b/*""#, bad);
        check(r#""Action":"s3:GetObject","Resource":"b/*""#, bad);
        check(r#""Action":"s3:GetObject","Resource":"arn:aws-iso-b:s3:::b""#, bad);
        check(r#""Action":"s3:ListBucket","Resource":"arn:aws-iso-b:s3:::b/*""#, bad);
        check(r#""Action":["s3:ListBucket","s3:getobject"],"Resource":["arn:aws-iso-b:s3:::b*"]"#, None);
        check(&format!(r#"{rest},"Effect":"Deny""#), bad);
        check(&format!(r#"{rest},"Extra":1"#), bad);
        check(r#""Action":[],"Resource":"*""#, bad);
        for text in ["", "[]", "{", "{}", r#"{"Statement":[]}"#, &"{".repeat(30_000)] {
            assert_eq!(code(text), bad, "{text}");
        }
        let other = |from: &str, to: &str| code(&statement(rest).replace(from, to));
        assert_eq!(other("2012-10-17", "2012-10-18"), bad);
        assert_eq!(other("Allow", "Maybe"), bad);
        assert_eq!(other(ROOT, "*"), None);
        assert_eq!(other(ROOT, "123456789012"), None);
        assert_eq!(other(ROOT, "arn:aws-iso-b:iam::123456789012:user/a/b/ana"), None);
        assert_eq!(other(ROOT, "arn:aws-iso-b:iam::123456789012:user/*"), bad);
        assert_eq!(other(ROOT, "arn:aws-iso-b:iam::123456789012:role/r"), bad);
        assert_eq!(other(ROOT, "arn:aws-iso-b:iam::1:root"), bad);
        assert_eq!(other("\"AWS\"", "\"Service\""), not);
    }

    #[test]
    fn a_policy_is_for_its_bucket_and_region() {
        let policy =
            BucketPolicy::parse(statement(r#""Action":"s3:*","Resource":"arn:aws-iso-b:s3:::bu*/x""#)).unwrap();
        let check = |bucket: &str, partition: &str| policy.check(&BucketName::new(bucket).unwrap(), partition).is_ok();
        assert!(check("bucket", "aws-iso-b"));
        assert!(!check("other", "aws-iso-b"));
        assert!(!check("bucket", "aws"));
    }

    #[test]
    fn a_denial_wins() {
        let text = r#"{"Statement":[
            {"Sid":"a","Effect":"Allow","Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"},
            {"Sid":"b","Effect":"Deny","Principal":{"AWS":["123456789012"]},"Action":"s3:*","Resource":"arn:aws:s3:::b/x?"},
            {"Sid":"c","Effect":"Deny","Principal":{"AWS":"arn:aws:iam::210987654321:user/p/ana"},"Action":"*","Resource":"*"}
        ]}"#;
        let policy = BucketPolicy::parse(text).unwrap();
        let (ana, bob) = (UserName::new("ana").unwrap(), UserName::new("bob").unwrap());
        let check = |account: &str, path: &str, name: &UserName, action: &str, resource: &str, expected: Verdict| {
            let asking = Asking { account: account.parse().unwrap(), path, name };
            assert_eq!(policy.verdict(&asking, action, resource, false), expected, "{account} {action} {resource}");
        };
        let (one, two) = ("123456789012", "210987654321");
        check(one, "/", &bob, "s3:GetObject", "b/a", Verdict::Allowed);
        check(one, "/", &bob, "s3:GetObject", "b/xy", Verdict::Denied);
        check(one, "/", &bob, "s3:GetObject", "b/xyz", Verdict::Allowed);
        check(one, "/", &bob, "s3:PutObject", "b/a", Verdict::Silent);
        check(one, "/", &bob, "s3:GetObject", "c/a", Verdict::Silent);
        check(two, "/", &bob, "s3:GetObject", "b/xy", Verdict::Allowed);
        check(two, "/p/", &ana, "s3:GetObject", "b/a", Verdict::Denied);
        check(two, "/", &ana, "s3:GetObject", "b/a", Verdict::Allowed);
        let asking = Asking { account: one.parse().unwrap(), path: "/", name: &bob };
        assert_eq!(policy.verdict(&asking, "s3:GetObject", "b/xy", true), Verdict::Allowed);
        let asking = Asking { account: two.parse().unwrap(), path: "/p/", name: &ana };
        assert_eq!(policy.verdict(&asking, "s3:GetObject", "b/xy", true), Verdict::Denied);
        assert!(policy.is_public());
    }

    #[test]
    fn wildcards() {
        let check =
            |pattern: &str, text: &str, expected: bool| assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        check("", "", true);
        check("*", "", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-b-b", false);
        check("a?c", "aéc", true);
        check("a?c", "ac", false);
        check("*aab", "aaaab", true);
        check("abc", "abcd", false);
    }
}
