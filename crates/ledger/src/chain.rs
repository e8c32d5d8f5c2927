//! The chain of hashes that programs kept before entries were committed to in a tree. Nothing is chained any more; what
//! was is still checked.

use aws_lc_rs::digest::{Context, SHA256};

/// `hash(n) = SHA-256("fastness ledger v1" ‖ hash(n-1) ‖ n ‖ length ‖ entry)`, numbers in 8 bytes, big-endian; before
/// the first entry, the hash is 32 zero bytes.
#[must_use]
pub fn chain_link(previous: &[u8; 32], number: u64, entry: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(b"fastness ledger v1");
    context.update(previous);
    context.update(&number.to_be_bytes());
    context.update(&(entry.len() as u64).to_be_bytes());
    context.update(entry);
    let mut hash = [0; 32];
    hash.iter_mut().zip(context.finish().as_ref()).for_each(|(out, byte)| *out = *byte);
    hash
}
