//! Who is asking: accounts, users, keys, signatures → [`Subject`].
//!
//! The directory (accounts, users, keys, tags) lives at the region's floor and changes only from there. This crate
//! holds its rules over a small key-value seam ([`Directory`]); the store keeps its bytes.

pub mod directory;
pub mod signature;
mod subject;

pub use directory::{Directory, DirectoryChange, DirectoryError, DirectoryFault};
pub use subject::{Duty, Principal, RegionLabels, SessionError, Subject};
