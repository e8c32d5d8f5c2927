//! Keys and sealing: what stands between a stolen disk and what is written on it.
//!
//! The keys form a chain, each wrapped by the one above:
//!
//! ```text
//! root key        one a region, kept by a `RootSeal`
//!  └ partition key   one a partition; from it are derived the keys for pages and wrapping
//!     └ erasure key     one for a few thousand values; destroying it erases what it wrapped
//!        └ value key       one for each value
//! ```
//!
//! Beside the chain, a region has a key for what other regions seal for it: [`RegionOpener`], whose public half is a
//! [`RegionSealer`].
//!
//! Whoever holds the files and not the root key learns sizes and counts, and nothing else. Every open
//! checks an authentication tag; what fails it is refused and never returned. What this crate cannot
//! see is an old, genuine file put back in place of a newer one: the ledger's checkpoints are for that.
//!
//! Every byte written is described in `docs/formats/vault.md`.

mod cipher;
mod error;
mod frames;
mod keys;
mod pages;
mod root;
mod sealing;

pub use cipher::{NONCE_LEN, TAG_LEN, random_bytes};
pub use error::VaultError;
pub use frames::{FRAME_LEN, FrameCipher, FramePlace, SEALED_FRAME_LEN};
pub use keys::{ErasureKey, PartitionKey, RootKey, ValueKey, WRAPPED_KEY_LEN, customer_digest};
pub use pages::{PAGE_OVERHEAD, PageCipher};
pub use root::{FileSeal, RootSeal};
pub use sealing::{ENCAPSULATED_LEN, RegionOpener, RegionSealer, SEALER_ID_LEN, SEALER_LEN};

#[cfg(test)]
mod tests;
