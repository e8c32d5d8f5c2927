//! Where bundles lie in a region's folder (docs/formats/region.md, "Crossing").
//!
//! ```text
//! outbox/crossing/DEST/staged/LABEL/   what a label's work wrote, in order       WholeBundle
//!                 DEST/kept/N-ID       has its number, and is signed             Spooler::next
//!                 DEST/ready/N.bundle  is for the carrier, which removes it      Spooler::show
//! inbox/crossing/ORIGIN/N.bundle       what a carrier brought                    Inbox::look
//! ```
//!
//! A bundle in `staged` has no number. It gets the next one with a link in `kept`: from then on the number is given, and so
//! no crash gives it twice or leaves it out. Before that, its link in `ready` stands under a name that carriers pass over;
//! that one is renamed when the bundle may be seen. Its link in `staged` stays until a carrier took it, so that a label's
//! work can count what of it still waits.

mod disk;
mod inbox;
mod kept;
mod names;
mod outbox;
mod spooler;
#[cfg(test)]
mod tests;

pub use inbox::{BYTES_IN_INBOX_MAX, FILES_IN_INBOX_MAX, Found, Inbox, InboxRoom, Opened};
pub use names::{bundle_file_name, crossing_inbox, crossing_outbox, number_of, ready_folder};
pub use outbox::{NewBundle, Outbox, Resent, STAGED_MAX, WholeBundle};
pub use spooler::{Numbered, SpoolError, Spooler};

pub(crate) use names::ready_numbers;
