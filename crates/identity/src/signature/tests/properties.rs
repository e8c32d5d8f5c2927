//! No input panics, and what our signer signs is verified.

use proptest::collection::vec;
use proptest::prelude::*;

use super::chunked::{Decoder, Plan};
use super::*;

/// Feeds a decoder with pieces until it errs.
fn decode(mut decoder: Decoder, body: &[u8], piece: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for piece in body.chunks(piece) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(data) = decoder.decode(&mut input).map_err(|error| error.to_string())? {
            out.extend_from_slice(&data);
        }
    }
    decoder.finish().map_err(|error| error.to_string())?;
    Ok(out)
}

fn decoder(is_signed: bool, has_trailers: bool, decoded_length: u64) -> Decoder {
    let scope = Scope { date: "20130524".into(), region: REGION.into(), service: "s3".into() };
    let key = SigningKey::derive(SECRET, &scope);
    let chain = is_signed.then(|| chunked::Chain::new(key, "20130524T000000Z".into(), &scope, [0; 32]));
    let announced = if has_trailers { vec!["x-b".to_owned()] } else { Vec::new() };
    Decoder::new(Plan { chain, has_trailers, announced, decoded_length })
}

/// Bytes that look a little like aws-chunked.
fn chunky() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        vec(any::<u8>(), 0..20),
        "[0-9a-f]{1,17}(;chunk-signature=[0-9a-f]{64})?\r\n".prop_map(String::into_bytes),
        "[a-c]{1,4}\r\n".prop_map(String::into_bytes),
        Just(b"1\r\na\r\n".to_vec()),
        Just(b"0\r\nx-b:1\r\n\r\n".to_vec()),
    ];
    vec(word, 0..12).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_decoder_is_total_and_blind_to_pieces(
        body in chunky(),
        is_signed: bool,
        has_trailers: bool,
        decoded_length in prop_oneof![0_u64..40, any::<u64>()],
        piece in 1_usize..50,
    ) {
        let whole = decode(decoder(is_signed, has_trailers, decoded_length), &body, usize::MAX);
        let split = decode(decoder(is_signed, has_trailers, decoded_length), &body, piece);
        prop_assert_eq!(&whole, &split);
        if let Ok(data) = whole {
            prop_assert_eq!(data.len() as u64, decoded_length);
        }
    }

    #[test]
    fn claims_are_total(
        authorization in prop_oneof![
            vec(any::<u8>(), 0..200),
            "AWS4-HMAC-SHA256 (Credential=[A-Z0-9/]{0,40}|SignedHeaders=[a-z;]{0,9}|Signature=[0-9a-f]{0,70}|[ ,=]){0,6}"
                .prop_map(String::into_bytes),
        ],
        date in "[0-9]{0,9}T?[0-9]{0,7}Z?|[A-Za-z0-9 ,:+]{0,30}|.{0,20}",
        query in "((X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)|a)=?[A-Z0-9a-z%/+-]{0,30}&){0,9}",
        hash in "UNSIGNED-PAYLOAD|[0-9a-f]{64}|.{0,9}",
    ) {
        let mut parts = head("GET", &format!("/p?{query}"), &[]);
        for (name, value) in [
            ("authorization", authorization.as_slice()),
            ("x-amz-date", date.as_bytes()),
            ("x-amz-content-sha256", hash.as_bytes()),
        ] {
            if let Ok(value) = http::HeaderValue::from_bytes(value) {
                parts.headers.insert(name, value);
            }
        }
        for _ in 0..2 {
            if let Ok(Some(claim)) = claim(&parts) {
                let verified = claim.verify(&parts, SECRET, &expected(EXAMPLE_TIME), Some([0; 32]));
                prop_assert!(verified.is_err());
            }
            parts.headers.remove("authorization");
        }
        strip(&mut parts, Some(1));
        prop_assert!(!matches!(claim(&parts), Ok(Some(_))));
    }

    #[test]
    fn times_are_read_as_they_are_written(seconds in -62_167_219_200_i64..253_402_300_800, noise in ".{0,18}") {
        let when = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        prop_assert_eq!(key::parse_timestamp(&key::format_timestamp(when)), Some(when));
        if let Some(read) = key::parse_timestamp(&noise) {
            prop_assert_eq!(key::format_timestamp(read), noise);
        }
    }

    #[test]
    fn our_requests_are_verified(
        service in proptest::sample::select(&SERVICES[..]),
        path in "(/[a-zA-Z0-9._~!$&'()*+,;=:@-]{0,6}(%[0-9A-F]{2})?){1,5}",
        query in "([a-zA-Z0-9._~!$'()*+,;:@/?-]{0,6}(%[0-9A-Fa-f]{2})?=?[a-z%+]{0,5}&?){0,5}",
        value in "[ -~]{0,30}",
        body in vec(any::<u8>(), 0..100),
    ) {
        let target = format!("{path}?{query}");
        let mut parts = head("PUT", &target, &[("host", "h:1"), ("x-amz-meta-a", &value)]);
        signer(service).sign(&mut parts, SignPayload::Body(&body), EXAMPLE_TIME).unwrap();
        let claimed = claim(&parts).unwrap().unwrap();
        let hash = Some(key::sha256(&body));
        let verified = claimed.verify(&parts, SECRET, &expected(EXAMPLE_TIME), hash).unwrap();
        prop_assert_eq!(drain(verified.body(&parts, pieces(&body, 7)).unwrap()).unwrap(), body);

        let url = format!("http://h:1{target}");
        let life = Duration::seconds(9);
        let url = signer(service).presign(&http::Method::GET, &url, life, EXAMPLE_TIME).unwrap();
        let parts = head("GET", url.strip_prefix("http://h:1").unwrap(), &[("host", "h:1")]);
        check(&parts, EXAMPLE_TIME).unwrap();
    }

    #[test]
    fn our_chunks_are_verified(
        body in vec(any::<u8>(), 0..300),
        size in 1_usize..100,
        piece in 1_usize..100,
        variant in 0_usize..3,
    ) {
        let decoded_length = body.len() as u64;
        let payload = [
            SignPayload::Streaming { decoded_length },
            SignPayload::StreamingTrailer { decoded_length, trailer: "x-b" },
            SignPayload::UnsignedTrailer { decoded_length, trailer: "x-b" },
        ][variant];
        let (parts, mut chunks) = signed(payload, &[("content-encoding", "gzip")]);
        let mut wire = Vec::new();
        for data in body.chunks(size) {
            chunks.chunk(data, &mut wire);
        }
        chunks.finish((variant > 0).then_some(("x-b", "value")), &mut wire);
        prop_assert_eq!(receive(&parts, &wire, piece).unwrap(), body);
    }
}
