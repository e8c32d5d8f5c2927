//! The carrier of `fastness up`: moves the regions' bundles for witnesses upward, until the diodes do. It has both folders
//! of a pair and reads the lower one alone.

use crate::place;
use anyhow::Context;
use fastness_region::{Carrier, inbox_folder, outbox_folder};
use std::convert::Infallible;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

/// How often bundles are carried.
const EVERY: Duration = Duration::from_millis(500);

/// The carriers of all pairs.
pub struct Carriers {
    carriers: Vec<(String, Carrier)>,
    /// What was said last.
    said: Option<String>,
}

impl Carriers {
    /// One for each region and each below it. What they carried they write into the folder `carried`.
    pub fn new(data: &Path) -> anyhow::Result<Self> {
        let records = data.join("carried");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&records);
        made.with_context(|| format!("cannot make `{}`", records.display()))?;
        let mut carriers = Vec::new();
        for (place, above) in place::REGIONS.iter().enumerate() {
            for below in place::below(place) {
                let pair = format!("{}--{}", below.name, above.name);
                let outbox = outbox_folder(&place::region_folder(data, below.name));
                let inbox = inbox_folder(&place::region_folder(data, above.name), below.name);
                carriers.push((pair.clone(), Carrier::new(outbox, inbox, records.join(pair))));
            }
        }
        Ok(Self { carriers, said: None })
    }

    /// Carries what is new.
    pub fn carry(&mut self) {
        let mut errors = Vec::new();
        for (pair, carrier) in &mut self.carriers {
            if let Err(error) = carrier.carry() {
                errors.push(format!("{pair}: {error}"));
            }
        }
        let said = (!errors.is_empty()).then(|| errors.join("; "));
        if said != self.said {
            if let Some(errors) = &said {
                eprintln!("fastness: checkpoints could not be carried upward: {errors}");
            }
            self.said = said;
        }
    }

    /// Carries until it is dropped.
    pub async fn keep_on(&mut self) -> Infallible {
        loop {
            tokio::task::block_in_place(|| self.carry());
            tokio::time::sleep(EVERY).await;
        }
    }
}
