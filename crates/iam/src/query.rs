//! IAM's and STS's requests: a form with `Action`, `Version` and the action's members → [`Operation`].
//!
//! The rules of each member are those of botocore's service models (`iam/2010-05-08`, `sts/2011-06-15`), with one
//! exception: a tag's value may hold any printable character, because markings have commas.

use crate::call::{Call, Malformed, Page, Service, shortened};
use crate::form::{Form, constraint, invalid, member, missing, quoted};
use fastness_operation::{AccessKeyId, Operation, UserName};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use std::collections::BTreeMap;

const FORM: &str = "application/x-www-form-urlencoded";
/// The size of a page for which nobody asked (IAM API reference, `MaxItems`).
const PAGE: u16 = 100;
const PAGE_MAX: u16 = 1_000;
const MARKER_CHARACTERS_MAX: usize = 320;
const PATH_CHARACTERS_MAX: usize = 512;

/// The request as a call.
pub(crate) fn parse(service: Service, headers: &HeaderMap, body: &[u8]) -> Result<Call, Malformed> {
    let name = service.name();
    if !is_media_type(headers, FORM) {
        return Err(invalid(format!("the body must be of the type {FORM}")).of(name));
    }
    let mut form = Form::parse(body).map_err(|malformed| malformed.of(name))?;
    let Some(action) = form.take("Action") else {
        return Err(Malformed::new("MissingAction", "the request names no action").of(name));
    };
    let what = format!("{name} {action}");
    members(service, &action, form).map_err(|malformed| malformed.of(&what))
}

/// Whether the body is said to be of this media type; parameters after it do not matter, nor does silence.
pub(crate) fn is_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let is = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
    };
    headers.get_all(CONTENT_TYPE).iter().all(is)
}

fn members(service: Service, action: &str, mut form: Form) -> Result<Call, Malformed> {
    let version = form.take("Version").unwrap_or_else(|| service.version().to_owned());
    let call = if version == service.version() { call(service, action, &mut form)? } else { None };
    let Some(call) = call else {
        let message = format!("Could not find operation {} for version {}", shortened(action), shortened(&version));
        return Err(Malformed::new("InvalidAction", message));
    };
    form.finish()?;
    Ok(call)
}

fn call(service: Service, action: &str, form: &mut Form) -> Result<Option<Call>, Malformed> {
    let call = match (service, action) {
        (Service::Sts, "GetCallerIdentity") => Operation::GetCallerIdentity.into(),
        (Service::Iam, "CreateUser") => {
            let user = new_user(form)?;
            let path = path(form)?;
            Operation::CreateUser { user, path, tags: tags(form)?.unwrap_or_default() }.into()
        }
        (Service::Iam, "GetUser") => Operation::GetUser { user: user(form)? }.into(),
        (Service::Iam, "ListUsers") => list_users(form)?,
        (Service::Iam, "DeleteUser") => Operation::DeleteUser { user: new_user(form)? }.into(),
        (Service::Iam, "TagUser") => {
            let user = new_user(form)?;
            let tags = tags(form)?.ok_or_else(|| missing("tags"))?;
            Operation::TagUser { user, tags }.into()
        }
        (Service::Iam, "UntagUser") => {
            let user = new_user(form)?;
            let keys = form.list("TagKeys")?.ok_or_else(|| missing("tagKeys"))?;
            for (key, number) in keys.iter().zip(1..) {
                tag_key(key, &format!("tagKeys.{number}.member"))?;
            }
            Operation::UntagUser { user, keys }.into()
        }
        (Service::Iam, "ListUserTags") => {
            let operation = Operation::ListUserTags { user: new_user(form)? };
            Call { operation, page: Some(page(form)?) }
        }
        (Service::Iam, "CreateAccessKey") => Operation::CreateAccessKey { user: user(form)? }.into(),
        (Service::Iam, "ListAccessKeys") => {
            let operation = Operation::ListAccessKeys { user: user(form)? };
            Call { operation, page: Some(page(form)?) }
        }
        (Service::Iam, "UpdateAccessKey") => {
            let (user, key) = (user(form)?, key(form)?);
            Operation::UpdateAccessKey { user, key, active: status(form)? }.into()
        }
        (Service::Iam, "DeleteAccessKey") => {
            let user = user(form)?;
            Operation::DeleteAccessKey { user, key: key(form)? }.into()
        }
        _ => return Ok(None),
    };
    Ok(Some(call))
}

fn list_users(form: &mut Form) -> Result<Call, Malformed> {
    let prefix = form.take("PathPrefix").unwrap_or_else(|| "/".to_owned());
    length(&prefix, "PathPrefix", 1, PATH_CHARACTERS_MAX)?;
    if !prefix.starts_with('/') || !prefix.bytes().all(|byte| (0x21..=0x7f).contains(&byte)) {
        return Err(pattern(&prefix, "pathPrefix", r"\u002F[\u0021-\u007F]*"));
    }
    let Page { after, limit } = page(form)?;
    // The marker is the name of the last user of the page before.
    let after = after.map(|after| user_name(after, "Marker")).transpose()?;
    Ok(Operation::ListUsers { prefix, after, limit }.into())
}

fn new_user(form: &mut Form) -> Result<UserName, Malformed> {
    form.required("UserName").and_then(|text| user_name(text, "UserName"))
}

fn user(form: &mut Form) -> Result<Option<UserName>, Malformed> {
    form.take("UserName").map(|text| user_name(text, "UserName")).transpose()
}

fn user_name(text: String, name: &str) -> Result<UserName, Malformed> {
    length(&text, name, 1, 64)?;
    UserName::new(text.as_str()).map_err(|_| pattern(&text, &member(name), r"[\w+=,.@-]+"))
}

fn key(form: &mut Form) -> Result<AccessKeyId, Malformed> {
    let text = form.required("AccessKeyId")?;
    length(&text, "AccessKeyId", 16, 128)?;
    AccessKeyId::new(text.as_str()).map_err(|_| pattern(&text, "accessKeyId", r"[\w]+"))
}

fn status(form: &mut Form) -> Result<bool, Malformed> {
    match form.required("Status")?.as_str() {
        "Active" => Ok(true),
        "Inactive" => Ok(false),
        other => Err(constraint(&quoted(other), "status", "Member must satisfy enum value set: [Active, Inactive]")),
    }
}

fn path(form: &mut Form) -> Result<String, Malformed> {
    let path = form.take("Path").unwrap_or_else(|| "/".to_owned());
    length(&path, "Path", 1, PATH_CHARACTERS_MAX)?;
    let between = path.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let is_whole = between.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    if path == "/" || is_whole {
        return Ok(path);
    }
    Err(pattern(&path, "path", r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)"))
}

fn tags(form: &mut Form) -> Result<Option<BTreeMap<String, String>>, Malformed> {
    let Some(pairs) = form.pairs("Tags")? else { return Ok(None) };
    let mut tags: BTreeMap<String, String> = BTreeMap::new();
    for ((key, value), number) in pairs.into_iter().zip(1..) {
        tag_key(&key, &format!("tags.{number}.member.key"))?;
        let at = format!("tags.{number}.member.value");
        length_at(&value, &at, 0, 256)?;
        printable(&value, &at)?;
        if tags.keys().any(|other| other.to_lowercase() == key.to_lowercase()) {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(Malformed::new("InvalidInput", message));
        }
        tags.insert(key, value);
    }
    Ok(Some(tags))
}

fn tag_key(key: &str, at: &str) -> Result<(), Malformed> {
    length_at(key, at, 1, 128)?;
    printable(key, at)
}

/// Control characters have no place in a tag, and most have none in XML.
fn printable(text: &str, at: &str) -> Result<(), Malformed> {
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(constraint(&quoted(text), at, "Member must have no control characters"));
    }
    Ok(())
}

fn page(form: &mut Form) -> Result<Page, Malformed> {
    let after = form.take("Marker");
    if let Some(marker) = &after {
        length(marker, "Marker", 1, MARKER_CHARACTERS_MAX)?;
    }
    let limit = form.take("MaxItems").map_or(Ok(PAGE), |text| {
        let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let rule = match text.parse::<u16>() {
            Ok(limit @ 1..=PAGE_MAX) if digits => return Ok(limit),
            Ok(0) => "Member must have value greater than or equal to 1",
            Ok(_) if digits => "Member must have value less than or equal to 1000",
            _ => "Member must be an integer between 1 and 1000",
        };
        Err(constraint(&quoted(&text), "maxItems", rule))
    })?;
    Ok(Page { after, limit })
}

fn length(text: &str, name: &str, least: usize, most: usize) -> Result<(), Malformed> {
    length_at(text, &member(name), least, most)
}

fn length_at(text: &str, at: &str, least: usize, most: usize) -> Result<(), Malformed> {
    let rule = match text.chars().count() {
        count if count < least => format!("Member must have length greater than or equal to {least}"),
        count if count > most => format!("Member must have length less than or equal to {most}"),
        _ => return Ok(()),
    };
    Err(constraint(&quoted(text), at, &rule))
}

fn pattern(text: &str, at: &str, pattern: &str) -> Malformed {
    constraint(&quoted(text), at, &format!("Member must satisfy regular expression pattern: {pattern}"))
}
