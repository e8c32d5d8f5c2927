//! What the vault seals: frames, pages, small values, small texts, wrapped keys; and the root key's file.
//!
//! Oracle: what was sealed opens as it was; what was changed in one bit, or is asked for at another place, never opens.

use crate::sure;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use fastness_vault::{
    ErasureKey, FileSeal, FrameCipher, FramePlace, PAGE_OVERHEAD, PageCipher, PartitionKey, RootKey, RootSeal, TAG_LEN,
    ValueKey, WRAPPED_KEY_LEN,
};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;

struct Keys {
    root: RootKey,
    partition: PartitionKey,
    erasure: ErasureKey,
    value: ValueKey,
    frames: FrameCipher,
    pages: PageCipher,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let (partition, value) = (sure(PartitionKey::generate()), sure(ValueKey::generate()));
        let (frames, pages) = (sure(value.frames()), sure(partition.pages("catalog")));
        // A key of each process's own: an input that one process saw sealed is nothing to the next.
        let root = sure(RootKey::generate());
        Keys { root, erasure: sure(ErasureKey::generate()), frames, pages, partition, value }
    })
}

/// The first bytes of an input: what is sealed, where it stands, where it is asked for, how many bytes are plain; then
/// the plain bytes, then changes to what was sealed: a place and a mask each, or the new length.
pub(crate) fn run(data: &[u8]) {
    let Some(([kind, here, there, length], rest)) = data.split_first_chunk::<4>() else { return };
    let (plain, edits) = rest.split_at(rest.len().min(usize::from(*length)));
    let same_place = here == there;
    let check = |sealed: Vec<u8>, open: &dyn Fn(&[u8]) -> Option<Vec<u8>>| {
        let changed = edited(&sealed, edits);
        let opened = open(&changed);
        if is_same(&changed, &sealed) && same_place {
            assert_eq!(opened.as_deref(), Some(plain), "what was sealed does not open");
        } else {
            assert_eq!(opened, None, "what was not sealed so opens");
        }
        // The input itself in place of something sealed.
        assert_eq!(open(rest), None, "bytes that nobody sealed open");
    };
    let keys = keys();
    match kind % 7 {
        0 => {
            let mut sealed = [plain, &[0; TAG_LEN]].concat();
            sure(keys.frames.seal_in_place(frame(*here), &mut sealed));
            check(sealed, &|sealed| {
                let mut sealed = sealed.to_vec();
                keys.frames.open_in_place(frame(*there), &mut sealed).ok().map(|plain| plain.to_vec())
            });
        }
        1 => {
            let mut sealed = vec![0; plain.len() + PAGE_OVERHEAD];
            sure(keys.pages.seal(u64::from(*here), plain, &mut sealed));
            check(sealed, &|sealed| {
                let mut out = vec![1; sealed.len().saturating_sub(PAGE_OVERHEAD)];
                let opened = keys.pages.open(u64::from(*there), sealed, &mut out);
                assert!(opened.is_ok() || out.iter().all(|byte| *byte == 0), "a refused page left bytes behind");
                opened.ok().map(|()| out)
            });
        }
        2 => {
            let value = sure(ValueKey::generate());
            let sealed = sure(value.seal_small(plain));
            let opens = if same_place { &value } else { &keys.value };
            check(sealed, &|sealed| opens.open_small(sealed).ok());
        }
        3 => {
            let sealed = sure(keys.root.seal(&format!("{here}"), plain));
            check(sealed, &|sealed| keys.root.open(&format!("{there}"), sealed).ok().map(|plain| plain.to_vec()));
        }
        4 => {
            // A key that is unwrapped is known by what it opens.
            let value = sure(keys.value.seal_small(plain));
            let wrapped = sure(keys.erasure.wrap(&keys.value)).to_vec();
            let other = sure(ErasureKey::generate());
            let by = if same_place { &keys.erasure } else { &other };
            check(wrapped, &|wrapped| by.unwrap(wrapped).ok().map(|key| sure(key.open_small(&value))));
        }
        5 => {
            let wrapped = sure(keys.partition.wrap_erasure(u64::from(*here), &keys.erasure)).to_vec();
            assert_eq!(wrapped.len(), WRAPPED_KEY_LEN);
            check(wrapped, &|wrapped| {
                keys.partition.unwrap_erasure(u64::from(*there), wrapped).ok().map(|_| plain.to_vec())
            });
        }
        _ => root_file(rest, edits),
    }
}

/// Compared where libFuzzer does not look on: it puts what it sees compared into later inputs, and would have text that
/// was sealed stand for text that nobody sealed.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

fn frame(place: u8) -> FramePlace {
    let index = u64::from(place / 2);
    if place.is_multiple_of(2) { FramePlace::Middle { index } } else { FramePlace::Last { index, length: index } }
}

fn edited(sealed: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut changed = sealed.to_vec();
    for [place, mask] in edits.as_chunks::<2>().0.iter().take(8) {
        let at = usize::from(*place) % changed.len().max(1);
        match mask {
            0xff => changed.truncate(at),
            0xfe => changed.insert(at, *place),
            mask => {
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= *mask;
                }
            }
        }
    }
    changed
}

/// A file that is no root key's gives no key; one that was stored gives that key.
fn root_file(bytes: &[u8], edits: &[u8]) {
    static STORED: OnceLock<(PathBuf, Vec<u8>)> = OnceLock::new();
    let (path, stored) = STORED.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("fastness-fuzz-{}", std::process::id()));
        sure(std::fs::create_dir_all(&folder));
        let path = folder.join("root.key");
        let _none_yet = std::fs::remove_file(&path);
        sure(FileSeal::new(&path).store(&RootKey::from_bytes(&[3; 32])));
        let stored = sure(std::fs::read(&path));
        (folder.join("changed.key"), stored)
    });
    for content in [bytes.to_vec(), edited(stored, edits)] {
        let _none_yet = std::fs::remove_file(path);
        let mut options = std::fs::OpenOptions::new();
        let mut file = sure(options.write(true).create_new(true).mode(0o600).open(path));
        sure(file.write_all(&content));
        drop(file);
        let key = FileSeal::new(path).load();
        if content == *stored {
            assert!(matches!(key, Ok(Some(key)) if key.expose() == &[3; 32]), "the stored key does not load");
        } else if let Ok(Some(key)) = key {
            // A file with a checksum may hold any key; then the file is the one that this key has.
            assert!(content.windows(32).any(|window| window == key.expose()), "a key that the file does not hold");
            assert_eq!(content.len(), stored.len());
        }
    }
}
