//! The other reader of PNG, `zune-png`: it decodes both pictures and wants every pixel the same, and in the one that was
//! written anew nothing but its pixels.

use crate::Kind;
use crate::filter::{differs, pair};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_core::result::DecodingResult;
use zune_png::PngDecoder;

#[derive(PartialEq)]
struct Picture {
    width: usize,
    height: usize,
    color: ColorSpace,
    samples: Vec<u16>,
}

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let (before, after) = pair(contents)?;
    check_chunks(after)?;
    if decode(rules, before)? != decode(rules, after)? {
        return Err(differs("the pixels before and after"));
    }
    Ok(Done::default())
}

/// A header, pixels and an end, one behind the other and nothing else (PNG, third edition, section 5): whoever wrote it
/// anew left out all that carries something beside the picture.
fn check_chunks(content: &[u8]) -> Result<(), Refusal> {
    let more = || Refusal::new(Kind::Trailing, "more than a picture was written anew");
    let (signature, mut rest) = content.split_at_checked(8).ok_or_else(more)?;
    let mut expected: &[&[u8; 4]] = &[b"IHDR"];
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or_else(more)?;
        let (name, behind) = behind.split_first_chunk::<4>().ok_or_else(more)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| more())?;
        // The data, and four bytes of their sum.
        let (data, behind) = behind.split_at_checked(length.saturating_add(4)).ok_or_else(more)?;
        // A palette of its own would be another chunk.
        let has_palette = name == b"IHDR" && data.get(9) == Some(&3);
        if !expected.contains(&name) || has_palette {
            return Err(more());
        }
        expected = match name {
            b"IEND" => &[],
            _ => &[b"IDAT", b"IEND"],
        };
        rest = behind;
    }
    if expected.is_empty() && signature == b"\x89PNG\r\n\x1a\n" { Ok(()) } else { Err(more()) }
}

fn decode(rules: &Rules, content: &[u8]) -> Result<Picture, Refusal> {
    let ambiguous = || Refusal::new(Kind::Ambiguous, "the second reader does not take it for a PNG");
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(1 << 20)
        .set_max_height(1 << 20)
        .png_set_confirm_crc(true)
        .inflate_set_confirm_adler(true);
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(content), options);
    decoder.decode_headers().map_err(|_| ambiguous())?;
    let (width, height) = decoder.dimensions().ok_or_else(ambiguous)?;
    if width.saturating_mul(height) > usize::try_from(rules.bounds().pixels).unwrap_or(usize::MAX) {
        return Err(Refusal::new(Kind::Size, "more pixels than the policy allows"));
    }
    let samples = match decoder.decode().map_err(|_| ambiguous())? {
        DecodingResult::U8(samples) => samples.into_iter().map(u16::from).collect(),
        DecodingResult::U16(samples) => samples,
        _ => return Err(ambiguous()),
    };
    let color = decoder.colorspace().ok_or_else(ambiguous)?;
    Ok(Picture { width, height, color, samples })
}
