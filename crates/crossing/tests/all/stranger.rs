//! A bundle as somebody else would write it, who has read `docs/formats/bundle.md` and not this crate: so that what the
//! crate itself never writes can be put before its reader, signed and sealed as if it were good.

use crate::support::{HIGH, LOW, NOW_MS, object, outline, regions, root, verdict};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_crossing::{Errand, Manifest, Object};
use fastness_ledger::SigningKeys;
use fastness_vault::{FRAME_LEN, FramePlace, TAG_LEN};

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// The signing keys of a region, as docs/formats/bundle.md makes them.
pub fn signing_keys(root_byte: u8) -> SigningKeys {
    let seed = |purpose| *root(root_byte).seed(purpose).unwrap();
    SigningKeys::from_seeds(&seed("crossing Ed25519"), &seed("crossing ML-DSA-65")).unwrap()
}

/// A manifest that is right, for these objects.
pub fn manifest(errand: Errand, marking: &str, contents: &[(&str, &[u8])]) -> Manifest {
    let policy = &regions().policy;
    let outline = outline(errand, marking);
    let objects = contents.iter().map(|(key, content)| Object {
        key: object(key).key,
        size: content.len() as u64,
        sha256: sha256(content),
        attributes: object(key).attributes,
    });
    let mut manifest = Manifest {
        format: 1,
        id: outline.id,
        origin: regions().low.region().clone(),
        destination: regions().high.region().clone(),
        made_ms: outline.made_ms,
        errand: outline.errand,
        policy: "us".to_owned(),
        label: policy.banner(outline.label),
        label_xml: String::new(),
        objects: objects.collect(),
    };
    manifest.label_xml = xml(&manifest, "2026-03-01T12:00:00.000Z");
    manifest
}

/// The label's XML of a manifest.
pub fn xml(manifest: &Manifest, made: &str) -> String {
    let policy = &regions().policy;
    let encode = |digest| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    let references = manifest.objects.iter().map(|object| format!("ni:///sha-256;{}", encode(object.sha256)));
    policy.binding(policy.label(&manifest.label).unwrap(), made, references)
}

/// Everything of a bundle that can be wrong.
pub struct Stranger {
    pub magic: Vec<u8>,
    pub origin: &'static str,
    pub destination: &'static str,
    pub sealed_for: u8,
    pub signed_by: u8,
    /// The objects, one after the other.
    pub objects: Vec<u8>,
    pub json: Vec<u8>,
    pub padding: u8,
    /// The stream's length; nothing for the right one, of a stream below 64 KiB.
    pub plain_len: Option<usize>,
    pub index: Option<(u64, u64)>,
    pub manifest_sha256: Option<[u8; 32]>,
    pub number: u64,
    pub end_of_head: u8,
    pub note_text: fn(String) -> String,
    pub note: fn(String) -> String,
}

impl Stranger {
    /// A good one, from low to high.
    pub fn new(manifest: &Manifest, contents: &[(&str, &[u8])]) -> Self {
        Self::of_json(serde_json::to_vec(manifest).unwrap(), contents)
    }

    pub fn of_json(json: Vec<u8>, contents: &[(&str, &[u8])]) -> Self {
        Self {
            magic: b"fastness bundle 1".to_vec(),
            origin: LOW,
            destination: HIGH,
            sealed_for: 2,
            signed_by: 1,
            objects: contents.iter().flat_map(|(_, content)| content.to_vec()).collect(),
            json,
            padding: 0,
            plain_len: None,
            index: None,
            manifest_sha256: None,
            number: 1,
            end_of_head: 0,
            note_text: |text| text,
            note: |note| note,
        }
    }

    pub fn bundle(&self) -> Vec<u8> {
        let field = |bytes: &[u8], width| [bytes, &vec![0; width - bytes.len()]].concat();
        let sealer = fastness_vault::RegionOpener::of(&root(self.sealed_for)).unwrap().sealer().clone();
        let info = [
            field(&self.magic, 64),
            field(self.destination.as_bytes(), 64),
            field(self.origin.as_bytes(), 64),
            sealer.id().to_vec(),
        ]
        .concat();
        let (encapsulated, key) = sealer.seal(&info).unwrap();

        let plain_len = self.plain_len.unwrap_or((self.objects.len() + self.json.len()).max(FRAME_LEN));
        let offset = plain_len - self.json.len();
        let zeros = vec![self.padding; offset - self.objects.len()];
        let plain = [self.objects.as_slice(), &zeros, &self.json].concat();
        let cipher = key.frames().unwrap();
        let mut frames = Vec::new();
        let count = plain.len().div_ceil(FRAME_LEN);
        for (index, frame) in plain.chunks(FRAME_LEN).enumerate() {
            let place = match index + 1 == count {
                true => FramePlace::Last { index: index as u64, length: plain.len() as u64 },
                false => FramePlace::Middle { index: index as u64 },
            };
            let mut sealed = [frame, &[0; TAG_LEN]].concat();
            cipher.seal_in_place(place, &mut sealed).unwrap();
            frames.extend_from_slice(&sealed);
        }

        let (offset, length) = self.index.unwrap_or((offset as u64, self.json.len() as u64));
        let index = key.seal_small(&[offset.to_be_bytes(), length.to_be_bytes()].concat()).unwrap();
        let file_len = (2_048 + 8_192 + frames.len()) as u64;
        let mut head = [
            info,
            encapsulated.to_vec(),
            file_len.to_be_bytes().to_vec(),
            self.manifest_sha256.unwrap_or(sha256(&self.json)).to_vec(),
            index,
            self.number.to_be_bytes().to_vec(),
        ]
        .concat();
        assert_eq!(head.len(), 1_412);
        head.resize(2_048, 0);
        head[2_047] = self.end_of_head;

        let name = format!("fastness/{}/crossing", self.origin);
        let text = format!(
            "{name}\nbundle 1\nto {}\nnumber {}\nlength {file_len}\nhead {}\n",
            self.destination,
            self.number,
            STANDARD.encode(sha256(&head))
        );
        let note = signing_keys(self.signed_by).sign(&name, (self.note_text)(text)).unwrap().to_string();
        [head, field((self.note)(note).as_bytes(), 8_192), frames].concat()
    }
}

#[test]
fn what_a_stranger_writes_is_read() {
    let contents: [(&str, &[u8]); 3] = [("a", b"one"), ("b", b""), ("c/d", &[7; 70_000])];
    let manifest = manifest(crate::support::lift(), "SECRET//REL TO USA, GBR", &contents);
    let mut stranger = Stranger::new(&manifest, &contents);
    // Padmé's step above 2^16 is 2^11.
    stranger.plain_len = Some((stranger.objects.len() + stranger.json.len()).next_multiple_of(2_048));
    let bundle = stranger.bundle();
    let mut reader = crate::support::open_at(&bundle, NOW_MS).unwrap();
    assert_eq!(*reader.manifest(), manifest);
    for (place, (_, content)) in contents.iter().enumerate() {
        let mut read = Vec::new();
        reader.object(place, &mut read).unwrap();
        assert_eq!(read, *content);
    }
    assert_eq!(verdict(&bundle), "good");
}
