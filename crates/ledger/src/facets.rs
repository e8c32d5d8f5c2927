//! By what an entry is found: who, with which key, what was asked of which service, and about which resources. Names are
//! those of CloudTrail (its user guide, "CloudTrail record contents").

use crate::entry::Entry;
use crate::tree::Hash;
use std::borrow::Cow;

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A bucket.
    Bucket,
    /// An object: its name is that of its bucket, a slash, its key.
    Object,
    /// A user.
    User,
    /// An access key.
    AccessKey,
    /// An account of the region.
    Account,
    /// A label of the region.
    Label,
    /// A spill.
    Spill,
    /// A mapping of an account.
    Mapping,
    /// A lift.
    Lift,
    /// A release.
    Release,
    /// A bundle that crosses, by its id.
    Bundle,
}

impl Kind {
    /// The type's name: CloudFormation's where it has one, as in CloudTrail.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Bucket => "AWS::S3::Bucket",
            Self::Object => "AWS::S3::Object",
            Self::User => "AWS::IAM::User",
            Self::AccessKey => "AWS::IAM::AccessKey",
            Self::Account => "Fastness::Account",
            Self::Label => "Fastness::Label",
            Self::Spill => "Fastness::Spill",
            Self::Mapping => "Fastness::Mapping",
            Self::Lift => "Fastness::Lift",
            Self::Release => "Fastness::Release",
            Self::Bundle => "Fastness::Bundle",
        }
    }
}

/// One resource that an entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched<'a> {
    /// Whether it was to be changed.
    pub writes: bool,
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Cow<'a, str>,
    /// The version that was named, of an object.
    pub version: Option<&'a str>,
}

impl Touched<'_> {
    /// The bucket of a bucket or an object.
    #[must_use]
    pub fn bucket(&self) -> Option<&str> {
        match self.kind {
            Kind::Bucket => Some(&self.name),
            Kind::Object => self.name.split_once('/').map(|(bucket, _)| bucket),
            _ => None,
        }
    }

    /// The key of an object.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        let name = (self.kind == Kind::Object).then_some(self.name.as_ref())?;
        name.split_once('/').map(|(_, key)| key)
    }
}

/// What an entry is found by.
#[derive(Debug)]
pub(crate) struct Facets<'a, S> {
    pub(crate) service: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) resources: &'a [S],
}

impl<'a, S: AsRef<str>> Facets<'a, S> {
    pub(crate) fn user_name(&self) -> &'a str {
        match self.principal.strip_prefix("user/") {
            Some(path) => path.rsplit('/').next().unwrap_or(path),
            None => self.principal,
        }
    }

    pub(crate) const fn event_name(&self) -> &'a str {
        if self.operation.is_empty() { "Unrecognized" } else { self.operation }
    }

    pub(crate) fn event_source(&self) -> &'static str {
        match self.service {
            "s3" => "s3.amazonaws.com",
            "iam" => "iam.amazonaws.com",
            "sts" => "sts.amazonaws.com",
            "cloudtrail" => "cloudtrail.amazonaws.com",
            _ => "fastness",
        }
    }

    pub(crate) fn touched(self) -> impl Iterator<Item = Touched<'a>> {
        let known = !self.operation.is_empty();
        self.resources.iter().filter(move |_| known).filter_map(move |line| self.touched_by(line.as_ref()))
    }

    fn touched_by(&self, line: &'a str) -> Option<Touched<'a>> {
        let (writes, rest) = match line.split_once(' ')? {
            ("read", rest) => (false, rest),
            ("write", rest) => (true, rest),
            _ => return None,
        };
        let operation = self.operation;
        if self.service == "s3" || matches!(operation, "ContainSpill" | "Scrub") || crosses_objects(operation, writes) {
            return (operation != "ListBuckets").then(|| object(operation, writes, rest));
        }
        let named = |kind, name: &'a str| Touched { writes, kind, name: Cow::Borrowed(name), version: None };
        let word = |text: &'a str| text.split(' ').next().unwrap_or(text);
        if rest == "own user" {
            return Some(named(Kind::User, self.user_name()));
        }
        if let Some(label) = rest.strip_prefix("label ") {
            return Some(named(Kind::Label, label));
        }
        let (kind, name) = rest.split_once('/')?;
        Some(match kind {
            "user" => named(Kind::User, word(name)),
            "key" => named(Kind::AccessKey, word(name)),
            "account" => named(Kind::Account, word(name)),
            "spill" => named(Kind::Spill, word(name)),
            "mapping" => named(Kind::Mapping, word(name)),
            "lift" => named(Kind::Lift, word(name)),
            "release" => named(Kind::Release, word(name)),
            // In front of the id, the region on its other side.
            "bundle" => named(Kind::Bundle, word(name.split_once('/').map_or(name, |(_, id)| id))),
            _ => return None,
        })
    }
}

impl Entry {
    const fn facets(&self) -> Facets<'_, String> {
        Facets {
            service: self.service.as_str(),
            operation: self.operation.as_str(),
            principal: self.principal.as_str(),
            resources: self.resources.as_slice(),
        }
    }

    /// The user's name, `operator`, `region`, or nothing when nobody was known.
    #[must_use]
    pub fn user_name(&self) -> &str {
        self.facets().user_name()
    }

    /// The operation's name; of what became no operation, a word for that.
    #[must_use]
    pub fn event_name(&self) -> &str {
        self.facets().event_name()
    }

    /// The service; `fastness` where it is none of AWS's.
    #[must_use]
    pub fn event_source(&self) -> &'static str {
        self.facets().event_source()
    }

    /// Whether nothing was to be changed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let reads = |line: &String| line.starts_with("read ");
        !self.operation.is_empty() && !self.resources.is_empty() && self.resources.iter().all(reads)
    }

    /// Whether it is about objects or uploads, or lists them: what CloudTrail calls a data event of S3.
    #[must_use]
    pub fn is_data_event(&self) -> bool {
        let name = self.operation.as_str();
        let of_objects = ["Object", "Part", "MultipartUpload"].iter().any(|part| name.contains(part));
        self.service == "s3" && (name == "HeadBucket" || of_objects && !name.contains("ObjectLockConfiguration"))
    }

    /// The resources, as far as they have names.
    pub fn touched(&self) -> impl Iterator<Item = Touched<'_>> {
        self.facets().touched()
    }
}

/// Whether the lines that a crossing's entry reads, or writes, are those of buckets and objects: a bucket may be called
/// `bundle`.
fn crosses_objects(operation: &str, writes: bool) -> bool {
    match operation {
        "SendObjects" | "StartLift" | "WalkLift" | "RequestRelease" | "ReviewRelease" => !writes,
        "ReceiveObjects" => writes,
        _ => false,
    }
}

/// A bucket or an object, without what the entry says of the request behind its name.
fn object<'a>(operation: &str, writes: bool, text: &'a str) -> Touched<'a> {
    // Within a key, what could be taken for a version's name is percent-encoded.
    let (name, version) = match text.split_once("?versionId=") {
        Some((name, rest)) => (name, rest.split(' ').next()),
        None => (said_of(operation, text), None),
    };
    let kind = if name.contains('/') { Kind::Object } else { Kind::Bucket };
    let name = match name.contains('%') {
        true => Cow::Owned(name.replace("%3F", "?").replace("%25", "%")),
        false => Cow::Borrowed(name),
    };
    Touched { writes, kind, name, version }
}

/// The name in front of what the entry says of the request.
fn said_of<'a>(operation: &str, text: &'a str) -> &'a str {
    let bare = || text.strip_suffix(" bypass-governance").unwrap_or(text);
    let before = |text: &'a str, what: &str| text.rsplit_once(what).map_or(text, |(name, _)| name);
    match operation {
        "DeleteObject" | "DeleteObjects" => bare(),
        "PutObjectRetention" => before(bare(), " retention="),
        "PutObjectLegalHold" => before(text, " legal-hold="),
        _ => text,
    }
}

/// The event's id: a UUID of version 8 (RFC 9562, section 5.8) of the first 16 bytes of the entry's commitment. Whoever
/// has the commitment can tell that it is this entry's.
#[must_use]
pub fn event_id(commitment: &Hash) -> String {
    let mut id = [0; 16];
    id.copy_from_slice(commitment.split_at(16).0);
    let number = u128::from_be_bytes(id);
    let number = (number & !(0xf << 76) & !(0b11 << 62)) | (8 << 76) | (0b10 << 62);
    let hex = format!("{number:032x}");
    let mut text = String::with_capacity(36);
    for (place, digit) in hex.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::entry;

    fn touched(service: &str, operation: &str, line: &str) -> Option<(bool, Kind, String, Option<String>)> {
        let (service, operation) = (service.to_owned(), operation.to_owned());
        let entry = Entry { service, operation, resources: vec![line.to_owned()], ..entry() };
        let found = entry.touched().next();
        found.map(|one| (one.writes, one.kind, one.name.into_owned(), one.version.map(str::to_owned)))
    }

    #[test]
    fn resources_are_read_out_of_what_is_recorded() {
        let check = |operation: &str, line: &str, kind, name: &str, version: Option<&str>| {
            let service = match operation {
                "ContainSpill" | "Scrub" | "AddOfficer" | "CreateKeyAt" | "EraseSpill" => "fastness",
                "PutMapping" | "SendObjects" | "ReceiveObjects" | "StopLift" | "ApproveRelease" => "fastness",
                "TakeBackBundle" => "fastness",
                "RequestRelease" | "ReviewRelease" => "fastness",
                "TagUser" | "GetUser" | "UpdateAccessKey" => "iam",
                _ => "s3",
            };
            let found = touched(service, operation, line).unwrap();
            assert_eq!(
                found,
                (line.starts_with("write"), kind, name.to_owned(), version.map(str::to_owned)),
                "{operation} {line}"
            );
        };
        check("GetObject", "read b/k", Kind::Object, "b/k", None);
        check("GetObject", "read b/k?versionId=v", Kind::Object, "b/k", Some("v"));
        check("GetObject", "read b/50%25 of a%3F b", Kind::Object, "b/50% of a? b", None);
        check("GetObject", "read b/%253F", Kind::Object, "b/%3F", None);
        check("HeadBucket", "read buckets", Kind::Bucket, "buckets", None);
        check("DeleteObject", "write b/k?versionId=v bypass-governance", Kind::Object, "b/k", Some("v"));
        check("DeleteObject", "write b/a k bypass-governance", Kind::Object, "b/a k", None);
        check("PutObjectRetention", "write b/a k retention=none bypass-governance", Kind::Object, "b/a k", None);
        check("PutObjectLegalHold", "write b/k legal-hold=true", Kind::Object, "b/k", None);
        check("PutObject", "write b/k legal-hold=true", Kind::Object, "b/k legal-hold=true", None);
        check("ContainSpill", "write user/k", Kind::Object, "user/k", None);
        check("Scrub", "read b/k?versionId=v", Kind::Object, "b/k", Some("v"));
        check("TagUser", r#"write user/ann "clearance"="SECRET""#, Kind::User, "ann", None);
        check("GetUser", "read own user", Kind::User, "ann", None);
        check("UpdateAccessKey", "write key/AKIA active=true", Kind::AccessKey, "AKIA", None);
        check("AddOfficer", "write account/123456789012", Kind::Account, "123456789012", None);
        check("CreateKeyAt", "write label SECRET//REL TO USA, GBR", Kind::Label, "SECRET//REL TO USA, GBR", None);
        check("EraseSpill", "write spill/0a digest=ff", Kind::Spill, "0a", None);
        check("PutMapping", "write mapping/plans send lift plans there/1/plans", Kind::Mapping, "plans", None);
        check("SendObjects", "read bundle/k?versionId=v", Kind::Object, "bundle/k", Some("v"));
        check("SendObjects", "write bundle/there/0b", Kind::Bundle, "0b", None);
        check("ReceiveObjects", "read bundle/here/0b", Kind::Bundle, "0b", None);
        check("ReceiveObjects", "write bundle/k", Kind::Object, "bundle/k", None);
        check("StopLift", "write lift/0c", Kind::Lift, "0c", None);
        check("TakeBackBundle", "write bundle/there/0b", Kind::Bundle, "0b", None);
        check("ApproveRelease", "write release/0d approve digest=ff reason=\"ok\"", Kind::Release, "0d", None);
        check("RequestRelease", "read release/k", Kind::Object, "release/k", None);
        check("ReviewRelease", "read release/k?versionId=v", Kind::Object, "release/k", Some("v"));
        check("ReviewRelease", "write release/0d", Kind::Release, "0d", None);
        for (service, operation, line) in [
            ("fastness", "ListMappings", "read mappings"),
            ("fastness", "RequestRelease", "write releases to=there key=\"k\" label=\"U\""),
            ("fastness", "ListArrivals", "read arrivals/there"),
            ("s3", "ListBuckets", "read buckets"),
            ("iam", "ListUsers", "read users"),
            ("cloudtrail", "LookupEvents", "read ledger"),
            ("", "", "PUT /b/k?nonsense"),
            ("s3", "PutObject", "nonsense"),
        ] {
            assert_eq!(touched(service, operation, line), None, "{operation} {line}");
        }
    }

    #[test]
    fn an_event_id_is_a_uuid_of_the_commitment() {
        assert_eq!(event_id(&[0xff; 32]), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(event_id(&[0; 32]), "00000000-0000-8000-8000-000000000000");
    }

    #[test]
    fn names_are_cloud_trails() {
        let with = |principal: &str, service: &str, operation: &str| Entry {
            principal: principal.into(),
            service: service.into(),
            operation: operation.into(),
            ..entry()
        };
        assert_eq!(with("user/a/b/ann", "s3", "").user_name(), "ann");
        assert_eq!(with("operator", "s3", "").user_name(), "operator");
        assert_eq!(with("", "", "").event_name(), "Unrecognized");
        assert_eq!(with("", "", "").event_source(), "fastness");
        assert_eq!(with("", "iam", "").event_source(), "iam.amazonaws.com");
        let is_data = |service: &str, operation: &str| with("", service, operation).is_data_event();
        assert!(is_data("s3", "GetObject") && is_data("s3", "UploadPart") && is_data("s3", "HeadBucket"));
        assert!(!is_data("s3", "PutObjectLockConfiguration") && !is_data("s3", "CreateBucket"));
        assert!(!is_data("iam", "CreateUser"));
        assert!(!with("", "s3", "PutObject").is_read_only());
        assert!(Entry { resources: vec!["read b/k".into()], ..entry() }.is_read_only());
        assert!(!Entry { resources: vec!["read b/k".into(), "write b/l".into()], ..entry() }.is_read_only());
    }
}
