//! What crosses between regions: bundles.
//!
//! A bundle is a file. Carriers see its origin, its destination, its number and a padded length, and nothing else: it
//! is sealed for the destination ([`Peer`]) and signed by the origin ([`OwnKeys`]). What it holds stands in its
//! [`Manifest`]: objects of one label, who ordered it and why, or, of a release, nothing but the content, its new
//! name and its new label.
//!
//! ```text
//! BundleWriter: objects → finish → (staged) → sign → a bundle → carried → BundleReader: open → verify → object
//! ```
//!
//! A [`BundleReader`] believes nothing before both signatures, hands over nothing whose digest is not right, and says
//! in words what is wrong ([`BundleError`]). It checks the form of what came, not whether it may come in: that is
//! decided by `decide`, and looked at by the guard. Every byte is described in `docs/formats/bundle.md`.
//!
//! Pure but for files. Memory is bounded by one frame, one manifest and one object.
//!
//! Where bundles wait for carriers and where they arrive is [`Outbox`] and [`Inbox`]; who carries is in [`carry`]; which
//! regions are known, and by which keys, in [`Peers`].

pub mod carry;
mod error;
pub mod files;
mod folders;
mod gaps;
mod head;
mod keys;
mod manifest;
mod note;
mod pad;
mod peers;
mod read;
mod rules;
mod stream;
mod write;

pub use error::{BundleError, Part};
pub use folders::{
    BYTES_IN_INBOX_MAX, FILES_IN_INBOX_MAX, Found, Inbox, InboxRoom, NewBundle, Numbered, Opened, Outbox, Resent,
    STAGED_MAX, SpoolError, Spooler, WholeBundle, bundle_file_name, crossing_inbox, crossing_outbox, number_of,
    ready_folder,
};
pub use gaps::{GAPS_MAX, read_gaps, write_gaps};
pub use keys::{KEYS_LEN_MAX, KeysError, OwnKeys, Peer, keys_name};
pub use manifest::{
    Errand, Kind, MANIFEST_FORMAT, MANIFEST_LEN_MAX, Manifest, OBJECT_LEN_MAX, OBJECTS_MAX, Object, PERSONS_MAX, Person,
};
pub use note::{NUMBER_MAX, Signed, sign};
pub use peers::{KEYS_FILE, PeerFile, Peers, Standing};
pub use read::{BundleReader, Receiver};
pub use rules::{CLOCK_AHEAD_MAX_MS, MADE_BEFORE_MAX_MS, RELEASE_HOUR_MS};
pub use write::{BundleWriter, NewObject, Outline, Written};

/// The most bytes of a bundle.
pub const BUNDLE_LEN_MAX: u64 = 6 << 30;
/// Bytes before the frames: head and note.
pub const PREFIX_LEN: u64 = (head::HEAD_LEN + note::NOTE_LEN) as u64;
