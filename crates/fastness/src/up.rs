//! `fastness up`: three regions as three processes, with people in them.

use crate::arguments::Up;
use crate::carry::Carriers;
use crate::diodes::{Diodes, Programs};
use crate::place::{self, Builtin, FLOOR, REGIONS};
use crate::{crossings, demo, people, profiles, say};
use anyhow::{Context, bail};
use fastness_region::{CrossingConfig, GuardConfig, RegionConfig, WayConfig, WitnessedConfig};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};

/// How long a region may take to become ready. Recovery after a crash reads the whole catalog.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a region may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

struct Running {
    name: &'static str,
    child: Child,
    /// Where it says that it is ready, until it did.
    output: Option<ChildStdout>,
}

/// Starts the regions, makes their people the first time, and waits for the end.
pub async fn run(arguments: Up) -> anyhow::Result<()> {
    // What the programs that it starts write, the diodes' journals and queues too, is for the owner alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let data = std::path::absolute(&arguments.data)?;
    let _lock = lock(&data)?;
    let mut diodes = make_diodes(&data, &arguments).await?;
    let mut carriers = Carriers::new(&data, diodes.is_some())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut running = Vec::new();
    let started = tokio::select! {
        started = start(&data, &arguments, &mut running) => started,
        _ = terminate.recv() => Err(anyhow::anyhow!("stopped before the regions were ready")),
        _ = interrupt.recv() => Err(anyhow::anyhow!("stopped before the regions were ready")),
    };
    let ended = match started {
        Err(error) => Err(error),
        Ok(()) => {
            describe(&data, &arguments);
            say::line("ready");
            tokio::select! {
                _ = terminate.recv() => Ok(()),
                _ = interrupt.recv() => Ok(()),
                name = first_to_end(&mut running) => Err(anyhow::anyhow!("the region {name} ended by itself")),
                never = carriers.keep_on() => match never {},
                never = keep_on(&mut diodes) => match never {},
            }
        }
    };
    stop(running).await;
    if let Some(diodes) = diodes {
        diodes.stop().await;
    }
    // What they signed last.
    carriers.carry();
    ended
}

/// The diodes, where their programs are; without them the carrier brings bundles upward, too.
async fn make_diodes(data: &Path, arguments: &Up) -> anyhow::Result<Option<Diodes>> {
    if arguments.no_diodes {
        return Ok(None);
    }
    let Some(programs) = Programs::find()? else {
        eprintln!(
            "fastness: `fastness-diode-send` and `fastness-diode-receive` are not beside this program: bundles are carried upward from folder to folder"
        );
        return Ok(None);
    };
    Diodes::new(data, arguments.port_base, &programs).await.map(Some)
}

async fn keep_on(diodes: &mut Option<Diodes>) -> std::convert::Infallible {
    match diodes {
        Some(diodes) => diodes.keep_on().await,
        None => std::future::pending().await,
    }
}

/// One `up` at a time works on a folder. A folder with other things in it is left alone.
fn lock(data: &Path) -> anyhow::Result<File> {
    let at = || format!("cannot use the folder `{}`", data.display());
    DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(at)?;
    let path = data.join("up.lock");
    if !path.exists() && std::fs::read_dir(data).with_context(at)?.next().is_some() {
        bail!("`{}` is not empty and was not made by `fastness up`; choose another folder with --data", data.display());
    }
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path).with_context(at)?;
    match fastness_region::try_lock_patiently(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `fastness up` works on `{}`; stop that one first, or choose another folder with --data",
            data.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(at),
    }
}

async fn start(data: &Path, arguments: &Up, running: &mut Vec<Running>) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    for (place, region) in REGIONS.iter().enumerate() {
        hand_keys(data, place, running).await?;
        let config = write_config(data, place, arguments)?;
        let mut child = Command::new(&program)
            .arg("serve")
            .arg("--with-parent")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the region {}", region.name))?;
        let output = child.stdout.take();
        running.push(Running { name: region.name, child, output });
    }
    for region in running.iter_mut() {
        ready(region).await?;
    }
    warn_of_other_keys(data);
    crossings::hand_keys(data)?;
    let profiles = match profiles::read(data)? {
        Some(found) => people::at_port_base(data, found, arguments.port_base)?,
        None => people::make(data, arguments.port_base).await?,
    };
    let profiles = crossings::make_reviewers(data, profiles).await?;
    if arguments.demo {
        demo::load(&profiles).await?;
        crossings::load(&profiles).await?;
    }
    Ok(())
}

/// Waits until a region is ready; one that was ready before is.
async fn ready(region: &mut Running) -> anyhow::Result<()> {
    let Some(output) = region.output.take() else { return Ok(()) };
    let name = region.name;
    let mut lines = BufReader::new(output).lines();
    match tokio::time::timeout(READY_TIMEOUT, lines.next_line()).await {
        Ok(Ok(Some(line))) if line == "ready" => Ok(()),
        Ok(_) => bail!("the region {name} did not start; what it said stands above"),
        Err(_) => bail!("the region {name} was not ready within {} s", READY_TIMEOUT.as_secs()),
    }
}

/// Hands a region the public keys of those below it, once: later they are compared, not taken over. A region below that
/// was never started before has keys only when it is ready.
async fn hand_keys(data: &Path, place: usize, running: &mut [Running]) -> anyhow::Result<()> {
    let Some(region) = REGIONS.get(place) else { return Ok(()) };
    for below in place::below(place) {
        let to = place::witnessed_keys_file(data, region.name, below.name);
        if to.exists() {
            continue;
        }
        let from = place::keys_file(data, below.name);
        if !from.exists()
            && let Some(below) = running.iter_mut().find(|one| one.name == below.name)
        {
            ready(below).await?;
        }
        let at = || format!("cannot hand `{}` to the region {}", from.display(), region.name);
        place::copy_whole(&from, &to).with_context(at)?;
    }
    Ok(())
}

/// Says where a region knows one below it by other keys than it has now.
fn warn_of_other_keys(data: &Path) {
    for (place, region) in REGIONS.iter().enumerate() {
        for below in place::below(place) {
            let known = place::witnessed_keys_file(data, region.name, below.name);
            let now = place::keys_file(data, below.name);
            if std::fs::read(&known).ok() != std::fs::read(&now).ok() {
                eprintln!(
                    "fastness: {} knows {} by other keys than it has now, and takes its checkpoints for forged; if that region was made anew, remove `{}`",
                    region.name,
                    below.name,
                    known.display()
                );
            }
        }
    }
}

fn write_config(data: &Path, place: usize, arguments: &Up) -> anyhow::Result<PathBuf> {
    let region: &Builtin = REGIONS.get(place).context("there is no such region")?;
    let folder = place::region_folder(data, region.name);
    let path = place::config_file(data, region.name);
    let at = || format!("cannot write `{}`", path.display());
    // A region looks for it from where it stands itself.
    let clamd = arguments.clamd.as_deref().map(std::path::absolute).transpose()?;
    let config = RegionConfig {
        name: region.name.to_owned(),
        data: folder.clone(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port_base + region.port)),
        policy: "us".to_owned(),
        policy_file: None,
        floor: FLOOR.to_owned(),
        ceiling: region.ceiling.to_owned(),
        labels: region.labels.iter().map(|label| (*label).to_owned()).collect(),
        erasure: fastness_region::ErasureConfig::default(),
        domain: None,
        ledger: fastness_region::LedgerConfig::default(),
        scrub: fastness_region::ScrubConfig::default(),
        witnessed: place::below(place)
            .map(|below| WitnessedConfig {
                region: below.name.to_owned(),
                keys: place::witnessed_keys_file(data, region.name, below.name),
            })
            .collect(),
        guard: place::program("fastness-filter")?.map(|program| GuardConfig {
            program,
            words: None,
            clamd: clamd.clone(),
        }),
        crossing: Vec::new(),
    };
    let config = RegionConfig { crossing: crossing(place, config.guard.is_some()), ..config };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(at)?;
    let mut options = OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&path).with_context(at)?;
    file.write_all(toml::to_string(&config)?.as_bytes()).with_context(at)?;
    Ok(path)
}

/// The regions that something crosses to and from: all others, if there is somebody who looks at what comes.
fn crossing(place: usize, has_guard: bool) -> Vec<CrossingConfig> {
    let beside = |(other, region): (usize, &Builtin)| CrossingConfig {
        region: region.name.to_owned(),
        way: if other < place { WayConfig::Below } else { WayConfig::Above },
        keys: None,
    };
    let others = REGIONS.iter().enumerate().filter(|(other, _)| has_guard && *other != place);
    others.map(beside).collect()
}

fn describe(data: &Path, arguments: &Up) {
    for region in &REGIONS {
        let address = format!("http://127.0.0.1:{}", arguments.port_base + region.port);
        eprintln!("{:<15} {address}  {FLOOR} up to {}", region.name, region.ceiling);
    }
    if !matches!(place::program("fastness-filter"), Ok(Some(_))) {
        eprintln!("`fastness-filter` is not beside this program: nobody could look at what crosses, and nothing does");
    }
    let aws = data.join("aws");
    eprintln!("each region's root key lies beside its data: whoever takes the folder can read everything in it");
    eprintln!("try: export AWS_CONFIG_FILE={0}/config AWS_SHARED_CREDENTIALS_FILE={0}/credentials", aws.display());
    eprintln!("     aws --profile secret-analyst s3 ls");
}

async fn first_to_end(running: &mut [Running]) -> &'static str {
    loop {
        for region in running.iter_mut() {
            if !matches!(region.child.try_wait(), Ok(None)) {
                return region.name;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Ends the regions by closing their standard input: each finishes what is under way.
async fn stop(mut running: Vec<Running>) {
    for region in &mut running {
        drop(region.child.stdin.take());
    }
    for region in &mut running {
        if tokio::time::timeout(STOP_TIMEOUT, region.child.wait()).await.is_err() {
            eprintln!("fastness: the region {} did not stop in time and was killed", region.name);
            let _killed = region.child.kill().await;
        }
    }
}
