//! Bodies that are not what was signed.

use super::*;

const TRAILER_NAME: &str = "x-amz-checksum-crc32";
const DATA: &[u8] = b"hello, chunked world";

/// Signs DATA in chunks of seven bytes.
fn encoded(payload: SignPayload<'_>) -> (Parts, Vec<u8>) {
    let trailer = match payload {
        SignPayload::StreamingTrailer { .. } | SignPayload::UnsignedTrailer { .. } => Some((TRAILER_NAME, "AAAAAA==")),
        _ => None,
    };
    let (parts, mut chunks) = signed(payload, &[]);
    let mut body = Vec::new();
    for piece in DATA.chunks(7) {
        chunks.chunk(piece, &mut body);
    }
    chunks.finish(trailer, &mut body);
    (parts, body)
}

fn variants() -> [SignPayload<'static>; 3] {
    let decoded_length = DATA.len() as u64;
    [
        SignPayload::Streaming { decoded_length },
        SignPayload::StreamingTrailer { decoded_length, trailer: TRAILER_NAME },
        SignPayload::UnsignedTrailer { decoded_length, trailer: TRAILER_NAME },
    ]
}

fn check_code(parts: &Parts, body: &[u8], code: &str) {
    for piece in [1, 5, 1000] {
        let result = receive(parts, body, piece);
        let given = result.as_ref().map_or_else(BodyError::code, |_| "clean");
        assert_eq!(given, code, "{}: {result:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn whole_bodies_end_cleanly() {
    for payload in variants() {
        let (parts, body) = encoded(payload);
        for piece in 1..=body.len() {
            assert_eq!(receive(&parts, &body, piece).unwrap(), DATA, "{payload:?} {piece}");
        }
    }
}

#[test]
fn a_body_cut_anywhere_never_ends_cleanly() {
    for payload in variants() {
        let (parts, body) = encoded(payload);
        let mut announced = parts.clone();
        announced.headers.insert("content-length", body.len().into());
        for end in 0..body.len() {
            for parts in [&parts, &announced] {
                let result = receive(parts, &body[..end], 3);
                assert!(matches!(result, Err(BodyError::Incomplete)), "{payload:?} {end} {result:?}");
            }
        }
        assert_eq!(receive(&announced, &body, 3).unwrap(), DATA);
    }
}

#[test]
fn a_changed_byte_of_a_signed_body_never_ends_cleanly() {
    for payload in variants().into_iter().take(2) {
        let (parts, body) = encoded(payload);
        for index in 0..body.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = body.clone();
                changed[index] ^= flip;
                assert!(receive(&parts, &changed, 9).is_err(), "{payload:?} {index} {flip}");
            }
            let mut shorter = body.clone();
            shorter.remove(index);
            if body[index..].starts_with(b"\r\nx-amz-trailer-signature") {
                // The liberty of a Go client: the line may end so, and says the same.
                assert_eq!(receive(&parts, &shorter, 9).unwrap(), DATA);
                continue;
            }
            assert!(receive(&parts, &shorter, 9).is_err(), "{payload:?} {index} removed");
        }
    }
}

#[test]
fn chunks_cannot_be_moved_or_left_out() {
    let (parts, body) = encoded(variants()[0]);
    // Two whole chunks have the same length on the wire.
    let length = "7;chunk-signature=".len() + 64 + 2 + 7 + 2;
    let moved = [&body[length..2 * length], &body[..length], &body[2 * length..]].concat();
    check_code(&parts, &moved, "SignatureDoesNotMatch");
    check_code(&parts, &body[length..], "SignatureDoesNotMatch");
    let twice = [&body[..length], &body].concat();
    check_code(&parts, &twice, "SignatureDoesNotMatch");
}

#[test]
fn bytes_behind_the_end() {
    for payload in variants() {
        let (parts, body) = encoded(payload);
        for more in ["x", "\r\n\r\n", "0\r\n\r\n", "\n"] {
            let result = receive(&parts, &[&body, more.as_bytes()].concat(), 4);
            assert!(result.is_err(), "{payload:?} {more:?}");
        }
    }
    // The one liberty: a second empty line, which a Go client sends.
    let (parts, body) = encoded(variants()[2]);
    assert_eq!(receive(&parts, &[&body, &b"\r\n"[..]].concat(), 1).unwrap(), DATA);
    let half = receive(&parts, &[&body, &b"\r"[..]].concat(), 1);
    assert!(matches!(half, Err(BodyError::Incomplete)));
}

#[test]
fn sizes_and_extensions() {
    let payload = SignPayload::UnsignedTrailer { decoded_length: 3, trailer: TRAILER_NAME };
    let (parts, _) = signed(payload, &[]);
    let end = format!("0\r\n{TRAILER_NAME}:a\r\n\r\n");
    check_code(&parts, format!("3\r\nabc\r\n{end}").as_bytes(), "clean");
    check_code(&parts, format!("0000000000000003\r\nabc\r\n{end}").as_bytes(), "clean");
    let too_long = "0".repeat(CHUNK_HEADER_BYTES_MAX);
    for (head, code) in [
        ("4", "InvalidChunkSizeError"),
        ("-3", "InvalidChunkSizeError"),
        ("+3", "InvalidChunkSizeError"),
        ("0x3", "InvalidChunkSizeError"),
        (" 3", "InvalidChunkSizeError"),
        ("", "InvalidChunkSizeError"),
        ("g", "InvalidChunkSizeError"),
        ("ffffffffffffffff", "InvalidChunkSizeError"),
        ("10000000000000003", "InvalidChunkSizeError"),
        ("00000000000000003", "InvalidChunkSizeError"),
        ("3;a=b", "InvalidRequest"),
        ("3;chunk-signature=00", "InvalidRequest"),
        ("\u{fc}", "InvalidChunkSizeError"),
        (&too_long, "InvalidRequest"),
    ] {
        check_code(&parts, format!("{head}\r\nabc\r\n{end}").as_bytes(), code);
    }
    check_code(&parts, b"3\nabc\r\n", "InvalidRequest");
    check_code(&parts, b"3\r\nabcd\r\n", "InvalidRequest");
    check_code(&parts, format!("2\r\nab\r\n{end}").as_bytes(), "IncompleteBody");
    check_code(&parts, format!("3\r\nabc\r\n1\r\nd\r\n{end}").as_bytes(), "InvalidChunkSizeError");

    let (parts, _) = signed(SignPayload::Streaming { decoded_length: 3 }, &[]);
    check_code(&parts, b"3\r\nabc\r\n0\r\n\r\n", "SignatureDoesNotMatch");
    check_code(&parts, b"3;x=y\r\nabc\r\n", "InvalidRequest");
}

#[test]
fn trailers() {
    let payload = SignPayload::UnsignedTrailer { decoded_length: 0, trailer: "x-amz-checksum-crc32, x-b" };
    let (parts, _) = signed(payload, &[]);
    let malformed = "MalformedTrailerError";
    let value = "v".repeat(TRAILER_LINE_BYTES_MAX);
    for (trailers, code) in [
        ("x-b:1\r\nX-Amz-Checksum-CRC32: 2 \r\n", "clean"),
        ("x-b:1\nx-amz-checksum-crc32:2\n\r\n", "clean"),
        ("x-b:1\r\n", malformed),
        ("", malformed),
        ("x-b:1\r\nx-b:1\r\n", malformed),
        ("x-b:1\r\nx-amz-checksum-crc32:2\r\nx-c:3\r\n", malformed),
        ("x-b\r\n", malformed),
        (":1\r\n", malformed),
        ("x b:1\r\n", malformed),
        ("x-b:\u{fc}\r\n", malformed),
        ("x-b:\r1\r\n", malformed),
        ("x-amz-trailer-signature:00\r\n", malformed),
        (&format!("x-b:{value}\r\n"), "InvalidRequest"),
    ] {
        check_code(&parts, format!("0\r\n{trailers}\r\n").as_bytes(), code);
    }

    // Without the variant with trailers there are none.
    let (parts, mut chunks) = signed(SignPayload::Streaming { decoded_length: 0 }, &[]);
    let end = chunks.header(b"");
    check_code(&parts, format!("{end}x-b:1\r\n\r\n").as_bytes(), "InvalidRequest");

    // A signed trailer's value and signature count, and the signature must be there.
    let (parts, body) = encoded(variants()[1]);
    let text = String::from_utf8(body).unwrap();
    let changed = text.replace("AAAAAA==", "AAAAAB==");
    check_code(&parts, changed.as_bytes(), "SignatureDoesNotMatch");
    let signature = text.find(TRAILER_SIGNATURE).unwrap();
    let without = format!("{}\r\n", &text[..signature]);
    check_code(&parts, without.as_bytes(), "IncompleteBody");
    check_code(&parts, format!("{without}\r\n").as_bytes(), malformed);
}

#[test]
fn heads_that_do_not_fit_the_body() {
    let code = |parts: &Parts| {
        let verified = check(parts, EXAMPLE_TIME).unwrap();
        verified.body(parts, pieces(b"", 1)).map_or_else(|error| error.code(), |_| "wrapped")
    };
    let (mut parts, _) = signed(SignPayload::Unsigned, &[("x-amz-trailer", "x-b")]);
    assert_eq!(code(&parts), "InvalidRequest");
    parts = signed(SignPayload::Unsigned, &[]).0;
    for (length, outcome) in [("-1", "InvalidRequest"), ("+1", "InvalidRequest"), ("12", "wrapped")] {
        parts.headers.insert("content-length", length.parse().unwrap());
        assert_eq!(code(&parts), outcome, "{length}");
    }
    parts.headers.append("content-length", "12".parse().unwrap());
    assert_eq!(code(&parts), "InvalidRequest");

    let mut parts = head("PUT", "/b/k", &[("host", "fastness.example")]);
    parts.headers.insert("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER".parse().unwrap());
    let word = SignPayload::UnsignedTrailer { decoded_length: 0, trailer: "x-amz-trailer-signature" };
    signer("s3").sign(&mut parts, word, EXAMPLE_TIME).unwrap();
    assert_eq!(code(&parts), "InvalidRequest");
    let many: Vec<String> = (0..=TRAILERS_MAX).map(|index| format!("x-{index}")).collect();
    let word = SignPayload::UnsignedTrailer { decoded_length: 0, trailer: &many.join(",") };
    assert_eq!(code(&signed(word, &[]).0), "InvalidRequest");
    let word = SignPayload::UnsignedTrailer { decoded_length: 0, trailer: &many[1..].join(",") };
    assert_eq!(code(&signed(word, &[]).0), "wrapped");
}

#[test]
fn plain_bodies() {
    let (mut parts, _) = signed(SignPayload::Body(DATA), &[]);
    assert_eq!(receive(&parts, DATA, 3).unwrap(), DATA);
    check_code(&parts, &DATA[1..], "XAmzContentSHA256Mismatch");
    check_code(&parts, b"", "XAmzContentSHA256Mismatch");
    parts.headers.insert("content-length", DATA.len().into());
    assert_eq!(receive(&parts, DATA, 3).unwrap(), DATA);
    check_code(&parts, &DATA[1..], "IncompleteBody");
    check_code(&parts, &[DATA, DATA].concat(), "IncompleteBody");

    let (mut parts, _) = signed(SignPayload::Unsigned, &[]);
    assert_eq!(receive(&parts, DATA, 3).unwrap(), DATA);
    parts.headers.insert("content-length", 3.into());
    check_code(&parts, &DATA[..2], "IncompleteBody");
}

#[test]
fn a_broken_transport_is_an_error() {
    let (parts, _) = signed(SignPayload::Unsigned, &[]);
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"a"))),
        Ok(Frame::trailers(http::HeaderMap::new())),
        Err(std::io::Error::other("gone")),
    ];
    let body = StreamBody::new(stream::iter(frames));
    let verified = check(&parts, EXAMPLE_TIME).unwrap();
    let error = drain(verified.body(&parts, body).unwrap()).unwrap_err();
    assert_eq!(error.code(), "IncompleteBody");
    assert_eq!(error.status(), 400);
}

#[test]
fn no_byte_beyond_the_announced_length_is_handed_out() {
    let (mut parts, _) = signed(SignPayload::Unsigned, &[]);
    parts.headers.insert("content-length", 3.into());
    let verified = check(&parts, EXAMPLE_TIME).unwrap();
    let mut stream = verified.body(&parts, pieces(DATA, 3)).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let first = Pin::new(&mut stream).poll_next(&mut context);
    assert!(matches!(first, Poll::Ready(Some(Ok(data))) if data == DATA[..3]));
    let second = Pin::new(&mut stream).poll_next(&mut context);
    assert!(matches!(second, Poll::Ready(Some(Err(BodyError::Incomplete)))));
}
