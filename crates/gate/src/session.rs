//! One request's surroundings: its clock and chance, where it came from, whose session it is in.

use fastness_identity::Subject;
use fastness_operation::configuration::CorsRules;
use fastness_operation::{AccessKeyId, Moment};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where clocks and randomness come from.
pub trait Environment: Send + Sync + Debug + 'static {
    /// The moment of one request; `key` is the access key that it claims, if any.
    fn moment(&self, key: Option<&AccessKeyId>) -> Moment;

    /// The moment of a step of a partition's housekeeping; `label` is its marking.
    fn chore(&self, label: &str) -> Moment {
        let _ = label;
        self.moment(None)
    }
}

/// The system's clock and its generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn moment(&self, _: Option<&AccessKeyId>) -> Moment {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { now_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX), seed: rand::rng().random() }
    }
}

/// A request before anybody is known.
#[derive(Debug, Clone)]
pub struct Context {
    /// Its clock and chance.
    pub moment: Moment,
    /// The id that its answer carries.
    pub request: [u8; 8],
    /// Where it came from.
    pub source: String,
    /// The program that asks, as it calls itself.
    pub agent: String,
}

/// The longest that a program's name for itself may be in the ledger, in characters.
const AGENT_LEN_MAX: usize = 256;

impl Context {
    pub(crate) fn new(moment: Moment, source: String, agent: &str) -> Self {
        // Apart from the generator that draws identifiers from the same seed.
        let mut seed = moment.seed;
        seed.iter_mut().for_each(|byte| *byte ^= 0x5c);
        let agent = crate::record::clipped(agent, AGENT_LEN_MAX);
        Self { moment, request: StdRng::from_seed(seed).random(), source, agent }
    }

    /// Seeds the salts of the request's entries: apart from what the same seed's generators tell.
    pub(crate) fn chance(&self) -> [u8; 32] {
        let mut chance = self.moment.seed;
        chance.iter_mut().for_each(|byte| *byte ^= 0x36);
        chance
    }

    /// The request's id as the answer's header writes it.
    #[must_use]
    pub fn request_id(&self) -> String {
        hex::encode_upper(self.request)
    }
}

/// A request whose signature was checked: its subject and its surroundings.
#[derive(Debug)]
pub struct Session {
    subject: Arc<Subject>,
    context: Context,
    reached_gate: AtomicBool,
    cross_origin: AtomicBool,
    cors: OnceLock<CorsRules>,
}

impl Session {
    pub(crate) const fn new(subject: Arc<Subject>, context: Context) -> Self {
        let (reached_gate, cross_origin) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { subject, context, reached_gate, cross_origin, cors: OnceLock::new() }
    }

    /// Who asks.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The request's surroundings.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Whether the request became an operation: then the gate recorded what came of it.
    #[must_use]
    pub fn was_handled(&self) -> bool {
        self.reached_gate.load(Ordering::Relaxed)
    }

    /// Says that the request comes from a page of another origin: then the bucket's CORS rules are looked up with it.
    pub fn mark_cross_origin(&self) {
        self.cross_origin.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cross_origin(&self) -> bool {
        self.cross_origin.load(Ordering::Relaxed)
    }

    pub(crate) fn set_cors(&self, rules: CorsRules) {
        // One request is one operation: they are set once.
        let _set = self.cors.set(rules);
    }

    /// The CORS rules of the bucket that was asked for, if the session may use it, in its view.
    #[must_use]
    pub fn cors(&self) -> Option<&CorsRules> {
        self.cors.get()
    }

    pub(crate) fn reached_gate(&self) {
        self.reached_gate.store(true, Ordering::Relaxed);
    }
}
