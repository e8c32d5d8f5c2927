//! Why the store did not do something.

use fastness_decide::About;
use fastness_operation::Code;

/// What the store answers when it does not do what was permitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// What is there, or is not there, forbids it; nothing was changed.
    #[error("{}: {message}", code.as_str())]
    Refused {
        /// AWS's code.
        code: Code,
        /// A text for the caller.
        message: String,
        /// The version that it is about, if it is one in the view.
        about: Option<Box<About>>,
    },
    /// A policy withholds it from the caller; nothing was changed.
    #[error("AccessDenied: {0}")]
    Withheld(String),
    /// The disk, or a damaged file: nothing was changed, the caller is told no more than that.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl Fault {
    /// A refusal without more.
    #[must_use]
    pub fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into(), about: None }
    }

    /// The same refusal, with the version that it is about.
    pub(crate) fn with(self, version: About) -> Self {
        match self {
            Self::Refused { code, message, .. } => Self::Refused { code, message, about: Some(Box::new(version)) },
            other @ (Self::Failed(_) | Self::Withheld(_)) => other,
        }
    }

    /// A failure with its context.
    pub(crate) fn failed(context: &str, error: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{context}: {error}"))
    }

    /// The permit names another operation than the one called: a defect of ours, refused.
    pub(crate) fn mismatch() -> Self {
        Self::Failed("the permit is for another operation".to_owned())
    }
}

/// An error with what lies behind it.
pub(crate) struct CauseOf<'e>(pub(crate) &'e dyn std::error::Error);

impl std::fmt::Display for CauseOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Failed(format!("catalog: {error}"))
            }
        })*
    };
}

from_redb!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::DatabaseError);

pub(crate) fn no_such_bucket() -> Fault {
    Fault::refused(Code::NoSuchBucket, "The specified bucket does not exist")
}

pub(crate) fn no_such_key() -> Fault {
    Fault::refused(Code::NoSuchKey, "The specified key does not exist.")
}

pub(crate) fn no_such_upload() -> Fault {
    Fault::refused(
        Code::NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    )
}
