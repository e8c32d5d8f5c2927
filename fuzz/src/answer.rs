//! Whether an answer is one that a client can read.

use http::{HeaderMap, Method};
use quick_xml::Reader;
use quick_xml::events::Event;

/// An answer as its client gets it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Vec<u8>, String>,
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        let lines = |answer: &Self| {
            let pairs = answer.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
            pairs.collect::<Vec<_>>()
        };
        self.status == other.status && self.body == other.body && lines(self) == lines(other)
    }
}

impl Answer {
    /// A header's value, or the text of the first XML element or JSON member of the name.
    pub(crate) fn find(&self, name: &str) -> Option<String> {
        if let Some(value) = self.headers.get(name) {
            return value.to_str().ok().map(str::to_owned);
        }
        let text = String::from_utf8_lossy(self.body.as_ref().ok()?).into_owned();
        if self.content_type().contains("json") {
            let (_, rest) = text.split_once(&format!("\"{name}\":\""))?;
            return rest.split_once('"').map(|(value, _)| value.to_owned());
        }
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(value, _)| value.to_owned())
    }

    fn content_type(&self) -> &str {
        self.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the body is an object's content, which may be anything.
    fn is_content(&self) -> bool {
        let is_key = self.path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
        self.status < 300 && self.method == Method::GET && is_key
    }

    /// The oracle of every answer.
    pub(crate) fn check(&self, labels: &[&str]) {
        let Ok(body) = &self.body else { unreachable!("the answer broke off: {self:?}") };
        assert!((200..600).contains(&self.status), "no status of an answer: {self:?}");
        assert_ne!(self.status, 500, "a failure inside: {self:?}");
        if self.path == fastness_region::HEALTH_PATH {
            return;
        }
        assert!(
            self.headers.contains_key("x-amz-request-id") || self.headers.contains_key("x-amzn-requestid"),
            "no request id: {self:?}"
        );
        if let Some(label) = self.headers.get("x-fastness-label") {
            let shown = label.to_str().unwrap_or_default();
            assert!(labels.contains(&shown), "a label outside the view: {self:?}");
        }
        // hyper sends no body after a HEAD.
        if self.method == Method::HEAD {
            return;
        }
        if self.status == 204 || self.status == 304 {
            assert!(body.is_empty(), "a body where none may be: {self:?}");
            return;
        }
        if let Some(length) = self.headers.get("content-length") {
            let length = length.to_str().ok().and_then(|length| length.parse::<usize>().ok());
            assert_eq!(length, Some(body.len()), "another length than said: {self:?}");
        }
        if self.status >= 400 {
            let code = if self.content_type().contains("json") {
                let value: serde_json::Value = crate::sure(serde_json::from_slice(body));
                value.get("__type").and_then(|code| code.as_str()).unwrap_or_default().to_owned()
            } else {
                self.check_xml(body);
                self.find("Code").unwrap_or_default()
            };
            assert!(!code.is_empty(), "an error without a code: {self:?}");
            assert_ne!(code, "InternalError", "{self:?}");
        } else if self.content_type().contains("json") && !self.is_content() {
            let _read: serde_json::Value = crate::sure(serde_json::from_slice(body));
        } else if self.content_type().contains("xml") && !self.is_content() {
            self.check_xml(body);
        }
    }

    fn check_xml(&self, body: &[u8]) {
        let mut reader = Reader::from_reader(body);
        let (mut depth, mut elements) = (0_usize, 0_usize);
        loop {
            match reader.read_event() {
                Ok(Event::Eof) => break,
                Ok(Event::Start(_)) => {
                    depth += 1;
                    elements += 1;
                }
                Ok(Event::End(_)) => depth = depth.saturating_sub(1),
                Ok(Event::Empty(_)) => elements += 1,
                Ok(_) => {}
                Err(error) => unreachable!("no XML ({error}): {self:?}"),
            }
        }
        assert!(depth == 0 && elements > 0, "no XML: {self:?}");
    }
}
