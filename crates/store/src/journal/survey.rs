//! What a check says of the journal's own bytes.

use super::{BLOCK_LEN, FOLDER, SEGMENTS, Segment, header};
use crate::disk::{Disk, OpenMode};
use fastness_vault::RootKey;

/// What is wrong with the journal's files, beside what opening it finds.
pub(crate) fn survey(disk: &dyn Disk, root: &RootKey) -> Vec<String> {
    let mut found = Vec::new();
    for name in disk.list(FOLDER).unwrap_or_default() {
        if (0..SEGMENTS).all(|index| Segment::name(index) != format!("{FOLDER}/{name}")) {
            found.push(format!("`{FOLDER}/{name}` is none of the journal's segments"));
        }
    }
    for index in 0..SEGMENTS {
        let name = Segment::name(index);
        if !disk.exists(&name) {
            continue;
        }
        let mut head = vec![0; 2 * BLOCK_LEN];
        let read = disk.open(&name, OpenMode::Read).and_then(|file| file.read_at(0, &mut head));
        match read {
            // Cut off before its first header was whole: nothing was ever told of it.
            Ok(_) => {
                let damaged = |copy: &&[u8]| copy.iter().any(|byte| *byte != 0) && header(root, index, copy).is_none();
                let count = head.chunks(BLOCK_LEN).filter(damaged).count();
                if count > 0 {
                    found.push(format!("{count} of the two headers of `{name}` cannot be read"));
                }
            }
            Err(error) => found.push(format!("`{name}` cannot be read: {error}")),
        }
    }
    found
}
