//! The aws-chunked encoding: chunks with sizes, signatures that form a chain, and trailers.
//!
//! ```text
//! 400;chunk-signature=<64 hex digits>\r\n   the size in hex; no signature in the unsigned variant
//! <1024 bytes>\r\n
//! 0;chunk-signature=<64 hex digits>\r\n     the last chunk is empty
//! x-amz-checksum-crc32c:sOO8/Q==\r\n        trailers, if the variant has them
//! x-amz-trailer-signature:<64 hex digits>\r\n
//! \r\n
//! ```
//!
//! Two deviations that a widespread Go client makes are taken: a trailer's line that ends in a bare
//! line feed, with an empty line between it and the trailers' signature; and, in the unsigned variant,
//! a second empty line at the end.

use aws_lc_rs::digest;
use bytes::{Buf, Bytes};

use super::key::{DIGEST_BYTES, parse_digest, sha256};
use super::{
    BodyError, CHUNK_ALGORITHM, CHUNK_HEADER_BYTES_MAX, Scope, SigningKey, TRAILER_ALGORITHM, TRAILER_LINE_BYTES_MAX,
    TRAILER_SIGNATURE,
};

/// The chain of signatures: each covers the one before it, so that no chunk can be moved or left out.
pub(super) struct Chain {
    key: SigningKey,
    timestamp: String,
    scope: String,
    previous: [u8; DIGEST_BYTES],
    empty_hash: String,
}

impl Chain {
    pub(super) fn new(key: SigningKey, timestamp: String, scope: &Scope, seed: [u8; DIGEST_BYTES]) -> Self {
        let empty_hash = hex::encode(sha256(b""));
        Self { key, timestamp, scope: scope.to_string(), previous: seed, empty_hash }
    }

    fn chunk_text(&self, data_hash: &[u8]) -> String {
        let Self { timestamp, scope, empty_hash, .. } = self;
        let (previous, hash) = (hex::encode(self.previous), hex::encode(data_hash));
        format!("{CHUNK_ALGORITHM}\n{timestamp}\n{scope}\n{previous}\n{empty_hash}\n{hash}")
    }

    fn trailer_text(&self, trailers_hash: &[u8]) -> String {
        let Self { timestamp, scope, .. } = self;
        let (previous, hash) = (hex::encode(self.previous), hex::encode(trailers_hash));
        format!("{TRAILER_ALGORITHM}\n{timestamp}\n{scope}\n{previous}\n{hash}")
    }

    /// Signs the next chunk.
    pub(super) fn sign_chunk(&mut self, data: &[u8]) -> String {
        self.previous = self.key.sign(self.chunk_text(&sha256(data)).as_bytes());
        hex::encode(self.previous)
    }

    /// Signs the trailers.
    pub(super) fn sign_trailers(&mut self, canonical: &[u8]) -> String {
        self.previous = self.key.sign(self.trailer_text(&sha256(canonical)).as_bytes());
        hex::encode(self.previous)
    }

    fn check(&mut self, text: &str, claimed: [u8; DIGEST_BYTES]) -> Result<(), BodyError> {
        if !self.key.verifies(text.as_bytes(), &claimed) {
            return Err(BodyError::SignatureMismatch);
        }
        self.previous = claimed;
        Ok(())
    }
}

/// What a decoder expects of the body.
pub(super) struct Plan {
    /// The chain of the signed variants.
    pub(super) chain: Option<Chain>,
    /// Whether trailers follow the last chunk.
    pub(super) has_trailers: bool,
    /// The names of the trailers that were announced, in lower case.
    pub(super) announced: Vec<String>,
    /// The length of the decoded body.
    pub(super) decoded_length: u64,
}

/// Decodes an aws-chunked body piece by piece; what it holds back is at most one line.
pub(super) struct Decoder {
    plan: Plan,
    /// How much of the decoded length is still to come.
    decoded_left: u64,
    stage: Stage,
    /// The part of a line that has come so far.
    line: Vec<u8>,
    /// The hash of the current chunk's data, and the signature that it was given.
    chunk: Option<(digest::Context, [u8; DIGEST_BYTES])>,
    trailers: Vec<(String, String)>,
    trailers_checked: bool,
    blank_line_seen: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    ChunkHeader,
    Data {
        left: u64,
    },
    DataEnd,
    Trailers,
    /// The body is complete; one more empty line may come if `slack`.
    Complete {
        slack: bool,
    },
}

impl Decoder {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            decoded_left: plan.decoded_length,
            plan,
            stage: Stage::ChunkHeader,
            line: Vec::new(),
            chunk: None,
            trailers: Vec::new(),
            trailers_checked: false,
            blank_line_seen: false,
        }
    }

    /// Takes from `input` until there is data to hand out, or `input` is empty.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, BodyError> {
        while !input.is_empty() {
            match self.stage {
                Stage::Data { left } => return self.take_data(left, input).map(Some),
                Stage::ChunkHeader => {
                    if self.fill_line(input, CHUNK_HEADER_BYTES_MAX)? {
                        let line = std::mem::take(&mut self.line);
                        self.chunk_header(&line)?;
                    }
                }
                Stage::DataEnd => {
                    if self.fill_line(input, b"\r\n".len())? {
                        if self.line != b"\r\n" {
                            return Err(BodyError::Framing("a chunk is longer than its size"));
                        }
                        self.line.clear();
                        self.stage = Stage::ChunkHeader;
                    }
                }
                Stage::Trailers => {
                    if self.fill_line(input, TRAILER_LINE_BYTES_MAX)? {
                        let line = std::mem::take(&mut self.line);
                        self.trailer_line(&line)?;
                    }
                }
                Stage::Complete { slack: true } => {
                    if self.fill_line(input, b"\r\n".len())? {
                        if self.line != b"\r\n" {
                            return Err(BodyError::Framing("bytes follow its end"));
                        }
                        self.line.clear();
                        self.stage = Stage::Complete { slack: false };
                    }
                }
                Stage::Complete { slack: false } => {
                    return Err(BodyError::Framing("bytes follow its end"));
                }
            }
        }
        Ok(None)
    }

    /// The trailers, once the body has ended; an error if it ended early.
    pub(super) fn finish(&mut self) -> Result<Vec<(String, String)>, BodyError> {
        if !matches!(self.stage, Stage::Complete { .. }) || !self.line.is_empty() {
            return Err(BodyError::Incomplete);
        }
        Ok(std::mem::take(&mut self.trailers))
    }

    /// Moves bytes into `line` up to and with a line feed. Whether the line is whole.
    fn fill_line(&mut self, input: &mut Bytes, bytes_max: usize) -> Result<bool, BodyError> {
        let room = bytes_max.saturating_sub(self.line.len());
        let end = input.iter().take(room).position(|byte| *byte == b'\n');
        let taken = end.map_or(room.min(input.len()), |end| end.saturating_add(1));
        self.line.extend(input.iter().take(taken));
        input.advance(taken);
        if end.is_none() && self.line.len() >= bytes_max {
            return Err(BodyError::Framing("a line is too long"));
        }
        Ok(end.is_some())
    }

    fn chunk_header(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let line = line
            .strip_suffix(b"\r\n")
            .and_then(|line| std::str::from_utf8(line).ok())
            .ok_or(BodyError::Framing("a chunk's header is not a line of text"))?;
        let (size, extension) = match line.split_once(';') {
            Some((size, extension)) => (size, Some(extension)),
            None => (line, None),
        };
        let size = parse_size(size).filter(|size| *size <= self.decoded_left);
        let size = size.ok_or(BodyError::ChunkSize)?;
        self.chunk = match (self.plan.chain.is_some(), extension) {
            (true, Some(extension)) => {
                let signature = extension
                    .strip_prefix("chunk-signature=")
                    .and_then(|text| parse_digest(text.as_bytes()))
                    .ok_or(BodyError::Framing("a chunk's extension is not its signature"))?;
                Some((digest::Context::new(&digest::SHA256), signature))
            }
            (true, None) => return Err(BodyError::SignatureMismatch),
            (false, Some(_)) => return Err(BodyError::Framing("a chunk has an extension")),
            (false, None) => None,
        };
        if size > 0 {
            self.stage = Stage::Data { left: size };
            return Ok(());
        }
        if self.decoded_left > 0 {
            return Err(BodyError::Incomplete);
        }
        self.check_chunk()?;
        self.stage = Stage::Trailers;
        Ok(())
    }

    fn take_data(&mut self, left: u64, input: &mut Bytes) -> Result<Bytes, BodyError> {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let data = input.split_to(taken);
        let count = u64::try_from(taken).unwrap_or(u64::MAX);
        // INVARIANT: `count` is at most `left`, and a chunk's size at most `decoded_left`.
        let left = left.saturating_sub(count);
        self.decoded_left = self.decoded_left.saturating_sub(count);
        if let Some((hash, _)) = &mut self.chunk {
            hash.update(&data);
        }
        if left > 0 {
            self.stage = Stage::Data { left };
        } else {
            self.check_chunk()?;
            self.stage = Stage::DataEnd;
        }
        Ok(data)
    }

    /// Checks the signature of the chunk whose data has all come, in the signed variants.
    fn check_chunk(&mut self) -> Result<(), BodyError> {
        if let (Some(chain), Some((hash, claimed))) = (&mut self.plan.chain, self.chunk.take()) {
            let text = chain.chunk_text(hash.finish().as_ref());
            chain.check(&text, claimed)?;
        }
        Ok(())
    }

    /// Takes a line behind the last chunk. Without trailers, that is the empty line alone.
    fn trailer_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        if line == b"\r\n" {
            return self.blank_line();
        }
        if !self.plan.has_trailers {
            return Err(BodyError::Framing("bytes follow its end"));
        }
        if self.trailers_checked {
            return Err(BodyError::Trailer("a line follows their signature"));
        }
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let (text, ends_well) = match bare.strip_suffix(b"\r") {
            Some(text) => (text, true),
            None => (bare, false),
        };
        let (name, value) = parse_trailer(text)?;
        if name == TRAILER_SIGNATURE {
            if !ends_well {
                return Err(BodyError::Trailer("a line has no proper end"));
            }
            return self.check_trailers(&value);
        }
        if self.blank_line_seen {
            return Err(BodyError::Trailer("a line follows their end"));
        }
        if !self.plan.announced.contains(&name) {
            return Err(BodyError::Trailer("one was not announced"));
        }
        if self.trailers.iter().any(|(other, _)| *other == name) {
            return Err(BodyError::Trailer("one stands twice"));
        }
        self.trailers.push((name, value));
        Ok(())
    }

    fn blank_line(&mut self) -> Result<(), BodyError> {
        let is_signed = self.plan.chain.is_some();
        if self.plan.has_trailers && is_signed && !self.trailers_checked {
            if self.blank_line_seen {
                return Err(BodyError::Trailer("their signature is missing"));
            }
            self.blank_line_seen = true;
            return Ok(());
        }
        if self.trailers.len() != self.plan.announced.len() {
            return Err(BodyError::Trailer("an announced one is missing"));
        }
        self.stage = Stage::Complete { slack: self.plan.has_trailers && !is_signed };
        Ok(())
    }

    fn check_trailers(&mut self, signature: &str) -> Result<(), BodyError> {
        let Some(chain) = &mut self.plan.chain else {
            return Err(BodyError::Trailer("a signature stands where none belongs"));
        };
        let claimed =
            parse_digest(signature.as_bytes()).ok_or(BodyError::Trailer("their signature is not 64 hex digits"))?;
        let text = chain.trailer_text(&sha256(&canonical_trailers(
            self.trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        )));
        chain.check(&text, claimed)?;
        self.trailers_checked = true;
        Ok(())
    }
}

/// The text whose hash the trailers' signature covers.
pub(super) fn canonical_trailers<'text>(trailers: impl Iterator<Item = (&'text str, &'text str)>) -> Vec<u8> {
    let mut canonical = Vec::new();
    for (name, value) in trailers {
        for part in [name, ":", value, "\n"] {
            canonical.extend_from_slice(part.as_bytes());
        }
    }
    canonical
}

/// Reads `name:value`: a header's name in any case, and visible text.
fn parse_trailer(line: &[u8]) -> Result<(String, String), BodyError> {
    let text = std::str::from_utf8(line).map_err(|_| BodyError::Trailer("one is not text"))?;
    let (name, value) = text.split_once(':').ok_or(BodyError::Trailer("one has no value"))?;
    let name =
        http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| BodyError::Trailer("one has no valid name"))?;
    let value = value.trim_matches([' ', '\t']);
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(BodyError::Trailer("one has a value that is not visible text"));
    }
    Ok((name.as_str().to_owned(), value.to_owned()))
}

/// Reads a size: one to sixteen hex digits, and nothing else (`from_str_radix` alone takes a sign).
fn parse_size(text: &str) -> Option<u64> {
    let is_number = text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u64::from_str_radix(text, 16).ok())?
}
