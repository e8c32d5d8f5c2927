//! libFuzzer's side: `FUZZ_TARGET` names the function that it calls. With `FUZZ_CHORE` it does something else, and ends.

#![no_main]

use fastness_fuzz::Target;
use std::env::var;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Libraries whose panics somebody catches: the store those of `redb`, the guard's sandbox those of its filters' parsers.
const CAUGHT: &[&str] =
    &["/redb-", "/actson-", "/jpeg-", "/png-", "/rawzip-", "/simd-csv-", "/tar-", "/zip-", "/zune-"];

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let target = var("FUZZ_TARGET").ok().and_then(|name| fastness_fuzz::target(&name));
        if let Ok(chore) = var("FUZZ_CHORE") {
            let path = |name| PathBuf::from(var(name).unwrap_or_default());
            fastness_fuzz::chore(&chore, target, &path("FUZZ_FOLDER"), &path("FUZZ_PACKED"));
            std::process::exit(0);
        }
        // What a library panics of is let through to whoever is to catch it; uncaught, it ends the process all the same.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_caught = |place: &str| CAUGHT.iter().any(|library| place.contains(library));
            if !panic.location().is_some_and(|place| is_caught(place.file())) {
                hook(panic);
            }
        }));
        TARGET.set(target.expect("FUZZ_TARGET names a target")).expect("set once");
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(data);
        }
    }
);
