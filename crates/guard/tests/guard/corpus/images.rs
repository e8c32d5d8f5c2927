//! PNG and JPEG.

use super::{Items, item};
use crate::corpus::archives::zip;
use jpeg_encoder::{ColorType as JpegColor, Encoder as JpegEncoder};
use png::{BitDepth, ColorType, Encoder};

pub fn add(items: &mut Items) {
    pngs(items);
    png_chunks(items);
    jpegs(items);
}

/// A picture with some structure.
pub fn samples(count: usize) -> Vec<u8> {
    (0..count).map(|at| u8::try_from((at * 7 + at / 64) % 251).unwrap()).collect()
}

pub fn png(width: u32, height: u32, color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    out
}

fn plain_png() -> Vec<u8> {
    png(16, 16, ColorType::Rgb, BitDepth::Eight, &samples(16 * 16 * 3))
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend_from_slice(data);
    let sum = crc(&out[4..]);
    out.extend(sum.to_be_bytes());
    out
}

/// The picture with a chunk behind its header, or before its end.
fn with_chunk(png: &[u8], chunk: &[u8], at_end: bool) -> Vec<u8> {
    let at = if at_end { png.len() - 12 } else { 33 };
    [&png[..at], chunk, &png[at..]].concat()
}

fn pngs(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: Vec<u8>| {
        item(items, &format!("png-{name}"), "a.png", "image/png", content)
    };
    let kinds = [
        ("good-grey", ColorType::Grayscale, BitDepth::Eight, 1),
        ("good-grey-alpha", ColorType::GrayscaleAlpha, BitDepth::Eight, 2),
        ("good-colours", ColorType::Rgb, BitDepth::Eight, 3),
        ("good-alpha", ColorType::Rgba, BitDepth::Eight, 4),
        ("good-16-bits", ColorType::Rgb, BitDepth::Sixteen, 6),
    ];
    for (name, color, depth, bytes) in kinds {
        own(items, name, png(20, 10, color, depth, &samples(200 * bytes)));
    }
    own(items, "good-palette", png(16, 4, ColorType::Indexed, BitDepth::Two, &samples(16)));
    own(items, "good-two-colours", png(16, 4, ColorType::Grayscale, BitDepth::One, &samples(8)));
    own(items, "good-with-texts", with_chunk(&plain_png(), &chunk(b"tEXt", b"Comment\0TOP SECRET//SI"), false));
    own(items, "good-with-exif", with_chunk(&plain_png(), &chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0"), false));
    own(items, "good-with-private-chunk", with_chunk(&plain_png(), &chunk(b"prVt", b"payload"), true));
    let png = plain_png();
    own(items, "trailing-text", [&png[..], b"more"].concat());
    own(items, "trailing-zip", [&png[..], &zip(&[("a.txt", b"x")])].concat());
    own(items, "trailing-script", [&png[..], b"<script>alert(1)</script>"].concat());
    own(items, "trailing-png", [&png[..], &png[..]].concat());
    own(items, "leading-bytes", [b"x", &png[..]].concat());
    own(items, "cut-off", png[..png.len() / 2].to_vec());
    own(items, "without-end", png[..png.len() - 12].to_vec());
    own(items, "only-signature", png[..8].to_vec());
    own(items, "empty", Vec::new());
    let mut broken = png.clone();
    broken[30] ^= 1;
    own(items, "wrong-checksum-of-header", broken);
    let mut broken = png.clone();
    let middle = png.len() / 2;
    broken[middle] ^= 0xff;
    own(items, "damaged-data", broken);
    own(items, "jpeg-called-png", jpeg());
    own(items, "text-called-png", b"just text".to_vec());
}

fn header(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let mut data = [width.to_be_bytes(), height.to_be_bytes()].concat();
    data.extend([depth, color, 0, 0, 0]);
    chunk(b"IHDR", &data)
}

fn zlib(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn png_chunks(items: &mut Items) {
    let own = |items: &mut Items, name: &str, chunks: &[Vec<u8>]| {
        let content = [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat();
        item(items, &format!("png-{name}"), "a.png", "image/png", content);
    };
    let data = |bytes: usize| chunk(b"IDAT", &zlib(&vec![0; bytes]));
    let end = || chunk(b"IEND", b"");
    own(items, "pixels-without-end", &[header(0x7fff_ffff, 0x7fff_ffff, 8, 6), data(64), end()]);
    own(items, "pixels-too-many", &[header(5_000, 5_000, 1, 0), data(5_000 * 626), end()]);
    own(items, "no-pixels", &[header(0, 0, 8, 2), data(1), end()]);
    own(items, "impossible-depth", &[header(4, 4, 3, 2), data(64), end()]);
    own(items, "impossible-colour", &[header(4, 4, 8, 7), data(64), end()]);
    own(items, "too-little-data", &[header(64, 64, 8, 2), data(10), end()]);
    own(items, "without-data", &[header(4, 4, 8, 2), end()]);
    own(items, "without-header", &[data(52), end()]);
    own(items, "two-headers", &[header(4, 4, 8, 2), header(8, 8, 8, 2), data(52), end()]);
    own(items, "palette-missing", &[header(4, 4, 8, 3), data(20), end()]);
    own(
        items,
        "neutral-palette-index-beyond",
        &[header(4, 1, 8, 3), chunk(b"PLTE", &[0; 3]), chunk(b"IDAT", &zlib(&[0, 9, 9, 9, 9])), end()],
    );
    own(items, "unknown-critical-chunk", &[header(4, 4, 8, 2), chunk(b"EVIL", b"x"), data(52), end()]);
    own(items, "moving-picture", &moving());
    own(items, "neutral-text-bomb", &[header(4, 4, 8, 2), text_bomb(), data(52), end()]);
    own(
        items,
        "data-in-two-places",
        &[header(4, 4, 8, 2), data(26), chunk(b"tIME", &[7, 208, 1, 1, 0, 0, 0]), data(26), end()],
    );
    own(items, "filter-unknown", &[header(4, 1, 8, 0), chunk(b"IDAT", &zlib(&[9, 1, 2, 3, 4])), end()]);
    own(items, "data-not-compressed", &[header(4, 1, 8, 0), chunk(b"IDAT", b"not zlib at all"), end()]);
}

fn moving() -> Vec<Vec<u8>> {
    let control = chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    let frame = |number: u8| {
        let size = [0, 0, 0, 4, 0, 0, 0, 4];
        chunk(b"fcTL", &[&[0, 0, 0, number][..], &size, &[0; 8], &[0, 1, 0, 1, 0, 0]].concat())
    };
    let pixels = zlib(&[0; 52]);
    let second = chunk(b"fdAT", &[&[0, 0, 0, 2][..], &pixels].concat());
    vec![header(4, 4, 8, 2), control, frame(0), chunk(b"IDAT", &pixels), frame(1), second, chunk(b"IEND", b"")]
}

fn text_bomb() -> Vec<u8> {
    chunk(b"zTXt", &[b"Comment\0\0".as_slice(), &zlib(&vec![b'a'; 30 << 20])].concat())
}

pub fn jpeg() -> Vec<u8> {
    jpeg_of(32, 24, JpegColor::Rgb, 3)
}

pub fn jpeg_of(width: u16, height: u16, color: JpegColor, bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let smooth: Vec<u8> = (0..usize::from(width) * usize::from(height) * bytes)
        .map(|at| u8::try_from((at / bytes % usize::from(width)) * 5 % 256).unwrap())
        .collect();
    JpegEncoder::new(&mut out, 90).encode(&smooth, width, height, color).unwrap();
    out
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker][..], &length, data].concat()
}

fn jpegs(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: Vec<u8>| {
        item(items, &format!("jpeg-{name}"), "a.jpg", "image/jpeg", content)
    };
    let jpeg = jpeg();
    let inserted = |segment: Vec<u8>| [&jpeg[..2], &segment, &jpeg[2..]].concat();
    own(items, "good-colours", jpeg.clone());
    own(items, "good-grey", jpeg_of(17, 9, JpegColor::Luma, 1));
    let mut progressive = Vec::new();
    let mut encoder = JpegEncoder::new(&mut progressive, 85);
    encoder.set_progressive(true);
    encoder.encode(&vec![90; 40 * 40 * 3], 40, 40, JpegColor::Rgb).unwrap();
    own(items, "good-progressive", progressive);
    own(items, "good-with-comment", inserted(segment(0xfe, b"TOP SECRET//SI")));
    own(items, "good-with-exif", inserted(segment(0xe1, b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")));
    own(items, "trailing-text", [&jpeg[..], b"more"].concat());
    own(items, "trailing-zip", [&jpeg[..], &zip(&[("a.txt", b"x")])].concat());
    own(items, "trailing-hidden-before-a-second-end", [&jpeg[..], b"hidden", &[0xff, 0xd9]].concat());
    own(items, "trailing-second-picture", [&jpeg[..], &jpeg[..]].concat());
    own(items, "leading-bytes", [b"x", &jpeg[..]].concat());
    own(items, "cut-off", jpeg[..jpeg.len() / 2].to_vec());
    own(items, "cut-off-and-ended", [&jpeg[..jpeg.len() / 2], &[0xff, 0xd9]].concat());
    own(items, "only-markers", vec![0xff, 0xd8, 0xff, 0xd9]);
    own(items, "only-start", vec![0xff, 0xd8, 0xff]);
    own(items, "inks", jpeg_of(16, 16, JpegColor::Cmyk, 4));
    own(items, "png-called-jpeg", plain_png());
    own(
        items,
        "html-in-comment-without-picture",
        [&[0xff, 0xd8][..], &segment(0xfe, b"<script>x</script>"), &[0xff, 0xd9]].concat(),
    );
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    let mut vast = jpeg.clone();
    vast[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    own(items, "pixels-too-many", vast);
    let mut empty = jpeg.clone();
    empty[frame + 5..frame + 9].copy_from_slice(&[0, 0, 0, 0]);
    own(items, "no-pixels", empty);
    let mut sampled = jpeg.clone();
    sampled[frame + 11] = 0x00;
    own(items, "impossible-sampling", sampled);
    let table = jpeg.windows(2).position(|two| two == [0xff, 0xc4]).unwrap();
    let mut tables = jpeg.clone();
    tables[table + 5..table + 21].fill(0xff);
    own(items, "impossible-huffman-table", tables);
    own(items, "segment-beyond-the-end", [&[0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff][..], b"x", &[0xff, 0xd9]].concat());
    own(
        items,
        "arithmetic-coding",
        jpeg.iter().enumerate().map(|(at, byte)| if at == frame + 1 { 0xc9 } else { *byte }).collect(),
    );
    own(
        items,
        "lossless-coding",
        jpeg.iter().enumerate().map(|(at, byte)| if at == frame + 1 { 0xc3 } else { *byte }).collect(),
    );
}
