//! What a request becomes: an operation, or the reason why it is none.

use fastness_operation::Operation;

/// The services of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Identity and Access Management.
    Iam,
    /// The Security Token Service.
    Sts,
    /// Fastness's own.
    Fastness,
}

impl Service {
    /// The service with this name in a signature's scope.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "iam" => Self::Iam,
            "sts" => Self::Sts,
            "fastness" => Self::Fastness,
            _ => return None,
        })
    }

    /// Its name in a signature's scope.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Fastness => "fastness",
        }
    }

    /// The version of its API, as botocore's service model has it.
    pub(crate) const fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
            Self::Fastness => "2026-01-01",
        }
    }

    /// The namespace of its XML.
    pub(crate) const fn namespace(self) -> &'static str {
        match self {
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Iam | Self::Fastness => "https://iam.amazonaws.com/doc/2010-05-08/",
        }
    }
}

/// An operation, and which page of its answer the caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// For lists that the directory gives whole: they are cut into pages when they are rendered.
    pub(crate) page: Option<Page>,
}

impl From<Operation> for Call {
    fn from(operation: Operation) -> Self {
        Self { operation, page: None }
    }
}

/// A page of a list: what comes after the marker, at most so many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) after: Option<String>,
    pub(crate) limit: u16,
}

impl Page {
    /// The page's items of a list that is ordered by `key`, and the next page's marker if there are more.
    pub(crate) fn of<T>(page: Option<&Self>, items: Vec<T>, key: fn(&T) -> &str) -> (Vec<T>, Option<String>) {
        let Some(page) = page else { return (items, None) };
        let limit = usize::from(page.limit);
        let after = |item: &T| page.after.as_deref().is_none_or(|after| key(item) > after);
        let mut found: Vec<T> = items.into_iter().filter(after).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let marker = found.last().filter(|_| more).map(|item| key(item).to_owned());
        (found, marker)
    }
}

/// A request that is no operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// AWS's code.
    pub(crate) code: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The text for the caller.
    pub(crate) message: String,
    /// What was asked for, for the ledger.
    pub(crate) what: String,
}

impl Malformed {
    /// A refusal with status 400.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: 400, message: message.into(), what: String::new() }
    }

    /// The same, with what was asked for.
    pub(crate) fn of(self, what: &str) -> Self {
        Self { what: shortened(what), ..self }
    }
}

/// At most 128 characters of a caller's text, for a message or a record.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(128).collect()
}
