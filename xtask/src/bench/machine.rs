//! The machine that figures come from, and the memory that processes take on it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::process::output;

const SYNCS: usize = 200;

/// A machine.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// How many cores we may use.
    pub cores: usize,
    /// Its memory.
    pub memory_bytes: u64,
    /// The kernel.
    pub kernel: String,
    /// The device and file system of the data.
    pub disk: String,
    /// Half of some fdatasyncs of a 4 KiB append took at most this.
    pub sync_us_p50: u64,
    /// How busy it was before we began.
    pub load_average: String,
}

impl Machine {
    /// Looks at this machine, and at the disk under a folder.
    pub fn look(data: &Path) -> Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (processors, memory, load) = (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/loadavg"));
        Ok(Self {
            processor: field(&processors, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_bytes: kibibytes(&memory, "MemTotal"),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            disk: disk(&read("/proc/mounts"), data),
            sync_us_p50: sync_us(data).context("the disk cannot be measured")?,
            load_average: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} cores, {:.1} GB memory, Linux {}, data on {} (fdatasync of a 4 KiB append: {} µs p50), load average {} \
             at the start",
            self.processor,
            self.cores,
            self.memory_bytes as f64 / 1e9,
            self.kernel,
            self.disk,
            self.sync_us_p50,
            self.load_average,
        )
    }
}

/// Our share of a busy machine. Other work competes by scheduler groups; servers and load generator share ours.
/// Set back when dropped.
#[derive(Debug)]
pub struct SchedulerGroup {
    before: Option<String>,
}

impl SchedulerGroup {
    const FILE: &str = "/proc/self/autogroup";

    /// Raises the group, if we may.
    pub fn raise() -> Self {
        let text = std::fs::read_to_string(Self::FILE).unwrap_or_default();
        let before = text.split_whitespace().next_back().map(str::to_owned);
        Self { before: before.filter(|_| std::fs::write(Self::FILE, "-15").is_ok()) }
    }

    /// Leaves the group as it is.
    pub fn leave() -> Self {
        Self { before: None }
    }

    /// Whether it could be raised.
    pub fn is_raised(&self) -> bool {
        self.before.is_some()
    }
}

impl Drop for SchedulerGroup {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = std::fs::write(Self::FILE, before)
        {
            eprintln!("xtask: the scheduler group stays raised: {error}");
        }
    }
}

/// The resident memory of a process and all that it started, and of the largest among them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// Processes.
    pub processes: usize,
    /// Resident now, together.
    pub resident_bytes: u64,
    /// Resident now, the one that has taken most.
    pub resident_largest_bytes: u64,
    /// The most that each ever took, together.
    pub peak_bytes: u64,
    /// The most that one ever took.
    pub peak_largest_bytes: u64,
}

impl Memory {
    /// Measures a process and its descendants.
    pub fn of(process: u32) -> Self {
        let mut total = Self::default();
        for id in family(process) {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let (resident, peak) = (kibibytes(&status, "VmRSS"), kibibytes(&status, "VmHWM"));
            total.processes += 1;
            total.resident_bytes += resident;
            total.peak_bytes += peak;
            if peak >= total.peak_largest_bytes {
                (total.peak_largest_bytes, total.resident_largest_bytes) = (peak, resident);
            }
        }
        total
    }
}

/// The memory of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resident {
    /// Resident now (VmRSS).
    pub bytes: u64,
    /// The most that it ever took (VmHWM).
    pub peak_bytes: u64,
}

impl Resident {
    /// Measures a process.
    pub fn of(process: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
        Ok(Self { bytes: kibibytes(&status, "VmRSS"), peak_bytes: kibibytes(&status, "VmHWM") })
    }
}

/// Processor time that a process has taken, all of its threads together, in seconds.
pub fn processor_seconds(process: u32) -> Result<f64> {
    Ok(Spent::of(process)?.seconds)
}

/// Processor time of a process, and of those that it started and that have ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// Its own, all threads together, in seconds.
    pub seconds: f64,
    /// That of its processes that it waited for, with theirs, in seconds.
    pub reaped_seconds: f64,
}

impl Spent {
    /// Measures a process.
    pub fn of(process: u32) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).context("the process is gone")?;
        let [own, reaped] = ticks(&stat).with_context(|| format!("`/proc/{process}/stat` is not as expected"))?;
        let per_second: f64 = output(Command::new("getconf").arg("CLK_TCK"))?.trim().parse()?;
        Ok(Self { seconds: own as f64 / per_second, reaped_seconds: reaped as f64 / per_second })
    }
}

/// `utime` with `stime`, and `cutime` with `cstime` of proc_pid_stat(5), fields 14 to 17. The name, field 2, is in brackets
/// and may hold anything.
fn ticks(stat: &str) -> Option<[u64; 2]> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some([next()? + next()?, next()? + next()?])
}

/// One process among those of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its number.
    pub process: u32,
    /// Who started it.
    pub parent: u32,
    /// Its command line.
    pub command: String,
}

impl Family {
    /// A process's descendants, and itself.
    pub fn of(process: u32) -> Vec<Self> {
        let one = |process: u32| {
            let read = |name: &str| std::fs::read(format!("/proc/{process}/{name}")).unwrap_or_default();
            let status = String::from_utf8_lossy(&read("status")).into_owned();
            let parent = field(&status, "PPid").and_then(|text| text.parse().ok()).unwrap_or_default();
            Self { process, parent, command: String::from_utf8_lossy(&read("cmdline")).replace('\0', " ") }
        };
        family(process).into_iter().map(one).collect()
    }
}

/// A process and its descendants.
pub fn family(process: u32) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while we look; then it belongs to nobody.
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        parents.insert(id, field(&status, "PPid").and_then(|text| text.parse::<u32>().ok()));
    }
    parents.keys().copied().filter(|id| descends(*id, process, &parents)).collect()
}

fn descends(mut id: u32, from: u32, parents: &BTreeMap<u32, Option<u32>>) -> bool {
    // A chain of parents is no longer than there are processes, whatever changed while we read.
    for _ in 0..=parents.len() {
        if id == from {
            return true;
        }
        match parents.get(&id).copied().flatten() {
            Some(parent) => id = parent,
            None => return false,
        }
    }
    false
}

/// The value of `name: value` in the first line that has it.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

fn kibibytes(text: &str, name: &str) -> u64 {
    let value =
        field(text, name).and_then(|value| value.split(' ').next()).and_then(|digits| digits.parse::<u64>().ok());
    value.unwrap_or(0) * 1024
}

/// The device and file system under a folder: the longest mount point that contains it.
fn disk(mounts: &str, folder: &Path) -> String {
    let rows = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let under = rows.filter_map(|row| match row.as_slice() {
        [device, point, system, ..] if folder.starts_with(point) => Some((point.len(), format!("{device}, {system}"))),
        _ => None,
    });
    under.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".to_owned(), |(_, text)| text)
}

fn sync_us(folder: &Path) -> Result<u64> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        times.push(u64::try_from(start.elapsed().as_micros())?);
    }
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    times.get(SYNCS / 2).copied().context("nothing was measured")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_the_longest_mount_point_above() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /data tmpfs rw 0 0\n/dev/b /da xfs rw 0 0\n";
        assert_eq!(disk(mounts, Path::new("/data/x")), "tmpfs, tmpfs");
        assert_eq!(disk(mounts, Path::new("/database")), "/dev/a, ext4");
    }

    #[test]
    fn our_own_memory_is_seen() {
        let memory = Memory::of(std::process::id());
        assert!(memory.processes >= 1 && memory.resident_bytes > 100_000 && memory.peak_bytes >= memory.resident_bytes);
    }

    #[test]
    fn our_own_processor_time_is_seen() {
        let resident = Resident::of(std::process::id()).unwrap();
        assert!(resident.bytes > 100_000 && resident.peak_bytes >= resident.bytes);
        assert!(processor_seconds(std::process::id()).unwrap() >= 0.0);
        let own = Family::of(std::process::id());
        assert!(own.iter().any(|one| one.process == std::process::id() && one.parent > 0 && !one.command.is_empty()));
    }

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) S (b c) S 1 7 7 0 -1 4194304 100 0 0 0 41 59 0 0 20 0 1 0 5 0 0";
        assert_eq!(ticks(stat), Some([100, 0]));
        assert_eq!(ticks("7 (a) S 1 2"), None);
    }

    #[test]
    fn descent_ends_even_in_a_circle() {
        let parents = BTreeMap::from([(1, Some(2)), (2, Some(1)), (3, Some(1))]);
        assert!(descends(3, 1, &parents));
        assert!(!descends(1, 9, &parents));
    }
}
