//! A request's body that its handler and the connection share: what the handler left unread is read, or the connection
//! ends, so that the next request on it is never taken for the rest of this one.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// What is read of a body that nobody wants, to keep the connection.
const DRAIN_LEN_MAX: usize = 256 * 1024;

/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(500);

type Slot<B> = Arc<Mutex<Option<B>>>;

/// The handler's side.
pub(crate) struct Tracked<B> {
    body: Slot<B>,
}

/// The connection's side.
pub(crate) struct Rest<B> {
    body: Slot<B>,
}

/// Splits a body.
pub(crate) fn track<B>(body: B) -> (Tracked<B>, Rest<B>) {
    let body = Arc::new(Mutex::new(Some(body)));
    (Tracked { body: Arc::clone(&body) }, Rest { body })
}

impl<B: Body<Data = Bytes> + Unpin> Body for Tracked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.body.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let slot = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Rest<B> {
    /// Reads what is left, if that is little. Says whether the connection may go on.
    pub(crate) async fn drain(self) -> bool {
        let Some(mut body) = self.body.lock().unwrap_or_else(PoisonError::into_inner).take() else { return true };
        let read = async {
            let mut left = DRAIN_LEN_MAX;
            while !body.is_end_stream() {
                match body.frame().await {
                    None => return true,
                    Some(Err(_)) => return false,
                    Some(Ok(frame)) => match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                        Some(rest) => left = rest,
                        None => return false,
                    },
                }
            }
            true
        };
        tokio::time::timeout(DRAIN_TIME_MAX, read).await.unwrap_or(false)
    }

    /// Whether everything was read already.
    pub(crate) fn is_read(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(Body::is_end_stream)
    }
}
