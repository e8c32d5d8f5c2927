//! Forms that browsers post to S3: their signature covers a policy, and the policy says what the form may hold
//! (S3 API reference, "Authenticating requests in browser-based uploads using POST (AWS Signature Version 4)").

use time::OffsetDateTime;

use super::claim::Form;
use super::key::{DIGEST_BYTES, format_timestamp, parse_digest, parse_timestamp};
use super::verify::{check_freshness, check_scope};
use super::{ALGORITHM, Expected, PRESIGNED_LIFE_MAX, PayloadKind, Scope, SignatureError, SigningKey, Verified};

/// What a form claims. Nothing of it is proved before [`PostedClaim::verify_with`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedClaim {
    /// Whose secret would prove the claim.
    pub access_key_id: String,
    /// What the signing key is good for.
    pub scope: Scope,
    /// The signature.
    pub signature: [u8; DIGEST_BYTES],
    /// When the form was signed.
    pub when: OffsetDateTime,
    /// The policy as it was signed: in base64.
    pub policy: String,
}

impl PostedClaim {
    /// Reads what a form claims; `field` answers the value of a field by its name in lower case. `None` means that
    /// it bears neither policy nor signature: it is anonymous.
    ///
    /// # Errors
    ///
    /// If a part of the claim is missing or malformed, or of a kind that is not served.
    pub fn read<'f>(field: impl Fn(&str) -> Option<&'f str>) -> Result<Option<Self>, SignatureError> {
        let malformed = SignatureError::FormMalformed;
        if field("x-amz-security-token").is_some() {
            return Err(SignatureError::SecurityToken);
        }
        if field("awsaccesskeyid").is_some() {
            return Err(SignatureError::UnsupportedMechanism);
        }
        let (policy, signature) = match (field("policy"), field("x-amz-signature")) {
            (None, None) => return Ok(None),
            (Some(policy), Some(signature)) => (policy, signature),
            (None, Some(_)) => return Err(malformed("it must contain a field named 'policy'")),
            (Some(_), None) => return Err(malformed("it must contain a field named 'X-Amz-Signature'")),
        };
        match field("x-amz-algorithm") {
            Some(ALGORITHM) => {}
            Some(_) => return Err(SignatureError::UnsupportedMechanism),
            None => return Err(malformed("it must contain a field named 'X-Amz-Algorithm'")),
        }
        let credential = field("x-amz-credential");
        let credential = credential.ok_or(malformed("it must contain a field named 'X-Amz-Credential'"))?;
        let (access_key_id, scope) = Scope::parse_credential(credential, malformed)?;
        let when = field("x-amz-date").ok_or(malformed("it must contain a field named 'X-Amz-Date'"))?;
        let when = parse_timestamp(when).ok_or(malformed("its X-Amz-Date is not YYYYMMDDTHHMMSSZ"))?;
        let signature =
            parse_digest(signature.as_bytes()).ok_or(malformed("its X-Amz-Signature is not 64 hex digits"))?;
        Ok(Some(Self { access_key_id, scope, signature, when, policy: policy.to_owned() }))
    }

    /// Checks the claim with the signing key of its scope. What the policy demands is not looked at, its expiration
    /// neither; beyond seven days no form lives.
    ///
    /// # Errors
    ///
    /// If the claim is not fresh, not for this server, or if its signature is not the secret's.
    pub fn verify_with(
        &self,
        key: impl FnOnce(&Scope) -> SigningKey,
        expected: &Expected<'_>,
    ) -> Result<Verified, SignatureError> {
        let form = Form::Presigned { expires: PRESIGNED_LIFE_MAX };
        check_scope(&self.scope, self.when, expected, false)?;
        check_freshness(form, self.when, expected.now)?;
        let key = key(&self.scope);
        if !key.verifies(self.policy.as_bytes(), &self.signature) {
            return Err(SignatureError::Mismatch);
        }
        let timestamp = format_timestamp(self.when);
        let (seed, scope) = (self.signature, self.scope.clone());
        Ok(Verified { key, seed, timestamp, scope, payload: PayloadKind::Unsigned })
    }
}
