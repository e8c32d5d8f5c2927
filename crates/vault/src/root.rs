//! Where the root key is kept.

use crate::{
    RootKey, VaultError,
    cipher::{KEY_LEN, Secret},
};
use aws_lc_rs::{digest, rand};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"FASTROOT";
const VERSION: u32 = 1;
const CHECKSUM_LEN: usize = 32;
const FILE_LEN: usize = MAGIC.len() + 4 + KEY_LEN + CHECKSUM_LEN;
/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Keeps the root key: today in a file, tomorrow behind a passphrase, in a TPM or an HSM.
pub trait RootSeal {
    /// The key, or nothing when none was stored yet.
    ///
    /// # Errors
    /// When there is a key that cannot be used; that must never be answered with a new one.
    fn load(&self) -> Result<Option<RootKey>, VaultError>;

    /// Stores the first key, durably before it returns.
    ///
    /// # Errors
    /// When there is a key already, or it cannot be stored.
    fn store(&self, key: &RootKey) -> Result<(), VaultError>;

    /// One sentence for the start-up: where the key lies, and who can take it.
    fn describe(&self) -> String;
}

/// The root key in a file that its owner alone may read.
#[derive(Debug, Clone)]
pub struct FileSeal {
    path: PathBuf,
}

impl FileSeal {
    /// The key in the file at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn io(&self, action: &'static str) -> impl FnOnce(io::Error) -> VaultError + use<> {
        let path = self.path.clone();
        move |source| VaultError::Io { action, path, source }
    }

    fn unusable(&self, reason: impl Into<String>) -> VaultError {
        VaultError::RootKeyUnusable { path: self.path.clone(), reason: reason.into() }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Writes the whole file under another name and gives it its own with `link`, which fails where
    /// `rename` would overwrite: a crash leaves a whole key or none, and of two starters one wins.
    fn publish(&self, temporary: &Path, bytes: &[u8]) -> Result<(), VaultError> {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary).map_err(self.io("create"))?;
        file.write_all(bytes).map_err(self.io("write"))?;
        file.sync_all().map_err(self.io("sync"))?;
        fs::hard_link(temporary, &self.path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => VaultError::RootKeyExists { path: self.path.clone() },
            _ => self.io("link")(error),
        })
    }
}

impl RootSeal for FileSeal {
    fn load(&self) -> Result<Option<RootKey>, VaultError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io("open")(error)),
        };
        // Of the opened file, not of the path: the path may be exchanged in between.
        let metadata = file.metadata().map_err(self.io("inspect"))?;
        if !metadata.is_file() {
            return Err(self.unusable("it is not a file"));
        }
        if metadata.mode() & OTHERS != 0 {
            return Err(VaultError::RootKeyExposed { path: self.path.clone(), mode: metadata.mode() & 0o777 });
        }
        if metadata.len() != FILE_LEN as u64 {
            let length = metadata.len();
            return Err(self.unusable(format!("it has {length} bytes, expected {FILE_LEN}")));
        }
        let mut bytes = Zeroizing::new([0; FILE_LEN]);
        file.read_exact(bytes.as_mut_slice()).map_err(self.io("read"))?;
        decode(&bytes).map(Some).map_err(|reason| self.unusable(reason))
    }

    fn store(&self, key: &RootKey) -> Result<(), VaultError> {
        let mut suffix = [0; 8];
        rand::fill(&mut suffix).map_err(|_| VaultError::Random)?;
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(format!(".{}.new", hex::encode(suffix)));
        let temporary = PathBuf::from(temporary);

        let published = self.publish(&temporary, encode(key).as_slice());
        // Also after a failure, so that no second copy of a key stays behind.
        let removed = fs::remove_file(&temporary).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        published?;
        removed.map_err(self.io("remove the temporary copy of"))?;
        File::open(self.folder()).and_then(|folder| folder.sync_all()).map_err(self.io("sync the folder of"))
    }

    fn describe(&self) -> String {
        format!("the root key lies beside the data in `{}`: whoever takes the disk takes the key", self.path.display())
    }
}

fn encode(key: &RootKey) -> Zeroizing<Vec<u8>> {
    // Room for all of it from the start: growing would leave a copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(key.expose());
    let checksum = digest::digest(&digest::SHA256, &bytes);
    bytes.extend_from_slice(checksum.as_ref());
    bytes
}

fn decode(bytes: &[u8; FILE_LEN]) -> Result<RootKey, String> {
    let torn = || "it is too short".to_string();
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or_else(torn)?;
    let (magic, rest) = body.split_first_chunk::<8>().ok_or_else(torn)?;
    let (version, secret) = rest.split_first_chunk::<4>().ok_or_else(torn)?;
    if magic != MAGIC {
        return Err("it does not begin with `FASTROOT`".into());
    }
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(format!("it has format version {version}, this program reads {VERSION}"));
    }
    if digest::digest(&digest::SHA256, body).as_ref() != checksum {
        return Err("its checksum does not match".into());
    }
    let mut key = Secret::zero();
    key.bytes_mut().copy_from_slice(secret);
    Ok(RootKey::from_bytes(key.bytes()))
}
