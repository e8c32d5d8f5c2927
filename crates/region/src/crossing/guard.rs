//! The guard's filters behind the gate's seam: processes of their own for each bundle, so that nothing that one content did
//! to a filter meets another bundle's, or another label's.

use super::GuardConfig;
use crate::{ConfigError, RegionConfig};
use aws_lc_rs::digest::{SHA256, digest};
use fastness_gate::{Guard, GuardFault, GuardRules, Inspector, Judgement, Suspect};
use fastness_guard::{
    Antivirus, ContentType, Finding, Guard as Filters, Kind, Object, Policy, PolicyText, Scale, Verdict,
};
use fastness_label::Label;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most words that nothing may hold.
const WORDS_MAX: usize = 10_000;
/// How long ClamAV may take for one content.
const ANTIVIRUS_TIME: Duration = Duration::from_secs(60);
/// How often ClamAV may fail on one content, while it answers about others, before that content is stopped.
const UNANSWERED_MAX: u32 = 3;
/// Contents of one label of which that is remembered.
const REMEMBERED_MAX: usize = 1_000;

/// The guards of a region.
#[derive(Debug)]
pub struct FilterGuard {
    program: PathBuf,
    /// What all of them are made with, but for what a mapping lets through.
    common: Policy,
    unanswered: Arc<Mutex<Unanswered>>,
}

/// Contents, by label and SHA-256, on which ClamAV failed alone, and how often. It outlives a bundle, because such a bundle
/// comes again; without it a content that ends ClamAV would hold up its label until somebody takes the bundle away.
#[derive(Debug, Default)]
struct Unanswered(HashMap<Label, HashMap<Vec<u8>, u32>>);

impl Unanswered {
    /// How often ClamAV failed on a content.
    fn count(&self, label: Label, content: &[u8]) -> u32 {
        let Some(of_label) = self.0.get(&label) else { return 0 };
        of_label.get(digest(&SHA256, content).as_ref()).copied().unwrap_or_default()
    }

    /// It failed on this one again.
    fn add(&mut self, label: Label, content: &[u8]) {
        let of_label = self.0.entry(label).or_default();
        if of_label.len() >= REMEMBERED_MAX {
            of_label.clear();
        }
        *of_label.entry(digest(&SHA256, content).as_ref().to_vec()).or_default() += 1;
    }
}

/// Who looks at one bundle. Dropped, its processes end.
struct Looking {
    label: Label,
    program: PathBuf,
    common: Policy,
    unanswered: Arc<Mutex<Unanswered>>,
    /// Made of the rules that its mapping had last.
    filters: Option<(GuardRules, Filters)>,
}

impl FilterGuard {
    /// The guards that a configuration asks for. No process is started yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the program or the file of words is not there.
    pub fn new(config: &RegionConfig, guard: &GuardConfig) -> Result<Self, ConfigError> {
        if !guard.program.is_file() {
            return Err(ConfigError::Guard(format!("there is no program `{}`", guard.program.display())));
        }
        let scale = match &config.policy_file {
            Some(path) => PolicyText::Toml(read(path)?),
            None => PolicyText::Builtin(config.policy.clone()),
        };
        let mut common = Policy::new("us");
        // What stands in the content is held to the label that it comes with.
        common.scales = vec![Scale { policy: scale, ceiling: None }];
        if let Some(path) = &guard.words {
            let text = read(path)?;
            common.words = text.lines().map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
            if common.words.len() > WORDS_MAX {
                return Err(ConfigError::Guard(format!("`{}` has more than {WORDS_MAX} words", path.display())));
            }
        }
        if let Some(socket) = &guard.clamd {
            common.antivirus = Antivirus::Daemon { socket: socket.clone(), time: ANTIVIRUS_TIME };
        }
        // A policy that makes no guard is a mistake of the configuration, not of a bundle.
        Filters::new(common.clone(), &guard.program).map_err(|error| ConfigError::Guard(error.to_string()))?;
        Ok(Self { program: guard.program.clone(), common, unanswered: Arc::default() })
    }

    /// The same guards with other bounds on one filter's work: its time for one content, and its memory in bytes.
    #[must_use]
    pub fn within(mut self, time: Duration, memory_bytes: u64) -> Self {
        (self.common.bounds.time, self.common.bounds.memory_bytes) = (time, memory_bytes);
        self
    }
}

impl Guard for FilterGuard {
    fn inspector(&self, label: Label) -> Box<dyn Inspector> {
        let (program, common, unanswered) = (self.program.clone(), self.common.clone(), Arc::clone(&self.unanswered));
        Box::new(Looking { label, program, common, unanswered, filters: None })
    }
}

impl Looking {
    /// The filters for what a mapping lets through.
    fn filters(&mut self, rules: &GuardRules) -> Result<&mut Filters, GuardFault> {
        let filters = match self.filters.take() {
            Some((own, filters)) if own == *rules => filters,
            _ => {
                let mut policy = self.common.clone();
                let types = rules.types.iter().filter_map(|kind| ContentType::of_media_type(kind.as_str()));
                policy.content_types = types.collect();
                policy.metadata_keys = rules.metadata.iter().cloned().collect();
                Filters::new(policy, &self.program).map_err(|error| GuardFault(error.to_string()))?
            }
        };
        Ok(&mut self.filters.insert((rules.clone(), filters)).1)
    }
}

impl Inspector for Looking {
    fn inspect(&mut self, rules: &GuardRules, batch: Vec<Suspect>) -> Result<Vec<Judgement>, GuardFault> {
        let (label, unanswered) = (self.label, Arc::clone(&self.unanswered));
        let objects: Vec<Object> = batch.into_iter().map(object).collect();
        let known: Vec<bool> = {
            let unanswered = lock(&unanswered);
            objects.iter().map(|object| unanswered.count(label, &object.content) >= UNANSWERED_MAX).collect()
        };
        let asked: Vec<Object> =
            objects.into_iter().zip(&known).filter(|(_, known)| !**known).map(|(one, _)| one).collect();
        let verdicts = self.filters(rules)?.inspect_many(&asked);
        for (object, verdict) in asked.iter().zip(&verdicts) {
            if decisive(verdict) == Some(Kind::Unanswered) {
                lock(&unanswered).add(label, &object.content);
            }
        }
        let mut judged = verdicts.into_iter().map(judgement);
        let each = |known: bool| if known { Ok(stopped_unanswered()) } else { judged.next().unwrap_or_else(missing) };
        known.into_iter().map(each).collect()
    }
}

fn object(suspect: Suspect) -> Object {
    let Suspect { name, content_type, label, metadata, content } = suspect;
    Object { name, content_type, label, metadata, content }
}

/// The kind of the finding for which something is quarantined.
fn decisive(verdict: &Verdict) -> Option<Kind> {
    match verdict {
        Verdict::Passed { .. } => None,
        Verdict::Quarantined { findings } => findings.first().map(|one| one.kind),
    }
}

fn stopped_unanswered() -> Judgement {
    let what = format!("ClamAV answered about others and failed on this content {UNANSWERED_MAX} times");
    let finding = Finding { filter: "clamav".to_owned(), kind: Kind::Unanswered, what, place: String::new() };
    Judgement::Stopped { findings: words(&[finding]) }
}

fn missing() -> Result<Judgement, GuardFault> {
    Err(GuardFault("a verdict is missing".to_owned()))
}

fn judgement(verdict: Verdict) -> Result<Judgement, GuardFault> {
    match verdict {
        Verdict::Passed { content, metadata, findings } => {
            Ok(Judgement::Passed { content, metadata, findings: words(&findings) })
        }
        // The region's own fault: the object is as good as before. What a filter did because of its content is not one, or
        // a file that kills filters would hold up its label for ever.
        verdict if matches!(decisive(&verdict), Some(Kind::Unavailable | Kind::Unanswered)) => {
            Err(GuardFault(words(verdict.findings()).join("; ")))
        }
        Verdict::Quarantined { findings } => Ok(Judgement::Stopped { findings: words(&findings) }),
    }
}

fn words(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{}: {finding}", finding.kind)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(path: &std::path::Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Guard(format!("`{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastness_operation::{CROSSING_TYPES, MediaType};

    #[test]
    fn the_types_that_cross_are_those_that_have_filters() {
        let with_filters =
            ContentType::ALL.into_iter().filter(|one| ![ContentType::Pdf, ContentType::Office].contains(one));
        let mut names: Vec<&str> = with_filters.map(ContentType::media_type).collect();
        let mut known = CROSSING_TYPES.to_vec();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
        // Both sides read a claim alike.
        for claim in
            ["text/plain; charset=UTF-8", "TEXT/CSV", "text/markdown", "text/xml", "text/plain; a=b", "text/html"]
        {
            let ours = MediaType::claimed(claim);
            let theirs = ContentType::of_media_type(claim).map(ContentType::media_type);
            assert_eq!(ours.as_ref().map(MediaType::as_str), theirs, "{claim}");
        }
    }
}
