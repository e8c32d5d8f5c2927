//! The line: seals frames, keeps to the rate, and sends. Blocks of a group take turns, so that a break of the line takes
//! a little of each and much of none.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use fastness_diode::{Block, BundleNumber, RunId, SEALS_MAX, SYMBOL_AT, SYMBOL_OVERHEAD, Seal, Sealer};
use indicatif::{ProgressBar, ProgressStyle};
use quinn_udp::{Transmit, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::SendError;
use crate::events::Events;
use crate::options::Settings;
use crate::outbox::Bundle;
use crate::pace::Pace;

/// Pieces of work that may wait for the line: enough that it never waits, and at most two groups' repair.
pub(crate) const WORK_WAITING: usize = 2;
/// The most bytes that one call hands to the kernel.
const CALL_BYTES_MAX: usize = 65_507;
/// The most frames of a block that go before another block's turn: few calls, and little for a break to take at once.
const TURN_FRAMES_MAX: usize = 16;
/// How often a seal is sent again, each time after what a break may last.
const SEAL_REPEATS: u8 = 4;
/// The most seals that are sent again.
const SEALS_KEPT: usize = 4_096;

/// A block of a bundle.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) number: u32,
    pub(crate) block: Block,
}

/// Blocks that are interleaved.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) parts: Vec<Part>,
    /// How many times as slow as the rate they are sent, at least once: see [`crate::spread`].
    pub(crate) slowness: f64,
}

/// Frames of a block that go before another block's turn, for symbols of so many bytes.
pub(crate) fn turn_frames(symbol_bytes: usize) -> usize {
    (CALL_BYTES_MAX / (symbol_bytes + SYMBOL_OVERHEAD)).clamp(1, TURN_FRAMES_MAX)
}

/// The repair symbols of a block, each with its number.
pub(crate) type Repair = Vec<(u32, Vec<u8>)>;

/// What the planner has for the line.
#[derive(Debug)]
pub(crate) enum Work {
    /// The source symbols of a group.
    Source(Arc<Group>),
    /// Its repair symbols, block by block.
    Repair(Arc<Group>, Vec<Repair>),
    /// Bundles whose last symbols were handed over.
    Seals(Vec<Seal>),
    /// The end of a round.
    End {
        /// Of this batch.
        batch: u64,
        /// The highest number in it.
        highest: Option<BundleNumber>,
    },
}

/// A round of a batch was sent.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) batch: u64,
}

/// What went over the line.
#[derive(Debug, Default)]
struct Count {
    frames: u64,
    bytes: u64,
    /// Calls that the kernel refused: a cable that is out, a full queue. The frames are lost, as others are.
    refused: u64,
}

/// The line.
#[derive(Debug)]
pub(crate) struct Line {
    socket: UdpSocket,
    offload: UdpSocketState,
    to: SocketAddr,
    sealer: Sealer,
    pace: Pace,
    frame_bytes: usize,
    symbol_bytes: usize,
    header_bytes: usize,
    turn_frames: usize,
    buffer: Vec<u8>,
    /// Seals to be sent again, and how often.
    recent: VecDeque<(Seal, u8)>,
    repeat: Duration,
    repeat_at: Instant,
    announce: Duration,
    announce_at: Instant,
    highest: Option<BundleNumber>,
    count: Count,
}

impl Line {
    pub(crate) fn new(socket: UdpSocket, settings: &Settings, sealer: Sealer) -> Result<Self, SendError> {
        let offload = UdpSocketState::new((&socket).into()).map_err(|error| SendError::Socket("set up", error))?;
        let symbol_bytes = usize::try_from(settings.symbol_bytes).unwrap_or(0);
        let frame_bytes = symbol_bytes + SYMBOL_OVERHEAD;
        let turn_frames = turn_frames(symbol_bytes);
        let now = Instant::now();
        Ok(Self {
            socket,
            offload,
            to: settings.to,
            sealer,
            pace: Pace::new(settings.rate),
            frame_bytes,
            symbol_bytes,
            header_bytes: settings.header_bytes(),
            turn_frames,
            buffer: vec![0; frame_bytes * turn_frames],
            recent: VecDeque::new(),
            repeat: settings.burst + Duration::from_millis(10),
            repeat_at: now,
            announce: settings.announce,
            announce_at: now,
            highest: None,
            count: Count::default(),
        })
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn run(&self) -> RunId {
        self.sealer.run()
    }

    /// Sends what the planner hands over, until it has nothing more.
    pub(crate) fn run_until_done(
        mut self,
        work: Receiver<Work>,
        report: &Sender<Report>,
        highest: Option<BundleNumber>,
        events: &Events,
    ) -> Result<(), SendError> {
        self.highest = highest;
        let bar = bar(events);
        loop {
            let until = self.announce_at.min(self.repeat_at).saturating_duration_since(Instant::now());
            match work.recv_timeout(until) {
                Ok(Work::Source(group)) => {
                    self.pace.slow_down(group.slowness);
                    self.source(&group)?;
                }
                Ok(Work::Repair(group, repair)) => {
                    self.pace.slow_down(group.slowness);
                    self.repair(&group, &repair)?;
                }
                Ok(Work::Seals(seals)) => {
                    self.seals(&seals)?;
                    self.recent.extend(seals.into_iter().map(|seal| (seal, SEAL_REPEATS)));
                    let over = self.recent.len().saturating_sub(SEALS_KEPT);
                    self.recent.drain(..over);
                }
                Ok(Work::End { batch, highest }) => {
                    self.highest = self.highest.max(highest);
                    self.announce()?;
                    let _nobody_waits = report.send(Report { batch });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if self.recent.is_empty() => break,
                // What was sent last is sealed as often as everything before it.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(until.min(self.repeat)),
            }
            self.tick()?;
            bar.set_position(self.count.bytes);
            if let Some(highest) = self.highest {
                bar.set_message(highest.to_string());
            }
        }
        bar.finish_and_clear();
        let Count { frames, bytes, refused } = self.count;
        let fields = [("frames", frames.into()), ("bytes", bytes.into()), ("refused_by_kernel", refused.into())];
        events.put("ended", &fields);
        Ok(())
    }

    /// Source symbols, turn by turn: each block's first frames, then each block's next.
    fn source(&mut self, group: &Group) -> Result<(), SendError> {
        let most = group.parts.iter().map(|part| part.block.symbols).max().unwrap_or(0);
        let turn = u32::try_from(self.turn_frames).unwrap_or(1);
        for first in (0..most).step_by(self.turn_frames) {
            for part in group.parts.iter().filter(|part| first < part.block.symbols) {
                let frames = turn.min(part.block.symbols - first);
                if let Err(error) = self.read(part, first, frames) {
                    part.bundle.fail(&error);
                    continue;
                }
                self.send_turn(part, (first..).take(usize::try_from(frames).unwrap_or(0)))?;
            }
            self.tick()?;
        }
        Ok(())
    }

    /// Reads symbols to where their frames will have them.
    fn read(&mut self, part: &Part, first: u32, frames: u32) -> std::io::Result<()> {
        let start = u64::from(first) * u64::try_from(self.symbol_bytes).unwrap_or(u64::MAX);
        let mut left = part.block.bytes.saturating_sub(usize::try_from(start).unwrap_or(usize::MAX));
        let mut places = Vec::with_capacity(self.turn_frames);
        for frame in self.buffer.chunks_exact_mut(self.frame_bytes).take(usize::try_from(frames).unwrap_or(0)) {
            let symbol = frame.get_mut(SYMBOL_AT..SYMBOL_AT + self.symbol_bytes).unwrap_or_default();
            let (content, padding) = symbol.split_at_mut(left.min(self.symbol_bytes));
            padding.fill(0);
            left -= content.len();
            places.push(IoSliceMut::new(content));
        }
        part.bundle.read_into(&mut places, part.block.offset + start)
    }

    fn repair(&mut self, group: &Group, repair: &[Repair]) -> Result<(), SendError> {
        let most = repair.iter().map(Vec::len).max().unwrap_or(0);
        for first in (0..most).step_by(self.turn_frames) {
            for (part, symbols) in group.parts.iter().zip(repair) {
                let turn = symbols.get(first..).unwrap_or_default();
                let turn = turn.get(..self.turn_frames.min(turn.len())).unwrap_or_default();
                for (frame, (_, bytes)) in self.buffer.chunks_exact_mut(self.frame_bytes).zip(turn) {
                    let place = frame.get_mut(SYMBOL_AT..SYMBOL_AT + self.symbol_bytes).unwrap_or_default();
                    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                }
                self.send_turn(part, turn.iter().map(|(id, _)| *id))?;
            }
            self.tick()?;
        }
        Ok(())
    }

    /// Seals the frames that lie in the buffer, and sends them.
    fn send_turn(&mut self, part: &Part, ids: impl Iterator<Item = u32>) -> Result<(), SendError> {
        let mut frames = 0;
        for (frame, id) in self.buffer.chunks_exact_mut(self.frame_bytes).zip(ids) {
            self.sealer.symbol(frame, part.bundle.number, &part.bundle.geometry, part.number, id)?;
            frames += 1;
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.transmit(buffer.get(..frames * self.frame_bytes).unwrap_or_default(), self.frame_bytes);
        self.buffer = buffer;
        Ok(())
    }

    fn seals(&mut self, seals: &[Seal]) -> Result<(), SendError> {
        for some in seals.chunks(SEALS_MAX) {
            let frame = self.sealer.seals(some)?;
            self.transmit(&frame, frame.len());
        }
        Ok(())
    }

    fn announce(&mut self) -> Result<(), SendError> {
        if let Some(highest) = self.highest {
            let frame = self.sealer.announcement(highest)?;
            self.transmit(&frame, frame.len());
        }
        Ok(())
    }

    /// What comes by the clock: seals once more, and the highest number.
    fn tick(&mut self) -> Result<(), SendError> {
        let now = Instant::now();
        if now >= self.repeat_at {
            self.repeat_at = now + self.repeat;
            let again: Vec<Seal> = self.recent.iter().map(|(seal, _)| *seal).collect();
            self.recent.iter_mut().for_each(|(_, left)| *left = left.saturating_sub(1));
            self.recent.retain(|(_, left)| *left > 0);
            self.seals(&again)?;
        }
        if now >= self.announce_at {
            self.announce_at = now + self.announce;
            self.announce()?;
        }
        Ok(())
    }

    /// Sends frames of one size: several in one call where the kernel can cut them apart (UDP_SEGMENT).
    fn transmit(&mut self, frames: &[u8], frame_bytes: usize) {
        let in_call = self.offload.max_gso_segments().min(CALL_BYTES_MAX / frame_bytes).max(1);
        for call in frames.chunks(in_call * frame_bytes) {
            let count = call.len() / frame_bytes;
            self.pace.wait(call.len() + count * self.header_bytes);
            self.count.frames += u64::try_from(count).unwrap_or(0);
            self.count.bytes += u64::try_from(call.len()).unwrap_or(0);
            if self.call(call, frame_bytes).is_err() {
                // The kernel may have turned out not to cut frames apart; then each goes by itself.
                let lost = call.chunks(frame_bytes).filter(|frame| self.call(frame, frame_bytes).is_err()).count();
                self.count.refused += u64::try_from(lost).unwrap_or(0);
            }
        }
    }

    fn call(&self, contents: &[u8], frame_bytes: usize) -> std::io::Result<()> {
        let segment_size = (contents.len() > frame_bytes).then_some(frame_bytes);
        let transmit = Transmit { destination: self.to, ecn: None, contents, segment_size, src_ip: None };
        loop {
            match self.offload.try_send((&self.socket).into(), &transmit) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let tenth = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
                    // Whether it timed out makes no difference: the call is tried again.
                    let _ready = poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], Some(&tenth));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

/// A line for people, where events are not in their way.
fn bar(events: &Events) -> ProgressBar {
    if !events.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    let template = "{spinner} sent {decimal_bytes}, {decimal_bytes_per_sec}, up to bundle {msg}";
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
