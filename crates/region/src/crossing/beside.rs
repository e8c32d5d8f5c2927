//! The gate's seams, filled with the region's folders: which regions lie beside it, and where bundles wait.

use fastness_crossing::{NewBundle, Outbox, Peer, Peers, Resent, Standing, WholeBundle};
use fastness_gate::{Regions, StagedFile, Staging, WholeFile};
use fastness_identity::directory::Beside;
use fastness_operation::{BundleId, RegionName};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::sync::Arc;

/// The regions of the configuration.
#[derive(Debug)]
pub(super) struct Others(pub(super) Arc<Peers>);

impl Regions for Others {
    fn beside(&self, region: &RegionName) -> Option<Beside> {
        self.0.standing(region).map(|standing| match standing {
            Standing::Above => Beside::Above,
            Standing::Below => Beside::Below,
            Standing::Own => Beside::Own,
        })
    }

    fn keys(&self, region: &RegionName) -> Option<Arc<Peer>> {
        self.0.keys(region)
    }

    fn names(&self) -> Vec<RegionName> {
        self.0.others().cloned().collect()
    }
}

/// The outbox of the region's folder.
#[derive(Debug)]
pub(super) struct Waiting(pub(super) Outbox);

impl Staging for Waiting {
    fn staged(&self, to: &RegionName, banner: &str) -> io::Result<usize> {
        self.0.staged(to, banner)
    }

    fn stage(&self, to: &RegionName, banner: &str, id: &BundleId) -> io::Result<Box<dyn StagedFile>> {
        Ok(Box::new(Staged(self.0.stage(to, banner, id)?)))
    }

    fn settle(&self, to: &RegionName, banner: &str, is_sent: &dyn Fn(&BundleId) -> bool) -> io::Result<()> {
        self.0.settle(to, banner, is_sent)
    }

    fn hold_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>> {
        self.0.hold_bundles(to, ids)
    }

    fn held(&self, banner: &str) -> io::Result<BTreeMap<RegionName, BTreeSet<BundleId>>> {
        self.0.held(banner)
    }

    fn drop_bundles(&self, to: &RegionName, ids: &BTreeSet<BundleId>) -> io::Result<BTreeSet<BundleId>> {
        self.0.drop_bundles(to, ids)
    }

    fn resend(&self, to: &RegionName, numbers: &[NonZeroU64]) -> io::Result<Resent> {
        self.0.resend(to, numbers)
    }
}

#[derive(Debug)]
struct Staged(NewBundle);

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.file().flush()
    }
}

impl Seek for Staged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.file().seek(to)
    }
}

impl StagedFile for Staged {
    fn finish(self: Box<Self>) -> io::Result<Box<dyn WholeFile>> {
        Ok(Box::new(Whole(self.0.finish()?)))
    }
}

#[derive(Debug)]
struct Whole(WholeBundle);

impl WholeFile for Whole {
    fn release(self: Box<Self>) -> io::Result<()> {
        self.0.release()
    }

    fn discard(self: Box<Self>) -> io::Result<()> {
        self.0.discard()
    }
}
