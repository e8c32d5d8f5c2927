//! What is done with figures: medians, ranges, and what was promised beside what was measured.

use serde::Serialize;
use serde_json::Value;

/// The median; nothing if there is no value.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied()?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle.checked_sub(1)?).map(|lower| (lower + upper) / 2.0)
}

/// A number of a row's report.
pub fn number(report: &Value, name: &str) -> Option<f64> {
    report.get(name).and_then(Value::as_f64)
}

/// The runs of one row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of some values; nothing if there is none.
    pub fn of(values: &[f64]) -> Option<Self> {
        Some(Self {
            least: values.iter().copied().min_by(f64::total_cmp)?,
            median: median(values.to_vec())?,
            most: values.iter().copied().max_by(f64::total_cmp)?,
        })
    }

    /// Whether two could be runs of the same: neither lies wholly to one side of the other.
    pub fn meets(&self, other: &Self) -> bool {
        self.least <= other.most && other.least <= self.most
    }

    /// `median (least to most)`.
    pub fn text(&self, decimals: usize) -> String {
        format!("{:.decimals$} ({:.decimals$} to {:.decimals$})", self.median, self.least, self.most)
    }
}

/// `kept` or `**missed**`.
pub fn verdict(kept: bool) -> &'static str {
    if kept { "kept" } else { "**missed**" }
}

/// Bytes as people read them.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn a_spread_has_its_ends() {
        let spread = Spread::of(&[30.0, 10.0, 21.4]).unwrap();
        assert_eq!(spread, Spread { least: 10.0, median: 21.4, most: 30.0 });
        assert_eq!(spread.text(0), "21 (10 to 30)");
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn spreads_meet_unless_one_lies_beyond_the_other() {
        let spread = |values: &[f64]| Spread::of(values).unwrap();
        let before = spread(&[100.0, 110.0, 120.0]);
        assert!(before.meets(&spread(&[90.0, 95.0, 101.0])));
        assert!(before.meets(&spread(&[105.0, 106.0])));
        assert!(before.meets(&spread(&[120.0, 130.0])));
        assert!(!before.meets(&spread(&[80.0, 99.0])));
        assert!(!before.meets(&spread(&[121.0, 140.0])));
    }
}
