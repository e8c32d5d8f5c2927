//! The guard: an object's claim and content in, a verdict out.
//!
//! Whatever crosses between levels is checked anew by whoever receives it, by a linear pipeline of filters. Each filter is
//! a process of its own without network and files ([`filter`], `fastness-filter`); each type of data has two of them that
//! stand on different libraries. The first parses the content and writes it anew from what it understood; the second reads
//! both and must find the same in them (NIST SP 800-53 r5, AC-4, enhancements 24, 27, 28 and 30). What is malformed,
//! ambiguous or unknown is quarantined whole, with findings in words: nothing of it passes (enhancement 31).
//!
//! The same input gives the same verdict and the same bytes. The guard knows nothing of regions, bundles or stores.
//! `docs/guard.md` says what each filter checks, and `docs/formats/filter.md` how the processes speak.
//!
//! ```no_run
//! use fastness_guard::{ContentType, Guard, Object, Policy, Verdict};
//!
//! let mut policy = Policy::new("us");
//! policy.content_types.insert(ContentType::Json);
//! let mut guard = Guard::new(policy, "target/debug/fastness-filter")?;
//! let verdict = guard.inspect(&Object {
//!     name: "report.json".to_owned(),
//!     content_type: "application/json".to_owned(),
//!     label: "UNCLASSIFIED".to_owned(),
//!     metadata: Vec::new(),
//!     content: br#"{"answer": 42}"#.to_vec(),
//! });
//! assert!(matches!(verdict, Verdict::Passed { .. }));
//! # Ok::<(), fastness_guard::GuardError>(())
//! ```

mod antivirus;
mod archive;
mod asking;
mod content_type;
pub mod filter;
mod finding;
mod patience;
mod pipeline;
mod policy;
mod process;
mod protocol;
mod rules;
mod sandbox;
mod serve;
mod timed;
mod worker;

pub use antivirus::Antivirus;
pub use content_type::ContentType;
pub use finding::{Finding, Kind, Object, Verdict};
pub use pipeline::{Guard, GuardError};
pub use policy::{Bounds, Policy, PolicyText, Scale};
pub use process::{Process, is_answer};
pub use rules::Rules;
pub use serve::{Failure, serve};
