//! The carriers of `fastness up`. Checkpoints for witnesses go upward; bundles go both ways, upward only as long as no diodes
//! carry those. A carrier has both folders of a pair, and reads the one that it carries from.

use crate::place::{self, Builtin};
use anyhow::Context;
use fastness_region::carry::Taking;
use fastness_region::operation::RegionName;
use fastness_region::{Carrier, crossing_inbox, inbox_folder, outbox_folder, ready_folder};
use std::convert::Infallible;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often something is carried.
const EVERY: Duration = Duration::from_millis(200);

/// The carriers of all pairs.
pub struct Carriers {
    witnesses: Vec<(String, Carrier)>,
    bundles: Vec<(String, Taking)>,
    /// What was said last of each of the two.
    said: [String; 2],
}

impl Carriers {
    /// One of checkpoints for each region and each below it, and one of bundles for each two regions and each way; upward
    /// not where there are diodes. What they showed above they write into the folder `carried`.
    pub fn new(data: &Path, has_diodes: bool) -> anyhow::Result<Self> {
        let records = data.join("carried");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&records);
        made.with_context(|| format!("cannot make `{}`", records.display()))?;
        let (mut witnesses, mut bundles) = (Vec::new(), Vec::new());
        for (below, above) in place::pairs() {
            let pair = format!("{}--{}", below.name, above.name);
            let outbox = outbox_folder(&place::region_folder(data, below.name));
            let inbox = inbox_folder(&place::region_folder(data, above.name), below.name);
            witnesses.push((pair.clone(), Carrier::new(outbox, inbox, records.join(&pair))));
            let (ready, inbox) = bundle_folders(data, above, below)?;
            bundles.push((format!("{}--{}", above.name, below.name), Taking::new(ready, inbox)));
            if !has_diodes {
                let (ready, inbox) = bundle_folders(data, below, above)?;
                bundles.push((pair, Taking::new(ready, inbox)));
            }
        }
        Ok(Self { witnesses, bundles, said: Default::default() })
    }

    /// Carries what is new.
    pub fn carry(&mut self) {
        let mut wrong = [Vec::new(), Vec::new()];
        let [checkpoints, bundles] = &mut wrong;
        for (pair, carrier) in &mut self.witnesses {
            if let Err(error) = carrier.carry() {
                checkpoints.push(format!("{pair}: {error}"));
            }
        }
        for (pair, carrier) in &self.bundles {
            match carrier.carry() {
                Ok(taken) if taken.is_full => bundles.push(format!("{pair}: the inbox is full, and they wait")),
                Ok(_) => {}
                Err(error) => bundles.push(format!("{pair}: {error}")),
            }
        }
        let said = wrong.map(|errors| errors.join("; "));
        if said != self.said {
            for (what, errors) in
                ["checkpoints could not be carried upward", "bundles were not carried"].iter().zip(&said)
            {
                if !errors.is_empty() {
                    eprintln!("fastness: {what}: {errors}");
                }
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

/// Where bundles are ready for a region, and where they arrive there.
pub fn bundle_folders(data: &Path, from: &Builtin, to: &Builtin) -> anyhow::Result<(PathBuf, PathBuf)> {
    let ready = ready_folder(&place::region_folder(data, from.name), &RegionName::new(to.name)?);
    let inbox = crossing_inbox(&place::region_folder(data, to.name), &RegionName::new(from.name)?);
    Ok((ready, inbox))
}
