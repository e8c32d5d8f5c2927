//! One request from its HTTP form to its HTTP answer: who answers it is told by the service in its signature's scope.

use crate::tracked::track;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use fastness_gate::{Context, Gate, Unauthenticated};
use fastness_identity::signature::{self, Claim};
use fastness_s3::{Form, S3Front};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use s3s::Body;
use std::time::Duration;

/// Answers the same to everybody, always: it says that the process listens, and nothing else.
pub const HEALTH_PATH: &str = "/_fastness/health";

/// The most bytes of a request to IAM, STS, CloudTrail or Fastness's own interface.
const SMALL_BODY_LEN_MAX: usize = 256 * 1024;

/// How long such a body may take in all.
const SMALL_BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// A region's HTTP service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RegionService {
    gate: Gate,
    s3: S3Front,
}

impl RegionService {
    /// The service before a gate.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self::at_domain(gate, None)
    }

    /// The same, where buckets have names under a domain of the configuration, too.
    #[must_use]
    pub fn at_domain(gate: Gate, domain: Option<&str>) -> Self {
        Self { s3: S3Front::new(gate.clone(), domain), gate }
    }

    /// What a region does by itself, for as long as it is polled: deletion is final within `erase_within`.
    pub async fn keep_up(self, erase_within: std::time::Duration) {
        self.gate.keep_erasing(erase_within).await;
    }

    /// Commits what is queued and stops the store.
    pub fn close(&self) {
        self.gate.close();
    }

    /// Does what is due by the buckets' lifecycles, until it is dropped.
    pub async fn tend(self, clock: crate::LifecycleClock) {
        crate::lifecycle::work(self.gate, clock).await;
    }

    /// Does what is due in one partition now, by a clock that is ahead of the true one; answers how much it was.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn expire(&self, label: fastness_label::Label, ahead_ms: i64) -> Result<usize, fastness_store::Fault> {
        self.gate.expire(label, ahead_ms).await
    }

    /// Answers one request; `source` is where it came from.
    pub async fn call<B>(&self, request: Request<B>, source: String) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if request.uri().path() == HEALTH_PATH {
            return health(request.method());
        }
        let empty = request.body().is_end_stream();
        let expects = request.headers().contains_key(http::header::EXPECT);
        let (parts, body) = request.into_parts();
        let (body, rest) = track(body);
        let mut response = self.answer(Request::from_parts(parts, body), source).await;
        // A final answer where `100 Continue` was expected ends the connection: the client may send the body or not,
        // and botocore mistakes every later answer on it (its connection keeps the status line of the first).
        let goes_on = if expects { !empty && rest.is_read() } else { rest.drain().await };
        if !goes_on {
            response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer<B>(&self, request: Request<B>, source: String) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        if parts.method == Method::OPTIONS {
            let context = self.gate.begin(None, source, agent(&parts));
            return self.s3.preflight(&context, parts).await;
        }
        let claim = signature::claim(&parts);
        if matches!(claim, Ok(None)) && fastness_s3::is_form(&parts) {
            return Box::pin(self.answer_form(parts, body, source)).await;
        }
        let claimed = claim.as_ref().ok().and_then(Option::as_ref).map(|claim| claim.access_key_id.as_str());
        let context = self.gate.begin(claimed, source, agent(&parts));
        match claim {
            Ok(Some(claim)) if claim.scope.service == "s3" => {
                Box::pin(self.answer_s3(context, &claim, parts, body)).await
            }
            Ok(Some(claim)) => Box::pin(self.answer_small(context, &claim, parts, body)).await,
            Ok(None) => {
                let refusal = anonymous(&parts);
                self.turn_away(&context, None, guessed_service(&parts), refusal).await
            }
            Err(error) => self.turn_away(&context, None, guessed_service(&parts), error.into()).await,
        }
    }

    async fn answer_s3<B>(&self, context: Context, claim: &Claim, parts: Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request_id = context.request_id();
        match self.gate.authenticate(context, claim, &parts, None).await {
            // On the heap, as what comes before is small and this is not: a request's future is moved more than once.
            Ok((session, verified)) => Box::pin(self.s3.handle(session, verified, parts, body)).await,
            Err(refusal) => fastness_s3::error_response(&request_id, refusal.code, refusal.status, &refusal.message),
        }
    }

    /// A form that a browser posts to S3: who signed it stands in its fields, in front of its file.
    async fn answer_form<B>(&self, parts: Parts, body: B, source: String) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let read = tokio::time::timeout(SMALL_BODY_TIME_MAX, Form::read(&parts, body)).await.unwrap_or_else(|_| {
            let message =
                "Your socket connection to the server was not read from or written to within the timeout period.";
            Err(Unauthenticated { code: "RequestTimeout", status: 400, message: message.to_owned() })
        });
        let claimed = read.and_then(|form| match form.claim() {
            Ok(Some(claim)) if claim.scope.service == "s3" => Ok((form, claim)),
            Ok(Some(_)) => {
                let message = "the form's credential is for another service than s3".to_owned();
                Err(Unauthenticated { code: "InvalidArgument", status: 400, message })
            }
            Ok(None) => Err(anonymous(&parts)),
            Err(error) => Err(error.into()),
        });
        let key = claimed.as_ref().ok().map(|(_, claim)| claim.access_key_id.as_str());
        let context = self.gate.begin(key, source, agent(&parts));
        let request_id = context.request_id();
        match claimed {
            Ok((form, claim)) => match self.gate.authenticate_posted(context, &claim).await {
                Ok((session, verified)) => self.s3.handle_form(session, verified, parts, form).await,
                Err(refusal) => {
                    fastness_s3::error_response(&request_id, refusal.code, refusal.status, &refusal.message)
                }
            },
            Err(refusal) => self.turn_away(&context, None, "s3", refusal).await,
        }
    }

    /// IAM, STS, CloudTrail and Fastness's own interface: small bodies, read whole.
    async fn answer_small<B>(&self, context: Context, claim: &Claim, parts: Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (request_id, service) = (context.request_id(), claim.scope.service.clone());
        let read = tokio::time::timeout(SMALL_BODY_TIME_MAX, Limited::new(body, SMALL_BODY_LEN_MAX).collect()).await;
        let body = match read {
            Ok(Ok(body)) => body.to_bytes(),
            _ => {
                let refusal = Unauthenticated {
                    code: "RequestEntityTooLarge",
                    status: 413,
                    message: format!("the request is incomplete, or its body is above {SMALL_BODY_LEN_MAX} bytes"),
                };
                return self.turn_away(&context, Some(&claim.access_key_id), &service, refusal).await;
            }
        };
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest(&SHA256, &body).as_ref()).for_each(|(out, byte)| *out = *byte);
        match self.gate.authenticate(context, claim, &parts, Some(hash)).await {
            Ok((session, _)) if service == fastness_trail::SERVICE => {
                let answer = fastness_trail::handle(&self.gate, &session, &parts.method, &parts.headers, &body).await;
                answer.map(Body::from)
            }
            Ok((session, _)) => {
                let answer =
                    fastness_iam::handle(&self.gate, &session, &service, &parts.method, &parts.headers, &body).await;
                answer.map(Body::from)
            }
            Err(refusal) => rendered(&service, &request_id, &refusal),
        }
    }

    async fn turn_away(
        &self,
        context: &Context,
        claimed: Option<&str>,
        service: &str,
        refusal: Unauthenticated,
    ) -> Response<Body> {
        let refusal = self.gate.turn_away(context, claimed, refusal).await;
        rendered(service, &context.request_id(), &refusal)
    }
}

fn rendered(service: &str, request_id: &str, refusal: &Unauthenticated) -> Response<Body> {
    match service {
        "iam" | "sts" | "fastness" => {
            let (code, status) = (refusal.code, refusal.status);
            fastness_iam::error_response(service, request_id, code, status, &refusal.message).map(Body::from)
        }
        fastness_trail::SERVICE => {
            let (code, status) = (refusal.code, refusal.status);
            fastness_trail::error_response(request_id, code, status, &refusal.message).map(Body::from)
        }
        _ => fastness_s3::error_response(request_id, refusal.code, refusal.status, &refusal.message),
    }
}

/// Whose form an answer takes when no signature says it.
fn guessed_service(parts: &Parts) -> &'static str {
    let form = parts.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = form.is_some_and(|form| form.starts_with("application/x-www-form-urlencoded"));
    if parts.method != Method::POST || parts.uri.path() != "/" {
        return "s3";
    }
    match () {
        () if fastness_trail::is_meant(&parts.headers) => fastness_trail::SERVICE,
        () if is_form => "iam",
        () => "s3",
    }
}

/// What the asking program calls itself.
fn agent(parts: &Parts) -> &str {
    parts.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn anonymous(parts: &Parts) -> Unauthenticated {
    let code = if guessed_service(parts) == "s3" { "AccessDenied" } else { "MissingAuthenticationToken" };
    let message = "Access Denied: sign the request with an access key of this region".to_owned();
    Unauthenticated { code, status: 403, message }
}

fn health(method: &Method) -> Response<Body> {
    let body = if method == Method::HEAD { Bytes::new() } else { Bytes::from_static(b"ok\n") };
    let mut response = Response::new(Body::from(body));
    if method == Method::GET || method == Method::HEAD {
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    } else {
        *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
    }
    response
}
