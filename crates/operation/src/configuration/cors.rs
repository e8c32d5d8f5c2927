//! Cross-origin resource sharing (S3 user guide, "Using cross-origin resource sharing"; the Fetch standard).

use super::Invalid;
use crate::Code;
use serde::{Deserialize, Serialize};

/// The rules of a bucket: the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRules(Vec<CorsRule>);

/// One CORS rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsRule {
    /// A name, at most 255 characters.
    pub id: Option<String>,
    /// Origins, each with one `*` at most.
    pub origins: Vec<String>,
    /// GET, PUT, POST, DELETE, HEAD.
    pub methods: Vec<String>,
    /// Headers that a request may carry, each with one `*` at most.
    pub headers: Vec<String>,
    /// Headers that a script may read in the answer.
    pub expose: Vec<String>,
    /// How long a browser may keep the answer to a preflight.
    pub max_age_s: Option<u32>,
}

impl CorsRules {
    /// The most rules of a bucket.
    pub const MAX: usize = 100;

    /// Checks S3's rules for CORS rules.
    ///
    /// # Errors
    /// [`Invalid`] with `MalformedXML` or `InvalidRequest`.
    pub fn new(rules: Vec<CorsRule>) -> Result<Self, Invalid> {
        if rules.is_empty() || rules.len() > Self::MAX {
            return Err(Invalid::malformed());
        }
        for rule in &rules {
            rule.check()?;
        }
        Ok(Self(rules))
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[CorsRule] {
        &self.0
    }

    /// The first rule that lets this origin use this method, with these headers.
    #[must_use]
    pub fn find(&self, origin: &str, method: &str, headers: &[&str]) -> Option<&CorsRule> {
        self.0.iter().find(|rule| {
            rule.origin(origin).is_some()
                && rule.methods.iter().any(|allowed| allowed == method)
                && headers.iter().all(|header| {
                    let header = header.to_ascii_lowercase();
                    rule.headers.iter().any(|allowed| fits(&allowed.to_ascii_lowercase(), &header))
                })
        })
    }
}

impl CorsRule {
    fn check(&self) -> Result<(), Invalid> {
        let wrong = |message: String| Err(Invalid::new(Code::InvalidRequest, message));
        if self.origins.is_empty() || self.methods.is_empty() {
            return Err(Invalid::malformed());
        }
        if self.id.as_ref().is_some_and(|id| id.chars().count() > 255) {
            return Err(Invalid::argument("The ID of a CORS rule cannot be longer than 255 characters"));
        }
        for method in &self.methods {
            if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method.as_str()) {
                let method: String = method.chars().take(80).collect();
                return wrong(format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}"));
            }
        }
        for (name, values) in [("AllowedOrigin", &self.origins), ("AllowedHeader", &self.headers)] {
            if let Some(value) = values.iter().find(|value| value.matches('*').count() > 1) {
                let value: String = value.chars().take(80).collect();
                return wrong(format!("{name} \"{value}\" can not have more than one wildcard."));
            }
        }
        if let Some(value) = self.expose.iter().find(|value| value.contains('*')) {
            let value: String = value.chars().take(80).collect();
            return wrong(format!(
                "ExposeHeader \"{value}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            ));
        }
        // They go into answers' headers as they are.
        let texts = self.origins.iter().chain(&self.headers).chain(&self.expose);
        if texts.clone().any(|text| text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic())) {
            return wrong("Origins and headers of a CORS rule are visible ASCII characters".to_owned());
        }
        Ok(())
    }

    /// What `Access-Control-Allow-Origin` says to an origin that the rule lets in: `*` where the rule lets in everybody.
    #[must_use]
    pub fn origin<'a>(&self, origin: &'a str) -> Option<&'a str> {
        if self.origins.iter().any(|allowed| allowed == "*") {
            return Some("*");
        }
        self.origins.iter().any(|allowed| fits(allowed, origin)).then_some(origin)
    }
}

/// Whether a text fits a pattern with one `*` at most.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CorsRule { origins: owned(origins), methods: owned(methods), headers: owned(headers), ..CorsRule::default() }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules = CorsRules::new(vec![
            rule(&["https://*.example.com"], &["GET", "PUT"], &["x-amz-*", "Content-Type"]),
            rule(&["*"], &["GET"], &[]),
        ]);
        let rules = rules.unwrap();
        let check = |origin: &str, method: &str, headers: &[&str], expected: Option<&str>| {
            let found = rules.find(origin, method, headers).and_then(|rule| rule.origin(origin));
            assert_eq!(found, expected, "{origin} {method} {headers:?}");
        };
        check("https://a.example.com", "PUT", &["X-Amz-Date", "content-type"], Some("https://a.example.com"));
        check("https://a.example.com", "GET", &[], Some("https://a.example.com"));
        check("https://a.example.com", "GET", &["range"], None);
        check("https://example.com", "GET", &[], Some("*"));
        check("https://example.com", "PUT", &[], None);
        check("https://.example.com", "DELETE", &[], None);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let check = |rule: CorsRule, code: Option<Code>| {
            assert_eq!(CorsRules::new(vec![rule.clone()]).err().map(|invalid| invalid.code), code, "{rule:?}");
        };
        check(rule(&["*"], &["GET"], &["*"]), None);
        check(rule(&[], &["GET"], &[]), Some(Code::MalformedXml));
        check(rule(&["*"], &[], &[]), Some(Code::MalformedXml));
        check(rule(&["*"], &["OPTIONS"], &[]), Some(Code::InvalidRequest));
        check(rule(&["*"], &["get"], &[]), Some(Code::InvalidRequest));
        check(rule(&["http://*.*"], &["GET"], &[]), Some(Code::InvalidRequest));
        check(rule(&["*"], &["GET"], &["x-*-*"]), Some(Code::InvalidRequest));
        check(rule(&["a\nb"], &["GET"], &[]), Some(Code::InvalidRequest));
        check(CorsRule { expose: vec!["x-*".to_owned()], ..rule(&["*"], &["GET"], &[]) }, Some(Code::InvalidRequest));
        check(CorsRule { id: Some("i".repeat(256)), ..rule(&["*"], &["GET"], &[]) }, Some(Code::InvalidArgument));
        assert!(CorsRules::new(Vec::new()).is_err());
        assert!(CorsRules::new(vec![rule(&["*"], &["GET"], &[]); 101]).is_err());
    }
}
