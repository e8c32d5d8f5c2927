//! What the policy of a browser's form allows (S3 API reference, "Creating a POST policy").

use crate::admission::Unfit;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A policy as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    expiration: String,
    conditions: Vec<Value>,
}

/// One condition on a field. Names are in lower case.
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Equal(String, String),
    StartsWith(String, String),
}

/// What a policy demands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    expiration: OffsetDateTime,
    conditions: Vec<(Condition, String)>,
    /// The least and the most bytes of the file.
    pub(crate) length: Option<(u64, u64)>,
}

fn invalid(why: &str) -> Unfit {
    ("InvalidPolicyDocument", 400, format!("Invalid Policy: {why}"))
}

fn denied(why: &str) -> Unfit {
    ("AccessDenied", 403, format!("Invalid according to Policy: {why}"))
}

/// A length: a number, or one in quotes as some pages write it.
fn length(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

impl Policy {
    /// Reads a policy out of its base64.
    pub(crate) fn read(base64: &str) -> Result<Self, Unfit> {
        // As written into a page, it may be broken into lines.
        let compact: String = base64.chars().filter(|char| !char.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(compact).map_err(|_| invalid("it is not base64."))?;
        let written: Written = serde_json::from_slice(&bytes).map_err(|_| invalid("Invalid JSON."))?;
        let expiration = OffsetDateTime::parse(&written.expiration, &Rfc3339);
        let expiration = expiration.map_err(|_| invalid("Invalid 'expiration' value."))?;
        let mut policy = Self { expiration, conditions: Vec::new(), length: None };
        for condition in written.conditions {
            policy.add(&condition)?;
        }
        Ok(policy)
    }

    fn add(&mut self, written: &Value) -> Result<(), Unfit> {
        let malformed = || invalid("Invalid Condition.");
        let value = |text: &str| text.replace("\\$", "$");
        match written {
            Value::Object(pairs) if !pairs.is_empty() => {
                for (name, text) in pairs {
                    let text = value(text.as_str().ok_or_else(malformed)?);
                    let shown = serde_json::json!({ name: text }).to_string();
                    self.conditions.push((Condition::Equal(name.to_ascii_lowercase(), text), shown));
                }
                Ok(())
            }
            Value::Array(parts) => {
                let [operator, first, second] = parts.as_slice() else { return Err(malformed()) };
                let operator = operator.as_str().ok_or_else(malformed)?.to_ascii_lowercase();
                if operator == "content-length-range" {
                    let (Some(least), Some(most)) = (length(first), length(second)) else { return Err(malformed()) };
                    let (low, high) = self.length.unwrap_or((0, u64::MAX));
                    // Every condition holds: of several ranges, what they have in common.
                    self.length = Some((low.max(least), high.min(most)));
                    return Ok(());
                }
                let name = first.as_str().and_then(|name| name.strip_prefix('$')).ok_or_else(malformed)?;
                let (name, text) = (name.to_ascii_lowercase(), value(second.as_str().ok_or_else(malformed)?));
                let condition = match operator.as_str() {
                    "eq" => Condition::Equal(name, text),
                    "starts-with" => Condition::StartsWith(name, text),
                    _ => return Err(malformed()),
                };
                self.conditions.push((condition, written.to_string()));
                Ok(())
            }
            _ => Err(malformed()),
        }
    }

    /// Holds a form to the policy. `fields` are all that count, by their names in lower case, the bucket among them.
    pub(crate) fn check(&self, now_ms: i64, fields: &[(&str, &str)]) -> Result<(), Unfit> {
        if self.expiration.unix_timestamp_nanos() <= i128::from(now_ms) * 1_000_000 {
            return Err(denied("Policy expired."));
        }
        let field = |name: &str| fields.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        for (condition, shown) in &self.conditions {
            let holds = match condition {
                Condition::Equal(name, text) => field(name) == Some(text),
                Condition::StartsWith(name, text) => field(name).is_some_and(|value| value.starts_with(text)),
            };
            if !holds {
                return Err(denied(&format!("Policy Condition failed: {shown}")));
            }
        }
        let named = |name: &str| {
            self.conditions.iter().any(|(condition, _)| match condition {
                Condition::Equal(other, _) | Condition::StartsWith(other, _) => other == name,
            })
        };
        let extra: Vec<&str> = fields.iter().map(|(name, _)| *name).filter(|name| !named(name)).collect();
        if extra.is_empty() { Ok(()) } else { Err(denied(&format!("Extra input fields: {}", extra.join(", ")))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, &'static str> {
        Policy::read(&STANDARD.encode(text)).map_err(|(code, ..)| code)
    }

    #[test]
    fn policies_are_held_to() {
        let policy = read(
            r#"{"expiration": "2030-01-01T00:00:00.000Z", "conditions": [{"bucket": "b"}, ["starts-with", "$Key", "user/"],
                {"ACL": "private"}, ["eq", "$x-amz-meta-price", "\\$5"], ["starts-with", "$content-type", ""],
                ["content-length-range", 1, "10"], ["content-length-range", 0, 7]]}"#,
        )
        .unwrap();
        assert_eq!(policy.length, Some((1, 7)));
        let good = [
            ("bucket", "b"),
            ("key", "user/x"),
            ("acl", "private"),
            ("x-amz-meta-price", "$5"),
            ("content-type", "text/plain"),
        ];
        let now = 1_800_000_000_000;
        assert_eq!(policy.check(now, &good), Ok(()));
        let message = |now: i64, fields: &[(&str, &str)]| policy.check(now, fields).unwrap_err().2;
        assert_eq!(message(1_893_456_000_000, &good), "Invalid according to Policy: Policy expired.");
        assert!(policy.check(1_893_455_999_999, &good).is_ok());
        for (number, value) in [(0, "c"), (1, "User/x"), (2, "public-read"), (3, "\\$5")] {
            let mut fields = good;
            fields[number].1 = value;
            assert!(message(now, &fields).starts_with("Invalid according to Policy: Policy Condition failed: "));
        }
        let failed = message(now, &good[..4]);
        assert_eq!(
            failed,
            r#"Invalid according to Policy: Policy Condition failed: ["starts-with","$content-type",""]"#
        );
        let mut more = good.to_vec();
        more.push(("tagging", "x"));
        assert_eq!(message(now, &more), "Invalid according to Policy: Extra input fields: tagging");
    }

    #[test]
    fn nonsense_is_no_policy() {
        let no: Result<(), &str> = Err("InvalidPolicyDocument");
        let with = |condition: &str| {
            read(&format!(r#"{{"expiration": "2030-01-01T00:00:00Z", "conditions": [{condition}]}}"#)).map(|_| ())
        };
        assert_eq!(with(r#"{"a": "b"}"#), Ok(()));
        for condition in [
            "1",
            "[]",
            "{}",
            r#"{"a": 1}"#,
            r#"["eq", "$a"]"#,
            r#"["eq", "a", "b"]"#,
            r#"["eq", "$a", 1]"#,
            r#"["like", "$a", "b"]"#,
            r#"["content-length-range", -1, 5]"#,
            r#"["content-length-range", 1]"#,
            r#"["content-length-range", "$a", 1]"#,
        ] {
            assert_eq!(with(condition), no, "{condition}");
        }
        assert_eq!(read("{").map(|_| ()), Err("InvalidPolicyDocument"));
        for text in [
            r#"{"conditions": []}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z"}"#,
            r#"{"expiration": "tomorrow", "conditions": []}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "conditions": [], "more": 1}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(Policy::read("{}").is_err());
    }
}
