//! What a row measured, for people and for machines.

use std::fmt;

use serde::Serialize;

use crate::row::{Outcome, Plan};

/// The result of a row. Percentiles are exact: every latency was kept.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What the clients did.
    pub op: String,
    /// Bytes of one object.
    pub size_bytes: u64,
    /// Concurrent clients.
    pub clients: u32,
    /// Objects in the row.
    pub keys: u64,
    /// How requests were signed.
    pub signing: String,
    /// Requests that succeeded.
    pub requests: u64,
    /// Requests that failed; the row counts only if there is none.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<String>,
    /// Length of the timed section.
    pub seconds: f64,
    /// Requests a second.
    pub requests_per_second: f64,
    /// Millions of payload bytes a second.
    pub megabytes_per_second: f64,
    /// Half of the requests were at least as fast.
    pub latency_us_p50: u32,
    /// 99 of 100 were.
    pub latency_us_p99: u32,
    /// All were.
    pub latency_us_max: u32,
}

impl Report {
    /// Sums a phase up.
    pub fn new(plan: &Plan, clients: u32, outcome: Outcome) -> Self {
        let mut latencies = outcome.latencies_us;
        latencies.sort_unstable();
        let seconds = outcome.elapsed.as_secs_f64();
        Self {
            op: format!("{:?}", plan.op).to_lowercase(),
            size_bytes: plan.payloads.first().map_or(0, |payload| payload.bytes.len() as u64),
            clients,
            keys: plan.keys,
            signing: format!("{:?}", plan.signing).to_lowercase(),
            requests: latencies.len() as u64,
            errors: outcome.errors,
            first_error: outcome.first_error,
            seconds,
            requests_per_second: latencies.len() as f64 / seconds,
            megabytes_per_second: outcome.bytes as f64 / 1e6 / seconds,
            latency_us_p50: percentile(&latencies, 50),
            latency_us_p99: percentile(&latencies, 99),
            latency_us_max: percentile(&latencies, 100),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} bytes, {} clients: {:.0} requests/s, {:.1} MB/s, p50 {:.2} ms, p99 {:.2} ms, {} requests in {:.1} s, {} errors",
            self.op,
            self.size_bytes,
            self.clients,
            self.requests_per_second,
            self.megabytes_per_second,
            f64::from(self.latency_us_p50) / 1e3,
            f64::from(self.latency_us_p99) / 1e3,
            self.requests,
            self.seconds,
            self.errors,
        )?;
        match &self.first_error {
            Some(error) => write!(f, "; the first: {error}"),
            None => Ok(()),
        }
    }
}

/// The smallest value that at least `percent` of the sorted values do not exceed; zero when there is none.
fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!(percentile(&values, 50), 100);
        assert_eq!(percentile(&values, 99), 198);
        assert_eq!(percentile(&values, 100), 200);
        assert_eq!(percentile(&[7], 99), 7);
        assert_eq!(percentile(&[], 50), 0);
    }
}
