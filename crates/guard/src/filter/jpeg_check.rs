//! The other reader of JPEG, `jpeg-decoder`: it decodes both pictures and wants them to look the same.

use crate::Kind;
use crate::filter::{differs, pair};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use jpeg_decoder::{Decoder, PixelFormat};
use std::io::Cursor;

/// The mean distance of samples that two decoders and one more encoding may have, of 255.
const MEAN_DISTANCE_MAX: u64 = 6;

struct Picture {
    width: u16,
    height: u16,
    format: PixelFormat,
    samples: Vec<u8>,
}

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let (before, after) = pair(contents)?;
    let (one, other) = (decode(rules, before)?, decode(rules, after)?);
    let is_same_shape = one.width == other.width
        && one.height == other.height
        && one.format == other.format
        && one.samples.len() == other.samples.len();
    let distance: u64 =
        one.samples.iter().zip(&other.samples).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
    if !is_same_shape || distance > MEAN_DISTANCE_MAX.saturating_mul(one.samples.len() as u64) {
        return Err(differs("the pictures before and after"));
    }
    Ok(Done::default())
}

fn decode(rules: &Rules, content: &[u8]) -> Result<Picture, Refusal> {
    let ambiguous = || Refusal::new(Kind::Ambiguous, "the second reader does not take it for a JPEG");
    let mut cursor = Cursor::new(content);
    let mut decoder = Decoder::new(&mut cursor);
    let pixels = rules.bounds().pixels;
    decoder.set_max_decoding_buffer_size(usize::try_from(pixels.saturating_mul(4)).unwrap_or(usize::MAX));
    decoder.read_info().map_err(|_| ambiguous())?;
    let info = decoder.info().ok_or_else(ambiguous)?;
    if u64::from(info.width).saturating_mul(u64::from(info.height)) > pixels {
        return Err(Refusal::new(Kind::Size, "more pixels than the policy allows"));
    }
    let samples = decoder.decode().map_err(|_| ambiguous())?;
    if cursor.position() != content.len() as u64 {
        return Err(Refusal::new(Kind::Trailing, "bytes after the end of the picture"));
    }
    Ok(Picture { width: info.width, height: info.height, format: info.pixel_format, samples })
}
