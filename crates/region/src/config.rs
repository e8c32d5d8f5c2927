//! A region's configuration: what `fastness serve --config FILE` reads.

use fastness_label::Policy;
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
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(valid) {
            return Err(ConfigError::Name(self.name.clone()));
        }
        Ok(())
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
