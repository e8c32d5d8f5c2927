//! A region's configuration.
//!
//! Oracle: what is read writes itself as what reads the same; what passes the check listens on the loopback address
//! alone; and a region that can be made of it holds labels between its floor and its ceiling, and no others.

use crate::house::runtime;
use crate::sure;
use fastness_identity::DirectoryChange;
use fastness_region::RegionConfig;
use fastness_store::Store;
use fastness_store::disk::MemoryDisk;
use fastness_vault::RootKey;
use std::sync::Arc;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(config) = toml::from_str::<RegionConfig>(text) else { return };
    let written = sure(toml::to_string(&config));
    assert_eq!(toml::from_str::<RegionConfig>(&written).as_ref(), Ok(&config), "{written}");
    let checked = config.check();
    assert!(checked.is_err() || config.listen.ip().is_loopback());
    // A policy's file would be any file of this machine.
    if checked.is_err() || config.policy_file.is_some() || config.labels.len() > 3 {
        return;
    }
    let Ok(policy) = config.load_policy() else { return };
    let disk = Arc::new(MemoryDisk::new());
    let root = RootKey::from_bytes(&[9; 32]);
    let first = |_: &mut dyn DirectoryChange| Ok(());
    let made = Store::create(disk, root, policy.clone(), config.setup(), first, vec![1; 33]);
    let Ok((store, ())) = runtime().block_on(made) else { return };
    let labels = store.labels();
    let (floor, ceiling) = (sure(policy.label(&config.floor)), sure(policy.label(&config.ceiling)));
    assert_eq!((labels.floor(), labels.ceiling()), (floor, ceiling));
    assert!(labels.held().iter().all(|label| floor.is_dominated_by(*label) && label.is_dominated_by(ceiling)));
    for text in &config.labels {
        assert!(labels.held().contains(&sure(policy.label(text))), "`{text}` is missing");
    }
    assert_eq!(store.setup(), config.setup());
    store.close();
}
