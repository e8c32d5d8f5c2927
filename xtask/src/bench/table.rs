//! What was measured, as a page that people read.

use serde_json::Value;

use super::figures::median;
use super::rows::{self, Row};
use super::servers::{Description, Kind};
use super::{Record, Sample};

/// On every row, so many times the requests of SeaweedFS.
const RATIO_MIN: f64 = 2.0;

/// Medians of one row on one server.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Medians {
    requests_per_second: f64,
    megabytes_per_second: f64,
    latency_ms_p50: f64,
    latency_ms_p99: f64,
}

/// A sample in a line.
pub fn line(sample: &Sample) -> String {
    match &sample.failed {
        Some(error) => format!("failed: {error}"),
        None => medians(&[sample]).map_or_else(String::new, |m| {
            let Medians { requests_per_second, megabytes_per_second, latency_ms_p50, latency_ms_p99 } = m;
            format!(
                "{requests_per_second:>8.0}/s {megabytes_per_second:>8.1} MB/s  p50 {latency_ms_p50:.2} ms  p99 {latency_ms_p99:.2} ms"
            )
        }),
    }
}

/// The whole page.
pub fn document(record: &Record, raw: &str) -> String {
    let runs = record.samples.iter().map(|sample| sample.run).max().unwrap_or(0);
    let mut text = format!(
        "# S3 beside a peer, {}\n\n- Command: `{}`\n- Commit: {}\n- Machine: {}\n- Raw file: [{raw}]({raw})\n",
        record.date, record.command, record.commit, record.machine,
    );
    for server in &record.servers {
        text.push_str(&format!("- {}: {}\n", server.kind, server.version));
    }
    text.push_str(&format!(
        "\nMedians of {runs} run{}; the servers took turns row by row, each with the load generator (one thread) on the same cores. \
         Requests carry header signatures with the SHA-256 of their payload. **Fastness encrypts, labels and records every write \
         and has it on disk before it answers; SeaweedFS does none of that, its writes are not synced.** The file systems were \
         synced before each row. Ratio: requests a second, Fastness over SeaweedFS. Reach: what the project set out to reach. The last \
         column says what a row falls short of: its reach, or {RATIO_MIN} times SeaweedFS.\n\n",
        if runs == 1 { "" } else { "s" }
    ));
    text.push_str(
        "| row | Fastness | p50 / p99, ms | reach | SeaweedFS | p50 / p99, ms | ratio | short of |\n\
         |---|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for row in rows::all(false) {
        text.push_str(&table_row(&row, &record.samples));
    }
    text.push_str(
        "\n## Memory\n\nResident, of all processes of a server together; in brackets the largest one. Peak is the \
         most that they ever had, seen at the end of the run.\n\n",
    );
    text.push_str("| server | processes | idle | after the last row | peak |\n|---|---:|---:|---:|---:|\n");
    for server in &record.servers {
        text.push_str(&memory_row(server));
    }
    let failed: Vec<_> = record.samples.iter().filter(|sample| sample.failed.is_some()).collect();
    if !failed.is_empty() {
        text.push_str("\n## Failed\n\n");
        for sample in failed {
            let error = sample.failed.as_deref().unwrap_or_default();
            text.push_str(&format!("- {}, run {}, {}: {error}\n", sample.row, sample.run, sample.server));
        }
    }
    text
}

fn table_row(row: &Row, samples: &[Sample]) -> String {
    let rate = |value: f64| if row.by_bytes { format!("{value:.0} MB/s") } else { format!("{value:.0}/s") };
    let value = |m: &Medians| if row.by_bytes { m.megabytes_per_second } else { m.requests_per_second };
    let of = |kind| {
        let own: Vec<&Sample> = samples.iter().filter(|s| s.row == row.name && s.server == kind).collect();
        if own.is_empty() {
            return (String::from("–"), String::from("–"), None);
        }
        match medians(&own) {
            None => ("failed".to_owned(), "–".to_owned(), None),
            Some(m) => {
                let latency = format!("{:.2} / {:.2}", m.latency_ms_p50, m.latency_ms_p99);
                (rate(value(&m)), latency, Some(m))
            }
        }
    };
    let (ours, our_latency, our_medians) = of(Kind::Fastness);
    let (theirs, their_latency, their_medians) = of(Kind::SeaweedFs);
    let ratio = match (our_medians, their_medians) {
        (Some(ours), Some(theirs)) if theirs.requests_per_second > 0.0 => {
            Some(ours.requests_per_second / theirs.requests_per_second)
        }
        _ => None,
    };
    let short = short_of(row.reach, our_medians.as_ref().map(value), ratio);
    let ratio = ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
    let reach = row.reach.map_or_else(|| "–".to_owned(), rate);
    format!("| {} | {ours} | {our_latency} | {reach} | {theirs} | {their_latency} | {ratio} | {short} |\n", row.name)
}

/// What a row falls short of; nothing if of neither, or if it was not measured.
fn short_of(reach: Option<f64>, ours: Option<f64>, ratio: Option<f64>) -> String {
    let far = reach.zip(ours).filter(|(reach, ours)| ours < reach);
    let far = far.map(|(reach, ours)| format!("**reach** ({:.0} %)", ours / reach * 100.0));
    let slow = ratio.filter(|ratio| *ratio < RATIO_MIN).map(|_| "**peer**".to_owned());
    [far, slow].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn memory_row(server: &Description) -> String {
    let both = |all: u64, largest: u64| format!("{:.0} MB ({:.0})", all as f64 / 1e6, largest as f64 / 1e6);
    let (idle, end) = (&server.idle, &server.end);
    format!(
        "| {} | {} | {} | {} | {} |\n",
        server.kind,
        end.processes,
        both(idle.resident_bytes, idle.resident_largest_bytes),
        both(end.resident_bytes, end.resident_largest_bytes),
        both(end.peak_bytes, end.peak_largest_bytes),
    )
}

/// The medians of a row's runs; nothing if one of them failed.
fn medians(samples: &[&Sample]) -> Option<Medians> {
    if samples.iter().any(|sample| sample.failed.is_some()) {
        return None;
    }
    let of =
        |name| median(samples.iter().filter_map(|sample| sample.result.get(name).and_then(Value::as_f64)).collect());
    Some(Medians {
        requests_per_second: of("requests_per_second")?,
        megabytes_per_second: of("megabytes_per_second")?,
        latency_ms_p50: of("latency_us_p50")? / 1e3,
        latency_ms_p99: of("latency_us_p99")? / 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(run: u32, rate: f64, failed: Option<&str>) -> Sample {
        let result = serde_json::json!({
            "requests_per_second": rate, "megabytes_per_second": rate / 10.0, "latency_us_p50": 1500, "latency_us_p99": 9000,
        });
        Sample { row: "HEAD, 64 clients", server: Kind::Fastness, run, failed: failed.map(str::to_owned), result }
    }

    #[test]
    fn one_failed_run_fails_the_row() {
        let (good, bad) = (sample(1, 100.0, None), sample(2, 300.0, Some("503")));
        assert_eq!(medians(&[&good]).map(|m| m.requests_per_second), Some(100.0));
        assert_eq!(medians(&[&good, &bad]), None);
        let row = rows::all(false).into_iter().find(|row| row.op == "head").unwrap();
        assert_eq!(
            table_row(&row, &[good]),
            "| HEAD, 64 clients | 100/s | 1.50 / 9.00 | 27000/s | – | – | – | **reach** (0 %) |\n"
        );
        assert_eq!(table_row(&row, &[bad]), "| HEAD, 64 clients | failed | – | 27000/s | – | – | – |  |\n");
    }

    #[test]
    fn a_row_says_what_it_falls_short_of() {
        assert_eq!(short_of(Some(8_000.0), Some(6_000.0), Some(2.0)), "**reach** (75 %)");
        assert_eq!(short_of(Some(8_000.0), Some(8_000.0), Some(1.99)), "**peer**");
        assert_eq!(short_of(Some(520.0), Some(260.0), Some(0.5)), "**reach** (50 %), **peer**");
        assert_eq!(short_of(None, Some(1.0), Some(3.0)), "");
        assert_eq!(short_of(Some(8_000.0), None, None), "");
    }

    #[test]
    fn large_rows_are_held_to_megabytes() {
        let row = rows::all(false).into_iter().find(|row| row.name.starts_with("PUT 1 MiB")).unwrap();
        let ours = Sample { row: row.name, ..sample(1, 5_300.0, None) };
        let theirs = Sample { row: row.name, server: Kind::SeaweedFs, ..sample(1, 2_000.0, None) };
        assert_eq!(
            table_row(&row, &[ours, theirs]),
            "| PUT 1 MiB, 16 clients | 530 MB/s | 1.50 / 9.00 | 520 MB/s | 200 MB/s | 1.50 / 9.00 | 2.65 |  |\n"
        );
    }
}
