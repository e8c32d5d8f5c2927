//! One row: prepare, warm up, measure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::payload::{self, Payload};
use crate::report::Report;
use crate::signature::Credentials;
use crate::{Op, Signing};

/// Requests in the timed section at most: each keeps four bytes of latency.
pub const REQUESTS_MAX: u64 = 5_000_000;
/// A phase stops after so many errors: the row has failed anyway.
const ERRORS_MAX: u64 = 20;
/// Clients that put the objects there which a row reads.
const PREPARING_CLIENTS: u32 = 16;

/// What every client of the row knows.
#[derive(Debug)]
pub struct Plan {
    /// `HOST:PORT`.
    pub authority: String,
    /// Who signs.
    pub credentials: Credentials,
    /// How.
    pub signing: Signing,
    /// The bucket.
    pub bucket: String,
    /// What the row's keys start with.
    pub prefix: String,
    /// The folder of the row's keys, instead of the computed one.
    pub folder: Option<String>,
    /// Whether bucket and objects are there.
    pub ready_made: bool,
    /// What the clients do.
    pub op: Op,
    /// What they write; never empty.
    pub payloads: Vec<Payload>,
    /// The type that they are written with, if any.
    pub content_type: Option<&'static str>,
    /// Objects in the row.
    pub keys: u64,
    /// Keys in a page.
    pub page: u32,
    /// Whether every byte that comes back is compared.
    pub verify: bool,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Concurrent clients.
    pub clients: u32,
    /// Untimed work first.
    pub warmup: Duration,
    /// Time of the timed section.
    pub time: Duration,
    /// Requests of the timed section.
    pub requests: u64,
    /// How long the server may take to come up.
    pub wait: Duration,
}

/// Runs a row.
pub async fn run(plan: Plan, bounds: Bounds) -> Result<Report> {
    let plan = Arc::new(plan);
    if !plan.ready_made {
        wait_until_ready(&plan, bounds.wait).await?;
        if plan.op != Op::Put {
            prepare(&plan).await?;
        }
    }
    let mut clients: Vec<Client> = (0..bounds.clients).map(|_| Client::new(Arc::clone(&plan))).collect();
    if plan.op != Op::Delete && !bounds.warmup.is_zero() {
        let limit = Limit::new(plan.op, bounds.warmup, REQUESTS_MAX);
        let (warm, outcome) = phase(&plan, clients, limit).await?;
        clients = warm;
        ensure!(outcome.errors == 0, "the warm-up failed: {}", outcome.first_error.unwrap_or_default());
    }
    let requests = if plan.op == Op::Delete { bounds.requests.min(plan.keys) } else { bounds.requests };
    let (_clients, outcome) = phase(&plan, clients, Limit::new(plan.op, bounds.time, requests)).await?;
    Ok(Report::new(&plan, bounds.clients, outcome))
}

/// What a phase measured.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Latencies of the requests that succeeded, in microseconds.
    pub latencies_us: Vec<u32>,
    /// Bytes of payload that went over.
    pub bytes: u64,
    /// Requests that failed.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<String>,
    /// From the first request's start to the last one's end.
    pub elapsed: Duration,
}

/// Where a phase ends; shared by its clients.
#[derive(Debug)]
struct Limit {
    op: Op,
    start: Instant,
    time: Duration,
    requests: u64,
    tickets: AtomicU64,
    errors: AtomicU64,
}

impl Limit {
    fn new(op: Op, time: Duration, requests: u64) -> Self {
        let (tickets, errors) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { op, start: Instant::now(), time, requests, tickets, errors }
    }

    /// The number of the next request, unless the phase is over.
    fn ticket(&self) -> Option<u64> {
        if self.start.elapsed() >= self.time || self.errors.load(Ordering::Relaxed) >= ERRORS_MAX {
            return None;
        }
        Some(self.tickets.fetch_add(1, Ordering::Relaxed)).filter(|ticket| *ticket < self.requests)
    }
}

async fn wait_until_ready(plan: &Arc<Plan>, wait: Duration) -> Result<()> {
    let start = Instant::now();
    let mut client = Client::new(Arc::clone(plan));
    let first = plan.payloads.first().context("there is nothing to write")?.clone();
    let small = Payload {
        bytes: Bytes::new(),
        sha256: payload::pool(0, false).first().map(|p| p.sha256.clone()).unwrap_or(first.sha256),
    };
    loop {
        let attempt = async {
            client.create_bucket().await?;
            client.put("ready", &small).await
        };
        match attempt.await {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() >= wait => return Err(error).context("the server takes no first object"),
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// Puts the objects there which the row reads or deletes.
async fn prepare(plan: &Arc<Plan>) -> Result<()> {
    let limit = Limit::new(Op::Put, Duration::from_secs(600), plan.keys);
    let clients = (0..PREPARING_CLIENTS).map(|_| Client::new(Arc::clone(plan))).collect();
    let (_clients, outcome) = phase(plan, clients, limit).await?;
    ensure!(outcome.errors == 0, "preparing failed: {}", outcome.first_error.unwrap_or_default());
    ensure!(outcome.latencies_us.len() as u64 == plan.keys, "preparing took longer than 10 minutes");
    Ok(())
}

async fn phase(plan: &Arc<Plan>, clients: Vec<Client>, limit: Limit) -> Result<(Vec<Client>, Outcome)> {
    let limit = Arc::new(limit);
    let mut tasks = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        tasks.spawn(work(Arc::clone(plan), client, Arc::clone(&limit), number as u64));
    }
    let mut total = Outcome::default();
    let mut clients = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (client, mut outcome) = done.context("a client stopped")?;
        clients.push(client);
        total.latencies_us.append(&mut outcome.latencies_us);
        total.bytes += outcome.bytes;
        total.errors += outcome.errors;
        total.first_error = total.first_error.or(outcome.first_error);
    }
    total.elapsed = limit.start.elapsed();
    Ok((clients, total))
}

/// One client's share of a phase.
async fn work(plan: Arc<Plan>, mut client: Client, limit: Arc<Limit>, number: u64) -> (Client, Outcome) {
    let mut outcome = Outcome::default();
    let mut random = number;
    let mut walk = Walk::default();
    while let Some(ticket) = limit.ticket() {
        let start = Instant::now();
        match request(&plan, &mut client, limit.op, ticket, &mut random, &mut walk).await {
            Ok(bytes) => {
                outcome.latencies_us.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
                outcome.bytes += bytes;
            }
            Err(error) => {
                limit.errors.fetch_add(1, Ordering::Relaxed);
                outcome.errors += 1;
                outcome.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
    (client, outcome)
}

/// Where a client stands in the listing.
#[derive(Debug, Default)]
struct Walk {
    next: Option<String>,
    keys: u64,
}

async fn request(
    plan: &Plan,
    client: &mut Client,
    op: Op,
    ticket: u64,
    random: &mut u64,
    walk: &mut Walk,
) -> Result<u64> {
    let turn = ticket % plan.keys;
    match op {
        Op::Put => client.put(&plan.key(turn), plan.payload(turn)?).await,
        Op::Delete => client.delete(&plan.key(turn)).await,
        Op::Get | Op::Head => {
            let index = payload::next(random) % plan.keys;
            let payload = plan.payload(index)?;
            match op {
                Op::Get => client.get(&plan.key(index), &payload.bytes).await,
                _ => client.head(&plan.key(index), payload.bytes.len()).await,
            }
        }
        Op::List => {
            let (bytes, page) = client.list(&plan.folder(), walk.next.as_deref()).await?;
            walk.keys += page.keys;
            walk.next = page.next;
            if walk.next.is_none() {
                let keys = std::mem::take(&mut walk.keys);
                ensure!(keys == plan.keys, "the listing showed {keys} keys instead of {}", plan.keys);
            }
            Ok(bytes)
        }
    }
}

impl Plan {
    /// The folder of the row: rows that differ do not see each other's objects, unless they name the same.
    fn folder(&self) -> String {
        if let Some(folder) = &self.folder {
            return format!("{folder}/");
        }
        let size = self.payloads.first().map_or(0, |payload| payload.bytes.len());
        format!("{}/{:?}-{size}-{}/", self.prefix, self.op, self.keys).to_lowercase()
    }

    fn key(&self, index: u64) -> String {
        format!("{}{index:08}", self.folder())
    }

    fn payload(&self, index: u64) -> Result<&Payload> {
        let at = usize::try_from(index % self.payloads.len().max(1) as u64)?;
        self.payloads.get(at).context("there is nothing to write")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_hands_out_as_many_tickets_as_it_has_requests() {
        let limit = Limit::new(Op::Put, Duration::from_secs(60), 2);
        assert_eq!((limit.ticket(), limit.ticket(), limit.ticket()), (Some(0), Some(1), None));
    }

    fn plan(op: Op, folder: Option<&str>) -> Plan {
        Plan {
            authority: "127.0.0.1:1".to_owned(),
            credentials: Credentials { access_key: "A".into(), secret_key: "B".into(), region: "us-east-1".into() },
            signing: Signing::Header,
            bucket: "bench".to_owned(),
            prefix: "row".to_owned(),
            folder: folder.map(str::to_owned),
            ready_made: false,
            op,
            payloads: payload::pool(128, false),
            content_type: None,
            keys: 10,
            page: 1_000,
            verify: false,
        }
    }

    #[test]
    fn rows_share_objects_only_in_a_folder_that_both_name() {
        assert_eq!(plan(Op::Head, None).key(7), "row/head-128-10/00000007");
        assert_ne!(plan(Op::Head, None).key(7), plan(Op::Get, None).key(7));
        assert_eq!(plan(Op::Put, Some("large")).key(7), "large/00000007");
        assert_eq!(plan(Op::Head, Some("large")).key(7), "large/00000007");
    }

    #[tokio::test]
    async fn ready_made_objects_are_not_put_there_again() {
        // Nobody listens at this port: whatever came before the row would fail.
        let plan = Plan { ready_made: true, ..plan(Op::Get, Some("large")) };
        let time = Duration::ZERO;
        let bounds = Bounds { clients: 1, warmup: time, time, requests: 1, wait: time };
        let report = run(plan, bounds).await.unwrap();
        assert_eq!((report.requests, report.errors), (0, 0));
    }

    #[test]
    fn a_phase_ends_with_its_time_and_with_too_many_errors() {
        assert_eq!(Limit::new(Op::Put, Duration::ZERO, 2).ticket(), None);
        let limit = Limit::new(Op::Put, Duration::from_secs(60), 2);
        limit.errors.store(ERRORS_MAX, Ordering::Relaxed);
        assert_eq!(limit.ticket(), None);
    }
}
