//! The closed list of content types that the guard can read.

use serde::{Deserialize, Serialize};

/// A type of data that the guard knows (AC-4, enhancement 14: fully enumerated formats).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentType {
    /// `text/plain`, in UTF-8.
    Text,
    /// `application/json` (RFC 8259).
    Json,
    /// `application/xml` or `text/xml` (XML 1.0).
    Xml,
    /// `text/csv` (RFC 4180).
    Csv,
    /// `image/png`.
    Png,
    /// `image/jpeg`.
    Jpeg,
    /// `application/zip`.
    Zip,
    /// `application/x-tar`.
    Tar,
    /// `application/gzip` (RFC 1952), one member.
    Gzip,
    /// `application/pdf`: known in order to be refused.
    Pdf,
    /// Office Open XML and what came before it: known in order to be refused.
    Office,
}

/// Names, the first of which is the one that is written; then endings of file names.
type Row = (ContentType, &'static [&'static str], &'static [&'static str]);

const TABLE: &[Row] = &[
    (ContentType::Text, &["text/plain", "text/markdown"], &["txt", "md", "log"]),
    (ContentType::Json, &["application/json"], &["json"]),
    (ContentType::Xml, &["application/xml", "text/xml"], &["xml"]),
    (ContentType::Csv, &["text/csv"], &["csv"]),
    (ContentType::Png, &["image/png"], &["png"]),
    (ContentType::Jpeg, &["image/jpeg"], &["jpg", "jpeg"]),
    (ContentType::Zip, &["application/zip", "application/x-zip-compressed"], &["zip"]),
    (ContentType::Tar, &["application/x-tar"], &["tar"]),
    (ContentType::Gzip, &["application/gzip", "application/x-gzip"], &["gz", "tgz"]),
    (ContentType::Pdf, &["application/pdf"], &["pdf"]),
    (ContentType::Office, OFFICE, &["docx", "xlsx", "pptx", "docm", "xlsm", "pptm", "doc", "xls", "ppt", "rtf", "odt"]),
];

const OFFICE: &[&str] = &[
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/rtf",
];

impl ContentType {
    /// Every type.
    pub const ALL: [ContentType; 11] = [
        ContentType::Text,
        ContentType::Json,
        ContentType::Xml,
        ContentType::Csv,
        ContentType::Png,
        ContentType::Jpeg,
        ContentType::Zip,
        ContentType::Tar,
        ContentType::Gzip,
        ContentType::Pdf,
        ContentType::Office,
    ];

    /// The type of a media type (RFC 6838) such as `text/plain; charset=utf-8`. Another character set than UTF-8, and any
    /// other parameter, is unknown.
    #[must_use]
    pub fn of_media_type(text: &str) -> Option<ContentType> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let is_utf8 = |parameter: &str| {
            let parameter = parameter.to_ascii_lowercase().replace('"', "");
            matches!(parameter.as_str(), "charset=utf-8" | "charset=us-ascii")
        };
        if !parts.all(is_utf8) {
            return None;
        }
        TABLE.iter().find(|(_, names, _)| names.contains(&name.as_str())).map(|(own, _, _)| *own)
    }

    /// The type that a name's ending claims, for what lies in an archive.
    #[must_use]
    pub fn of_name(name: &str) -> Option<ContentType> {
        let ending = name.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
        TABLE.iter().find(|(_, _, endings)| endings.contains(&ending.as_str())).map(|(own, _, _)| *own)
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        let names = TABLE.iter().find(|(own, _, _)| *own == self).map(|(_, names, _)| *names);
        names.and_then(|names| names.first().copied()).unwrap_or_default()
    }

    /// The filters of this type, in the order of the pipeline.
    pub(crate) fn filters(self) -> Filters {
        match self {
            ContentType::Text => Filters::Content(["text-rewrite", "text-check"]),
            ContentType::Json => Filters::Content(["json-rewrite", "json-check"]),
            ContentType::Xml => Filters::Content(["xml-rewrite", "xml-check"]),
            ContentType::Csv => Filters::Content(["csv-rewrite", "csv-check"]),
            ContentType::Png => Filters::Content(["png-rewrite", "png-check"]),
            ContentType::Jpeg => Filters::Content(["jpeg-rewrite", "jpeg-check"]),
            ContentType::Zip => Filters::Archive(["zip-open", "zip-rewrite", "zip-check"]),
            ContentType::Tar => Filters::Archive(["tar-open", "tar-rewrite", "tar-check"]),
            ContentType::Gzip => Filters::Archive(["gzip-open", "gzip-rewrite", "gzip-check"]),
            ContentType::Pdf | ContentType::Office => Filters::None,
        }
    }
}

/// How a type is filtered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Filters {
    /// The first writes the content anew, the second compares.
    Content([&'static str; 2]),
    /// The first opens, the second writes anew what became of the entries, the third compares.
    Archive([&'static str; 3]),
    /// Nothing of this type is let through.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_with_the_one_character_set_that_is_known() {
        assert_eq!(ContentType::of_media_type("text/plain"), Some(ContentType::Text));
        assert_eq!(ContentType::of_media_type("Text/Plain; charset=\"UTF-8\""), Some(ContentType::Text));
        assert_eq!(ContentType::of_media_type("text/plain; charset=utf-7"), None);
        assert_eq!(ContentType::of_media_type("text/plain; name=a"), None);
        assert_eq!(ContentType::of_media_type("text/html"), None);
    }

    #[test]
    fn every_type_stands_in_the_table_under_its_own_name() {
        for own in ContentType::ALL {
            assert_eq!(ContentType::of_media_type(own.media_type()), Some(own));
        }
    }

    #[test]
    fn a_name_claims_by_its_last_ending() {
        assert_eq!(ContentType::of_name("a/b.tar.GZ"), Some(ContentType::Gzip));
        assert_eq!(ContentType::of_name("a.json/b"), None);
        assert_eq!(ContentType::of_name("plain"), None);
    }
}
