//! Keys that callers keep themselves (S3 user guide, "Using server-side encryption with customer-provided keys").

use std::fmt;
use zeroize::Zeroizing;

/// A caller's 256-bit key, for as long as a request lasts. It is never kept, never printed, and zeroed when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey(Box<Zeroizing<[u8; 32]>>);

impl CustomerKey {
    /// The key as it was sent.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(Box::new(bytes))
    }

    /// The key in the clear, for the vault alone.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(secret)")
    }
}
