//! Tiles as files (C2SP tlog-tiles): where each lies below a log's folder, and which a log of some size has.

use crate::tree::{Hash, TILE_LEN};

/// What a file of a log's folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of a level.
    Hashes(u8),
    /// Entries, each with its length before it (2 bytes, big-endian).
    Entries,
}

/// A tile of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// What it holds.
    pub kind: TileKind,
    /// Its place in its level.
    pub number: u64,
    /// Hashes or entries in it, 1 to 256.
    pub width: u64,
}

impl Tile {
    /// The path below the log's folder: `tile/LEVEL/NUMBER`, in groups of three digits, and `.p/WIDTH` of one that is
    /// not full.
    #[must_use]
    pub fn path(&self) -> String {
        let level = match self.kind {
            TileKind::Hashes(level) => level.to_string(),
            TileKind::Entries => "entries".to_owned(),
        };
        let mut rest = self.number / 1000;
        let mut number = format!("{:03}", self.number % 1000);
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let part = if self.width < TILE_LEN { format!(".p/{}", self.width) } else { String::new() };
        format!("tile/{level}/{number}{part}")
    }

    /// The first place in the level that the tile holds.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.number * TILE_LEN
    }

    /// The tiles of a log of `size` entries: its bundles of entries, then each level's.
    pub fn of_log(size: u64) -> impl Iterator<Item = Self> {
        let row = |kind: TileKind, length: u64| {
            (0..length.div_ceil(TILE_LEN)).map(move |number| {
                let width = TILE_LEN.min(length - number * TILE_LEN);
                Self { kind, number, width }
            })
        };
        let levels = (0..8_u8).map_while(move |level| {
            let length = size >> (8 * u32::from(level));
            (length > 0).then(|| row(TileKind::Hashes(level), length))
        });
        row(TileKind::Entries, size).chain(levels.flatten())
    }
}

/// A bundle of entries as a file holds it.
#[must_use]
pub fn entry_bundle(entries: &[[u8; 32]]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [0, 32].into_iter().chain(*entry)).collect()
}

/// The entries of a bundle's file; nothing if it is cut off.
#[must_use]
pub fn read_entry_bundle(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

/// The hashes of a tile's file; nothing if its length is not a tile's.
#[must_use]
pub fn read_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    bytes.chunks(32).map(|chunk| chunk.try_into().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let path = |kind, number, width| Tile { kind, number, width }.path();
        assert_eq!(path(TileKind::Hashes(4), 1_234_067, 256), "tile/4/x001/x234/067");
        assert_eq!(path(TileKind::Hashes(0), 5, 8), "tile/0/005.p/8");
        assert_eq!(path(TileKind::Entries, 1_000, 256), "tile/entries/x001/000");
    }

    #[test]
    fn a_log_of_70000_has_the_tiles_that_the_specification_names() {
        let tiles: Vec<Tile> = Tile::of_log(70_000).collect();
        let of = |kind| tiles.iter().filter(|tile| tile.kind == kind).copied().collect::<Vec<_>>();
        let zero = of(TileKind::Hashes(0));
        assert_eq!((zero.len(), zero.last().map(|tile| tile.width)), (274, Some(112)));
        assert_eq!(of(TileKind::Hashes(1)).iter().map(|tile| tile.width).collect::<Vec<_>>(), [256, 17]);
        assert_eq!(of(TileKind::Hashes(2)).iter().map(|tile| tile.width).collect::<Vec<_>>(), [1]);
        assert_eq!(of(TileKind::Hashes(3)), []);
        assert_eq!(of(TileKind::Entries).len(), 274);
        let theirs = tlog_tiles::Tile::new_tiles(8, 0, 70_000);
        assert_eq!(theirs.len(), tiles.len() - 274);
        for tile in theirs {
            // Theirs has the tile's height in the path, which the specification fixed later.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            assert!(tiles.iter().any(|ours| ours.path() == path), "{path}");
        }
        assert_eq!(Tile::of_log(0).count(), 0);
    }

    #[test]
    fn bundles_read_back() {
        let entries = [[1; 32], [2; 32]];
        let bytes = entry_bundle(&entries);
        assert_eq!(read_entry_bundle(&bytes), Some(entries.iter().map(<[u8; 32]>::as_slice).collect()));
        assert_eq!(read_entry_bundle(&[0, 1, 7, 0, 0]), Some(vec![[7].as_slice(), &[]]));
        assert_eq!(read_entry_bundle(bytes.get(..40).unwrap()), None);
        assert_eq!(read_entry_bundle(&[1; 34]), None);
        assert_eq!(read_hashes(&[3; 64]), Some(vec![[3; 32]; 2]));
        assert_eq!(read_hashes(&[3; 63]), None);
    }
}
