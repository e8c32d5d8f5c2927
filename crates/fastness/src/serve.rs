//! `fastness serve`: one region in this process.

use crate::arguments::Serve;
use crate::{place, say};
use fastness_region::operation::RegionName;
use fastness_region::{
    Crossing, Environment, FilterGuard, Gate, LedgerKeeper, LifecycleClock, RegionFolder, RegionService, Scrubber,
    ServeError, SystemEnvironment,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// What whoever measures sets, so that nobody runs a program by mistake that records nothing.
const UNRECORDED: &str = "FASTNESS_UNRECORDED";

/// Runs a region until SIGTERM, Ctrl-C, or (with `--with-parent`) the end of standard input.
pub async fn run(arguments: Serve) -> anyhow::Result<()> {
    raise_file_limit();
    if cfg!(feature = "unrecorded") && std::env::var_os(UNRECORDED).is_none() {
        anyhow::bail!(
            "this program RECORDS NOTHING: it was built to measure what recording costs; `{UNRECORDED}=1` lets it do that"
        );
    }
    let config = place::read_config(&arguments.config)?;
    config.check()?;
    let policy = config.load_policy()?;
    let witnessed = config.load_witnessed()?;
    // The port first: a folder is not touched for a region that could not be reached.
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| ServeError::Listen { address, error })?;
    let folder = RegionFolder::open(&config.data)?;
    let environment = Arc::new(SystemEnvironment);
    let store = folder.open_or_make(policy, config.setup(), environment.moment(None)).await?;
    if !arguments.with_parent {
        eprintln!("{}: {}", config.name, folder.describe_root());
    }
    folder.publish_keys(&config.name)?;
    let own = folder.crossing_keys(&RegionName::new(&config.name)?)?;
    folder.publish_crossing_keys(&own)?;
    let guard = config.guard.as_ref().map(|guard| FilterGuard::new(&config, guard)).transpose()?;
    let keys = (folder.signing_keys()?, folder.witness_key(&config.name)?);
    let keeper = LedgerKeeper::start(
        store.clone(),
        environment.clone(),
        config.ledger.keep(),
        keys,
        folder.witnessing(witnessed),
    )?;
    let scrubber = Scrubber::start(store.clone(), environment.clone(), config.scrub)?;
    let gate = Gate::new(store.clone(), environment.clone()).with_reads(config.ledger.reads.into());
    // Nothing crosses without a guard.
    let (gate, crossings) = match guard {
        None => (gate, None),
        Some(guard) => {
            let crossing = Crossing::new(&folder, &config)?;
            let gate = gate.with_crossing(crossing.parts(own, Arc::new(guard)));
            let crossings = crossing.start(&gate, store, environment)?;
            (gate, Some(crossings))
        }
    };
    let service = RegionService::at_domain(gate, config.domain.as_deref());
    let stop = stop_signal(arguments.with_parent)?;
    let upkeep = tokio::spawn(service.clone().keep_up(config.erase_within()));
    let clock = LifecycleClock {
        every: arguments.lifecycle_every_s.map_or(LifecycleClock::EVERY, Duration::from_secs),
        ahead: Duration::from_secs(arguments.lifecycle_ahead_days * 86_400),
    };
    let lifecycle = tokio::spawn(service.clone().tend(clock));
    say::line("ready");
    // Upkeep ends before the store does: it is begun anew at the next start, wherever it is.
    let stop = async move {
        stop.await;
        upkeep.abort();
        lifecycle.abort();
        drop(crossings);
        // A scrubber cut off by the store's end would take that for damage.
        drop(scrubber);
        // Signs what is new before it ends.
        drop(keeper);
    };
    fastness_region::serve(service, listener, stop).await;
    Ok(())
}

/// Connections and files take descriptors: as many as the system grants.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("fastness: the limit of open files stays as it is: {error}");
    }
}

fn stop_signal(with_parent: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let parent_gone = async {
            if !with_parent {
                return std::future::pending::<()>().await;
            }
            let mut input = tokio::io::stdin();
            let mut buffer = [0; 64];
            while matches!(input.read(&mut buffer).await, Ok(count) if count > 0) {}
        };
        tokio::select! {
            _ = terminate.recv() => {}
            // Ctrl-C reaches the whole process group: a region that `up` started waits for `up` to end it.
            _ = interrupt.recv(), if !with_parent => {}
            () = parent_gone => {}
        }
    })
}
