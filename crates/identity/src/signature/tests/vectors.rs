//! Requests signed by botocore: `tests/data/signature_vectors.py` wrote them.

use serde_json::Value;

use super::*;

struct Vector {
    name: String,
    parts: Parts,
    body: Vec<u8>,
}

struct Vectors {
    region: String,
    now: OffsetDateTime,
    vectors: Vec<Vector>,
}

fn read() -> Vectors {
    let text = include_str!("../../../tests/data/signature_vectors.json");
    let document: Value = serde_json::from_str(text).unwrap();
    assert_eq!(document["secret"], SECRET);
    let vectors = document["vectors"].as_array().unwrap().iter().map(|vector| {
        let headers: Vec<(&str, &str)> = vector["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let text = |name: &str| vector[name].as_str().unwrap();
        Vector {
            name: text("name").to_owned(),
            parts: head(text("method"), text("target"), &headers),
            body: hex::decode(text("body")).unwrap(),
        }
    });
    Vectors {
        region: document["region"].as_str().unwrap().to_owned(),
        now: OffsetDateTime::from_unix_timestamp(document["now_unix"].as_i64().unwrap()).unwrap(),
        vectors: vectors.collect(),
    }
}

impl Vectors {
    fn check(&self, parts: &Parts, body: &[u8]) -> Result<Verified, SignatureError> {
        let claim = claim(parts)?.ok_or(SignatureError::Mismatch)?;
        let hash = (claim.payload == PayloadKind::Absent).then(|| key::sha256(body));
        let expected = Expected { region: &self.region, services: &SERVICES, now: self.now };
        claim.verify(parts, SECRET, &expected, hash)
    }
}

#[test]
fn botocores_requests_are_verified() {
    let vectors = read();
    assert!(vectors.vectors.len() >= 40);
    for Vector { name, parts, body } in &vectors.vectors {
        let verified = vectors.check(parts, body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_chunked = verified.payload().is_chunked();
        let stream = verified.body(parts, pieces(body, 333)).unwrap();
        let decoded_length = stream.decoded_length();
        let trailers = stream.trailers();
        let received = drain(stream).unwrap_or_else(|error| panic!("{name}: {error}"));
        if is_chunked {
            assert_eq!(decoded_length, Some(received.len() as u64), "{name}");
            let trailer = parts.headers["x-amz-trailer"].to_str().unwrap();
            assert!(trailers.get(trailer).is_some(), "{name}");
            let whole: Vec<u8> = (0..=255).cycle().take(4096).collect();
            assert!(received.is_empty() || received == whole, "{name}");
        } else {
            assert_eq!(&received, body, "{name}");
        }
    }
}

#[test]
fn every_change_of_a_signed_part_is_refused() {
    let vectors = read();
    for Vector { name, parts, body } in &vectors.vectors {
        let refused = |changed: &Parts, what: &str| {
            let result = vectors.check(changed, body);
            assert!(result.is_err(), "{name}: {what} went through");
        };
        for signed in claim(parts).unwrap().unwrap().signed_headers {
            let mut changed = parts.clone();
            let mut value = changed.headers[&signed].as_bytes().to_vec();
            value.push(b'x');
            changed
                .headers
                .insert(http::HeaderName::try_from(&signed).unwrap(), http::HeaderValue::from_bytes(&value).unwrap());
            refused(&changed, &signed);
            changed.headers.remove(&signed);
            refused(&changed, &signed);
            let mut changed = parts.clone();
            changed.headers.append(http::HeaderName::try_from(&signed).unwrap(), "y".parse().unwrap());
            refused(&changed, &signed);
        }
        let mut changed = parts.clone();
        changed.headers.insert("x-amz-added", "1".parse().unwrap());
        refused(&changed, "an added header");

        let mut changed = parts.clone();
        changed.method = http::Method::PATCH;
        refused(&changed, "the method");

        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let mut changed = parts.clone();
        changed.uri = format!("{path}x?{query}").parse().unwrap();
        refused(&changed, "the path");
        changed.uri = format!("/{path}?{query}").parse().unwrap();
        refused(&changed, "a slash before the path");
        changed.uri = format!("{path}?{query}&z=1").parse().unwrap();
        refused(&changed, "a parameter more");
    }
}

#[test]
fn every_changed_body_byte_is_refused() {
    let vectors = read();
    for Vector { name, parts, body } in &vectors.vectors {
        let payload = claim(parts).unwrap().unwrap().payload;
        // What is not signed cannot be noticed: botocore's trailers are checksums, for the caller.
        let is_signed = matches!(payload, PayloadKind::Signed(_) | PayloadKind::Absent);
        for index in (0..body.len()).filter(|_| is_signed) {
            let mut changed = body.clone();
            changed[index] ^= 1;
            let refused = match vectors.check(parts, &changed) {
                Err(_) => true,
                Ok(verified) => {
                    let stream = verified.body(parts, pieces(&changed, 50)).unwrap();
                    matches!(drain(stream), Err(BodyError::Sha256Mismatch))
                }
            };
            assert!(refused, "{name}: byte {index}");
        }
    }
}

#[test]
fn stripped_requests_are_anonymous() {
    for Vector { name, mut parts, .. } in read().vectors {
        let other = |parts: &Parts| {
            let query = parts.uri.query().unwrap_or_default();
            let kept = query.split('&').filter(|pair| !pair.starts_with("X-Amz-"));
            (parts.uri.path().to_owned(), kept.collect::<Vec<_>>().join("&"))
        };
        let before = other(&parts);
        strip(&mut parts, Some(7));
        assert_eq!(claim(&parts), Ok(None), "{name}");
        assert_eq!(before, other(&parts), "{name}");
        assert_eq!(parts.headers["content-length"], "7");
        for gone in ["x-amz-trailer", "x-amz-content-sha256", "transfer-encoding"] {
            assert!(!parts.headers.contains_key(gone), "{name}: {gone}");
        }
        let coding = parts.headers.get("content-encoding");
        assert!(coding.is_none_or(|coding| coding == "gzip"), "{name}");
    }
}
