//! The signing key and what it signs.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{ALGORITHM, SCOPE_END, Scope, SignatureError};

/// The length of an HMAC-SHA256 and of a SHA-256, in bytes.
pub(super) const DIGEST_BYTES: usize = 32;

/// The key of one secret for one day, region and service.
///
/// It opens that scope to whoever holds it, so it is neither printed nor cloned out of its wrapper;
/// the library beneath clears it when it is dropped.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Derives the key of `secret` for `scope`: four nested HMACs. Pure, so a caller may cache it.
    #[must_use]
    pub fn derive(secret: &str, scope: &Scope) -> Self {
        let mut start = Zeroizing::new(Vec::with_capacity("AWS4".len() + secret.len()));
        start.extend_from_slice(b"AWS4");
        start.extend_from_slice(secret.as_bytes());
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, &start);
        for part in [&scope.date, &scope.region, &scope.service, SCOPE_END] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        Self(key)
    }

    /// Signs `text`.
    pub(super) fn sign(&self, text: &[u8]) -> [u8; DIGEST_BYTES] {
        digest_array(hmac::sign(&self.0, text).as_ref())
    }

    /// Compares the signature of `text` with `claimed`, in a time that does not depend on either.
    pub(super) fn verifies(&self, text: &[u8], claimed: &[u8; DIGEST_BYTES]) -> bool {
        hmac::verify(&self.0, text, claimed).is_ok()
    }
}

/// Compares two hashes in constant time. Hashes are no secrets; one habit for all is simpler to keep.
pub(super) fn same_digest(left: &[u8; DIGEST_BYTES], right: &[u8; DIGEST_BYTES]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Copies a digest of known length into an array.
pub(super) fn digest_array(digest: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut array = [0; DIGEST_BYTES];
    // INVARIANT: SHA-256 and its HMAC have 32 bytes; zip copies what is there and cannot panic.
    for (to, from) in array.iter_mut().zip(digest) {
        *to = *from;
    }
    array
}

/// The SHA-256 of `data`.
pub(super) fn sha256(data: &[u8]) -> [u8; DIGEST_BYTES] {
    digest_array(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data).as_ref())
}

/// What a request's signature signs: the hash of the canonical request, tied to time and scope.
pub(super) fn string_to_sign(timestamp: &str, scope: &Scope, canonical: &[u8]) -> String {
    let mut text = String::with_capacity(160);
    for part in [ALGORITHM, "\n", timestamp, "\n", &scope.date, "/", &scope.region, "/", &scope.service, "/", SCOPE_END]
    {
        text.push_str(part);
    }
    text.push('\n');
    text.push_str(&hex::encode(sha256(canonical)));
    text
}

/// Writes a time as signatures do: `20130524T000000Z`.
pub(super) fn format_timestamp(when: OffsetDateTime) -> String {
    let when = when.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        when.year(),
        u8::from(when.month()),
        when.day(),
        when.hour(),
        when.minute(),
        when.second()
    )
}

/// Writes a date as scopes do: `20130524`.
pub(super) fn format_date(when: OffsetDateTime) -> String {
    let mut timestamp = format_timestamp(when);
    timestamp.truncate("YYYYMMDD".len());
    timestamp
}

/// Reads a time in the only form that signatures have: sixteen bytes, digits but for `T` and `Z`.
pub(super) fn parse_timestamp(text: &str) -> Option<OffsetDateTime> {
    let (date, rest) = text.split_at_checked(8)?;
    let clock = rest.strip_prefix('T')?.strip_suffix('Z')?;
    if clock.len() != 6 {
        return None;
    }
    let number = |part: Option<&str>| -> Option<u16> {
        let part = part?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let small = |part: Option<&str>| number(part).and_then(|value| u8::try_from(value).ok());
    let month = time::Month::try_from(small(date.get(4..6))?).ok()?;
    let date =
        time::Date::from_calendar_date(i32::from(number(date.get(0..4))?), month, small(date.get(6..8))?).ok()?;
    let clock = time::Time::from_hms(small(clock.get(0..2))?, small(clock.get(2..4))?, small(clock.get(4..6))?).ok()?;
    Some(OffsetDateTime::new_utc(date, clock))
}

/// Reads 64 lower-case hex digits. Upper case is refused: the text itself is signed elsewhere, and one
/// value has one spelling.
pub(super) fn parse_digest(text: &[u8]) -> Option<[u8; DIGEST_BYTES]> {
    if text.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut digest = [0; DIGEST_BYTES];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

impl Scope {
    /// Reads `access-key-id/date/region/service/aws4_request`.
    pub(super) fn parse_credential(
        credential: &str,
        malformed: fn(&'static str) -> SignatureError,
    ) -> Result<(String, Self), SignatureError> {
        let parts: Vec<&str> = credential.splitn(6, '/').collect();
        let &[access_key_id, date, region, service, end] = parts.as_slice() else {
            return Err(malformed("the credential does not have five parts"));
        };
        let word = |text: &str, bytes_max: usize| {
            !text.is_empty()
                && text.len() <= bytes_max
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !word(access_key_id, super::ACCESS_KEY_ID_BYTES_MAX) {
            return Err(malformed("the access key id is not a word"));
        }
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed("the credential's date is not YYYYMMDD"));
        }
        if !word(region, super::SCOPE_PART_BYTES_MAX) || !word(service, super::SCOPE_PART_BYTES_MAX) {
            return Err(malformed("the credential's region or service is not a word"));
        }
        if end != SCOPE_END {
            return Err(malformed("the credential does not end in aws4_request"));
        }
        let scope = Self { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
        Ok((access_key_id.to_owned(), scope))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, region, service } = self;
        write!(formatter, "{date}/{region}/{service}/{SCOPE_END}")
    }
}
