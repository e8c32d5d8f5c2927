//! A region's configuration: what `fastness serve --config FILE` reads.

use crate::ScrubConfig;
use crate::crossing::{self, CrossingConfig, GuardConfig};
use crate::witness::WitnessedRegion;
use fastness_crossing::PeerFile;
use fastness_gate::Reads;
use fastness_label::Policy;
use fastness_ledger::{KeyKind, read_keys, region_keys_name};
use fastness_operation::RegionName;
use fastness_store::RegionSetup;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What one region is and where it listens. Every field is required unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionConfig {
    /// The region's name, as AWS writes it (`us-isob-east-1`).
    pub name: String,
    /// The folder that holds it; made if missing.
    pub data: PathBuf,
    /// Where it listens. Without TLS (which comes later) a loopback address.
    pub listen: SocketAddr,
    /// The label policy: `us` or `nato`. Default `us`.
    #[serde(default = "default_policy")]
    pub policy: String,
    /// A label policy of one's own, as TOML; takes the place of `policy`.
    #[serde(default)]
    pub policy_file: Option<PathBuf>,
    /// The marking of the floor, where users and keys live.
    pub floor: String,
    /// The marking of the ceiling.
    pub ceiling: String,
    /// The labels held when the region is made; the officer adds more with `fastness label allow`.
    #[serde(default)]
    pub labels: Vec<String>,
    /// A domain under which buckets have names (`bucket.domain`), beside `localhost` and the region's own.
    #[serde(default)]
    pub domain: Option<String>,
    /// When deletion becomes final.
    #[serde(default)]
    pub erasure: ErasureConfig,
    /// How the ledgers are kept. Default: contents for ever; reads are recorded within 100 ms.
    #[serde(default)]
    pub ledger: LedgerConfig,
    /// How the region looks for damage by itself. Default: each partition once a week, at 4 MiB a second.
    #[serde(default)]
    pub scrub: ScrubConfig,
    /// The regions below, whose checkpoints this one remembers. Default: none.
    #[serde(default)]
    pub witnessed: Vec<WitnessedConfig>,
    /// Who looks at what crosses into the region. Default: nobody, and nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardConfig>,
    /// The regions that something crosses to or from. Default: none.
    #[serde(default)]
    pub crossing: Vec<CrossingConfig>,
}

/// A region below, whose checkpoints arrive in the folder `inbox/witness/REGION`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessedConfig {
    /// Its name.
    pub region: String,
    /// Its file `ledger.keys`, brought here by hands that are trusted.
    pub keys: PathBuf,
}

/// How the ledgers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerConfig {
    /// Days after which contents of entries are dropped, 4,096 entries at a time, when the last of them is older; what the
    /// tree holds of them stays for ever. 0 keeps them for ever.
    pub keep_days: u32,
    /// When reads are in the ledger: `soon` (within 100 ms) or `before-answer`.
    pub reads: ReadsConfig,
}

/// When reads are in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadsConfig {
    /// Within 100 ms: a crash can lose the records of the last ones.
    #[default]
    Soon,
    /// Durably, before they are answered: each waits for the disk as a write does.
    BeforeAnswer,
}

impl From<ReadsConfig> for Reads {
    fn from(reads: ReadsConfig) -> Self {
        match reads {
            ReadsConfig::Soon => Self::Soon,
            ReadsConfig::BeforeAnswer => Self::BeforeAnswer,
        }
    }
}

impl LedgerConfig {
    /// The time after which contents are dropped, if there is one.
    #[must_use]
    pub fn keep(&self) -> Option<std::time::Duration> {
        (self.keep_days > 0).then(|| std::time::Duration::from_secs(u64::from(self.keep_days) * 86_400))
    }
}

/// When deletion becomes final: until then, who has the disk and the root key can recover what was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureConfig {
    /// Seconds after a deletion within which its erasure key is destroyed: 1 to 86,400. Default 86,400, a day.
    pub within_s: u64,
}

/// A day (DESIGN.md section 5).
const ERASE_WITHIN_S_MAX: u64 = 24 * 60 * 60;

impl Default for ErasureConfig {
    fn default() -> Self {
        Self { within_s: ERASE_WITHIN_S_MAX }
    }
}

fn is_region_name(name: &str) -> bool {
    RegionName::new(name).is_ok()
}

fn default_policy() -> String {
    "us".to_owned()
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No such policy.
    #[error("there is no label policy `{0}`; `us` and `nato` are compiled in, others go into `policy_file`")]
    UnknownPolicy(String),
    /// The policy's file cannot be read.
    #[error("the label policy in `{path}` could not be read: {error}")]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// Another than a loopback address.
    #[error("`{0}` is not a loopback address: without TLS a region listens on 127.0.0.1 or [::1] only")]
    NotLoopback(SocketAddr),
    /// A time for erasure that is none.
    #[error("`erasure.within_s` is {0}: deletion is final within 1 to {ERASE_WITHIN_S_MAX} seconds")]
    EraseWithin(u64),
    /// A region that cannot be witnessed.
    #[error("`[[witnessed]]` of `{region}`: {error}")]
    Witnessed {
        /// As it is named.
        region: String,
        /// Why.
        error: String,
    },
    /// A region that nothing can cross to or from.
    #[error("`[[crossing]]` of `{region}`: {error}")]
    Crossing {
        /// As it is named.
        region: String,
        /// Why.
        error: String,
    },
    /// Who should look at what crosses, cannot.
    #[error("`[guard]`: {0}")]
    Guard(String),
    /// Not a region's name.
    #[error("`{0}` is not a region's name: use lower-case letters, digits and `-`")]
    Name(String),
}

impl RegionConfig {
    /// The policy that it names.
    ///
    /// # Errors
    /// [`ConfigError`] when there is no such policy, or its file is unreadable or malformed.
    pub fn load_policy(&self) -> Result<Policy, ConfigError> {
        let Some(path) = &self.policy_file else {
            return Policy::builtin(&self.policy).ok_or_else(|| ConfigError::UnknownPolicy(self.policy.clone()));
        };
        let failed = |error: String| ConfigError::PolicyFile { path: path.clone(), error };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Policy::from_toml(&text).map_err(|error| failed(error.to_string()))
    }

    /// Checks what can be checked without touching the folder.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback(self.listen));
        }
        if !is_region_name(&self.name) {
            return Err(ConfigError::Name(self.name.clone()));
        }
        for (place, WitnessedConfig { region, .. }) in self.witnessed.iter().enumerate() {
            let failed = |error: &str| ConfigError::Witnessed { region: region.clone(), error: error.to_owned() };
            if !is_region_name(region) {
                return Err(ConfigError::Name(region.clone()));
            }
            if *region == self.name {
                return Err(failed("a region is no witness of itself"));
            }
            if self.witnessed.iter().take(place).any(|other| other.region == *region) {
                return Err(failed("it stands there twice"));
            }
        }
        crossing::check(&self.name, &self.crossing, self.guard.is_some())?;
        if !(1..=ERASE_WITHIN_S_MAX).contains(&self.erasure.within_s) {
            return Err(ConfigError::EraseWithin(self.erasure.within_s));
        }
        Ok(())
    }

    /// The regions below, with their keys.
    ///
    /// # Errors
    /// [`ConfigError`] when a file of keys cannot be read, or lacks a key.
    pub fn load_witnessed(&self) -> Result<Vec<WitnessedRegion>, ConfigError> {
        let load = |WitnessedConfig { region, keys }: &WitnessedConfig| {
            let at = keys.display();
            let failed = |error: String| ConfigError::Witnessed { region: region.clone(), error };
            let text = std::fs::read_to_string(keys).map_err(|error| failed(format!("`{at}`: {error}")))?;
            let found = read_keys(&text).map_err(|error| failed(format!("`{at}`: {error}")))?;
            let witnessed = WitnessedRegion::new(region, &found);
            let of = |kind: KeyKind| witnessed.keys.iter().filter(|key| key.kind() == kind).count();
            if of(KeyKind::Ed25519) != 1 || of(KeyKind::MlDsa65) != 1 {
                return Err(failed(format!("`{at}` holds not one Ed25519 and one ML-DSA-65 key of a log")));
            }
            let own = region_keys_name(region);
            if found.iter().any(|key| key.is_of_log() && key.name() != own) {
                return Err(failed(format!("`{at}` holds the keys of another region")));
            }
            Ok(witnessed)
        };
        self.witnessed.iter().map(load).collect()
    }

    /// The regions beside this one, and where their keys lie or will.
    ///
    /// # Errors
    /// [`ConfigError`] for a name that is none.
    pub fn peers(&self) -> Result<Vec<PeerFile>, ConfigError> {
        crossing::peers(&self.data, &self.crossing)
    }

    /// The time within which deletion becomes final.
    #[must_use]
    pub const fn erase_within(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.erasure.within_s)
    }

    /// What the region is, apart from where.
    #[must_use]
    pub fn setup(&self) -> RegionSetup {
        RegionSetup {
            name: self.name.clone(),
            floor: self.floor.clone(),
            ceiling: self.ceiling.clone(),
            labels: self.labels.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str, name: &str) -> RegionConfig {
        RegionConfig {
            name: name.to_owned(),
            data: PathBuf::from("data"),
            listen: listen.parse().unwrap(),
            policy: "us".to_owned(),
            policy_file: None,
            floor: "UNCLASSIFIED".to_owned(),
            ceiling: "SECRET".to_owned(),
            labels: Vec::new(),
            domain: None,
            erasure: ErasureConfig::default(),
            scrub: ScrubConfig::default(),
            ledger: LedgerConfig::default(),
            witnessed: Vec::new(),
            guard: None,
            crossing: Vec::new(),
        }
    }

    #[test]
    fn what_is_witnessed_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("low.keys");
        let of = |region: &str| {
            let mut config = config("127.0.0.1:1", "high");
            config.witnessed = vec![WitnessedConfig { region: region.to_owned(), keys: keys.clone() }];
            config
        };
        of("low").check().unwrap();
        let words = |result: Result<Vec<WitnessedRegion>, ConfigError>| result.unwrap_err().to_string();
        assert!(words(of("low").load_witnessed()).contains("low.keys"));
        let signing = fastness_ledger::SigningKeys::from_seeds(&[1; 32], &[2; 32]).unwrap();
        let both = signing.of_log(&region_keys_name("low"));
        for (text, says) in [
            ("nonsense".to_owned(), "no verifier key"),
            (String::new(), "holds not one"),
            (both[0].to_string(), "holds not one"),
            (format!("{}\n{}", both[1], both[1]), "holds not one"),
        ] {
            std::fs::write(&keys, text).unwrap();
            let found = words(of("low").load_witnessed());
            assert!(found.contains(says), "{found}");
        }
        std::fs::write(&keys, format!("{}\n{}\n{}\n", both[0], both[1], signing.of_witness("w"))).unwrap();
        let keys = both.map(|key| key.renamed("fastness/low/region")).to_vec();
        assert_eq!(of("low").load_witnessed().unwrap(), [WitnessedRegion { region: "low".to_owned(), keys }]);
        assert!(words(of("other").load_witnessed()).contains("another region"));

        assert!(matches!(of("high").check(), Err(ConfigError::Witnessed { .. })));
        assert!(matches!(of("../low").check(), Err(ConfigError::Name(_))));
        let mut twice = of("low");
        twice.witnessed.extend(of("low").witnessed);
        assert!(matches!(twice.check(), Err(ConfigError::Witnessed { .. })));
    }

    #[test]
    fn deletion_is_final_within_a_day_at_most() {
        for (within_s, good) in [(0, false), (1, true), (86_400, true), (86_401, false)] {
            let mut config = config("127.0.0.1:1", "r");
            config.erasure = ErasureConfig { within_s };
            assert_eq!(config.check().is_ok(), good, "{within_s}");
        }
    }

    #[test]
    fn without_tls_only_loopback_addresses_are_listened_on() {
        let check =
            |listen: &str, good: bool| assert_eq!(config(listen, "us-isob-east-1").check().is_ok(), good, "{listen}");
        check("127.0.0.1:9402", true);
        check("127.9.9.9:1", true);
        check("[::1]:9402", true);
        check("0.0.0.0:9402", false);
        check("10.0.0.1:9402", false);
        check("[::]:9402", false);
        check("[::ffff:10.0.0.1]:9402", false);
    }

    #[test]
    fn names_and_policies_are_checked() {
        for bad in ["", "US-EAST", "a/b", "..", &"a".repeat(65)] {
            assert!(config("127.0.0.1:1", bad).check().is_err(), "{bad}");
        }
        let mut unknown = config("127.0.0.1:1", "r");
        "eu".clone_into(&mut unknown.policy);
        assert!(matches!(unknown.load_policy(), Err(ConfigError::UnknownPolicy(_))));
        unknown.policy_file = Some(PathBuf::from("no-such-file"));
        assert!(matches!(unknown.load_policy(), Err(ConfigError::PolicyFile { .. })));
    }

    #[test]
    fn the_example_is_a_configuration() {
        let example: RegionConfig = toml::from_str(include_str!("../../../docs/region.toml")).unwrap();
        example.check().unwrap();
        assert_eq!(example.load_policy().unwrap().name(), "us");
    }
}
