use std::{io, path::PathBuf};

/// Why a key or a sealed text was not given out.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The authentication tag does not match, so nothing was opened.
    #[error("the sealed {what} is damaged, or belongs to another key or place")]
    Refused {
        /// What was to be opened.
        what: &'static str,
    },
    /// The operating system gave no random bytes, so nothing was sealed.
    #[error("the random source failed")]
    Random,
    /// The cipher refused its arguments: a length that cannot be sealed.
    #[error("the cipher refused to seal {length} bytes")]
    Unsealable {
        /// Length of the text to be sealed.
        length: usize,
    },
    /// The root key's file could not be read or written.
    #[error("cannot {action} the root key's file `{}`", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is a root key already; overwriting it would lose everything below it.
    #[error("a root key exists already at `{}`", path.display())]
    RootKeyExists {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may open the root key's file.
    #[error("the root key's file `{}` is open to others (mode {mode:03o}); expected 600", path.display())]
    RootKeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not one of ours, or its contents changed.
    #[error("`{}` holds no usable root key: {reason}", path.display())]
    RootKeyUnusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
