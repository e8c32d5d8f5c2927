//! What expires (S3 user guide, "Managing the lifecycle of objects").

use super::Invalid;
use crate::{Code, Tags};
use serde::{Deserialize, Serialize};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The rules of a bucket, each with a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle(Vec<LifecycleRule>);

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRule {
    /// Its name, at most 255 characters.
    pub id: String,
    /// Whether it is applied.
    pub enabled: bool,
    /// What it is about.
    pub filter: Filter,
    /// What happens to current versions.
    pub expiration: Option<Expiration>,
    /// What happens to older ones.
    pub noncurrent: Option<NoncurrentExpiration>,
    /// After how many days an unfinished upload is aborted.
    pub abort_uploads_days: Option<u32>,
}

/// Which objects a rule is about: all of these must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Whether the rule was sent with a prefix of its own instead of a filter (an older form, given back as sent).
    pub old_form: bool,
    /// Whether the filter was sent as `And`.
    pub and: bool,
    /// What the key begins with.
    pub prefix: Option<String>,
    /// Tags that the object has.
    pub tags: Tags,
    /// More bytes than this.
    pub size_above: Option<u64>,
    /// Fewer bytes than this.
    pub size_below: Option<u64>,
}

/// When the current version expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiration {
    /// So many days after it was written.
    Days(u32),
    /// On a day, milliseconds since 1970: midnight UTC.
    DateMs(i64),
    /// Delete markers go when nothing is left behind them, or stay.
    Marker(bool),
}

/// When versions that are not current are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoncurrentExpiration {
    /// So many days after they ceased to be current.
    pub days: u32,
    /// So many of the newest of them stay.
    pub newer: Option<u32>,
}

impl Lifecycle {
    /// The most rules of a bucket.
    pub const MAX: usize = 1000;

    /// Checks S3's rules for lifecycle rules.
    ///
    /// # Errors
    /// [`Invalid`] with `MalformedXML`, `InvalidArgument` or `InvalidRequest`.
    pub fn new(rules: Vec<LifecycleRule>) -> Result<Self, Invalid> {
        if rules.is_empty() || rules.len() > Self::MAX {
            return Err(Invalid::malformed());
        }
        for (number, rule) in rules.iter().enumerate() {
            rule.check()?;
            if rules.iter().take(number).any(|other| other.id == rule.id) {
                return Err(Invalid::argument("RuleId must be unique. Found same ID for one or more rules"));
            }
        }
        Ok(Self(rules))
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[LifecycleRule] {
        &self.0
    }

    /// The rules that are applied.
    pub fn enabled(&self) -> impl Iterator<Item = &LifecycleRule> {
        self.0.iter().filter(|rule| rule.enabled)
    }

    /// When a current version expires, and by which rule: the earliest counts (S3 user guide, "Lifecycle configuration
    /// elements", conflicts).
    #[must_use]
    pub fn expires(&self, key: &str, size: u64, tags: &Tags, modified_ms: i64) -> Option<(i64, &str)> {
        let due = |rule: &'_ LifecycleRule| match rule.expiration? {
            Expiration::Days(days) => Some(after_days(modified_ms, days)),
            Expiration::DateMs(date) => Some(date),
            Expiration::Marker(_) => None,
        };
        let found = self.enabled().filter(|rule| rule.filter.takes(key, size, tags));
        found.filter_map(|rule| Some((due(rule)?, rule.id.as_str()))).min_by_key(|(at, _)| *at)
    }
}

impl LifecycleRule {
    fn check(&self) -> Result<(), Invalid> {
        if self.id.chars().count() > 255 {
            return Err(Invalid::argument("ID length should not exceed allowed limit of 255"));
        }
        if self.expiration.is_none() && self.noncurrent.is_none() && self.abort_uploads_days.is_none() {
            let message = "At least one action needs to be specified in a rule";
            return Err(Invalid::new(Code::InvalidRequest, message));
        }
        match self.expiration {
            Some(Expiration::Days(0)) => {
                return Err(Invalid::argument("'Days' for Expiration action must be a positive integer"));
            }
            Some(Expiration::DateMs(date)) if date.rem_euclid(DAY_MS) != 0 => {
                return Err(Invalid::argument("'Date' must be at midnight GMT"));
            }
            _ => {}
        }
        if let Some(noncurrent) = self.noncurrent {
            if noncurrent.days == 0 {
                let message = "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer";
                return Err(Invalid::argument(message));
            }
            if noncurrent.newer.is_some_and(|newer| !(1..=100).contains(&newer)) {
                let message = "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be 1 to 100";
                return Err(Invalid::argument(message));
            }
        }
        if self.abort_uploads_days == Some(0) {
            let message = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer";
            return Err(Invalid::argument(message));
        }
        self.check_filter()
    }

    fn check_filter(&self) -> Result<(), Invalid> {
        let filter = &self.filter;
        let refused = |message: &str| Err(Invalid::new(Code::InvalidRequest, message));
        if filter.prefix.as_ref().is_some_and(|prefix| prefix.len() > 1024) {
            return refused("The maximum size of a prefix is 1024.");
        }
        if let (Some(above), Some(below)) = (filter.size_above, filter.size_below)
            && below.saturating_sub(1) <= above
        {
            return refused("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'");
        }
        let by_tag = !filter.tags.is_empty();
        let by_size = filter.size_above.is_some() || filter.size_below.is_some();
        if self.abort_uploads_days.is_some() && (by_tag || by_size) {
            let what = if by_tag { "Tags" } else { "Object Size" };
            return refused(&format!("AbortIncompleteMultipartUpload cannot be specified with {what}."));
        }
        if matches!(self.expiration, Some(Expiration::Marker(_))) && by_tag {
            return refused("ExpiredObjectDeleteMarker cannot be specified with Tags.");
        }
        let terms = usize::from(filter.prefix.is_some())
            + usize::from(filter.size_above.is_some())
            + usize::from(filter.size_below.is_some())
            + filter.tags.len();
        match (filter.and, terms) {
            (true, 0 | 1) | (false, 2..) => Err(Invalid::malformed()),
            _ => Ok(()),
        }
    }
}

impl Filter {
    /// Whether the rule is about an object.
    #[must_use]
    pub fn takes(&self, key: &str, size: u64, tags: &Tags) -> bool {
        self.takes_key(key)
            && self.size_above.is_none_or(|bound| size > bound)
            && self.size_below.is_none_or(|bound| size < bound)
            && self.tags.iter().all(|(key, value)| tags.has(key, value))
    }

    /// Whether the rule is about a key, where there is no object: a delete marker, an upload.
    #[must_use]
    pub fn takes_key(&self, key: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
    }
}

/// So many days after a moment, at the next midnight UTC (S3 user guide, "Lifecycle rules based on an object's age").
#[must_use]
pub fn after_days(from_ms: i64, days: u32) -> i64 {
    let due = from_ms.saturating_add(i64::from(days).saturating_mul(DAY_MS));
    match due.rem_euclid(DAY_MS) {
        0 => due,
        over => due.saturating_add(DAY_MS - over),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(expiration: Option<Expiration>) -> LifecycleRule {
        LifecycleRule { id: "r".to_owned(), enabled: true, expiration, ..LifecycleRule::default() }
    }

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Tags::new(pairs).unwrap()
    }

    #[test]
    fn days_end_at_midnight() {
        let midnight = 20_000 * DAY_MS;
        assert_eq!(after_days(midnight, 1), midnight + DAY_MS);
        assert_eq!(after_days(midnight + 1, 1), midnight + 2 * DAY_MS);
        assert_eq!(after_days(midnight - 1, 3), midnight + 3 * DAY_MS);
        assert_eq!(after_days(i64::MAX, u32::MAX), i64::MAX);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let check = |rule: LifecycleRule, code: Option<Code>| {
            assert_eq!(Lifecycle::new(vec![rule.clone()]).err().map(|invalid| invalid.code), code, "{rule:?}");
        };
        let days = Some(Expiration::Days(1));
        check(rule(days), None);
        check(rule(None), Some(Code::InvalidRequest));
        check(rule(Some(Expiration::Days(0))), Some(Code::InvalidArgument));
        check(rule(Some(Expiration::DateMs(DAY_MS))), None);
        check(rule(Some(Expiration::DateMs(DAY_MS + 1))), Some(Code::InvalidArgument));
        check(LifecycleRule { id: "i".repeat(256), ..rule(days) }, Some(Code::InvalidArgument));
        check(LifecycleRule { abort_uploads_days: Some(0), ..rule(None) }, Some(Code::InvalidArgument));
        let noncurrent =
            |days, newer| LifecycleRule { noncurrent: Some(NoncurrentExpiration { days, newer }), ..rule(None) };
        check(noncurrent(1, Some(100)), None);
        check(noncurrent(0, None), Some(Code::InvalidArgument));
        check(noncurrent(1, Some(101)), Some(Code::InvalidArgument));
        let filtered = |filter| LifecycleRule { filter, ..rule(days) };
        let two = Filter { prefix: Some("a".to_owned()), size_above: Some(1), ..Filter::default() };
        check(filtered(two.clone()), Some(Code::MalformedXml));
        check(filtered(Filter { and: true, ..two.clone() }), None);
        check(filtered(Filter { and: true, ..Filter::default() }), Some(Code::MalformedXml));
        let sizes = Filter { and: true, size_above: Some(5), size_below: Some(6), ..Filter::default() };
        check(filtered(sizes), Some(Code::InvalidRequest));
        let tagged = Filter { tags: tags(&[("a", "1")]), ..Filter::default() };
        check(filtered(tagged.clone()), None);
        check(LifecycleRule { abort_uploads_days: Some(1), ..filtered(tagged.clone()) }, Some(Code::InvalidRequest));
        check(LifecycleRule { filter: tagged, ..rule(Some(Expiration::Marker(true))) }, Some(Code::InvalidRequest));
        assert!(Lifecycle::new(Vec::new()).is_err());
        assert!(Lifecycle::new(vec![rule(days), rule(days)]).is_err());
    }

    #[test]
    fn the_earliest_rule_counts() {
        let filter = Filter { prefix: Some("logs/".to_owned()), ..Filter::default() };
        let by_tag = Filter { tags: tags(&[("keep", "no")]), ..Filter::default() };
        let named =
            |id: &str, days, filter| LifecycleRule { id: id.to_owned(), filter, ..rule(Some(Expiration::Days(days))) };
        let off = LifecycleRule { enabled: false, ..named("off", 1, Filter::default()) };
        let rules = vec![named("all", 30, Filter::default()), named("logs", 5, filter), named("tag", 2, by_tag), off];
        let lifecycle = Lifecycle::new(rules).unwrap();
        let check = |key: &str, held: &Tags, expected: (i64, &str)| {
            assert_eq!(lifecycle.expires(key, 1, held, 0), Some((expected.0 * DAY_MS, expected.1)));
        };
        check("a", &Tags::default(), (30, "all"));
        check("logs/a", &Tags::default(), (5, "logs"));
        check("logs/a", &tags(&[("keep", "no"), ("b", "")]), (2, "tag"));
    }
}
