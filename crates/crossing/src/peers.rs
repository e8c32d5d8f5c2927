//! The regions that a region knows, and the keys by which it knows them.

use crate::{KEYS_LEN_MAX, OwnKeys, Peer, files};
use fastness_operation::RegionName;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The file in a region's folder with its public keys, for other regions.
pub const KEYS_FILE: &str = "crossing.keys";

/// Where another region stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Lifts go there, and releases come from there.
    Above,
    /// Releases go there, and lifts come from there.
    Below,
    /// It is the region itself: to another label.
    Own,
}

/// A region that the configuration names, and where its public keys lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFile {
    /// The region.
    pub region: RegionName,
    /// Where it stands.
    pub standing: Standing,
    /// Its file [`KEYS_FILE`], brought here by hands that are trusted.
    pub keys: PathBuf,
}

/// The regions that the configuration names, and the region itself. Keys may come later than the region starts; keys that
/// were read once are not exchanged while it runs.
#[derive(Debug)]
pub struct Peers {
    own: Arc<Peer>,
    others: BTreeMap<RegionName, Known>,
}

#[derive(Debug)]
struct Known {
    standing: Standing,
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<Arc<Peer>>,
    /// What was said last of the file: each thing once.
    said: Option<String>,
}

impl Peers {
    /// The regions of a configuration.
    #[must_use]
    pub fn new(own: &OwnKeys, files: Vec<PeerFile>) -> Self {
        let known = |PeerFile { region, standing, keys }| {
            (region, Known { standing, file: keys, state: Mutex::new(State::default()) })
        };
        Self { own: Arc::new(own.peer()), others: files.into_iter().map(known).collect() }
    }

    /// The region's own name.
    #[must_use]
    pub fn own(&self) -> &RegionName {
        self.own.region()
    }

    /// The names of the others.
    pub fn others(&self) -> impl Iterator<Item = &RegionName> {
        self.others.keys()
    }

    /// Where a region stands; nothing when the configuration does not name it.
    #[must_use]
    pub fn standing(&self, region: &RegionName) -> Option<Standing> {
        match self.others.get(region) {
            Some(known) => Some(known.standing),
            None => (region == self.own.region()).then_some(Standing::Own),
        }
    }

    /// A region's keys; nothing when the configuration does not name it, or its keys are not here yet.
    #[must_use]
    pub fn keys(&self, region: &RegionName) -> Option<Arc<Peer>> {
        if region == self.own.region() {
            return Some(Arc::clone(&self.own));
        }
        self.others.get(region)?.state().keys.clone()
    }

    /// Reads the files of keys. What is wrong with one is answered in words, once: keys that cannot be read, and keys that
    /// are others than before, which are not taken over.
    #[must_use]
    pub fn look(&self) -> Vec<(RegionName, String)> {
        let said = |(region, known): (&RegionName, &Known)| {
            let found = known.look(region);
            let mut state = known.state();
            let is_new = found.is_some() && found != state.said;
            state.said.clone_from(&found);
            found.filter(|_| is_new).map(|words| (region.clone(), words))
        };
        self.others.iter().filter_map(said).collect()
    }
}

impl Known {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with the file now. One that is not there yet, is awaited.
    fn look(&self, region: &RegionName) -> Option<String> {
        let at = self.file.display();
        let text = match files::read(&self.file, KEYS_LEN_MAX) {
            Ok(files::Content::Bytes(bytes)) => String::from_utf8(bytes).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Ok(_) => String::new(),
            Err(error) => return Some(format!("`{at}` cannot be read: {error}")),
        };
        let read = match Peer::parse(region, &text) {
            Ok(peer) => peer,
            Err(error) => return Some(format!("`{at}`: {error}")),
        };
        let mut state = self.state();
        match &state.keys {
            None => state.keys = Some(Arc::new(read)),
            Some(keys) if **keys == read => {}
            Some(_) => {
                return Some(format!(
                    "`{at}` holds other keys than when they were read first; they are not used before the region starts anew"
                ));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastness_vault::RootKey;

    fn keys(region: &str) -> OwnKeys {
        OwnKeys::of(&name(region), &RootKey::generate().unwrap()).unwrap()
    }

    fn name(region: &str) -> RegionName {
        RegionName::new(region).unwrap()
    }

    #[test]
    fn keys_may_come_late_and_are_not_exchanged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("high.keys");
        let high = PeerFile { region: name("high"), standing: Standing::Above, keys: file.clone() };
        let own = keys("low");
        let peers = Peers::new(&own, vec![high]);
        assert_eq!(peers.standing(&name("high")), Some(Standing::Above));
        assert_eq!(peers.standing(&name("low")), Some(Standing::Own));
        assert_eq!(peers.standing(&name("other")), None);
        assert_eq!(*peers.keys(&name("low")).unwrap(), own.peer());
        assert_eq!(peers.look(), []);
        assert!(peers.keys(&name("high")).is_none() && peers.keys(&name("other")).is_none());

        let first = keys("high").peer();
        std::fs::write(&file, first.to_string()).unwrap();
        assert_eq!(peers.look(), []);
        assert_eq!(*peers.keys(&name("high")).unwrap(), first);

        std::fs::write(&file, keys("high").peer().to_string()).unwrap();
        let said = peers.look();
        assert!(said[0].1.contains("other keys") && said.len() == 1);
        // Said once, until it is something else.
        assert_eq!(peers.look(), []);
        assert_eq!(*peers.keys(&name("high")).unwrap(), first);
        for bad in ["", "nonsense", &keys("low").peer().to_string(), &"x".repeat(KEYS_LEN_MAX + 1)] {
            std::fs::write(&file, bad).unwrap();
            assert!(!peers.look().is_empty() || bad == "nonsense", "{bad}");
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(peers.look(), []);
        assert_eq!(*peers.keys(&name("high")).unwrap(), first);
        std::fs::write(&file, first.to_string()).unwrap();
        assert_eq!(peers.look(), []);
    }
}
