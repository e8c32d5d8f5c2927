//! The command line of releases, raw.

use crate::arguments::Identity;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use fastness_region::operation::CROSSING_TYPES;
use std::path::PathBuf;
use std::str::FromStr;

/// What people do with releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Ask that one object goes down, to a region below or to a lower label of this one. Filters look at it at once;
    /// then two reviewers decide
    Release(Box<ReleaseOrder>),
    /// List the account's releases in view
    Releases {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// Show a release
    ShowRelease {
        /// The release
        release: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// Look at what would leave: the content, the labels before and after, what the filters found (reviewers, at the
    /// release's label). Who has not looked does not approve
    Review(Review),
    /// Approve exactly what you saw (reviewers). It leaves when two have
    Approve {
        /// The release
        release: String,
        /// The digest that `fastness cross review` showed
        #[arg(long)]
        digest: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// Refuse a release for good (reviewers): one refusal is enough
    Refuse {
        /// The release
        release: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
}

/// What every request for a release says.
#[derive(Debug, Args)]
pub struct ReleaseTerms {
    /// By which mapping; needed where the bucket has several to that region
    #[arg(long, value_name = "MAPPING")]
    pub mapping: Option<String>,
    /// What for: reviewers read it
    #[arg(long, value_name = "TEXT")]
    pub purpose: String,
    /// Days until nothing leaves any more
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=30))]
    pub days: u8,
}

/// `fastness cross release`
#[derive(Debug, Args)]
pub struct ReleaseOrder {
    /// The object
    #[arg(value_name = "BUCKET/KEY")]
    pub object: String,
    /// The version; the newest if not given, and then a newer one ends the release
    #[arg(long, value_name = "ID")]
    pub version_id: Option<String>,
    /// The region that it goes to; this one itself for a regrade
    #[arg(long, value_name = "REGION")]
    pub to: String,
    /// Its name there
    #[arg(long, value_name = "KEY")]
    pub name: String,
    /// Its label there
    #[arg(long, value_name = "MARKING")]
    pub label: String,
    /// Its type there
    #[arg(long = "type", value_name = "TYPE", value_parser = PossibleValuesParser::new(CROSSING_TYPES))]
    pub content_type: String,
    /// Metadata there, e.g. subject=exercise; again for each further one. Nothing of the object's own goes along
    #[arg(long, value_name = "NAME=VALUE")]
    pub meta: Vec<Meta>,
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

/// `fastness cross review`
#[derive(Debug, Args)]
pub struct Review {
    /// The release
    pub release: String,
    /// Write the content into this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON, and no content
    #[arg(long)]
    pub json: bool,
    /// Who.
    #[command(flatten)]
    pub identity: Identity,
}

/// One name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The name, without `x-amz-meta-`.
    pub name: String,
    /// The value.
    pub value: String,
}

impl FromStr for Meta {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("give a name and a value, such as subject=exercise".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_a_name_and_a_value() {
        let meta = |name: &str, value: &str| Ok(Meta { name: name.to_owned(), value: value.to_owned() });
        assert_eq!("a=b=c".parse(), meta("a", "b=c"));
        assert_eq!("a=".parse(), meta("a", ""));
        assert!("a".parse::<Meta>().is_err() && "=b".parse::<Meta>().is_err());
    }
}
