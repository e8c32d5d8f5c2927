//! Disclosure packages: chosen records for an outside inspector, who checks them with the log's public keys alone.
//!
//! A package is lines of JSON: a head that says how to check everything without our programs; signed checkpoints, each
//! before the records that are proven against it, and with the proof that it extends the one before it; the records, each
//! with the proof that its log has it; a last line that says how many there are. What is withheld is seen to be: of a field
//! its bare commitment stands there, of a record the 32 bytes that the tree holds. What was left out is not: which records
//! are in a package, and what they were chosen by, is the sender's word.

use crate::checkpoint::Checkpoint;
use crate::entry::Recorded;
use crate::field::{FIELDS, Salt, Value, commitment, entry_of, from_hexadecimal, salts};
use crate::mirror::{MirrorFinding, read_checkpoint};
use crate::note::VerifierKey;
use crate::tree::{Hash, ProofError, check_consistency, check_inclusion, leaf_hash};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead};

/// What a package's head begins with.
pub const PACKAGE_FORMAT: &str = "fastness disclosure 1";

/// The longest line that is read: a request may name a thousand objects.
pub const PACKAGE_LINE_LEN_MAX: usize = 8 << 20;

/// How an inspector checks a package without our programs.
const INSTRUCTIONS: [&str; 12] = [
    "Get the region's public keys from the region's operator by a way that you trust; those in this file prove nothing.",
    "0. This line, and the number of records in the last, are the sender's word: nothing signs them. Each record that is here is proven; that none was left out is not. The numbers (`index`) show how many lie between two of a log.",
    "1. Each `checkpoint` is a C2SP signed note (c2sp.org/signed-note, c2sp.org/tlog-checkpoint): its text is the log's name, the number of entries, the root. Check the Ed25519 signature with any C2SP tool.",
    "2. The second signature is ML-DSA-65 (FIPS 204) over the bytes ff, `fastness ML-DSA-65 v1`, newline, and the text; a key's id is made of the same bytes in the place of a type byte.",
    "3. A record has 14 fields in fixed order, numbered from 0. The commitment of a shown field is SHA-256(salt, number in one byte, value): salt from hexadecimal; a text's value is the byte 0 and its UTF-8; a list's is the byte 1 and each text with its length before it in 4 bytes, big-endian.",
    "4. Of a field that is withheld the commitment stands there itself, in base64. Nobody can guess the field from it: it is salted. Those of `withheld_fields`, and no others, are withheld of each record that shows fields.",
    "5. The log's entry is SHA-256 over `fastness entry 2`, newline, and the 14 commitments. Of a record that is withheld as a whole the entry stands there itself.",
    "6. The leaf hash is SHA-256(byte 0, entry); a node's is SHA-256(byte 1, left, right) (RFC 6962, section 2.1).",
    "7. `proof` lists the siblings from the leaf to the root (RFC 6962, section 2.1.1); with `index` and the size of the last checkpoint of the log above the record they must lead to that checkpoint's root. No log has two records of one `index` here.",
    "8. `extends` proves that a checkpoint extends the one of the same log above it (RFC 6962, section 2.1.2).",
    "9. Whoever holds the region's root key can sign another history for you alone. Compare each checkpoint with one of the same log and the same number of entries from elsewhere: a copy of the log that somebody keeps, a package that another inspector received. Nothing in this file ties these logs to the region's own log, which is what other regions cosign.",
    "The last line says how many records there are. `fastness audit verify FILE --key KEYS` does all of this but 9; with `--witness CHECKPOINT` it compares one checkpoint.",
];

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum DisclosedField {
    /// Shown.
    Shown {
        /// Its name.
        name: String,
        /// What it holds.
        value: DisclosedValue,
        /// Its salt, in hexadecimal.
        salt: String,
    },
    /// Withheld.
    Withheld {
        /// Its name.
        name: String,
        /// Its commitment, in base64.
        withheld: String,
    },
}

/// What a field holds, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DisclosedValue {
    /// A text.
    Text(String),
    /// Several.
    List(Vec<String>),
}

impl From<Value> for DisclosedValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::List(texts) => Self::List(texts),
        }
    }
}

impl From<DisclosedValue> for Value {
    fn from(value: DisclosedValue) -> Self {
        match value {
            DisclosedValue::Text(text) => Self::Text(text),
            DisclosedValue::List(texts) => Self::List(texts),
        }
    }
}

/// What is shown of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disclosure {
    /// Some or all of its fields, in their order.
    Fields(Vec<DisclosedField>),
    /// Nothing but what the tree holds, in base64.
    Withheld(String),
}

/// One record of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisclosedRecord {
    /// The log's name.
    pub log: String,
    /// Its number in the log.
    pub index: u64,
    /// What is shown of it.
    pub record: Disclosure,
    /// The siblings from the leaf to the root, in base64.
    pub proof: Vec<String>,
}

impl DisclosedRecord {
    /// Shows a record but for the fields named.
    #[must_use]
    pub fn fields(log: String, index: u64, recorded: &Recorded, hidden: &[String], proof: &[Hash]) -> Self {
        let values = recorded.entry.fields();
        let salts = salts(&recorded.salt);
        let field = |(number, (name, (value, salt))): (u8, (&str, (Value, &Salt)))| {
            let name = name.to_owned();
            if hidden.contains(&name) {
                let withheld = STANDARD.encode(commitment(number, salt, &value));
                return DisclosedField::Withheld { name, withheld };
            }
            DisclosedField::Shown { name, value: value.into(), salt: hexadecimal(salt) }
        };
        let fields = (0..).zip(FIELDS.into_iter().zip(values.into_iter().zip(&salts))).map(field).collect();
        Self {
            log,
            index,
            record: Disclosure::Fields(fields),
            proof: proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
        }
    }

    /// Shows that there is a record, and nothing of it.
    #[must_use]
    pub fn withheld(log: String, index: u64, entry: &Hash, proof: &[Hash]) -> Self {
        let record = Disclosure::Withheld(STANDARD.encode(entry));
        Self { log, index, record, proof: proof.iter().map(|hash| STANDARD.encode(hash)).collect() }
    }

    /// The log's entry that what is shown leads to.
    fn entry(&self) -> Result<Hash, String> {
        let fields = match &self.record {
            Disclosure::Withheld(entry) => return hash(entry),
            Disclosure::Fields(fields) => fields,
        };
        if fields.len() != FIELDS.len() {
            return Err(format!("a record has {} fields, this one has {}", FIELDS.len(), fields.len()));
        }
        let mut commitments = Vec::with_capacity(FIELDS.len());
        for (number, (expected, field)) in (0..).zip(FIELDS.into_iter().zip(fields)) {
            let name = match field {
                DisclosedField::Shown { name, .. } | DisclosedField::Withheld { name, .. } => name,
            };
            if name != expected {
                return Err(format!("the field `{name}` stands where `{expected}` should"));
            }
            commitments.push(match field {
                DisclosedField::Shown { value, salt, .. } => {
                    let salt: Salt = from_hexadecimal(salt).ok_or_else(|| format!("the salt of `{name}` is none"))?;
                    commitment(number, &salt, &value.clone().into())
                }
                DisclosedField::Withheld { withheld, .. } => hash(withheld)?,
            });
        }
        Ok(entry_of(&commitments))
    }

    /// Checks that a log with this checkpoint has it.
    fn check(&self, checkpoint: &Checkpoint) -> Result<(), String> {
        let proof = self.proof.iter().map(|text| hash(text)).collect::<Result<Vec<_>, _>>()?;
        let leaf = leaf_hash(&self.entry()?);
        check_inclusion(self.index, checkpoint.size, &leaf, &proof, &checkpoint.root).map_err(|error| match error {
            ProofError::Root => "what is shown is not what the log has there: it, or its proof, was changed".to_owned(),
            error => error.to_string(),
        })
    }
}

fn hash(text: &str) -> Result<Hash, String> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    bytes.ok_or_else(|| "a hash is not 32 bytes in base64".to_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A signed checkpoint: the records of its log that follow are proven against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageCheckpoint {
    /// The signed note.
    pub checkpoint: String,
    /// The proof that it extends the last one of its log in the package, in base64; empty for the first.
    pub extends: Vec<String>,
}

/// The first line of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageHead {
    /// [`PACKAGE_FORMAT`].
    pub format: String,
    /// How to check it.
    pub instructions: Vec<String>,
    /// What was asked for, in words.
    pub chosen: String,
    /// Fields that are withheld of every record.
    pub withheld_fields: Vec<String>,
    /// The region's public keys, for convenience: an inspector gets them elsewhere.
    pub keys: Vec<String>,
}

impl PackageHead {
    /// The head of a package.
    #[must_use]
    pub fn new(chosen: String, withheld_fields: Vec<String>, keys: Vec<String>) -> Self {
        let instructions = INSTRUCTIONS.map(str::to_owned).to_vec();
        Self { format: PACKAGE_FORMAT.to_owned(), instructions, chosen, withheld_fields, keys }
    }
}

/// The last line of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageEnd {
    /// Records in it.
    pub records: u64,
}

/// What is wrong with a package, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct PackageFinding {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// A package that is sound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackageReport {
    /// What the records were chosen by, in the sender's words: nothing proves them.
    pub chosen: String,
    /// Its checkpoints, in order.
    pub checkpoints: Vec<Checkpoint>,
    /// Its logs: name, entries that their checkpoints are over.
    pub logs: Vec<(String, u64)>,
    /// Records in it.
    pub records: u64,
    /// Records of which nothing is shown.
    pub withheld_records: u64,
    /// Fields that are withheld of the others.
    pub withheld_fields: u64,
}

impl PackageReport {
    /// Whether the package's checkpoint of a log has the same root as one from elsewhere, over as many entries: if not, one
    /// of the two is of a fork. A package has no proof that leads to any other.
    ///
    /// # Errors
    /// Why none of them can be compared with it, in words.
    pub fn compare(&self, other: &Checkpoint) -> Result<bool, String> {
        let of_log: Vec<&Checkpoint> = self.checkpoints.iter().filter(|one| one.origin == other.origin).collect();
        if of_log.is_empty() {
            return Err(format!("the package has no checkpoint of the log `{}`", other.origin));
        }
        if let Some(one) = of_log.iter().find(|one| one.size == other.size) {
            return Ok(one.root == other.root);
        }
        let sizes: Vec<String> = of_log.iter().map(|one| one.size.to_string()).collect();
        Err(format!("it is over {} entries, the package's of this log over {}", other.size, sizes.join(" and ")))
    }
}

/// The keys with which a log is checked, of those that its region published under the region's name.
#[must_use]
pub fn keys_of(published: &[VerifierKey], origin: &str) -> Vec<VerifierKey> {
    let of_region = |key: &&VerifierKey| {
        key.name() == origin || origin.strip_prefix(key.name()).is_some_and(|rest| rest.starts_with('/'))
    };
    published.iter().filter(of_region).map(|key| key.renamed(origin)).collect()
}

/// Checks a package with public keys that the inspector trusts. `progress` hears of records.
///
/// # Errors
/// The inner error is what is wrong with the package; the outer one, a file that could not be read.
pub fn verify_package(
    mut package: impl BufRead,
    published: &[VerifierKey],
    mut progress: impl FnMut(u64),
) -> io::Result<Result<PackageReport, PackageFinding>> {
    let mut line = 0;
    let mut next = || -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let mut limited = io::Read::take(&mut package, PACKAGE_LINE_LEN_MAX as u64 + 1);
        limited.read_until(b'\n', &mut bytes)?;
        Ok((!bytes.is_empty()).then_some(bytes))
    };
    let found = |line: u64, what: &str| Ok(Err(PackageFinding { line, what: what.to_owned() }));
    let Some(first) = next()? else { return found(1, "it is empty") };
    line += 1;
    let head: PackageHead = match parse(&first) {
        Ok(head) => head,
        Err(error) => return found(line, &format!("this is no disclosure package: {error}")),
    };
    let mut reading = match Reading::new(head) {
        Ok(reading) => reading,
        Err(what) => return found(line, &what),
    };
    loop {
        line += 1;
        let Some(bytes) = next()? else { return found(line, "its last line is missing: it was cut off") };
        if bytes.len() > PACKAGE_LINE_LEN_MAX {
            return found(line, "the line is too long");
        }
        let taken = match (parse::<PackageEnd>(&bytes), parse::<PackageCheckpoint>(&bytes)) {
            (Ok(end), _) => {
                return match (reading.end(end), next()?) {
                    (Err(what), _) => found(line, &what),
                    (Ok(_), Some(_)) => found(line + 1, "something follows its last line"),
                    (Ok(report), None) => Ok(Ok(report)),
                };
            }
            (_, Ok(signed)) => reading.checkpoint(&signed, published),
            _ => match parse::<DisclosedRecord>(&bytes) {
                Ok(record) => reading.record(record).inspect(|()| progress(1)),
                Err(error) => Err(format!("this is no record: {error}")),
            },
        };
        if let Err(what) = taken {
            return found(line, &what);
        }
    }
}

/// Reads a line: an object with the members that it should have, written as we write them. Members in a list without
/// names, which the parser would take, too, are refused.
fn parse<T: DeserializeOwned + Serialize>(line: &[u8]) -> Result<T, String> {
    let read: T = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let (as_read, as_written) = (serde_json::to_value(&read), serde_json::from_slice::<serde_json::Value>(line));
    match (as_read, as_written) {
        (Ok(as_read), Ok(as_written)) if as_read == as_written => Ok(read),
        _ => Err("it is not written as such a line is".to_owned()),
    }
}

/// A package on the way.
struct Reading {
    withheld_fields: Vec<String>,
    /// The last checkpoint of each log, and the numbers of its records.
    logs: BTreeMap<String, (Checkpoint, HashSet<u64>)>,
    report: PackageReport,
}

impl Reading {
    fn new(head: PackageHead) -> Result<Self, String> {
        if head.format != PACKAGE_FORMAT {
            return Err(format!("its format is `{}`, this program reads `{PACKAGE_FORMAT}`", head.format));
        }
        let mut known: HashSet<&str> = FIELDS.into_iter().collect();
        if let Some(name) = head.withheld_fields.iter().find(|name| !known.remove(name.as_str())) {
            return Err(format!("`withheld_fields` names `{name}`, which is no field or is named twice"));
        }
        if let Some(error) = head.keys.iter().find_map(|key| VerifierKey::parse(key).err()) {
            return Err(format!("`keys` holds what is none: {error}"));
        }
        let report = PackageReport { chosen: head.chosen, ..PackageReport::default() };
        Ok(Self { withheld_fields: head.withheld_fields, logs: BTreeMap::new(), report })
    }

    fn checkpoint(&mut self, signed: &PackageCheckpoint, published: &[VerifierKey]) -> Result<(), String> {
        let checkpoint = signed.check(published, |origin| self.logs.get(origin).map(|(last, _)| last))?;
        self.report.checkpoints.push(checkpoint.clone());
        match self.logs.get_mut(&checkpoint.origin) {
            Some((last, _)) => *last = checkpoint,
            None => drop(self.logs.insert(checkpoint.origin.clone(), (checkpoint, HashSet::new()))),
        }
        Ok(())
    }

    fn record(&mut self, record: DisclosedRecord) -> Result<(), String> {
        let DisclosedRecord { log, index, .. } = &record;
        let (checkpoint, numbers) =
            self.logs.get_mut(log).ok_or_else(|| format!("its log `{log}` has no checkpoint above it"))?;
        record.check(checkpoint).map_err(|what| format!("entry {index} of `{log}`: {what}"))?;
        if !numbers.insert(*index) {
            return Err(format!("entry {index} of `{log}` is in the package already"));
        }
        match &record.record {
            Disclosure::Withheld(_) => self.report.withheld_records += 1,
            Disclosure::Fields(fields) => {
                let of_head = |name: &String| self.withheld_fields.contains(name);
                let other = fields.iter().find_map(|field| match field {
                    DisclosedField::Shown { name, .. } if of_head(name) => Some(format!("`{name}` is shown")),
                    DisclosedField::Withheld { name, .. } if !of_head(name) => Some(format!("`{name}` is withheld")),
                    _ => None,
                });
                if let Some(other) = other {
                    return Err(format!("entry {index} of `{log}`: {other}, against what `withheld_fields` says"));
                }
                self.report.withheld_fields += self.withheld_fields.len() as u64;
            }
        }
        self.report.records += 1;
        Ok(())
    }

    fn end(mut self, end: PackageEnd) -> Result<PackageReport, String> {
        if end.records != self.report.records {
            return Err(format!("it says {} records, {} are there", end.records, self.report.records));
        }
        self.report.logs.extend(self.logs.into_iter().map(|(name, (checkpoint, _))| (name, checkpoint.size)));
        Ok(self.report)
    }
}

impl PackageCheckpoint {
    /// Checks the signatures, and that it extends the last one of its log.
    fn check<'k>(
        &self,
        published: &[VerifierKey],
        known: impl FnOnce(&str) -> Option<&'k Checkpoint>,
    ) -> Result<Checkpoint, String> {
        let origin = self.checkpoint.lines().next().unwrap_or_default();
        let keys = keys_of(published, origin);
        if keys.is_empty() {
            return Err(format!("the checkpoint of `{origin}`: no key that you trust is of its region"));
        }
        let read = read_checkpoint(self.checkpoint.as_bytes(), &keys);
        let (new, _) = read.map_err(|finding: MirrorFinding| format!("the checkpoint of `{origin}`: {finding}"))?;
        if let Some(old) = known(&new.origin) {
            let proof = self.extends.iter().map(|text| hash(text)).collect::<Result<Vec<_>, _>>()?;
            check_consistency(old.size, new.size, &old.root, &new.root, &proof)
                .map_err(|error| format!("the checkpoint of `{origin}` does not extend the one above it: {error}"))?;
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests;
