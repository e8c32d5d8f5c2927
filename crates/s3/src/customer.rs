//! Keys that callers keep themselves: their three headers (S3 user guide, "Using server-side encryption with
//! customer-provided keys").

use crate::convert::{aes256, decode_md5};
use crate::error::malformed;
use base64::Engine;
use fastness_operation::CustomerKey;
use md5::{Digest, Md5};
use s3s::dto;
use s3s::{S3Error, S3ErrorCode};
use zeroize::Zeroizing;

/// A caller's key, and what answers repeat of it.
pub(crate) struct Customer {
    pub(crate) key: Option<CustomerKey>,
    md5: Option<String>,
}

impl Customer {
    /// Reads algorithm, key and the key's MD5: all three, or none.
    pub(crate) fn new(algorithm: Option<String>, key: Option<String>, md5: Option<String>) -> Result<Self, S3Error> {
        let key = key.map(Zeroizing::new);
        let wrong = |message: &str| Err(malformed(S3ErrorCode::InvalidArgument, message));
        let (algorithm, key, md5) = match (algorithm, key, md5) {
            (None, None, None) => return Ok(Self { key: None, md5: None }),
            (Some(algorithm), Some(key), Some(md5)) => (algorithm, key, md5),
            (None, ..) => {
                return wrong(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
                );
            }
            (_, None, _) => {
                return wrong(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.",
                );
            }
            (.., None) => {
                return wrong(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.",
                );
            }
        };
        if algorithm != "AES256" {
            let code = S3ErrorCode::from_bytes(b"InvalidEncryptionAlgorithmError");
            let message = "The encryption request you specified is not valid. The valid value is AES256.";
            let mut error = malformed(code.unwrap_or(S3ErrorCode::InvalidArgument), message);
            error.set_status_code(http::StatusCode::BAD_REQUEST);
            return Err(error);
        }
        let decoded = base64::engine::general_purpose::STANDARD.decode(key.as_bytes()).map(Zeroizing::new);
        let mut bytes = Zeroizing::new([0; 32]);
        match decoded {
            Ok(decoded) if decoded.len() == bytes.len() => bytes.copy_from_slice(&decoded),
            _ => return wrong("The secret key was invalid for the specified algorithm."),
        }
        if decode_md5(&md5) != Some(Md5::digest(bytes.as_slice()).into()) {
            return wrong("The calculated MD5 hash of the key did not match the hash that was provided.");
        }
        Ok(Self { key: Some(CustomerKey::new(bytes)), md5: Some(md5) })
    }

    /// The algorithm and the key's MD5, as answers repeat them.
    pub(crate) fn echo(&self) -> (Option<String>, Option<String>) {
        (self.md5.as_ref().map(|_| "AES256".to_owned()), self.md5.clone())
    }

    /// What `x-amz-server-side-encryption` says: nothing where the caller keeps the key.
    pub(crate) fn encryption(&self) -> Option<dto::ServerSideEncryption> {
        aes256().filter(|_| self.key.is_none())
    }

    /// A write asks for one kind of encryption.
    pub(crate) fn alone(self, other: Option<&dto::ServerSideEncryption>) -> Result<Self, S3Error> {
        if self.key.is_none() || other.is_none() {
            return Ok(self);
        }
        let message =
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
        Err(malformed(S3ErrorCode::InvalidArgument, message))
    }
}

/// The caller's key of a request.
macro_rules! customer {
    ($input:ident) => {
        $crate::customer::Customer::new(
            $input.sse_customer_algorithm,
            $input.sse_customer_key,
            $input.sse_customer_key_md5,
        )
    };
}
pub(crate) use customer;

/// The caller's key of a copy's source.
macro_rules! source_customer {
    ($input:ident) => {
        $crate::customer::Customer::new(
            $input.copy_source_sse_customer_algorithm,
            $input.copy_source_sse_customer_key,
            $input.copy_source_sse_customer_key_md5,
        )
    };
}
pub(crate) use source_customer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_whole_or_not_at_all() {
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let (key, md5) = (encode(&[7; 32]), encode(&Md5::digest([7; 32])));
        let check = |algorithm: &str, key: &str, md5: &str, code: Option<&str>| {
            let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let found = Customer::new(given(algorithm), given(key), given(md5));
            assert_eq!(found.err().map(|error| error.code().as_str().to_owned()).as_deref(), code);
        };
        check("", "", "", None);
        check("AES256", &key, &md5, None);
        check("AES256", &key, "", Some("InvalidArgument"));
        check("AES256", "", &md5, Some("InvalidArgument"));
        check("", &key, &md5, Some("InvalidArgument"));
        check("AES128", &key, &md5, Some("InvalidEncryptionAlgorithmError"));
        check("AES256", &encode(&[7; 16]), &md5, Some("InvalidArgument"));
        check("AES256", &encode(&[8; 32]), &md5, Some("InvalidArgument"));
        let key = Customer::new(given("AES256"), given(&key), given(&md5)).unwrap().key;
        assert_eq!(format!("{key:?}"), "Some(CustomerKey(secret))");
    }

    fn given(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}
