//! What a partition keeps of crossings: lifts, releases, arrivals, and how much of a day's measure is used
//! (docs/formats/catalog.md, "Crossings").
//!
//! What lies at a label is known at that label alone: the queue of a lift, and what arrived. The one thing of all labels is
//! which numbers of a region's bundles came in, and it lies at the ceiling ([`received`]).

mod again;
mod arrivals;
mod lifts;
mod overtake;
mod quarantine;
mod received;
mod releases;
mod rows;
mod used;
mod walk;

pub use again::{Again, Resendable, TakenBack, TookBack};
pub use arrivals::{
    Arrival, ArrivalHead, ArrivalState, ArrivalStep, Arrived, ArrivedMany, Arriving, ArrivingObject, FINDINGS_LEN_MAX,
};
pub use lifts::{LIFTS_KEPT_MAX, LIFTS_RUNNING_MAX, Lift, LiftState, LiftStep, NewLift, SentBundle};
pub use received::{ClosedGap, NumberSeen, RANGES_MAX, ReceivedNumbers};
pub use releases::{
    Leaving, NewRelease, PinnedVersion, RELEASE_APPROVALS, RELEASES_KEPT_MAX, RELEASES_OPEN_MAX, Releasable, Release,
    ReleaseState, ReleaseStep, ReleaseVote,
};
pub use used::Measure;
pub use walk::{Liftable, Opening, Sendable, WALK_BYTES_MAX, WALK_NAMES_MAX, WALK_OBJECTS_MAX, Walked};

pub(crate) use rows::check_row;

/// How long what ended without trouble is kept, in ms: 31 days, a day more than a bundle may be old when it comes.
pub const CROSSING_KEPT_MS: i64 = 31 * 24 * 60 * 60 * 1_000;

/// The day of UTC that a time lies in, counted from 1970.
#[must_use]
pub fn day_of(now_ms: i64) -> u32 {
    u32::try_from(now_ms.div_euclid(24 * 60 * 60 * 1_000)).unwrap_or(0)
}
