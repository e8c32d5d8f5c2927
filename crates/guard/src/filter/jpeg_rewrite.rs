//! JPEG, decoded by `zune-jpeg` and encoded again by `jpeg-encoder`: the picture alone, grey or in colours. Camera data,
//! thumbnails, profiles and comments stay behind. What was lossy loses once more.

use crate::Kind;
use crate::filter::only;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// High, because it is not the first loss.
const QUALITY: u8 = 95;
/// Progressive pictures of more scans are made to be slow.
const SCANS_MAX: usize = 64;

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let malformed = || Refusal::new(Kind::Malformed, "it is not a sound JPEG");
    if !content.ends_with(&[0xff, 0xd9]) {
        let has_end = content.windows(2).any(|two| two == [0xff, 0xd9]);
        return Err(match has_end {
            true => Refusal::new(Kind::Trailing, "bytes after the end of the picture"),
            false => Refusal::new(Kind::Malformed, "the picture ends before it is complete"),
        });
    }
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(1 << 16)
        .set_max_height(1 << 16)
        .jpeg_set_max_scans(SCANS_MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(content), options);
    decoder.decode_headers().map_err(|_| malformed())?;
    let (width, height) = decoder.dimensions().ok_or_else(malformed)?;
    if width.saturating_mul(height) > usize::try_from(rules.bounds().pixels).unwrap_or(usize::MAX) {
        return Err(Refusal::new(Kind::Size, "more pixels than the policy allows"));
    }
    let (color, encoded) = match decoder.input_colorspace().ok_or_else(malformed)? {
        ColorSpace::Luma => (ColorSpace::Luma, ColorType::Luma),
        ColorSpace::YCbCr | ColorSpace::RGB => (ColorSpace::RGB, ColorType::Rgb),
        _ => return Err(Refusal::new(Kind::Unverifiable, "a JPEG in inks (CMYK), which readers render differently")),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(color));
    let pixels = decoder.decode().map_err(|_| malformed())?;
    let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else { return Err(malformed()) };
    let mut anew = Vec::new();
    let mut encoder = Encoder::new(&mut anew, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
    encoder
        .encode(&pixels, width, height, encoded)
        .map_err(|_| Refusal::new(Kind::Malformed, "the picture cannot be encoded again"))?;
    Ok(Done::content(anew).note("the picture was encoded again, without camera data, thumbnails and comments"))
}
