//! The Merkle tree over a log's entries (RFC 6962, section 2.1; proofs are checked as RFC 9162, section 2.1, says).
//!
//! Hashes are kept in tiles (C2SP tlog-tiles): level 0 holds the leaves' hashes, and each hash of a level above is the
//! root of 256 of the level below.

use aws_lc_rs::digest::{SHA256, digest};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Hashes that a full tile holds.
pub const TILE_LEN: u64 = 256;

/// Levels of the tree that one level of tiles stands for.
const TILE_HEIGHT: u32 = 8;

/// The digest of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    // A digest of SHA-256 has 32 bytes.
    digest(&SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

/// The hash of a leaf: `SHA-256(0x00 ‖ entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry].concat())
}

/// The hash of a node: `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    let (_, both) = bytes.split_at_mut(1);
    both.copy_from_slice([*left, *right].as_flattened());
    sha256(&bytes)
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// A hash of a tile above level 0: the root of a full tile below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileHash {
    /// The level of tiles that it stands in, from 1.
    pub level: u8,
    /// Its place in the level.
    pub index: u64,
    /// The hash.
    pub hash: Hash,
}

/// A growing tree, as far as growing needs it: the roots of its full subtrees, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves whose hashes are at hand.
    ///
    /// # Errors
    /// Those of `hashes`.
    pub fn of<H: Hashes>(hashes: &H, size: u64) -> Result<Self, H::Error> {
        let mut nodes = Vec::new();
        let mut start = 0;
        for height in (0..u64::BITS).rev().filter(|height| size >> height & 1 == 1) {
            nodes.push(full_root(hashes, start, height)?);
            start += 1 << height;
        }
        Ok(Self { size, nodes })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf's hash; `complete` hears of each tile that this completes.
    pub fn push(&mut self, leaf: Hash, mut complete: impl FnMut(TileHash)) {
        let mut hash = leaf;
        for height in 1..=self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                hash = node_hash(&left, &hash);
            }
            if height % TILE_HEIGHT == 0 {
                let level = u8::try_from(height / TILE_HEIGHT).unwrap_or(u8::MAX);
                complete(TileHash { level, index: self.size >> height, hash });
            }
        }
        self.nodes.push(hash);
        self.size += 1;
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        let Some(first) = nodes.next() else { return empty_root() };
        nodes.fold(*first, |right, left| node_hash(left, &right))
    }
}

/// Where the hashes of tiles come from.
pub trait Hashes {
    /// Why one does not come.
    type Error;

    /// The hashes `from..to` of a level of tiles; level 0 holds the leaves' hashes.
    ///
    /// # Errors
    /// When one of them is not to be had. Fewer than were asked for count as zeros, which fit nothing.
    fn hashes(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, Self::Error>;
}

/// The root of the full subtree of `2^height` leaves from `start`, a multiple of that.
fn full_root<H: Hashes>(hashes: &H, start: u64, height: u32) -> Result<Hash, H::Error> {
    let level = height / TILE_HEIGHT;
    let from = start >> (level * TILE_HEIGHT);
    let count = 1_u64 << (height % TILE_HEIGHT);
    let mut row = hashes.hashes(u8::try_from(level).unwrap_or(u8::MAX), from, from + count)?;
    row.resize(usize::try_from(count).unwrap_or(usize::MAX), [0; 32]);
    while row.len() > 1 {
        row = row.chunks(2).map(pair_hash).collect();
    }
    Ok(row.first().copied().unwrap_or_default())
}

fn pair_hash(pair: &[Hash]) -> Hash {
    match pair {
        [left, right] => node_hash(left, right),
        [one] => *one,
        _ => [0; 32],
    }
}

/// The largest power of two smaller than `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// `MTH(D[from:to])`, where `from` is where the tree's own recursion begins a subtree.
fn root_of<H: Hashes>(hashes: &H, from: u64, to: u64) -> Result<Hash, H::Error> {
    let size = to - from;
    if size == 0 {
        return Ok(empty_root());
    }
    if size.is_power_of_two() {
        return full_root(hashes, from, size.trailing_zeros());
    }
    let left = split(size);
    Ok(node_hash(&full_root(hashes, from, left.trailing_zeros())?, &root_of(hashes, from + left, to)?))
}

/// The root of the tree's first `size` leaves.
///
/// # Errors
/// Those of `hashes`.
pub fn root<H: Hashes>(hashes: &H, size: u64) -> Result<Hash, H::Error> {
    root_of(hashes, 0, size)
}

/// The proof that leaf `index` is in the tree of `size` leaves: siblings, the leaf's first (RFC 6962, section 2.1.1).
/// Of an index outside the tree it is empty.
///
/// # Errors
/// Those of `hashes`.
pub fn inclusion<H: Hashes>(hashes: &H, index: u64, size: u64) -> Result<Vec<Hash>, H::Error> {
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while index < size && to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(root_of(hashes, middle, to)?);
            to = middle;
        } else {
            proof.push(root_of(hashes, from, middle)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `size` leaves extends that of `old` (RFC 6962, section 2.1.2). Empty where there is nothing
/// to prove: an old tree without leaves, or the same one.
///
/// # Errors
/// Those of `hashes`.
pub fn consistency<H: Hashes>(hashes: &H, old: u64, size: u64) -> Result<Vec<Hash>, H::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= size {
        return Ok(proof);
    }
    let (mut from, mut to, mut whole) = (0, size, true);
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(root_of(hashes, middle, to)?);
            to = middle;
        } else {
            proof.push(root_of(hashes, from, middle)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(root_of(hashes, from, to)?);
    }
    proof.reverse();
    Ok(proof)
}

/// What a proof does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf's number, or the old tree's size, is not inside the tree.
    #[error("the proof is of something outside the tree")]
    Outside,
    /// It has too few or too many hashes.
    #[error("the proof has a wrong length")]
    Length,
    /// What it computes is not the root.
    #[error("the proof does not lead to the root")]
    Root,
}

/// Checks that the tree of `size` leaves with this root has this leaf hash at `index` (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// [`ProofError`].
pub fn check_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Outside);
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Checks that a tree extends an older one (RFC 9162, section 2.1.4.2).
///
/// # Errors
/// [`ProofError`].
pub fn check_consistency(old: u64, size: u64, old_root: &Hash, root: &Hash, proof: &[Hash]) -> Result<(), ProofError> {
    if old > size {
        return Err(ProofError::Outside);
    }
    if old == size || old == 0 {
        let same = old == 0 && *old_root == empty_root() || old == size && old_root == root;
        let bare = if proof.is_empty() { Ok(()) } else { Err(ProofError::Length) };
        return bare.and(if same { Ok(()) } else { Err(ProofError::Root) });
    }
    // A full old tree is itself the first hash of the proof.
    let mut hashes = old.is_power_of_two().then_some(old_root).into_iter().chain(proof);
    let Some(first) = hashes.next() else { return Err(ProofError::Length) };
    let shift = (old - 1).trailing_ones();
    let (mut place, mut last) = ((old - 1) >> shift, (size - 1) >> shift);
    let (mut before, mut now) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            before = node_hash(hash, &before);
            now = node_hash(hash, &now);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            now = node_hash(&now, hash);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    match last {
        0 if before == *old_root && now == *root => Ok(()),
        0 => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

#[cfg(test)]
mod tests;
