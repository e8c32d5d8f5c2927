//! The diodes of `fastness up`: for each two regions a program that sends upward and one that receives, on a port of this
//! machine. They know nothing of regions; `up` makes their link keys once, and starts again what ends.

use crate::carry::bundle_folders;
use crate::place;
use anyhow::{Context, bail};
use fastness_region::FILES_IN_INBOX_MAX;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// The first port of diodes, counted from the base.
const PORT: u16 = 11;

/// How often somebody looks whether all run.
const EVERY: Duration = Duration::from_millis(200);

/// A program that ended is started again so long after its last start, at the earliest.
const AGAIN: Duration = Duration::from_secs(5);

/// Megabytes a second on the line, which is this machine's own, and the bytes of its frames, at most. Five times as fast, the
/// receiver's memory below does not hold what it has not built yet, and bundles are lost.
const RATE: &str = "200";
const MTU: &str = "9000";

/// The two programs.
pub struct Programs {
    send: PathBuf,
    receive: PathBuf,
}

/// All diodes, each with two ends.
pub struct Diodes {
    ends: Vec<End>,
}

/// One end of one diode.
struct End {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    /// The region's folder that it works on.
    folder: PathBuf,
    child: Option<Child>,
    started: Option<Instant>,
    /// Why it does not start, as it was said.
    said: String,
}

impl Programs {
    /// The programs beside this one; nothing when one of them is missing.
    pub fn find() -> anyhow::Result<Option<Self>> {
        let [send, receive] = [place::program("fastness-diode-send")?, place::program("fastness-diode-receive")?];
        Ok(send.zip(receive).map(|(send, receive)| Self { send, receive }))
    }
}

impl Diodes {
    /// The diodes from each region to those above it: their own folders and link keys are made if missing. Nothing runs yet.
    pub async fn new(data: &Path, port_base: u16, programs: &Programs) -> anyhow::Result<Self> {
        let mut ends = Vec::new();
        for ((below, above), port) in place::pairs().zip(PORT..) {
            let pair = format!("{}--{}", below.name, above.name);
            let (ready, inbox) = bundle_folders(data, below, above)?;
            let own = data.join("diode");
            let (key, of_pair) = (own.join(format!("{pair}.key")), own.join(&pair));
            make_folder(&of_pair.join("work"))?;
            make_key(&programs.send, &key).await?;
            let address = format!("127.0.0.1:{}", port_base + port);
            let resend = ready.with_file_name("resend");
            let receive: [(&str, &Path); 5] = [
                ("--work", &of_pair.join("work")),
                ("--key", &key),
                ("--inbox", &inbox),
                ("--reports", &inbox),
                ("--events", &of_pair.join("receive.events")),
            ];
            let files = FILES_IN_INBOX_MAX.to_string();
            // In megabytes: what an inbox holds, and one bundle.
            let bounds = ["--first", "1", "--inbox-max", &files, "--inbox-max-mb", "8590", "--bundle-max", "6443"];
            let memory = ["--listen", &address, "--memory", "256", "--buffer", "32", "--work-max", "13000"];
            let others = [bounds, memory].concat();
            ends.push(End::new(format!("{pair}: receiver"), &programs.receive, &inbox, &receive, &others));
            let send: [(&str, &Path); 5] = [
                ("--outbox", &ready),
                ("--key", &key),
                ("--state", &of_pair.join("sent.json")),
                ("--resend-file", &resend),
                ("--events", &of_pair.join("send.events")),
            ];
            let others = ["--to", &address, "--rate", RATE, "--mtu", MTU];
            ends.push(End::new(format!("{pair}: sender"), &programs.send, &ready, &send, &others));
        }
        Ok(Self { ends })
    }

    /// Starts what does not run, and says what ended.
    fn look(&mut self) {
        for end in &mut self.ends {
            end.look();
        }
    }

    /// Keeps all of them running until it is dropped, and they with it.
    pub async fn keep_on(&mut self) -> Infallible {
        loop {
            self.look();
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Ends all of them: what is under way is sent anew the next time.
    pub async fn stop(self) {
        for end in self.ends {
            if let Some(mut child) = end.child {
                let _ended = child.kill().await;
            }
        }
    }
}

impl End {
    fn new(name: String, program: &Path, folder: &Path, files: &[(&str, &Path)], others: &[&str]) -> Self {
        let files = files.iter().flat_map(|(option, path)| [OsString::from(option), path.as_os_str().to_owned()]);
        let arguments = files.chain(others.iter().map(OsString::from)).collect();
        let (program, folder, said) = (program.to_owned(), folder.to_owned(), String::new());
        Self { name, program, arguments, folder, child: None, started: None, said }
    }

    fn look(&mut self) {
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => return,
            Some(Ok(Some(status))) => {
                eprintln!("fastness: the diode {} ended ({status}), and is started again", self.name);
                self.child = None;
            }
            Some(Err(error)) => {
                eprintln!("fastness: the diode {} cannot be watched: {error}", self.name);
                self.child = None;
            }
            None => {}
        }
        if self.started.is_some_and(|started| started.elapsed() < AGAIN) {
            return;
        }
        self.started = Some(Instant::now());
        match self.start() {
            Ok(child) => (self.child, self.said) = (Some(child), String::new()),
            Err(error) => {
                let why = format!("{error:#}");
                if why != self.said {
                    eprintln!("fastness: the diode {} does not start: {why}", self.name);
                    self.said = why;
                }
            }
        }
    }

    /// Starts it so that it ends with `up`, however that ends.
    fn start(&self) -> anyhow::Result<Child> {
        // What is wrong with one region's folder keeps no other from starting.
        make_folder(&self.folder)?;
        let own = std::env::current_exe().context("cannot find the program itself")?;
        let mut command = Command::new(own);
        command.arg("with-parent").arg(std::process::id().to_string()).arg(&self.program).args(&self.arguments);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()?)
    }
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make `{}`", folder.display()))
}

/// Makes a link key, unless there is one.
async fn make_key(program: &Path, key: &Path) -> anyhow::Result<()> {
    if key.exists() {
        return Ok(());
    }
    let new = key.with_extension("new");
    // What an `up` left that was cut off.
    if new.exists() {
        std::fs::remove_file(&new).with_context(|| format!("cannot remove `{}`", new.display()))?;
    }
    let made = Command::new(program).arg("key").arg(&new).stdin(Stdio::null()).status().await;
    let made = made.with_context(|| format!("cannot run `{}`", program.display()))?;
    if !made.success() {
        bail!("`{}` made no link key", program.display());
    }
    std::fs::rename(&new, key).with_context(|| format!("cannot write `{}`", key.display()))
}

/// Runs a program in the place of this one that ends when the process `parent` does. The system ends it when the thread
/// that started it is gone: `up` starts programs from its first thread, which lives as long as the process.
pub fn run_with_parent(parent: i32, program: &Path, arguments: &[OsString]) -> anyhow::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before.
    if getppid().map(|found| found.as_raw_nonzero().get()) != Some(parent) {
        return Ok(());
    }
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start `{}`", program.display()))
}
