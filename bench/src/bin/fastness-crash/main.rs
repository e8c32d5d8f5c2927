//! `fastness-crash`: kills a real region again and again while clients write to it, and holds it to what it had
//! acknowledged. `cargo xtask crash` runs it; it prints one line of JSON.

mod client;
mod region;
#[cfg_attr(not(test), expect(dead_code, reason = "the load generator and the tests use more of it"))]
#[path = "../../signature.rs"]
mod signature;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde::Serialize;

use client::{Client, Dice};
use region::Region;

/// Kills a region while clients write to it, and checks what is left.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// The program `fastness`
    #[arg(long)]
    program: PathBuf,
    /// An empty folder for the region
    #[arg(long)]
    data: PathBuf,
    /// How often the region is killed
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Decides what the clients do and when the region is killed, as far as one program can
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the region listens, on 127.0.0.1
    #[arg(long, default_value_t = 19_700)]
    port: u16,
}

/// What happened.
#[derive(Debug, Default, Serialize)]
struct Tally {
    rounds: u64,
    /// Starts, those that were killed before they were ready among them.
    starts: u64,
    /// Writes and deletions acknowledged.
    acknowledged: u64,
    /// Requests that were cut off, or answered with a failure.
    refused: u64,
    /// Values compared byte for byte.
    checked: u64,
    /// Values whose write or deletion was under way at a kill.
    open: u64,
    /// Runs of `fastness audit verify` and of `fastness check` on the folder as a kill left it.
    verified: u64,
    /// From the start of the process after a kill to `ready`, in milliseconds: half took at most this, and the worst.
    ready_ms_p50: u64,
    ready_ms_max: u64,
}

const LABELS: [&str; 3] = ["UNCLASSIFIED", "SECRET", "SECRET//REL TO USA, GBR"];
const CLIENTS: usize = 8;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match done.and_then(|tally| Ok(serde_json::to_string(&tally)?)) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fastness-crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Tally> {
    let mut region = Region::make(&arguments.program, &arguments.data, arguments.port)?;
    region.start().await?;
    let people = region.people(&LABELS).await.context("the people cannot be made")?;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let key = people.get(number % people.len()).context("nobody is there")?;
        let dice = Dice::new(arguments.seed.wrapping_mul(1_000).wrapping_add(number as u64));
        let mut client = Client::new(number, region.wire(key.clone(), "s3"), dice);
        client.make_bucket().await?;
        clients.push(client);
    }
    let (mut dice, mut tally) = (Dice::new(arguments.seed), Tally::default());
    let mut ready = Vec::new();
    for round in 1..=arguments.rounds {
        clients = kill_under_load(&mut region, clients, Duration::from_millis(dice.below(1_200) + 20)).await?;
        if dice.below(3) == 0 {
            // Also in the middle of a start.
            region.launch()?;
            tokio::time::sleep(Duration::from_millis(dice.below(120))).await;
            region.kill().await?;
            tally.starts += 1;
        }
        if round % 5 == 0 || round == arguments.rounds {
            region.run(&["audit", "verify"]).context("the ledger is damaged")?;
            region.run(&["check"]).context("the folder is damaged")?;
            tally.verified += 2;
        }
        ready.push(u64::try_from(region.start().await?.as_millis())?);
        tally.starts += 1;
        for client in &mut clients {
            client.check().await.with_context(|| format!("round {round}, seed {}", arguments.seed))?;
        }
        eprintln!("round {round}: ready after {} ms", ready.last().copied().unwrap_or_default());
    }
    region.kill().await?;
    ready.sort_unstable();
    tally.rounds = u64::from(arguments.rounds);
    tally.ready_ms_p50 = ready.get(ready.len() / 2).copied().unwrap_or_default();
    tally.ready_ms_max = ready.last().copied().unwrap_or_default();
    for client in &clients {
        tally.acknowledged += client.counts.acknowledged;
        tally.refused += client.counts.refused;
        tally.checked += client.counts.checked;
        tally.open += client.counts.open;
    }
    ensure!(tally.acknowledged > tally.rounds, "too little was acknowledged to mean anything: {tally:?}");
    Ok(tally)
}

/// All clients work until the region is killed under them.
async fn kill_under_load(region: &mut Region, clients: Vec<Client>, after: Duration) -> Result<Vec<Client>> {
    let works = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let end = client.work().await;
            (client, end)
        })
    });
    let works: Vec<_> = works.collect();
    tokio::time::sleep(after).await;
    region.kill().await?;
    let mut clients = Vec::new();
    for work in works {
        let (client, end) = work.await?;
        end?;
        clients.push(client);
    }
    Ok(clients)
}
