//! A catalog's pages, sealed one by one below `redb`.
//!
//! `redb` sees a plain file of 4,096-byte blocks. Here each block becomes nonce, ciphertext and tag, and goes
//! to the disk. Three things need care, and each is an invariant below:
//!
//! 1. **A torn block must roll back, not fail.** After an unclean stop `redb` walks its trees by checksum
//!    and falls back to the commit before when something does not match. So while it recovers, a block that
//!    does not authenticate reads as zeros, whose checksum never matches. After that, and whenever the
//!    header says that there is nothing to recover (its last commit was in two phases, as it is after a clean
//!    stop), such a block is an error: damage is reported, never served.
//! 2. **The header is overwritten in place,** and `redb` counts on its halves tearing apart; a sealed block
//!    tears as a whole. So it alternates between two slots, see [`Header`].
//! 3. **Sealed blocks do not end where sectors end,** so writing one rewrites some bytes of its neighbours
//!    as they were. Power loss leaves a sector old or new, and either way the neighbour is whole. This is the
//!    assumption that SQLite calls "powersafe overwrite".
//!
//! Every byte is described in `docs/formats/pages-and-blobs.md`.

use crate::disk::DiskFile;
use fastness_vault::{PAGE_OVERHEAD, PageCipher};
use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Bytes of a block as `redb` sees it.
const BLOCK: usize = 4096;
/// Bytes of a block on the disk.
const SEALED: usize = BLOCK + PAGE_OVERHEAD;

const MAGIC: &[u8; 8] = b"FASTPAGE";
const VERSION: u32 = 1;
/// Bytes of the superblock that are not zero before the proof: magic, version, block length, file id.
const IDENTITY: usize = 8 + 4 + 4 + 16;
const SUPERBLOCK: u64 = 4096;
/// The superblock's proof is sealed as this block, which no file can have.
const PROOF_BLOCK: u64 = u64::MAX;

const SLOT_STRIDE: u64 = 8192;
const SEQUENCE: usize = 8;
const SLOT: usize = SEQUENCE + BLOCK + PAGE_OVERHEAD;
/// Where block 1 begins.
const BLOCKS_START: u64 = SUPERBLOCK + 2 * SLOT_STRIDE;

/// Most blocks read or written at once: it bounds the buffers.
const GROUP: usize = 256;
/// Most buffers kept for reuse.
const BUFFERS: usize = 8;

// Of redb's own header, to know whether it will look at all checksums (redb 4.5, `page_store/header.rs`).
const REDB_MAGIC_LEN: usize = 9;
const REDB_FLAGS: usize = REDB_MAGIC_LEN;
const REDB_TWO_PHASE: u8 = 4;

/// Why a catalog did not open.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Not a file of ours, or not under this key, or changed.
    #[error("the catalog `{name}` is foreign or damaged: {reason}")]
    ForeignOrDamaged {
        /// The catalog, as its opener called it.
        name: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// Written by a later program.
    #[error("the catalog `{name}` has format version {version}, this program reads {VERSION}")]
    Version {
        /// The catalog, as its opener called it.
        name: String,
        /// What the file says.
        version: u32,
    },
    /// The disk failed.
    #[error("cannot read or write the catalog `{name}`")]
    Io {
        /// The catalog, as its opener called it.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The pages opened, and `redb` refused what they hold.
    #[error("the catalog `{name}` does not open")]
    Redb {
        /// The catalog, as its opener called it.
        name: String,
        /// Its answer.
        source: Box<redb::DatabaseError>,
    },
}

/// Opens a catalog, or makes it in an empty file, and recovers it if it was not closed. `name` is for errors.
///
/// A file of at most 4,096 bytes counts as one whose making was cut short, and is made anew: whoever knows
/// that the catalog held something must look at the length first.
///
/// # Errors
/// When the file is not ours or damaged, or the disk fails.
pub fn open_catalog(
    name: &str,
    file: Arc<dyn DiskFile>,
    cipher: PageCipher,
    cache_bytes: usize,
) -> Result<redb::Database, CatalogError> {
    open_with_pages(name, file, cipher, cache_bytes).map(|(database, _)| database)
}

/// [`open_catalog`], with a handle that tells how the pages below fare.
pub(crate) fn open_with_pages(
    name: &str,
    file: Arc<dyn DiskFile>,
    cipher: PageCipher,
    cache_bytes: usize,
) -> Result<(redb::Database, SealedPages), CatalogError> {
    let pages = SealedPages::open(name, file, cipher)?;
    let handle = pages.clone();
    let build = || redb::Builder::new().set_cache_size(cache_bytes).create_with_backend(pages);
    // While `redb` recovers it asserts what pages that were lost may have broken. What it panics of here is damage, and
    // nothing of it outlives this call.
    let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(build))
        .map_err(|_| CatalogError::ForeignOrDamaged { name: name.into(), reason: "its pages contradict each other" })?;
    let database = built.map_err(|source| CatalogError::Redb { name: name.into(), source: Box::new(source) })?;
    handle.finish_recovery();
    Ok((database, handle))
}

/// A file of sealed blocks as `redb` sees it. Clones are handles to the same file.
#[derive(Clone)]
pub struct SealedPages(Arc<Pages>);

struct Pages {
    name: String,
    file: Arc<dyn DiskFile>,
    cipher: PageCipher,
    /// Length in blocks, the header among them.
    blocks: AtomicU64,
    /// Whether a block that does not authenticate reads as zeros.
    recovering: AtomicBool,
    /// Set when a sync failed: the system may have dropped what it could not write, so no later sync can
    /// promise anything about it.
    sync_failed: AtomicBool,
    /// Whether a read failed: `redb` refuses everything from then on.
    read_failed: AtomicBool,
    /// Changes that failed: `redb` refuses everything after one, unless it could do without the change.
    changes_failed: AtomicU64,
    /// How many of these `redb` did without.
    changes_forgiven: AtomicU64,
    /// Set when the file is opened anew: this handle no longer touches it.
    retired: RwLock<bool>,
    header: Mutex<Header>,
    /// Blocks that growth added since opening and nothing wrote yet: these alone may read as zeros.
    fresh: Mutex<Ranges>,
    /// Guards a block that is written in part, from reading the rest until it is written back.
    partial: Mutex<()>,
    buffers: Mutex<Vec<Vec<u8>>>,
}

/// Block 0.
///
/// INVARIANT: the slot that held the header at the last successful sync is not written until another sync
/// succeeded. Whatever is torn, that header is left, or a later one.
///
/// Damage to the later slot looks like a torn write, and brings back the header before it. After a clean stop
/// that one leads to the same data, because `redb` closes with two headers; after an unclean one it may be the
/// commit before, which nothing in this file can tell: the ledger's checkpoints can.
struct Header {
    plain: Box<[u8; BLOCK]>,
    /// Rises with each write; the valid slot of the highest number is the header.
    sequence: u64,
    /// The slot last written.
    latest: u64,
    /// Whether that write succeeded; if not, the slot may be torn.
    whole: bool,
    /// The slot that is durable, if any is.
    durable: Option<u64>,
}

impl SealedPages {
    /// Opens or makes the file. It is recovering if its header says that `redb` will look at all checksums.
    ///
    /// # Errors
    /// When the file is not ours or damaged, or the disk fails.
    pub fn open(name: &str, file: Arc<dyn DiskFile>, cipher: PageCipher) -> Result<Self, CatalogError> {
        let failed = |source| CatalogError::Io { name: name.into(), source };
        let mut pages = Pages::over(name, file, cipher);
        // INVARIANT: the superblock is durable before the file grows beyond it, so a file this short is
        // new or was never finished, and in a longer one the superblock is whole.
        if pages.file.len().map_err(failed)? <= SUPERBLOCK {
            pages.make().map_err(failed)?;
        } else {
            pages.check_superblock()?;
            pages.load()?;
        }
        Ok(Self(Arc::new(pages)))
    }

    /// From now on a block that does not authenticate is an error.
    pub fn finish_recovery(&self) {
        self.0.recovering.store(false, Ordering::Release);
    }
}

impl redb::StorageBackend for SealedPages {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.blocks.load(Ordering::Acquire) * BLOCK as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.use_file(|pages| pages.read(offset, out).inspect_err(|_| pages.read_failed.store(true, Ordering::Release)))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(|pages| pages.set_len(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Pages::sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|pages| pages.write(offset, data))
    }
}

impl fmt::Debug for SealedPages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealedPages(`{}`)", self.0.name)
    }
}

impl Pages {
    fn over(name: &str, file: Arc<dyn DiskFile>, cipher: PageCipher) -> Self {
        Self {
            name: name.into(),
            cipher,
            blocks: AtomicU64::new(0),
            recovering: AtomicBool::new(false),
            sync_failed: AtomicBool::new(false),
            read_failed: AtomicBool::new(false),
            changes_failed: AtomicU64::new(0),
            changes_forgiven: AtomicU64::new(0),
            retired: RwLock::new(false),
            header: Mutex::new(Header::empty()),
            fresh: Mutex::default(),
            partial: Mutex::new(()),
            buffers: Mutex::default(),
            file,
        }
    }

    /// A new file: the superblock, durable, and no block yet.
    fn make(&mut self) -> io::Result<()> {
        let id = fastness_vault::random_bytes::<16>().map_err(io::Error::other)?;
        self.cipher.bind_to(id);

        let mut superblock = Vec::with_capacity(SUPERBLOCK as usize);
        superblock.extend_from_slice(MAGIC);
        superblock.extend_from_slice(&VERSION.to_le_bytes());
        superblock.extend_from_slice(&(BLOCK as u32).to_le_bytes());
        superblock.extend_from_slice(&id);
        let mut proof = [0; IDENTITY + PAGE_OVERHEAD];
        self.cipher.seal(PROOF_BLOCK, &superblock, &mut proof).map_err(io::Error::other)?;
        superblock.extend_from_slice(&proof);
        superblock.resize(SUPERBLOCK as usize, 0);

        self.file.set_len(0)?;
        self.file.write_all_at(0, &superblock)?;
        self.file.sync_data()
    }

    fn check_superblock(&mut self) -> Result<(), CatalogError> {
        let mut start = [0; IDENTITY + IDENTITY + PAGE_OVERHEAD];
        self.file.read_exact_at(0, &mut start).map_err(|source| self.failed(source))?;
        let not_ours = self.damaged("it does not begin with `FASTPAGE`");
        let Some((identity, proof)) = start.split_first_chunk::<IDENTITY>() else {
            return Err(not_ours);
        };
        let [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, v2, v3, _, _, _, _, id @ ..] = *identity;
        if &[m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
            return Err(not_ours);
        }
        let version = u32::from_le_bytes([v0, v1, v2, v3]);
        if version != VERSION {
            let name = self.name.clone();
            return Err(CatalogError::Version { name, version });
        }
        self.cipher.bind_to(id);
        let mut proven = [0; IDENTITY];
        match self.cipher.open(PROOF_BLOCK, proof, &mut proven) {
            Ok(()) if proven == *identity => Ok(()),
            _ => Err(self.damaged("this partition's key does not open it")),
        }
    }

    /// Finds the header and the length of a file made before.
    fn load(&mut self) -> Result<(), CatalogError> {
        // After a killed process, what we are about to read may be in the system's memory alone. Durable now,
        // it can be relied on, above all the slot that is found latest.
        self.file.sync_data().map_err(|source| self.failed(source))?;
        // Nor is what a failed sync left in the system's memory: a catalog built on it would fall with the power.
        self.file.forget_cached().map_err(|source| self.failed(source))?;
        let physical = self.file.len().map_err(|source| self.failed(source))?;
        let found = self.latest_header().map_err(|source| self.failed(source))?;
        let unfinished = match &found {
            // redb writes its magic number last, when a new file is complete.
            Some(header) => header.plain.first_chunk() == Some(&[0; REDB_MAGIC_LEN]),
            None => self.is_blank(physical).map_err(|source| self.failed(source))?,
        };
        if unfinished {
            let cut = self.file.set_len(SUPERBLOCK);
            return cut.and_then(|()| self.file.sync_data()).map_err(|source| self.failed(source));
        }
        let (Some(header), Some(length)) = (found, physical.checked_sub(BLOCKS_START)) else {
            return Err(self.damaged("neither of its two headers is whole"));
        };
        let blocks = length / SEALED as u64;
        if !length.is_multiple_of(SEALED as u64) {
            // Growth that was cut short: the rest of a block holds nothing.
            self.file.set_len(place_of(blocks + 1)).map_err(|source| self.failed(source))?;
        }
        // After a commit in two phases, blocks are durable before the header that leads to them, and redb reads
        // some of them without looking at checksums: nothing may read as zeros. (A clean stop ends with such a
        // commit.) After any other commit redb looks at every checksum first, whether or not its flag for
        // recovery is set: a repair cut short by power loss has cleared that flag already.
        let flags = header.plain.get(REDB_FLAGS).copied().unwrap_or_default();
        self.recovering.store(flags & REDB_TWO_PHASE == 0, Ordering::Release);
        self.blocks.store(blocks + 1, Ordering::Release);
        self.header = Mutex::new(header);
        Ok(())
    }

    fn latest_header(&self) -> io::Result<Option<Header>> {
        let mut latest: Option<Header> = None;
        for slot in [0, 1] {
            let mut sealed = [0; SLOT];
            let mut opened = [0; SEQUENCE + BLOCK];
            self.read_or_zeros(slot_place(slot), &mut sealed)?;
            if self.cipher.open(0, &sealed, &mut opened).is_err() {
                continue;
            }
            let (sequence, plain) = match (opened.first_chunk(), opened.last_chunk()) {
                (Some(sequence), Some(plain)) => (u64::from_be_bytes(*sequence), Box::new(*plain)),
                _ => continue,
            };
            if latest.as_ref().is_none_or(|header| header.sequence < sequence) {
                let durable = Some(slot);
                latest = Some(Header { plain, sequence, latest: slot, whole: true, durable });
            }
        }
        Ok(latest)
    }

    /// Whether there is nothing behind the headers.
    fn is_blank(&self, physical: u64) -> io::Result<bool> {
        let mut place = BLOCKS_START;
        let mut buffer = vec![0; GROUP * BLOCK];
        while place < physical {
            let length = self.file.read_at(place, &mut buffer)?;
            if length == 0 {
                break;
            }
            if buffer.iter().take(length).any(|byte| *byte != 0) {
                return Ok(false);
            }
            place += length as u64;
        }
        Ok(true)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check_range(offset, out.len())?;
        let (in_header, rest) = out.split_at_mut(in_header(offset, out.len()));
        if !in_header.is_empty() {
            let header = lock(&self.header);
            copy(in_header, header.plain.get(offset as usize..));
        }
        let offset = offset + in_header.len() as u64;
        for (offset, part) in groups_mut(offset, rest) {
            self.read_group(offset, part)?;
        }
        Ok(())
    }

    /// Reads at most [`GROUP`] blocks with one call to the disk.
    fn read_group(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (first, count) = blocks_of(offset, out.len());
        self.with_buffer(count * SEALED, |buffer| {
            self.read_or_zeros(place_of(first), buffer)?;
            let pieces = pieces_mut(offset, BLOCK, out);
            for ((block, start, part), sealed) in pieces.zip(buffer.chunks_exact(SEALED)) {
                if part.len() == BLOCK {
                    self.open_block(block, sealed, part)?;
                } else {
                    let mut whole = [0; BLOCK];
                    self.open_block(block, sealed, &mut whole)?;
                    copy(part, whole.get(start..));
                }
            }
            Ok(())
        })
    }

    fn open_block(&self, block: u64, sealed: &[u8], out: &mut [u8]) -> io::Result<()> {
        if self.cipher.open(block, sealed, out).is_ok() {
            return Ok(());
        }
        // `out` is zeros now.
        let never_written = || lock(&self.fresh).contains(block) && sealed.iter().all(|byte| *byte == 0);
        if self.recovering.load(Ordering::Acquire) || never_written() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("block {block} of the catalog `{}` is damaged", self.name),
        ))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_range(offset, data.len())?;
        let (in_header, rest) = data.split_at(in_header(offset, data.len()));
        if !in_header.is_empty() {
            self.write_header(offset as usize, in_header)?;
        }
        let offset = offset + in_header.len() as u64;
        for (offset, part) in groups(offset, rest) {
            self.write_group(offset, part)?;
        }
        Ok(())
    }

    /// Seals at most [`GROUP`] blocks and writes them with one call to the disk.
    fn write_group(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (first, count) = blocks_of(offset, data.len());
        let aligned = offset.is_multiple_of(BLOCK as u64) && data.len().is_multiple_of(BLOCK);
        let _turn = (!aligned).then(|| lock(&self.partial));
        self.with_buffer(count * SEALED, |buffer| {
            let pieces = pieces(offset, BLOCK, data);
            for ((block, start, part), sealed) in pieces.zip(buffer.chunks_exact_mut(SEALED)) {
                if part.len() == BLOCK {
                    self.cipher.seal(block, part, sealed)
                } else {
                    let mut whole = [0; BLOCK];
                    self.read_group(block * BLOCK as u64, &mut whole)?;
                    if let Some(changed) = whole.get_mut(start..) {
                        changed.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
                    }
                    self.cipher.seal(block, &whole, sealed)
                }
                .map_err(io::Error::other)?;
            }
            self.file.write_all_at(place_of(first), buffer)
        })?;
        lock(&self.fresh).remove(first, first + count as u64);
        Ok(())
    }

    fn write_header(&self, start: usize, data: &[u8]) -> io::Result<()> {
        let mut header = lock(&self.header);
        let mut plain = header.plain.clone();
        if let Some(changed) = plain.get_mut(start..) {
            changed.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        }
        header.sequence += 1;
        header.latest = header.durable.map_or(0, |durable| 1 - durable);
        header.whole = false;
        self.write_slot(header.latest, header.sequence, &plain)?;
        header.whole = true;
        header.plain = plain;
        Ok(())
    }

    fn write_slot(&self, slot: u64, sequence: u64, plain: &[u8; BLOCK]) -> io::Result<()> {
        let mut numbered = [0; SEQUENCE + BLOCK];
        let (number, rest) = numbered.split_at_mut(SEQUENCE);
        number.copy_from_slice(&sequence.to_be_bytes());
        rest.copy_from_slice(plain);
        let mut sealed = [0; SLOT];
        self.cipher.seal(0, &numbered, &mut sealed).map_err(io::Error::other)?;
        self.file.write_all_at(slot_place(slot), &sealed)
    }

    fn sync(&self) -> io::Result<()> {
        let sequence = lock(&self.header).sequence;
        if self.sync_failed.load(Ordering::Acquire) {
            let text = format!("an earlier sync of the catalog `{}` failed", self.name);
            return Err(io::Error::other(text));
        }
        if let Err(error) = self.file.sync_data() {
            self.sync_failed.store(true, Ordering::Release);
            return Err(error);
        }
        let mut header = lock(&self.header);
        // A header written while the sync ran may not be part of it.
        if header.sequence == sequence && header.whole {
            header.durable = Some(header.latest);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if !length.is_multiple_of(BLOCK as u64) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (before, after) = (self.blocks.load(Ordering::Acquire), length / BLOCK as u64);
        if after < before {
            self.blocks.store(after, Ordering::Release);
            lock(&self.fresh).remove(after, before);
        }
        self.file.set_len(place_of(after))?;
        if after > before {
            lock(&self.fresh).add(before.max(1), after);
            self.blocks.store(after, Ordering::Release);
        }
        Ok(())
    }

    fn check_range(&self, offset: u64, length: usize) -> io::Result<()> {
        let end = self.blocks.load(Ordering::Acquire) * BLOCK as u64;
        match offset.checked_add(length as u64) {
            Some(wanted) if wanted <= end => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Where the file is shorter than it should be there are zeros, which never authenticate.
    fn read_or_zeros(&self, place: u64, out: &mut [u8]) -> io::Result<()> {
        let length = self.file.read_at(place, out)?;
        if let Some(missing) = out.get_mut(length..) {
            missing.fill(0);
        }
        Ok(())
    }

    fn with_buffer<T>(&self, length: usize, work: impl FnOnce(&mut [u8]) -> io::Result<T>) -> io::Result<T> {
        let mut buffer = lock(&self.buffers).pop().unwrap_or_default();
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let result = work(buffer.split_at_mut(length).0);
        let mut buffers = lock(&self.buffers);
        if buffers.len() < BUFFERS {
            buffers.push(buffer);
        }
        result
    }

    fn failed(&self, source: io::Error) -> CatalogError {
        let name = self.name.clone();
        CatalogError::Io { name, source }
    }

    fn damaged(&self, reason: &'static str) -> CatalogError {
        let name = self.name.clone();
        CatalogError::ForeignOrDamaged { name, reason }
    }
}

impl Header {
    fn empty() -> Self {
        Self { plain: Box::new([0; BLOCK]), sequence: 0, latest: 0, whole: false, durable: None }
    }
}

/// Disjoint ranges of block numbers: start and end of each.
#[derive(Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    fn add(&mut self, start: u64, end: u64) {
        if start < end {
            self.0.insert(start, end);
        }
    }

    fn remove(&mut self, start: u64, end: u64) {
        while let Some((&from, &to)) = self.0.range(..end).next_back() {
            if to <= start {
                return;
            }
            self.0.remove(&from);
            self.add(end, to);
            self.add(from, start.min(to));
        }
    }

    fn contains(&self, block: u64) -> bool {
        let before = self.0.range(..=block).next_back();
        before.is_some_and(|(_, end)| block < *end)
    }
}

/// Where a block begins on the disk; the file of `n` blocks ends where block `n` would begin.
fn place_of(block: u64) -> u64 {
    match block {
        0 => SUPERBLOCK,
        _ => BLOCKS_START + (block - 1) * SEALED as u64,
    }
}

fn slot_place(slot: u64) -> u64 {
    SUPERBLOCK + slot * SLOT_STRIDE
}

/// How many bytes of a range lie in block 0.
fn in_header(offset: u64, length: usize) -> usize {
    (BLOCK as u64).saturating_sub(offset).min(length as u64) as usize
}

/// The first block that a range touches, and how many.
fn blocks_of(offset: u64, length: usize) -> (u64, usize) {
    let first = offset / BLOCK as u64;
    let end = (offset + length as u64).div_ceil(BLOCK as u64);
    (first, (end - first) as usize)
}

fn copy(to: &mut [u8], from: Option<&[u8]>) {
    if let Some(from) = from.and_then(|from| from.get(..to.len())) {
        to.copy_from_slice(from);
    }
}

/// Cuts a range at the borders of units: the unit's number, the start within it, the bytes.
fn pieces(offset: u64, unit: usize, data: &[u8]) -> impl Iterator<Item = (u64, usize, &[u8])> {
    let (mut at, mut rest) = (offset, data);
    std::iter::from_fn(move || {
        let start = (at % unit as u64) as usize;
        let (part, after) = rest.split_at(rest.len().min(unit - start));
        let number = at / unit as u64;
        at += part.len() as u64;
        rest = after;
        (!part.is_empty()).then_some((number, start, part))
    })
}

fn pieces_mut(offset: u64, unit: usize, data: &mut [u8]) -> impl Iterator<Item = (u64, usize, &mut [u8])> {
    let (mut at, mut rest) = (offset, Some(data));
    std::iter::from_fn(move || {
        let whole = rest.take()?;
        let start = (at % unit as u64) as usize;
        let length = whole.len().min(unit - start);
        let (part, after) = whole.split_at_mut(length);
        let number = at / unit as u64;
        at += length as u64;
        rest = Some(after);
        (!part.is_empty()).then_some((number, start, part))
    })
}

fn groups(offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let unit = GROUP * BLOCK;
    pieces(offset, unit, data).map(move |(number, start, part)| (number * unit as u64 + start as u64, part))
}

fn groups_mut(offset: u64, data: &mut [u8]) -> impl Iterator<Item = (u64, &mut [u8])> {
    let unit = GROUP * BLOCK;
    pieces_mut(offset, unit, data).map(move |(number, start, part)| (number * unit as u64 + start as u64, part))
}

// What the locks guard stays whole even if a thread panics elsewhere while it holds one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

mod health;
mod survey;
pub(crate) use survey::survey;

#[cfg(test)]
mod tests;
