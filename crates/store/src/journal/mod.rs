//! The region's journal: its one commit point.
//!
//! Every partition's writer hands over what its turn changed, sealed under the partition's own key. What several hand
//! over at the same time is written as one frame with one sync; then the catalogs show it, and the callers are told.
//! Catalogs become durable by themselves later, when a segment is full or a partition rests ([`Journal::checkpointed`]);
//! a segment that nobody needs any more loses its key. A start reads what is left and does it again.
//!
//! Every byte is described in `docs/formats/journal.md`.

use crate::Fault;
use crate::disk::{Disk, DiskFile, OpenMode};
use fastness_vault::{PAGE_OVERHEAD, PageCipher, PartitionKey, RootKey};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A segment that is longer than this is followed by the other.
pub const SEGMENT_LEN_MAX: u64 = 8 << 20;

const FOLDER: &str = "journal";
const SEGMENTS: usize = 2;
const MAGIC: &[u8; 8] = b"FASTJRNL";
const VERSION: u32 = 1;
/// A header is written twice, in blocks of its own, so that a damaged one is made good by the other.
const BLOCK_LEN: usize = 4096;
const FRAMES_AT: u64 = 2 * BLOCK_LEN as u64;
const FRAME_MAGIC: &[u8; 8] = b"FASTFRAM";
/// Magic, the frame's number, the length of what is sealed.
const FRAME_HEADER_LEN: usize = 8 + 8 + 8;
/// Changes are padded to multiples of this before they are sealed.
const PADDING: usize = 1024;

/// By partition: numbers and sealed changes.
type Found = HashMap<String, Vec<(u64, Vec<u8>)>>;
type Waker = Box<dyn Fn() + Send + Sync>;
type Slot = Arc<OnceLock<Result<(), String>>>;

/// What one partition hands over: its folder's name, the record's number, the sealed changes.
struct Record {
    partition: Arc<str>,
    number: u64,
    sealed: Vec<u8>,
}

/// A partition's way into the journal, with the cipher for its records.
pub(crate) struct Member {
    journal: Arc<Journal>,
    name: Arc<str>,
    cipher: PageCipher,
}

pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    root: Arc<RootKey>,
    /// Handed over and not yet taken by whoever writes next.
    waiting: Mutex<Vec<(Record, Slot)>>,
    segments: Mutex<Segments>,
    /// Records that a start found, by partition.
    found: Mutex<Found>,
    /// Partitions that are to make their catalogs durable, and how they are woken.
    wanted: Mutex<BTreeSet<Arc<str>>>,
    wakers: Mutex<HashMap<Arc<str>, Waker>>,
}

struct Segments {
    files: [Segment; SEGMENTS],
    active: usize,
    generation: u64,
    /// Until every catalog holds what the last process left, nothing is written over it.
    recovering: bool,
}

#[derive(Default)]
struct Segment {
    file: Option<Arc<dyn DiskFile>>,
    /// Nothing while the segment has no key.
    cipher: Option<PageCipher>,
    generation: u64,
    end: u64,
    next: u64,
    /// Partitions with records here that their catalogs do not hold durably.
    holders: BTreeSet<Arc<str>>,
}

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::failed("the region's journal", error)
}

fn padded(length: usize, to: usize) -> usize {
    length.div_ceil(to) * to
}

fn purpose(index: usize) -> String {
    format!("journal {index}")
}

impl Segment {
    fn name(index: usize) -> String {
        format!("{FOLDER}/{index}")
    }

    fn file(&mut self, disk: &dyn Disk, index: usize) -> Result<Arc<dyn DiskFile>, Fault> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let name = Self::name(index);
        let known = disk.exists(&name);
        let file = disk.open(&name, OpenMode::ReadWriteCreate).map_err(failed)?;
        if !known {
            disk.sync_folder(FOLDER).map_err(failed)?;
        }
        Ok(Arc::clone(self.file.insert(file)))
    }

    /// Gives the segment a new key: what was in it before is no longer to be read.
    fn begin(&mut self, disk: &dyn Disk, root: &RootKey, index: usize, generation: u64) -> Result<(), Fault> {
        let file = self.file(disk, index)?;
        let key = PartitionKey::generate().map_err(failed)?;
        let id: [u8; 16] = rand::random();
        let wrapped = root.wrap_partition(&Self::name(index), &key).map_err(failed)?;
        let mut plain = Vec::with_capacity(8 + 16 + wrapped.len());
        plain.extend_from_slice(&generation.to_be_bytes());
        plain.extend_from_slice(&id);
        plain.extend_from_slice(&wrapped);
        let sealed = root.seal(&purpose(index), &plain).map_err(failed)?;
        let mut header = Vec::with_capacity(BLOCK_LEN);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_be_bytes());
        header.extend_from_slice(&u32::try_from(sealed.len()).unwrap_or(u32::MAX).to_be_bytes());
        header.extend_from_slice(&sealed);
        header.resize(BLOCK_LEN, 0);
        let twice = header.repeat(2);
        file.write_all_at(0, &twice).and_then(|()| file.sync_data()).map_err(failed)?;
        let mut cipher = key.pages("journal").map_err(failed)?;
        cipher.bind_to(id);
        let (file, cipher) = (Some(file), Some(cipher));
        *self = Self { file, cipher, generation, end: FRAMES_AT, next: 0, holders: BTreeSet::new() };
        Ok(())
    }

    /// Destroys the segment's key.
    fn destroy(&mut self) -> Result<(), Fault> {
        if self.cipher.is_some()
            && let Some(file) = &self.file
        {
            file.write_all_at(0, &[0; 2 * BLOCK_LEN]).and_then(|()| file.sync_data()).map_err(failed)?;
            self.cipher = None;
        }
        Ok(())
    }

    fn write(&mut self, records: &[(Record, Slot)]) -> Result<(), Fault> {
        let none = || failed("the segment has no key");
        let (Some(file), Some(cipher)) = (&self.file, &self.cipher) else { return Err(none()) };
        let mut body = Vec::new();
        for (record, _) in records {
            for part in [record.partition.as_bytes(), &record.number.to_be_bytes(), &record.sealed] {
                body.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
                body.extend_from_slice(part);
            }
        }
        let sealed_len = body.len() + PAGE_OVERHEAD;
        let mut frame = vec![0; padded(FRAME_HEADER_LEN + sealed_len, BLOCK_LEN)];
        let (header, rest) = frame.split_at_mut(FRAME_HEADER_LEN);
        let fields = [*FRAME_MAGIC, self.next.to_be_bytes(), (sealed_len as u64).to_be_bytes()];
        header.copy_from_slice(fields.as_flattened());
        let (sealed, _) = rest.split_at_mut(sealed_len);
        cipher.seal(self.next, &body, sealed).map_err(failed)?;
        // After a failure the next frame is written over this one: what was not synced is not counted on.
        file.write_all_at(self.end, &frame).and_then(|()| file.sync_data()).map_err(failed)?;
        self.end += frame.len() as u64;
        self.next += 1;
        self.holders.extend(records.iter().map(|(record, _)| Arc::clone(&record.partition)));
        Ok(())
    }
}

/// A segment as a start finds it.
struct FoundSegment {
    generation: u64,
    cipher: PageCipher,
}

fn header(root: &RootKey, index: usize, bytes: &[u8]) -> Option<FoundSegment> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_be_bytes(*version) != VERSION {
        return None;
    }
    let sealed = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let plain = root.open(&purpose(index), sealed).ok()?;
    let (generation, rest) = plain.split_first_chunk::<8>()?;
    let (id, wrapped) = rest.split_first_chunk::<16>()?;
    let key = root.unwrap_partition(&Segment::name(index), wrapped).ok()?;
    let mut cipher = key.pages("journal").ok()?;
    cipher.bind_to(*id);
    Some(FoundSegment { generation: u64::from_be_bytes(*generation), cipher })
}

/// A frame's body, if a whole frame of this number stands at the beginning of `bytes`, and the frame's length.
fn frame(cipher: &PageCipher, number: Option<u64>, bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let rest = bytes.strip_prefix(FRAME_MAGIC)?;
    let (found, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let found = u64::from_be_bytes(*found);
    if number.is_some_and(|number| number != found) {
        return None;
    }
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let sealed = rest.get(..length)?;
    let mut body = vec![0; length.checked_sub(PAGE_OVERHEAD)?];
    cipher.open(found, sealed, &mut body).ok()?;
    Some((body, padded(FRAME_HEADER_LEN + length, BLOCK_LEN)))
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let (part, tail) = tail.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = tail;
    Some(part)
}

/// Reads the frames of a segment in order, up to the first that is not whole. What was not whole was told to nobody,
/// unless whole ones follow: then the segment is damaged.
fn frames(cipher: &PageCipher, bytes: &[u8], mut see: impl FnMut(&str, u64, &[u8])) -> Result<(), Fault> {
    let mut rest = bytes.get(FRAMES_AT as usize..).unwrap_or_default();
    let mut number = 0;
    while let Some((body, length)) = frame(cipher, Some(number), rest) {
        let mut records = body.as_slice();
        while !records.is_empty() {
            let parts = (part(&mut records), part(&mut records), part(&mut records));
            let (Some(name), Some(of), Some(sealed)) = parts else { return Err(failed("a frame is malformed")) };
            let of = of.try_into().map(u64::from_be_bytes).map_err(|_| failed("a frame is malformed"))?;
            see(std::str::from_utf8(name).map_err(failed)?, of, sealed);
        }
        number += 1;
        rest = rest.get(length..).unwrap_or_default();
    }
    for block in rest.chunks(BLOCK_LEN).enumerate().skip(1).map(|(index, _)| index * BLOCK_LEN) {
        if frame(cipher, None, rest.get(block..).unwrap_or_default()).is_some() {
            return Err(failed(format!("frame {number} is damaged, and whole ones follow it")));
        }
    }
    Ok(())
}

fn read_all(file: &dyn DiskFile) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; usize::try_from(file.len().map_err(failed)?).map_err(failed)?];
    file.read_exact_at(0, &mut bytes).map_err(failed)?;
    Ok(bytes)
}

impl Journal {
    /// Opens the journal of a region's folder and reads what the last process left in it.
    pub(crate) fn open(disk: Arc<dyn Disk>, root: Arc<RootKey>) -> Result<Arc<Self>, Fault> {
        disk.create_folder(FOLDER).and_then(|()| disk.sync_folder("")).map_err(failed)?;
        let mut files: [Segment; SEGMENTS] = Default::default();
        let mut segments = Vec::new();
        for (index, segment) in files.iter_mut().enumerate() {
            if !disk.exists(&Segment::name(index)) {
                continue;
            }
            let bytes = read_all(segment.file(disk.as_ref(), index)?.as_ref())?;
            let mut copies = bytes.chunks(BLOCK_LEN).take(2);
            if let Some(found) = copies.find_map(|copy| header(&root, index, copy)) {
                segments.push((found, bytes));
            }
        }
        segments.sort_by_key(|(segment, _)| segment.generation);
        let mut found = Found::new();
        for (segment, bytes) in &segments {
            frames(&segment.cipher, bytes, |partition, number, sealed| {
                found.entry(partition.to_owned()).or_default().push((number, sealed.to_vec()));
            })?;
        }
        let generation = segments.last().map_or(0, |(segment, _)| segment.generation);
        Ok(Arc::new(Self {
            disk,
            root,
            waiting: Mutex::default(),
            segments: Mutex::new(Segments { files, active: 0, generation, recovering: true }),
            found: Mutex::new(found),
            wanted: Mutex::default(),
            wakers: Mutex::default(),
        }))
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    pub(crate) fn root(&self) -> &RootKey {
        &self.root
    }

    /// Every catalog holds what the last process left: its segments lose their keys.
    pub(crate) fn recovered(&self) -> Result<(), Fault> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        for segment in &mut segments.files {
            if segment.cipher.is_none()
                && let Some(file) = &segment.file
            {
                file.write_all_at(0, &[0; 2 * BLOCK_LEN]).and_then(|()| file.sync_data()).map_err(failed)?;
            }
        }
        segments.recovering = false;
        Ok(())
    }

    /// The partition of a folder's name joins.
    pub(crate) fn member(self: &Arc<Self>, name: &str, key: &PartitionKey) -> Result<Member, Fault> {
        let mut cipher = key.pages("journal").map_err(failed)?;
        let mut id = [0; 16];
        id.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        cipher.bind_to(id);
        Ok(Member { journal: Arc::clone(self), name: name.into(), cipher })
    }

    fn append(&self, record: Record) -> Result<(), Fault> {
        let slot = Slot::default();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((record, Arc::clone(&slot)));
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.get().is_none() {
            // Nobody took it while this one waited: it takes all that wait.
            let records = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            let written = self.write(&mut segments, &records).map_err(|fault| fault.to_string());
            for (_, slot) in records {
                let _first = slot.set(written.clone());
            }
        }
        drop(segments);
        match slot.get() {
            Some(Ok(())) => Ok(()),
            Some(Err(text)) => Err(Fault::Failed(text.clone())),
            None => Err(failed("a record was lost")),
        }
    }

    fn write(&self, segments: &mut Segments, records: &[(Record, Slot)]) -> Result<(), Fault> {
        let Segments { files, active, generation, recovering } = segments;
        if *recovering {
            return Err(failed("nothing can be written before the last process's records are in their catalogs"));
        }
        let (first, second) = files.split_at_mut(1);
        let (Some(first), Some(second)) = (first.first_mut(), second.first_mut()) else {
            return Err(failed("no segments"));
        };
        let (current, other) = if *active == 0 { (first, second) } else { (second, first) };
        if current.cipher.is_none() {
            current.begin(self.disk.as_ref(), &self.root, *active, *generation + 1)?;
            *generation += 1;
        } else if current.end > SEGMENT_LEN_MAX && other.holders.is_empty() {
            // Until the other is free the current one grows.
            other.begin(self.disk.as_ref(), &self.root, 1 - *active, *generation + 1)?;
            *generation += 1;
            *active = 1 - *active;
            self.want(&current.holders);
            return other.write(records);
        }
        current.write(records)
    }

    fn want(&self, holders: &BTreeSet<Arc<str>>) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).extend(holders.iter().cloned());
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        holders.iter().filter_map(|holder| wakers.get(holder)).for_each(|wake| wake());
    }
}

impl Member {
    /// How the partition's writer is woken when its catalog is to become durable.
    pub(crate) fn wake_by(&self, wake: impl Fn() + Send + Sync + 'static) {
        let mut wakers = self.journal.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.insert(Arc::clone(&self.name), Box::new(wake));
    }

    /// Whether the partition's catalog is to become durable soon.
    pub(crate) fn is_wanted(&self) -> bool {
        self.journal.wanted.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.name)
    }

    /// Makes changes durable, under the partition's next number.
    pub(crate) fn append(&self, number: u64, changes: &[u8]) -> Result<(), Fault> {
        let mut plain = Vec::with_capacity(padded(4 + changes.len(), PADDING));
        plain.extend_from_slice(&u32::try_from(changes.len()).map_err(failed)?.to_be_bytes());
        plain.extend_from_slice(changes);
        plain.resize(padded(plain.len(), PADDING), 0);
        let mut sealed = vec![0; plain.len() + PAGE_OVERHEAD];
        self.cipher.seal(number, &plain, &mut sealed).map_err(failed)?;
        self.journal.append(Record { partition: Arc::clone(&self.name), number, sealed })
    }

    /// The partition's catalog holds durably all that it ever handed over.
    pub(crate) fn checkpointed(&self) -> Result<(), Fault> {
        self.journal.wanted.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        let mut segments = self.journal.segments.lock().unwrap_or_else(PoisonError::into_inner);
        for segment in &mut segments.files {
            if segment.holders.remove(&self.name) && segment.holders.is_empty() {
                segment.destroy()?;
            }
        }
        Ok(())
    }

    fn opened(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut plain = vec![0; sealed.len().saturating_sub(PAGE_OVERHEAD)];
        self.cipher.open(number, sealed, &mut plain).map_err(failed)?;
        part(&mut plain.as_slice()).map(<[u8]>::to_vec).ok_or_else(|| failed("a record is malformed"))
    }

    /// The changes after record `last` that the journal holds for this partition, with their numbers.
    pub(crate) fn after(&self, last: u64) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
        // What was handed over, failed, and was handed over again under its number stands twice: the later one counts.
        let mut records = BTreeMap::new();
        if let Some(found) = self.journal.found.lock().unwrap_or_else(PoisonError::into_inner).get(&*self.name) {
            records.extend(found.iter().cloned());
        }
        // And what this process wrote, if the catalog is opened again while it runs.
        let segments = self.journal.segments.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own: Vec<&Segment> = segments.files.iter().collect();
        own.sort_by_key(|segment| segment.generation);
        for segment in own {
            if let (Some(file), Some(cipher), Some(end)) =
                (&segment.file, &segment.cipher, usize::try_from(segment.end).ok())
            {
                let bytes = read_all(file.as_ref())?;
                frames(cipher, bytes.get(..end).unwrap_or(&bytes), |name, number, sealed| {
                    if *name == *self.name {
                        records.insert(number, sealed.to_vec());
                    }
                })?;
            }
        }
        drop(segments);
        let mut changes = Vec::new();
        let new = records.into_iter().filter(|(number, _)| *number > last);
        for (next, (number, sealed)) in (last + 1..).zip(new) {
            if number != next {
                return Err(failed(format!("record {next} of a partition is missing")));
            }
            changes.push((number, self.opened(number, &sealed)?));
        }
        Ok(changes)
    }
}

mod survey;
pub(crate) use survey::survey;

#[cfg(test)]
mod tests;
