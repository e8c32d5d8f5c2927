//! Sealing for a region, through the public API; and against another implementation of all its parts.

use aws_lc_rs::{
    agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral},
    digest::{SHA3_256, digest},
    hmac,
    kem::{EncapsulationKey, ML_KEM_768},
    rand::SystemRandom,
};
use fastness_vault::{ENCAPSULATED_LEN, RegionOpener, RegionSealer, RootKey, SEALER_LEN, ValueKey, VaultError};

const INFO: &[u8] = b"what both sides know";

fn opener(byte: u8) -> RegionOpener {
    RegionOpener::of(&RootKey::from_bytes(&[byte; 32])).unwrap()
}

/// Two keys are known to be the same by what they open.
fn is_same(one: &ValueKey, other: &ValueKey) -> bool {
    other.open_small(&one.seal_small(b"plain").unwrap()).is_ok()
}

#[test]
fn the_region_makes_the_key_that_was_made_for_it() {
    let region = opener(1);
    let (encapsulated, key) = region.sealer().seal(INFO).unwrap();
    assert!(is_same(&key, &region.open(&encapsulated, INFO).unwrap()));
}

#[test]
fn each_sealing_makes_another_key() {
    let region = opener(1);
    let (one, key) = region.sealer().seal(INFO).unwrap();
    let (other, other_key) = region.sealer().seal(INFO).unwrap();
    assert_ne!(one, other);
    assert!(!is_same(&key, &other_key));
}

#[test]
fn another_region_other_info_and_any_changed_bit_make_other_keys() {
    let region = opener(1);
    let (encapsulated, key) = region.sealer().seal(INFO).unwrap();
    assert!(!is_same(&key, &opener(2).open(&encapsulated, INFO).unwrap()));
    assert!(!is_same(&key, &region.open(&encapsulated, b"what only one knows").unwrap()));
    assert!(!is_same(&key, &region.open(&encapsulated, b"").unwrap()));
    // The ends of both halves, and some places between; a whole pass would take a minute.
    for place in (0..ENCAPSULATED_LEN).step_by(97).chain([1087, 1088, 1118]) {
        let mut changed = encapsulated;
        changed[place] ^= 1;
        assert!(!is_same(&key, &region.open(&changed, INFO).unwrap()), "byte {place}");
    }
}

#[test]
fn the_key_of_a_region_comes_from_its_root_key() {
    let (one, again, other) = (opener(1), opener(1), opener(2));
    assert_eq!(one.sealer(), again.sealer());
    assert_eq!(one.sealer().id(), again.sealer().id());
    assert_ne!(one.sealer().id(), other.sealer().id());
}

#[test]
fn a_public_key_is_read_as_it_was_written_and_bad_ones_are_refused() {
    let sealer = opener(1).sealer().clone();
    let bytes = sealer.to_bytes();
    assert_eq!(bytes.len(), SEALER_LEN);
    assert_eq!(RegionSealer::parse(&bytes).unwrap(), sealer);
    let refused = |bytes: &[u8]| matches!(RegionSealer::parse(bytes), Err(VaultError::Refused { .. }));
    assert!(refused(b""));
    assert!(refused(&bytes[1..]));
    assert!(refused(&[bytes.as_slice(), &[0]].concat()));
    // Coefficients of ML-KEM's key beyond its modulus.
    assert!(refused(&[0xff; SEALER_LEN]));
}

#[test]
fn too_much_info_is_refused() {
    let region = opener(1);
    let info = vec![0; 1 << 16];
    assert!(matches!(region.sealer().seal(&info), Err(VaultError::Unsealable { .. })));
    assert!(matches!(region.open(&[0; ENCAPSULATED_LEN], &info), Err(VaultError::Unsealable { .. })));
}

#[test]
fn nothing_secret_is_printed() {
    let region = opener(1);
    assert_eq!(format!("{region:?}"), "RegionOpener(secret)");
    assert_eq!(format!("{:?}", region.sealer()), format!("RegionSealer({})", hex::encode(region.sealer().id())));
}

/// The other opinion: X-Wing and HPKE's key schedule out of aws-lc-rs' parts, as the drafts and RFC 9180 write them.
mod other {
    use super::*;

    fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat()).as_ref().to_vec()
    }

    /// RFC 9180, section 5.1: KEM 0x647A, KDF 0x0001, AEAD 0xFFFF.
    const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\xff\xff";

    /// RFC 9180, section 4: LabeledExtract.
    fn extract(salt: &[u8], label: &[u8], ikm: &[u8]) -> Vec<u8> {
        hmac_sha256(salt, &[b"HPKE-v1", SUITE, label, ikm])
    }

    /// RFC 9180, section 4: LabeledExpand, to 32 bytes; one block of HKDF-Expand (RFC 5869, section 2.3).
    fn expand(secret: &[u8], label: &[u8], info: &[u8]) -> Vec<u8> {
        hmac_sha256(secret, &[&[0, 32], b"HPKE-v1", SUITE, label, info, &[1]])
    }

    /// RFC 9180, sections 5.1 and 5.3: the base mode's exporter secret, and an export of it.
    fn export(shared: &[u8], info: &[u8], context: &[u8]) -> Vec<u8> {
        let hashes = [extract(b"", b"psk_id_hash", b""), extract(b"", b"info_hash", info)].concat();
        let schedule = [&[0], hashes.as_slice()].concat();
        let secret = extract(shared, b"secret", b"");
        expand(&expand(&secret, b"exp", &schedule), b"sec", context)
    }

    /// draft-connolly-cfrg-xwing-kem-10, section 5.4: what a sender makes for the holder of `public`.
    pub(crate) fn seal(public: &[u8], info: &[u8], context: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (lattice, curve) = public.split_at(1184);
        let (ciphertext, lattice_secret) = EncapsulationKey::new(&ML_KEM_768, lattice).unwrap().encapsulate().unwrap();
        let ephemeral = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
        let ephemeral_public = ephemeral.compute_public_key().unwrap().as_ref().to_vec();
        let peer = UnparsedPublicKey::new(&X25519, curve);
        let curve_secret = agree_ephemeral(ephemeral, peer, (), |secret| Ok(secret.to_vec())).unwrap();
        let parts = [lattice_secret.as_ref(), &curve_secret, &ephemeral_public, curve, br"\.//^\"];
        let shared = digest(&SHA3_256, &parts.concat());
        ([ciphertext.as_ref(), &ephemeral_public].concat(), export(shared.as_ref(), info, context))
    }
}

#[test]
fn what_a_sender_made_of_other_parts_seals_is_opened() {
    let region = opener(1);
    let (encapsulated, secret) = other::seal(&region.sealer().to_bytes(), INFO, b"fastness bundle 1");
    let key = region.open(encapsulated.as_slice().try_into().unwrap(), INFO).unwrap();
    // A small value as docs/formats/vault.md describes it, sealed with the exported bytes as the key.
    let cipher = aws_lc_rs::aead::UnboundKey::new(&aws_lc_rs::aead::AES_256_GCM, &secret).unwrap();
    let nonce = [0x80; 12];
    let mut sealed = b"plain".to_vec();
    aws_lc_rs::aead::LessSafeKey::new(cipher)
        .seal_in_place_append_tag(
            aws_lc_rs::aead::Nonce::assume_unique_for_key(nonce),
            aws_lc_rs::aead::Aad::from(b"small value"),
            &mut sealed,
        )
        .unwrap();
    assert_eq!(key.open_small(&[nonce.as_slice(), &sealed].concat()).unwrap(), b"plain");
}
