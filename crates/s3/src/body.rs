//! A request's body on its way through `s3s`: what was wrong with it is kept beside.

use crate::convert::{INVALID_MD5, decode_md5};
use bytes::Bytes;
use fastness_identity::signature::{BodyError, CheckedBody, TrailerHandle};
use fastness_operation::{Checksum, ChecksumAlgorithm};
use fastness_store::ChecksumHasher;
use futures_util::Stream;
use http::Method;
use http::request::Parts;
use md5::{Digest, Md5};
use s3s::Body;
use s3s::dto::StreamingBlob;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// What was wrong with a body: AWS's code, its status, a text. Ends the body's stream.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Wrong {}

impl From<BodyError> for Wrong {
    fn from(error: BodyError) -> Self {
        // What a form's file is ended by is in the form that its client expects already.
        if let BodyError::Transport(source) = &error
            && let Some(wrong) = source.downcast_ref::<Self>()
        {
            return wrong.clone();
        }
        Self { code: error.code(), status: error.status(), message: error.to_string() }
    }
}

/// What ended a body early, to be looked at when the answer is rendered.
#[derive(Clone, Default)]
pub(crate) struct BodyFault(Arc<Mutex<Option<Wrong>>>);

impl BodyFault {
    pub(crate) fn take(&self) -> Option<Wrong> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, wrong: Wrong) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(wrong);
    }
}

/// Digests claimed of a body that is no object: of an object's or a part's, the gate checks them.
#[derive(Default)]
pub(crate) struct Claims {
    /// The end of what was read of an XML body, to find what lies across two chunks.
    xml: Option<Vec<u8>>,
    md5: Option<(Md5, [u8; 16])>,
    checksum: Option<(ChecksumHasher, Checksum)>,
}

impl Claims {
    /// What the headers of a request with an XML body claim.
    pub(crate) fn of(parts: &Parts) -> Result<Self, (&'static str, String)> {
        let query = parts.uri.query().unwrap_or_default();
        let names_part = query.split('&').any(|pair| pair.starts_with("partNumber="));
        let names = |wanted: &str| query.split('&').any(|pair| pair.split('=').next() == Some(wanted));
        let says = crate::admission::ANNOTATIONS.iter().any(|name| names(name));
        let is_object = parts.method == Method::PUT && crate::admission::is_object(parts) && (names_part || !says);
        if is_object {
            return Ok(Self::default());
        }
        let xml = Some(Vec::new());
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let md5 = match header("content-md5") {
            None => None,
            Some(text) => {
                let claimed = decode_md5(text).ok_or_else(|| ("InvalidDigest", INVALID_MD5.to_owned()))?;
                Some((Md5::new(), claimed))
            }
        };
        // CompleteMultipartUpload states the checksum of the object, not of its body.
        let completes = query.split('&').any(|pair| pair.starts_with("uploadId="));
        let checksum = ChecksumAlgorithm::ALL.into_iter().filter(|_| !completes).find_map(|algorithm| {
            let value = header(algorithm.header())?.to_owned();
            Some((ChecksumHasher::new(algorithm), Checksum { algorithm, value }))
        });
        Ok(Self { xml, md5, checksum })
    }

    /// The XML reader of the S3 library passes over CDATA sections, and so reads another key than was written.
    fn has_cdata(&mut self, bytes: &[u8]) -> bool {
        const MARK: &[u8] = b"<![CDATA[";
        let Some(end) = &mut self.xml else { return false };
        end.extend_from_slice(bytes);
        let found = end.windows(MARK.len()).any(|window| window == MARK);
        end.drain(..end.len().saturating_sub(MARK.len() - 1));
        found
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some((md5, _)) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some((hasher, _)) = &mut self.checksum {
            hasher.update(bytes);
        }
    }

    fn finish(&mut self) -> Option<Wrong> {
        let bad = |message: String| Some(Wrong { code: "BadDigest", status: 400, message });
        if let Some((md5, claimed)) = self.md5.take()
            && <[u8; 16]>::from(md5.finalize()) != claimed
        {
            return bad("The Content-MD5 you specified did not match what we received.".to_owned());
        }
        if let Some((hasher, claimed)) = self.checksum.take()
            && hasher.finish() != claimed
        {
            let name = claimed.algorithm.name();
            return bad(format!("The {name} you specified did not match the calculated checksum."));
        }
        None
    }
}

/// A checked body whose error is kept. The lock makes it `Sync`, as `s3s` asks; it is never contended.
pub(crate) struct Guarded<B> {
    inner: Mutex<CheckedBody<B>>,
    claims: Mutex<Claims>,
    trailers: TrailerHandle,
    fault: BodyFault,
}

impl<B> Guarded<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(checked: CheckedBody<B>, claims: Claims) -> Self {
        let trailers = checked.trailers();
        Self { inner: Mutex::new(checked), claims: Mutex::new(claims), trailers, fault: BodyFault::default() }
    }

    pub(crate) fn trailers(&self) -> TrailerHandle {
        self.trailers.clone()
    }

    pub(crate) fn fault(&self) -> BodyFault {
        self.fault.clone()
    }

    pub(crate) fn into_body(self) -> Body {
        Body::from(StreamingBlob::wrap(self))
    }
}

impl<B> Stream for Guarded<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = Result<Bytes, Wrong>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let inner = this.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        let claims = this.claims.get_mut().unwrap_or_else(PoisonError::into_inner);
        let item = match std::task::ready!(Pin::new(inner).poll_next(context)) {
            Some(Ok(bytes)) if claims.has_cdata(&bytes) => {
                let message = "CDATA sections are not taken; write the characters themselves".to_owned();
                Some(Err(Wrong { code: "MalformedXML", status: 400, message }))
            }
            Some(Ok(bytes)) => {
                claims.update(&bytes);
                Some(Ok(bytes))
            }
            Some(Err(error)) => Some(Err(Wrong::from(error))),
            None => claims.finish().map(Err),
        };
        if let Some(Err(wrong)) = &item {
            this.fault.set(wrong.clone());
        }
        Poll::Ready(item)
    }
}
