//! The ledger: what was asked, decided and done, as a transparency log that anybody can check.
//!
//! Each partition has one. The store appends an entry, 32 bytes that commit to it and its content, inside the commit of
//! the write that it records ([`Entry`], [`Recorded`]). Every second what is new goes under a checkpoint, signed with two
//! keys ([`Keeper`]); the region's log at the ceiling binds the partitions' checkpoints. Trees, tiles, notes and
//! checkpoints are those of RFC 6962 and C2SP, so that others' programs can check them. [`verify`] checks a region's
//! ledgers offline, with the chains of hashes that earlier programs kept ([`chain_link`]).

mod chain;
mod checkpoint;
mod disclose;
mod entry;
mod facets;
mod field;
mod keeper;
mod log;
mod lookup;
mod mirror;
mod note;
mod package;
mod tile;
mod tree;
mod verify;
mod witness;

pub use chain::chain_link;
pub use checkpoint::{Checkpoint, origin, region_keys_name, region_origin};
pub use disclose::{DisclosedPage, Discloser};
pub use entry::{Entry, EntryError, Outcome, Recorded};
pub use facets::{Kind, Touched, event_id};
pub use field::{FIELDS, SALT_LEN, Salt, Value, commitment, entry_of, salts};
pub use keeper::{Keeper, Step, region_keys};
pub use log::{Log, LogError};
pub use lookup::{
    ENTRIES_LOOKED_AT_MAX, EVENTS_MAX, Found, LookupError, Page, Searched, Source, TOKEN_LEN_MAX, digest, lookup,
};
pub use mirror::{
    CHECKPOINT_FILE, MirrorError, MirrorFinding, MirrorReport, ReadFile, mirror, read_checkpoint, verify_mirror,
};
pub use note::{
    KeyKind, NOTE_LEN_MAX, Note, NoteError, NoteSignature, SIGNATURES_MAX, SigningKeys, VerifierKey, is_key_name,
};
pub use package::{
    DisclosedField, DisclosedRecord, DisclosedValue, Disclosure, PACKAGE_FORMAT, PACKAGE_LINE_LEN_MAX,
    PackageCheckpoint, PackageEnd, PackageFinding, PackageHead, PackageReport, keys_of, verify_package,
};
pub use tile::{Tile, TileKind, entry_bundle, read_entry_bundle, read_hashes};
pub use tree::{
    Frontier, Hash, Hashes, ProofError, TILE_LEN, TileHash, check_consistency, check_inclusion, consistency,
    empty_root, inclusion, leaf_hash, node_hash, root,
};
pub use verify::{Finding, LogReport, checker, verify};
pub use witness::{
    BUNDLE_LEN_MAX, Bundle, PROOF_LEN_MAX, WitnessError, WitnessKey, add_checkpoint, check_witnessed, cosigned_note,
    read_keys, witness_key, write_keys,
};
