//! The region's map, and each partition's folder.

use super::{
    CheckReport, CheckSetup, Findings, LOOK_FIRST, NEXT_START, PartitionSums, RESTORE_PARTITION, catalog, files,
};
use crate::blobs;
use crate::disk::{Disk, OpenMode};
use crate::erasure::ErasureKeys;
use crate::fault::CauseOf;
use crate::journal::{self, Journal};
use crate::map::{FILE, MapEntry, RegionMap};
use crate::{Fault, pages};
use fastness_label::Label;
use fastness_vault::PartitionKey;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Names that a region's folder may hold (`docs/formats/region.md`).
const REGION_FILES: [&str; 14] = [
    "root.key",
    "journal",
    "lock",
    "operator.json",
    "region.toml",
    "region.sealed",
    "making",
    "partitions",
    "ledger.keys",
    "crossing.keys",
    "peers",
    "outbox",
    "inbox",
    "witnessed",
];
const RESTORE_JOURNAL: &str = "restore the region's folder from a backup; if the region was stopped \
 cleanly, the journal holds nothing";
const RESTORE_KEY: &str = "restore it from a backup; values under it that no backup holds are lost";
const PARTITION_FILES: [&str; 4] = ["catalog", "incoming", "blobs", "erasure"];

/// Checks the whole region.
pub(super) fn region(
    disk: &Arc<dyn Disk>,
    setup: &CheckSetup<'_>,
    report: &mut CheckReport,
    progress: &mut dyn FnMut(u64),
) {
    let mut findings = Findings::new(report, "", "");
    names(disk.as_ref(), "", &REGION_FILES, &mut findings);
    if disk.exists("making") {
        findings.note(
            "the making of the region was cut off, or the file `making` was put there",
            "start the region: it is made anew, nobody was told of anything in it",
        );
    }
    let map = match RegionMap::read(disk.as_ref(), &setup.root) {
        Ok(map) => map,
        Err(fault) => {
            findings.wrong(
                format!(
                    "the region's map `{FILE}` cannot be used: {fault}; no partition can be \
                     opened without it"
                ),
                "restore `region.sealed` and `root.key` from a backup",
            );
            return;
        }
    };
    if map.policy != setup.policy.name() {
        findings.wrong(
            format!("the region was made under the label policy `{}`, not `{}`", map.policy, setup.policy.name()),
            "name its policy with `--policy-file`",
        );
        return;
    }
    let listed: HashSet<&str> = map.partitions.iter().map(|entry| entry.folder.as_str()).collect();
    for name in disk.list("partitions").unwrap_or_default() {
        if !listed.contains(name.as_str()) {
            findings.wrong(
                format!(
                    "the folder `partitions/{name}` is on no line of the map: its label and its \
                     key are unknown"
                ),
                "if an older `region.sealed` was put back, restore the newer one; a \
                 partition whose adding was cut off by a crash holds nothing and may be \
                 removed",
            );
        }
    }
    for what in journal::survey(disk.as_ref(), &setup.root) {
        findings.wrong(what, RESTORE_JOURNAL);
    }
    let journal = match Journal::open(Arc::clone(disk), Arc::clone(&setup.root)) {
        Ok(journal) => Some(journal),
        Err(fault) => {
            findings.wrong(
                format!("{fault}; what was acknowledged shortly before the last stop is missing below"),
                RESTORE_JOURNAL,
            );
            None
        }
    };
    let held = catalog::Held::new();
    let order = |entry: &MapEntry| setup.policy.label(&entry.label).ok();
    let mut entries: Vec<(&MapEntry, Option<Label>)> =
        map.partitions.iter().map(|entry| (entry, order(entry))).collect();
    // The floor first: it holds the list of labels.
    entries.sort_by_key(|(entry, _)| {
        entry.label != map.setup.floor
            && setup.policy.label(&map.setup.floor).ok().map(|floor| setup.policy.banner(floor)).as_deref()
                != Some(entry.label.as_str())
    });
    for (position, (entry, label)) in entries.into_iter().enumerate() {
        let mut sums =
            PartitionSums { folder: entry.folder.clone(), label: entry.label.clone(), ..PartitionSums::default() };
        let mut findings = Findings::new(report, &entry.folder, &entry.label);
        match label {
            Some(label) => {
                let mut visit = Visit {
                    disk: disk.folder(&format!("partitions/{}", entry.folder)),
                    setup,
                    journal: journal.as_ref(),
                    label,
                    findings: &mut findings,
                    sums: &mut sums,
                    progress,
                };
                visit.partition(entry, position == 0, &held);
            }
            None => findings.wrong(
                "the map names a label that the policy does not know",
                "name the region's policy with `--policy-file`",
            ),
        }
        sums.wrong = findings.wrong;
        report.partitions.push(sums);
    }
}

/// Names that do not belong into a folder.
fn names(disk: &dyn Disk, folder: &str, known: &[&str], findings: &mut Findings<'_>) {
    for name in disk.list(folder).unwrap_or_default() {
        if name.ends_with(".new") {
            findings.note(
                format!("`{name}` was being written when the process died"),
                "it is of no use and may be removed",
            );
        } else if !known.contains(&name.as_str()) {
            findings.wrong(
                format!("`{name}` is none of the files that belong here"),
                "find out who put it there; Fastness does not read it",
            );
        }
    }
}

/// One partition under examination.
pub(super) struct Visit<'v, 'r> {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) setup: &'v CheckSetup<'v>,
    journal: Option<&'v Arc<Journal>>,
    pub(super) label: Label,
    pub(super) findings: &'v mut Findings<'r>,
    pub(super) sums: &'v mut PartitionSums,
    pub(super) progress: &'v mut dyn FnMut(u64),
}

impl Visit<'_, '_> {
    fn partition(&mut self, entry: &MapEntry, floor: bool, held: &catalog::Held) {
        let unknown = floor.then_some(()).is_none() && held.is_known() && !held.contains(&entry.label);
        if unknown {
            self.findings.note(
                "the list of labels does not name this partition: its adding was cut off",
                "the region never opens it; allow the label again, or leave it",
            );
        }
        let key = match self.setup.root.unwrap_partition(&entry.folder, &entry.key) {
            Ok(key) => Arc::new(key),
            Err(error) => {
                self.findings.wrong(format!("the partition's key cannot be unwrapped: {error}"), RESTORE_PARTITION);
                return;
            }
        };
        names(self.disk.as_ref(), "", &PARTITION_FILES, self.findings);
        let Some(refused) = self.survey(&key) else { return };
        let file =
            self.disk.open("catalog", OpenMode::ReadWriteCreate).map_err(|error| Fault::failed("the catalog", error));
        let opened = file.and_then(|file| {
            let cipher = key.pages("catalog").map_err(|error| Fault::failed("the catalog's key", error))?;
            pages::open_catalog("catalog", file, cipher, CACHE_LEN)
                .map_err(|error| Fault::failed("the catalog", CauseOf(&error)))
        });
        match opened {
            Ok(database) => {
                let member = self.journal.and_then(|journal| journal.member(&entry.folder, &key).ok());
                catalog::check(self, database, &key, member.as_ref(), (floor, held), refused);
            }
            Err(fault) => self
                .findings
                .wrong(format!("{fault}; nothing at this label can be read, blobs included"), RESTORE_PARTITION),
        }
    }

    /// Looks at every block; how many do not authenticate, or nothing if the file is none of ours.
    fn survey(&mut self, key: &PartitionKey) -> Option<(u64, Vec<u64>)> {
        let survey = (|| {
            let file =
                self.disk.open("catalog", OpenMode::Read).map_err(|error| Fault::failed("the catalog", error))?;
            let cipher = key.pages("catalog").map_err(|error| Fault::failed("the catalog's key", error))?;
            pages::survey("catalog", file, cipher, self.progress)
                .map_err(|error| Fault::failed("the catalog", CauseOf(&error)))
        })();
        let survey = match survey {
            Ok(survey) => survey,
            Err(fault) => {
                self.findings
                    .wrong(format!("{fault}; nothing at this label can be read, blobs included"), RESTORE_PARTITION);
                return None;
            }
        };
        self.sums.blocks = survey.blocks;
        if survey.strays > 0 {
            self.findings.wrong(
                format!(
                    "{} bytes in the catalog's head are not zero as they should be; nothing reads them",
                    survey.strays
                ),
                "find out what wrote there: the disk changes what was written",
            );
        }
        if survey.slots_refused > 0 {
            self.findings.wrong(
                format!(
                    "{} of the catalog's two headers does not authenticate; if it was the later \
                     one, the last commits before an unclean stop are lost",
                    survey.slots_refused
                ),
                "if the power was lost, start and stop the region, and check again; if it \
                 was not, the disk damages data",
            );
        }
        Some((survey.refused, survey.refused_first))
    }

    /// Files of values and erasure keys against what the catalog names.
    pub(super) fn files(
        &mut self,
        live: &HashMap<[u8; 16], String>,
        doomed: &HashSet<[u8; 16]>,
        keys_used: &HashSet<u64>,
        erasure: &ErasureKeys,
    ) {
        for (path, _) in files::walk(self.disk.as_ref(), "incoming") {
            match id_of(&path) {
                Some(id) if live.contains_key(&id) => {}
                Some(_) => {
                    self.findings.note(format!("`{path}` was being received, and no commit names it"), NEXT_START)
                }
                None => self.findings.wrong(
                    format!("`{path}` is no value's file"),
                    "find out who put it there; Fastness does not read it",
                ),
            }
        }
        for (path, _) in files::walk(self.disk.as_ref(), "blobs") {
            match id_of(&path) {
                Some(id) if blobs::settled_name(&id) != path => self.findings.wrong(
                    format!("`{path}` lies in another folder than its name says"),
                    "move it back to where its first two digits say",
                ),
                Some(id) if live.contains_key(&id) => {}
                Some(id) if doomed.contains(&id) => {
                    self.findings.note(format!("`{path}` is of a removed value"), NEXT_START)
                }
                Some(_) => {
                    self.findings.wrong(format!("`{path}` is a value that nothing in the catalog names"), LOOK_FIRST)
                }
                None => self.findings.wrong(
                    format!("`{path}` is no value's file"),
                    "find out who put it there; Fastness does not read it",
                ),
            }
        }
        let mut unused = 0_u64;
        for (path, length) in files::walk(self.disk.as_ref(), "erasure") {
            let name = path.rsplit('/').next().unwrap_or_default();
            let Some(number) = u64::from_str_radix(name, 16).ok().filter(|_| name.len() == 16) else {
                if name.ends_with(".new") {
                    self.findings.note(
                        format!("`{path}` was being written when the process died"),
                        "it is of no use and may be removed",
                    );
                } else {
                    self.findings.wrong(
                        format!("`{path}` is no erasure key's file"),
                        "find out who put it there; Fastness does not read it",
                    );
                }
                continue;
            };
            (self.progress)(length);
            self.sums.erasure_keys += 1;
            match (erasure.check(number), keys_used.contains(&number)) {
                (Ok(()), _) => {}
                (Err(fault), true) => {
                    self.findings.wrong(format!("`{path}`: {fault}; what it wraps cannot be read"), RESTORE_KEY);
                }
                // It is overwritten before it is removed.
                (Err(_), false) => self.findings.note(format!("`{path}` was being destroyed"), NEXT_START),
            }
            unused += u64::from(!keys_used.contains(&number));
        }
        if unused > 0 {
            self.findings.note(
                format!("{unused} erasure keys wrap no value that is there"),
                "nothing to do: their values were removed, or never committed",
            );
        }
    }
}

/// Memory for the pages of the catalog under examination.
const CACHE_LEN: usize = 32 << 20;

fn id_of(path: &str) -> Option<[u8; 16]> {
    let name = path.rsplit('/').next()?;
    hex::decode(name).ok()?.try_into().ok()
}
