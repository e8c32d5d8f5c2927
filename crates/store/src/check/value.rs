//! One value, read from its first sealed byte to its last.

use crate::blob::BlobReader;
use crate::disk::DiskFile;
use crate::erasure::ErasureKeys;
use crate::records::{Piece, Place};
use std::fmt;
use std::sync::Arc;

/// Plain bytes opened at once.
const STEP_LEN: usize = 512 * 1024;

/// What sealing adds to a small value: nonce and tag.
const SMALL_OVERHEAD: u64 = 28;

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Its key does not open.
    Key(String),
    /// Its sealed bytes are not there.
    Missing(&'static str),
    /// They are there, and do not open.
    Content(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(reason) => write!(f, "its key cannot be unwrapped ({reason})"),
            Self::Missing(what) => f.write_str(what),
            Self::Content(reason) => write!(f, "its bytes are damaged ({reason})"),
        }
    }
}

/// A value's file, if it is there.
type Found = Result<Option<Arc<dyn DiskFile>>, String>;

/// Where values lie.
pub(crate) struct Values<'a> {
    /// The partition's erasure keys.
    pub(crate) erasure: &'a ErasureKeys,
    /// The sealed bytes of a small value.
    pub(crate) inline: &'a dyn Fn(u64) -> Result<Option<Vec<u8>>, String>,
    /// The file of a large one.
    pub(crate) open: &'a dyn Fn(&[u8; 16]) -> Found,
}

impl Values<'_> {
    /// Reads the whole value; `step` hears of its plain bytes, and says whether to go on. What is sealed under its
    /// caller's key, too, cannot be opened here: that it is there, with the right length, is all that can be said.
    pub(crate) fn verify(
        &self,
        piece: &Piece,
        callers_key: bool,
        step: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Damage> {
        let key = self.erasure.value_key(piece).map_err(|fault| Damage::Key(fault.to_string()))?;
        let key = key.ok_or_else(|| Damage::Key("its erasure key is gone".to_owned()))?;
        match piece.place {
            Place::Inline(number) => {
                let sealed = (self.inline)(number).map_err(Damage::Content)?;
                let sealed = sealed.ok_or(Damage::Missing("its row in the catalog is missing"))?;
                if callers_key {
                    let fits = sealed.len() as u64 == piece.size + SMALL_OVERHEAD;
                    return if fits { Ok(()) } else { Err(Damage::Content("it has another length".to_owned())) };
                }
                let plain = key.open_small(&sealed).map_err(|error| Damage::Content(error.to_string()))?;
                if plain.len() as u64 != piece.size {
                    return Err(Damage::Content(format!("{} bytes instead of {}", plain.len(), piece.size)));
                }
                step(piece.size);
            }
            Place::Blob(id) => {
                let file = (self.open)(&id).map_err(Damage::Content)?;
                let file = file.ok_or(Damage::Missing("its file is missing"))?;
                let failed = |error: std::io::Error| Damage::Content(error.to_string());
                let reader = BlobReader::new(file, &key, piece.size).map_err(failed)?;
                if callers_key {
                    return Ok(());
                }
                let (mut offset, mut out) = (0, Vec::new());
                while offset < piece.size {
                    reader.read(offset, &mut out, STEP_LEN).map_err(failed)?;
                    offset += out.len() as u64;
                    if out.is_empty() || !step(out.len() as u64) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
