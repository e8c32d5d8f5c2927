//! `fastness cross review`: what would leave, to the byte, held to what the release says of it.

use super::release::{client, print, text};
use super::release_arguments::Review;
use crate::say;
use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastness_region::files;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;

/// The most characters of a text that a terminal shows.
const SHOWN_MAX: usize = 64 << 10;

/// Shows a release with its content, and notes that the reviewer saw it.
pub async fn look(arguments: &Review) -> anyhow::Result<()> {
    let mut release =
        client(&arguments.identity)?.fastness("ReviewRelease", &json!({ "release": arguments.release })).await?;
    let content = content(&mut release)?;
    let open = content.is_some();
    if let (Some(path), Some(content)) = (&arguments.out, &content) {
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    print(&release, arguments.json)?;
    if arguments.json {
        return Ok(());
    }
    match (&arguments.out, content) {
        (Some(path), Some(_)) => say!("What would leave is in `{}`.", path.display()),
        (None, Some(content)) => show(&release, &content),
        (_, None) => return Ok(()),
    }
    if open {
        let (id, digest, profile) = (text(&release, "release"), text(&release, "digest"), &arguments.identity.profile);
        say!("\nIf all of it may leave:");
        say!("  fastness cross approve {id} --digest {digest} --reason TEXT --profile {profile}");
        say!("If not:\n  fastness cross refuse {id} --reason TEXT --profile {profile}");
    }
    Ok(())
}

/// What would leave, taken out of the answer: byte for byte what the release says. Nothing when nothing is to be decided.
fn content(release: &mut Value) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(content) = release.as_object_mut().and_then(|members| members.remove("content")) else { return Ok(None) };
    let content = STANDARD.decode(content.as_str().unwrap_or_default()).context("the content cannot be read")?;
    let said = release.pointer("/leaves/sha256").and_then(Value::as_str).unwrap_or_default();
    if files::sha256(&mut content.as_slice())? != said {
        bail!("the content is not what the release is of: its SHA-256 differs");
    }
    Ok(Some(content))
}

fn show(release: &Value, content: &[u8]) {
    let media_type = text(release, "type");
    let is_text = media_type.starts_with("text/") || ["application/json", "application/xml"].contains(&media_type);
    match std::str::from_utf8(content) {
        Ok(all) if is_text => {
            say!("\n{}", escaped(all));
            let more = all.chars().count().saturating_sub(SHOWN_MAX);
            if more > 0 {
                say!("... and {more} more characters: --out FILE writes all of it");
            }
        }
        _ => say!("\n{} bytes that no terminal shows: --out FILE writes them", content.len()),
    }
}

/// A text as a terminal may show it: what it would obey, and what people do not see, is written out.
fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(SHOWN_MAX) {
        match character {
            '\n' => shown.push('\n'),
            ' '..='~' => shown.push(character),
            letter if letter.is_alphanumeric() => shown.push(letter),
            other => shown.extend(other.escape_unicode()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_terminal_is_shown_nothing_that_it_obeys() {
        assert_eq!(escaped("plain ä\nline"), "plain ä\nline");
        assert_eq!(escaped("\u{1b}[2J\r\u{202e}x\u{200b}"), "\\u{1b}[2J\\u{d}\\u{202e}x\\u{200b}");
    }
}
