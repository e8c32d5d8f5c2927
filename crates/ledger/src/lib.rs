//! The ledger: what was asked, decided and done, chained by hash, one chain a partition.
//!
//! The store appends an entry inside the commit of the write that it records ([`HashChain`] links it); this crate
//! says what an entry holds ([`Entry`]) and checks chains offline ([`verify`]). Chains alone show damage and careless
//! edits; whoever holds the region's root key could write a whole chain anew. Signed checkpoints and inclusion
//! proofs, which rule that out, come with a later version.

mod chain;
mod checkpoint;
mod entry;
mod field;
mod note;
mod tile;
mod tree;
mod verify;

pub use chain::HashChain;
pub use checkpoint::{Checkpoint, origin, region_origin};
pub use entry::{Entry, EntryError, Outcome, Recorded};
pub use field::{FIELDS, SALT_LEN, Salt, Value, commitment, entry_of, salts};
pub use note::{
    KeyKind, NOTE_LEN_MAX, Note, NoteError, NoteSignature, SIGNATURES_MAX, SigningKeys, VerifierKey, is_key_name,
};
pub use tile::{Tile, TileKind, entry_bundle, read_entry_bundle, read_hashes};
pub use tree::{
    Frontier, Hash, Hashes, ProofError, TILE_LEN, TileHash, check_consistency, check_inclusion, consistency,
    empty_root, inclusion, leaf_hash, node_hash, root,
};
pub use verify::{ChainReport, Finding, checker, verify};
