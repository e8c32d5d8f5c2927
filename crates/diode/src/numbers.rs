//! Bundle numbers, the names of their files, and sets of them as both ends write them: `3-5, 9`.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use thiserror::Error;

const SUFFIX: &str = ".bundle";
const DIGITS: usize = 10;

/// Why a text names no bundles.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NumberError {
    /// The text is no number from 1.
    #[error("`{0}` is no bundle number: those are whole numbers from 1")]
    Number(String),
    /// A range that ends before it begins.
    #[error("`{0}` ends before it begins")]
    Backward(String),
    /// More ranges than anybody asks for.
    #[error("more than {0} ranges of bundle numbers")]
    TooMany(usize),
}

/// The number of a bundle on a line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleNumber(NonZeroU64);

impl BundleNumber {
    /// The first.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// A number; nothing for 0.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for BundleNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BundleNumber {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        // `parse` would take a sign, too.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits).and_then(Self::new);
        number.ok_or_else(|| NumberError::Number(text.to_owned()))
    }
}

/// The name of a bundle's file: `0000000001.bundle`. Ten digits or more, so that names sort as numbers for long enough.
#[must_use]
pub fn file_name(number: BundleNumber) -> String {
    format!("{:0DIGITS$}{SUFFIX}", number.get())
}

/// The bundle that a file of this name holds; nothing if it is named otherwise.
#[must_use]
pub fn number_of_file(name: &str) -> Option<BundleNumber> {
    let number = name.strip_suffix(SUFFIX)?.parse().ok()?;
    // One name for each number.
    (file_name(number) == name).then_some(number)
}

/// A set of bundle numbers, kept and written as ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// First number of each range to its last. Ranges neither meet nor touch.
    ranges: BTreeMap<u64, u64>,
}

impl Numbers {
    /// The most ranges that a text may hold.
    pub const RANGES_MAX: usize = 1 << 16;

    /// Whether a number is in it.
    #[must_use]
    pub fn contains(&self, number: BundleNumber) -> bool {
        self.before(number.get()).is_some_and(|(_, last)| last >= number.get())
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many ranges there are.
    #[must_use]
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges().map(|(first, last)| last.get() - first.get() + 1).fold(0, u64::saturating_add)
    }

    /// The highest number.
    #[must_use]
    pub fn highest(&self) -> Option<BundleNumber> {
        self.ranges.last_key_value().and_then(|(_, last)| BundleNumber::new(*last))
    }

    /// Its ranges, first and last number of each, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (BundleNumber, BundleNumber)> {
        self.ranges.iter().filter_map(|(first, last)| Some((BundleNumber::new(*first)?, BundleNumber::new(*last)?)))
    }

    /// Adds a number.
    pub fn insert(&mut self, number: BundleNumber) {
        self.insert_range(number, number);
    }

    /// Adds every number from the first to the last.
    pub fn insert_range(&mut self, first: BundleNumber, last: BundleNumber) {
        let (mut first, mut last) = (first.get(), last.get());
        if first > last {
            return;
        }
        if let Some((start, end)) = self.before(first).filter(|(_, end)| end.saturating_add(1) >= first) {
            (first, last) = (start, last.max(end));
        }
        let reach = last.saturating_add(1);
        let swallowed: Vec<u64> = self.ranges.range(first..=reach).map(|(start, _)| *start).collect();
        for start in swallowed {
            last = last.max(self.ranges.remove(&start).unwrap_or(last));
        }
        self.ranges.insert(first, last);
    }

    /// Takes every number from the first to the last out.
    pub fn remove_range(&mut self, first: BundleNumber, last: BundleNumber) {
        let (first, last) = (first.get(), last.get());
        if first > last {
            return;
        }
        let before = self.before(first).filter(|(start, end)| *start < first && *end >= first);
        let within = self.ranges.range(first..=last).map(|(start, end)| (*start, *end));
        let touched: Vec<(u64, u64)> = before.into_iter().chain(within).collect();
        for (start, end) in touched {
            self.ranges.remove(&start);
            if start < first {
                self.ranges.insert(start, first - 1);
            }
            if end > last {
                self.ranges.insert(last + 1, end);
            }
        }
    }

    /// The numbers from the first to the last that are not in it.
    #[must_use]
    pub fn missing(&self, first: BundleNumber, last: BundleNumber) -> Self {
        let mut missing = Self::default();
        let mut next = Some(first.get());
        for (start, end) in self.ranges.iter().map(|(start, end)| (*start, *end)) {
            let Some(from) = next else { break };
            if end < from {
                continue;
            }
            if start > last.get() {
                break;
            }
            if start > from {
                missing.ranges.insert(from, start - 1);
            }
            next = end.checked_add(1);
        }
        if let Some(from) = next.filter(|from| *from <= last.get()) {
            missing.ranges.insert(from, last.get());
        }
        missing
    }

    /// The range that begins at a number or before it.
    fn before(&self, number: u64) -> Option<(u64, u64)> {
        self.ranges.range(..=number).next_back().map(|(start, end)| (*start, *end))
    }
}

impl FromIterator<BundleNumber> for Numbers {
    fn from_iter<I: IntoIterator<Item = BundleNumber>>(numbers: I) -> Self {
        let mut set = Self::default();
        numbers.into_iter().for_each(|number| set.insert(number));
        set
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Numbers {
    type Err = NumberError;

    /// Numbers and ranges of them, separated by commas, spaces or lines.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let mut numbers = Self::default();
        for part in text.split([',', ' ', '\t', '\r', '\n']).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse::<BundleNumber>()?, last.parse::<BundleNumber>()?);
            if first > last {
                return Err(NumberError::Backward(part.to_owned()));
            }
            numbers.insert_range(first, last);
            if numbers.range_count() > Self::RANGES_MAX {
                return Err(NumberError::TooMany(Self::RANGES_MAX));
            }
        }
        Ok(numbers)
    }
}
