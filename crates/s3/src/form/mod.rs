//! Forms that browsers post (S3 API reference, "POST Object"): read up to the file, they become a PUT of it.
//!
//! Nobody is known before the fields are read, so the bytes that are read until then are bounded; the caller bounds
//! the time.

mod policy;

use crate::admission::Unfit;
use crate::body::Wrong;
use bytes::Bytes;
use fastness_gate::Unauthenticated;
use fastness_identity::signature::{PostedClaim, SignatureError};
use futures_util::Stream;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame};
use multer::{Field, Multipart};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policy::Policy;
use s3s::Body;
use s3s::dto;
use s3s::xml::{Deserialize as _, Deserializer, Serializer};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use zeroize::Zeroizing;

/// The most bytes of a form's fields in front of its file (S3 user guide, "POST Object": 20 KB).
const FIELDS_LEN_MAX: usize = 20 * 1024;

/// The most bytes on the wire in front of the file: the fields, and what stands between them.
const HEAD_LEN_MAX: u64 = 64 * 1024;

/// What a path's part keeps as it is.
const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const KEPT_IN_KEY: AsciiSet = KEPT.remove(b'/');

/// Whether a request posts a form.
#[must_use]
pub fn is_form(parts: &Parts) -> bool {
    const KIND: &[u8] = b"multipart/form-data";
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().get(..KIND.len()));
    parts.method == Method::POST && kind.is_some_and(|kind| kind.eq_ignore_ascii_case(KIND))
}

/// A form, read up to its file.
pub struct Form {
    /// Names in lower case.
    fields: Vec<(String, Zeroizing<String>)>,
    file: Field<'static>,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Form").field("fields", &names).finish_non_exhaustive()
    }
}

fn refusal(code: &'static str, status: u16, message: &str) -> Unauthenticated {
    Unauthenticated { code, status, message: message.to_owned() }
}

fn not_well_formed() -> Unauthenticated {
    let message = "The body of your POST request is not well-formed multipart/form-data.";
    refusal("MalformedPOSTRequest", 400, message)
}

fn too_long() -> Unauthenticated {
    let message = "Your POST request fields preceding the upload file were too large.";
    refusal("MaxPostPreDataLengthExceeded", 400, message)
}

impl Form {
    /// Reads a form's fields, in front of its file.
    ///
    /// # Errors
    /// What is wrong with the form, as S3 says it.
    pub async fn read<B>(parts: &Parts, body: B) -> Result<Self, Unauthenticated>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = kind.and_then(|kind| multer::parse_boundary(kind).ok()).ok_or_else(not_well_formed)?;
        let head = Arc::new(Head::default());
        let pieces = Pieces { body, rests: false, passed: 0, head: Arc::clone(&head) };
        let form = Self::read_fields(Multipart::new(pieces, boundary), &head).await?;
        head.ended.store(true, Ordering::Relaxed);
        Ok(form)
    }

    async fn read_fields(mut multipart: Multipart<'static>, head: &Head) -> Result<Self, Unauthenticated> {
        let (mut fields, mut length) = (Vec::<(String, Zeroizing<String>)>::new(), 0);
        while let Some(field) = head.within(multipart.next_field()).await? {
            let name = field.name().ok_or_else(not_well_formed)?.to_ascii_lowercase();
            if name == "file" {
                return Ok(Self { fields, file: field });
            }
            if fields.iter().any(|(other, _)| *other == name) {
                let name: String = name.chars().take(80).collect();
                return Err(refusal("InvalidArgument", 400, &format!("The field '{name}' stands twice in the form.")));
            }
            let value = head.within(field.bytes()).await?;
            length += name.len() + value.len();
            if length > FIELDS_LEN_MAX {
                return Err(too_long());
            }
            let value = std::str::from_utf8(&value).map_err(|_| not_well_formed())?;
            fields.push((name, Zeroizing::new(value.to_owned())));
        }
        Err(refusal("InvalidArgument", 400, "POST requires exactly one file upload per request."))
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// What the form says of who signed it; none if it is anonymous.
    ///
    /// # Errors
    /// If the claim is malformed, or of a kind that is not served.
    pub fn claim(&self) -> Result<Option<PostedClaim>, SignatureError> {
        PostedClaim::read(|name| self.field(name))
    }
}

/// What stands in front of the file, while it is read.
#[derive(Default)]
struct Head {
    /// The parser asked for more than may be there.
    exceeded: AtomicBool,
    ended: AtomicBool,
}

impl Head {
    /// Polls the parser: if it needs more than it may have, the fields are too long. It asks for more before it looks at
    /// what it has, so that asking alone is no fault.
    async fn within<T>(&self, step: impl Future<Output = multer::Result<T>>) -> Result<T, Unauthenticated> {
        let mut step = pin!(step);
        poll_fn(|context| {
            self.exceeded.store(false, Ordering::Relaxed);
            match step.as_mut().poll(context) {
                Poll::Pending if self.exceeded.load(Ordering::Relaxed) => Poll::Ready(Err(too_long())),
                Poll::Pending => Poll::Pending,
                Poll::Ready(done) => Poll::Ready(done.map_err(|_| not_well_formed())),
            }
        })
        .await
    }
}

/// A body piece by piece. The parser takes whatever is there at once, so between two pieces nothing is there; that
/// bounds what it holds, and lets the file be counted against no bound of the fields.
struct Pieces<B> {
    body: B,
    rests: bool,
    passed: u64,
    head: Arc<Head>,
}

impl<B> Stream for Pieces<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.passed > HEAD_LEN_MAX && !this.head.ended.load(Ordering::Relaxed) {
            this.head.exceeded.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                None => None,
                Some(Err(error)) => Some(Err(error.into())),
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    this.rests = true;
                    this.passed += bytes.len() as u64;
                    Some(Ok(bytes))
                }
            });
        }
    }
}

/// The file of a form as a body of its own, of a length that the policy allows.
pub(crate) struct File {
    field: Field<'static>,
    received: u64,
    least: u64,
    most: u64,
}

impl HttpBody for File {
    type Data = Bytes;
    type Error = Wrong;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Wrong>>> {
        let this = self.get_mut();
        let wrong =
            |code, message: &str| Poll::Ready(Some(Err(Wrong { code, status: 400, message: message.to_owned() })));
        match ready!(Pin::new(&mut this.field).poll_next(context)) {
            Some(Ok(bytes)) => {
                this.received += bytes.len() as u64;
                if this.received > this.most {
                    return wrong("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Err(_)) => wrong("IncompleteBody", "The request body terminated unexpectedly"),
            None if this.received < this.least => {
                wrong("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
            }
            None => Poll::Ready(None),
        }
    }
}

/// How a form is answered once its file is stored.
pub(crate) struct Success {
    /// 200, 201 or 204.
    status: StatusCode,
    redirect: Option<Uri>,
    host: String,
    bucket: String,
    key: String,
}

impl Form {
    /// Turns a form into the PUT of its file, once its policy allows it. The path is the bucket's.
    pub(crate) fn into_put(self, parts: &Parts, now_ms: i64) -> Result<(Parts, File, Success), Unfit> {
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, rest) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() || !rest.is_empty() {
            let message = "The specified method is not allowed against this resource.".to_owned();
            return Err(("MethodNotAllowed", 405, message));
        }
        if parts.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(crate::admission::not_offered("POST of a form with a query"));
        }
        let missing = || {
            let message = "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.";
            ("InvalidArgument", 400, message.to_owned())
        };
        let key = self.field("key").filter(|key| !key.is_empty()).ok_or_else(missing)?;
        // A name without a folder, as browsers send it; old ones sent whole paths.
        let name = self.file.file_name().unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
        let key = key.replace("${filename}", name);
        let policy = Policy::read(self.field("policy").unwrap_or_default())?;
        policy.check(now_ms, &self.counting(bucket, &key))?;
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let status = match self.field("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            // What is none of these is as if not sent.
            _ => StatusCode::NO_CONTENT,
        };
        let redirect = self.field("success_action_redirect").or_else(|| self.field("redirect"));
        // What cannot be read as an address is as if not sent, too.
        let redirect = redirect
            .and_then(|text| text.parse::<Uri>().ok())
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let success = Success { status, redirect, host: host.to_owned(), bucket: bucket.to_owned(), key: key.clone() };
        let put = self.put(parts, bucket, &key)?;
        let (least, most) = policy.length.unwrap_or((0, u64::MAX));
        Ok((put, File { field: self.file, received: 0, least, most }, success))
    }

    /// The fields that the policy has to name, with the bucket and the key as they are meant.
    fn counting<'s>(&'s self, bucket: &'s str, key: &'s str) -> Vec<(&'s str, &'s str)> {
        let counts =
            |name: &str| !matches!(name, "x-amz-signature" | "policy" | "bucket") && !name.starts_with("x-ignore-");
        let fields = self.fields.iter().filter(|(name, _)| counts(name));
        let value = |(name, value): &'s (String, Zeroizing<String>)| match name.as_str() {
            "key" => ("key", key),
            name => (name, value.as_str()),
        };
        std::iter::once(("bucket", bucket)).chain(fields.map(value)).collect()
    }

    /// The head of the PUT.
    fn put(&self, parts: &Parts, bucket: &str, key: &str) -> Result<Parts, Unfit> {
        let malformed = |name: &str| {
            let name: String = name.chars().take(80).collect();
            ("InvalidArgument", 400, format!("The field '{name}' holds what it may not hold."))
        };
        let mut headers = HeaderMap::new();
        // What says where the page is from, and what a proxy on the way wants to know.
        for name in [header::ORIGIN, header::USER_AGENT, header::REFERER] {
            if let Some(value) = parts.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        for (name, value) in &self.fields {
            let header = match name.as_str() {
                "acl" => "x-amz-acl",
                "tagging" => {
                    let value = HeaderValue::try_from(tags(value)?).map_err(|_| malformed(name))?;
                    headers.insert("x-amz-tagging", value);
                    continue;
                }
                "cache-control"
                | "content-disposition"
                | "content-encoding"
                | "content-language"
                | "content-md5"
                | "content-type"
                | "expires" => name,
                // Of the signature, which was checked.
                "x-amz-signature" | "x-amz-credential" | "x-amz-algorithm" | "x-amz-date" => continue,
                _ if name.starts_with("x-amz-") => name,
                _ => continue,
            };
            let header = HeaderName::from_bytes(header.as_bytes()).map_err(|_| malformed(name))?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| malformed(name))?;
            headers.insert(header, value);
        }
        let uri = format!("/{bucket}/{}", utf8_percent_encode(key, &KEPT_IN_KEY));
        let uri: Uri = uri.parse().map_err(|_| malformed("key"))?;
        let (mut put, ()) = http::Request::new(()).into_parts();
        (put.method, put.uri, put.version, put.headers) = (Method::PUT, uri, parts.version, headers);
        Ok(put)
    }
}

/// The tags of a form, in XML, as the header of a PUT has them.
fn tags(xml: &str) -> Result<String, Unfit> {
    let malformed = || {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        ("MalformedXML", 400, message.to_owned())
    };
    // The reader passes over such sections.
    if xml.contains("<![CDATA[") {
        return Err(malformed());
    }
    let mut reader = Deserializer::new(xml.as_bytes());
    let tagging = dto::Tagging::deserialize(&mut reader).map_err(|_| malformed())?;
    reader.expect_eof().map_err(|_| malformed())?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for tag in &tagging.tag_set {
        query.append_pair(tag.key.as_deref().unwrap_or_default(), tag.value.as_deref().unwrap_or_default());
    }
    Ok(query.finish())
}

impl Success {
    /// Makes the answer to the PUT that of the form.
    pub(crate) fn answer(self, response: Response<Body>) -> Response<Body> {
        if !response.status().is_success() {
            return response;
        }
        let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
        let key = utf8_percent_encode(&self.key, &KEPT_IN_KEY);
        let place = format!("http://{}/{}/{key}", self.host, self.bucket);
        let (location, status, text) = match &self.redirect {
            Some(uri) => {
                let sign = if uri.query().is_some() { '&' } else { '?' };
                let of = |text: &str| utf8_percent_encode(text, &KEPT).to_string();
                let query = format!("bucket={}&key={}&etag={}", of(&self.bucket), of(&self.key), of(etag));
                (format!("{uri}{sign}{query}"), StatusCode::SEE_OTHER, None)
            }
            None if self.status == StatusCode::CREATED => {
                let text = self.document(&place, etag);
                (place, self.status, text)
            }
            None => (place, self.status, None),
        };
        let (mut parts, _) = response.into_parts();
        parts.status = status;
        parts.headers.remove(header::CONTENT_LENGTH);
        if let Ok(location) = HeaderValue::try_from(location) {
            parts.headers.insert(header::LOCATION, location);
        }
        match text {
            Some(text) => {
                parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
                Response::from_parts(parts, Body::from(Bytes::from(text)))
            }
            None => Response::from_parts(parts, Body::empty()),
        }
    }

    /// What a page reads of the object, if it asked for a document.
    fn document(&self, place: &str, etag: &str) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut writer = Serializer::new(&mut text);
        let written = writer.decl().and_then(|()| {
            writer.element("PostResponse", |writer| {
                writer.content("Location", place)?;
                writer.content("Bucket", self.bucket.as_str())?;
                writer.content("Key", self.key.as_str())?;
                writer.content("ETag", etag)
            })
        });
        written.ok().map(|()| text)
    }
}
