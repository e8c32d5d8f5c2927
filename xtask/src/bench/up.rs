//! `fastness up` under measurement: its regions, its people, its end.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::machine::{family, processor_seconds};
use crate::process::{Background, Ending, bound_to_us};

/// How long a server may take to start.
pub const START_SECONDS_MAX: u64 = 90;
const STOP_SECONDS_MAX: u64 = 60;
/// How long a region may be at what a run left to be done, in seconds.
const SETTLE_SECONDS_MAX: u64 = 60;

/// A region that `up` starts, as far as it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Up to CUI.
    Unclass,
    /// Up to SECRET.
    Secret,
    /// Up to TOP SECRET.
    TopSecret,
}

impl Region {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Region::Unclass => "us-gov-west-1",
            Region::Secret => "us-isob-east-1",
            Region::TopSecret => "us-iso-east-1",
        }
    }

    fn port(self, port_base: u16) -> u16 {
        match self {
            Region::Unclass => port_base + 1,
            Region::Secret => port_base + 2,
            Region::TopSecret => port_base + 3,
        }
    }

    fn of_profile(profile: &str) -> Self {
        match profile.split('-').next() {
            Some("unclass") => Region::Unclass,
            Some("topsecret") => Region::TopSecret,
            _ => Region::Secret,
        }
    }
}

/// A running `up`, ended when dropped.
#[derive(Debug)]
pub struct Up {
    /// The process.
    pub process: Background,
    /// What it says on standard error.
    pub log: PathBuf,
    /// From its start to its line `ready`.
    pub ready_ms: u64,
    data: PathBuf,
    port_base: u16,
}

/// What a person needs to send requests.
#[derive(Clone, Debug)]
pub struct Session {
    /// The region that knows the person.
    pub region: Region,
    /// `http://HOST:PORT`.
    pub endpoint: String,
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
}

impl Up {
    /// Starts `up` on a folder, and waits until it is ready.
    pub fn start(program: &Path, data: &Path, port_base: u16) -> Result<Self> {
        Self::start_with(program, data, port_base, &[])
    }

    /// The same, with further arguments.
    pub fn start_with(program: &Path, data: &Path, port_base: u16, arguments: &[&str]) -> Result<Self> {
        ports_are_free(port_base + 1..=port_base + 3)?;
        let log = data.with_extension("log");
        let mut up = bound_to_us(program, Ending::Gentle);
        up.arg("up").arg("--data").arg(data).arg("--port-base").arg(port_base.to_string()).args(arguments);
        // A program that was built without records does not run by mistake; any other does not ask.
        up.env("FASTNESS_UNRECORDED", "1");
        let begin = Instant::now();
        let mut child = up.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let stdout = child.stdout.take().context("it has no output")?;
        // Held from here on, so that an early return ends it.
        let process = Background::new(child, Ending::Gentle);
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            // Read to the end, so that it never waits for us; nobody listens after `ready`.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _nobody_listens = send.send(line);
            }
        });
        wait_for_ready(&receive).with_context(|| tail(&log))?;
        let ready_ms = u64::try_from(begin.elapsed().as_millis())?;
        Ok(Self { process, log, ready_ms, data: data.to_owned(), port_base })
    }

    /// The session of a profile.
    pub fn session(&self, profile: &str) -> Result<Session> {
        let path = self.data.join("aws/credentials");
        let credentials = std::fs::read_to_string(path).context("no `aws/credentials` in its folder")?;
        let key =
            |name| ini(&credentials, profile, name).with_context(|| format!("profile `{profile}` lacks `{name}`"));
        let region = Region::of_profile(profile);
        Ok(Session {
            region,
            endpoint: format!("http://127.0.0.1:{}", region.port(self.port_base)),
            access_key: key("aws_access_key_id")?,
            secret_key: key("aws_secret_access_key")?,
        })
    }

    /// The process of a region.
    pub fn region(&self, region: Region) -> Result<u32> {
        let names = |id: &u32| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            // A diode's folders have the names of regions, too.
            line.split('\0').any(|word| word == "serve") && line.contains(region.name())
        };
        family(self.process.id())
            .into_iter()
            .find(names)
            .with_context(|| format!("no process of region {}; {}", region.name(), tail(&self.log)))
    }

    /// Stops it as an operator would, and waits for its end; how long that took, in milliseconds.
    pub fn stop(mut self) -> Result<u64> {
        let begin = Instant::now();
        signal(self.process.id(), Signal::TERM)?;
        while self.process.ensure_alive().is_ok() {
            ensure!(begin.elapsed().as_secs() < STOP_SECONDS_MAX, "it does not stop within {STOP_SECONDS_MAX} s");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(u64::try_from(begin.elapsed().as_millis())?)
    }

    /// Ends every process of it at once, as a crash would.
    pub fn kill(mut self) -> Result<()> {
        let family = family(self.process.id());
        for id in &family {
            // One that ended with its parent is gone already.
            let _gone = signal(*id, Signal::KILL);
        }
        let begin = Instant::now();
        while self.process.ensure_alive().is_ok() || family.iter().any(|id| runs(*id)) {
            ensure!(begin.elapsed().as_secs() < STOP_SECONDS_MAX, "it does not end within {STOP_SECONDS_MAX} s");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Session {
    /// The load generator, with this session's key.
    pub fn load(&self, generator: &Path, bucket: &str) -> Command {
        let mut load = Command::new(generator);
        load.args(["--endpoint", &self.endpoint, "--region", self.region.name(), "--bucket", bucket, "--json"]);
        load.env("AWS_ACCESS_KEY_ID", &self.access_key).env("AWS_SECRET_ACCESS_KEY", &self.secret_key);
        load.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        load
    }
}

/// Waits until a region is at rest, so that what one run left to be done slows neither program's next. Returns the
/// processor time that it took, in seconds.
pub fn settled(region: u32) -> Result<f64> {
    let (begin, before) = (Instant::now(), processor_seconds(region)?);
    let mut last = before;
    loop {
        std::thread::sleep(Duration::from_millis(250));
        let now = processor_seconds(region)?;
        // At rest, a region takes less than 1 in 25.
        if now - last <= 0.01 {
            return Ok(now - before);
        }
        ensure!(begin.elapsed().as_secs() < SETTLE_SECONDS_MAX, "the region does not come to rest");
        last = now;
    }
}

/// What the load generator reports; an error if a request failed.
pub fn report(done: &std::process::Output) -> Result<Value> {
    let result: Value = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
    let error = result.get("first_error").and_then(Value::as_str).map(str::to_owned);
    let error = error.unwrap_or_else(|| String::from_utf8_lossy(&done.stderr).trim().to_owned());
    ensure!(done.status.success(), "the load generator failed: {error}");
    Ok(result)
}

fn signal(process: u32, signal: Signal) -> Result<()> {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw).context("no such process number")?;
    kill_process(id, signal).context("the process takes no signal")
}

/// Whether a process runs: it is there, and is not only waiting to be reaped. Its first thread may be gone while
/// another one still waits for the disk, and holds its ports.
fn runs(process: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    tasks.into_iter().any(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    })
}

fn wait_for_ready(lines: &mpsc::Receiver<String>) -> Result<()> {
    let start = Instant::now();
    loop {
        let left = Duration::from_secs(START_SECONDS_MAX).saturating_sub(start.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) if line.trim() == "ready" => return Ok(()),
            Ok(_) => {}
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(anyhow!("it is not `ready` after {START_SECONDS_MAX} s"));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(anyhow!("it ended before it was `ready`")),
        }
    }
}

/// An error if somebody listens on one of the ports.
pub fn ports_are_free(ports: std::ops::RangeInclusive<u16>) -> Result<()> {
    for port in ports {
        ensure!(
            TcpListener::bind(("127.0.0.1", port)).is_ok(),
            "port {port} is in use: choose others with --port-base"
        );
    }
    Ok(())
}

/// The end of a log, for an error.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(10)..).unwrap_or_default();
    format!("its log ends:\n{}\n", last.join("\n"))
}

/// A value from a file of the AWS CLI.
fn ini(text: &str, profile: &str, name: &str) -> Option<String> {
    let mut here = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            here = section.trim() == profile;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| here)
            && key.trim() == name
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder with a script that passes for `fastness`.
    fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fastness");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_region_is_found_among_the_processes_and_ends_with_them() {
        // As with the real one, `ready` means that its regions are: before that, a child may still bear our line.
        let (folder, program) = script("sh -c 'echo ready; sleep 60; true' serve us-iso-east-1 & wait");
        let up = Up::start(&program, &folder.path().join("data"), 18_600).unwrap();
        let region = up.region(Region::TopSecret).unwrap();
        assert_ne!(region, up.process.id());
        assert!(up.region(Region::Secret).is_err() && runs(region));
        up.kill().unwrap();
        assert!(!runs(region), "the region still runs");
    }

    #[test]
    fn a_stop_is_waited_for() {
        let (folder, program) = script("trap 'sleep 0.2; exit 0' TERM; echo ready; while :; do sleep 0.02; done");
        let up = Up::start(&program, &folder.path().join("data"), 18_610).unwrap();
        let id = up.process.id();
        assert!(up.stop().unwrap() >= 200);
        assert!(!runs(id));
    }

    #[test]
    fn a_failed_row_is_an_error_that_says_why() {
        let run = |text: &str| report(&Command::new("sh").args(["-c", text]).output().unwrap());
        assert_eq!(run("echo '{\"requests\": 3}'").unwrap()["requests"], 3);
        let failed = run("echo '{\"first_error\": \"503 SlowDown\"}'; exit 1").unwrap_err();
        assert!(failed.to_string().contains("503 SlowDown"));
        assert!(run("echo oh >&2; exit 1").unwrap_err().to_string().contains("oh"));
    }

    #[test]
    fn a_value_comes_from_its_own_profile() {
        let text = "[a]\nkey = 1\n\n[secret-analyst]\n# key = 2\nkey=3=\n[b]\nother = 4\n";
        assert_eq!(ini(text, "secret-analyst", "key"), Some("3=".to_owned()));
        assert_eq!(ini(text, "b", "key"), None);
        assert_eq!(ini(text, "c", "key"), None);
    }
}
