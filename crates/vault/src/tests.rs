//! What must open opens; everything else is refused.

use crate::{
    ErasureKey, FRAME_LEN, FileSeal, FramePlace, PAGE_OVERHEAD, PartitionKey, RootKey, RootSeal, TAG_LEN, ValueKey,
    VaultError, customer_digest,
};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// `open` must accept `sealed`, and refuse it with any one bit flipped, shortened or lengthened.
fn check_sealed(sealed: &[u8], open: impl Fn(&[u8]) -> bool) {
    assert!(open(sealed), "the genuine text must open");
    for byte in 0..sealed.len().min(300) {
        let mut changed = sealed.to_vec();
        changed[byte] ^= 1 << (byte % 8);
        assert!(!open(&changed), "byte {byte} changed");
    }
    assert!(!open(&sealed[..sealed.len() - 1]), "shortened");
    assert!(!open(&[]), "empty");
    assert!(!open(&[sealed, &[0]].concat()), "lengthened");
}

#[test]
fn small_texts_of_the_root_key() {
    let (root, other) = (RootKey::generate().unwrap(), RootKey::generate().unwrap());
    for plain in [&b""[..], b"x", &[5; 200]] {
        let sealed = root.seal("tokens", plain).unwrap();
        check_sealed(&sealed, |sealed| root.open("tokens", sealed).is_ok_and(|opened| *opened == plain));
        assert!(root.open("token", &sealed).is_err(), "another purpose");
        assert!(other.open("tokens", &sealed).is_err(), "another key");
    }
}

#[test]
fn a_customers_key_is_needed_and_recognised() {
    let own = ValueKey::generate().unwrap();
    let (key, salt) = ([7; 32], [1; 16]);
    let sealed = own.under_customer(&key, &salt).unwrap().seal_small(b"plain").unwrap();
    assert_eq!(own.under_customer(&key, &salt).unwrap().open_small(&sealed).unwrap(), b"plain");
    for other in [
        own.under_customer(&[8; 32], &salt).unwrap(),
        own.under_customer(&key, &[2; 16]).unwrap(),
        ValueKey::generate().unwrap().under_customer(&key, &salt).unwrap(),
        own,
    ] {
        assert!(other.open_small(&sealed).is_err());
    }
    let digest = customer_digest(&key, &salt).unwrap();
    assert_eq!(digest, customer_digest(&key, &salt).unwrap());
    assert!(digest != key && digest != customer_digest(&[8; 32], &salt).unwrap());
    assert_ne!(digest, customer_digest(&key, &[2; 16]).unwrap());
}

#[test]
fn the_chain_of_keys() {
    let root = RootKey::generate().unwrap();
    let partition = PartitionKey::generate().unwrap();
    let wrapped_partition = root.wrap_partition("a1b2", &partition).unwrap();
    check_sealed(&wrapped_partition, |wrapped| root.unwrap_partition("a1b2", wrapped).is_ok());
    assert!(root.unwrap_partition("a1b3", &wrapped_partition).is_err());
    assert!(root.open("a1b2", &wrapped_partition).is_err(), "kinds of texts do not mix");

    let erasure = ErasureKey::generate().unwrap();
    let wrapped_erasure = partition.wrap_erasure(7, &erasure).unwrap();
    check_sealed(&wrapped_erasure, |wrapped| partition.unwrap_erasure(7, wrapped).is_ok());
    assert!(partition.unwrap_erasure(8, &wrapped_erasure).is_err());

    let value = ValueKey::generate().unwrap();
    let wrapped_value = erasure.wrap(&value).unwrap();
    check_sealed(&wrapped_value, |wrapped| erasure.unwrap(wrapped).is_ok());
    assert!(ErasureKey::generate().unwrap().unwrap(&wrapped_value).is_err());

    let sealed = value.seal_small(b"contents").unwrap();
    check_sealed(&sealed, |sealed| value.open_small(sealed).is_ok());

    // Down the chain again, as after a restart.
    let root = RootKey::from_bytes(root.expose());
    let again = root.unwrap_partition("a1b2", &wrapped_partition).unwrap();
    let erasure = again.unwrap_erasure(7, &wrapped_erasure).unwrap();
    let value = erasure.unwrap(&wrapped_value).unwrap();
    assert_eq!(value.open_small(&sealed).unwrap(), b"contents");
}

#[test]
fn pages() {
    let partition = PartitionKey::generate().unwrap();
    let cipher = partition.pages("catalog").unwrap();
    let plain = [9; 4096];
    let mut sealed = [0; 4096 + PAGE_OVERHEAD];
    cipher.seal(5, &plain, &mut sealed).unwrap();
    let mut out = [1; 4096];
    check_sealed(&sealed, |sealed| {
        let mut out = [0; 4096];
        cipher.open(5, sealed, &mut out).is_ok() && out == plain
    });
    assert!(cipher.open(6, &sealed, &mut out).is_err(), "another block");
    assert_eq!(out, [0; 4096], "nothing of a refused page is left");
    let mut bound = partition.pages("catalog").unwrap();
    bound.bind_to([1; 16]);
    for other in
        [partition.pages("ledger").unwrap(), PartitionKey::generate().unwrap().pages("catalog").unwrap(), bound]
    {
        assert!(other.open(5, &sealed, &mut out).is_err());
    }
    let before = sealed;
    cipher.seal(5, &plain, &mut sealed).unwrap();
    assert_ne!(before, sealed, "equal pages do not look equal");
    assert!(cipher.seal(5, &plain, &mut [0; 4096]).is_err(), "no room");
}

/// A value of `length` bytes as sealed frames.
fn sealed_frames(key: &ValueKey, length: usize) -> Vec<Vec<u8>> {
    let cipher = key.frames().unwrap();
    let plain = vec![3; length];
    let mut chunks: Vec<&[u8]> = plain.chunks(FRAME_LEN).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let end = chunks.len() - 1;
    let seal = |(index, chunk): (usize, &[u8])| {
        let mut frame = [chunk, &[0; TAG_LEN]].concat();
        let place = place(index, end, length);
        cipher.seal_in_place(place, &mut frame).unwrap();
        frame
    };
    chunks.into_iter().enumerate().map(seal).collect()
}

fn place(index: usize, end: usize, length: usize) -> FramePlace {
    let number = index as u64;
    if index == end {
        FramePlace::Last { index: number, length: length as u64 }
    } else {
        FramePlace::Middle { index: number }
    }
}

fn opens(key: &ValueKey, frames: &[Vec<u8>], length: usize) -> bool {
    let cipher = key.frames().unwrap();
    frames.iter().enumerate().all(|(index, frame)| {
        let place = place(index, frames.len() - 1, length);
        cipher.open_in_place(place, &mut frame.clone()).is_ok()
    })
}

#[test]
fn frames() {
    let key = ValueKey::generate().unwrap();
    for length in [0, 1, FRAME_LEN - 1, FRAME_LEN, FRAME_LEN + 1, 3 * FRAME_LEN, 3 * FRAME_LEN + 9] {
        let frames = sealed_frames(&key, length);
        assert!(opens(&key, &frames, length), "{length}");
        assert!(!opens(&key, &frames, length + 1), "{length}: another length");
        assert!(!opens(&ValueKey::generate().unwrap(), &frames, length), "another key");

        if frames.len() > 2 {
            let mut swapped = frames.clone();
            swapped.swap(0, 1);
            assert!(!opens(&key, &swapped, length), "swapped");
            let cut = &frames[..frames.len() - 1];
            assert!(!opens(&key, cut, length), "last frame gone");
            assert!(!opens(&key, cut, cut.len() * FRAME_LEN), "last frame gone, length adjusted");
        }
        let mut torn = frames.clone();
        torn.last_mut().unwrap().pop();
        assert!(!opens(&key, &torn, length), "last frame cut");
    }
    let frames = sealed_frames(&key, 500);
    check_sealed(&frames[0], |frame| opens(&key, &[frame.to_vec()], 500));
}

#[test]
fn no_key_prints_itself() {
    let partition = PartitionKey::generate().unwrap();
    let printed = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        RootKey::from_bytes(&[0x5a; 32]),
        partition,
        ErasureKey::generate().unwrap(),
        ValueKey::generate().unwrap(),
        partition.pages("catalog").unwrap(),
        ValueKey::generate().unwrap().frames().unwrap(),
    );
    assert_eq!(
        printed,
        "RootKey(secret) PartitionKey(secret) ErasureKey(secret) ValueKey(secret) \
         PageCipher(secret) FrameCipher(secret)"
    );
}

fn stored_key() -> (tempfile::TempDir, PathBuf, FileSeal, RootKey) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let seal = FileSeal::new(&path);
    assert!(seal.load().unwrap().is_none());
    let key = RootKey::generate().unwrap();
    seal.store(&key).unwrap();
    (folder, path, seal, key)
}

#[test]
fn a_file_keeps_the_root_key() {
    let (folder, path, seal, key) = stored_key();
    assert_eq!(seal.load().unwrap().unwrap().expose(), key.expose());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no copy left");
    assert!(seal.describe().contains(path.to_str().unwrap()));

    let second = seal.store(&RootKey::generate().unwrap());
    assert!(matches!(second, Err(VaultError::RootKeyExists { .. })));
    assert_eq!(seal.load().unwrap().unwrap().expose(), key.expose());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no copy left");
}

#[test]
fn a_root_key_open_to_others_is_refused() {
    let (_folder, path, seal, _) = stored_key();
    for mode in [0o640, 0o604, 0o660, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(seal.load(), Err(VaultError::RootKeyExposed { .. })), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(seal.load().is_ok());
}

#[test]
fn a_changed_root_key_is_refused() {
    let (_folder, path, seal, _) = stored_key();
    let genuine = fs::read(&path).unwrap();
    let check = |bytes: &[u8], reason: &str| {
        fs::write(&path, bytes).unwrap();
        let error = seal.load().unwrap_err().to_string();
        assert!(error.contains(reason), "`{error}` lacks `{reason}`");
    };
    for byte in 0..genuine.len() {
        let mut changed = genuine.clone();
        changed[byte] ^= 1;
        check(
            &changed,
            match byte {
                0..8 => "does not begin with",
                8..12 => "format version",
                _ => "checksum",
            },
        );
    }
    check(&genuine[..40], "has 40 bytes");
    check(b"", "has 0 bytes");
}
