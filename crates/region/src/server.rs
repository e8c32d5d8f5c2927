//! The listener: connections in, requests to the service, an orderly end.

use crate::RegionService;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections that are open at once; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4096;

/// How long a client may take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests under way may take to finish once the region stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The listener failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken, or the address is not there.
    #[error("cannot listen on {address}: {error}; stop what uses the port, or choose another with --port-base")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
}

/// Answers requests on `listener` until `stop` resolves, then finishes those under way and closes the store.
pub async fn serve(service: RegionService, listener: TcpListener, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tokio::pin!(stop);
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accept => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = graceful.watch(connection(stream, peer, service.clone()));
                tokio::spawn(async move {
                    let _place = place;
                    // A client that goes away is no event of ours.
                    let _ended = connection.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off: they took too long to finish");
    }
    service.close();
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    service: RegionService,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Small answers leave at once: head and body are written together, and nothing waits for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let source = peer.ip().to_string();
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let (service, source) = (service.clone(), source.clone());
        async move { Ok::<_, Infallible>(service.call(request, source).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(512 * 1024);
    builder.serve_connection(TokioIo::new(stream), answer)
}
