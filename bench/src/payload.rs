//! Bytes to write: incompressible, the same in every run, hashed before the clock starts.

use aws_lc_rs::digest;
use bytes::Bytes;

/// What one PUT sends.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The bytes.
    pub bytes: Bytes,
    /// Their SHA-256 in hexadecimal, as `x-amz-content-sha256` carries it.
    pub sha256: String,
}

/// Different payloads of one size, as many as fit in 32 MiB: between 1 and 256.
pub fn pool(size: usize) -> Vec<Payload> {
    let count = ((32 << 20) / size.max(1)).clamp(1, 256);
    (0..count as u64).map(|seed| payload(seed, size)).collect()
}

fn payload(seed: u64, size: usize) -> Payload {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&next(&mut state).to_le_bytes());
    }
    bytes.truncate(size);
    let sha256 = hex::encode(digest::digest(&digest::SHA256, &bytes));
    Payload { bytes: Bytes::from(bytes), sha256 }
}

/// The next number of a splitmix64 sequence.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_differ_have_the_size_and_look_random() {
        let pool = pool(4096);
        assert_eq!(pool.len(), 256);
        assert!(pool.iter().all(|payload| payload.bytes.len() == 4096));
        let mut hashes: Vec<_> = pool.iter().map(|payload| payload.sha256.clone()).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 256);
        let mut seen = [0_u32; 256];
        for byte in &pool[0].bytes {
            seen[usize::from(*byte)] += 1;
        }
        assert!(seen.iter().all(|count| *count < 64), "a byte value stands out: {seen:?}");
    }

    #[test]
    fn a_pool_is_bounded_in_memory_and_never_empty() {
        assert_eq!(pool(0).len(), 256);
        assert_eq!(pool(0)[0].sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(pool(1 << 20).len(), 32);
        assert_eq!(pool(40 << 20).len(), 1);
    }
}
