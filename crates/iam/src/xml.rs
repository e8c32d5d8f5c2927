//! IAM's and STS's answers: XML as botocore's service models describe it.

use crate::Frame;
use crate::arn;
use crate::call::{Page, Service};
use fastness_gate::Answer;
use fastness_identity::Subject;
use fastness_identity::directory::{AccessKey, Holder, User};
use quick_xml::events::BytesText;
use quick_xml::writer::Writer;
use std::borrow::Cow;
use std::io;

/// What writes the inside of an element.
type Content<'a> = Box<dyn FnOnce(&mut Xml) -> io::Result<()> + 'a>;

/// The body of an answer; none when the answer is not the one that goes with the operation.
pub(crate) fn answer(
    frame: &Frame<'_>,
    service: Service,
    action: &str,
    page: Option<&Page>,
    answer: &Answer,
) -> Option<Vec<u8>> {
    let content: Content<'_> = match (service, action, answer) {
        (Service::Iam, "CreateUser" | "GetUser", Answer::User(found)) => {
            Box::new(move |xml| xml.element("User", |xml| user(xml, frame.region, found, true)))
        }
        (Service::Iam, "ListUsers", Answer::Users(found, more)) => {
            Box::new(move |xml| users(xml, frame.region, found, *more))
        }
        (Service::Iam, "ListUserTags", Answer::User(found)) => Box::new(move |xml| tags_page(xml, page, found)),
        (Service::Iam, "CreateAccessKey", Answer::Key(made)) => {
            Box::new(move |xml| xml.element("AccessKey", |xml| new_key(xml, made)))
        }
        (Service::Iam, "ListAccessKeys", Answer::Keys(found)) => Box::new(move |xml| keys(xml, page, found)),
        (Service::Sts, "GetCallerIdentity", Answer::Identity(found)) => {
            Box::new(move |xml| identity(xml, frame.region, found))
        }
        (
            Service::Iam,
            "DeleteUser" | "TagUser" | "UntagUser" | "UpdateAccessKey" | "DeleteAccessKey",
            Answer::Done,
        ) => return finished(|xml| xml.root(service, action, |xml| xml.metadata(frame.request_id))),
        _ => return None,
    };
    finished(|xml| {
        xml.root(service, action, |xml| {
            xml.element(&format!("{action}Result"), content)?;
            xml.metadata(frame.request_id)
        })
    })
}

/// The body of an error.
pub(crate) fn error(service: Service, request_id: &str, code: &str, status: u16, message: &str) -> Vec<u8> {
    let whose = if status < 500 { "Sender" } else { "Receiver" };
    let body = finished(|xml| {
        xml.element_in(service, "ErrorResponse", |xml| {
            xml.element("Error", |xml| {
                xml.text("Type", whose)?;
                xml.text("Code", code)?;
                xml.text("Message", message)
            })?;
            xml.text("RequestId", request_id)
        })
    });
    body.unwrap_or_default()
}

fn user(xml: &mut Xml, region: &str, user: &User, with_tags: bool) -> io::Result<()> {
    xml.text("Path", &user.path)?;
    xml.text("UserName", user.name.as_str())?;
    xml.text("UserId", &user.id)?;
    xml.text("Arn", &arn::user(region, user))?;
    xml.text("CreateDate", &arn::date(user.created_ms))?;
    if with_tags && !user.tags.is_empty() {
        let tags: Vec<(&String, &String)> = user.tags.iter().collect();
        xml.list("Tags", &tags, tag)?;
    }
    Ok(())
}

fn users(xml: &mut Xml, region: &str, users: &[User], more: bool) -> io::Result<()> {
    // As at AWS, a list of users leaves their tags out.
    xml.list("Users", users, |xml, found| user(xml, region, found, false))?;
    xml.more(users.last().filter(|_| more).map(|last| last.name.as_str()))
}

fn tag(xml: &mut Xml, (key, value): &(&String, &String)) -> io::Result<()> {
    xml.text("Key", key)?;
    xml.text("Value", value)
}

fn tags_page(xml: &mut Xml, page: Option<&Page>, user: &User) -> io::Result<()> {
    let (tags, marker) = Page::of(page, user.tags.iter().collect(), |(key, _)| key.as_str());
    xml.list("Tags", &tags, tag)?;
    xml.more(marker.as_deref())
}

fn new_key(xml: &mut Xml, key: &AccessKey) -> io::Result<()> {
    key_head(xml, key)?;
    xml.text("SecretAccessKey", key.secret.reveal())?;
    xml.text("CreateDate", &arn::date(key.created_ms))
}

fn keys(xml: &mut Xml, page: Option<&Page>, keys: &[AccessKey]) -> io::Result<()> {
    let (keys, marker) = Page::of(page, keys.iter().collect(), |key| key.id.as_str());
    xml.list("AccessKeyMetadata", &keys, |xml, key| {
        key_head(xml, key)?;
        xml.text("CreateDate", &arn::date(key.created_ms))
    })?;
    xml.more(marker.as_deref())
}

fn key_head(xml: &mut Xml, key: &AccessKey) -> io::Result<()> {
    let name = match &key.holder {
        Holder::Operator => "operator",
        Holder::User { name, .. } => name.as_str(),
    };
    xml.text("UserName", name)?;
    xml.text("AccessKeyId", key.id.as_str())?;
    xml.text("Status", if key.active { "Active" } else { "Inactive" })
}

fn identity(xml: &mut Xml, region: &str, subject: &Subject) -> io::Result<()> {
    let (account, id, arn) = arn::principal(region, subject.principal(), subject.key());
    xml.text("Arn", &arn)?;
    xml.text("UserId", &id)?;
    xml.text("Account", &account)
}

/// A document being written.
struct Xml(Writer<Vec<u8>>);

impl Xml {
    fn element(&mut self, name: &str, content: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.open(name, None, content)
    }

    fn element_in(
        &mut self,
        service: Service,
        name: &str,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.open(name, Some(service.namespace()), content)
    }

    fn root(
        &mut self,
        service: Service,
        action: &str,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.element_in(service, &format!("{action}Response"), content)
    }

    fn open(
        &mut self,
        name: &str,
        namespace: Option<&str>,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        use quick_xml::events::{BytesEnd, BytesStart, Event};
        let mut start = BytesStart::new(name);
        if let Some(namespace) = namespace {
            start.push_attribute(("xmlns", namespace));
        }
        self.0.write_event(Event::Start(start))?;
        content(self)?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.0.create_element(name).write_text_content(BytesText::new(&legal(text))).map(|_| ())
    }

    fn list<T>(&mut self, name: &str, items: &[T], item: impl Fn(&mut Self, &T) -> io::Result<()>) -> io::Result<()> {
        self.element(name, |xml| items.iter().try_for_each(|value| xml.element("member", |xml| item(xml, value))))
    }

    /// Whether a list goes on, and the marker of its next page.
    fn more(&mut self, marker: Option<&str>) -> io::Result<()> {
        self.text("IsTruncated", if marker.is_some() { "true" } else { "false" })?;
        marker.map_or(Ok(()), |marker| self.text("Marker", marker))
    }

    fn metadata(&mut self, request_id: &str) -> io::Result<()> {
        self.element("ResponseMetadata", |xml| xml.text("RequestId", request_id))
    }
}

fn finished(content: impl FnOnce(&mut Xml) -> io::Result<()>) -> Option<Vec<u8>> {
    let mut xml = Xml(Writer::new(Vec::new()));
    content(&mut xml).ok()?;
    Some(xml.0.into_inner())
}

/// XML 1.0 has no way to write most control characters; a reader gets the replacement character instead of an error.
fn legal(text: &str) -> Cow<'_, str> {
    let is_legal = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(is_legal) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_legal(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
}
