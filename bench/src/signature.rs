//! AWS signature version 4, the client's side: in headers, and in the query of a presigned URL.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use aws_lc_rs::{digest, hmac};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// What stands in place of the payload's hash when it is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const DATE_TIME: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// Who signs, and for which region.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The region.
    pub region: String,
}

/// What a signature covers. Path and query are encoded already; the query is sorted.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The method.
    pub method: &'a str,
    /// The `host` header.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, without its question mark.
    pub query: &'a str,
}

/// Signs requests; keeps the day's key, so that one signature costs two hashes and one MAC.
#[derive(Clone, Debug)]
pub struct Signer {
    credentials: Credentials,
    service: &'static str,
    second: i64,
    date_time: String,
    date: String,
    key: hmac::Key,
}

impl Signer {
    /// A signer for these credentials, for S3.
    pub fn new(credentials: Credentials) -> Self {
        Self::for_service(credentials, "s3")
    }

    /// A signer for these credentials and a service.
    pub fn for_service(credentials: Credentials, service: &'static str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"");
        Self { credentials, service, second: i64::MIN, date_time: String::new(), date: String::new(), key }
    }

    /// The value of `x-amz-date` for requests signed until the next call.
    pub fn set_time(&mut self, now: OffsetDateTime) -> Result<&str> {
        if now.unix_timestamp() != self.second {
            self.date_time = now.format(DATE_TIME).context("the clock shows no date that can be written")?;
            self.second = now.unix_timestamp();
            let date = self.date_time.get(..8).unwrap_or_default();
            if date != self.date {
                self.date = date.to_owned();
                self.key = self.derive_key();
            }
        }
        Ok(&self.date_time)
    }

    /// The `authorization` header of a request with the headers `host`, `x-amz-content-sha256` and `x-amz-date`.
    pub fn authorization(&self, target: Target<'_>, payload_hash: &str) -> String {
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let Target { method, host, path, query } = target;
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{payload_hash}\nx-amz-date:{}\n\n{signed}\n{payload_hash}",
            self.date_time
        );
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={signed},Signature={}",
            self.credentials.access_key,
            self.scope(),
            self.sign(&canonical)
        )
    }

    /// The query of a presigned URL, `X-Amz-Signature` included. The target's own query must sort after `X-Amz-`.
    pub fn presigned_query(&self, target: Target<'_>, expires_seconds: u32) -> String {
        let mut query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F{}&X-Amz-Date={}&X-Amz-Expires={expires_seconds}&X-Amz-SignedHeaders=host",
            self.credentials.access_key,
            self.scope().replace('/', "%2F"),
            self.date_time
        );
        let Target { method, host, path, query: own } = target;
        if !own.is_empty() {
            query.push('&');
            query.push_str(own);
        }
        let canonical = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\n{UNSIGNED_PAYLOAD}");
        let signature = self.sign(&canonical);
        query.push_str("&X-Amz-Signature=");
        query.push_str(&signature);
        query
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.credentials.region, self.service)
    }

    fn sign(&self, canonical: &str) -> String {
        let mut text = format!("AWS4-HMAC-SHA256\n{}\n{}\n", self.date_time, self.scope());
        let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{}", hex::encode(hash));
        hex::encode(hmac::sign(&self.key, text.as_bytes()))
    }

    fn derive_key(&self) -> hmac::Key {
        let secret = format!("AWS4{}", self.credentials.secret_key);
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        for part in [self.date.as_str(), &self.credentials.region, self.service, "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the S3 documentation, "Signature Calculations for the Authorization Header" and "Authenticating
    /// Requests: Using Query Parameters".
    fn example() -> Signer {
        let mut signer = Signer::new(Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".into(),
        });
        let now = time::macros::datetime!(2013-05-24 00:00:00 UTC);
        assert_eq!(signer.set_time(now).unwrap(), "20130524T000000Z");
        signer
    }

    const HOST: &str = "examplebucket.s3.amazonaws.com";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_header_signature_is_the_documented_one() {
        let check = |query, signature| {
            let target = Target { method: "GET", host: HOST, path: "/", query };
            let header = example().authorization(target, EMPTY);
            assert_eq!(
                header,
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                     SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"
                )
            );
        };
        check("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
        check("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    }

    #[test]
    fn a_presigned_signature_is_the_documented_one() {
        let target = Target { method: "GET", host: HOST, path: "/test.txt", query: "" };
        let query = example().presigned_query(target, 86_400);
        assert!(
            query.ends_with("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
            "{query}"
        );
    }

    #[test]
    fn the_key_follows_the_day() {
        let target = Target { method: "GET", host: HOST, path: "/", query: "lifecycle=" };
        let mut signer = example();
        let first = signer.authorization(target, EMPTY);
        signer.set_time(time::macros::datetime!(2013-05-25 00:00:00 UTC)).unwrap();
        assert_ne!(first, signer.authorization(target, EMPTY));
        signer.set_time(time::macros::datetime!(2013-05-24 00:00:00 UTC)).unwrap();
        assert_eq!(first, signer.authorization(target, EMPTY));
    }
}
