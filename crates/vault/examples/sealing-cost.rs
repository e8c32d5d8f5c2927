//! Prints what sealing and opening cost, one line each.

use fastness_vault::{
    ErasureKey, FRAME_LEN, FramePlace, PAGE_OVERHEAD, PartitionKey, SEALED_FRAME_LEN, ValueKey, VaultError,
};
use std::{hint::black_box, time::Instant};

fn main() -> Result<(), VaultError> {
    let partition = PartitionKey::generate()?;
    let pages = partition.pages("catalog")?;
    let plain = vec![7; 4096];
    let mut sealed = vec![0; 4096 + PAGE_OVERHEAD];
    let mut opened = vec![0; 4096];
    time("seal a page of 4 KiB", 4096, || pages.seal(3, &plain, &mut sealed))?;
    time("open a page of 4 KiB", 4096, || pages.open(3, &sealed, &mut opened))?;

    let value = ValueKey::generate()?;
    let frames = value.frames()?;
    let mut frame = vec![7; SEALED_FRAME_LEN];
    let place = FramePlace::Middle { index: 1 };
    time("seal a frame of 64 KiB", FRAME_LEN, || frames.seal_in_place(place, &mut frame))?;
    time("seal and open a frame", 2 * FRAME_LEN, || {
        frames.seal_in_place(place, &mut frame)?;
        frames.open_in_place(place, &mut frame).map(|_| ())
    })?;

    let erasure = ErasureKey::generate()?;
    time("generate and wrap a value key", 32, || {
        black_box(erasure.wrap(&ValueKey::generate()?)?);
        Ok(())
    })?;
    let wrapped = erasure.wrap(&value)?;
    time("unwrap a value key", 32, || erasure.unwrap(&wrapped).map(|key| drop(black_box(key))))?;
    time("seal a small value of 4 KiB", 4096, || value.seal_small(&plain).map(|sealed| drop(black_box(sealed))))?;
    let mut nonce = [0; 12];
    time("draw a nonce", 12, || aws_lc_rs::rand::fill(black_box(&mut nonce)).map_err(|_| VaultError::Random))
}

fn time(what: &str, bytes: usize, mut work: impl FnMut() -> Result<(), VaultError>) -> Result<(), VaultError> {
    const ROUNDS: u32 = 20_000;
    for _ in 0..ROUNDS / 10 {
        work()?;
    }
    let start = Instant::now();
    for _ in 0..ROUNDS {
        work()?;
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(ROUNDS);
    let rate = bytes as f64 / seconds / 1e9;
    println!("{what:32} {:8.2} µs {rate:8.2} GB/s", seconds * 1e6);
    Ok(())
}
