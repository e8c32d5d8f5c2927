//! The clock and the chance of one request, as data.

/// When a request is handled, and the seed of everything random in its answer (ids of versions and uploads, keys).
///
/// In production: the system's clock and 32 bytes of the system's randomness for each request. A test that compares
/// two runs byte for byte derives both from the session and the number of its operation.
#[derive(Clone, Copy)]
pub struct Moment {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: i64,
    /// Seeds a cryptographic generator; used for one request only.
    pub seed: [u8; 32],
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moment").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}
