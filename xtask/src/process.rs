//! Other programs: run in the foreground as a stage, asked for their output, or held in the background until dropped.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A stage that did not succeed; its exit code becomes ours.
#[derive(Debug)]
pub struct StageFailed {
    stage: String,
    /// The exit code.
    pub code: u8,
}

impl fmt::Display for StageFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed with exit code {}", self.stage, self.code)
    }
}

impl std::error::Error for StageFailed {}

/// A command in the project's root.
pub fn command(root: &Path, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    command
}

/// Runs a stage in the foreground, under a heading.
pub fn stage(name: &str, command: &mut Command) -> Result<()> {
    eprintln!("==> {name}");
    let start = Instant::now();
    let status = command.status().with_context(|| format!("`{}` does not start", command.get_program().display()))?;
    if !status.success() {
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        return Err(StageFailed { stage: name.to_owned(), code }.into());
    }
    eprintln!("    {name}: done in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// What a command prints; an error if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("`{program}` does not start"))?;
    ensure!(output.status.success(), "`{program}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    String::from_utf8(output.stdout).with_context(|| format!("`{program}` printed no UTF-8"))
}

/// Whether a command runs and succeeds.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// How a process in the background is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Asked first, so that it ends its own processes.
    Gentle,
    /// At once: what it holds is thrown away, and waiting for it would only take time.
    AtOnce,
}

/// A command that ends with this program, even when this one is killed, where util-linux is there to see to it.
pub fn bound_to_us(program: &Path, ending: Ending) -> Command {
    let signal = if ending == Ending::Gentle { "TERM" } else { "KILL" };
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", signal, "--"]).arg(program);
    if succeeds(Command::new("setpriv").arg("--version")) { bound } else { Command::new(program) }
}

/// A process in the background; ended when dropped.
#[derive(Debug)]
pub struct Background {
    child: Child,
    ending: Ending,
}

impl Background {
    /// Holds a process.
    pub fn new(child: Child, ending: Ending) -> Self {
        Self { child, ending }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if the process has ended.
    pub fn ensure_alive(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "it ended with {}", ended.map(|status| status.to_string()).unwrap_or_default());
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // While the child is not reaped, its number is its own.
        let ask = || pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        if self.ending == Ending::Gentle && matches!(self.child.try_wait(), Ok(None)) && ask() {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(15) {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("xtask: process {} does not end: {error}", self.child.id());
        }
    }
}
