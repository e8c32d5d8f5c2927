//! One connection that sends one signed request at a time.

use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;
use tokio::net::TcpStream;

use crate::signature::{Credentials, Signer, Target};

const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// A connection for one key and one service.
pub struct Wire {
    authority: String,
    signer: Signer,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub etag: String,
    pub body: Bytes,
}

impl Answer {
    /// The text of the first element of a name; enough for the documents read here.
    pub fn one(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body);
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(value, _)| value.to_owned())
    }
}

impl Wire {
    pub fn new(authority: String, credentials: Credentials, service: &'static str) -> Self {
        Self { authority, signer: Signer::for_service(credentials, service), sender: None }
    }

    /// Sends a request; an error when it was not answered whole.
    pub async fn send(&mut self, method: Method, path: &str, query: &str, body: Bytes) -> Result<Answer> {
        let answer = tokio::time::timeout(REQUEST_TIME_MAX, self.exchange(method, path, query, body)).await;
        let answer = answer.context("no answer in time").and_then(|answer| answer);
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn exchange(&mut self, method: Method, path: &str, query: &str, body: Bytes) -> Result<Answer> {
        let hash = hex::encode(digest(&SHA256, &body));
        let date = self.signer.set_time(OffsetDateTime::now_utc())?.to_owned();
        let target = Target { method: method.as_str(), host: &self.authority, path, query };
        let signature = self.signer.authorization(target, &hash);
        let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(http::header::HOST, &self.authority)
            .header("x-amz-date", date)
            .header("x-amz-content-sha256", hash)
            .header(http::header::AUTHORIZATION, signature);
        let request = match path {
            "/" => request.header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8"),
            _ => request,
        };
        let response = self.sender().await?.send_request(request.body(Full::new(body))?).await?;
        let status = response.status().as_u16();
        let etag = response.headers().get(http::header::ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, etag: etag.unwrap_or_default(), body })
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = TcpStream::connect(&self.authority).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut().context("the connection is not there")
    }
}
