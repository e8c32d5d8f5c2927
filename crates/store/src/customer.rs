//! Content sealed under the caller's key, too: neither the region's keys nor the caller's open it alone.

use crate::Fault;
use crate::records::CustomerSeal;
use fastness_operation::{Code, CustomerKey};
use fastness_vault::ValueKey;

impl CustomerSeal {
    /// How a key will be recognised that seals something new.
    pub(crate) fn new(key: &CustomerKey) -> Result<Self, Fault> {
        let salt: [u8; 16] = rand::random();
        Ok(Self { salt, digest: digest(key, &salt)? })
    }

    fn fits(&self, key: &CustomerKey) -> Result<bool, Fault> {
        let digest = digest(key, &self.salt)?;
        // The digest tells nothing of the key, so the comparison need not take the same time always.
        Ok(digest == self.digest)
    }
}

fn digest(key: &CustomerKey, salt: &[u8; 16]) -> Result<[u8; 32], Fault> {
    fastness_vault::customer_digest(key.expose(), salt).map_err(|error| Fault::failed("a caller's key", error))
}

/// The key that a value is sealed under, made of its own and the caller's; nothing where its own serves alone.
pub(crate) fn mixed(
    own: &ValueKey,
    customer: Option<(&CustomerSeal, &CustomerKey)>,
) -> Result<Option<ValueKey>, Fault> {
    let mix = |(seal, key): (&CustomerSeal, &CustomerKey)| own.under_customer(key.expose(), &seal.salt);
    customer.map(mix).transpose().map_err(|error| Fault::failed("mixing a value's key", error))
}

/// Whether a read brings the key that the object asks for, and none that it does not.
pub(crate) fn check_read(seal: Option<&CustomerSeal>, key: Option<&CustomerKey>) -> Result<(), Fault> {
    let refused = |message: &str| Err(Fault::refused(Code::InvalidRequest, message));
    match (seal, key) {
        (None, None) => Ok(()),
        (None, Some(_)) => refused("The encryption parameters are not applicable to this object."),
        (Some(_), None) => refused(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
        ),
        (Some(seal), Some(key)) if seal.fits(key)? => Ok(()),
        (Some(_), Some(_)) => Err(Fault::refused(Code::AccessDenied, "Access Denied")),
    }
}

/// Whether a part brings the key that its upload began with.
pub(crate) fn check_part(seal: Option<&CustomerSeal>, key: Option<&CustomerKey>) -> Result<(), Fault> {
    let refused = |message: &str| Err(Fault::refused(Code::InvalidRequest, message));
    match (seal, key) {
        (None, None) => Ok(()),
        (None, Some(_)) => refused(
            "The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.",
        ),
        (Some(_), None) => refused(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
        ),
        (Some(seal), Some(key)) if seal.fits(key)? => Ok(()),
        (Some(_), Some(_)) => {
            refused("The provided encryption parameters did not match the ones used originally to encrypt this upload.")
        }
    }
}
