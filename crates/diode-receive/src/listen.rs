//! Listens: many datagrams a call, each authenticated before anything else looks at it.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use fastness_diode::{LinkKey, Opener, Refused};
use indicatif::{ProgressBar, ProgressStyle};
use quinn_udp::{RecvMeta, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use crate::ReceiveError;
use crate::gather::{Done, Gatherer};
use crate::options::Settings;

/// Datagrams, or runs of datagrams that the kernel put together (UDP_GRO), in one call.
const CALL_MAX: usize = 32;
/// The longest that one of them can be.
const SLOT_BYTES: usize = 65_536;
/// Calls in a row before somebody looks at what else there is to do.
const CALLS_MAX: usize = 16;
/// How long the line may be quiet before somebody looks at the clock.
const BUSY: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_millis(200);

/// The socket, and the key that opens what comes out of it.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UdpSocket,
    offload: UdpSocketState,
    opener: Opener,
    address: SocketAddr,
    buffer_bytes: usize,
    is_watched: bool,
}

impl Listener {
    pub(crate) fn open(settings: &Settings, key: LinkKey) -> Result<Self, ReceiveError> {
        let failed = |doing| move |error| ReceiveError::Socket(doing, error);
        let socket = UdpSocket::bind(settings.listen).map_err(failed("bound"))?;
        let offload = UdpSocketState::new((&socket).into()).map_err(failed("set up"))?;
        let address = socket.local_addr().map_err(failed("asked for its address"))?;
        // With the right to, more than the system's bound; else what it gives.
        if sockopt::set_socket_recv_buffer_size_force(&socket, settings.buffer).is_err() {
            let _smaller = sockopt::set_socket_recv_buffer_size(&socket, settings.buffer);
        }
        let buffer_bytes = sockopt::socket_recv_buffer_size(&socket).unwrap_or(0);
        let is_watched = settings.events.is_some() && std::io::IsTerminal::is_terminal(&std::io::stderr());
        Ok(Self { socket, offload, opener: Opener::new(key), address, buffer_bytes, is_watched })
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the kernel holds for us when we are late, bytes.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Listens, for ever.
    pub(crate) fn run(mut self, mut gatherer: Gatherer<'_>, done: &Receiver<Done>) -> Result<(), ReceiveError> {
        let mut storage = vec![0; CALL_MAX * SLOT_BYTES];
        let mut meta = [RecvMeta::default(); CALL_MAX];
        let bar = bar(self.is_watched);
        loop {
            let patience = if gatherer.is_busy() { BUSY } else { IDLE };
            self.wait(patience)?;
            for _ in 0..CALLS_MAX {
                let now = Instant::now();
                let is_empty = self.call(&mut storage, &mut meta, &mut gatherer, now)?;
                done.try_iter().try_for_each(|done| gatherer.done(done))?;
                gatherer.tick(now)?;
                if is_empty {
                    break;
                }
            }
            bar.set_position(gatherer.counts.bytes);
            if self.is_watched {
                bar.set_message(gatherer.progress());
            }
        }
    }

    fn wait(&self, patience: Duration) -> Result<(), ReceiveError> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(_) => Ok(()),
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(ReceiveError::Socket("waited for", error.into())),
        }
    }

    /// One call: takes what is there. Says whether nothing was.
    fn call(
        &mut self,
        storage: &mut [u8],
        meta: &mut [RecvMeta; CALL_MAX],
        gatherer: &mut Gatherer<'_>,
        now: Instant,
    ) -> Result<bool, ReceiveError> {
        let mut slots = storage.chunks_exact_mut(SLOT_BYTES);
        let mut slots: [_; CALL_MAX] = std::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
        let count = match self.offload.recv((&self.socket).into(), &mut slots, meta) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(true),
            Err(error) => return Err(ReceiveError::Socket("read", error)),
        };
        for (slot, meta) in slots.iter().zip(meta.iter()).take(count) {
            let bytes = slot.get(..meta.len).unwrap_or_default();
            if bytes.is_empty() {
                gatherer.refuse(Refused::Short);
            }
            for datagram in bytes.chunks(meta.stride.max(1)) {
                match self.opener.open(datagram) {
                    Ok((frame, seen)) => gatherer.take(&frame, seen, now)?,
                    Err(reason) => gatherer.refuse(reason),
                }
            }
        }
        Ok(count < CALL_MAX)
    }
}

/// A line for people, where events are not in their way.
fn bar(is_watched: bool) -> ProgressBar {
    if !is_watched {
        return ProgressBar::hidden();
    }
    let template = "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}, {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}
