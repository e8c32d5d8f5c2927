//! `fastness cross review`: what would leave, as the reviewer's own session reads it, held to what the release says of
//! it.

use super::release::{client, print, text};
use super::release_arguments::Review;
use crate::object::Place;
use crate::say;
use anyhow::{Context, bail};
use bytes::Bytes;
use fastness_region::files;
use http::Method;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;

/// The most characters of a text that a terminal shows.
const SHOWN_MAX: usize = 64 << 10;

/// Shows a release with its content, and notes that the reviewer saw it.
pub async fn look(arguments: &Review) -> anyhow::Result<()> {
    let client = client(&arguments.identity)?;
    // The content first: who could not read it has not seen it.
    let described = client.fastness("DescribeRelease", &json!({ "release": arguments.release })).await?;
    let open = ["requested", "approved"].contains(&text(&described, "state"));
    let content = match (open, &arguments.out) {
        (false, None) => None,
        _ => Some(content(&client, &described).await?),
    };
    if let (Some(path), Some(content)) = (&arguments.out, &content) {
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let release = client.fastness("ReviewRelease", &json!({ "release": arguments.release })).await?;
    if text(&release, "digest") != text(&described, "digest") {
        bail!("the release changed while it was looked at: look again");
    }
    print(&release, arguments.json)?;
    if arguments.json {
        return Ok(());
    }
    match (&arguments.out, content) {
        (Some(path), _) => say!("The content is in `{}`.", path.display()),
        (None, Some(content)) => show(&release, &content),
        (None, None) => return Ok(()),
    }
    if open {
        let (id, digest, profile) = (text(&release, "release"), text(&release, "digest"), &arguments.identity.profile);
        say!("\nIf all of it may leave:");
        say!("  fastness cross approve {id} --digest {digest} --reason TEXT --profile {profile}");
        say!("If not:\n  fastness cross refuse {id} --reason TEXT --profile {profile}");
    }
    Ok(())
}

/// The version that would leave: byte for byte what the release says.
async fn content(client: &crate::client::Client, release: &Value) -> anyhow::Result<Bytes> {
    let place = Place { bucket: text(release, "bucket").to_owned(), key: text(release, "key").to_owned() };
    let path = format!("{}?versionId={}", place.path(), text(release, "version_id"));
    let (status, body) = client.send("s3", Method::GET, &path, &[], Bytes::new()).await?;
    if !status.is_success() {
        bail!("the object cannot be read ({status}): it was removed or contained, or a policy withholds it from you");
    }
    let mut reading: &[u8] = &body;
    if files::sha256(&mut reading)? != text(release, "sha256") {
        bail!("the object is not what the release is of: its SHA-256 differs");
    }
    Ok(body)
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
