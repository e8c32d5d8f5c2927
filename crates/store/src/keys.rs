//! The catalog's row keys: byte strings whose order is the order of listings.

use fastness_decide::Bucket;
use fastness_operation::{AccountNumber, BucketName, ConfigurationKind};

/// Ends an escaped object key; sorts before every byte that may follow within a longer key.
const END: [u8; 2] = [0, 0];

/// `account, name` → bucket record.
pub(crate) fn bucket(account: AccountNumber, name: &str) -> Vec<u8> {
    let mut key = account.as_u64().to_be_bytes().to_vec();
    key.extend_from_slice(name.as_bytes());
    key
}

/// The bucket of a row of [`bucket`].
pub(crate) fn bucket_in(row: &[u8]) -> Option<Bucket> {
    let (account, name) = row.split_first_chunk::<8>()?;
    let account = format!("{:012}", u64::from_be_bytes(*account)).parse().ok()?;
    Some(Bucket { account, name: BucketName::new(std::str::from_utf8(name).ok()?).ok()? })
}

/// `name, account`: finds whose buckets have a name.
pub(crate) fn bucket_name(name: &str, account: AccountNumber) -> Vec<u8> {
    let mut key = bucket_name_prefix(name);
    key.extend_from_slice(&account.as_u64().to_be_bytes());
    key
}

/// All rows of [`bucket_name`] with one name start with this.
pub(crate) fn bucket_name_prefix(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.push(0);
    key
}

/// `bucket, kind` → what a bucket's record goes with.
pub(crate) fn configuration(bucket: u64, kind: ConfigurationKind) -> Vec<u8> {
    let mut key = bucket.to_be_bytes().to_vec();
    key.push(kind.byte());
    key
}

fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        out.push(*byte);
        if *byte == 0 {
            out.push(1);
        }
    }
}

/// Where keys of a bucket that start with `prefix` begin.
pub(crate) fn object_start(bucket: u64, prefix: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + prefix.len() + 10);
    key.extend_from_slice(&bucket.to_be_bytes());
    escape_into(&mut key, prefix.as_bytes());
    key
}

/// All versions of one key start with this.
pub(crate) fn object(bucket: u64, key: &str) -> Vec<u8> {
    let mut row = object_start(bucket, key);
    row.extend_from_slice(&END);
    row
}

/// One version: newest first.
pub(crate) fn version(bucket: u64, key: &str, sequence: u64) -> Vec<u8> {
    let mut row = object(bucket, key);
    row.extend_from_slice(&(!sequence).to_be_bytes());
    row
}

/// One upload of a key.
pub(crate) fn upload(bucket: u64, key: &str, id: &str) -> Vec<u8> {
    let mut row = object(bucket, key);
    row.extend_from_slice(id.as_bytes());
    row
}

/// One part of an upload.
pub(crate) fn part(upload: u64, number: u16) -> Vec<u8> {
    let mut row = upload.to_be_bytes().to_vec();
    row.extend_from_slice(&number.to_be_bytes());
    row
}

/// The object key in a row of [`version`] or [`upload`], and what stands behind it.
pub(crate) fn split(row: &[u8]) -> Option<(String, &[u8])> {
    let mut rest = row.get(8..)?;
    let mut key = Vec::with_capacity(rest.len());
    loop {
        let (byte, tail) = rest.split_first()?;
        rest = tail;
        if *byte != 0 {
            key.push(*byte);
            continue;
        }
        let (mark, tail) = rest.split_first()?;
        rest = tail;
        if *mark == 0 {
            return Some((String::from_utf8(key).ok()?, rest));
        }
        key.push(0);
    }
}

/// The sequence behind the key in a row of [`version`].
pub(crate) fn sequence(tail: &[u8]) -> Option<u64> {
    Some(!u64::from_be_bytes(tail.try_into().ok()?))
}

/// The first row above every row that starts with `prefix`.
pub(crate) fn after_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            return prefix;
        }
    }
    vec![u8::MAX; 1100]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sort_as_their_keys_and_come_apart_again() {
        let keys = ["", "\0", "\0\0", "a", "a\0", "a\0b", "a\u{1}", "a/", "ab", "b", "é", "\u{10ffff}"];
        for pair in keys.windows(2) {
            let [low, high] = pair else { panic!() };
            assert!(low < high);
            assert!(version(1, low, 1) < version(1, high, u64::MAX), "{low:?} {high:?}");
            assert!(version(1, low, 1) < version(2, low, 1));
        }
        for key in keys {
            let row = version(7, key, 42);
            let (text, tail) = split(&row).unwrap();
            assert_eq!((text.as_str(), sequence(tail)), (key, Some(42)));
            assert!(version(7, key, 43) < row, "newest first");
            assert!(row < after_prefix(object(7, key)) && row.starts_with(&object_start(7, key)));
        }
        assert_eq!(split(&[0; 8]), None);
        assert_eq!(split(&[0; 9]), None);
    }
}
