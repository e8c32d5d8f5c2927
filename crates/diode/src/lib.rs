//! The frames of a diode: what goes over a line that carries one way only, and nothing else.
//!
//! A bundle, which to a diode is a number and bytes, is cut into blocks and these into symbols. Each symbol and each
//! repair symbol (RaptorQ, RFC 6330) goes into one frame, one datagram. Any set of a block's symbols that is a little larger
//! than the block rebuilds it, so that nobody need ask for what was lost.
//!
//! ```text
//! Frame::open   length ─▶ mark ─▶ key of the run ─▶ tag ─▶ fields      nothing is read before the tag is right
//! Geometry      length of the bundle, size of a symbol ─▶ blocks       nothing of it is taken on trust
//! code          block ⇄ symbols
//! BundleDigest  tags of its blocks ─▶ the bundle's digest
//! ```
//!
//! This crate is all that the two ends share. It is pure: no sockets, no files, no clock. Which end sends and which
//! receives it cannot know. Every byte is described in `docs/formats/diode.md`.

mod code;
mod digest;
mod frame;
mod geometry;
mod key;
mod numbers;
mod window;

pub use code::{CodeError, Encoder, decode};
pub use digest::{BLOCK_TAG_LEN, BlockTag, BlockTagger, BundleDigest, DIGEST_LEN};
pub use frame::{
    Body, FRAME_BYTES_MAX, FRAME_BYTES_MIN, Frame, Refused, SEALS_MAX, SYMBOL_AT, SYMBOL_OVERHEAD, Seal, Seals, Symbol,
    symbol_bytes_within,
};
pub use geometry::{
    BLOCK_BYTES_MAX, BLOCK_SYMBOLS_MAX, BUNDLE_BYTES_MAX, Block, Geometry, GeometryError, SYMBOL_BYTES_MAX,
    SYMBOL_BYTES_MIN,
};
pub use key::{KeyError, LinkKey, Opener, RunId, Sealer, SealerError};
pub use numbers::{BundleNumber, NumberError, Numbers, file_name, number_of_file};
pub use window::Seen;

#[cfg(test)]
mod tests;
