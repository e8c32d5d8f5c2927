//! The other reader of gzip, `zune-inflate`.

use crate::filter::differs;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use zune_inflate::{DeflateDecoder, DeflateOptions};

/// Parts: the gzip before and after, then what was inside before and after.
pub(crate) fn run(_: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let [before, after, old, new] = contents else { return Err(differs("nothing was to be compared")) };
    compare(before, old)?;
    compare(after, new)?;
    Ok(Done::default())
}

fn compare(content: &[u8], expected: &[u8]) -> Result<(), Refusal> {
    let options = DeflateOptions::default()
        .set_limit(expected.len().saturating_add(1))
        .set_size_hint(expected.len())
        .set_confirm_checksum(true);
    let expanded = DeflateDecoder::new_with_options(content, options).decode_gzip();
    match expanded {
        Ok(expanded) if expanded == expected => Ok(()),
        Ok(_) => Err(differs("what is inside")),
        Err(_) => Err(differs("only one of them can expand it")),
    }
}
