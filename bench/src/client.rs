//! One client: a keep-alive connection that sends one signed request at a time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;
use tokio::net::TcpStream;

use crate::Signing;
use crate::payload::Payload;
use crate::row::Plan;
use crate::signature::{Signer, Target, UNSIGNED_PAYLOAD};

/// A request that takes longer is an error.
const REQUEST_SECONDS_MAX: u64 = 60;
/// An error's body is read up to here.
const ERROR_BYTES_MAX: usize = 2048;
/// A page of a listing is read up to here.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// So much of an answer is compared with what was written, even without `--verify`.
const HEAD_BYTES: usize = 4096;
const PRESIGNED_SECONDS: u32 = 3_600;
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// What a query keeps as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client of the row.
pub struct Client {
    plan: Arc<Plan>,
    signer: Signer,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// A page of a listing.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// How many keys it holds.
    pub keys: u64,
    /// Where the next one starts; nothing at the end.
    pub next: Option<String>,
}

impl Client {
    /// A client that connects when it first sends.
    pub fn new(plan: Arc<Plan>) -> Self {
        let signer = Signer::new(plan.credentials.clone());
        Self { plan, signer, sender: None }
    }

    /// Makes the bucket, unless it is there.
    pub async fn create_bucket(&mut self) -> Result<()> {
        let response = self.send(Method::PUT, "", "", None).await?;
        let status = response.status();
        let body = self.collect(response, ERROR_BYTES_MAX).await?;
        let there = status == StatusCode::CONFLICT && code(&body).starts_with("BucketAlready");
        ensure!(status.is_success() || there, "CreateBucket answered {status} {}", code(&body));
        Ok(())
    }

    /// Writes an object; returns the bytes sent.
    pub async fn put(&mut self, key: &str, payload: &Payload) -> Result<u64> {
        let response = self.send(Method::PUT, key, "", Some(payload)).await?;
        self.finish(StatusCode::OK, response).await?;
        Ok(payload.bytes.len() as u64)
    }

    /// Reads an object and checks it against what was written; returns the bytes read.
    pub async fn get(&mut self, key: &str, expected: &Bytes) -> Result<u64> {
        let response = self.send(Method::GET, key, "", None).await?;
        let mut body = self.expect(StatusCode::OK, response).await?.into_body();
        let compared = if self.plan.verify { expected.len() } else { HEAD_BYTES.min(expected.len()) };
        let mut at = 0_usize;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.context("the answer broke off")?.into_data() else { continue };
            let end = at + data.len();
            let want = expected.get(at.min(compared)..end.min(compared)).unwrap_or_default();
            ensure!(data.get(..want.len()) == Some(want), "GET `{key}` returned other bytes than were written");
            at = end;
        }
        ensure!(at == expected.len(), "GET `{key}` returned {at} bytes instead of {}", expected.len());
        Ok(at as u64)
    }

    /// Asks for an object's head.
    pub async fn head(&mut self, key: &str, size: usize) -> Result<u64> {
        let response = self.send(Method::HEAD, key, "", None).await?;
        let length = response.headers().get(http::header::CONTENT_LENGTH).cloned();
        self.finish(StatusCode::OK, response).await?;
        let length = length.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("nothing");
        ensure!(length == size.to_string(), "HEAD `{key}` states a length of {length} instead of {size}");
        Ok(0)
    }

    /// Asks for one page of a listing.
    pub async fn list(&mut self, prefix: &str, token: Option<&str>) -> Result<(u64, Page)> {
        let encode = |text| utf8_percent_encode(text, UNRESERVED);
        let mut query = String::new();
        if let Some(token) = token {
            query = format!("continuation-token={}&", encode(token));
        }
        query.push_str(&format!("list-type=2&max-keys={}&prefix={}", self.plan.page, encode(prefix)));
        let response = self.send(Method::GET, "", &query, None).await?;
        let response = self.expect(StatusCode::OK, response).await?;
        let body = self.collect(response, PAGE_BYTES_MAX).await?;
        Ok((body.len() as u64, page(&body)?))
    }

    /// Deletes an object.
    pub async fn delete(&mut self, key: &str) -> Result<u64> {
        let response = self.send(Method::DELETE, key, "", None).await?;
        self.finish(StatusCode::NO_CONTENT, response).await?;
        Ok(0)
    }

    async fn send(
        &mut self,
        method: Method,
        key: &str,
        query: &str,
        payload: Option<&Payload>,
    ) -> Result<Response<Incoming>> {
        let request = self.request(method, key, query, payload)?;
        let sender = self.sender().await?;
        let answer = tokio::time::timeout(Duration::from_secs(REQUEST_SECONDS_MAX), sender.send_request(request)).await;
        match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                self.sender = None;
                Err(error).context("the request was not answered")
            }
            Err(_elapsed) => {
                self.sender = None;
                bail!("no answer within {REQUEST_SECONDS_MAX} s");
            }
        }
    }

    fn request(
        &mut self,
        method: Method,
        key: &str,
        query: &str,
        payload: Option<&Payload>,
    ) -> Result<Request<Full<Bytes>>> {
        let plan = Arc::clone(&self.plan);
        let path = if key.is_empty() { format!("/{}", plan.bucket) } else { format!("/{}/{key}", plan.bucket) };
        let target = Target { method: method.as_str(), host: &plan.authority, path: &path, query };
        let date = self.signer.set_time(OffsetDateTime::now_utc())?.to_owned();
        let builder = Request::builder().method(method.clone()).header(http::header::HOST, &plan.authority);
        let builder = if plan.signing == Signing::Presigned {
            builder.uri(format!("{path}?{}", self.signer.presigned_query(target, PRESIGNED_SECONDS)))
        } else {
            let hash = match payload {
                Some(_) if plan.signing == Signing::UnsignedPayload => UNSIGNED_PAYLOAD,
                Some(payload) => &payload.sha256,
                None => EMPTY_SHA256,
            };
            let uri = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
            builder
                .uri(uri)
                .header("x-amz-date", date)
                .header("x-amz-content-sha256", hash)
                .header(http::header::AUTHORIZATION, self.signer.authorization(target, hash))
        };
        let builder = match plan.content_type.filter(|_| payload.is_some()) {
            Some(content_type) => builder.header(http::header::CONTENT_TYPE, content_type),
            None => builder,
        };
        let body = payload.map(|payload| payload.bytes.clone()).unwrap_or_default();
        builder.body(Full::new(body)).context("the request cannot be written")
    }

    /// The open connection, or a new one where the server closed it between requests.
    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = TcpStream::connect(&self.plan.authority)
                .await
                .with_context(|| format!("`{}` does not answer", self.plan.authority))?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // The task ends with its connection; what went wrong there reaches the request that waits on it.
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut().context("the connection is not there")
    }

    /// The response if it has the expected status, else an error that names its code.
    async fn expect(&mut self, expected: StatusCode, response: Response<Incoming>) -> Result<Response<Incoming>> {
        let status = response.status();
        if status == expected {
            return Ok(response);
        }
        let body = self.collect(response, ERROR_BYTES_MAX).await?;
        bail!("the server answered {status} {}", code(&body))
    }

    /// Reads an answer that has nothing to say but its status.
    async fn finish(&mut self, expected: StatusCode, response: Response<Incoming>) -> Result<()> {
        let response = self.expect(expected, response).await?;
        self.collect(response, ERROR_BYTES_MAX).await.map(drop)
    }

    /// The whole body, which must not be longer than `bytes_max`.
    async fn collect(&mut self, response: Response<Incoming>, bytes_max: usize) -> Result<Vec<u8>> {
        let mut body = response.into_body();
        let mut collected = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.context("the answer broke off")?.into_data() else { continue };
            collected.extend_from_slice(&data);
            if collected.len() > bytes_max {
                self.sender = None;
                bail!("the answer is longer than {bytes_max} bytes");
            }
        }
        Ok(collected)
    }
}

/// The error code of an S3 error document.
fn code(body: &[u8]) -> String {
    element(&String::from_utf8_lossy(body), "Code").unwrap_or_default()
}

fn page(body: &[u8]) -> Result<Page> {
    let text = std::str::from_utf8(body).context("the listing is not UTF-8")?;
    ensure!(text.contains("<ListBucketResult"), "the listing is not a ListBucketResult");
    let next = element(text, "NextContinuationToken");
    let truncated = element(text, "IsTruncated").as_deref() == Some("true");
    ensure!(truncated == next.is_some(), "the listing says truncated = {truncated}, but its token says otherwise");
    Ok(Page { keys: text.matches("<Key>").count() as u64, next })
}

/// The text of the first element of a name; enough for the documents read here.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#34;", "\"");
    Some(plain.replace("&#39;", "'").replace("&apos;", "'").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_counts_its_keys_and_finds_its_token() {
        let text = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>\
                    <Contents><Key>a</Key></Contents><Contents><Key>b</Key></Contents></ListBucketResult>";
        assert_eq!(page(text.as_bytes()).unwrap(), Page { keys: 2, next: Some("a&b=".into()) });
        let last = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(page(last.as_bytes()).unwrap(), Page { keys: 0, next: None });
    }

    #[test]
    fn a_page_that_contradicts_itself_is_an_error() {
        assert!(page(b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>").is_err());
        assert!(page(b"<html></html>").is_err());
    }

    #[test]
    fn an_error_document_gives_its_code() {
        assert_eq!(code(b"<Error><Code>NoSuchKey</Code></Error>"), "NoSuchKey");
        assert_eq!(code(b"oops"), "");
    }
}
