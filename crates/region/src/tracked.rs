//! A request's body that its handler and the connection share: what the handler left unread is read, or the connection
//! ends, so that the next request on it is never taken for the rest of this one.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// What is read of a body that nobody wants, to keep the connection.
const DRAIN_LEN_MAX: usize = 256 * 1024;

/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(500);

type Slot<B> = Arc<Mutex<Option<B>>>;

/// How long a client may take for the next bytes of a body.
const FRAME_TIME_MAX: Duration = Duration::from_secs(60);

/// The client sent nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the next bytes of the body did not come within a minute")]
struct Stalled;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The handler's side.
pub(crate) struct Tracked<B> {
    body: Slot<B>,
    /// Runs while the next bytes are waited for.
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// The connection's side.
pub(crate) struct Rest<B> {
    body: Slot<B>,
}

/// Splits a body.
pub(crate) fn track<B>(body: B) -> (Tracked<B>, Rest<B>) {
    let body = Arc::new(Mutex::new(Some(body)));
    (Tracked { body: Arc::clone(&body), timer: None }, Rest { body })
}

impl<B> Body for Tracked<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = match this.body.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(body) => Pin::new(body).poll_frame(context),
            None => return Poll::Ready(None),
        };
        if let Poll::Ready(frame) = polled {
            this.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(FRAME_TIME_MAX)));
        timer.as_mut().poll(context).map(|()| Some(Err(Stalled.into())))
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
