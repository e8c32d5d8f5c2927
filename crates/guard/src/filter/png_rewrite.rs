//! PNG, decoded and encoded again by `png`: the picture alone, in 8 or 16 bits a sample. Texts, colour profiles, times and
//! every other chunk stay behind.

use crate::Kind;
use crate::filter::only;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use png::{DecodeOptions, Decoder, DecodingError, Encoder, Limits, Transformations};
use std::io::Cursor;

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let mut cursor = Cursor::new(content);
    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(false);
    let mut decoder = Decoder::new_with_options(&mut cursor, options);
    // Eight bytes a pixel, and something for chunks.
    let bytes = rules.bounds().pixels.saturating_mul(8).saturating_add(1 << 20);
    decoder.set_limits(Limits { bytes: usize::try_from(bytes).unwrap_or(usize::MAX) });
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(|error| unreadable(&error))?;
    let (width, height) = (header.width, header.height);
    if u64::from(width).saturating_mul(u64::from(height)) > rules.bounds().pixels {
        return Err(Refusal::new(Kind::Size, "more pixels than the policy allows"));
    }
    let mut reader = decoder.read_info().map_err(|error| unreadable(&error))?;
    if reader.info().is_animated() {
        return Err(Refusal::new(Kind::Hidden, "a moving picture, whose further frames few programs show"));
    }
    let (color, depth) = reader.output_color_type();
    let room = reader.output_buffer_size().ok_or_else(|| Refusal::new(Kind::Size, "a picture that is too large"))?;
    let mut pixels = vec![0; room];
    let frame = reader.next_frame(&mut pixels).map_err(|error| unreadable(&error))?;
    reader.finish().map_err(|error| unreadable(&error))?;
    drop(reader);
    if cursor.position() != content.len() as u64 {
        return Err(Refusal::new(Kind::Trailing, "bytes after the end of the picture"));
    }
    pixels.truncate(frame.buffer_size());
    let mut anew = Vec::new();
    let mut encoder = Encoder::new(&mut anew, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&pixels)?;
        writer.finish()
    });
    written.map_err(|_| Refusal::new(Kind::Malformed, "the picture cannot be encoded again"))?;
    Ok(Done::content(anew).note("the picture was encoded again, without texts, profiles and other additions"))
}

fn unreadable(error: &DecodingError) -> Refusal {
    match error {
        DecodingError::LimitsExceeded => Refusal::new(Kind::Size, "a picture that needs more memory than it may"),
        DecodingError::IoError(_) => Refusal::new(Kind::Malformed, "the picture ends before it is complete"),
        DecodingError::Format(_) | DecodingError::Parameter(_) => {
            Refusal::new(Kind::Malformed, "it is not a sound PNG")
        }
    }
}
