//! Bodies: hashed, in signed chunks, with trailers, in chunks that nobody signed.
//!
//! Oracle: the result does not depend on how the bytes are cut; a body ends cleanly only with exactly what was signed,
//! whatever was changed in its framing; without signatures, only with the length that was announced.

use crate::signature::{KEY, REGION, SECRET, now, verify};
use bytes::Bytes;
use fastness_identity::signature::sign::{SignPayload, Signer};
use futures_util::{FutureExt, StreamExt};
use http::Request;
use http::request::Parts;
use http_body::Frame;
use http_body_util::StreamBody;
use std::convert::Infallible;

const TRAILER: &str = "x-amz-checksum-crc32";

/// The first bytes of an input; the rest is the body or its wire form.
struct Plan {
    kind: u8,
    is_raw: bool,
    piece: usize,
    cut: usize,
    edits: Vec<[u8; 3]>,
}

/// What came of a body: its bytes and its trailer, or the error.
type Outcome = Result<(Vec<u8>, Option<String>), String>;

pub(crate) fn run(data: &[u8]) {
    let Some(([first, piece, cut, edits], rest)) = data.split_first_chunk::<4>() else { return };
    let (edits, rest) = rest.split_at(rest.len().min(usize::from(*edits % 8) * 3));
    let plan = Plan {
        kind: *first % 4,
        is_raw: *first & 0x80 != 0,
        piece: usize::from(*piece).max(1),
        cut: usize::from(*cut).max(1),
        edits: edits.as_chunks::<3>().0.to_vec(),
    };
    if plan.is_raw { raw(&plan, rest) } else { changed(&plan, rest) }
}

fn payload(kind: u8, body: &[u8]) -> SignPayload<'_> {
    let decoded_length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    match kind {
        0 => SignPayload::Body(body),
        1 => SignPayload::Streaming { decoded_length },
        2 => SignPayload::StreamingTrailer { decoded_length, trailer: TRAILER },
        _ => SignPayload::UnsignedTrailer { decoded_length, trailer: TRAILER },
    }
}

/// The head and the wire form of a body that is sent in pieces of this length.
pub(crate) fn encoded(kind: u8, body: &[u8], piece: usize) -> (Parts, Vec<u8>) {
    let request = Request::builder().method("PUT").uri("/bucket/key").header("host", "localhost").body(());
    let mut parts = crate::sure(request).into_parts().0;
    let signer = Signer::new(KEY, SECRET, REGION, "s3");
    let mut chunks = crate::sure(signer.sign(&mut parts, payload(kind, body), now()));
    if kind == 0 {
        return (parts, body.to_vec());
    }
    let mut wire = Vec::new();
    for data in body.chunks(piece) {
        chunks.chunk(data, &mut wire);
    }
    chunks.finish((kind > 1).then_some((TRAILER, "AAAAAA==")), &mut wire);
    (parts, wire)
}

/// Reads a body as it comes in pieces of this length.
fn outcome(parts: &Parts, wire: &[u8], piece: usize) -> Outcome {
    let Some(verified) = crate::sure(verify(parts, SECRET, None)) else { unreachable!("signed above") };
    let pieces: Vec<Result<Frame<Bytes>, Infallible>> =
        wire.chunks(piece).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let body = verified.body(parts, StreamBody::new(futures_util::stream::iter(pieces)));
    let mut body = body.map_err(|error| error.to_string())?;
    let trailers = body.trailers();
    let mut out = Vec::new();
    while let Some(item) = body.next().now_or_never().flatten() {
        out.extend_from_slice(&item.map_err(|error| error.to_string())?);
        assert!(trailers.get(TRAILER).is_none(), "a trailer before the end");
    }
    Ok((out, trailers.get(TRAILER)))
}

/// The outcome, which must be the same however the bytes are cut.
fn blind(plan: &Plan, parts: &Parts, wire: &[u8]) -> Outcome {
    let whole = outcome(parts, wire, usize::MAX);
    assert_eq!(whole, outcome(parts, wire, 1), "single bytes");
    assert_eq!(whole, outcome(parts, wire, plan.cut), "pieces of {}", plan.cut);
    whole
}

/// Bytes as they are, behind a head that announces eight bytes.
fn raw(plan: &Plan, wire: &[u8]) {
    let signed = [b'x'; 8];
    let (parts, right) = encoded(plan.kind, &signed, 3);
    let Ok((body, trailer)) = blind(plan, &parts, wire) else { return };
    assert_eq!(body.len(), signed.len(), "another length than announced");
    if plan.kind < 3 {
        assert_eq!(body, signed, "a body that nobody signed");
        assert!(plan.kind != 0 || wire == right);
    }
    assert_eq!(trailer.is_some(), plan.kind > 1, "a trailer that was announced is there, and no other");
}

/// A body that our signer encoded, with some bytes of the wire form changed.
fn changed(plan: &Plan, body: &[u8]) {
    let (parts, mut wire) = encoded(plan.kind, body, plan.piece);
    let right = wire.clone();
    let trailer = (plan.kind > 1).then(|| "AAAAAA==".to_owned());
    for [place, kind, value] in &plan.edits {
        // Sparse places reach the whole of a long body.
        let at = usize::from(*place) * wire.len().max(1) / 256;
        match kind % 4 {
            0 => {
                if let Some(byte) = wire.get_mut(at) {
                    *byte = *value;
                }
            }
            1 => wire.truncate(at),
            2 => drop(wire.splice(at..at, [*value])),
            _ => drop(wire.splice(at..at.saturating_add(usize::from(*value)).min(wire.len()), [])),
        }
    }
    let found = blind(plan, &parts, &wire);
    if wire == right {
        assert_eq!(found, Ok((body.to_vec(), trailer)), "what was signed is refused");
    } else if let Ok((data, found)) = found {
        assert_eq!(data.len(), body.len(), "another length than announced");
        if plan.kind < 3 {
            assert_eq!((data, found), (body.to_vec(), trailer), "a body that nobody signed");
        }
    }
}
