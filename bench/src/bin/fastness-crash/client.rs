//! One client: what it does, what it was told, and what it finds afterwards.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use http::Method;

use crate::wire::{Answer, Wire};

const BUCKET: &str = "/crash";
const KEYS: u64 = 20;
const PART_LEN_MIN: u64 = 5 << 20;

/// SplitMix64 (Steele, Lea, Flood 2014): the same everywhere for the same seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn bytes(&mut self, length: u64) -> Bytes {
        let words = (0..length.div_ceil(8)).flat_map(|_| self.roll().to_le_bytes());
        words.take(usize::try_from(length).unwrap_or(0)).collect()
    }
}

/// What a key may hold: nothing, or these bytes.
type State = Option<Bytes>;

#[derive(Default)]
struct Known {
    sure: State,
    maybe: Vec<State>,
}

/// What happened to a client.
#[derive(Debug, Default)]
pub struct Counts {
    pub acknowledged: u64,
    pub refused: u64,
    pub checked: u64,
    pub open: u64,
}

/// A client of the region; it alone uses its keys.
pub struct Client {
    name: String,
    wire: Wire,
    dice: Dice,
    known: BTreeMap<String, Known>,
    pub counts: Counts,
}

impl Client {
    pub fn new(number: usize, wire: Wire, dice: Dice) -> Self {
        Self { name: format!("c{number}"), wire, dice, known: BTreeMap::new(), counts: Counts::default() }
    }

    pub async fn make_bucket(&mut self) -> Result<()> {
        let answer = self.wire.send(Method::PUT, BUCKET, "", Bytes::new()).await?;
        ensure!(matches!(answer.status, 200 | 409), "no bucket: {answer:?}");
        Ok(())
    }

    /// Works until the region is gone; an error when an answer is none that may be.
    pub async fn work(&mut self) -> Result<()> {
        loop {
            let key = format!("{BUCKET}/{}/{:02}", self.name, self.dice.below(KEYS));
            let gone = match self.dice.below(100) {
                0..=19 => self.change(Method::DELETE, &key, None).await?,
                20..=27 => self.upload(&key).await?,
                28..=39 => self.read(&key).await?,
                choice => {
                    let length = match choice {
                        40..=44 => 0,
                        45..=79 => self.dice.below(5_000),
                        80..=89 => 28_000 + self.dice.below(10_000),
                        _ => self.dice.below(900_000),
                    };
                    let body = self.dice.bytes(length);
                    self.change(Method::PUT, &key, Some(body)).await?
                }
            };
            if gone {
                return Ok(());
            }
        }
    }

    /// A write or a deletion; true when the region is gone.
    async fn change(&mut self, method: Method, key: &str, after: State) -> Result<bool> {
        let body = after.clone().unwrap_or_default();
        let answer = self.wire.send(method, key, "", body).await;
        self.take(key, after, answer)
    }

    fn take(&mut self, key: &str, after: State, answer: Result<Answer>) -> Result<bool> {
        let known = self.known.entry(key.to_owned()).or_default();
        match answer {
            Ok(Answer { status: 200 | 204, .. }) => {
                *known = Known { sure: after, maybe: Vec::new() };
                self.counts.acknowledged += 1;
                Ok(false)
            }
            Ok(answer) => bail!("{key} was answered {answer:?}"),
            Err(_cut_off) => {
                known.maybe.push(after);
                self.counts.refused += 1;
                Ok(true)
            }
        }
    }

    async fn read(&mut self, key: &str) -> Result<bool> {
        match self.wire.send(Method::GET, key, "", Bytes::new()).await {
            Ok(answer) => self.compare(key, answer).map(|_| false),
            Err(_cut_off) => Ok(true),
        }
    }

    async fn upload(&mut self, key: &str) -> Result<bool> {
        let Ok(made) = self.wire.send(Method::POST, key, "uploads=", Bytes::new()).await else { return Ok(true) };
        let Some(id) = made.one("UploadId") else { bail!("{key}: no upload: {made:?}") };
        let mut lengths = vec![1 + self.dice.below(100_000)];
        if self.dice.below(4) == 0 {
            lengths.insert(0, PART_LEN_MIN);
        }
        let (mut whole, mut parts) = (Vec::new(), String::new());
        for (length, number) in lengths.into_iter().zip(1..) {
            let body = self.dice.bytes(length);
            whole.extend_from_slice(&body);
            let query = format!("partNumber={number}&uploadId={id}");
            let Ok(part) = self.wire.send(Method::PUT, key, &query, body).await else { return Ok(true) };
            ensure!(part.status == 200, "{key}: a part was answered {part:?}");
            parts.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", part.etag));
        }
        let body = Bytes::from(format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"));
        let answer = self.wire.send(Method::POST, key, &format!("uploadId={id}"), body).await;
        if let Ok(answer) = &answer {
            ensure!(answer.one("Code").is_none(), "{key}: completing an upload was answered {answer:?}");
        }
        self.take(key, Some(whole.into()), answer)
    }

    fn compare(&mut self, key: &str, answer: Answer) -> Result<State> {
        let seen = match answer.status {
            200 => Some(answer.body),
            404 => None,
            _ => bail!("{key} was answered {answer:?}"),
        };
        let known = self.known.entry(key.to_owned()).or_default();
        let length =
            |state: &State| state.as_ref().map_or_else(|| "nothing".to_owned(), |body| format!("{} bytes", body.len()));
        ensure!(
            seen == known.sure || known.maybe.contains(&seen),
            "LOST OR DAMAGED: {key}: {} there, {} acknowledged, under way: {:?}",
            length(&seen),
            length(&known.sure),
            known.maybe.iter().map(length).collect::<Vec<_>>()
        );
        Ok(seen)
    }

    /// Holds the region to what it acknowledged.
    pub async fn check(&mut self) -> Result<()> {
        for key in self.known.keys().cloned().collect::<Vec<_>>() {
            let answer = self.wire.send(Method::GET, &key, "", Bytes::new()).await?;
            let seen = self.compare(&key, answer)?;
            let known = self.known.entry(key).or_default();
            self.counts.checked += 1;
            self.counts.open += u64::from(!known.maybe.is_empty());
            *known = Known { sure: seen, maybe: Vec::new() };
        }
        Ok(())
    }
}
