//! Writing a bundle, in one pass: objects, then what is known last.

use crate::head::{self, HEAD_LEN, Head};
use crate::manifest::{self, Object};
use crate::note::bounded_len;
use crate::pad::padded_len;
use crate::stream::{FrameWriter, file_len_of};
use crate::{
    BUNDLE_LEN_MAX, BundleError, Errand, MANIFEST_FORMAT, MANIFEST_LEN_MAX, Manifest, OBJECT_LEN_MAX, OBJECTS_MAX,
    PREFIX_LEN, Peer, rules,
};
use aws_lc_rs::digest;
use fastness_label::{Label, Policy};
use fastness_operation::{Attributes, BundleId, ObjectKey, RegionName};
use fastness_vault::{ENCAPSULATED_LEN, ValueKey};
use serde::Serialize;
use std::fmt;
use std::io::{Seek, SeekFrom, Write};

/// What one more object adds to the manifest beside its own line: its reference in the label's XML.
const REFERENCE_LEN: u64 = 128;
/// What the manifest has beside its objects, at most: the longest label, its XML, people, names.
const MANIFEST_REST_LEN: u64 = 512 << 10;

/// An object that is about to be written.
#[derive(Debug, Clone)]
pub struct NewObject {
    /// Its key at the destination.
    pub key: ObjectKey,
    /// The headers and metadata that go with it.
    pub attributes: Attributes,
}

/// What a manifest says beside its objects and what the writer knows itself.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The bundle's random id.
    pub id: BundleId,
    /// When it is made, in ms since 1970; the hour, if it goes down.
    pub made_ms: i64,
    /// What it is sent as.
    pub errand: Errand,
    /// The label of everything in it.
    pub label: Label,
}

/// A bundle that is whole but for its number and note ([`crate::sign`]).
#[derive(Debug)]
pub struct Written<W> {
    /// Its file, not yet synced.
    pub file: W,
    /// Bytes of the file.
    pub length: u64,
    /// What it holds.
    pub manifest: Manifest,
}

/// Writes a bundle into a file: [`object`](Self::object), [`write`](Self::write) as often as it takes,
/// [`end_object`](Self::end_object); again for the next; [`finish`](Self::finish). It holds one frame in memory, and
/// the manifest as it grows. After an error the file is to be thrown away.
pub struct BundleWriter<W> {
    stream: FrameWriter<W>,
    /// Seals the one value that the bundle is: its frames, and its small index.
    key: ValueKey,
    head: Head,
    objects: Vec<Object>,
    /// Bytes that the objects so far take in the manifest.
    described: u64,
    open: Option<Open>,
}

/// The object that is being written.
struct Open {
    new: NewObject,
    size: u64,
    hash: digest::Context,
}

impl<W> fmt::Debug for BundleWriter<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BundleWriter").field("objects", &self.objects.len()).finish_non_exhaustive()
    }
}

impl<W: Write + Seek> BundleWriter<W> {
    /// Begins a bundle at the start of a file, from the region of this name to a peer. A bundle to the region itself
    /// goes to its own [`crate::OwnKeys::peer`].
    ///
    /// # Errors
    /// [`BundleError::Disk`], [`BundleError::Sealing`].
    pub fn begin(mut file: W, from: &RegionName, to: &Peer) -> Result<Self, BundleError> {
        let key_id = to.sealer().id();
        let info = head::info(to.region(), from, &key_id)?;
        let (encapsulated, key): ([u8; ENCAPSULATED_LEN], _) =
            to.sealer().seal(&info).map_err(|_| BundleError::Sealing)?;
        file.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut std::io::Read::take(std::io::repeat(0), PREFIX_LEN), &mut file)?;
        let head = Head {
            destination: to.region().clone(),
            origin: from.clone(),
            key_id,
            encapsulated,
            length: 0,
            manifest_sha256: [0; 32],
            sealed_index: [0; head::SEALED_INDEX_LEN],
            number: 0,
        };
        let cipher = key.frames().map_err(|_| BundleError::Sealing)?;
        let stream = FrameWriter::new(file, cipher);
        Ok(Self { stream, key, head, objects: Vec::new(), described: 0, open: None })
    }

    /// Whether an object of so many bytes still fits; if not, this bundle is full, and the next one begins with it.
    #[must_use]
    pub fn has_room(&self, next: &NewObject, size: u64) -> bool {
        self.has_room_for(line_len(next), size)
    }

    /// The same, of an object that takes so many bytes in the manifest.
    fn has_room_for(&self, line: u64, size: u64) -> bool {
        let described = self.described.saturating_add(line);
        let stream = self.stream.len().saturating_add(size).saturating_add(MANIFEST_LEN_MAX);
        // Padding adds 12 % at most (a release is one object, and far from the bound), tags 0.03 %.
        let padded = stream.saturating_add(stream / 8);
        self.objects.len() < OBJECTS_MAX
            && size <= OBJECT_LEN_MAX
            && described <= MANIFEST_LEN_MAX - MANIFEST_REST_LEN
            && padded <= BUNDLE_LEN_MAX
    }

    /// Begins an object.
    ///
    /// # Errors
    /// [`BundleError::Oversized`], [`BundleError::Malformed`] when the object cannot cross; [`BundleError::Misused`]
    /// when one is open.
    pub fn object(&mut self, new: NewObject) -> Result<(), BundleError> {
        if self.open.is_some() {
            return Err(BundleError::Misused("an object is open"));
        }
        rules::check_attributes(&new.attributes)?;
        let line = line_len(&new);
        if !self.has_room_for(line, 0) {
            let found = self.objects.len() as u64 + 1;
            return Err(BundleError::Oversized { what: "objects", found, most: self.objects.len() as u64 });
        }
        self.described = self.described.saturating_add(line);
        self.open = Some(Open { new, size: 0, hash: digest::Context::new(&digest::SHA256) });
        Ok(())
    }

    /// Adds bytes to the object that is open.
    ///
    /// # Errors
    /// [`BundleError::Oversized`], [`BundleError::Disk`], [`BundleError::Sealing`]; [`BundleError::Misused`] when
    /// none is open.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        let open = self.open.as_mut().ok_or(BundleError::Misused("no object is open"))?;
        let size = open.size.saturating_add(bytes.len() as u64);
        rules::check_size(size)?;
        open.hash.update(bytes);
        open.size = size;
        self.stream.write(bytes)
    }

    /// Ends the object that is open. SHA-256 of what was written of it.
    ///
    /// # Errors
    /// [`BundleError::Misused`] when none is open.
    pub fn end_object(&mut self) -> Result<[u8; 32], BundleError> {
        let open = self.open.take().ok_or(BundleError::Misused("no object is open"))?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(open.hash.finish().as_ref());
        let NewObject { key, attributes } = open.new;
        self.objects.push(Object { key, size: open.size, sha256, attributes });
        Ok(sha256)
    }

    /// Ends the bundle: zeros, manifest, head. What no reader would take is not written either.
    ///
    /// # Errors
    /// Those of [`crate::BundleReader::open`] that a manifest can have; [`BundleError::Misused`] when an object is
    /// open.
    pub fn finish(mut self, outline: Outline, policy: &Policy) -> Result<Written<W>, BundleError> {
        if self.open.is_some() {
            return Err(BundleError::Misused("an object is open"));
        }
        let label = outline.label;
        let manifest = self.manifest(outline, policy)?;
        let json = manifest.encode()?;
        let json_len = manifest::bounded(json.len() as u64)?;
        let too_long = BundleError::Oversized { what: "bytes", found: u64::MAX, most: BUNDLE_LEN_MAX };
        let needed = self.stream.len().saturating_add(json_len);
        let plain_len = padded_len(manifest.errand.kind(), needed).ok_or(too_long)?;
        rules::check_form(&manifest, json_len, plain_len)?;
        if rules::check_banner(&manifest, policy)? != label {
            return Err(BundleError::Mislabelled("its marking says another label than the bundle"));
        }
        let length = bounded_len(file_len_of(plain_len).unwrap_or(u64::MAX))?;
        let offset = plain_len - json_len;
        self.stream.zeros_until(offset)?;
        self.stream.write(&json)?;
        let (mut file, _) = self.stream.finish()?;
        // One key seals the frames and the index: the nonces of frames begin with a zero bit, those of small values
        // with a set one (docs/formats/vault.md).
        let index = [offset.to_be_bytes(), json_len.to_be_bytes()].concat();
        let sealed = self.key.seal_small(&index).map_err(|_| BundleError::Sealing)?;
        let sealed_index = sealed.try_into().map_err(|_| BundleError::Sealing)?;
        let head = Head { length, manifest_sha256: rules::sha256(&json), sealed_index, ..self.head };
        let encoded: [u8; HEAD_LEN] = head.encode()?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&encoded)?;
        file.flush()?;
        Ok(Written { file, length, manifest })
    }

    fn manifest(&mut self, outline: Outline, policy: &Policy) -> Result<Manifest, BundleError> {
        let Outline { id, made_ms, errand, label } = outline;
        let objects = std::mem::take(&mut self.objects);
        Ok(Manifest {
            format: MANIFEST_FORMAT,
            id,
            origin: self.head.origin.clone(),
            destination: self.head.destination.clone(),
            made_ms,
            errand,
            policy: policy.name().to_owned(),
            label: policy.banner(label),
            label_xml: rules::label_xml(policy, label, made_ms, &objects)?,
            objects,
        })
    }
}

/// Bytes that an object takes in the manifest, about: no fewer than it will.
fn line_len(object: &NewObject) -> u64 {
    const REST: &str = r#"{"key":,"size":67108864,"sha256":"","attributes":},"#;
    const DIGEST_LEN: u64 = 64;
    let described = json_len(&object.key).saturating_add(json_len(&object.attributes));
    described.saturating_add(REST.len() as u64 + DIGEST_LEN + REFERENCE_LEN)
}

/// Bytes of something as JSON, without writing it anywhere.
fn json_len(value: &impl Serialize) -> u64 {
    struct Count(u64);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len() as u64);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).map_or(u64::MAX, |()| count.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_takes_no_more_of_the_manifest_than_was_reckoned() {
        let attributes = Attributes {
            content_type: Some("text/\"plain\"".to_owned()),
            metadata: [("a".to_owned(), "\u{1}\u{e9}\t".to_owned())].into(),
            ..Attributes::default()
        };
        for (key, attributes) in [("a", Attributes::default()), ("b/\n\"\u{2028}", attributes)] {
            let new = NewObject { key: ObjectKey::new(key).unwrap(), attributes };
            let NewObject { key, attributes } = new.clone();
            let line = Object { key, size: OBJECT_LEN_MAX, sha256: [0xff; 32], attributes };
            // One more for the comma after it.
            let written = serde_json::to_vec(&line).unwrap().len() as u64 + 1;
            assert_eq!(line_len(&new), written + REFERENCE_LEN);
        }
    }
}
