//! The ledger: what was asked, decided and done, one ledger a partition.
//!
//! The store appends an entry, a commitment and a content, inside the commit of the write that it records; this crate
//! says what an entry holds ([`Entry`]) and checks ledgers offline ([`verify`]), with the chains of hashes that earlier
//! programs kept ([`chain_link`]).

mod chain;
mod checkpoint;
mod entry;
mod facets;
mod field;
mod lookup;
mod note;
mod tile;
mod tree;
mod verify;

pub use chain::chain_link;
pub use checkpoint::{Checkpoint, origin, region_origin};
pub use entry::{Entry, EntryError, Outcome, Recorded};
pub use facets::{Kind, Touched, event_id};
pub use field::{FIELDS, SALT_LEN, Salt, Value, commitment, entry_of, salts};
pub use lookup::{
    ENTRIES_LOOKED_AT_MAX, EVENTS_MAX, Found, LookupError, Page, Searched, Source, TOKEN_LEN_MAX, digest, lookup, terms,
};
pub use note::{
    KeyKind, NOTE_LEN_MAX, Note, NoteError, NoteSignature, SIGNATURES_MAX, SigningKeys, VerifierKey, is_key_name,
};
pub use tile::{Tile, TileKind, entry_bundle, read_entry_bundle, read_hashes};
pub use tree::{
    Frontier, Hash, Hashes, ProofError, TILE_LEN, TileHash, check_consistency, check_inclusion, consistency,
    empty_root, inclusion, leaf_hash, node_hash, root,
};
pub use verify::{ChainReport, Finding, checker, verify};
