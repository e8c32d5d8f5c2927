//! The filter on system calls (seccomp) that makes "there is no way back" true of the process, not only of its source.
//! What is not on the list fails with EPERM. Nothing on the list takes bytes out of a socket.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd};

use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter};
use seccompiler::{SeccompRule, TargetArch};

use crate::SendError;

/// Proof that the filter is on.
#[derive(Debug)]
pub struct Confined(());

/// What the sender needs of the system once its socket is open.
const NEEDED: &[i64] = &[
    // Sending, and waiting until one can.
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    // Files: these read at a position, which sockets do not have.
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_getdents64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fadvise64,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    // Memory and threads. No program can be started: execve is not here.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
];

/// Puts the filter on every thread of the process. The socket must be the only one.
///
/// # Errors
/// If the system has no such filters, or none for this processor.
pub fn confine(socket: BorrowedFd<'_>) -> Result<Confined, SendError> {
    let filter = filter(socket).map_err(|error| SendError::Confine(error.to_string()))?;
    seccompiler::apply_filter_all_threads(&filter).map_err(|error| SendError::Confine(error.to_string()))?;
    Ok(Confined(()))
}

fn filter(socket: BorrowedFd<'_>) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = NEEDED.iter().map(|call| (*call, Vec::new())).collect();
    // `read` would take a datagram out of the socket as `recv` does. No call on the list makes a second descriptor of it.
    let other_than_socket = unsigned(socket.as_raw_fd());
    rules.insert(libc::SYS_read, vec![rule(0, SeccompCmpOp::Ne, other_than_socket)?]);
    let is = |argument, value: i32| rule(argument, SeccompCmpOp::Eq, unsigned(value));
    rules.insert(libc::SYS_fcntl, vec![is(1, libc::F_GETFD)?, is(1, libc::F_GETFL)?]);
    // Whether there is a terminal, and how wide it is.
    let terminal = |request| rule(1, SeccompCmpOp::Eq, request);
    rules.insert(libc::SYS_ioctl, vec![terminal(libc::TCGETS)?, terminal(libc::TIOCGWINSZ)?]);
    rules.insert(libc::SYS_prctl, vec![is(0, libc::PR_SET_NAME)?]);
    let refused = SeccompAction::Errno(unsigned(libc::EPERM) as u32);
    let filter =
        SeccompFilter::new(rules, refused, SeccompAction::Allow, TargetArch::try_from(std::env::consts::ARCH)?)?;
    BpfProgram::try_from(filter)
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?])
}

fn unsigned(value: i32) -> u64 {
    u64::from(value.unsigned_abs())
}
