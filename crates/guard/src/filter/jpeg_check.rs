//! The other reader of JPEG, `jpeg-decoder`: it decodes both pictures and wants them to look the same, and in the one that
//! was written anew nothing but a picture.

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

/// `jpeg-decoder` gives a picture of more than 128 pixels to several threads, which no sandbox allows: here they are this one.
pub(crate) fn on_one_thread() {
    // Without it, it tries to start them, and is ended: its picture passes nothing.
    let _several = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
}

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let (before, after) = pair(contents)?;
    check_segments(after)?;
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

/// Tables, the frame, its scans and an end, behind the one header of JFIF (ITU-T T.81, annex B; T.871): no further segment of
/// an application, and no comment.
fn check_segments(content: &[u8]) -> Result<(), Refusal> {
    let more = || Refusal::new(Kind::Trailing, "more than a picture was written anew");
    let mut rest = content.strip_prefix(&[0xff, 0xd8, 0xff, 0xe0, 0, 16]).ok_or_else(more)?;
    rest = rest.strip_prefix(b"JFIF\0").and_then(|rest| rest.get(9..)).ok_or_else(more)?;
    loop {
        let (start, marker) = match rest {
            [0xff, 0xd9] => return Ok(()),
            [0xff, marker, behind @ ..] => (behind, *marker),
            _ => return Err(more()),
        };
        let length = start.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length))).ok_or_else(more)?;
        rest = start.get(length..).ok_or_else(more)?;
        match marker {
            // Tables of quantization, of Huffman codes; the frame.
            0xdb | 0xc4 | 0xc0 => {}
            // A scan goes on until a marker that is none of those within one: a stuffed byte, a restart.
            0xda => {
                let is_end = |pair: &[u8]| matches!(pair, [0xff, after] if !matches!(after, 0 | 0xd0..=0xd7));
                let end = rest.windows(2).position(is_end).ok_or_else(more)?;
                rest = rest.get(end..).unwrap_or_default();
            }
            _ => return Err(more()),
        }
    }
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
    if !matches!(info.pixel_format, PixelFormat::L8 | PixelFormat::RGB24) {
        return Err(Refusal::new(Kind::Unverifiable, "a JPEG that is neither grey nor in three colours of 8 bits"));
    }
    let samples = decoder.decode().map_err(|_| ambiguous())?;
    if cursor.position() != content.len() as u64 {
        return Err(Refusal::new(Kind::Trailing, "bytes after the end of the picture"));
    }
    Ok(Picture { width: info.width, height: info.height, format: info.pixel_format, samples })
}
