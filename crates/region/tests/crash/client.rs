//! One client: what it does, and what it was told.

use crate::support::{Answer, Ask, House, Key, elements};
use bytes::Bytes;
use http::Method;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// What a key may hold: nothing, or these bytes.
pub type State = Option<Bytes>;

/// What is known of a key.
#[derive(Default)]
pub struct Known {
    sure: State,
    /// What was under way when an answer failed to come, or came as a failure.
    maybe: Vec<State>,
}

struct Upload {
    key: String,
    id: String,
    parts: Vec<(String, Bytes)>,
}

/// What a check found out.
#[derive(Default)]
pub struct Checked {
    pub values: u64,
    pub open: u64,
    pub damaged: u64,
}

pub struct Client {
    pub label: &'static str,
    key: Key,
    name: String,
    rng: StdRng,
    known: BTreeMap<String, Known>,
    /// Versions acknowledged, in the bucket that keeps them; nothing is a delete marker.
    versions: BTreeMap<(String, String), State>,
    versions_maybe: Vec<(String, State)>,
    versions_maybe_gone: BTreeSet<(String, String)>,
    uploads: Vec<Upload>,
    /// Requests whose effect was acknowledged.
    pub done: Vec<String>,
    pub refused: u64,
}

pub const PLAIN: &str = "plain";
pub const VERSIONED: &str = "versioned";

impl Client {
    pub fn new(number: usize, label: &'static str, key: Key, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let rng = StdRng::seed_from_u64(rng.next_u64().wrapping_add(number as u64));
        let name = format!("c{number}");
        Self {
            label,
            key,
            name,
            rng,
            known: BTreeMap::new(),
            versions: BTreeMap::new(),
            versions_maybe: Vec::new(),
            versions_maybe_gone: BTreeSet::new(),
            uploads: Vec::new(),
            done: Vec::new(),
            refused: 0,
        }
    }

    fn body(&mut self) -> Bytes {
        let length = match self.rng.random_range(0..20) {
            0 => 0,
            1..=8 => self.rng.random_range(1..5_000),
            9..=12 => self.rng.random_range(5_000..=32 * 1024),
            13 => 32 * 1024 + 1,
            14..=18 => self.rng.random_range(33_000..150_000),
            _ => self.rng.random_range(150_000..1_200_000),
        };
        self.bytes(length)
    }

    fn bytes(&mut self, length: usize) -> Bytes {
        let mut bytes = vec![0; length];
        self.rng.fill_bytes(&mut bytes);
        bytes.into()
    }

    fn pick(&mut self) -> String {
        format!("{}/{:02}", self.name, self.rng.random_range(0..12))
    }

    async fn send(&self, house: &House, ask: &Ask) -> Answer {
        // An answer that breaks off says as little as a failure.
        let broken = || Answer { status: 599, headers: Vec::new(), body: Bytes::new() };
        house.try_send(Some(&self.key), ask).await.unwrap_or_else(|_| broken())
    }

    /// Whether the effect of a request is certain; what fails is not told from what was not done.
    fn told(&mut self, answer: &Answer) -> Result<bool, String> {
        match answer.status {
            200 | 204 => {
                self.done.push(answer.header("x-amz-request-id").unwrap().to_owned());
                Ok(true)
            }
            500.. => {
                self.refused += 1;
                Ok(false)
            }
            _ => Err(format!("{} was answered {answer:?}", self.name)),
        }
    }

    /// Makes the buckets, before anything fails.
    pub async fn prepare(&mut self, house: &House) -> Result<(), String> {
        let asks = [
            Ask::s3(Method::PUT, format!("/{PLAIN}")),
            Ask::s3(Method::PUT, format!("/{VERSIONED}")),
            Ask::s3(Method::PUT, format!("/{VERSIONED}?versioning"))
                .body("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        ];
        for ask in asks {
            let answer = self.send(house, &ask).await;
            if answer.status != 409 && !self.told(&answer)? {
                return Err(format!("a bucket could not be prepared: {answer:?}"));
            }
        }
        Ok(())
    }

    /// One thing that a client does.
    pub async fn act(&mut self, house: &House) -> Result<(), String> {
        match self.rng.random_range(0..100) {
            0..=49 => self.put(house).await,
            50..=62 => self.delete(house).await,
            63..=65 => self.delete_many(house).await,
            66..=73 => self.read(house).await,
            74..=83 => self.put_version(house).await,
            84..=88 => self.delete_version(house).await,
            89..=96 => self.upload(house).await,
            _ => self.complete(house).await,
        }
    }

    async fn put(&mut self, house: &House) -> Result<(), String> {
        let (key, body) = (self.pick(), self.body());
        let ask = Ask::s3(Method::PUT, format!("/{PLAIN}/{key}")).body(body.clone());
        let answer = self.send(house, &ask).await;
        let told = self.told(&answer)?;
        self.note(&key, Some(body), told);
        Ok(())
    }

    fn note(&mut self, key: &str, state: State, told: bool) {
        let known = self.known.entry(key.to_owned()).or_default();
        if told {
            *known = Known { sure: state, maybe: Vec::new() };
        } else {
            known.maybe.push(state);
        }
    }

    async fn delete(&mut self, house: &House) -> Result<(), String> {
        let key = self.pick();
        let answer = self.send(house, &Ask::s3(Method::DELETE, format!("/{PLAIN}/{key}"))).await;
        let told = self.told(&answer)?;
        self.note(&key, None, told);
        Ok(())
    }

    async fn delete_many(&mut self, house: &House) -> Result<(), String> {
        let keys: BTreeSet<String> = (0..4).map(|_| self.pick()).collect();
        let objects: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        let ask = Ask::deletions(PLAIN, format!("<Delete>{objects}</Delete>"));
        let answer = self.send(house, &ask).await;
        if answer.text().contains("<Error>") && answer.status == 200 {
            return Err(format!("a deletion among many was refused: {answer:?}"));
        }
        let told = self.told(&answer)?;
        keys.iter().for_each(|key| self.note(key, None, told));
        Ok(())
    }

    async fn read(&mut self, house: &House) -> Result<(), String> {
        let key = self.pick();
        match self.get(house, &format!("/{PLAIN}/{key}")).await? {
            Some(seen) => self.compare(&key, seen),
            None => Ok(()),
        }
    }

    /// What is there; nothing when it was answered with a failure.
    async fn get(&self, house: &House, target: &str) -> Result<Option<State>, String> {
        let answer = self.send(house, &Ask::s3(Method::GET, target)).await;
        match answer.status {
            200 => Ok(Some(Some(answer.body))),
            404 if answer.one("Code") == "NoSuchKey" => Ok(Some(None)),
            500.. => Ok(None),
            _ => Err(format!("{target} was answered {answer:?}")),
        }
    }

    fn compare(&mut self, key: &str, seen: State) -> Result<(), String> {
        let known = self.known.entry(key.to_owned()).or_default();
        if seen == known.sure || known.maybe.contains(&seen) {
            return Ok(());
        }
        let show =
            |state: &State| state.as_ref().map_or("nothing".to_owned(), |bytes| format!("{} bytes", bytes.len()));
        let maybe: Vec<String> = known.maybe.iter().map(show).collect();
        Err(format!(
            "{key} at {}: {} there, {} acknowledged, {maybe:?} under way",
            self.label,
            show(&seen),
            show(&known.sure)
        ))
    }

    async fn put_version(&mut self, house: &House) -> Result<(), String> {
        let (key, delete) = (self.pick(), self.rng.random_bool(0.2));
        let target = format!("/{VERSIONED}/{key}");
        let (ask, state) = if delete {
            (Ask::s3(Method::DELETE, target), None)
        } else {
            let body = self.body();
            (Ask::s3(Method::PUT, target).body(body.clone()), Some(body))
        };
        let answer = self.send(house, &ask).await;
        if self.told(&answer)? {
            let id = answer.header("x-amz-version-id").ok_or_else(|| format!("no version id: {answer:?}"))?;
            self.versions.insert((key, id.to_owned()), state);
        } else {
            self.versions_maybe.push((key, state));
        }
        Ok(())
    }

    async fn delete_version(&mut self, house: &House) -> Result<(), String> {
        if self.versions.is_empty() {
            return Ok(());
        }
        let chosen = self.rng.random_range(0..self.versions.len());
        let (key, id) = self.versions.keys().nth(chosen).unwrap().clone();
        let ask = Ask::s3(Method::DELETE, format!("/{VERSIONED}/{key}?versionId={id}"));
        let answer = self.send(house, &ask).await;
        if self.told(&answer)? {
            self.versions.remove(&(key, id));
        } else {
            self.versions_maybe_gone.insert((key, id));
        }
        Ok(())
    }

    /// An upload in parts, which is completed now or later.
    async fn upload(&mut self, house: &House) -> Result<(), String> {
        let key = self.pick();
        let made = self.send(house, &Ask::s3(Method::POST, format!("/{PLAIN}/{key}?uploads"))).await;
        if !self.told(&made)? {
            return Ok(());
        }
        let mut upload = Upload { key, id: made.one("UploadId"), parts: Vec::new() };
        // All parts but the last have at least 5 MiB.
        let big = self.rng.random_range(0..8) == 0;
        let mut sizes = vec![self.rng.random_range(1..200_000)];
        if big {
            sizes.insert(0, 5 << 20);
        }
        for (size, number) in sizes.into_iter().zip(1..) {
            let body = self.bytes(size);
            let target = format!("/{PLAIN}/{}?partNumber={number}&uploadId={}", upload.key, upload.id);
            let answer = self.send(house, &Ask::s3(Method::PUT, target).body(body.clone())).await;
            if !self.told(&answer)? {
                return Ok(());
            }
            upload.parts.push((answer.header("etag").unwrap().to_owned(), body));
        }
        self.uploads.push(upload);
        if self.rng.random_bool(0.6) { self.complete(house).await } else { Ok(()) }
    }

    async fn complete(&mut self, house: &House) -> Result<(), String> {
        let Some(upload) = self.uploads.pop() else { return Ok(()) };
        let parts: String = (upload.parts.iter().zip(1..))
            .map(|((etag, _), number)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
            .collect();
        let ask = Ask::s3(Method::POST, format!("/{PLAIN}/{}?uploadId={}", upload.key, upload.id))
            .body(format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"));
        let answer = self.send(house, &ask).await;
        // S3 may say 200 and put the failure into the body.
        let told = if answer.status == 200 && answer.text().contains("<Error>") { false } else { self.told(&answer)? };
        let whole: Vec<u8> = upload.parts.iter().flat_map(|(_, body)| body.iter().copied()).collect();
        self.note(&upload.key, Some(whole.into()), told);
        Ok(())
    }

    /// Holds the region to what it acknowledged. Where damage is allowed, a failure is an answer, too.
    pub async fn check(&mut self, house: &House, damage: bool) -> Result<Checked, String> {
        let mut checked = Checked::default();
        let failed = |what: &str| Err(format!("{what} was answered with a failure although the disk is well"));
        for key in self.known.keys().cloned().collect::<Vec<_>>() {
            let Some(seen) = self.get(house, &format!("/{PLAIN}/{key}")).await? else {
                checked.damaged += 1;
                if !damage {
                    return failed(&key);
                }
                continue;
            };
            self.compare(&key, seen.clone())?;
            checked.values += 1;
            let known = self.known.get_mut(&key).unwrap();
            checked.open += u64::from(!known.maybe.is_empty());
            // Whatever it was, it is decided now.
            *known = Known { sure: seen, maybe: Vec::new() };
        }
        self.check_versions(house, damage, &mut checked).await?;
        if !damage {
            // Parts that were acknowledged are there: the uploads can be completed.
            while !self.uploads.is_empty() {
                let key = self.uploads.last().unwrap().key.clone();
                self.complete(house).await?;
                let Some(seen) = self.get(house, &format!("/{PLAIN}/{key}")).await? else { return failed(&key) };
                self.compare(&key, seen)?;
                if !self.known[&key].maybe.is_empty() {
                    return failed("completing an upload");
                }
                checked.values += 1;
            }
        }
        Ok(checked)
    }

    async fn check_versions(&mut self, house: &House, damage: bool, checked: &mut Checked) -> Result<(), String> {
        let target = format!("/{VERSIONED}?versions&prefix={}%2F", self.name);
        let listing = self.send(house, &Ask::s3(Method::GET, target)).await;
        if damage && listing.status >= 500 {
            checked.damaged += 1;
            return Ok(());
        }
        if listing.status != 200 || listing.one("IsTruncated") != "false" {
            return Err(format!("the listing of versions: {listing:?}"));
        }
        let ids = |element: &str| -> BTreeSet<(String, String)> {
            let first = |text: &str, name: &str| elements(text, name).into_iter().next().unwrap_or_default();
            listing.all(element).iter().map(|text| (first(text, "Key"), first(text, "VersionId"))).collect()
        };
        let (objects, markers) = (ids("Version"), ids("DeleteMarker"));
        for name in self.versions.keys().cloned().collect::<Vec<_>>() {
            let listed = if self.versions[&name].is_some() { objects.contains(&name) } else { markers.contains(&name) };
            if !listed {
                if !self.versions_maybe_gone.contains(&name) {
                    return Err(format!("the version {name:?} was acknowledged and is not listed"));
                }
                self.versions.remove(&name);
            }
        }
        self.versions_maybe_gone.clear();
        for (key, id) in &objects {
            let Some(seen) = self.get(house, &format!("/{VERSIONED}/{key}?versionId={id}")).await? else {
                checked.damaged += 1;
                if !damage {
                    return Err(format!("the version {id} of {key} was answered with a failure"));
                }
                continue;
            };
            let fits = match self.versions.get(&(key.clone(), id.clone())) {
                Some(known) => *known == seen,
                None => self.versions_maybe.contains(&(key.clone(), seen.clone())),
            };
            if !fits {
                return Err(format!("the version {id} of {key} at {} is not what was written", self.label));
            }
            checked.values += 1;
            self.versions.insert((key.clone(), id.clone()), seen);
        }
        for (key, id) in markers {
            let known = self.versions.contains_key(&(key.clone(), id.clone()));
            if !known && !self.versions_maybe.contains(&(key.clone(), None)) {
                return Err(format!("a delete marker of {key} that nobody made"));
            }
            self.versions.insert((key, id), None);
        }
        checked.open += self.versions_maybe.len() as u64;
        self.versions_maybe.clear();
        Ok(())
    }
}
