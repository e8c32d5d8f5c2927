//! Labels and the markings that carry them.
//!
//! A [`Label`] is what a decision looks at: a level, compartments, a release list. Labels form a lattice
//! ([`Label::is_dominated_by`], [`Label::join`], [`Label::meet`]). A [`Marking`] is what people write: a banner
//! such as `SECRET//REL TO USA, GBR` or a portion mark such as `(S//NF)`; beside its label it carries markings
//! that decide nothing and travel with the object. A [`Policy`] is the vocabulary of both, as data.
//!
//! ```
//! let policy = fastness_label::Policy::us();
//! let low = policy.label("SECRET//REL TO USA, GBR")?;
//! let high = policy.label("(TS//SI/TK)")?;
//! assert!(low.is_dominated_by(high));
//! assert_eq!(policy.banner(low.join(high)), "TOP SECRET//SI/TK");
//! # Ok::<(), fastness_label::MarkingError>(())
//! ```
//!
//! This crate is pure: it opens no file, keeps no clock, and every function of it is total.

mod compile;
mod error;
mod label;
mod marking;
mod parse;
mod policy;
mod print;
mod roll_up;
mod rules;
mod source;
mod stanag;

pub use error::{MarkingError, PolicyError};
pub use label::{Country, Label};
pub use marking::{Further, Marking};
pub use policy::{OrderKey, Policy};

/// The longest text that [`Policy::parse`] looks at. A policy whose longest label would print longer is refused
/// when it is loaded, so that whatever is printed can be read again.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// The most compartments that a policy may hold, sub-compartments included.
pub const COMPARTMENTS_MAX: usize = 128;
/// The most countries that a policy may hold.
pub const COUNTRIES_MAX: usize = 256;
