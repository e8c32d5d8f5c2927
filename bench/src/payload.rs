//! Bytes to write: incompressible, or prose; the same in every run, hashed before the clock starts.

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
pub fn pool(size: usize, is_text: bool) -> Vec<Payload> {
    let count = ((32 << 20) / size.max(1)).clamp(1, 256);
    (0..count as u64).map(|seed| payload(if is_text { text(seed, size) } else { noise(seed, size) })).collect()
}

fn payload(bytes: Vec<u8>) -> Payload {
    let sha256 = hex::encode(digest::digest(&digest::SHA256, &bytes));
    Payload { bytes: Bytes::from(bytes), sha256 }
}

/// Words in lines, as people write them; with a line feed at the end, if there is room for one.
fn text(seed: u64, size: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "the", "convoy", "reports", "fair", "weather", "north", "of", "a", "bridge", "that", "holds", "until", "two",
        "trucks", "with", "supplies",
    ];
    let (mut state, mut bytes, mut line) = (seed, Vec::with_capacity(size + 16), 0);
    while bytes.len() < size {
        let at = usize::try_from(next(&mut state) % WORDS.len() as u64).unwrap_or_default();
        let word = WORDS.get(at).copied().unwrap_or_default();
        bytes.extend_from_slice(word.as_bytes());
        line += word.len() + 1;
        bytes.push(if line > 72 { b'\n' } else { b' ' });
        line = if line > 72 { 0 } else { line };
    }
    bytes.truncate(size);
    if let Some(last) = bytes.last_mut() {
        *last = b'\n';
    }
    bytes
}

fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&next(&mut state).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
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
        let pool = pool(4096, false);
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
    fn a_text_is_one_has_the_size_and_differs_from_the_next() {
        let pool = pool(4096, true);
        let texts: Vec<&str> = pool.iter().map(|payload| std::str::from_utf8(&payload.bytes).unwrap()).collect();
        assert!(texts.iter().all(|text| text.len() == 4096 && text.ends_with('\n')));
        assert!(texts.iter().all(|text| text.lines().all(|line| line.len() < 90)));
        assert!(texts.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_pool_is_bounded_in_memory_and_never_empty() {
        assert_eq!(pool(0, false).len(), 256);
        assert_eq!(pool(0, true)[0].sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(pool(1 << 20, false).len(), 32);
        assert_eq!(pool(40 << 20, false).len(), 1);
    }
}
