//! What a region's configuration says of crossing: which regions lie beside it, and who looks at what comes from them.

use crate::ConfigError;
use fastness_crossing::{PeerFile, Standing};
use fastness_operation::RegionName;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A region beside this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossingConfig {
    /// Its name.
    pub region: String,
    /// Where it lies.
    pub way: WayConfig,
    /// Its file `crossing.keys`, brought here by hands that are trusted. Default: `peers/REGION.keys` in the region's
    /// folder. It may come later than the region starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
}

/// Where a region lies, seen from this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayConfig {
    /// Lifts go there, and releases come from there.
    Above,
    /// Releases go there, and lifts come from there.
    Below,
}

/// Who looks at what arrives. Without it nothing crosses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardConfig {
    /// The program `fastness-filter`.
    pub program: PathBuf,
    /// A file with words that nothing may hold which comes in, one a line. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<PathBuf>,
    /// The socket of ClamAV's daemon, which is asked of every content. Default: nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamd: Option<PathBuf>,
}

/// Where another region's public keys lie in a region's folder, unless its configuration says otherwise.
#[must_use]
pub fn peer_keys_file(region: &Path, other: &str) -> PathBuf {
    region.join("peers").join(format!("{other}.keys"))
}

/// Checks what can be checked without touching a file.
pub(crate) fn check(own: &str, crossing: &[CrossingConfig], has_guard: bool) -> Result<(), ConfigError> {
    for (place, CrossingConfig { region, .. }) in crossing.iter().enumerate() {
        let failed = |error: &str| ConfigError::Crossing { region: region.clone(), error: error.to_owned() };
        if RegionName::new(region).is_err() {
            return Err(ConfigError::Name(region.clone()));
        }
        if region == own {
            return Err(failed("a region lies neither above nor below itself"));
        }
        if crossing.iter().take(place).any(|other| other.region == *region) {
            return Err(failed("it stands there twice"));
        }
        if !has_guard {
            return Err(failed("nothing crosses without a `[guard]` that looks at it"));
        }
    }
    Ok(())
}

/// The regions beside one whose folder is `data`.
pub(crate) fn peers(data: &Path, crossing: &[CrossingConfig]) -> Result<Vec<PeerFile>, ConfigError> {
    let file = |CrossingConfig { region, way, keys }: &CrossingConfig| {
        let standing = match way {
            WayConfig::Above => Standing::Above,
            WayConfig::Below => Standing::Below,
        };
        let keys = keys.clone().unwrap_or_else(|| peer_keys_file(data, region));
        let region = RegionName::new(region).map_err(|_| ConfigError::Name(region.clone()))?;
        Ok(PeerFile { region, standing, keys })
    };
    crossing.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(region: &str) -> CrossingConfig {
        CrossingConfig { region: region.to_owned(), way: WayConfig::Above, keys: None }
    }

    #[test]
    fn regions_beside_are_others_once_each_and_guarded() {
        check("low", &[], false).unwrap();
        check("low", &[beside("high"), beside("higher")], true).unwrap();
        let refused = |regions: &[&str], has_guard: bool| {
            let all: Vec<CrossingConfig> = regions.iter().map(|region| beside(region)).collect();
            check("low", &all, has_guard).unwrap_err().to_string()
        };
        assert!(refused(&["low"], true).contains("itself"));
        assert!(refused(&["high", "high"], true).contains("twice"));
        assert!(refused(&["high"], false).contains("[guard]"));
        assert!(refused(&["../high"], true).contains("not a region's name"));
    }

    #[test]
    fn keys_lie_in_the_regions_folder_unless_they_lie_elsewhere() {
        let mut elsewhere = beside("higher");
        elsewhere.keys = Some(PathBuf::from("/etc/higher.keys"));
        let found = peers(Path::new("data"), &[beside("high"), elsewhere]).unwrap();
        let files: Vec<&Path> = found.iter().map(|one| one.keys.as_path()).collect();
        assert_eq!(files, [Path::new("data/peers/high.keys"), Path::new("/etc/higher.keys")]);
    }

    #[test]
    fn a_configuration_reads_as_it_is_written() {
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        struct Both {
            guard: GuardConfig,
            crossing: Vec<CrossingConfig>,
        }
        let guard = GuardConfig { program: PathBuf::from("fastness-filter"), words: None, clamd: None };
        let both = Both { guard, crossing: vec![beside("high")] };
        let text = toml::to_string(&both).unwrap();
        assert_eq!(toml::from_str::<Both>(&text).unwrap(), both);
        assert!(toml::from_str::<Both>(&text.replace("above", "beside")).is_err());
    }
}
