//! Reading and writing until a deadline, whatever the other side does.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{Error, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// A pipe's or a socket's end that never blocks, read or written until a deadline.
pub(crate) struct Timed<'a, P> {
    pub(crate) pipe: &'a mut P,
    pub(crate) deadline: Instant,
}

fn wait(pipe: BorrowedFd<'_>, flags: PollFlags, deadline: Instant) -> Result<(), Error> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let timeout = Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::from_borrowed_fd(pipe, flags)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Somebody who always has a little more to say ends at the deadline, too.
fn check(deadline: Instant) -> Result<(), Error> {
    if Instant::now() < deadline { Ok(()) } else { Err(ErrorKind::TimedOut.into()) }
}

impl<P: Read + AsFd> Read for Timed<'_, P> {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Error> {
        loop {
            check(self.deadline)?;
            match self.pipe.read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(self.pipe.as_fd(), PollFlags::IN, self.deadline)?;
                }
                other => return other,
            }
        }
    }
}

impl<P: Write + AsFd> Timed<'_, P> {
    /// Writes as soon as there is room.
    fn put(&mut self, mut write: impl FnMut(&mut P) -> Result<usize, Error>) -> Result<usize, Error> {
        loop {
            check(self.deadline)?;
            match write(self.pipe) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(self.pipe.as_fd(), PollFlags::OUT, self.deadline)?;
                }
                other => return other,
            }
        }
    }
}

impl<P: Write + AsFd> Write for Timed<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.put(|pipe| pipe.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Error> {
        self.put(|pipe| pipe.write_vectored(slices))
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
