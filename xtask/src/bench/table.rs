//! What was measured, as a page that people read.

use serde_json::Value;

use super::rows::{self, Row};
use super::servers::{Description, Kind};
use super::{Record, Sample};

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
    let machine = &record.machine;
    let runs = record.samples.iter().map(|sample| sample.run).max().unwrap_or(0);
    let mut text = format!(
        "# S3 beside a peer, {}\n\n\
         - Command: `{}`\n- Commit: {}\n- Machine: {}, {} cores, {:.1} GB memory, Linux {}, data on {} \
         (fdatasync of a 4 KiB append: {} µs p50), load average {} at the start\n- Raw file: [{raw}]({raw})\n",
        record.date,
        record.command,
        record.commit,
        machine.processor,
        machine.cores,
        machine.memory_bytes as f64 / 1e9,
        machine.kernel,
        machine.disk,
        machine.sync_us_p50,
        machine.load_average,
    );
    for server in &record.servers {
        text.push_str(&format!("- {}: {}\n", server.kind, server.version));
    }
    text.push_str(&format!(
        "\nMedians of {runs} run{}; the servers took turns row by row, each with the load generator (one thread) on the same cores. \
         Requests carry header signatures with the SHA-256 of their payload. **Fastness encrypts, labels and records every write \
         and has it on disk before it answers; SeaweedFS does none of that, its writes are not synced.** The file systems were \
         synced before each row. Ratio: requests a second, Fastness over SeaweedFS; rows below 1 are lost.\n\n",
        if runs == 1 { "" } else { "s" }
    ));
    text.push_str(
        "| row | Fastness | p50 / p99, ms | SeaweedFS | p50 / p99, ms | ratio |\n|---|---:|---:|---:|---:|---:|\n",
    );
    for row in rows::all(false) {
        text.push_str(&table_row(&row, &record.samples));
    }
    text.push_str("\n## Memory\n\nResident, of all processes of a server together; in brackets the largest one.\n\n");
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
    let of = |kind| {
        let own: Vec<&Sample> = samples.iter().filter(|s| s.row == row.name && s.server == kind).collect();
        if own.is_empty() {
            return (String::from("–"), String::from("–"), None);
        }
        match medians(&own) {
            None => ("failed".to_owned(), "–".to_owned(), None),
            Some(m) => {
                let rate = if row.by_bytes {
                    format!("{:.0} MB/s", m.megabytes_per_second)
                } else {
                    format!("{:.0}/s", m.requests_per_second)
                };
                let latency = format!("{:.2} / {:.2}", m.latency_ms_p50, m.latency_ms_p99);
                (rate, latency, Some(m.requests_per_second))
            }
        }
    };
    let (ours, our_latency, our_rate) = of(Kind::Fastness);
    let (theirs, their_latency, their_rate) = of(Kind::SeaweedFs);
    let ratio = match (our_rate, their_rate) {
        (Some(ours), Some(theirs)) if theirs > 0.0 => format!("{:.2}", ours / theirs),
        _ => "–".to_owned(),
    };
    format!("| {} | {ours} | {our_latency} | {theirs} | {their_latency} | {ratio} |\n", row.name)
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

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied()?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle.checked_sub(1)?).map(|lower| (lower + upper) / 2.0)
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
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn one_failed_run_fails_the_row() {
        let (good, bad) = (sample(1, 100.0, None), sample(2, 300.0, Some("503")));
        assert_eq!(medians(&[&good]).map(|m| m.requests_per_second), Some(100.0));
        assert_eq!(medians(&[&good, &bad]), None);
        let row = rows::all(false).into_iter().find(|row| row.op == "head").unwrap();
        assert_eq!(table_row(&row, &[good]), "| HEAD, 64 clients | 100/s | 1.50 / 9.00 | – | – | – |\n");
        assert_eq!(table_row(&row, &[bad]), "| HEAD, 64 clients | failed | – | – | – | – |\n");
    }
}
