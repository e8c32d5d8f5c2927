//! The form of the AWS query protocol: names and values, and the members of a request taken from them.

use crate::call::{Malformed, shortened};
use std::collections::BTreeMap;

/// The most parameters of one request.
pub(crate) const PARAMETERS_MAX: usize = 1_000;
/// The most members of a list (IAM's `tagListType` and `tagKeyListType`).
pub(crate) const LIST_MAX: usize = 50;

/// A form's parameters, each of which is taken once.
#[derive(Debug)]
pub(crate) struct Form {
    values: BTreeMap<String, String>,
}

impl Form {
    /// The parameters of a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        if !percent_encoding_is_whole(body) {
            return Err(invalid("the form's percent-encoding is broken"));
        }
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            // The decoder puts this character where the bytes are not UTF-8.
            if [&name, &value].iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
                return Err(invalid("the form is not UTF-8"));
            }
            if values.len() == PARAMETERS_MAX {
                return Err(invalid(format!("the form has more than {PARAMETERS_MAX} parameters")));
            }
            let name = name.into_owned();
            if values.contains_key(&name) {
                return Err(invalid(format!("the parameter `{}` was sent twice", shortened(&name))));
            }
            values.insert(name, value.into_owned());
        }
        Ok(Self { values })
    }

    /// A parameter that may be absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// A parameter that must be there.
    pub(crate) fn required(&mut self, name: &str) -> Result<String, Malformed> {
        self.take(name).ok_or_else(|| missing(&member(name)))
    }

    /// A list of texts, `NAME.member.1` and so on; an empty list is sent as `NAME=`.
    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<String>>, Malformed> {
        self.items(name, |form, prefix, _| Ok(form.take(prefix)))
    }

    /// A list of pairs, `NAME.member.1.Key` and `NAME.member.1.Value` and so on.
    pub(crate) fn pairs(&mut self, name: &str) -> Result<Option<Vec<(String, String)>>, Malformed> {
        self.items(name, |form, prefix, at| {
            match (form.take(&format!("{prefix}.Key")), form.take(&format!("{prefix}.Value"))) {
                (None, None) => Ok(None),
                (Some(key), Some(value)) => Ok(Some((key, value))),
                (None, Some(_)) => Err(missing(&format!("{at}.key"))),
                (Some(_), None) => Err(missing(&format!("{at}.value"))),
            }
        })
    }

    fn items<T>(
        &mut self,
        name: &str,
        item: impl Fn(&mut Self, &str, &str) -> Result<Option<T>, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        let mut found = Vec::new();
        loop {
            let number = found.len() + 1;
            let at = format!("{}.{number}.member", member(name));
            let Some(next) = item(self, &format!("{name}.member.{number}"), &at)? else { break };
            if number > LIST_MAX {
                let rule = format!("Member must have length less than or equal to {LIST_MAX}");
                return Err(constraint(&format!("'[{number} members or more]'"), &member(name), &rule));
            }
            found.push(next);
        }
        if !found.is_empty() {
            return Ok(Some(found));
        }
        match self.take(name) {
            None => Ok(None),
            Some(empty) if empty.is_empty() => Ok(Some(found)),
            Some(value) => Err(constraint(&quoted(&value), &member(name), "Member must be a list")),
        }
    }

    /// Refuses what nobody took: it may have been meant to limit the request.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        match self.values.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                Err(invalid(format!("the parameter `{}` is not one that this action takes here", shortened(&name))))
            }
        }
    }
}

/// A member's name as AWS writes it in messages.
pub(crate) fn member(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// A value as AWS writes it in messages.
pub(crate) fn quoted(value: &str) -> String {
    format!("'{}'", shortened(value))
}

/// A refusal because of one member's value.
pub(crate) fn constraint(value: &str, member: &str, rule: &str) -> Malformed {
    invalid(format!("1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {rule}"))
}

/// A refusal of the request as a whole.
pub(crate) fn invalid(message: impl Into<String>) -> Malformed {
    Malformed::new("ValidationError", message)
}

/// A refusal because a member is not there.
pub(crate) fn missing(member: &str) -> Malformed {
    constraint("null", member, "Member must not be null")
}

fn percent_encoding_is_whole(body: &[u8]) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    body.split(|byte| *byte == b'%').skip(1).all(|after| is_hex(after.first()) && is_hex(after.get(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_are_broken_are_refused() {
        let many = |count: usize| (0..count).map(|n| format!("p{n}=v&")).collect::<String>();
        let check = |body: &[u8], good: bool| {
            assert_eq!(Form::parse(body).is_ok(), good, "{}", String::from_utf8_lossy(body));
        };
        check(b"", true);
        check(b"&&a=b&", true);
        check(b"a=%41%e2%82%ac&b=1+2", true);
        check(many(PARAMETERS_MAX).as_bytes(), true);
        check(many(PARAMETERS_MAX + 1).as_bytes(), false);
        check(b"a=1&a=1", false);
        check(b"a=1&%61=2", false);
        check(b"a=%", false);
        check(b"a=%4", false);
        check(b"a=%4g", false);
        check(b"a=%%41", false);
        check(b"a=%ff", false);
        check(b"a=\xff", false);
    }

    #[test]
    fn lists_start_at_one_and_have_no_gaps() {
        let check = |body: &str, expected: Result<Option<usize>, ()>| {
            let mut form = Form::parse(body.as_bytes()).unwrap();
            let list = form.list("L").and_then(|list| form.finish().map(|()| list.map(|list| list.len())));
            assert_eq!(list.map_err(|_| ()), expected, "{body}");
        };
        let many = |count: usize| (1..=count).map(|n| format!("L.member.{n}=v&")).collect::<String>();
        check("", Ok(None));
        check("L=", Ok(Some(0)));
        check("L.member.2=b&L.member.1=a", Ok(Some(2)));
        check(&many(LIST_MAX), Ok(Some(LIST_MAX)));
        check(&many(LIST_MAX + 1), Err(()));
        check("L=x", Err(()));
        check("L=&L.member.1=a", Err(()));
        check("L.member.2=b", Err(()));
        check("L.member.01=b", Err(()));
        check("L.1=b", Err(()));
    }
}
