use super::*;
use crate::disk::{Disk, MemoryDisk, OpenMode};

fn written(disk: &MemoryDisk, key: &ValueKey, value: &[u8], piece: usize) -> Arc<dyn DiskFile> {
    let file = disk.open("blob", OpenMode::CreateNew).unwrap();
    let mut writer = BlobWriter::new(file.clone(), key).unwrap();
    for part in value.chunks(piece) {
        writer.push(part).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), value.len() as u64);
    file
}

fn value(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn any_part_of_any_value() {
    let key = ValueKey::generate().unwrap();
    let frame = FRAME_LEN;
    for length in [0, 1, 4096, frame - 1, frame, frame + 1, 16 * frame, 16 * frame + 1, 40 * frame + 77] {
        for piece in [100_000, 7 * frame, 61] {
            if piece == 61 && length > 2 * frame {
                continue;
            }
            let disk = MemoryDisk::new();
            let value = value(length);
            let file = written(&disk, &key, &value, piece);
            assert_eq!(file.len().unwrap(), file_length(length as u64));
            let reader = BlobReader::new(file, &key, length as u64).unwrap();
            let mut out = Vec::new();
            for from in [0, 1, frame - 1, frame, frame + 1, 17 * frame + 3, length / 2, length] {
                for wanted in [0, 1, 100, frame, frame + 2, 16 * frame, 33 * frame, length] {
                    reader.read(from as u64, &mut out, wanted).unwrap();
                    let start = from.min(length);
                    let end = (from + wanted).min(length);
                    assert!(out == value[start..end.max(start)], "{length}: {wanted} from {from}");
                }
            }
        }
    }
}

#[test]
fn damage_is_an_error() {
    let key = ValueKey::generate().unwrap();
    let length = 3 * FRAME_LEN + 500;
    let value = value(length);
    let read = |disk: &MemoryDisk, key: &ValueKey, length: usize| {
        let file = disk.open("blob", OpenMode::Read)?;
        let mut out = b"before".to_vec();
        let read = BlobReader::new(file, key, length as u64).and_then(|reader| reader.read(0, &mut out, length));
        assert!(read.is_ok() || out.is_empty() || out == b"before", "nothing is given out");
        read
    };
    let refused = |result: io::Result<()>| {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);
    };
    let disk = MemoryDisk::new();
    let file = written(&disk, &key, &value, 1000);
    read(&disk, &key, length).unwrap();
    let end = file.len().unwrap();
    for offset in [0, 9, 13, 16, 40_000, HEADER as u64 + 2 * SEALED_FRAME_LEN as u64, end - 1] {
        assert!(disk.flip_bit("blob", offset));
        refused(read(&disk, &key, length));
        disk.flip_bit("blob", offset);
    }
    read(&disk, &key, length).unwrap();
    refused(read(&disk, &ValueKey::generate().unwrap(), length));
    refused(read(&disk, &key, length - 1));
    refused(read(&disk, &key, length + FRAME_LEN));
    file.set_len(end - 1).unwrap();
    refused(read(&disk, &key, length));

    // Cut at a frame's border: shorter, and yet each frame is genuine.
    let disk = MemoryDisk::new();
    let file = written(&disk, &key, &self::value(4 * FRAME_LEN), 1000);
    file.set_len(file_length(3 * FRAME_LEN as u64)).unwrap();
    refused(read(&disk, &key, 3 * FRAME_LEN));
}

#[test]
fn sizes_are_padded() {
    for (length, padded) in [
        (0, 4096),
        (1, 4096),
        (4096, 4096),
        (4097, 8192),
        (1 << 20, 1 << 20),
        ((1 << 20) + 1, (1 << 20) + (1 << 14)),
        (1 << 40, 1 << 40),
    ] {
        assert_eq!(padded_length(length), padded, "{length}");
    }
}

#[test]
fn an_unfinished_blob_is_refused() {
    let key = ValueKey::generate().unwrap();
    let disk = MemoryDisk::new();
    let file = disk.open("blob", OpenMode::CreateNew).unwrap();
    let mut writer = BlobWriter::new(file.clone(), &key).unwrap();
    writer.push(&[1; 40 * FRAME_LEN]).unwrap();
    drop(writer);
    assert!(BlobReader::new(file, &key, 40 * FRAME_LEN as u64).is_err());
}
