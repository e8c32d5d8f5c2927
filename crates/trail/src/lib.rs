//! The wire form of CloudTrail, as far as it reads: JSON in, [`Operation`] out; events as CloudTrail writes them back.
//!
//! This crate decides nothing and holds nothing. [`handle`] parses, asks the gate, renders; what makes no sense is
//! reported to the gate before the answer goes out, so that it is in the ledger, too.
//!
//! `DiscloseEvents` is ours: a lookup whose events come with the proofs that their ledgers have them, for a disclosure
//! package (`docs/formats/ledger.md`). It takes the members of a lookup, and `HideFields`, `WithholdLabels`, `Known`.
//!
//! What differs from AWS: events of data are among the answers and not only those of management; nothing is older than
//! what retention keeps, and there are no 90 days; members that nobody knows are refused, because one that was passed
//! over could be the one that limited the search.
//!
//! [`Operation`]: fastness_operation::Operation

mod event;
mod request;
mod response;

#[cfg(test)]
mod tests;

pub use response::error_response;

use bytes::Bytes;
use fastness_gate::{Answer, Gate, Payload, Session};
use http::{HeaderMap, Method, Response};

/// The service's name in a signature's scope.
pub const SERVICE: &str = "cloudtrail";

/// Whether a request names an operation of CloudTrail: for whoever must answer before any signature says it.
#[must_use]
pub fn is_meant(headers: &HeaderMap) -> bool {
    request::name(headers).is_some()
}

/// A request that is no operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// CloudTrail's code.
    pub(crate) code: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The text for the caller.
    pub(crate) message: String,
    /// What was asked for, for the ledger.
    pub(crate) what: String,
}

/// Answers one authenticated request.
pub async fn handle(
    gate: &Gate,
    session: &Session,
    method: &Method,
    headers: &HeaderMap,
    body: &[u8],
) -> Response<Bytes> {
    let request_id = session.context().request_id();
    let operation = match request::parse(method, headers, body) {
        Ok(operation) => operation,
        Err(malformed) => {
            gate.refuse_malformed(session, &malformed.what, malformed.code).await;
            return error_response(&request_id, malformed.code, malformed.status, &malformed.message);
        }
    };
    match gate.handle(session, operation, Payload::none()).await {
        Ok(Answer::Events(page, label)) => {
            response::with_label(&request_id, &gate.banner(label), event::page(gate.region(), &page))
        }
        Ok(Answer::Disclosed(page, label)) => {
            response::with_label(&request_id, &gate.banner(label), event::disclosed(&page))
        }
        Ok(_) => {
            tracing::error!("the answer has not the form that goes with the operation");
            error_response(&request_id, "InternalError", 500, "We encountered an internal error. Please try again.")
        }
        Err(refusal) => error_response(&request_id, refusal.code.as_str(), refusal.code.status(), &refusal.message),
    }
}
