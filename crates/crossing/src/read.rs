//! Reading a bundle: what cannot be believed is not looked at.

use crate::head::Head;
use crate::note::{another_origin, checked_len, read_head, read_note};
use crate::stream::{FrameReader, plain_len};
use crate::{BundleError, Manifest, OwnKeys, Part, Peer, Signed, manifest, rules};
use aws_lc_rs::digest;
use fastness_label::{Label, Policy};
use fastness_vault::ValueKey;
use std::fmt;
use std::io::{Read, Seek};
use zeroize::Zeroize;

/// Who reads, whose bundle, and by which policy and clock.
#[derive(Debug, Clone, Copy)]
pub struct Receiver<'a> {
    /// The region that reads.
    pub own: &'a OwnKeys,
    /// The region whose inbox the file lies in.
    pub peer: &'a Peer,
    /// The region's label policy.
    pub policy: &'a Policy,
    /// Now, in ms since 1970.
    pub now_ms: i64,
}

/// A bundle whose signatures, destination, manifest and label are right. Its objects are checked as they are read.
pub struct BundleReader<R> {
    stream: FrameReader<R>,
    manifest: Manifest,
    signed: Signed,
    label: Label,
    /// Where each object begins in the stream.
    offsets: Vec<u64>,
    /// Where the manifest begins in the stream.
    manifest_offset: u64,
}

impl<R> fmt::Debug for BundleReader<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BundleReader")
            .field("id", &self.manifest.id)
            .field("number", &self.signed.number)
            .finish_non_exhaustive()
    }
}

impl<R: Read + Seek> BundleReader<R> {
    /// Opens a bundle. The name of the file is not asked: its number stands in it.
    ///
    /// # Errors
    /// In this order: [`BundleError::Truncated`], [`BundleError::Oversized`], [`BundleError::Malformed`] for what can
    /// be seen from outside, [`BundleError::AnotherOrigin`], [`BundleError::Forged`], [`BundleError::AnotherRegion`],
    /// [`BundleError::AnotherKey`], [`BundleError::Damaged`] for index and manifest, [`BundleError::Malformed`] and
    /// [`BundleError::Oversized`] for what the manifest says, [`BundleError::Clock`], [`BundleError::Mislabelled`];
    /// and [`BundleError::Disk`] at any time.
    pub fn open(mut file: R, receiver: Receiver<'_>) -> Result<Self, BundleError> {
        let Receiver { own, peer, policy, now_ms } = receiver;
        let length = checked_len(&mut file)?;
        let head = read_head(&mut file, length)?;
        let plain_len = plain_len(length).ok_or(BundleError::Malformed("no stream makes a file of its length"))?;
        if head.origin != *peer.region() {
            return Err(another_origin(&head.origin, peer.region()));
        }
        let signed = read_note(&mut file, &head, peer)?;
        let key = open_key(&head, own)?;
        let (manifest_offset, json_len) = open_index(&head, &key)?;
        if manifest_offset.checked_add(json_len) != Some(plain_len) {
            return Err(BundleError::Malformed("its manifest does not end where its stream does"));
        }
        let cipher = key.frames().map_err(|_| BundleError::Sealing)?;
        let mut stream = FrameReader::new(file, cipher, plain_len);
        let manifest = read_manifest(&mut stream, &head, manifest_offset, json_len)?;
        rules::check_form(&manifest, json_len, plain_len)?;
        rules::check_clock(manifest.made_ms, now_ms)?;
        let label = rules::check_label(&manifest, policy)?;
        let mut offset = 0;
        let begin_each = |object: &manifest::Object| {
            let begin = offset;
            offset += object.size;
            begin
        };
        let offsets = manifest.objects.iter().map(begin_each).collect();
        Ok(Self { stream, manifest, signed, label, offsets, manifest_offset })
    }

    /// What it holds.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The label of all that it holds, in the region's policy.
    #[must_use]
    pub fn label(&self) -> Label {
        self.label
    }

    /// Its number, what was signed, and its length.
    #[must_use]
    pub fn signed(&self) -> Signed {
        self.signed
    }

    /// Checks the digest of every object, and that the padding is zeros.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] with the first part that is not right, [`BundleError::Disk`].
    pub fn verify(&mut self) -> Result<(), BundleError> {
        for place in 0..self.manifest.objects.len() {
            self.read_object(place, |_| ())?;
        }
        let objects_end = rules::objects_len(&self.manifest.objects).unwrap_or(u64::MAX);
        let zeros = self.manifest_offset.saturating_sub(objects_end);
        let mut is_zero = true;
        self.stream.read(Part::Padding, objects_end, zeros, |piece| is_zero &= piece.iter().all(|byte| *byte == 0))?;
        if is_zero { Ok(()) } else { Err(BundleError::Damaged(Part::Padding)) }
    }

    /// The content of an object, by its place in the manifest, from 0, in place of what `into` held. Nothing is handed
    /// over whose digest is not right.
    ///
    /// # Errors
    /// [`BundleError::Damaged`], and then `into` is empty; [`BundleError::Misused`] when there is no such object;
    /// [`BundleError::Disk`].
    pub fn object(&mut self, place: usize, into: &mut Vec<u8>) -> Result<(), BundleError> {
        into.clear();
        // No more than the file holds: its manifest was held to that.
        let size = self.manifest.objects.get(place).map_or(0, |object| object.size);
        into.reserve_exact(usize::try_from(size).unwrap_or(0));
        let read = self.read_object(place, |piece| into.extend_from_slice(piece));
        if read.is_err() {
            into.zeroize();
        }
        read
    }

    fn read_object(&mut self, place: usize, mut take: impl FnMut(&[u8])) -> Result<(), BundleError> {
        let missing = BundleError::Misused("there is no such object");
        let (Some(object), Some(offset)) = (self.manifest.objects.get(place), self.offsets.get(place)) else {
            return Err(missing);
        };
        let part = Part::Object(place);
        let mut hash = digest::Context::new(&digest::SHA256);
        self.stream.read(part, *offset, object.size, |piece| {
            hash.update(piece);
            take(piece);
        })?;
        if hash.finish().as_ref() == object.sha256 { Ok(()) } else { Err(BundleError::Damaged(part)) }
    }
}

/// The key of a bundle that is for this region, and sealed with its key.
fn open_key(head: &Head, own: &OwnKeys) -> Result<ValueKey, BundleError> {
    if head.destination != *own.region() {
        return Err(BundleError::AnotherRegion { to: head.destination.to_string() });
    }
    if head.key_id != own.opener().sealer().id() {
        return Err(BundleError::AnotherKey { id: hex::encode(head.key_id) });
    }
    own.opener().open(&head.encapsulated, &head.info()?).map_err(|_| BundleError::Sealing)
}

/// Offset and length of the manifest in the stream.
fn open_index(head: &Head, key: &ValueKey) -> Result<(u64, u64), BundleError> {
    let damaged = || BundleError::Damaged(Part::Index);
    let index = key.open_small(&head.sealed_index).map_err(|_| damaged())?;
    let (offset, length) = index.split_first_chunk::<8>().ok_or_else(damaged)?;
    let length = length.first_chunk::<8>().ok_or_else(damaged)?;
    Ok((u64::from_be_bytes(*offset), u64::from_be_bytes(*length)))
}

fn read_manifest<R: Read + Seek>(
    stream: &mut FrameReader<R>,
    head: &Head,
    offset: u64,
    length: u64,
) -> Result<Manifest, BundleError> {
    let bounded = usize::try_from(manifest::bounded(length)?).unwrap_or(0);
    let mut json = Vec::with_capacity(bounded);
    stream.read(Part::Manifest, offset, length, |piece| json.extend_from_slice(piece))?;
    if rules::sha256(&json) != head.manifest_sha256 {
        return Err(BundleError::Damaged(Part::Manifest));
    }
    let manifest = Manifest::decode(&json)?;
    if manifest.origin != head.origin || manifest.destination != head.destination {
        return Err(BundleError::Malformed("its manifest names other regions than its head"));
    }
    Ok(manifest)
}
