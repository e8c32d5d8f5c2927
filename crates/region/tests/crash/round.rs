//! One round: a history, what happens to the disk in it, the starts after it, and what is looked at then.

use crate::client::{Checked, Client};
use crate::support::{House, REL, S, TK, TOP, Template, U};
use fastness_gate::Environment;
use fastness_ledger::{Entry, Outcome, verify};
use fastness_operation::{AccessKeyId, Moment};
use fastness_store::disk::{Disk, FaultKind, MemoryDisk};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What happens to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Power is lost at a random change, twice, and in the starts after that.
    Power,
    /// Single reads, writes, syncs, renames or removals fail; then power is lost.
    Errors,
    /// The disk gets full, and has room again; then power is lost.
    Full,
    /// Bits flip in files of the stopped region.
    Bits,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Errors => "errors",
            Self::Full => "full",
            Self::Bits => "bits",
        }
    }
}

/// What happened in rounds.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    pub rounds: u64,
    /// Starts of the region, those that were cut off among them.
    pub starts: u64,
    /// Effects acknowledged.
    pub acknowledged: u64,
    /// Requests answered with a failure.
    pub refused: u64,
    /// Values compared byte for byte.
    pub checked: u64,
    /// Values whose write or deletion was under way.
    pub open: u64,
    /// Reads of damaged values that were answered with a failure.
    pub damaged: u64,
    /// Damaged folders that did not open.
    pub closed: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        let Self { rounds, starts, acknowledged, refused, checked, open, damaged, closed } = other;
        self.rounds += rounds;
        self.starts += starts;
        self.acknowledged += acknowledged;
        self.refused += refused;
        self.checked += checked;
        self.open += open;
        self.damaged += damaged;
        self.closed += closed;
    }

    fn saw(&mut self, checked: &Checked) {
        self.checked += checked.values;
        self.open += checked.open;
        self.damaged += checked.damaged;
    }
}

/// Clock and chance of requests: never the same twice in a round.
#[derive(Debug, Default)]
struct Counting(AtomicU64, u64);

impl Environment for Counting {
    fn moment(&self, _: Option<&AccessKeyId>) -> Moment {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        let seed = StdRng::seed_from_u64(self.1 ^ count.wrapping_mul(0x9e37_79b9_7f4a_7c15)).random();
        Moment { now_ms: 1_790_000_000_000 + i64::try_from(count).unwrap(), seed }
    }
}

const CLIENTS: [(&str, &str); 6] = [
    ("ana UNCLASSIFIED", U),
    ("gwen SECRET//REL TO USA, GBR", REL),
    ("ana SECRET", S),
    ("ana SECRET", S),
    ("zoe TOP SECRET//TK", TK),
    ("zoe TOP SECRET//SI/TK", TOP),
];

struct Round<'t> {
    template: &'t Template,
    environment: Arc<Counting>,
    rng: StdRng,
    clients: Vec<Client>,
    tally: Tally,
}

/// Plays one round.
pub async fn play(template: &Template, kind: Kind, seed: u64) -> Result<Tally, String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let clients = CLIENTS.iter().enumerate();
    let clients = clients.map(|(number, (name, label))| Client::new(number, label, template.cast[*name].clone(), seed));
    let mut round = Round {
        template,
        environment: Arc::new(Counting(AtomicU64::new(0), rng.random())),
        clients: clients.collect(),
        rng,
        tally: Tally { rounds: 1, ..Tally::default() },
    };
    let disk = template.disk();
    let house = round.open(&disk)?;
    for client in &mut round.clients {
        client.prepare(&house).await?;
    }
    match kind {
        Kind::Power => round.power(disk, house).await?,
        Kind::Errors => round.errors(disk, house).await?,
        Kind::Full => round.full(disk, house).await?,
        Kind::Bits => round.bits(disk, house).await?,
    }
    let Round { clients, mut tally, .. } = round;
    tally.acknowledged = clients.iter().map(|client| client.done.len() as u64).sum();
    tally.refused = clients.iter().map(|client| client.refused).sum();
    Ok(tally)
}

impl Round<'_> {
    fn open(&mut self, disk: &MemoryDisk) -> Result<House, String> {
        self.tally.starts += 1;
        let opened = self.template.open_on(disk, self.environment.clone());
        opened.map_err(|fault| format!("the region does not start: {fault}"))
    }

    /// All clients at once, each so many things.
    async fn work(&mut self, house: &House, count: usize) -> Result<(), String> {
        let each = self.clients.iter_mut().map(|client| async move {
            for _ in 0..count {
                client.act(house).await?;
            }
            Ok(())
        });
        futures_util::future::join_all(each).await.into_iter().collect()
    }

    async fn power(&mut self, mut disk: MemoryDisk, mut house: House) -> Result<(), String> {
        for _ in 0..2 {
            let count = self.rng.random_range(8..25);
            // About how many changes the clients make, so that the cut lies anywhere in what they do.
            let changes = self.rng.random_range(0..count * 40);
            disk.fail_next(FaultKind::Any, changes, u64::MAX);
            self.work(&house, usize::try_from(count).unwrap()).await?;
            (disk, house) = self.lose_power(&disk, house).await?;
        }
        Ok(())
    }

    /// Power is lost, a start or two are cut off, and the last one is held to everything.
    async fn lose_power(&mut self, disk: &MemoryDisk, house: House) -> Result<(MemoryDisk, House), String> {
        // First nothing more gets onto the disk; only then is it quiet enough to be looked at.
        disk.fail_next(FaultKind::Any, 0, u64::MAX);
        house.store.close();
        drop(house);
        let mut disk = disk.crash(self.rng.random());
        for _ in 0..self.rng.random_range(0..3) {
            disk.fail_next(FaultKind::Any, self.rng.random_range(0..120), u64::MAX);
            if let Ok(house) = self.open(&disk) {
                house.store.close();
            }
            disk = disk.crash(self.rng.random());
        }
        let house = self.open(&disk)?;
        self.check(&house, false).await?;
        Ok((disk, house))
    }

    async fn errors(&mut self, disk: MemoryDisk, house: House) -> Result<(), String> {
        for _ in 0..4 {
            let kinds = [FaultKind::Read, FaultKind::Write, FaultKind::Sync, FaultKind::Rename, FaultKind::Remove];
            let kind = kinds[self.rng.random_range(0..kinds.len())];
            disk.fail_next(kind, self.rng.random_range(0..60), self.rng.random_range(1..4));
            self.work(&house, 6).await?;
        }
        disk.heal();
        // The region has to get well by itself.
        self.check(&house, false).await?;
        self.work(&house, 3).await?;
        self.lose_power(&disk, house).await?;
        Ok(())
    }

    async fn full(&mut self, disk: MemoryDisk, house: House) -> Result<(), String> {
        const LARGE: u64 = 1 << 40;
        self.work(&house, 5).await?;
        for reserve in [16 << 20, 0] {
            disk.set_full(LARGE);
            let used = LARGE - disk.free_bytes().unwrap();
            disk.set_full(used + reserve + self.rng.random_range(0..400_000));
            self.work(&house, 8).await?;
        }
        disk.set_full(LARGE);
        self.check(&house, false).await?;
        self.work(&house, 4).await?;
        self.lose_power(&disk, house).await?;
        Ok(())
    }

    async fn bits(&mut self, disk: MemoryDisk, house: House) -> Result<(), String> {
        self.work(&house, 12).await?;
        house.store.close();
        drop(house);
        for _ in 0..12 {
            // What was damaged stays so in this copy alone.
            let (copy, mut files) = (disk.crash(0), Vec::new());
            walk(&copy, "", &mut files);
            for _ in 0..self.rng.random_range(1..6) {
                let path = &files[self.rng.random_range(0..files.len())];
                let length = copy.open(path, fastness_store::disk::OpenMode::Read).unwrap().len().unwrap();
                copy.flip_bit(path, self.rng.random_range(0..length.max(1)));
            }
            let Ok(house) = self.open(&copy) else {
                self.tally.closed += 1;
                continue;
            };
            let Err(text) = self.look(&house, true).await.map(|checked| self.tally.saw(&checked)) else {
                house.store.close();
                continue;
            };
            return Err(text);
        }
        let house = self.open(&disk)?;
        self.check(&house, false).await
    }

    async fn look(&mut self, house: &House, damage: bool) -> Result<Checked, String> {
        let mut all = Checked::default();
        for client in &mut self.clients {
            let checked = client.check(house, damage).await?;
            all.values += checked.values;
            all.open += checked.open;
            all.damaged += checked.damaged;
        }
        Ok(all)
    }

    /// Everything acknowledged is there, and in the ledger.
    async fn check(&mut self, house: &House, damage: bool) -> Result<(), String> {
        let checked = self.look(house, damage).await?;
        self.tally.saw(&checked);
        house.store.flush().await.map_err(|fault| format!("the records of reads: {fault}"))?;
        let reports = verify(&house.store, &house.log_keys(), |_| ()).map_err(|fault| fault.to_string())?;
        if let Some(report) = reports.iter().find(|report| report.finding.is_some()) {
            return Err(format!("the ledger is damaged: {report:?}"));
        }
        for client in &self.clients {
            let mut entries: HashMap<String, bool> = HashMap::new();
            let see = |_, _: &[u8; 32], content: Option<&[u8]>| {
                let entry = Entry::decode_content(content.unwrap()).unwrap();
                let request = entry.request.iter().map(|byte| format!("{byte:02X}")).collect();
                entries.insert(request, matches!(entry.outcome, Outcome::Done(_) | Outcome::Each(_)));
                true
            };
            house
                .store
                .ledger_rows(self.template.label(client.label), 0, u64::MAX, see)
                .map_err(|fault| fault.to_string())?;
            if let Some(request) = client.done.iter().find(|request| entries.get(*request) != Some(&true)) {
                return Err(format!("the effect of request {request} at {} is in no ledger", client.label));
            }
        }
        Ok(())
    }
}

fn walk(disk: &MemoryDisk, folder: &str, files: &mut Vec<String>) {
    for name in disk.list(folder).unwrap() {
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        match disk.open(&path, fastness_store::disk::OpenMode::Read) {
            Ok(_) => files.push(path),
            Err(_) => walk(disk, &path, files),
        }
    }
}
