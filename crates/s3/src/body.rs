//! A request's body on its way through `s3s`: what was wrong with it is kept beside.

use bytes::Bytes;
use fastness_identity::signature::{BodyError, CheckedBody, TrailerHandle};
use futures_util::Stream;
use s3s::Body;
use s3s::dto::StreamingBlob;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// What ended a body early, to be looked at when the answer is rendered.
#[derive(Clone, Default)]
pub(crate) struct BodyFault(Arc<Mutex<Option<BodyError>>>);

impl BodyFault {
    pub(crate) fn take(&self) -> Option<BodyError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: BodyError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// A checked body whose error is kept. The lock makes it `Sync`, as `s3s` asks; it is never contended.
pub(crate) struct Guarded<B> {
    inner: Mutex<CheckedBody<B>>,
    trailers: TrailerHandle,
    fault: BodyFault,
}

/// The body ended early; which error it was lies in [`BodyFault`].
#[derive(Debug)]
pub(crate) struct EndedEarly(pub(crate) &'static str, pub(crate) String);

impl std::fmt::Display for EndedEarly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}

impl std::error::Error for EndedEarly {}

impl<B> Guarded<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(checked: CheckedBody<B>) -> Self {
        let trailers = checked.trailers();
        Self { inner: Mutex::new(checked), trailers, fault: BodyFault::default() }
    }

    pub(crate) fn trailers(&self) -> TrailerHandle {
        self.trailers.clone()
    }

    pub(crate) fn fault(&self) -> BodyFault {
        self.fault.clone()
    }

    pub(crate) fn into_body(self) -> Body {
        Body::from(StreamingBlob::wrap(self))
    }
}

impl<B> Stream for Guarded<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = Result<Bytes, EndedEarly>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let inner = this.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        Pin::new(inner).poll_next(context).map(|item| {
            item.map(|result| {
                result.map_err(|error| {
                    let ended = EndedEarly(error.code(), error.to_string());
                    this.fault.set(error);
                    ended
                })
            })
        })
    }
}
