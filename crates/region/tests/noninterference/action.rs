//! What a session asks for. Numbers stand for what the session saw in its own answers before.

use crate::cross::Crossing;
use crate::lookup::{self, Lookup};
use crate::session::{Memory, Upload, pick};
use crate::support::{Ask, Cast, Key};
use http::Method;
use serde_json::json;

/// Bucket names; everybody uses the same.
pub const BUCKETS: [&str; 3] = ["alpha-data", "shared", "deep.bucket"];
/// Object keys, some with a common prefix.
pub const KEYS: [&str; 4] = ["a", "a/b", "a/c", "z"];
/// Users that administrators make and remove; the last four are of the cast.
pub const USERS: [&str; 7] = ["new", "other", "third", "ana", "sid", "gwen", "nora"];

/// Configurations of a bucket: the query, and two of them.
pub const CONFIGURATIONS: [(&str, &str, &str); 12] = [
    (
        "tagging",
        "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>",
        "<Tagging><TagSet><Tag><Key>aws:a</Key><Value>1</Value></Tag></TagSet></Tagging>",
    ),
    (
        "cors",
        "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>\
         </CORSConfiguration>",
        "<CORSConfiguration><CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>http://a</AllowedOrigin>\
         </CORSRule></CORSConfiguration>",
    ),
    (
        "lifecycle",
        "<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration>\
         <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>\
         <AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>\
         </Rule></LifecycleConfiguration>",
        "<LifecycleConfiguration><Rule><ID>b</ID><Status>Enabled</Status><Filter><Prefix>a/</Prefix></Filter>\
         <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>\
         <Rule><ID>c</ID><Status>Enabled</Status><Prefix>a</Prefix><Expiration><Date>2020-01-01T00:00:00Z</Date></Expiration>\
         </Rule></LifecycleConfiguration>",
    ),
    (
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>",
        "<PublicAccessBlockConfiguration/>",
    ),
    (
        "ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
    ),
    (
        "policy",
        r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject*","Resource":"arn:aws-iso:s3:::*/a"}}"#,
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":["s3:*"],"Resource":"*"}}"#,
    ),
    (
        "logging",
        "<BucketLoggingStatus><LoggingEnabled><TargetBucket>shared</TargetBucket><TargetPrefix>l/</TargetPrefix>\
         </LoggingEnabled></BucketLoggingStatus>",
        "<BucketLoggingStatus/>",
    ),
    (
        "notification",
        "<NotificationConfiguration><QueueConfiguration><Queue>arn:aws-iso:sqs:us-iso-east-1:123456789012:q</Queue>\
         <Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>",
        "<NotificationConfiguration/>",
    ),
    ("policyStatus", "", "x"),
    (
        "object-lock",
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
         <Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>",
    ),
    ("acl", "", "<AccessControlPolicy/>"),
    (
        "accelerate",
        "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>",
        "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
    ),
];

/// A bucket's number and a key's.
pub type Place = (usize, usize);

/// Which version of an object.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    Latest,
    Null,
    /// One that this session saw, with its own bucket and key.
    Seen(usize),
    Strange,
}

/// What must hold.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    None,
    Match(usize),
    NoneMatch(usize),
    Absent,
    Present,
    /// Seconds around the time of the first requests.
    Modified(i64),
    Unmodified(i64),
}

/// One page of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub prefix: &'static str,
    pub delimiter: bool,
    pub limit: Option<u16>,
    /// Goes on where an earlier page of this session ended.
    pub marker: Option<usize>,
}

/// How a body is described.
#[derive(Clone, Copy, Debug)]
pub enum Digest {
    None,
    WrongMd5,
    NoMd5,
    Asked(&'static str),
    WrongChecksum,
}

/// What goes into a new object.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    pub size: usize,
    pub fill: u8,
    pub digest: Digest,
    pub classification: Option<&'static str>,
    pub metadata: usize,
    pub tagged: bool,
    pub sealed: bool,
}

/// One request.
#[derive(Clone, Debug)]
pub enum Action {
    CreateBucket(usize),
    HeadBucket(usize),
    ListBuckets,
    Location(usize),
    DeleteBucket(usize),
    GetVersioning(usize),
    PutVersioning(usize, &'static str),
    /// No request: the housekeeping of the session's partition, by a clock so many days ahead.
    Lifecycle(i64),
    /// What a browser asks before: without a signature.
    Preflight(usize, &'static str),
    /// Reads what a bucket is configured with; one of [`CONFIGURATIONS`].
    GetConfiguration(usize, usize),
    /// Sets it, one way or the other.
    PutConfiguration(usize, usize, bool),
    /// Removes it, where S3 has an operation for that.
    DeleteConfiguration(usize, usize),
    Put(Place, Content, Condition),
    /// A browser's form whose policy allows the second key.
    Post(Place, Place, usize),
    Get(Place, Version, Option<&'static str>, Condition),
    GetPart(Place, Version, u16),
    Attributes(Place, Version),
    GetSealed(Place, Version),
    Head(Place, Version, Condition),
    Delete(Place, Version, Condition),
    GetTags(Place, Version),
    PutTags(Place, Version, &'static str),
    DeleteTags(Place, Version),
    /// Reads what keeps a version: `retention` or `legal-hold`.
    GetLock(Place, Version, &'static str),
    /// Mode and seconds around the time of the first requests, and whether governance is to be passed.
    Retain(Place, Version, Option<(&'static str, i64)>, bool),
    Hold(Place, Version, &'static str),
    /// Removes a version past governance.
    Bypass(Place, Version),
    DeleteMany(usize, Vec<(usize, Version)>, bool),
    Copy {
        from: Place,
        version: Version,
        to: Place,
        replace: bool,
        condition: Condition,
    },
    List(usize, Page),
    ListV2(usize, Page),
    ListVersions(usize, Page),
    CreateUpload(Place, Option<(&'static str, &'static str)>, Option<&'static str>),
    Part(usize, u16, Content),
    PartCopy(usize, u16, Place, Version, Condition),
    Complete(usize, bool, Condition),
    Abort(usize),
    ListParts(usize, Option<u16>),
    ListUploads(usize, Page),
    CreateUser(usize),
    DeleteUser(usize),
    GetUser(Option<usize>),
    ListUsers,
    TagUser(usize, &'static str, &'static str),
    UntagUser(usize, &'static str),
    ListUserTags(usize),
    CreateAccessKey(usize),
    ListAccessKeys(Option<usize>),
    UpdateAccessKey(usize, KeyChoice, bool),
    DeleteAccessKey(usize, KeyChoice),
    Identity,
    CreateKey(&'static str),
    AllowLabel(&'static str),
    ListLabels,
    AddOfficer(usize),
    Contain(Place, Version),
    Report(usize),
    Propose(usize),
    Approve(usize),
    CreateAccount(usize),
    ListAccounts,
    Cross(Crossing),
    Lookup(Lookup),
    /// The same with proofs, after everything so far was signed.
    Disclose(Lookup),
    /// The next page of an earlier lookup of this session.
    NextEvents(usize),
    Unoffered(usize),
    Nonsense,
    UnknownKey(Box<Action>),
    BadSignature(Box<Action>),
    Anonymous(Box<Action>),
}

/// Whose key an administrator means.
#[derive(Clone, Copy, Debug)]
pub enum KeyChoice {
    Cast(&'static str),
    Made(usize),
}

/// A request ready to send, and what its answer will be about.
pub struct Rendered {
    pub ask: Ask,
    pub bucket: String,
    pub key: String,
}

fn encoded(key: &str) -> String {
    key.replace('/', "%2F")
}

fn place((bucket, key): Place) -> (String, String) {
    (BUCKETS[bucket].to_owned(), KEYS[key].to_owned())
}

/// The object, and the query that names its version.
pub fn versioned(at: Place, version: Version, memory: &Memory) -> (String, String, String) {
    let (bucket, key) = place(at);
    match version {
        Version::Latest => (bucket, key, String::new()),
        Version::Null => (bucket, key, "?versionId=null".to_owned()),
        Version::Strange => (bucket, key, format!("?versionId={:032x}", 1)),
        Version::Seen(number) => match pick(&memory.versions, number).cloned() {
            Some((bucket, key, id)) => (bucket, key, format!("?versionId={id}")),
            None => (bucket, key, String::new()),
        },
    }
}

/// A date around the first requests' clocks, as HTTP writes it. The 21st of September 2026, and its seconds.
fn date(seconds: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(1_790_000_000 + seconds).unwrap();
    let form = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    time.format(form).unwrap()
}

fn conditioned(ask: Ask, condition: Condition, memory: &Memory, source: bool) -> Ask {
    let name = |text: &str| if source { format!("x-amz-copy-source-{text}") } else { text.to_owned() };
    let etag = |number: usize| pick(&memory.etags, number).cloned().unwrap_or_else(|| "\"0\"".to_owned());
    match condition {
        Condition::None => ask,
        Condition::Match(number) => ask.with(&name("if-match"), &etag(number)),
        Condition::NoneMatch(number) => ask.with(&name("if-none-match"), &etag(number)),
        Condition::Absent => ask.with(&name("if-none-match"), "*"),
        Condition::Present => ask.with(&name("if-match"), "*"),
        Condition::Modified(seconds) => ask.with(&name("if-modified-since"), &date(seconds)),
        Condition::Unmodified(seconds) => ask.with(&name("if-unmodified-since"), &date(seconds)),
    }
}

/// With a key that the caller keeps.
fn sealed(ask: Ask) -> Ask {
    ask.with("x-amz-server-side-encryption-customer-algorithm", "AES256")
        .with("x-amz-server-side-encryption-customer-key", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
        .with("x-amz-server-side-encryption-customer-key-md5", "mT2HRsMGJ5IX5C+0rreZ8Q==")
}

fn filled(mut ask: Ask, content: &Content) -> Ask {
    ask = ask.body(vec![content.fill; content.size]);
    ask = match content.digest {
        Digest::None => ask,
        Digest::WrongMd5 => ask.with("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        Digest::NoMd5 => ask.with("content-md5", "nonsense"),
        Digest::Asked(algorithm) => ask.with("x-amz-sdk-checksum-algorithm", algorithm),
        Digest::WrongChecksum => ask.with("x-amz-checksum-crc32", "AAAAAA=="),
    };
    if content.metadata > 0 {
        ask = ask.with("x-amz-meta-note", &"n".repeat(content.metadata)).with("content-type", "text/plain");
    }
    if content.tagged {
        ask = ask.with("x-amz-tagging", "team=red&empty=");
    }
    if content.sealed {
        ask = sealed(ask);
    }
    match content.classification {
        Some(text) => ask.with("x-amz-meta-classification", text),
        None => ask,
    }
}

fn paged(page: &Page, memory: &Memory, marker: (&str, &str)) -> String {
    let mut query = String::new();
    if !page.prefix.is_empty() {
        query.push_str(&format!("&prefix={}", encoded(page.prefix)));
    }
    if page.delimiter {
        query.push_str("&delimiter=%2F");
    }
    if let Some((key, id)) = page.marker.and_then(|number| pick(&memory.markers, number)) {
        query.push_str(&format!("&{}={}", marker.0, encoded(key)));
        if !id.is_empty() && !marker.1.is_empty() {
            query.push_str(&format!("&{}={id}", marker.1));
        }
    }
    query
}

impl Action {
    /// The operation's name, for counting.
    pub fn name(&self) -> String {
        let text = match self {
            Self::Cross(crossing) => format!("{crossing:?}"),
            _ => format!("{self:?}"),
        };
        text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }

    /// The request, given what its session saw so far.
    pub fn render(&self, memory: &Memory, cast: &Cast) -> Rendered {
        match self {
            Self::UnknownKey(inner) | Self::BadSignature(inner) | Self::Anonymous(inner) => inner.render(memory, cast),
            Self::Put(..) | Self::Post(..) | Self::Get(..) | Self::Head(..) | Self::Delete(..) | Self::Copy { .. } => {
                self.object(memory)
            }
            Self::GetTags(..) | Self::PutTags(..) | Self::DeleteTags(..) => self.annotation(memory),
            Self::GetLock(..) | Self::Retain(..) | Self::Hold(..) | Self::Bypass(..) => self.lock(memory),
            Self::GetPart(..) | Self::Attributes(..) | Self::GetSealed(..) => self.described(memory),
            Self::CreateUpload(..)
            | Self::Part(..)
            | Self::PartCopy(..)
            | Self::Complete(..)
            | Self::Abort(..)
            | Self::ListParts(..) => self.upload(memory),
            Self::List(bucket, _)
            | Self::ListV2(bucket, _)
            | Self::ListVersions(bucket, _)
            | Self::ListUploads(bucket, _) => {
                let ask = Ask::s3(Method::GET, format!("/{}?{}", BUCKETS[*bucket], self.listing(memory)));
                Rendered { ask, bucket: BUCKETS[*bucket].to_owned(), key: String::new() }
            }
            Self::ListBuckets => about(Ask::s3(Method::GET, "/"), "", ""),
            Self::CreateBucket(bucket)
            | Self::HeadBucket(bucket)
            | Self::Location(bucket)
            | Self::DeleteBucket(bucket)
            | Self::GetVersioning(bucket)
            | Self::PutVersioning(bucket, _)
            | Self::Preflight(bucket, _)
            | Self::GetConfiguration(bucket, _)
            | Self::PutConfiguration(bucket, ..)
            | Self::DeleteConfiguration(bucket, _)
            | Self::DeleteMany(bucket, ..)
            | Self::Unoffered(bucket) => about(self.bucket(BUCKETS[*bucket], memory), BUCKETS[*bucket], ""),
            _ => about(self.directory(memory, cast), "", ""),
        }
    }

    fn bucket(&self, name: &str, memory: &Memory) -> Ask {
        match self {
            Self::CreateBucket(_) => Ask::s3(Method::PUT, format!("/{name}")),
            Self::HeadBucket(_) => Ask::s3(Method::HEAD, format!("/{name}")),
            Self::Location(_) => Ask::s3(Method::GET, format!("/{name}?location")),
            Self::DeleteBucket(_) => Ask::s3(Method::DELETE, format!("/{name}")),
            Self::GetVersioning(_) => Ask::s3(Method::GET, format!("/{name}?versioning")),
            Self::PutVersioning(_, status) => {
                let text = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
                Ask::s3(Method::PUT, format!("/{name}?versioning")).body(text)
            }
            Self::Preflight(_, method) => Ask::s3(Method::OPTIONS, format!("/{name}/a"))
                .with("origin", "http://a")
                .with("access-control-request-method", method),
            Self::GetConfiguration(_, kind) => Ask::s3(Method::GET, format!("/{name}?{}", CONFIGURATIONS[*kind].0)),
            Self::PutConfiguration(_, kind, other) => {
                let (query, one, two) = CONFIGURATIONS[*kind];
                Ask::s3(Method::PUT, format!("/{name}?{query}")).body(if *other { two } else { one })
            }
            Self::DeleteConfiguration(_, kind) => {
                Ask::s3(Method::DELETE, format!("/{name}?{}", CONFIGURATIONS[*kind].0))
            }
            Self::DeleteMany(bucket, objects, quiet) => {
                let mut text = format!("<Delete><Quiet>{quiet}</Quiet>");
                for (key, version) in objects {
                    let (_, key, id) = versioned((*bucket, *key), *version, memory);
                    let id = id.strip_prefix("?versionId=").map(|id| format!("<VersionId>{id}</VersionId>"));
                    text.push_str(&format!("<Object><Key>{key}</Key>{}</Object>", id.unwrap_or_default()));
                }
                Ask::deletions(name, text + "</Delete>")
            }
            _ => Ask::s3(Method::GET, format!("/{name}?website")),
        }
    }

    fn object(&self, memory: &Memory) -> Rendered {
        match self {
            Self::Put(at, content, condition) => {
                let (bucket, key) = place(*at);
                let ask = filled(Ask::s3(Method::PUT, format!("/{bucket}/{key}")), content);
                Rendered { ask: conditioned(ask, *condition, memory, false), bucket, key }
            }
            Self::Post(at, allowed, size) => {
                let ((bucket, key), (_, allowed)) = (place(*at), place(*allowed));
                let ask = Ask::posted(&bucket, &key, &allowed).body(vec![b'f'; *size]);
                Rendered { ask, bucket, key }
            }
            Self::Get(at, version, range, condition) => {
                let (bucket, key, query) = versioned(*at, *version, memory);
                let mut ask = Ask::s3(Method::GET, format!("/{bucket}/{key}{query}")).with("origin", "http://a");
                if let Some(range) = range {
                    ask = ask.with("range", range);
                }
                Rendered { ask: conditioned(ask, *condition, memory, false), bucket, key }
            }
            Self::Head(at, version, condition) => {
                let (bucket, key, query) = versioned(*at, *version, memory);
                let ask =
                    Ask::s3(Method::HEAD, format!("/{bucket}/{key}{query}")).with("x-amz-checksum-mode", "ENABLED");
                Rendered { ask: conditioned(ask, *condition, memory, false), bucket, key }
            }
            Self::Delete(at, version, condition) => {
                let (bucket, key, query) = versioned(*at, *version, memory);
                let ask = Ask::s3(Method::DELETE, format!("/{bucket}/{key}{query}"));
                Rendered { ask: conditioned(ask, *condition, memory, false), bucket, key }
            }
            Self::Copy { from, version, to, replace, condition } => {
                let (source, name, query) = versioned(*from, *version, memory);
                let (bucket, key) = place(*to);
                let mut ask = Ask::s3(Method::PUT, format!("/{bucket}/{key}"))
                    .with("x-amz-copy-source", &format!("/{source}/{name}{query}"));
                if *replace {
                    ask = ask.with("x-amz-metadata-directive", "REPLACE").with("x-amz-meta-note", "replaced");
                }
                Rendered { ask: conditioned(ask, *condition, memory, true), bucket, key }
            }
            _ => unreachable!("the caller chose by the action"),
        }
    }

    /// What keeps an object.
    fn lock(&self, memory: &Memory) -> Rendered {
        let (Self::GetLock(at, version, _)
        | Self::Retain(at, version, ..)
        | Self::Hold(at, version, _)
        | Self::Bypass(at, version)) = self
        else {
            unreachable!("the caller chose by the action")
        };
        let (bucket, key, query) = versioned(*at, *version, memory);
        let more = query.replace('?', "&");
        let past = |ask: Ask| ask.with("x-amz-bypass-governance-retention", "true");
        let ask = match self {
            Self::GetLock(_, _, what) => Ask::s3(Method::GET, format!("/{bucket}/{key}?{what}{more}")),
            Self::Hold(_, _, status) => Ask::s3(Method::PUT, format!("/{bucket}/{key}?legal-hold{more}"))
                .body(format!("<LegalHold><Status>{status}</Status></LegalHold>")),
            Self::Retain(_, _, wanted, bypass) => {
                let text = wanted.map(|(mode, seconds)| {
                    let until = time::OffsetDateTime::from_unix_timestamp(1_790_000_000 + seconds).unwrap();
                    let until = until.format(&time::format_description::well_known::Rfc3339).unwrap();
                    format!("<Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate>")
                });
                let ask = Ask::s3(Method::PUT, format!("/{bucket}/{key}?retention{more}"))
                    .body(format!("<Retention>{}</Retention>", text.unwrap_or_default()));
                if *bypass { past(ask) } else { ask }
            }
            _ => past(Ask::s3(Method::DELETE, format!("/{bucket}/{key}{query}"))),
        };
        Rendered { ask, bucket, key }
    }

    /// A part of an object, or what is known of it.
    fn described(&self, memory: &Memory) -> Rendered {
        let (Self::GetPart(at, version, _) | Self::Attributes(at, version) | Self::GetSealed(at, version)) = self
        else {
            unreachable!("the caller chose by the action")
        };
        let (bucket, key, query) = versioned(*at, *version, memory);
        let more = query.replace('?', "&");
        let ask = match self {
            Self::GetSealed(..) => sealed(Ask::s3(Method::GET, format!("/{bucket}/{key}{query}"))),
            Self::GetPart(_, _, part) => Ask::s3(Method::GET, format!("/{bucket}/{key}?partNumber={part}{more}")),
            _ => Ask::s3(Method::GET, format!("/{bucket}/{key}?attributes{more}"))
                .with("x-amz-object-attributes", "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"),
        };
        Rendered { ask, bucket, key }
    }

    /// What is said of an object.
    fn annotation(&self, memory: &Memory) -> Rendered {
        let (Self::GetTags(at, version) | Self::PutTags(at, version, _) | Self::DeleteTags(at, version)) = self else {
            unreachable!("the caller chose by the action")
        };
        let (bucket, key, query) = versioned(*at, *version, memory);
        let uri = format!("/{bucket}/{key}?tagging{}", query.replace('?', "&"));
        let ask = match self {
            Self::PutTags(_, _, value) => {
                let tag = format!("<Tag><Key>team</Key><Value>{value}</Value></Tag>");
                Ask::s3(Method::PUT, uri).body(format!("<Tagging><TagSet>{tag}</TagSet></Tagging>"))
            }
            Self::DeleteTags(..) => Ask::s3(Method::DELETE, uri),
            _ => Ask::s3(Method::GET, uri),
        };
        Rendered { ask, bucket, key }
    }

    fn listing(&self, memory: &Memory) -> String {
        match self {
            Self::List(_, page) => limited("max-keys", page) + &paged(page, memory, ("marker", "")),
            Self::ListV2(_, page) => {
                let token = page.marker.and_then(|number| pick(&memory.tokens, number));
                let token = token.map(|token| format!("&continuation-token={token}")).unwrap_or_default();
                let page = Page { marker: None, ..*page };
                format!("list-type=2&{}{}{token}", limited("max-keys", &page), paged(&page, memory, ("", "")))
            }
            Self::ListVersions(_, page) => {
                let rest = paged(page, memory, ("key-marker", "version-id-marker"));
                format!("versions&{}{rest}", limited("max-keys", page))
            }
            Self::ListUploads(_, page) => {
                let rest = paged(page, memory, ("key-marker", "upload-id-marker"));
                format!("uploads&{}{rest}", limited("max-uploads", page))
            }
            _ => unreachable!("the caller chose by the action"),
        }
    }

    fn upload(&self, memory: &Memory) -> Rendered {
        if let Self::CreateUpload(at, algorithm, classification) = self {
            let (bucket, key) = place(*at);
            let mut ask = Ask::s3(Method::POST, format!("/{bucket}/{key}?uploads"));
            if let Some((name, kind)) = algorithm {
                ask = ask.with("x-amz-checksum-algorithm", name).with("x-amz-checksum-type", kind);
            }
            if let Some(text) = classification {
                ask = ask.with("x-amz-meta-classification", text);
            }
            return Rendered { ask, bucket, key };
        }
        let (Self::Part(number, ..)
        | Self::PartCopy(number, ..)
        | Self::Complete(number, ..)
        | Self::Abort(number)
        | Self::ListParts(number, _)) = self
        else {
            unreachable!("the caller chose by the action")
        };
        let Upload { bucket, key, id, parts } = pick(&memory.uploads, *number).cloned().unwrap_or_else(no_upload);
        let at = format!("/{bucket}/{key}?uploadId={id}");
        let ask = match self {
            Self::Part(_, part, content) => filled(
                Ask::s3(Method::PUT, format!("{at}&partNumber={part}")),
                &Content { metadata: 0, tagged: false, sealed: false, ..*content },
            ),
            Self::PartCopy(_, part, from, version, condition) => {
                let (source, name, query) = versioned(*from, *version, memory);
                let ask = Ask::s3(Method::PUT, format!("{at}&partNumber={part}"))
                    .with("x-amz-copy-source", &format!("/{source}/{name}{query}"));
                conditioned(ask, *condition, memory, true)
            }
            Self::Complete(_, all, condition) => {
                let named = parts.iter().take(if *all { 9 } else { 1 });
                let named = named
                    .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
                let text: String = named.collect();
                let text = format!("<CompleteMultipartUpload>{text}</CompleteMultipartUpload>");
                conditioned(Ask::s3(Method::POST, at).body(text), *condition, memory, false)
            }
            Self::Abort(_) => Ask::s3(Method::DELETE, at),
            Self::ListParts(_, limit) => {
                let limit = limit.map(|limit| format!("&max-parts={limit}")).unwrap_or_default();
                Ask::s3(Method::GET, at + &limit)
            }
            _ => unreachable!("the caller chose by the action"),
        };
        Rendered { ask, bucket, key }
    }

    fn directory(&self, memory: &Memory, cast: &Cast) -> Ask {
        let user = |number: &usize| ("UserName", USERS[*number]);
        let iam = |parameters: &[(&str, &str)]| Ask::form("iam", parameters);
        let id = |choice: &KeyChoice| match choice {
            KeyChoice::Cast(name) => cast[*name].id.clone(),
            KeyChoice::Made(number) => {
                pick(&memory.keys, *number).map_or_else(|| Key::unknown(99).id, |(_, key)| key.id.clone())
            }
        };
        let spill = |number: usize| {
            pick(&memory.spills, number).cloned().unwrap_or_else(|| (format!("{:032x}", 1), "0".repeat(64)))
        };
        match self {
            Self::CreateUser(name) => iam(&[("Action", "CreateUser"), user(name)]),
            Self::DeleteUser(name) => iam(&[("Action", "DeleteUser"), user(name)]),
            Self::GetUser(Some(name)) => iam(&[("Action", "GetUser"), user(name)]),
            Self::GetUser(None) => iam(&[("Action", "GetUser")]),
            Self::ListUsers => iam(&[("Action", "ListUsers"), ("MaxItems", "5")]),
            Self::TagUser(name, key, value) => {
                let tag = [("Tags.member.1.Key", *key), ("Tags.member.1.Value", *value)];
                iam(&[("Action", "TagUser"), user(name), tag[0], tag[1]])
            }
            Self::UntagUser(name, key) => iam(&[("Action", "UntagUser"), user(name), ("TagKeys.member.1", key)]),
            Self::ListUserTags(name) => iam(&[("Action", "ListUserTags"), user(name)]),
            Self::CreateAccessKey(name) => iam(&[("Action", "CreateAccessKey"), user(name)]),
            Self::ListAccessKeys(Some(name)) => iam(&[("Action", "ListAccessKeys"), user(name)]),
            Self::ListAccessKeys(None) => iam(&[("Action", "ListAccessKeys")]),
            Self::UpdateAccessKey(name, key, active) => {
                let status = ("Status", if *active { "Active" } else { "Inactive" });
                iam(&[("Action", "UpdateAccessKey"), user(name), ("AccessKeyId", &id(key)), status])
            }
            Self::DeleteAccessKey(name, key) => {
                iam(&[("Action", "DeleteAccessKey"), user(name), ("AccessKeyId", &id(key))])
            }
            Self::Identity => Ask::form("sts", &[("Action", "GetCallerIdentity")]),
            Self::CreateKey(label) => Ask::own("CreateKey", &json!({ "label": label })),
            Self::AllowLabel(label) => Ask::own("AllowLabel", &json!({ "label": label })),
            Self::ListLabels => Ask::own("ListLabels", &json!({})),
            Self::AddOfficer(number) => {
                let account = pick(&memory.accounts, *number).cloned().unwrap_or_else(|| "100000000000".to_owned());
                Ask::own("AddOfficer", &json!({ "account": account }))
            }
            Self::Contain(at, version) => {
                let (bucket, key, query) = versioned(*at, *version, memory);
                let mut input = json!({ "bucket": bucket, "key": key });
                if let Some(id) = query.strip_prefix("?versionId=") {
                    input["version_id"] = json!(id);
                }
                Ask::own("ContainSpill", &input)
            }
            Self::Report(number) => Ask::own("ReportSpill", &json!({ "spill": spill(*number).0 })),
            Self::Propose(number) => Ask::own("EraseSpill", &json!({ "spill": spill(*number).0 })),
            Self::Approve(number) => {
                let proposed = memory.spills.iter().rev().find(|(_, digest)| !digest.is_empty());
                let (id, digest) = proposed.cloned().unwrap_or_else(|| spill(*number));
                Ask::own("EraseSpill", &json!({ "spill": id, "digest": digest }))
            }
            Self::CreateAccount(number) => Ask::own("CreateAccount", &json!({ "name": format!("new-{number}") })),
            Self::ListAccounts => Ask::own("ListAccounts", &json!({})),
            Self::Cross(crossing) => crossing.ask(memory),
            Self::Lookup(lookup) => Ask::trail("LookupEvents", &lookup.body(memory, cast)),
            Self::Disclose(lookup) => Ask::trail("DiscloseEvents", &lookup.disclosed(memory, cast)),
            Self::NextEvents(number) => Ask::trail("LookupEvents", &lookup::next(memory, *number)),
            _ => iam(&[("Action", "MakeCoffee")]),
        }
    }
}

fn limited(name: &str, page: &Page) -> String {
    page.limit.map(|limit| format!("{name}={limit}")).unwrap_or_default()
}

fn no_upload() -> Upload {
    let (bucket, key) = place((0, 0));
    Upload { bucket, key, id: "0123".to_owned(), parts: std::collections::BTreeMap::new() }
}

fn about(ask: Ask, bucket: &str, key: &str) -> Rendered {
    Rendered { ask, bucket: bucket.to_owned(), key: key.to_owned() }
}
