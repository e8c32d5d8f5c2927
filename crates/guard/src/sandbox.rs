//! What a filter's process may do once it has begun: read, write, take memory, end. Everything else ends it.

use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// CPU time of a process's whole life, seconds: a backstop for one whose guard was killed and cannot kill it.
const CPU_SECONDS_MAX: u64 = 3_600;

/// Why a process could not be shut in. It must not go on.
#[derive(thiserror::Error, Debug)]
#[error("the sandbox cannot be entered: {0}")]
pub struct NoSandbox(String);

/// Shuts this process in, for good. Nothing that somebody else wrote may be read before.
pub(crate) fn enter(memory_bytes: u64) -> Result<(), NoSandbox> {
    close_descriptors()?;
    let text = |what: &str, error: String| NoSandbox(format!("{what}: {error}"));
    prctl::set_no_new_privs().map_err(|error| text("no new privileges", error.to_string()))?;
    prctl::set_dumpable(false).map_err(|error| text("no dumps", error.to_string()))?;
    for (resource, most) in [
        (Resource::RLIMIT_AS, memory_bytes),
        (Resource::RLIMIT_CPU, CPU_SECONDS_MAX),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NPROC, 0),
    ] {
        setrlimit(resource, most, most).map_err(|error| text("limits", error.to_string()))?;
    }
    restrict_files().map_err(|error| text("landlock", error))?;
    // Landlock needs a descriptor, so the bound on these comes after it.
    setrlimit(Resource::RLIMIT_NOFILE, 3, 3).map_err(|error| text("limits", error.to_string()))?;
    let program = system_calls().map_err(|error| text("seccomp", error))?;
    seccompiler::apply_filter(&program).map_err(|error| text("seccomp", error.to_string()))
}

/// Closes whatever a careless parent left open besides the three that every process has.
fn close_descriptors() -> Result<(), NoSandbox> {
    let listed = std::fs::read_dir("/proc/self/fd").map_err(|error| NoSandbox(format!("descriptors: {error}")))?;
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    for number in numbers.collect::<Vec<_>>().into_iter().filter(|number| *number > 2) {
        // The listing's own descriptor is among them, and closed by now.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Landlock, where the kernel has it: no file, no port, no signal to others. Seccomp forbids the same once more.
fn restrict_files() -> Result<(), String> {
    use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, Scope};
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V5)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create);
    rules.and_then(landlock::RulesetCreated::restrict_self).map(|_| ()).map_err(|error| error.to_string())
}

/// The system calls of a program that reads, computes and writes. Any other kills the process (`SIGSYS`).
fn system_calls() -> Result<BpfProgram, String> {
    let always = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_brk,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_exit,
        libc::SYS_exit_group,
        // What a panic and an abort need, so that a crash looks like one. Handlers of signals cannot be set.
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
        libc::SYS_gettid,
        libc::SYS_getpid,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = always.into_iter().map(|call| (call, Vec::new())).collect();
    // Memory that cannot be run.
    let not_executable = condition(2, SeccompCmpOp::MaskedEq(u64::from(libc::PROT_EXEC.unsigned_abs())), 0)?;
    rules.insert(libc::SYS_mprotect, vec![rule(vec![not_executable.clone()])?]);
    let anonymous = u64::from(libc::MAP_ANONYMOUS.unsigned_abs());
    let of_no_file = condition(3, SeccompCmpOp::MaskedEq(anonymous), anonymous)?;
    rules.insert(libc::SYS_mmap, vec![rule(vec![not_executable, of_no_file])?]);
    // An abort sends a signal to the process itself.
    let itself = condition(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![rule(vec![itself])?]);
    let arch = std::env::consts::ARCH.try_into().map_err(|error| format!("{error}"))?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch);
    filter.and_then(TryInto::try_into).map_err(|error| error.to_string())
}

fn condition(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompCondition, String> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value).map_err(|error| error.to_string())
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, String> {
    SeccompRule::new(conditions).map_err(|error| error.to_string())
}
