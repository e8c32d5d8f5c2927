//! The wire form of IAM, STS and Fastness's own API: forms and JSON in, [`Operation`] out; XML and JSON back.
//!
//! This crate decides nothing and holds nothing. [`handle`] parses, asks the gate, renders: every call that makes
//! sense ends in [`Gate::handle`], and every one that does not is reported to it before the answer goes out, so that
//! both are in the ledger.
//!
//! What is stricter here than at AWS: parameters that nobody asked for, parameters sent twice, and percent-encoding or
//! UTF-8 that is broken are refused. A parameter that was passed over could be the one that limited somebody.
//!
//! [`Operation`]: fastness_operation::Operation

mod arn;
mod call;
mod crossing;
mod form;
mod json;
mod lifts;
mod query;
mod releases;
mod response;
mod xml;

#[cfg(test)]
mod tests;

pub use response::error_response;

use bytes::Bytes;
use call::{Call, Malformed, Service};
use fastness_gate::{Answer, Gate, Payload, Session};
use fastness_label::Label;
use http::{HeaderMap, Method, Response};

/// Answers one authenticated request. `service` is that of its signature's scope: `iam`, `sts` or `fastness`.
pub async fn handle(
    gate: &Gate,
    session: &Session,
    service: &str,
    method: &Method,
    headers: &HeaderMap,
    body: &[u8],
) -> Response<Bytes> {
    let request_id = session.context().request_id();
    let (service, call) = match parse(service, method, headers, body) {
        Ok(parsed) => parsed,
        Err(malformed) => {
            gate.refuse_malformed(session, &malformed.what, malformed.code).await;
            return error_response(service, &request_id, malformed.code, malformed.status, &malformed.message);
        }
    };
    let Call { operation, page } = call;
    let action = operation.name();
    match gate.handle(session, operation, Payload::none()).await {
        Ok(answer) => {
            let banner = |label| gate.banner(label).to_string();
            let frame = Frame { region: gate.region(), request_id: &request_id, banner: &banner };
            render(&frame, service, action, page.as_ref(), &answer)
        }
        Err(refusal) => {
            let (code, status) = (refusal.code.as_str(), refusal.code.status());
            error_response(service.name(), &request_id, code, status, &refusal.message)
        }
    }
}

/// What an answer needs to know beside its data.
struct Frame<'a> {
    region: &'a str,
    request_id: &'a str,
    banner: &'a dyn Fn(Label) -> String,
}

/// The request as an operation, without asking anybody.
fn parse(service: &str, method: &Method, headers: &HeaderMap, body: &[u8]) -> Result<(Service, Call), Malformed> {
    let Some(service) = Service::parse(service) else {
        let message = "the signature's scope names a service that this address does not answer";
        return Err(Malformed::new("InvalidAction", message).of(service));
    };
    if method != Method::POST {
        let message = format!("`{}` has no meaning here; send a POST", call::shortened(method.as_str()));
        return Err(Malformed { status: 405, ..Malformed::new("MethodNotAllowed", message) }.of(service.name()));
    }
    let call = match service {
        Service::Iam | Service::Sts => query::parse(service, headers, body),
        Service::Fastness => json::parse(headers, body),
    };
    call.map(|call| (service, call))
}

/// The gate's answer in the form of the service.
fn render(
    frame: &Frame<'_>,
    service: Service,
    action: &'static str,
    page: Option<&call::Page>,
    answer: &Answer,
) -> Response<Bytes> {
    let body = match service {
        Service::Iam | Service::Sts => xml::answer(frame, service, action, page, answer),
        Service::Fastness => json::answer(frame, action, answer),
    };
    match body {
        Some(body) => response::with_body(service, frame.request_id, 200, body),
        None => {
            tracing::error!(action, "the answer has not the form that goes with the operation");
            let message = "We encountered an internal error. Please try again.";
            error_response(service.name(), frame.request_id, "InternalError", 500, message)
        }
    }
}
