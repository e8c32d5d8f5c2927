//! The command line, raw.

use crate::cross::CrossCommand;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// A cloud that an organization runs itself, for data at every classification.
#[derive(Debug, Parser)]
#[command(name = "fastness", version, about, propagate_version = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start three regions (unclassified, secret, top secret) on this machine, and stop them with Ctrl-C
    Up(Up),
    /// Run one region, as production would
    Serve(Serve),
    /// Make and list accounts (the region's operator does)
    #[command(subcommand)]
    Account(AccountCommand),
    /// Make access keys for yourself
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show, compare and combine markings; add labels to a region
    #[command(subcommand)]
    Label(LabelCommand),
    /// Move objects between labels
    #[command(subcommand)]
    Object(ObjectCommand),
    /// Data found at a label too low for it: contain it, report who read it, erase it (officers do)
    #[command(subcommand)]
    Spill(SpillCommand),
    /// Crossings between regions and between labels, both halves of which officers allow
    #[command(subcommand)]
    Cross(CrossCommand),
    /// Read the ledger of a running region (auditors do); check the ledgers of regions that are stopped
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Check everything in a region's folder, offline and changing nothing: structure, authentication tags, files that
    /// belong to nothing, ledgers. Names what is touched, so its output is data at the region's ceiling
    ///
    /// Exits with 0 when all is sound, with 1 when anything is wrong, with 2 when it could not be checked.
    Check(Check),
    /// Run a program in the place of this one that ends when another process does
    #[command(hide = true)]
    WithParent {
        /// The id of that process, which started this one
        parent: i32,
        /// The program
        program: PathBuf,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Print the completion script for a shell, e.g. `fastness completion bash > /etc/bash_completion.d/fastness`
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `fastness up`
#[derive(Debug, Args)]
pub struct Up {
    /// The folder that holds the regions; made if missing
    #[arg(long, env = "FASTNESS_DATA", default_value = "fastness-data")]
    pub data: PathBuf,
    /// The regions listen on 127.0.0.1, on the three ports after this one; their diodes on the three (UDP) from ten further on
    #[arg(long, default_value_t = 9400, value_parser = clap::value_parser!(u16).range(1..=65522))]
    pub port_base: u16,
    /// Load a small data set with portions at several labels
    #[arg(long)]
    pub demo: bool,
    /// Carry bundles upward from folder to folder, also where the diodes' programs are there
    #[arg(long)]
    pub no_diodes: bool,
    /// The socket of ClamAV's daemon, which every region's guard asks about all that arrives: what it does not answer about
    /// does not come in
    #[arg(long, value_name = "SOCKET")]
    pub clamd: Option<PathBuf>,
}

/// `fastness serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// The region's configuration (TOML): name, data, listen, policy, floor, ceiling, labels
    #[arg(long)]
    pub config: PathBuf,
    /// Stop when standard input ends: whoever started the region has gone
    #[arg(long, hide = true)]
    pub with_parent: bool,
    /// Seconds between two looks at what lifecycle rules say is due
    #[arg(long, hide = true, env = "FASTNESS_LIFECYCLE_EVERY_S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub lifecycle_every_s: Option<u64>,
    /// For tests: judge what is due by a clock that is so many days ahead; object locks go by the true one
    #[arg(long, hide = true, env = "FASTNESS_LIFECYCLE_AHEAD_DAYS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=36_500))]
    pub lifecycle_ahead_days: u64,
}

/// Where the regions are.
#[derive(Debug, Args)]
pub struct Place {
    /// The folder that `fastness up` uses
    #[arg(long, env = "FASTNESS_DATA", default_value = "fastness-data")]
    pub data: PathBuf,
    /// The region; needed where the folder holds several
    #[arg(long, env = "AWS_REGION")]
    pub region: Option<String>,
    /// The configuration of a region that runs by `fastness serve`; takes the place of folder and region
    #[arg(long, conflicts_with_all = ["region"])]
    pub config: Option<PathBuf>,
}

/// Whose key signs.
#[derive(Debug, Args)]
pub struct Identity {
    /// The folder that `fastness up` uses; its profiles are those in `aws/`, unless the AWS variables name other files
    #[arg(long, env = "FASTNESS_DATA", default_value = "fastness-data")]
    pub data: PathBuf,
    /// The profile whose key signs
    #[arg(long, env = "AWS_PROFILE")]
    pub profile: String,
}

/// `fastness account …`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make an account, with its first administrator and its officer
    Create {
        /// Its name; never used again
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Make a further officer of an account: the erasure of a spill takes two
    AddOfficer {
        /// The account's number
        account: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// List the accounts of a region
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
}

/// `fastness key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key of your own at a label within your clearance, from a session at the region's floor
    Create {
        /// The session label of the new key, e.g. "SECRET//REL TO USA, GBR"
        #[arg(long)]
        label: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
}

/// Which label policy reads the markings.
#[derive(Debug, Args)]
pub struct PolicyChoice {
    /// `us`, `nato`, or a file with a label policy (TOML)
    #[arg(long, default_value = "us")]
    pub policy: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `fastness label …`
#[derive(Debug, Subcommand)]
pub enum LabelCommand {
    /// Show what markings mean: banner, portion mark, who may read
    Show {
        /// The markings, e.g. "TOP SECRET//SI/TK" or "(S//REL TO USA, GBR)"
        #[arg(required = true)]
        markings: Vec<String>,
        /// The policy.
        #[command(flatten)]
        policy: PolicyChoice,
    },
    /// Say which of two or more markings dominates the other
    Compare {
        /// The markings
        #[arg(required = true, num_args = 2..)]
        markings: Vec<String>,
        /// The policy.
        #[command(flatten)]
        policy: PolicyChoice,
    },
    /// Combine portion markings into the banner of the whole
    RollUp {
        /// The markings
        #[arg(required = true)]
        markings: Vec<String>,
        /// The policy.
        #[command(flatten)]
        policy: PolicyChoice,
    },
    /// Add a label to a region's closed list (its officer does)
    Allow {
        /// The marking
        marking: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// List the labels that a region holds (officer, administrator)
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
}

/// `fastness object …`
#[derive(Debug, Subcommand)]
pub enum ObjectCommand {
    /// Copy an object upward onto its own name, to the label of a higher session; with --lower-profile, delete the lower version
    Regrade {
        /// The object: s3://bucket/key
        object: String,
        /// The version; without it the latest in the higher session's view
        #[arg(long)]
        version_id: Option<String>,
        /// A profile of a session at the lower version's own label, which deletes that version once the copy is there
        #[arg(long)]
        lower_profile: Option<String>,
        /// Objects above this are copied in parts of so many MiB
        #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(5..=5120))]
        part_mib: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who: a session at the higher label.
        #[command(flatten)]
        identity: Identity,
    },
}

/// `fastness spill …`
#[derive(Debug, Subcommand)]
pub enum SpillCommand {
    /// Take an object out of every session's reach, with the copies at its label that the ledger names (an officer's session at the spilled label)
    Contain {
        /// The object: s3://bucket/key
        object: String,
        /// One version; without it all versions at the session's label
        #[arg(long)]
        version_id: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// Name every version, copy and reader (an officer's session at the region's ceiling)
    Report {
        /// The spill, as `contain` showed it
        spill: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
    /// Name what became here of the bundles in which a spill crossed from another region (an officer's session; it sees
    /// what lies at its label and below)
    Trace(crate::cross::Trace),
    /// Erase what is contained, at once and for good: one officer proposes, another approves (sessions at the spilled label)
    Erase {
        /// The spill
        spill: String,
        /// Approve the proposal with this digest, which the first officer was shown
        #[arg(long)]
        approve: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Who.
        #[command(flatten)]
        identity: Identity,
    },
}

/// `fastness check`
#[derive(Debug, Args)]
pub struct Check {
    /// The folder that `fastness up` used, or one region's folder; its processes are stopped
    pub folder: PathBuf,
    /// A label policy of one's own that the region was made under
    #[arg(long)]
    pub policy_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `fastness audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Show the newest events in view; with -f wait for more, until Ctrl-C
    Tail(Tail),
    /// Look events up: all that fit every option
    Search(Search),
    /// Write events with the proofs that their ledgers have them into a package, for an inspector who has nothing but
    /// the region's public keys
    Export(Export),
    /// Write one event with its proof into a package
    Prove(Prove),
    /// Write a ledger of a stopped region as files (tlog-tiles), without contents: for witnesses and for others' programs
    Copy(CopyLog),
    /// Print the public keys of regions that are stopped: what others check their checkpoints with
    Keys {
        /// The folder that `fastness up` used, or one region's folder
        folder: PathBuf,
    },
    /// Check every ledger in a folder, offline; or a package, or a ledger's copy, with public keys. Exits with 1 when
    /// anything is wrong
    Verify {
        /// The folder that `fastness up` used, or one region's folder; a package; a ledger's copy
        folder: PathBuf,
        /// The region's public keys (`fastness audit keys`), for a package or a copy
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A label policy of one's own that the region was made under
        #[arg(long)]
        policy_file: Option<PathBuf>,
        /// A cosigned checkpoint from anywhere: the log that it is of must extend it
        #[arg(long)]
        witness: Option<PathBuf>,
        /// The public key (`name+id+key`) of the witness whose cosignature must be on it
        #[arg(long, requires = "witness")]
        witness_key: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Be a witness: cosign a log's checkpoints, as long as each extends the one before; exits with 1 when one does not
    Witness(Witness),
}

/// `fastness audit witness`
#[derive(Debug, Args)]
pub struct Witness {
    /// The folder to look at: a copy of a log as files (tlog-tiles), or bundles as a region's `outbox/witness` holds them
    pub source: PathBuf,
    /// The file with the log's public keys: a region's `ledger.keys`
    #[arg(long)]
    pub log: PathBuf,
    /// The file with the witness's own key; made at first use, its public half goes into the same name with `.pub`
    #[arg(long)]
    pub key: PathBuf,
    /// The name of a key that is made
    #[arg(long, default_value = "fastness-witness")]
    pub name: String,
    /// The folder that remembers the last checkpoint of each log; made if missing
    #[arg(long)]
    pub state: PathBuf,
    /// Look again after so many seconds, until Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub every: Option<u64>,
    /// Print JSON, a line for each thing that is said
    #[arg(long)]
    pub json: bool,
}

/// Which events.
#[derive(Debug, Args)]
pub struct EventChoice {
    /// Those of this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Those of this operation, e.g. GetObject
    #[arg(long, value_name = "OPERATION")]
    pub event: Option<String>,
    /// Those about this resource: a bucket, BUCKET/KEY, a user's name, an access key id
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
    /// Those signed with this access key
    #[arg(long, value_name = "ACCESS KEY ID")]
    pub key: Option<String>,
    /// Those recorded at this label, e.g. "SECRET//REL TO USA, GBR"
    #[arg(long)]
    pub label: Option<String>,
}

/// `fastness audit tail`
#[derive(Debug, Args)]
pub struct Tail {
    /// How many to begin with
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub lines: u16,
    /// Ask every second for what is new. An operation that took more than a minute may show in `search` alone
    #[arg(short, long)]
    pub follow: bool,
    /// Show the lookups that this key made, too: each look is an event itself
    #[arg(long)]
    pub own: bool,
    /// Print JSON: CloudTrail's record of each event, one a line
    #[arg(long)]
    pub json: bool,
    /// Which.
    #[command(flatten)]
    pub choice: EventChoice,
    /// Who: a user with the duty of an auditor.
    #[command(flatten)]
    pub identity: Identity,
}

/// What of them is not shown, and where they go.
#[derive(Debug, Args)]
pub struct Shown {
    /// Withhold this field of every event: its commitment stands in its place. Records come newest first, so a time that
    /// is withheld lies between those around it. Fields: time, request, service, operation,
    /// principal, account, key, label, nationality, duty, agent, resources, outcome, source
    #[arg(long, value_name = "FIELD")]
    pub hide: Vec<String>,
    /// Withhold events recorded at this label, written as the region's policy has it: that there is one is shown, and
    /// nothing of it
    #[arg(long, value_name = "LABEL")]
    pub withhold: Vec<String>,
    /// The package, a file that is not there yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Public keys to put into it, for convenience
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Who: a user with the duty of an auditor.
    #[command(flatten)]
    pub identity: Identity,
}

/// `fastness audit export`
#[derive(Debug, Args)]
pub struct Export {
    /// Which.
    #[command(flatten)]
    pub choice: EventChoice,
    /// From this time on: 2026-11-22T08:00:00Z, 2026-11-22, or so long ago: 90s, 15m, 2h, 3d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Up to this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// What of them.
    #[command(flatten)]
    pub shown: Shown,
}

/// `fastness audit prove`
#[derive(Debug, Args)]
pub struct Prove {
    /// The event's id, as `search --json` and `aws cloudtrail lookup-events` show it
    pub event: String,
    /// What of it.
    #[command(flatten)]
    pub shown: Shown,
}

/// `fastness audit copy`
#[derive(Debug, Args)]
pub struct CopyLog {
    /// One region's folder
    pub folder: PathBuf,
    /// The label whose ledger is written; without it the region's log of checkpoints
    #[arg(long)]
    pub label: Option<String>,
    /// The folder that they go into; made if missing
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `fastness audit search`
#[derive(Debug, Args)]
pub struct Search {
    /// Which.
    #[command(flatten)]
    pub choice: EventChoice,
    /// From this time on: 2026-11-22T08:00:00Z, 2026-11-22, or so long ago: 90s, 15m, 2h, 3d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Up to this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Print JSON: CloudTrail's record of each event
    #[arg(long)]
    pub json: bool,
    /// Who: a user with the duty of an auditor.
    #[command(flatten)]
    pub identity: Identity,
}
