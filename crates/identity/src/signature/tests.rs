//! Tests of the whole module, from outside: published examples, an independent signer, tampering.

mod chunks;
mod examples;
mod properties;
mod refusals;
mod vectors;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::request::Parts;
use http_body::Frame;
use http_body_util::StreamBody;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::sign::{SignPayload, Signer};
use super::*;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const REGION: &str = "us-east-1";
const SERVICES: [&str; 4] = ["s3", "iam", "sts", "fastness"];
const EXAMPLE_TIME: OffsetDateTime = datetime!(2013-05-24 00:00:00 UTC);

fn expected(now: OffsetDateTime) -> Expected<'static> {
    Expected { region: REGION, services: &SERVICES, now }
}

fn signer(service: &str) -> Signer {
    Signer::new(KEY, SECRET, REGION, service)
}

/// The head of a request, without checks of its own.
fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// Claims and verifies.
fn check(parts: &Parts, now: OffsetDateTime) -> Result<Verified, SignatureError> {
    let claim = claim(parts)?.expect("the request is signed");
    let hash = (claim.payload == PayloadKind::Absent).then(|| key::sha256(b""));
    claim.verify(parts, SECRET, &expected(now), hash)
}

/// A body that comes in pieces of `piece` bytes.
fn pieces(
    data: &[u8],
    piece: usize,
) -> StreamBody<impl Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Unpin + use<>> {
    let frames: Vec<_> = data.chunks(piece).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    StreamBody::new(stream::iter(frames))
}

/// Reads a stream whose items are all ready to its end.
fn drain<S: Stream<Item = Result<Bytes, BodyError>> + Unpin>(mut stream: S) -> Result<Vec<u8>, BodyError> {
    let mut context = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    loop {
        match Pin::new(&mut stream).poll_next(&mut context) {
            Poll::Ready(Some(Ok(data))) => {
                assert!(!data.is_empty());
                out.extend_from_slice(&data);
            }
            Poll::Ready(Some(Err(error))) => {
                let after = Pin::new(&mut stream).poll_next(&mut context);
                assert!(matches!(after, Poll::Ready(None)), "nothing follows an error");
                return Err(error);
            }
            Poll::Ready(None) => return Ok(out),
            Poll::Pending => panic!("the body is ready"),
        }
    }
}

/// Signs a head and verifies it, and gives back what the body needs.
fn signed(payload: SignPayload<'_>, headers: &[(&str, &str)]) -> (Parts, sign::ChunkSigner) {
    let mut all = vec![("host", "fastness.example")];
    all.extend_from_slice(headers);
    let mut parts = head("PUT", "/bucket/key", &all);
    let chunks = signer("s3").sign(&mut parts, payload, EXAMPLE_TIME).unwrap();
    (parts, chunks)
}

/// Verifies the head and drains the body.
fn receive(parts: &Parts, body: &[u8], piece: usize) -> Result<Vec<u8>, BodyError> {
    let verified = check(parts, EXAMPLE_TIME).unwrap();
    drain(verified.body(parts, pieces(body, piece)).unwrap())
}
