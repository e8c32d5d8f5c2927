//! Multipart uploads: they belong to the session's label, and no other sees them.

use crate::buckets::{find_own, own_record};
use crate::catalog::{self, Turn};
use crate::checksums::of_parts;
use crate::customer::check_part;
use crate::fault::{no_such_bucket, no_such_upload};
use crate::objects::{Destination, NewObject, Written, drop_pieces, put};
use crate::receive::{Received, place};
use crate::records::{CustomerSeal, Extension, PartRecord, StoredPart, UploadExtension, UploadRecord, decode, encode};
use crate::{Fault, Record, Store, keys, locks};
use fastness_decide::{Bucket, Permit};
use fastness_operation::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Code, CompletedPart, ExpectedObject, Moment, ObjectKey,
    Operation, PartNumber, UploadChecksum, UploadId,
};
use md5::{Digest, Md5};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redb::ReadableTable;
use std::sync::Arc;

/// The least bytes of a part that is not the last (S3: 5 MiB).
pub const PART_LEN_MIN: u64 = 5 << 20;

/// One part as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInfo {
    /// Its number.
    pub number: u16,
    /// Bytes of content.
    pub size: u64,
    /// MD5 of the content, in hexadecimal.
    pub etag: String,
    /// The checksum, if any.
    pub checksum: Option<Checksum>,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
}

/// A page of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPage {
    /// The parts, by number.
    pub parts: Vec<PartInfo>,
    /// Whether there are more.
    pub truncated: bool,
    /// The checksum of the upload.
    pub checksum: Option<UploadChecksum>,
}

fn upload_row(
    turn: &Turn<'_>,
    bucket: &Bucket,
    key: &ObjectKey,
    id: &UploadId,
) -> Result<(Vec<u8>, UploadRecord), Fault> {
    let own = find_own(turn, bucket)?.ok_or_else(no_such_upload)?;
    let row = keys::upload(own.id, key.as_str(), id.as_str());
    let record = turn.uploads.get(row.as_slice())?.map(|guard| decode(guard.value())).transpose()?;
    Ok((row, record.ok_or_else(no_such_upload)?))
}

fn parts_of(turn: &Turn<'_>, upload: u64) -> Result<Vec<(u16, PartRecord)>, Fault> {
    let mut found = Vec::new();
    let (first, last) = (keys::part(upload, 0), keys::part(upload, u16::MAX));
    for row in turn.parts.range::<&[u8]>(first.as_slice()..=last.as_slice())? {
        let (key, value) = row?;
        found.push((part_number(key.value())?, decode(value.value())?));
    }
    Ok(found)
}

fn part_number(row: &[u8]) -> Result<u16, Fault> {
    let bytes = row.get(8..).and_then(|tail| tail.try_into().ok());
    bytes.map(u16::from_be_bytes).ok_or_else(|| Fault::Failed("a row of the parts is malformed".to_owned()))
}

/// Removes an upload: its parts go, except the content that `keep` names by part number.
pub(crate) fn drop_upload(turn: &mut Turn<'_>, row: &[u8], upload: u64, keep: &[u16]) -> Result<(), Fault> {
    for (number, part) in parts_of(turn, upload)? {
        turn.parts.remove(keys::part(upload, number).as_slice())?;
        if !keep.contains(&number) {
            drop_pieces(turn, part.piece.iter())?;
        }
    }
    turn.uploads.remove(row)?;
    Ok(())
}

/// Removes all uploads of a bucket of the session's own partition.
pub(crate) fn drop_all(turn: &mut Turn<'_>, bucket: u64) -> Result<(), Fault> {
    while let Some((row, value)) = catalog::first_row(&*turn.uploads, &keys::object_start(bucket, ""))? {
        let record: UploadRecord = decode(&value)?;
        drop_upload(turn, &row, record.number, &[])?;
    }
    Ok(())
}

impl Store {
    /// CreateMultipartUpload.
    ///
    /// # Errors
    /// `NoSuchBucket`, or a failure.
    pub async fn create_upload(
        &self,
        permit: &Permit,
        attributes: Attributes,
        moment: Moment,
        record: Record<UploadId>,
    ) -> Result<UploadId, Fault> {
        let Operation::CreateMultipartUpload { bucket: name, key, extras, checksum, customer, .. } = permit.operation()
        else {
            return Err(Fault::mismatch());
        };
        let (store, view, key) = (self.clone(), permit.view().clone(), key.clone());
        let full_object = checksum.is_some_and(|checksum| checksum.kind == ChecksumKind::FullObject);
        let extension = UploadExtension {
            extras: extras.clone(),
            full_object,
            customer: customer.as_ref().map(CustomerSeal::new).transpose()?,
        };
        let checksum = checksum.map(|checksum| checksum.algorithm);
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let work = move |turn: &mut Turn<'_>| {
            let below = store.below(&view)?;
            locks::check_asked(turn, &below, &bucket, (extension.extras.lock, moment.now_ms))?;
            let own = own_record(turn, &below, &bucket)?;
            let number = turn.next_sequence();
            let random: [u8; 24] = StdRng::from_seed(moment.seed).random();
            let id = UploadId::new(format!("{number:016x}{}", hex::encode(random)));
            let upload = UploadRecord { number, initiated_ms: moment.now_ms, attributes, checksum, extension };
            let row = keys::upload(own.id, key.as_str(), id.as_str());
            turn.uploads.insert(row.as_slice(), encode(&upload)?.as_slice())?;
            Ok(id)
        };
        self.own(permit)?.turn(work, record).await
    }

    /// The upload that an UploadPart, ListParts or completion names: its checksum algorithm.
    ///
    /// # Errors
    /// `NoSuchUpload`, or a failure.
    pub fn upload_checksum(&self, permit: &Permit) -> Result<Option<ChecksumAlgorithm>, Fault> {
        Ok(self.find_upload(permit)?.1.checksum)
    }

    /// How the content of a part is to be sealed, if its upload began with a caller's key: the request brings it again.
    pub(crate) fn upload_seal(&self, permit: &Permit) -> Result<Option<CustomerSeal>, Fault> {
        let (Operation::UploadPart { customer, .. } | Operation::UploadPartCopy { customer, .. }) = permit.operation()
        else {
            return Err(Fault::mismatch());
        };
        let seal = self.find_upload(permit)?.1.extension.customer;
        check_part(seal.as_ref(), customer.as_ref())?;
        Ok(seal)
    }

    fn find_upload(&self, permit: &Permit) -> Result<(Arc<catalog::Reading>, UploadRecord), Fault> {
        let (Operation::UploadPart { bucket: name, key, upload, .. }
        | Operation::UploadPartCopy { bucket: name, key, upload, .. }
        | Operation::ListParts { bucket: name, key, upload, .. }) = permit.operation()
        else {
            return Err(Fault::mismatch());
        };
        let bucket = permit.bucket(name).ok_or_else(no_such_bucket)?;
        let reading = self.own(permit)?.read()?;
        let row = keys::bucket(bucket.account, bucket.name.as_str());
        let own = match reading.rows(catalog::BUCKETS)?.get(row.as_slice())? {
            None => return Err(no_such_upload()),
            Some(guard) => decode::<crate::records::BucketRecord>(guard.value())?,
        };
        let row = keys::upload(own.id, key.as_str(), upload.as_str());
        let record = match reading.rows(catalog::UPLOADS)?.get(row.as_slice())? {
            None => return Err(no_such_upload()),
            Some(guard) => decode(guard.value())?,
        };
        Ok((reading, record))
    }

    /// UploadPart: what was received becomes the part; an earlier one of the same number goes.
    ///
    /// # Errors
    /// `NoSuchUpload`, or a failure.
    pub async fn put_part(
        &self,
        permit: &Permit,
        mut received: Received,
        moment: Moment,
        record: Record<PartInfo>,
    ) -> Result<PartInfo, Fault> {
        let (Operation::UploadPart { bucket: name, key, upload, part, .. }
        | Operation::UploadPartCopy { bucket: name, key, upload, part, .. }) = permit.operation()
        else {
            return Err(Fault::mismatch());
        };
        let (key, upload, number) = (key.clone(), upload.clone(), *part);
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let draft = received.take();
        let (size, md5, checksum) = (received.size, received.md5, received.checksum.clone());
        let work = move |turn: &mut Turn<'_>| {
            let (_, upload) = upload_row(turn, &bucket, &key, &upload)?;
            let row = keys::part(upload.number, number.get());
            let earlier: Option<PartRecord> =
                turn.parts.get(row.as_slice())?.map(|guard| decode(guard.value())).transpose()?;
            drop_pieces(turn, earlier.iter().flat_map(|part| &part.piece))?;
            let piece = place(turn, draft)?.pop();
            let part = PartRecord { size, md5, checksum, modified_ms: moment.now_ms, piece };
            turn.parts.insert(row.as_slice(), encode(&part)?.as_slice())?;
            Ok(info(number.get(), &part))
        };
        self.own(permit)?.turn(work, record).await
    }

    /// CompleteMultipartUpload: the parts named become an object, in one commit; no content is copied.
    ///
    /// # Errors
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `PreconditionFailed`, or a failure.
    pub async fn complete_upload(
        &self,
        permit: &Permit,
        moment: Moment,
        record: Record<Written>,
    ) -> Result<Written, Fault> {
        let Operation::CompleteMultipartUpload { bucket: name, key, upload, parts, expected, conditions } =
            permit.operation()
        else {
            return Err(Fault::mismatch());
        };
        let (store, view, key, upload) = (self.clone(), permit.view().clone(), key.clone(), upload.clone());
        let (named, expected, conditions) = (parts.clone(), expected.clone(), conditions.clone());
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let work = move |turn: &mut Turn<'_>| {
            let (row, record) = upload_row(turn, &bucket, &key, &upload)?;
            if expected.customer.is_some() {
                check_part(record.extension.customer.as_ref(), expected.customer.as_ref())?;
            }
            let parts = choose_parts(turn, record.number, &named)?;
            let new = assemble(&record, &parts, &expected)?;
            let destination = Destination { bucket: &bucket, key: &key, conditions: &conditions };
            let pieces = parts.iter().filter_map(|(_, part)| part.piece.clone()).collect();
            let written = put(turn, &store.below(&view)?, &destination, &moment, new, |_| Ok(pieces))?;
            let kept: Vec<u16> = parts.iter().map(|(number, _)| *number).collect();
            drop_upload(turn, &row, record.number, &kept)?;
            Ok(written)
        };
        self.own(permit)?.turn(work, record).await
    }

    /// AbortMultipartUpload.
    ///
    /// # Errors
    /// `NoSuchUpload`, or a failure.
    pub async fn abort_upload(&self, permit: &Permit, record: Record<()>) -> Result<(), Fault> {
        let Operation::AbortMultipartUpload { bucket: name, key, upload } = permit.operation() else {
            return Err(Fault::mismatch());
        };
        let (key, upload) = (key.clone(), upload.clone());
        let bucket = permit.bucket(name).cloned().ok_or_else(no_such_bucket)?;
        let work = move |turn: &mut Turn<'_>| {
            let (row, record) = upload_row(turn, &bucket, &key, &upload)?;
            drop_upload(turn, &row, record.number, &[])
        };
        self.own(permit)?.turn(work, record).await
    }

    /// ListParts.
    ///
    /// # Errors
    /// `NoSuchUpload`, or a failure.
    pub fn list_parts(&self, permit: &Permit) -> Result<PartPage, Fault> {
        let Operation::ListParts { after, limit, .. } = permit.operation() else { return Err(Fault::mismatch()) };
        let (reading, upload) = self.find_upload(permit)?;
        let first = keys::part(upload.number, after.saturating_add(1));
        let last = keys::part(upload.number, u16::MAX);
        let mut page = PartPage { parts: Vec::new(), truncated: false, checksum: checksum_of(&upload) };
        if *after == u16::MAX {
            return Ok(page);
        }
        for row in reading.rows(catalog::PARTS)?.range::<&[u8]>(first.as_slice()..=last.as_slice())? {
            if page.parts.len() == usize::from(*limit) {
                page.truncated = true;
                break;
            }
            let (key, value) = row?;
            page.parts.push(info(part_number(key.value())?, &decode(value.value())?));
        }
        Ok(page)
    }
}

fn info(number: u16, part: &PartRecord) -> PartInfo {
    PartInfo {
        number,
        size: part.size,
        etag: hex::encode(part.md5),
        checksum: part.checksum.clone(),
        modified_ms: part.modified_ms,
    }
}

fn choose_parts(turn: &Turn<'_>, upload: u64, named: &[CompletedPart]) -> Result<Vec<(u16, PartRecord)>, Fault> {
    let numbers: Vec<PartNumber> = named.iter().map(|part| part.number).collect();
    if !numbers.is_sorted_by(|a, b| a.get() < b.get()) {
        return Err(Fault::refused(
            Code::InvalidPartOrder,
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ));
    }
    let invalid = || {
        Fault::refused(
            Code::InvalidPart,
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        )
    };
    let mut chosen: Vec<(u16, PartRecord)> = Vec::with_capacity(named.len());
    for part in named {
        let row = keys::part(upload, part.number.get());
        let record: PartRecord = match turn.parts.get(row.as_slice())? {
            None => return Err(invalid()),
            Some(guard) => decode(guard.value())?,
        };
        let checksum_fits = part.checksum.as_ref().is_none_or(|sent| record.checksum.as_ref() == Some(sent));
        if part.etag != hex::encode(record.md5) || !checksum_fits {
            return Err(invalid());
        }
        chosen.push((part.number.get(), record));
    }
    let Some((_, all_but_last)) = chosen.split_last() else { return Err(invalid()) };
    if all_but_last.iter().any(|(_, part)| part.size < PART_LEN_MIN) {
        let message = "Your proposed upload is smaller than the minimum allowed size";
        return Err(Fault::refused(Code::EntityTooSmall, message));
    }
    Ok(chosen)
}

pub(crate) fn checksum_of(upload: &UploadRecord) -> Option<UploadChecksum> {
    let kind = if upload.extension.full_object { ChecksumKind::FullObject } else { ChecksumKind::Composite };
    upload.checksum.map(|algorithm| UploadChecksum { algorithm, kind })
}

/// The object that the parts make: its ETag is the MD5 of their MD5s, its checksum is made of theirs.
fn assemble(upload: &UploadRecord, parts: &[(u16, PartRecord)], expected: &ExpectedObject) -> Result<NewObject, Fault> {
    let mut md5 = Md5::new();
    for (_, part) in parts {
        md5.update(part.md5);
    }
    let size = parts.iter().map(|(_, part)| part.size).sum();
    if let Some(wanted) = expected.size.filter(|wanted| *wanted != size) {
        let message = format!("The x-amz-mp-object-size {wanted} does not match the size of the parts, {size}");
        return Err(Fault::refused(Code::InvalidRequest, message));
    }
    let stated = expected.checksum.as_ref();
    // An upload that named no algorithm takes the one that its completion states, if every part was sent with it.
    let wanted = checksum_of(upload).or_else(|| {
        let Checksum { algorithm, .. } = stated?;
        let kind = stated?.kind();
        Some(UploadChecksum { algorithm: *algorithm, kind }).filter(|wanted| wanted.is_offered())
    });
    if let (Some(kind), Some(wanted)) = (expected.kind, wanted)
        && kind != wanted.kind
    {
        let message = format!("The upload was created using the {} checksum type.", wanted.kind.name());
        return Err(Fault::refused(Code::BadDigest, message));
    }
    let sizes = parts.iter().map(|(_, part)| (part.size, part.checksum.as_ref()));
    let checksum = wanted.and_then(|wanted| of_parts(wanted, sizes));
    if let Some(stated) = stated
        && checksum.as_ref() != Some(stated)
    {
        let message = format!("The {} you specified did not match the calculated checksum.", stated.algorithm.name());
        return Err(Fault::refused(Code::BadDigest, message));
    }
    let stored = |(number, part): &(u16, PartRecord)| StoredPart {
        number: *number,
        size: part.size,
        // A part's that is of another algorithm than the object's says nothing there.
        checksum: part
            .checksum
            .as_ref()
            .filter(|own| checksum.as_ref().is_some_and(|whole| whole.algorithm == own.algorithm))
            .map(|own| own.value.clone()),
    };
    let stored = parts.iter().map(stored).collect();
    let extras = upload.extension.extras.clone();
    Ok(NewObject {
        etag: format!("{}-{}", hex::encode(md5.finalize()), parts.len()),
        size,
        attributes: upload.attributes.clone(),
        checksum,
        extension: Extension { extras, parts: stored, customer: upload.extension.customer.clone() },
    })
}
