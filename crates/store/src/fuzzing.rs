//! Rows of the catalog and their keys, for the fuzzer: what seals them lets nobody else's bytes through, so that no
//! damaged folder ever shows these parsers anything odd. Built for the fuzzer and for the tests alone.

use crate::keys;
use crate::records::{
    BucketRecord, PartRecord, Row, SegmentRecord, State, UploadRecord, VersionHead, VersionRecord, decode, encode,
};

/// Any bytes as each kind of record and as a row's key.
///
/// # Panics
/// When a record that was read does not write itself as what reads the same, its beginning reads otherwise than the
/// whole, a key does not come together as it came apart, or rows are ordered otherwise than their keys.
pub fn rows(data: &[u8]) {
    reads_back::<BucketRecord>(data);
    reads_back::<UploadRecord>(data);
    reads_back::<PartRecord>(data);
    reads_back::<State>(data);
    reads_back::<SegmentRecord>(data);
    if let Some((term, index)) = data.split_first() {
        // Any bytes are an index or an error.
        let _places = crate::ledger::places(index, u32::from(*term));
    }
    if let Some(record) = reads_back::<VersionRecord>(data) {
        let head = VersionHead::decode(data);
        assert!(head.is_ok_and(|head| {
            let same = (head.id, head.null, head.modified_ms) == (&*record.id, record.null, record.modified_ms);
            let object = record.object.map(|object| (object.size, object.etag));
            same && head.object.map(|object| (object.size, object.etag.to_owned())) == object
        }));
    }
    if let Some((key, tail)) = keys::split(data) {
        let bucket = data.first_chunk().map(|bucket| u64::from_be_bytes(*bucket)).unwrap_or_default();
        let row = [keys::object(bucket, &key).as_slice(), tail].concat();
        // The mark behind a zero byte may be any but zero: what we write is 1.
        assert_eq!(keys::split(&row), Some((key.clone(), tail)));
        if let Some(sequence) = keys::sequence(tail) {
            assert_eq!(keys::version(bucket, &key, sequence), row);
        }
    }
    if let Some((one, other)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('|')) {
        let (row, above) = (keys::version(7, one, 1), keys::version(7, other, u64::MAX));
        assert_eq!(one.cmp(other).then(std::cmp::Ordering::Greater), row.cmp(&above), "{one:?} {other:?}");
        assert_eq!(other.starts_with(one), keys::object(7, other).starts_with(&keys::object_start(7, one)));
        assert_eq!(other.starts_with(one) && one != other, {
            let (start, end) = (keys::object_start(7, one), keys::after_prefix(keys::object_start(7, one)));
            one != other && keys::object(7, other) >= start && keys::object(7, other) < end
        });
    }
}

fn reads_back<T: Row + PartialEq>(data: &[u8]) -> Option<T> {
    let record = decode::<T>(data).ok()?;
    assert!(encode(&record).and_then(|row| decode::<T>(&row)).is_ok_and(|again| again == record));
    Some(record)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_fuzzers_rows_are_read_as_ever() {
        let packed = include_bytes!("../../../fuzz/corpus/rows.postcard");
        let inputs: Vec<Vec<u8>> = postcard::from_bytes(packed).unwrap();
        inputs.iter().for_each(|input| super::rows(input));
    }
}
