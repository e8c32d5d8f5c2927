//! `fastness object`: regrading upward within a region (DESIGN.md section 1, names in a view, 7). Nothing above removes
//! anything below: the copy is made by a session at the higher label, the lower version goes by one at its own.

use crate::arguments::ObjectCommand;
use crate::client::Client;
use crate::people::element;
use crate::{profiles, say};
use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

const MIB: u64 = 1 << 20;

/// S3's bounds: parts of an upload, bytes of one copy.
const PARTS_MAX: u64 = 10_000;
const COPY_LEN_MAX: u64 = 5 << 30;

/// A bucket and a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub bucket: String,
    pub key: String,
}

impl Place {
    /// Reads `s3://bucket/key`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let parts = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        match parts {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
            }
            _ => bail!("`{text}` is no object: write s3://bucket/key"),
        }
    }

    /// The path of a request.
    pub fn path(&self) -> String {
        let key: Vec<String> = self.key.split('/').map(encoded).collect();
        format!("/{}/{}", encoded(&self.bucket), key.join("/"))
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// Runs the command.
pub async fn run(command: ObjectCommand) -> anyhow::Result<()> {
    let ObjectCommand::Regrade { object, version_id, lower_profile, part_mib, json, identity } = command;
    let place = Place::parse(&object)?;
    let high = Client::new(profiles::find(&identity.data, &identity.profile)?);
    let lower = lower_profile.map(|name| profiles::find(&identity.data, &name).map(|found| (name, Client::new(found))));
    let lower = lower.transpose()?;
    let source = head(&high, &place, version_id.as_deref())
        .await
        .with_context(|| format!("looking at {object} as `{}`", identity.profile))?;
    // Who is to delete the lower version is tried before anything is copied.
    if let Some((name, client)) = &lower {
        check_lower(client, name, &place, &source).await?;
    }
    let source = Seen { named: version_id.is_some(), ..source };
    let copied = if source.size > part_mib * MIB {
        copy_in_parts(&high, &place, &source, part_mib * MIB).await
    } else {
        copy_whole(&high, &place, &source).await
    };
    let copied = copied.with_context(|| format!("regrading {object} as `{}`", identity.profile))?;
    let deleted = match &lower {
        Some((name, client)) => {
            delete_lower(client, &place, &source).await.with_context(|| {
                format!("the copy at {} is there, but `{name}` could not delete the lower version", copied.label)
            })?;
            true
        }
        None => false,
    };
    if json {
        let value = json!({
            "bucket": place.bucket,
            "key": place.key,
            "from": { "label": source.label, "version_id": source.version, "etag": source.etag, "deleted": deleted },
            "to": { "label": copied.label, "version_id": copied.version, "etag": copied.etag },
            "size": source.size,
        });
        say!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    say!("{object}: {} bytes from {} to {}", source.size, source.label, copied.label);
    if deleted {
        say!("the version at {} is deleted", source.label);
    } else {
        say!("the version at {} stays, for whoever reads that label; --lower-profile deletes it", source.label);
    }
    Ok(())
}

/// What HEAD says of a version.
struct Seen {
    label: String,
    size: u64,
    etag: String,
    version: Option<String>,
    /// Whether the user named the version: then the copy names it, too.
    named: bool,
    headers: HeaderMap,
}

pub fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn seen(headers: HeaderMap) -> anyhow::Result<Seen> {
    Ok(Seen {
        label: text(&headers, "x-fastness-label")
            .context("the answer names no label: is this a region of Fastness?")?,
        size: text(&headers, "content-length").and_then(|text| text.parse().ok()).unwrap_or_default(),
        etag: text(&headers, "etag").unwrap_or_default(),
        version: text(&headers, "x-amz-version-id"),
        named: false,
        headers,
    })
}

pub fn refused(what: &str, status: StatusCode, body: &[u8]) -> anyhow::Error {
    let body = String::from_utf8_lossy(body);
    let part = |name: &str| element(&body, name).map(str::to_owned);
    match (part("Code"), part("Message")) {
        (Ok(code), Ok(message)) => anyhow::anyhow!("{what}: {code}: {message}"),
        _ if status == StatusCode::NOT_FOUND => anyhow::anyhow!("{what}: there is no such object in view"),
        _ => anyhow::anyhow!("{what}: {status}"),
    }
}

async fn head(client: &Client, place: &Place, version: Option<&str>) -> anyhow::Result<Seen> {
    let query = version.map(|id| format!("?versionId={}", encoded(id))).unwrap_or_default();
    let path = format!("{}{query}", place.path());
    let (status, headers, body) = client.exchange("s3", Method::HEAD, &path, &[], Bytes::new()).await?;
    if !status.is_success() {
        return Err(refused("HEAD", status, &body));
    }
    seen(headers)
}

/// The `x-amz-copy-source` of exactly the version that was looked at, and the condition that it is still that one.
fn source_headers(place: &Place, source: &Seen) -> anyhow::Result<HeaderMap> {
    let version = source.version.as_ref().filter(|_| source.named);
    let version = version.map(|id| format!("?versionId={}", encoded(id))).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-copy-source", HeaderValue::from_str(&format!("{}{version}", place.path()))?);
    headers.insert("x-amz-copy-source-if-match", HeaderValue::from_str(&source.etag)?);
    Ok(headers)
}

async fn copy_whole(client: &Client, place: &Place, source: &Seen) -> anyhow::Result<Seen> {
    if source.size > COPY_LEN_MAX {
        bail!("the object is above 5 GiB: choose a smaller --part-mib");
    }
    if source.named {
        // A version by its id may be copied onto its own name at its own label: that would be no regrading.
        let upload = begin(client, place, source).await?;
        abort(client, place, &upload).await?;
    }
    let headers = source_headers(place, source)?;
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} copying {elapsed}")?);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let (status, headers, body) = client.exchange_with("s3", Method::PUT, &place.path(), headers, Bytes::new()).await?;
    bar.finish_and_clear();
    if status == StatusCode::BAD_REQUEST && String::from_utf8_lossy(&body).contains("copy an object to itself") {
        return Err(same_label(source));
    }
    if !status.is_success() {
        return Err(refused("copying", status, &body));
    }
    finished(client, place, headers).await
}

/// The copy as its own session sees it.
async fn finished(client: &Client, place: &Place, headers: HeaderMap) -> anyhow::Result<Seen> {
    head(client, place, text(&headers, "x-amz-version-id").as_deref()).await.context("looking at the copy")
}

fn same_label(source: &Seen) -> anyhow::Error {
    let label = &source.label;
    anyhow::anyhow!("the object is at {label} already, the session's own label: take a profile at a higher one")
}

/// Begins an upload, whose answer tells the session's label: it must not be the source's.
async fn begin(client: &Client, place: &Place, source: &Seen) -> anyhow::Result<String> {
    let path = format!("{}?uploads", place.path());
    let headers = carried(&source.headers);
    let (status, headers, body) = client.exchange_with("s3", Method::POST, &path, headers, Bytes::new()).await?;
    if !status.is_success() {
        return Err(refused("beginning the copy", status, &body));
    }
    let answer = String::from_utf8_lossy(&body).into_owned();
    let upload = encoded(element(&answer, "UploadId")?);
    if text(&headers, "x-fastness-label").is_none_or(|label| label == source.label) {
        abort(client, place, &upload).await?;
        return Err(same_label(source));
    }
    Ok(upload)
}

async fn abort(client: &Client, place: &Place, upload: &str) -> anyhow::Result<()> {
    let path = format!("{}?uploadId={upload}", place.path());
    let (status, body) = client.send("s3", Method::DELETE, &path, &[], Bytes::new()).await?;
    if status.is_success() { Ok(()) } else { Err(refused("removing an upload that was begun", status, &body)) }
}

async fn copy_in_parts(client: &Client, place: &Place, source: &Seen, part: u64) -> anyhow::Result<Seen> {
    let part = part.max(source.size.div_ceil(PARTS_MAX));
    let upload = begin(client, place, source).await?;
    match parts(client, place, source, &upload, part).await {
        Ok(headers) => finished(client, place, headers).await,
        Err(error) => match abort(client, place, &upload).await {
            Ok(()) => Err(error),
            Err(left) => Err(error.context(format!("parts of it are left: {left}"))),
        },
    }
}

async fn parts(client: &Client, place: &Place, source: &Seen, upload: &str, part: u64) -> anyhow::Result<HeaderMap> {
    let path = place.path();
    let bar = ProgressBar::new(source.size).with_style(ProgressStyle::with_template(
        "{bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}, {eta} left",
    )?);
    let mut list = String::new();
    let (mut first, mut number) = (0, 1);
    while first < source.size {
        let last = (first + part).min(source.size) - 1;
        let mut headers = source_headers(place, source)?;
        headers.insert("x-amz-copy-source-range", HeaderValue::from_str(&format!("bytes={first}-{last}"))?);
        let one = format!("{path}?partNumber={number}&uploadId={upload}");
        let (status, _, body) = client.exchange_with("s3", Method::PUT, &one, headers, Bytes::new()).await?;
        if !status.is_success() {
            return Err(refused(&format!("copying part {number}"), status, &body));
        }
        let answer = String::from_utf8_lossy(&body).into_owned();
        let etag = element(&answer, "ETag")?;
        list.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        bar.set_position(last + 1);
        (first, number) = (last + 1, number + 1);
    }
    bar.finish_and_clear();
    let body = Bytes::from(format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>"));
    let end = format!("{path}?uploadId={upload}");
    let (status, headers, body) = client.exchange("s3", Method::POST, &end, &[], body).await?;
    if !status.is_success() || element(&String::from_utf8_lossy(&body), "Code").is_ok() {
        return Err(refused("finishing the copy", status, &body));
    }
    Ok(headers)
}

/// The headers and metadata that go with the content. A stated `classification` would be false at another label: the
/// copy in one request rolls it up by itself, a copy in parts leaves it out.
fn carried(headers: &HeaderMap) -> HeaderMap {
    const KEPT: [&str; 6] =
        ["content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires"];
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let metadata = name.as_str().strip_prefix("x-amz-meta-").is_some_and(|name| name != "classification");
        if metadata || KEPT.contains(&name.as_str()) {
            kept.append(name, value.clone());
        }
    }
    kept
}

async fn check_lower(client: &Client, name: &str, place: &Place, source: &Seen) -> anyhow::Result<()> {
    let found = head(client, place, source.version.as_deref())
        .await
        .with_context(|| format!("looking at the lower version as `{name}`"))?;
    if found.label != source.label || found.etag != source.etag {
        bail!("`{name}` does not see the version at {} by this name: choose a profile at that label", source.label);
    }
    Ok(())
}

/// Deletes exactly the version that was copied.
async fn delete_lower(client: &Client, place: &Place, source: &Seen) -> anyhow::Result<()> {
    let now = head(client, place, source.version.as_deref()).await?;
    if now.etag != source.etag || now.label != source.label {
        bail!("it was replaced meanwhile and is left as it is");
    }
    let id = source.version.as_deref().unwrap_or("null");
    let path = format!("{}?versionId={}", place.path(), encoded(id));
    let (status, _, body) = client.exchange("s3", Method::DELETE, &path, &[], Bytes::new()).await?;
    if !status.is_success() {
        return Err(refused("deleting", status, &body));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written() {
        let place = Place::parse("s3://plans/a b/ü?").unwrap();
        assert_eq!(place, Place { bucket: "plans".to_owned(), key: "a b/ü?".to_owned() });
        assert_eq!(place.path(), "/plans/a%20b/%C3%BC%3F");
        for bad in ["plans/a", "s3://plans", "s3:///a", "s3://plans/", ""] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
