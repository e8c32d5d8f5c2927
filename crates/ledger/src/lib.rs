//! The ledger: what was asked, decided and done, chained by hash, one chain a partition.
//!
//! The store appends an entry inside the commit of the write that it records ([`HashChain`] links it); this crate
//! says what an entry holds ([`Entry`]) and checks chains offline ([`verify`]). Chains alone show damage and careless
//! edits; whoever holds the region's root key could write a whole chain anew. Signed checkpoints and inclusion
//! proofs, which rule that out, come with a later version.

mod chain;
mod entry;
mod verify;

pub use chain::HashChain;
pub use entry::{Entry, EntryError, Outcome};
pub use verify::{ChainReport, Finding, checker, verify};
