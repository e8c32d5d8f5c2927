//! The region that is killed: its folder, its process, its people.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::signature::Credentials;
use crate::wire::{Answer, Wire};

const NAME: &str = "us-isob-east-1";
const START_TIME_MAX: Duration = Duration::from_secs(120);

/// A region in a process of its own.
pub struct Region {
    program: PathBuf,
    config: PathBuf,
    data: PathBuf,
    authority: String,
    child: Option<Child>,
}

impl Region {
    /// Writes the configuration of a region that is made by its first start.
    pub fn make(program: &Path, folder: &Path, port: u16) -> Result<Self> {
        let (config, data) = (folder.join("region.toml"), folder.join("data"));
        let text = format!(
            "name = \"{NAME}\"\ndata = \"{}\"\nlisten = \"127.0.0.1:{port}\"\nfloor = \"UNCLASSIFIED\"\n\
             ceiling = \"SECRET\"\nlabels = [\"SECRET//REL TO USA, GBR\"]\n",
            data.display()
        );
        std::fs::write(&config, text).context("the configuration cannot be written")?;
        Ok(Self { program: program.to_owned(), config, data, authority: format!("127.0.0.1:{port}"), child: None })
    }

    /// Starts the process without waiting for it.
    pub fn launch(&mut self) -> Result<()> {
        let mut command = tokio::process::Command::new(&self.program);
        let log = std::fs::File::options().create(true).append(true).open(self.config.with_extension("log"))?;
        command.arg("serve").arg("--config").arg(&self.config).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        self.child = Some(child.context("the program does not start")?);
        Ok(())
    }

    /// Starts the region and waits until it is ready.
    pub async fn start(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        self.launch()?;
        let out = self.child.as_mut().and_then(|child| child.stdout.take()).context("it has no output")?;
        let mut lines = BufReader::new(out).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if line.trim() == "ready" {
                    return Ok(true);
                }
            }
            Ok::<_, std::io::Error>(false)
        };
        if !tokio::time::timeout(START_TIME_MAX, ready).await.context("the region does not get ready")?? {
            bail!("the region does not start; see {}", self.config.with_extension("log").display());
        }
        Ok(begin.elapsed())
    }

    /// SIGKILL, and waits until the process is gone.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Runs a command of the program on the folder; it must succeed.
    pub fn run(&self, command: &[&str]) -> Result<()> {
        let output = Command::new(&self.program).args(command).arg(&self.data).output()?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "`fastness {}`: {}\n{out}\n{err}", command.join(" "), output.status);
        Ok(())
    }

    /// A connection to the region.
    pub fn wire(&self, credentials: Credentials, service: &'static str) -> Wire {
        Wire::new(self.authority.clone(), credentials, service)
    }

    /// An account with a user at each label; their keys.
    pub async fn people(&self, labels: &[&str]) -> Result<Vec<Credentials>> {
        let command = ["account", "create", "crash", "--json", "--config"];
        let output = Command::new(&self.program).args(command).arg(&self.config).output()?;
        ensure!(output.status.success(), "no account: {}", String::from_utf8_lossy(&output.stderr));
        let made: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let office = |name: &str| -> Result<Wire> {
            let half = |half: &str| {
                let text = made.get(name).and_then(|key| key.get(half)).and_then(serde_json::Value::as_str);
                text.map(str::to_owned).with_context(|| format!("no {half} of the {name}"))
            };
            Ok(self.wire(credentials(half("access_key_id")?, half("secret_access_key")?), "iam"))
        };
        let (mut administrator, mut officer) = (office("administrator")?, office("officer")?);
        let mut keys = Vec::new();
        for (number, label) in labels.iter().enumerate() {
            let user = format!("person-{number}");
            ask(&mut administrator, &format!("Action=CreateUser&UserName={user}")).await?;
            let tags = [("clearance", "SECRET"), ("nationality", "USA"), ("label", label)];
            let tags = tags.iter().zip(1..).map(|((name, value), position)| {
                let value = value.replace('/', "%2F").replace(' ', "%20").replace(',', "%2C");
                format!("&Tags.member.{position}.Key={name}&Tags.member.{position}.Value={value}")
            });
            ask(&mut officer, &format!("Action=TagUser&UserName={user}{}", tags.collect::<String>())).await?;
            let key = ask(&mut administrator, &format!("Action=CreateAccessKey&UserName={user}")).await?;
            let half = |name| key.one(name).with_context(|| format!("no {name} in {key:?}"));
            keys.push(credentials(half("AccessKeyId")?, half("SecretAccessKey")?));
        }
        Ok(keys)
    }
}

fn credentials(access_key: String, secret_key: String) -> Credentials {
    Credentials { access_key, secret_key, region: NAME.to_owned() }
}

async fn ask(wire: &mut Wire, form: &str) -> Result<Answer> {
    let body = Bytes::from(format!("{form}&Version=2010-05-08"));
    let answer = wire.send(Method::POST, "/", "", body).await?;
    ensure!(answer.status == 200, "{form}: {answer:?}");
    Ok(answer)
}
