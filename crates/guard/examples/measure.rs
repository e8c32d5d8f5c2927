//! Asks each filter of the guard in its process, and the whole pipeline, and prints what they do, a line of JSON a round.
//!
//! `measure ROUNDS MILLISECONDS FILTER_PROGRAM`, each row of a round so long. `cargo xtask bench guard` runs it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fastness_guard::filter::Question;
use fastness_guard::{ContentType, Guard, Object, Policy, Process, Verdict};

/// Sizes of objects, as near as the types come to them, and how many are asked about together.
const SIZES: [(usize, &[usize]); 2] = [(4 << 10, &[1, 128]), (1 << 20, &[1])];

/// An object of one type and the filters that see it.
struct Sample {
    content_type: ContentType,
    name: &'static str,
    size: usize,
    content: Vec<u8>,
    /// How many such objects are asked about together.
    together: &'static [usize],
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("rounds, milliseconds and the filter program are needed");
    let (rounds, time, program): (u32, u64, String) = (next()?.parse()?, next()?.parse()?, next()?);
    let (time, program) = (Duration::from_millis(time), Path::new(&program));
    let policy = policy();
    let mut samples = Vec::new();
    for (size, together) in SIZES {
        samples.extend(self::samples(size, together)?);
    }
    for round in 1..=rounds {
        for sample in &samples {
            filters(&policy, program, sample, time, round)?;
            whole(&policy, program, sample, time, round)?;
        }
    }
    Ok(())
}

fn policy() -> Policy {
    let mut policy = Policy::new("us");
    policy.content_types.extend(ContentType::ALL);
    policy.words = ["umbra", "blue harvest", "gray mantle", "seven veils"].map(str::to_owned).to_vec();
    policy
}

fn print(
    (row, together): (&str, usize),
    sample: &Sample,
    round: u32,
    time: Duration,
    mut once: impl FnMut() -> Result<()>,
) -> Result<()> {
    once().with_context(|| format!("{row} on {}", sample.name))?;
    let (begin, mut count) = (Instant::now(), 0_u32);
    while begin.elapsed() < time {
        once()?;
        count += 1;
    }
    let rate = f64::from(count) * together as f64 / begin.elapsed().as_secs_f64();
    let line = serde_json::json!({
        "row": row,
        "together": together,
        "content_type": sample.content_type.media_type(),
        "size": sample.size,
        "bytes": sample.content.len(),
        "round": round,
        "objects_per_second": rate,
        "megabytes_per_second": rate * sample.content.len() as f64 / 1e6,
    });
    println!("{line}");
    Ok(())
}

fn filters(policy: &Policy, program: &Path, sample: &Sample, time: Duration, round: u32) -> Result<()> {
    let question =
        Question { name: sample.name, content_type: sample.content_type, label: "SECRET", metadata: &[], entries: &[] };
    let refused = |finding: fastness_guard::Finding| anyhow::anyhow!("{finding}");
    let start = |name: &str| Process::start(policy, program, name).map_err(refused);
    let content = sample.content.as_slice();
    let row = |name: &str, question: &Question<'_>, contents: &[&[u8]]| {
        let mut process = start(name)?;
        for together in sample.together {
            let many = vec![contents; *together];
            print((name, *together), sample, round, time, || {
                let made = process.ask_many(question, &many).map_err(refused)?;
                made.into_iter().try_for_each(|one| one.map(|_| ()).map_err(refused))
            })?;
        }
        Ok(())
    };
    for name in ["type-claim", "type-check"] {
        row(name, &question, &[content])?;
    }
    let stem = sample.name.split('-').next().unwrap_or_default();
    let names = [format!("{stem}-open"), format!("{stem}-rewrite"), format!("{stem}-check")];
    let [open, rewrite, check] = &names;
    if matches!(sample.content_type, ContentType::Zip | ContentType::Tar | ContentType::Gzip) {
        let opened = start(open)?.ask(&question, &[content]).map_err(refused)?;
        row(open, &question, &[content])?;
        let question = Question { entries: &opened.entries, ..question };
        let entries: Vec<&[u8]> = opened.contents.iter().map(Vec::as_slice).collect();
        row(rewrite, &question, &entries)?;
        let anew = start(rewrite)?.ask(&question, &entries).map_err(refused)?;
        let mut compared = vec![content, anew.contents.first().map_or(&[][..], Vec::as_slice)];
        compared.extend(entries.iter().chain(&entries));
        return row(check, &question, &compared);
    }
    row(rewrite, &question, &[content])?;
    let anew = start(rewrite)?.ask(&question, &[content]).map_err(refused)?;
    let anew = anew.contents.first().map_or(&[][..], Vec::as_slice);
    row(check, &question, &[content, anew])?;
    row("words", &question, &[anew])?;
    row("markings", &question, &[anew])
}

/// Every filter, one after the other, as the guard asks them.
fn whole(policy: &Policy, program: &Path, sample: &Sample, time: Duration, round: u32) -> Result<()> {
    let mut guard = Guard::new(policy.clone(), program)?;
    let object = Object {
        name: sample.name.to_owned(),
        content_type: sample.content_type.media_type().to_owned(),
        label: "SECRET".to_owned(),
        metadata: Vec::new(),
        content: sample.content.clone(),
    };
    for together in sample.together {
        let many = vec![object.clone(); *together];
        print(("the whole guard", *together), sample, round, time, || {
            guard.inspect_many(&many).into_iter().try_for_each(|verdict| match verdict {
                Verdict::Passed { .. } => Ok(()),
                Verdict::Quarantined { findings } => bail!("quarantined: {findings:?}"),
            })
        })?;
    }
    Ok(())
}

/// Prose that is different everywhere.
fn prose(size: usize) -> String {
    const WORDS: [&str; 12] =
        ["the", "report", "of", "a", "convoy", "says", "weather", "fair", "north", "Zürich", "bridge", "holds"];
    let (mut text, mut state) = (String::with_capacity(size + 16), 1_usize);
    while text.len() < size {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        text.push_str(WORDS.get((state >> 8) % WORDS.len()).unwrap_or(&""));
        text.push_str(if state % 97 == 0 { ".\n" } else { " " });
    }
    text.push('\n');
    text
}

fn rows(size: usize, begin: &str, row: impl Fn(usize, &str) -> String, between: &str, end: &str) -> String {
    let prose = prose(size);
    let mut text = begin.to_owned();
    for (at, line) in prose.lines().flat_map(|line| line.as_bytes().chunks(60)).enumerate() {
        if text.len() + 120 > size {
            break;
        }
        let words: String = String::from_utf8_lossy(line).chars().filter(char::is_ascii).collect();
        if at > 0 {
            text.push_str(between);
        }
        text.push_str(&row(at, words.trim()));
    }
    text + end
}

fn samples(size: usize, together: &'static [usize]) -> Result<Vec<Sample>> {
    let own = |content_type, name, content| Sample { content_type, name, size, content, together };
    let json =
        |at: usize, words: &str| format!(r#"{{"number":{at},"ratio":{}.5,"text":"{words}","good":true}}"#, at * 3);
    let xml = |at: usize, words: &str| format!("<row number=\"{at}\"><text>{words}</text></row>");
    let csv = |at: usize, words: &str| format!("{at},\"{words}, and more\",-{at}.25\n");
    let text = prose(size);
    Ok(vec![
        own(ContentType::Text, "text-a.txt", text.clone().into_bytes()),
        own(ContentType::Json, "json-a.json", rows(size, "[", json, ",", "]").into_bytes()),
        own(ContentType::Xml, "xml-a.xml", rows(size, "<rows>", xml, "", "</rows>").into_bytes()),
        own(ContentType::Csv, "csv-a.csv", rows(size, "number,text,amount\n", csv, "", "").into_bytes()),
        own(ContentType::Png, "png-a.png", png(size)?),
        own(ContentType::Jpeg, "jpeg-a.jpg", jpeg(size)?),
        own(ContentType::Zip, "zip-a.zip", archive("zip-rewrite", &text)?),
        own(ContentType::Tar, "tar-a.tar", archive("tar-rewrite", &text)?),
        own(ContentType::Gzip, "gzip-a.txt.gz", archive("gzip-rewrite", &text)?),
    ])
}

/// An archive of one text, as the guard writes it.
fn archive(filter: &str, text: &str) -> Result<Vec<u8>> {
    let rules = fastness_guard::Rules::of(&policy());
    let entries = ["a.txt".to_owned()];
    let question =
        Question { name: "a", content_type: ContentType::Zip, label: "SECRET", metadata: &[], entries: &entries };
    let made = fastness_guard::filter::try_in_process(filter, &rules, &question, &[text.as_bytes().to_vec()]);
    let made = made.map_err(|finding| anyhow::anyhow!("{finding}"))?;
    made.contents.into_iter().next().context("the filter made nothing")
}

/// A picture with something to see and some noise, of so many samples.
fn picture(side: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let sample = |at: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let slope = (at / 3 % side) * 255 / side;
        u8::try_from(slope).unwrap_or(u8::MAX) ^ ((state >> 24) as u8 & 15)
    };
    (0..side * side * 3).map(sample).collect()
}

fn png(size: usize) -> Result<Vec<u8>> {
    // Noise of four bits a sample: about half a byte each, once compressed.
    let side = ((size * 2 / 3) as f64).sqrt() as usize;
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, u32::try_from(side)?, u32::try_from(side)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture(side))?;
    writer.finish()?;
    Ok(out)
}

fn jpeg(size: usize) -> Result<Vec<u8>> {
    let side = (size as f64 / 1.2).sqrt() as usize;
    let mut out = Vec::new();
    let side_short = u16::try_from(side)?;
    jpeg_encoder::Encoder::new(&mut out, 90).encode(
        &picture(side),
        side_short,
        side_short,
        jpeg_encoder::ColorType::Rgb,
    )?;
    Ok(out)
}
