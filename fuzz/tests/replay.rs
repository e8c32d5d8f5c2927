//! Every input that the fuzzers ever found worth keeping goes through its target again.

use fastness_fuzz::{TARGETS, unpack};
use std::io::{Error, Result};
use std::path::Path;

/// Runs the seeds, the packed corpus and the inputs that once broke something; says how many that were.
fn replay(name: &str) -> Result<usize> {
    let target = fastness_fuzz::target(name).ok_or_else(|| Error::other("no such target"))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packed = std::fs::read(folder.join(format!("corpus/{name}.postcard")))?;
    let mut inputs = (target.seeds)();
    inputs.extend(unpack(&packed).ok_or_else(|| Error::other("the corpus is none"))?);
    if let Ok(kept) = std::fs::read_dir(folder.join("findings").join(name)) {
        for entry in kept {
            inputs.push(std::fs::read(entry?.path())?);
        }
    }
    inputs.iter().for_each(|input| (target.run)(input));
    Ok(inputs.len())
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                assert!(replay(stringify!($name)).unwrap() > 0);
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($name)),*];
            // The rows of the catalog are replayed within the store.
            let is_replayed = |name: &str| name == "rows" || replayed.contains(&name);
            assert!(TARGETS.iter().all(|target| is_replayed(target.name)));
        }
    };
}

targets! {
    signature chunked s3_request iam_request trail xml form marking policy sealed damaged ledger witness bundle disclosed diode config
    guard_text guard_json guard_xml guard_csv guard_png guard_jpeg guard_zip guard_tar guard_gzip guard_type guard_claim guard_words guard_markings
    guard_answer
}
