//! The command line of `fastness cross`, raw.

use super::release_arguments::{ReleaseCommand, ReleaseTerms};
use crate::arguments::Identity;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use fastness_region::operation::CROSSING_TYPES;
use std::path::PathBuf;
use std::str::FromStr;

/// `fastness cross …`
#[derive(Debug, Subcommand)]
pub enum CrossCommand {
    /// Between which buckets something may cross, and how much of it (officers write mappings, in both regions)
    #[command(subcommand)]
    Mapping(MappingCommand),
    /// Send what lies in a bucket at the session's own label to a region above, and say how far it is. Ctrl-C leaves it
    /// running
    Lift(LiftOrder),
    /// List the account's lifts at the session's label
    Lifts {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// Stop a lift: what was not sent yet stays
    Stop {
        /// The lift
        lift: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// Show how far a lift is. One that is `sent` sends again if something in a bundle is contained before anybody carried it
    Show {
        /// The lift
        lift: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// List the bundles that came from a region, and what became of them (officers and auditors see what the guard found)
    Arrivals(ArrivalChoice),
    /// Show which bundles of a region are missing: only from a session at the region's ceiling
    Gaps {
        /// The region that they came from
        #[arg(value_name = "REGION")]
        from: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// Ask that the numbers of the bundles that are missing go down to their region, so that it sends them again: a
    /// release like any other, which two reviewers decide
    ReleaseGaps(GapsOrder),
    /// What goes down after two people decided.
    #[command(flatten)]
    Release(ReleaseCommand),
    /// Move the bundles that are ready for a region to a folder, to be carried by hand. Needs no key: they are sealed
    Export(Export),
    /// Bring the bundles in a folder, which may be read-only, into a region's inbox. Needs no key
    Import(Import),
}

/// `fastness cross lift`
#[derive(Debug, Args)]
pub struct LiftOrder {
    /// What is sent: a bucket, and how the keys begin
    #[arg(value_name = "BUCKET/PREFIX")]
    pub from: String,
    /// The region that it goes to
    #[arg(long, value_name = "REGION")]
    pub to: String,
    /// By which mapping; needed where the bucket has several to that region
    #[arg(long, value_name = "MAPPING")]
    pub mapping: Option<String>,
    /// What for; it goes along
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Go on with what is written later, until it is stopped
    #[arg(long)]
    pub standing: bool,
    /// Print the lift as it begins, and do not wait
    #[arg(long)]
    pub detach: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Who.
    #[command(flatten)]
    pub identity: Identity,
}

/// `fastness cross arrivals`
#[derive(Debug, Args)]
pub struct ArrivalChoice {
    /// The region that they came from
    #[arg(value_name = "REGION")]
    pub from: String,
    /// Only those of which something was quarantined or refused
    #[arg(long)]
    pub troubled: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Who.
    #[command(flatten)]
    pub identity: Identity,
}

/// `fastness cross release-gaps`
#[derive(Debug, Args)]
pub struct GapsOrder {
    /// The region whose bundles are missing
    pub region: String,
    /// The bucket that the list is written to, and that a mapping lets releases to the region leave from
    #[arg(long, value_name = "BUCKET")]
    pub bucket: String,
    /// The list's label there
    #[arg(long, value_name = "MARKING")]
    pub label: String,
    /// By what, what for, how long.
    #[command(flatten)]
    pub terms: ReleaseTerms,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Who.
    #[command(flatten)]
    pub identity: Identity,
}

/// `fastness cross export`
#[derive(Debug, Args)]
pub struct Export {
    /// The folder that they are moved to; made if missing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The region that sends
    #[arg(long, value_name = "REGION")]
    pub from: String,
    /// The region that they are for
    #[arg(long, value_name = "REGION")]
    pub to: String,
    /// The folder that `fastness up` uses
    #[arg(long, env = "FASTNESS_DATA", default_value = "fastness-data")]
    pub data: PathBuf,
}

/// `fastness cross import`
#[derive(Debug, Args)]
pub struct Import {
    /// The folder that they are in
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The region that they are for
    #[arg(long, value_name = "REGION")]
    pub into: String,
    /// The region that sent them
    #[arg(long, value_name = "REGION")]
    pub from: String,
    /// The folder that `fastness up` uses
    #[arg(long, env = "FASTNESS_DATA", default_value = "fastness-data")]
    pub data: PathBuf,
}

/// `fastness cross mapping …`
#[derive(Debug, Subcommand)]
pub enum MappingCommand {
    /// Write one half of a mapping: nothing crosses without its other half, which the other region's officer writes
    /// (an officer's session at the region's floor). A half of the same name is replaced
    Add(Box<MappingAdd>),
    /// Remove a mapping: what goes by it stops at its next batch
    Remove {
        /// Its name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// List the account's mappings in this region
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
}

/// `fastness cross mapping add`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("half").required(true).args(["send", "receive"]))]
pub struct MappingAdd {
    /// Its name in the account: lower-case letters, digits and `-`
    pub name: String,
    /// Let something leave this bucket
    #[arg(long, value_name = "BUCKET", requires_all = ["to", "to_account", "to_bucket"])]
    pub send: Option<String>,
    /// The region that it goes to
    #[arg(long, value_name = "REGION", requires = "send")]
    pub to: Option<String>,
    /// The account's number there
    #[arg(long, value_name = "ACCOUNT", requires = "send")]
    pub to_account: Option<String>,
    /// The bucket there
    #[arg(long, value_name = "BUCKET", requires = "send")]
    pub to_bucket: Option<String>,
    /// Let something come into this bucket
    #[arg(long, value_name = "BUCKET", requires = "from")]
    pub receive: Option<String>,
    /// The region that it comes from
    #[arg(long, value_name = "REGION", requires = "receive")]
    pub from: Option<String>,
    /// The account's number there (for lifts; a release does not say it)
    #[arg(long, value_name = "ACCOUNT", requires = "receive")]
    pub from_account: Option<String>,
    /// The bucket there (for lifts; a release does not say it)
    #[arg(long, value_name = "BUCKET", requires = "receive")]
    pub from_bucket: Option<String>,
    /// What it is for
    #[arg(long)]
    pub way: WayChoice,
    /// The marking that nothing exceeds which goes by it
    #[arg(long, value_name = "MARKING")]
    pub highest: String,
    /// A type that may go; again for each further one
    #[arg(long = "type", value_name = "TYPE", required = true, value_delimiter = ',', value_parser = PossibleValuesParser::new(CROSSING_TYPES))]
    pub types: Vec<String>,
    /// A name of metadata that passes, without `x-amz-meta-`; again for each further one. Other metadata is left behind
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub metadata: Vec<String>,
    /// The most that crosses in a day of UTC, at each label, e.g. 10GiB/100000
    #[arg(long, value_name = "BYTES/OBJECTS")]
    pub per_day: PerDay,
    /// The most bytes of one object, up to 64MiB
    #[arg(long, value_name = "BYTES", default_value = "64MiB")]
    pub object_max: Bytes,
    /// Put what arrives at one label at another that dominates it, e.g. 'CUI=SECRET'; again for each further one
    #[arg(long, value_name = "MARKING=MARKING", requires = "receive")]
    pub at: Vec<PutAt>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Who.
    #[command(flatten)]
    pub identity: Identity,
}

/// What a mapping is for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum WayChoice {
    /// Up, in bulk
    Lift,
    /// Down, or to another label of the same region, one object at a time, with two approvals
    Release,
}

impl WayChoice {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lift => "lift",
            Self::Release => "release",
        }
    }
}

/// A number of bytes, such as `512`, `64MiB` or `10GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// The units that are written, and how many bytes each has.
const UNITS: [(&str, u64); 5] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, unit) =
            UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((text, 1));
        let number: Option<u64> = digits.trim_end().parse().ok();
        let bytes = number.and_then(|number| number.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| "give a number of bytes, such as 512, 64MiB or 10GiB".to_owned())
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = |unit: &&(&str, u64)| self.0 >= unit.1 && self.0.is_multiple_of(unit.1);
        match UNITS.iter().filter(whole).max_by_key(|(_, unit)| *unit) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "0B"),
        }
    }
}

/// A day's measure: bytes, a slash, objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerDay {
    /// Bytes.
    pub bytes: Bytes,
    /// Objects.
    pub objects: u64,
}

impl FromStr for PerDay {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "give bytes and objects, such as 10GiB/100000".to_owned();
        let (bytes, objects) = text.split_once('/').ok_or_else(wanted)?;
        Ok(Self { bytes: bytes.parse()?, objects: objects.parse().map_err(|_| wanted())? })
    }
}

/// What arrives at one marking, and at which it is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAt {
    /// The marking that it comes with.
    pub from: String,
    /// The marking at which it is put.
    pub to: String,
}

impl FromStr for PutAt {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('=').ok_or("give two markings, such as 'CUI=SECRET'")?;
        Ok(Self { from: from.trim().to_owned(), to: to.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units_and_are_shown_with_the_largest_that_fits() {
        let check = |text: &str, bytes: u64, shown: &str| {
            let read: Bytes = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (bytes, shown), "{text}");
        };
        check("512", 512, "512B");
        check("0", 0, "0B");
        check("64MiB", 64 << 20, "64MiB");
        check("1024KiB", 1 << 20, "1MiB");
        check("10 GiB", 10 << 30, "10GiB");
        check("1025", 1025, "1025B");
        for bad in ["", "MiB", "-1", "1.5GiB", "10GB", "99999999999TiB", "0x10"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_days_measure_is_bytes_and_objects() {
        assert_eq!("1KiB/7".parse(), Ok(PerDay { bytes: Bytes(1024), objects: 7 }));
        for bad in ["", "10GiB", "/7", "10GiB/", "10GiB/many", "1/2/3"] {
            assert!(bad.parse::<PerDay>().is_err(), "{bad}");
        }
    }
}
