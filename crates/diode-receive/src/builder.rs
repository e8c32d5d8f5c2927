//! Builds blocks: decodes what is not complete, tags, and writes at its place. Beside the thread that listens, which must
//! never wait for any of that.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use fastness_diode::{Block, BlockTag, BlockTagger, BundleNumber, LinkKey, RunId, decode};

use crate::block::OpenBlock;
use crate::gather::{Done, TransferId};

/// A block to build.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) transfer: TransferId,
    pub(crate) run: RunId,
    pub(crate) bundle: BundleNumber,
    pub(crate) number: u32,
    pub(crate) block: Block,
    pub(crate) symbol_bytes: u32,
    pub(crate) open: OpenBlock,
    /// Where it is written to; a bundle of one block is kept in memory instead.
    pub(crate) file: Option<Arc<File>>,
}

/// A block that was worked on.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) transfer: TransferId,
    pub(crate) number: u32,
    /// Its symbols: to be used again, or to be added to.
    pub(crate) open: OpenBlock,
    pub(crate) outcome: Outcome,
}

/// What came of a block.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is written.
    Written(BlockTag),
    /// It is whole, and the whole bundle.
    Whole(BlockTag, Vec<u8>),
    /// Its symbols do not determine it yet.
    Undetermined,
    /// It cannot be written.
    Unwritable(std::io::Error),
}

/// Builds what comes, until nothing comes any more.
pub(crate) fn run(link: &LinkKey, blocks: &Receiver<Build>, done: &Sender<Done>) {
    // Whoever listens comes first: what it misses is lost, what is built later is not.
    let _as_it_was = rustix::process::nice(5);
    let mut tagger: Option<(RunId, BlockTagger)> = None;
    for build in blocks {
        let (transfer, number) = (build.transfer, build.number);
        if tagger.as_ref().is_none_or(|(run, _)| *run != build.run) {
            tagger = link.block_tagger(&build.run).ok().map(|tagger| (build.run, tagger));
        }
        let outcome = match &tagger {
            Some((_, tagger)) => outcome(&build, tagger),
            None => Outcome::Undetermined,
        };
        if done.send(Done::Built(Built { transfer, number, open: build.open, outcome })).is_err() {
            return;
        }
    }
}

fn outcome(build: &Build, tagger: &BlockTagger) -> Outcome {
    let decoded;
    let whole = if build.open.is_complete() {
        &build.open.buffer
    } else {
        // Whoever holds the key chooses the symbols. Should the library fall over one, the block stays open, no more.
        let decode = || decode(build.open.symbols(), build.symbol_bytes, build.open.present());
        match std::panic::catch_unwind(decode) {
            Ok(Ok(block)) => {
                decoded = block;
                &decoded
            }
            Ok(Err(_)) | Err(_) => return Outcome::Undetermined,
        }
    };
    let content = whole.get(..build.block.bytes).unwrap_or_default();
    let Some(tag) = tagger.tag(build.bundle, build.number, content) else { return Outcome::Undetermined };
    match &build.file {
        None => Outcome::Whole(tag, content.to_vec()),
        Some(file) => match file.write_all_at(content, build.block.offset) {
            Ok(()) => Outcome::Written(tag),
            Err(error) => Outcome::Unwritable(error),
        },
    }
}
