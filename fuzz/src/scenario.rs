//! A few requests as text, so that what was found can be read:
//!
//! ```text
//! S PUT /plain/a.txt?versionId={{1:x-amz-version-id}}     who asks, method, target
//! x-amz-meta-a: b                                         a header that is signed
//! +x-amz-acl: private                                     a header added after signing
//! !stream 7                                               how it is signed and sent
//!
//! body
//! %%
//! U GET /plain
//! ```
//!
//! `{{n:name}}` stands for the header, or the XML element, of that name in the n-th answer. The body of a form (`!form`)
//! is its policy's text, a line `%policy`, and the form as it is sent; in both, what no answer has and the signer makes
//! (`x-amz-credential`, `x-amz-date`, …, and in the form `policy` and `x-amz-signature`) is filled in by the same names.

use http::{HeaderName, HeaderValue, Method};

/// The most requests of one input.
const REQUESTS_MAX: usize = 8;

/// The letters of those who may ask; others stand for `S`.
const CAST: &str = "USTBCPAODEXVWY";

/// How a request is signed, and its body sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The body's hash is signed.
    Hashed,
    /// The body is left open.
    Open,
    /// Signed chunks of so many bytes.
    Stream(usize),
    /// Signed chunks and a signed trailer.
    Trailer(String, String),
    /// Chunks and a trailer that nobody signed.
    OpenTrailer(String, String),
    /// In the address.
    Presigned,
    /// Not at all.
    Unsigned,
    /// A browser's form: what is signed is a policy, and the signature stands in the body.
    Form,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// A letter of the cast.
    pub(crate) who: char,
    pub(crate) service: String,
    pub(crate) mode: Mode,
    /// Into how long pieces the body is cut on its way.
    pub(crate) cut: usize,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// What is added once the request is signed.
    pub(crate) added: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

/// The pieces of an input, each the text of one request.
pub(crate) fn pieces(mut data: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while found.len() < REQUESTS_MAX {
        let Some(at) = data.windows(4).position(|window| window == b"\n%%\n") else {
            found.push(data);
            break;
        };
        let (piece, rest) = data.split_at(at);
        found.push(piece);
        data = rest.get(4..).unwrap_or_default();
    }
    found
}

/// Reads one request; nothing if it has no method or target.
pub(crate) fn read(piece: &[u8], service: &str) -> Option<Ask> {
    let end = piece.windows(2).position(|window| window == b"\n\n");
    let (head, body) = match end {
        Some(at) => (piece.get(..at)?, piece.get(at + 2..).unwrap_or_default()),
        None => (piece.strip_suffix(b"\n").unwrap_or(piece), &[] as &[u8]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let mut words = first.splitn(3, ' ');
    let (who, method, target) = (words.next()?.chars().next()?, words.next()?, words.next()?);
    let mut ask = Ask {
        who: if CAST.contains(who) { who } else { 'S' },
        service: service.to_owned(),
        mode: Mode::Hashed,
        cut: usize::MAX,
        method: Method::from_bytes(method.as_bytes()).ok()?,
        target: target.to_owned(),
        headers: Vec::new(),
        added: Vec::new(),
        body: body.to_vec(),
    };
    for line in lines {
        if let Some(rest) = line.strip_prefix(b"!") {
            ask.control(&String::from_utf8_lossy(rest));
        } else if let Some(rest) = line.strip_prefix(b"+") {
            ask.added.extend(header(rest));
        } else {
            ask.headers.extend(header(line));
        }
    }
    Some(ask)
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..at)?, line.get(at + 1..)?);
    let value = value.strip_prefix(b" ").unwrap_or(value);
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

impl Ask {
    fn control(&mut self, text: &str) {
        let mut words = text.split(' ').map(str::to_owned);
        let word = words.next().unwrap_or_default();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = || first.parse().unwrap_or(1_usize).max(1);
        match word.as_str() {
            "open" => self.mode = Mode::Open,
            "stream" => self.mode = Mode::Stream(number()),
            "trailer" => self.mode = Mode::Trailer(first, second),
            "open-trailer" => self.mode = Mode::OpenTrailer(first, second),
            "presign" => self.mode = Mode::Presigned,
            "unsigned" => self.mode = Mode::Unsigned,
            "form" => self.mode = Mode::Form,
            "cut" => self.cut = number(),
            "service" => self.service = first,
            _ => {}
        }
    }
}

/// The line between a form's policy and the form.
const POLICY_END: &[u8] = b"\n%policy\n";

/// The policy's text and the form of a body; without the line all is form.
pub(crate) fn policy_and_form(body: &[u8]) -> (&[u8], &[u8]) {
    match body.windows(POLICY_END.len()).position(|window| window == POLICY_END) {
        Some(at) => (body.get(..at).unwrap_or_default(), body.get(at + POLICY_END.len()..).unwrap_or_default()),
        None => (&[], body),
    }
}

/// Replaces `{{n:name}}` by what `lookup` knows of it; what it does not know stays.
pub(crate) fn filled(text: &[u8], lookup: impl Fn(usize, &str) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|window| window == b"{{") {
        let (before, tail) = rest.split_at(at);
        out.extend_from_slice(before);
        let end = tail.windows(2).position(|window| window == b"}}");
        let inner = end.and_then(|end| std::str::from_utf8(tail.get(2..end)?).ok());
        let value = inner
            .and_then(|inner| inner.split_once(':'))
            .and_then(|(number, name)| lookup(number.parse::<usize>().ok()?.checked_sub(1)?, name));
        match (value, end) {
            (Some(value), Some(end)) => {
                out.extend_from_slice(value.as_bytes());
                rest = tail.get(end + 2..).unwrap_or_default();
            }
            _ => {
                out.extend_from_slice(b"{{");
                rest = tail.get(2..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest);
    out
}
