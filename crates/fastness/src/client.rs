//! A small client of a region's interfaces: signs, sends, reads the answer whole.

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use fastness_region::sign::{SignPayload, Signer};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use time::OffsetDateTime;

/// What this program calls itself.
const AGENT: &str = concat!("fastness/", env!("CARGO_PKG_VERSION"));

/// A key with the region that it is for.
#[derive(Clone)]
pub struct Credential {
    /// The region's name.
    pub region: String,
    /// `http://host:port`
    pub endpoint: String,
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
}

/// A client of one region, with one key.
#[derive(Clone)]
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    credential: Credential,
}

impl Client {
    pub fn new(credential: Credential) -> Self {
        Self { http: Http::builder(TokioExecutor::new()).build_http(), credential }
    }

    /// Sends one signed request; answers status and body.
    pub async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let (status, _, body) = self.exchange(service, method, path, headers, body).await?;
        Ok((status, body))
    }

    /// Sends one signed request; answers status, headers and body.
    pub async fn exchange(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        let mut owned = HeaderMap::new();
        for (name, value) in headers {
            owned.append(*name, HeaderValue::from_str(value)?);
        }
        self.exchange_with(service, method, path, owned, body).await
    }

    /// The same with headers whose names come from elsewhere.
    pub async fn exchange_with(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        let Credential { region, endpoint, access_key_id, secret_access_key } = &self.credential;
        let uri: http::Uri = format!("{endpoint}{path}").parse().context("the endpoint is not an address")?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(http::header::HOST, authority)
            .header(http::header::USER_AGENT, AGENT);
        let (mut parts, ()) = request.body(())?.into_parts();
        parts.headers.extend(headers);
        let signer = Signer::new(access_key_id, secret_access_key, region, service);
        let _chunks = signer
            .sign(&mut parts, SignPayload::Body(&body), OffsetDateTime::now_utc())
            .map_err(|error| anyhow!("signing: {error}"))?;
        let request = Request::from_parts(parts, Full::new(body));
        let answer = self.http.request(request).await.with_context(|| {
            format!("the region {region} does not answer at {endpoint}; start it with `fastness up`")
        })?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        Ok((head.status, head.headers, body))
    }

    /// Calls Fastness's own interface.
    pub async fn fastness(&self, operation: &str, input: &Value) -> anyhow::Result<Value> {
        self.json("fastness", format!("Fastness.{operation}"), input).await
    }

    /// Calls CloudTrail.
    pub async fn cloudtrail(&self, operation: &str, input: &Value) -> anyhow::Result<Value> {
        let target = format!("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.{operation}");
        self.json("cloudtrail", target, input).await
    }

    /// The public half of the key that signs.
    pub fn key_id(&self) -> &str {
        &self.credential.access_key_id
    }

    /// The same region with another key.
    pub fn with_key(&self, id: &str, secret: &str) -> Credential {
        let Credential { region, endpoint, .. } = self.credential.clone();
        Credential { region, endpoint, access_key_id: id.to_owned(), secret_access_key: secret.to_owned() }
    }

    /// The number of the account that the key belongs to.
    pub async fn account(&self) -> anyhow::Result<String> {
        let answer = self.query("sts", "2011-06-15", "GetCallerIdentity", &[]).await?;
        crate::people::element(&answer, "Account").map(str::to_owned)
    }

    async fn json(&self, service: &str, target: String, input: &Value) -> anyhow::Result<Value> {
        let headers = [("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", target)];
        let body = Bytes::from(serde_json::to_vec(input)?);
        let (status, body) = self.send(service, Method::POST, "/", &headers, body).await?;
        let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("unknown").to_owned();
        bail!("{}: {}", text("__type"), text("message"))
    }

    /// Calls IAM by its query protocol; answers the XML.
    pub async fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<String> {
        self.query("iam", "2010-05-08", action, parameters).await
    }

    async fn query(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let pairs = [("Action", action), ("Version", version)];
        let encode = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
            let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
            text.bytes().map(one).collect::<String>()
        };
        let form: Vec<String> =
            pairs.iter().chain(parameters).map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        let (status, body) = self.send(service, Method::POST, "/", &headers, Bytes::from(form.join("&"))).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() { Ok(text) } else { bail!("{} {action}: {text}", service.to_uppercase()) }
    }
}
