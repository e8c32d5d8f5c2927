//! The ledger: what was asked, decided and done, one ledger a partition.
//!
//! The store appends an entry, a commitment and a content, inside the commit of the write that it records; this crate
//! says what an entry holds ([`Entry`]) and checks ledgers offline ([`verify`]), with the chains of hashes that earlier
//! programs kept ([`chain_link`]).

mod chain;
mod entry;
mod verify;

pub use chain::chain_link;
pub use entry::{Entry, EntryError, Outcome};
pub use verify::{ChainReport, Finding, checker, verify};
