//! What an entry holds.

use crate::facets::Facets;
use crate::field::{Committing, FIELDS, SALT_LEN, Salt, Value, salts, write_list, write_number, write_text};
use crate::tree::{Hash, sha256};
use fastness_operation::Moment;
use serde::{Deserialize, Deserializer, Serialize};

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done; for a write, what it made (a version's id, an upload's, a key's).
    Done(Option<String>),
    /// It was refused: the reason's kind, AWS's code.
    Refused(String, String),
    /// Several things were asked at once: one outcome each, in the order of the resources. They do not nest: what reads
    /// as nested is malformed, however deep it is.
    Each(#[serde(deserialize_with = "not_nested")] Vec<Self>),
}

/// An outcome of one thing.
#[derive(Deserialize)]
enum One {
    Done(Option<String>),
    Refused(String, String),
}

fn not_nested<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Outcome>, D::Error> {
    let all = Vec::<One>::deserialize(from)?;
    let outcome = |one| match one {
        One::Done(made) => Outcome::Done(made),
        One::Refused(reason, code) => Outcome::Refused(reason, code),
    };
    Ok(all.into_iter().map(outcome).collect())
}

impl Outcome {
    /// As it is committed to: `done`, `done WHAT`, `refused REASON CODE`. In the reason, spaces and `%` are
    /// percent-encoded, so that no other reason and code read the same.
    fn text(&self) -> String {
        match self {
            Self::Done(None) => "done".to_owned(),
            Self::Done(Some(made)) => format!("done {made}"),
            Self::Refused(reason, code) => {
                format!("refused {} {code}", reason.replace('%', "%25").replace(' ', "%20"))
            }
            // Outcomes do not nest: one that did could not be read again.
            Self::Each(all) => all.iter().map(|one| format!("[{}]", one.text())).collect(),
        }
    }
}

/// One request in the ledger. Fields are CloudTrail's in substance; labels and duties are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// The id that the answer carried.
    pub request: [u8; 8],
    /// The service (`s3`, `iam`, …).
    pub service: String,
    /// The operation; empty when none was recognized.
    pub operation: String,
    /// Who: the ARN's tail (`user/…`), `operator`, or what an unproven credential claimed.
    pub principal: String,
    /// The principal's account, 12 digits; empty if none.
    pub account: String,
    /// The key that signed, or was claimed.
    pub key: String,
    /// The session's label.
    pub label: String,
    /// The nationality, if the principal has one.
    pub nationality: String,
    /// The duty with which the principal is charged, if any.
    pub duty: String,
    /// The program that asked, as it calls itself.
    pub agent: String,
    /// The resources, as `read bucket/key` or `write bucket/key`, with `?versionId=…` where one was named.
    pub resources: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Where from.
    pub source: String,
}

/// An entry of format 1, as the chains of older programs hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ChainedEntry {
    time_ms: i64,
    request: [u8; 8],
    service: String,
    operation: String,
    principal: String,
    account: String,
    key: String,
    label: String,
    nationality: String,
    resources: Vec<String>,
    outcome: Outcome,
    source: String,
}

/// An entry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Written by a newer program, or damaged.
    #[error("the entry has format {0}, this program reads formats 1 and 2")]
    Format(u8),
    /// Its bytes do not make an entry.
    #[error("the entry is malformed")]
    Malformed,
    /// What it says is not what the tree commits to.
    #[error("the entry's content is not what its commitment commits to")]
    Commitment,
}

const FORMAT_CHAINED: u8 = 1;
const FORMAT: u8 = 2;

/// Bytes of chance that an entry's salt comes from.
const CHANCE_LEN: usize = 32;

/// Most entries are shorter.
const ENTRY_LEN_USUAL: usize = 448;

/// An entry as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What it says.
    pub entry: Entry,
    /// From which its fields' salts come.
    pub salt: Salt,
}

impl Entry {
    /// What the ledger keeps of what the region itself did: nobody asked, and nothing is chosen by whoever reads it.
    #[must_use]
    pub fn by_the_region(moment: &Moment, label: String, operation: &str, made: String) -> Vec<u8> {
        Self {
            time_ms: moment.now_ms,
            request: [0; 8],
            service: "fastness".to_owned(),
            operation: operation.to_owned(),
            principal: "region".to_owned(),
            account: String::new(),
            key: String::new(),
            label,
            nationality: String::new(),
            duty: String::new(),
            agent: String::new(),
            resources: Vec::new(),
            outcome: Outcome::Done(Some(made)),
            source: String::new(),
        }
        .record(&moment.seed)
    }

    /// What the ledger keeps of the entry: the 32 bytes that the tree commits to, a format byte, a salt, the content
    /// (postcard). `chance` is secret and of this request alone; entries of one request have salts of their own.
    #[must_use]
    pub fn record(&self, chance: &[u8; CHANCE_LEN]) -> Vec<u8> {
        self.record_with(&self.outcome, chance)
    }

    /// The same of this entry with another outcome in the place of its own.
    #[must_use]
    pub fn record_with(&self, outcome: &Outcome, chance: &[u8; CHANCE_LEN]) -> Vec<u8> {
        let Self { time_ms, request, service, operation, principal, account, key, label, .. } = self;
        let Self { nationality, duty, agent, resources, source, .. } = self;
        // Postcard writes a tuple, and a tuple within, as it writes a struct of the same fields.
        let fields = (
            (time_ms, request, service, operation, principal, account, key, label),
            (nationality, duty, agent, resources, outcome, source),
        );
        // What the salt is made of lies where commitment, format and salt will: in front of the content.
        let mut bytes = Vec::with_capacity(ENTRY_LEN_USUAL);
        bytes.extend_from_slice(&[0; CONTENT_AT - CHANCE_LEN]);
        bytes.extend_from_slice(chance);
        // An entry is plain data without maps or floats: writing it to memory does not fail.
        let mut bytes = postcard::to_extend(&fields, bytes).unwrap_or_else(|_| vec![0; CONTENT_AT]);
        let mut salt = Salt::default();
        salt.copy_from_slice(sha256(bytes.split_at(CONTENT_AT - CHANCE_LEN).1).split_at(SALT_LEN).0);
        let (commitment, rest) = bytes.split_at_mut(32);
        commitment.copy_from_slice(&self.commitment_with(outcome, &salt));
        let (format, rest) = rest.split_at_mut(1);
        format.copy_from_slice(&[FORMAT]);
        rest.split_at_mut(SALT_LEN).0.copy_from_slice(&salt);
        bytes
    }

    fn commitment_with(&self, outcome: &Outcome, salt: &Salt) -> Hash {
        let salts = salts(salt);
        let mut salts = salts.iter();
        let mut all = Committing::new();
        let mut field = |write: &dyn Fn(&mut Vec<u8>)| {
            if let Some(salt) = salts.next() {
                all.field(salt, write);
            }
        };
        field(&|to| write_number(self.time_ms, to));
        let mut text = |text: &str| field(&|to| write_text(text, to));
        text(&hex(&self.request));
        for value in [&self.service, &self.operation, &self.principal, &self.account, &self.key, &self.label] {
            text(value);
        }
        for value in [&self.nationality, &self.duty, &self.agent] {
            text(value);
        }
        field(&|to| write_list(&self.resources, to));
        match outcome {
            Outcome::Each(all) => {
                let texts: Vec<String> = all.iter().map(Outcome::text).collect();
                field(&|to| write_list(&texts, to));
            }
            one => field(&|to| write_text(&one.text(), to)),
        }
        field(&|to| write_text(&self.source, to));
        all.finish()
    }

    /// The fields in the order of [`FIELDS`], as they are committed to and shown.
    #[must_use]
    pub fn fields(&self) -> [Value; FIELDS.len()] {
        let text = |text: &str| Value::Text(text.to_owned());
        let outcome = match &self.outcome {
            Outcome::Each(all) => Value::List(all.iter().map(Outcome::text).collect()),
            one => Value::Text(one.text()),
        };
        [
            Value::Text(self.time_ms.to_string()),
            Value::Text(hex(&self.request)),
            text(&self.service),
            text(&self.operation),
            text(&self.principal),
            text(&self.account),
            text(&self.key),
            text(&self.label),
            text(&self.nationality),
            text(&self.duty),
            text(&self.agent),
            Value::List(self.resources.clone()),
            outcome,
            text(&self.source),
        ]
    }

    /// Reads an entry of a chain (format 1).
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn of_chain(bytes: &[u8]) -> Result<Self, EntryError> {
        let old: ChainedEntry = match bytes.split_first() {
            Some((&FORMAT_CHAINED, rest)) => postcard::from_bytes(rest).map_err(|_| EntryError::Malformed)?,
            Some((format, _)) => return Err(EntryError::Format(*format)),
            None => return Err(EntryError::Malformed),
        };
        let ChainedEntry { time_ms, request, service, operation, principal, account, key, label, .. } = old;
        let (nationality, resources, outcome, source) = (old.nationality, old.resources, old.outcome, old.source);
        let (duty, agent) = (String::new(), String::new());
        Ok(Self {
            time_ms,
            request,
            service,
            operation,
            principal,
            account,
            key,
            label,
            nationality,
            duty,
            agent,
            resources,
            outcome,
            source,
        })
    }
}

impl Entry {
    /// Reads an entry as the store keeps it: commitment, then content.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(row: &[u8]) -> Result<Self, EntryError> {
        Self::decode_content(row.get(32..).ok_or(EntryError::Malformed)?)
    }

    /// Reads an entry's content, without its commitment; entries of older chains are nothing else.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode_content(content: &[u8]) -> Result<Self, EntryError> {
        match content.first() {
            Some(&FORMAT_CHAINED) => Self::of_chain(content),
            _ => Recorded::read(content).map(|recorded| recorded.entry),
        }
    }
}

/// What the ledger keeps behind an entry's commitment, as its salt and the entry.
fn salt_first(content: &[u8]) -> Result<(&Salt, &[u8]), EntryError> {
    match content.split_first() {
        Some((&FORMAT, rest)) => rest.split_first_chunk().ok_or(EntryError::Malformed),
        Some((format, _)) => Err(EntryError::Format(*format)),
        None => Err(EntryError::Malformed),
    }
}

/// Commitment, format byte, salt.
const CONTENT_AT: usize = 32 + 1 + SALT_LEN;

impl Recorded {
    /// Reads what the ledger keeps behind an entry's commitment.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn read(content: &[u8]) -> Result<Self, EntryError> {
        let (salt, rest) = salt_first(content)?;
        let (entry, rest) = postcard::take_from_bytes(rest).map_err(|_| EntryError::Malformed)?;
        if rest.is_empty() { Ok(Self { entry, salt: *salt }) } else { Err(EntryError::Malformed) }
    }

    /// Reads it, and checks that it is what the tree commits to, written in the one way in which it is written.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn checked(commitment: &Hash, content: &[u8]) -> Result<Self, EntryError> {
        let read = Self::read(content)?;
        if read.commitment() != *commitment {
            return Err(EntryError::Commitment);
        }
        // Numbers that are longer than they need be are all that one could write otherwise.
        let shortest = CONTENT_AT - 32 + read.entry.written_len();
        if content.len() == shortest { Ok(read) } else { Err(EntryError::Malformed) }
    }

    /// The 32 bytes that the tree commits to.
    #[must_use]
    pub fn commitment(&self) -> Hash {
        self.entry.commitment_with(&self.entry.outcome, &self.salt)
    }
}

/// What an entry is found by, read without copying it; what lies behind is passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct Sought<'a> {
    pub(crate) time_ms: i64,
    _request: [u8; 8],
    pub(crate) service: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) principal: &'a str,
    _account: &'a str,
    pub(crate) key: &'a str,
    _label: &'a str,
    _nationality: &'a str,
    _duty: &'a str,
    _agent: &'a str,
    #[serde(borrow)]
    pub(crate) resources: Vec<&'a str>,
}

impl<'a> Sought<'a> {
    pub(crate) const fn facets(&self) -> Facets<'_, &'a str> {
        let Self { service, operation, principal, resources, .. } = self;
        Facets { service, operation, principal, resources: resources.as_slice() }
    }

    /// Reads what the ledger keeps behind an entry's commitment.
    ///
    /// # Errors
    /// [`EntryError`].
    pub(crate) fn read(content: &'a [u8]) -> Result<Self, EntryError> {
        let (_, rest) = salt_first(content)?;
        postcard::take_from_bytes(rest).map(|(sought, _)| sought).map_err(|_| EntryError::Malformed)
    }
}

/// Bytes of a number as postcard writes it: seven bits in each.
const fn number_len(number: u64) -> usize {
    1 + (u64::BITS - (number | 1).leading_zeros() - 1) as usize / 7
}

const fn text_len(text: &str) -> usize {
    number_len(text.len() as u64) + text.len()
}

fn outcome_len(outcome: &Outcome) -> usize {
    // Each kind's number takes a byte.
    1 + match outcome {
        Outcome::Done(made) => 1 + made.as_deref().map_or(0, text_len),
        Outcome::Refused(reason, code) => text_len(reason) + text_len(code),
        Outcome::Each(all) => number_len(all.len() as u64) + all.iter().map(outcome_len).sum::<usize>(),
    }
}

impl Entry {
    /// Bytes that postcard writes of the entry. Counted by hand, because writing it would cost every check a tenth more.
    fn written_len(&self) -> usize {
        // Numbers with a sign are folded: 0, -1, 1, -2, …
        let time = (self.time_ms << 1) ^ (self.time_ms >> 63);
        let texts = [&self.service, &self.operation, &self.principal, &self.account, &self.key, &self.label];
        let more = [&self.nationality, &self.duty, &self.agent, &self.source];
        let texts: usize = texts.into_iter().chain(more).map(|text| text_len(text)).sum();
        let resources: usize = self.resources.iter().map(|text| text_len(text)).sum();
        let list = number_len(self.resources.len() as u64) + resources;
        number_len(time.cast_unsigned()) + self.request.len() + texts + list + outcome_len(&self.outcome)
    }
}

/// Bytes in hexadecimal digits, as CloudTrail and S3 write a request's id.
fn hex(bytes: &[u8; 8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).map_or('0', |digit| digit.to_ascii_uppercase());
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend([digit(byte >> 4), digit(byte & 0xf)]);
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::field::{commitment, entry_of};

    pub(crate) fn entry() -> Entry {
        Entry {
            time_ms: 1_769_000_000_123,
            request: [7; 8],
            service: "s3".into(),
            operation: "PutObject".into(),
            principal: "user/ann".into(),
            account: "123456789012".into(),
            key: "AKIAEXAMPLEEXAMPLE12".into(),
            label: "SECRET".into(),
            nationality: "USA".into(),
            duty: String::new(),
            agent: "aws-cli/2.15.0".into(),
            resources: vec!["write b/k".into()],
            outcome: Outcome::Done(Some("v1".into())),
            source: "127.0.0.1".into(),
        }
    }

    fn split(row: &[u8]) -> (Hash, &[u8]) {
        let (commitment, content) = row.split_first_chunk().unwrap();
        (*commitment, content)
    }

    #[test]
    fn an_entry_reads_back_and_damage_does_not() {
        let each = Outcome::Each(vec![Outcome::Done(None), Outcome::Refused("request".into(), "NoSuchKey".into())]);
        for outcome in [Outcome::Done(None), each] {
            let entry = Entry { outcome: outcome.clone(), ..entry() };
            let row = entry.record(&[1; 32]);
            assert_eq!(super::tests::entry().record_with(&outcome, &[1; 32]), row);
            let (commitment, content) = split(&row);
            let recorded = Recorded::checked(&commitment, content).unwrap();
            assert_eq!(recorded.entry, entry);
            assert_eq!(content.get(17..).unwrap(), postcard::to_stdvec(&entry).unwrap(), "as a struct");
            assert_eq!(Recorded::read(content.get(..content.len() - 1).unwrap()), Err(EntryError::Malformed));
            for at in 1..content.len() {
                let mut changed = content.to_vec();
                changed[at] ^= 1;
                assert!(Recorded::checked(&commitment, &changed).is_err(), "{at}");
            }
        }
        assert_eq!(Recorded::read(&[]), Err(EntryError::Malformed));
        assert_eq!(Recorded::read(&[9, 9]), Err(EntryError::Format(9)));
    }

    #[test]
    fn an_entry_is_written_in_one_way() {
        let each = Outcome::Each(vec![Outcome::Done(None)]);
        let row = Entry { outcome: each, ..entry() }.record(&[1; 32]);
        let (commitment, content) = split(&row);
        assert!(Recorded::checked(&commitment, content).is_ok());
        // Bytes behind it.
        let longer = [content, &[0]].concat();
        assert_eq!(Recorded::checked(&commitment, &longer), Err(EntryError::Malformed));
        assert_eq!(Recorded::read(&longer), Err(EntryError::Malformed));
        // A length in two bytes that has room in one: `service`, behind the time (6 bytes here) and the request.
        let at = CONTENT_AT - 32 + postcard::to_stdvec(&entry().time_ms).unwrap().len() + 8;
        assert_eq!(content[at..at + 3], [2, b's', b'3']);
        let mut padded = content.to_vec();
        padded.splice(at..=at, [0x82, 0]);
        assert_eq!(Recorded::read(&padded).unwrap().commitment(), commitment, "it says the same");
        assert_eq!(Recorded::checked(&commitment, &padded), Err(EntryError::Malformed));
    }

    #[test]
    fn an_entrys_length_is_that_of_what_is_written() {
        let refused = Outcome::Refused("r".repeat(200), String::new());
        let outcomes =
            [Outcome::Done(None), refused.clone(), Outcome::Each(vec![refused; 129]), Outcome::Each(Vec::new())];
        let times = [0, -1, 1, 63, 64, -64, -65, 1_769_000_000_123, i64::MAX, i64::MIN];
        for (outcome, time_ms) in outcomes.iter().cycle().zip(times) {
            for length in [0, 1, 127, 128, 16_383, 16_384] {
                let (outcome, agent) = (outcome.clone(), "a".repeat(length));
                let entry = Entry {
                    time_ms,
                    outcome,
                    resources: vec!["é".repeat(length % 300); length % 200],
                    agent,
                    ..entry()
                };
                assert_eq!(entry.written_len(), postcard::to_stdvec(&entry).unwrap().len());
            }
        }
    }

    #[test]
    fn outcomes_do_not_nest() {
        let nested = Outcome::Each(vec![Outcome::Each(vec![Outcome::Done(None)])]);
        let row = Entry { outcome: nested, ..entry() }.record(&[1; 32]);
        assert_eq!(Recorded::read(split(&row).1), Err(EntryError::Malformed));
        // However deep, reading goes no deeper.
        let row = entry().record(&[1; 32]);
        let (_, content) = split(&row);
        let end = content.len() - postcard::to_stdvec(&(&entry().outcome, &entry().source)).unwrap().len();
        let deep = [&content[..end], &[2, 1].repeat(1 << 20)].concat();
        assert_eq!(Recorded::read(&deep), Err(EntryError::Malformed));
    }

    #[test]
    fn no_two_outcomes_are_committed_to_alike() {
        let refused = |reason: &str, code: &str| Outcome::Refused(reason.to_owned(), code.to_owned()).text();
        assert_eq!(refused("not-in-view", "NoSuchKey"), "refused not-in-view NoSuchKey");
        assert_eq!(refused("a b", "c"), "refused a%20b c");
        assert_eq!(refused("a", "b c"), "refused a b c");
        assert_ne!(refused("a b", "c"), refused("a%20b", "c"));
    }

    #[test]
    fn what_is_shown_of_an_entry_leads_to_what_the_tree_holds() {
        let refused = Outcome::Refused("mandatory".into(), "NoSuchKey".into());
        let each = Outcome::Each(vec![Outcome::Done(Some("x".into())), refused.clone()]);
        for outcome in [Outcome::Done(None), refused, each] {
            let row = Entry { outcome, ..entry() }.record(&[2; 32]);
            let (tree, content) = split(&row);
            let recorded = Recorded::read(content).unwrap();
            let values = recorded.entry.fields();
            let salts = salts(&recorded.salt);
            let shown = (0..).zip(salts.iter().zip(&values));
            let commitments: Vec<Hash> = shown.map(|(number, (salt, value))| commitment(number, salt, value)).collect();
            assert_eq!(entry_of(&commitments), tree);
        }
    }

    #[test]
    fn salts_are_of_one_field_of_one_entry() {
        let salt_of = |entry: &Entry, chance: u8| Recorded::read(split(&entry.record(&[chance; 32])).1).unwrap().salt;
        let other = Entry { operation: "GetObject".into(), ..entry() };
        assert_ne!(salt_of(&entry(), 1), salt_of(&entry(), 2), "another request");
        assert_ne!(salt_of(&entry(), 1), salt_of(&other, 1), "another entry of the request");
        let all = salts(&salt_of(&entry(), 1));
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), FIELDS.len());
    }

    #[test]
    fn lists_and_texts_are_told_apart() {
        let salt = [0; SALT_LEN];
        let of = |value: Value| commitment(11, &salt, &value);
        let list = |texts: &[&str]| Value::List(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_ne!(of(list(&["a", "b"])), of(list(&["ab"])));
        assert_ne!(of(list(&["a"])), of(Value::Text("a".into())));
        assert_ne!(of(list(&[])), of(Value::Text(String::new())));
    }

    #[test]
    fn an_entry_of_an_older_chain_is_read() {
        let Entry { time_ms, request, service, operation, principal, account, key, label, .. } = entry();
        let Entry { nationality, resources, outcome, source, .. } = entry();
        let fields = (
            (time_ms, request, service, operation, principal, account, key, label),
            (nationality, resources, outcome, source),
        );
        let mut bytes = vec![FORMAT_CHAINED];
        bytes.extend(postcard::to_stdvec(&fields).unwrap());
        assert_eq!(Entry::of_chain(&bytes), Ok(Entry { agent: String::new(), ..entry() }));
        assert_eq!(Entry::of_chain(&bytes[..bytes.len() - 1]), Err(EntryError::Malformed));
        assert_eq!(Entry::of_chain(&[2]), Err(EntryError::Format(2)));
    }
}
