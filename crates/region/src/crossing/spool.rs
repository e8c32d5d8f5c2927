//! Bundles that are staged get their numbers, their entry at the ceiling, and are shown to carriers: in this order, so that
//! nothing leaves that the ledger does not say.

use crate::keeper::OfRegion;
use fastness_crossing::{Numbered, OwnKeys, SpoolError, Spooler};
use fastness_operation::RegionName;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often the folders are tidied up.
const TIDY_EVERY: Duration = Duration::from_millis(500);

/// The spoolers of all regions that this one sends to, itself among them.
pub(super) struct Spool {
    of_region: OfRegion,
    own: Arc<OwnKeys>,
    spoolers: Vec<(RegionName, Spooler)>,
    tidied: Option<Instant>,
    /// What fails, and was said.
    failing: BTreeSet<RegionName>,
}

impl Spool {
    pub(super) const fn new(of_region: OfRegion, own: Arc<OwnKeys>, spoolers: Vec<(RegionName, Spooler)>) -> Self {
        Self { of_region, own, spoolers, tidied: None, failing: BTreeSet::new() }
    }

    /// Shows what waits: one bundle for each region in turn, until none is left or `go_on` says so.
    pub(super) fn look(&mut self, go_on: impl Fn() -> bool) {
        let mut is_any = true;
        while is_any && go_on() {
            is_any = false;
            for (to, spooler) in &mut self.spoolers {
                match show_one(&self.of_region, &self.own, to, spooler) {
                    Ok(shown) => {
                        is_any |= shown;
                        self.failing.remove(to);
                    }
                    // That one is passed over from now on.
                    Err(SpoolError::Unusable { path, error }) => {
                        let words = format!("outbox of {to}: `{}` cannot be signed: {error}", path.display());
                        tracing::error!(alarm = words, "crossing");
                        self.of_region.raise(&words);
                    }
                    Err(error) => {
                        if self.failing.insert(to.clone()) {
                            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                            tracing::error!(%to, %error, cause, "bundles get no numbers; it is tried again");
                        }
                    }
                }
            }
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        if self.tidied.is_some_and(|tidied| tidied.elapsed() < TIDY_EVERY) {
            return;
        }
        self.tidied = Some(Instant::now());
        for (to, spooler) in &mut self.spoolers {
            if let Err(error) = spooler.tidy(SystemTime::now()) {
                tracing::warn!(%to, %error, "an outbox could not be tidied up");
            }
        }
    }
}

/// Whether there was one.
fn show_one(of_region: &OfRegion, own: &OwnKeys, to: &RegionName, spooler: &mut Spooler) -> Result<bool, SpoolError> {
    let Some(numbered) = spooler.next(own)? else { return Ok(false) };
    // It comes again, with the same number.
    if !of_region.record("SendBundle", &sent(to, &numbered)) {
        return Ok(false);
    }
    spooler.show(&numbered)?;
    Ok(true)
}

/// What the entry says: as the receiving side's, with the same digest.
fn sent(to: &RegionName, numbered: &Numbered) -> String {
    let Numbered { number, id, signed } = numbered;
    let note: String = signed.note_sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("to {to} number {number} bundle {id} note sha256={note}")
}
