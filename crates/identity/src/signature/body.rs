//! A body that ends cleanly only if it is the one that was signed.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::Stream;
use http::request::Parts;
use http_body::Body;

use super::canonical::single;
use super::chunked::{Chain, Decoder, Plan};
use super::key::{DIGEST_BYTES, digest_array, same_digest};
use super::{
    BodyError, DECODED_LENGTH, PayloadKind, SignatureError, TRAILER, TRAILER_SIGNATURE, TRAILERS_MAX, Verified,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A stream of the decoded body.
///
/// It ends with an error if the body is not the signed one, or is cut short. Bytes may be handed out
/// before the signature over them is checked, so nothing may be committed before the clean end. After
/// an error the stream yields nothing more.
pub struct CheckedBody<B> {
    body: B,
    content: Content,
    /// The length on the wire, if the head names it, and how much of it has come.
    announced: Option<u64>,
    received: u64,
    decoded_length: Option<u64>,
    trailers: TrailerHandle,
    done: bool,
}

/// The trailers of a body, shared with its stream: there once the stream has ended cleanly.
#[derive(Debug, Clone, Default)]
pub struct TrailerHandle(Arc<OnceLock<Vec<(String, String)>>>);

impl TrailerHandle {
    /// The value of the trailer `name` (lower case); none before the clean end of the body.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let trailers = self.0.get()?;
        trailers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    }
}

enum Content {
    Plain,
    Hashed { hash: digest::Context, expected: [u8; DIGEST_BYTES] },
    Chunked { decoder: Box<Decoder>, pending: Bytes },
}

impl<B> fmt::Debug for CheckedBody<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CheckedBody")
            .field("announced", &self.announced)
            .field("received", &self.received)
            .field("decoded_length", &self.decoded_length)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl Verified {
    /// Wraps the body of the request whose head was verified.
    ///
    /// # Errors
    ///
    /// If the head lacks what the body's encoding needs, or contradicts it.
    pub fn body<B>(self, parts: &Parts, body: B) -> Result<CheckedBody<B>, SignatureError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let announced = length(parts, "content-length")?;
        let names = announced_trailers(parts)?;
        let has_trailers = matches!(self.payload, PayloadKind::StreamingTrailer | PayloadKind::UnsignedTrailer);
        if !names.is_empty() && !has_trailers {
            return Err(SignatureError::Request("trailers are announced for a body without them"));
        }
        let mut decoded_length = announced;
        let content = match self.payload {
            PayloadKind::Unsigned => Content::Plain,
            PayloadKind::Signed(expected) => Content::Hashed { hash: digest::Context::new(&digest::SHA256), expected },
            PayloadKind::Absent => return Err(SignatureError::BodyHashNotGiven),
            PayloadKind::Streaming | PayloadKind::StreamingTrailer | PayloadKind::UnsignedTrailer => {
                let length = length(parts, DECODED_LENGTH)?;
                let length = length.ok_or(SignatureError::DecodedLengthMissing)?;
                decoded_length = Some(length);
                let is_signed = self.payload != PayloadKind::UnsignedTrailer;
                let chain = is_signed.then(|| Chain::new(self.key, self.timestamp, &self.scope, self.seed));
                let plan = Plan { chain, has_trailers, announced: names, decoded_length: length };
                let decoder = Box::new(Decoder::new(plan));
                Content::Chunked { decoder, pending: Bytes::new() }
            }
        };
        let trailers = TrailerHandle::default();
        Ok(CheckedBody { body, content, announced, received: 0, decoded_length, trailers, done: false })
    }
}

impl<B> CheckedBody<B> {
    /// The trailers, to be read after the clean end.
    #[must_use]
    pub fn trailers(&self) -> TrailerHandle {
        self.trailers.clone()
    }

    /// The length of the decoded body, if the head names it. The stream ends with an error if it has
    /// another.
    #[must_use]
    pub fn decoded_length(&self) -> Option<u64> {
        self.decoded_length
    }

    /// Takes the next bytes from the wire. What can be handed out at once is returned.
    fn accept(&mut self, data: Bytes) -> Result<Option<Bytes>, BodyError> {
        let count = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(count);
        if self.announced.is_some_and(|announced| self.received > announced) {
            return Err(BodyError::Incomplete);
        }
        match &mut self.content {
            Content::Plain => Ok(Some(data)),
            Content::Hashed { hash, .. } => {
                hash.update(&data);
                Ok(Some(data))
            }
            Content::Chunked { pending, .. } => {
                *pending = data;
                Ok(None)
            }
        }
    }

    /// Checks what can be checked only at the end.
    fn finish(&mut self) -> Result<(), BodyError> {
        if self.announced.is_some_and(|announced| self.received != announced) {
            return Err(BodyError::Incomplete);
        }
        match std::mem::replace(&mut self.content, Content::Plain) {
            Content::Plain => Ok(()),
            Content::Hashed { hash, expected } => {
                let hash = digest_array(hash.finish().as_ref());
                if same_digest(&hash, &expected) { Ok(()) } else { Err(BodyError::Sha256Mismatch) }
            }
            Content::Chunked { mut decoder, .. } => {
                // INVARIANT: set here alone, and once: `done` keeps this from running again.
                let _unset_before = self.trailers.0.set(decoder.finish()?);
                Ok(())
            }
        }
    }

    fn decode_pending(&mut self) -> Result<Option<Bytes>, BodyError> {
        match &mut self.content {
            Content::Chunked { decoder, pending } => decoder.decode(pending),
            Content::Plain | Content::Hashed { .. } => Ok(None),
        }
    }
}

impl<B> CheckedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            if let Some(data) = self.decode_pending()? {
                return Poll::Ready(Ok(Some(data)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(self.finish().map(|()| None)),
                Some(Err(error)) => {
                    return Poll::Ready(Err(BodyError::Transport(error.into())));
                }
                Some(Ok(frame)) => {
                    // Trailers of HTTP itself are not signed: they are passed over.
                    let Ok(data) = frame.into_data() else { continue };
                    if data.is_empty() {
                        continue;
                    }
                    if let Some(data) = self.accept(data)? {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
            }
        }
    }
}

impl<B> Stream for CheckedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let result = ready!(self.poll_data(context)).transpose();
        self.done = !matches!(result, Some(Ok(_)));
        Poll::Ready(result)
    }
}

/// Reads a length header.
fn length(parts: &Parts, name: &str) -> Result<Option<u64>, SignatureError> {
    let Some(text) = single(&parts.headers, name)? else { return Ok(None) };
    // `parse` alone would take a sign.
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or(SignatureError::Request("a length is not a number"))
}

/// The names in `x-amz-trailer`, in lower case.
fn announced_trailers(parts: &Parts) -> Result<Vec<String>, SignatureError> {
    let Some(text) = single(&parts.headers, TRAILER)? else { return Ok(Vec::new()) };
    let malformed = SignatureError::Request("x-amz-trailer is not a list of distinct names");
    let mut names: Vec<String> = Vec::new();
    for name in text.split(|byte| *byte == b',') {
        let Ok(name) = http::HeaderName::from_bytes(name.trim_ascii()) else {
            return Err(malformed);
        };
        let name = name.as_str().to_owned();
        if names.len() >= TRAILERS_MAX || name == TRAILER_SIGNATURE || names.contains(&name) {
            return Err(malformed);
        }
        names.push(name);
    }
    Ok(names)
}
