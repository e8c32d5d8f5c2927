//! Row keys of the table `crossings`: texts, a kind and what it is of, with `/` between.

use super::again::Again;
use super::arrivals::Arrival;
use super::lifts::Lift;
use super::received::{NumberSeen, ReceivedNumbers};
use super::releases::Release;
use super::used::UsedRecord;
use crate::Fault;
use crate::catalog::{CROSSINGS, Reading, Turn};
use crate::records::{decode, encode};
use fastness_operation::{AccountNumber, BundleId, LiftId, MappingName, RegionName, ReleaseId};
use redb::ReadableTable;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) const LIFTS: &str = "lift/";

pub(super) fn lift(id: &LiftId) -> String {
    format!("{LIFTS}{id}")
}

/// What of a lift goes again.
pub(super) fn agains(lift: &LiftId) -> String {
    format!("again/{lift}/")
}

/// The same by the key of the lift's row.
pub(super) fn agains_of(row: &str) -> String {
    format!("again/{}/", row.strip_prefix(LIFTS).unwrap_or(row))
}

pub(super) fn again(lift: &LiftId, bundle: &BundleId) -> String {
    format!("again/{lift}/{bundle}")
}

pub(super) const RELEASES: &str = "release/";

pub(super) fn release(id: &ReleaseId) -> String {
    format!("{RELEASES}{id}")
}

pub(super) fn arrivals(from: &RegionName) -> String {
    format!("arrival/{from}/")
}

pub(super) fn arrival(from: &RegionName, bundle: &BundleId) -> String {
    format!("arrival/{from}/{bundle}")
}

pub(super) const OVERTAKES: &str = "overtakes/";

pub(super) fn received(from: &RegionName) -> String {
    format!("in/{from}")
}

pub(super) fn numbers(from: &RegionName) -> String {
    format!("number/{from}/")
}

/// Numbers have ten digits: the order of rows is theirs.
pub(super) fn number(from: &RegionName, number: u64) -> String {
    format!("number/{from}/{number:010}")
}

pub(super) fn used_of(account: AccountNumber, mapping: &MappingName) -> String {
    format!("used/{account}/{mapping}/")
}

/// Days have ten digits, as numbers.
pub(super) fn used(account: AccountNumber, mapping: &MappingName, day: u32) -> String {
    format!("used/{account}/{mapping}/{day:010}")
}

/// A row of a snapshot.
pub(super) fn read<T: DeserializeOwned + Serialize>(reading: &Reading, row: &str) -> Result<Option<T>, Fault> {
    let Some(rows) = reading.rows_if_made(CROSSINGS)? else { return Ok(None) };
    rows.get(row.as_bytes())?.map(|guard| decode(guard.value())).transpose()
}

/// The rows of a snapshot whose keys begin with a prefix, from the first above `after`, as long as `take` wants more.
pub(super) fn each<T: DeserializeOwned + Serialize>(
    reading: &Reading,
    (prefix, after): (&str, &str),
    mut take: impl FnMut(&str, T) -> bool,
) -> Result<(), Fault> {
    let Some(rows) = reading.rows_if_made(CROSSINGS)? else { return Ok(()) };
    for row in rows.range::<&[u8]>(after.max(prefix).as_bytes()..)? {
        let (key, value) = row?;
        let Some(key) = std::str::from_utf8(key.value()).ok().filter(|key| key.starts_with(prefix)) else { break };
        if key > after && !take(key, decode(value.value())?) {
            break;
        }
    }
    Ok(())
}

/// A row in a turn.
pub(super) fn read_in<T: DeserializeOwned + Serialize>(turn: &Turn<'_>, row: &str) -> Result<Option<T>, Fault> {
    turn.crossings()?.get(row.as_bytes())?.map(|guard| decode(guard.value())).transpose()
}

pub(super) fn write<T: DeserializeOwned + Serialize>(turn: &Turn<'_>, row: &str, value: &T) -> Result<(), Fault> {
    turn.crossings()?.insert(row.as_bytes(), encode(value)?.as_slice())?;
    Ok(())
}

pub(super) fn remove(turn: &Turn<'_>, row: &str) -> Result<(), Fault> {
    turn.crossings()?.remove(row.as_bytes())?;
    Ok(())
}

/// Before the key of a row of which something has to be done: whoever looks for those reads no others.
const DUE: &str = "due/";

/// Notes whether something has to be done about the row of a lift or a release.
pub(super) fn note_due(turn: &Turn<'_>, row: &str, is_due: bool) -> Result<(), Fault> {
    let due = format!("{DUE}{row}");
    if is_due { write(turn, &due, &()) } else { remove(turn, &due) }
}

/// The rows whose keys begin with a prefix, of which something has to be done.
pub(super) fn due<T: DeserializeOwned + Serialize>(reading: &Reading, prefix: &str) -> Result<Vec<T>, Fault> {
    let (mut keys, mut found) = (Vec::new(), Vec::new());
    each(reading, (&format!("{DUE}{prefix}"), ""), |key, (): ()| {
        keys.extend(key.strip_prefix(DUE).map(str::to_owned));
        true
    })?;
    for key in keys {
        found.extend(read(reading, &key)?);
    }
    Ok(found)
}

/// Where looking for rows ends.
pub(super) enum Until {
    /// When so many are found.
    Found(usize),
    /// When so many were looked at: for what is asked often, of many rows.
    LookedAt(usize),
}

/// The keys of the rows in a turn that begin with a prefix and of which `goes` says so.
pub(super) fn keys_in<T: DeserializeOwned + Serialize>(
    turn: &Turn<'_>,
    prefix: &str,
    until: Until,
    mut goes: impl FnMut(&str, &T) -> bool,
) -> Result<Vec<String>, Fault> {
    let (looked_at, most) = match until {
        Until::Found(most) => (usize::MAX, most),
        Until::LookedAt(most) => (most, usize::MAX),
    };
    let (rows, mut found) = (turn.crossings()?, Vec::new());
    for row in rows.range::<&[u8]>(prefix.as_bytes()..)?.take(looked_at) {
        let (key, value) = row?;
        let Some(key) = std::str::from_utf8(key.value()).ok().filter(|key| key.starts_with(prefix)) else { break };
        if found.len() == most {
            break;
        }
        if goes(key, &decode(value.value())?) {
            found.push(key.to_owned());
        }
    }
    Ok(found)
}

/// What a check asks of a row: that it is of a kind that is known, and can be read.
pub(crate) fn check_row(key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let key = std::str::from_utf8(key).map_err(|error| Fault::failed("a crossing's row", error))?;
    match key.split_once('/').map(|(kind, _)| kind) {
        Some("lift") => decode::<Lift>(value).map(drop),
        Some("again") => decode::<Again>(value).map(drop),
        Some("release") => decode::<Release>(value).map(drop),
        Some("arrival") => decode::<Arrival>(value).map(drop),
        Some("in") => decode::<ReceivedNumbers>(value).map(drop),
        Some("number") => decode::<NumberSeen>(value).map(drop),
        Some("due") => decode::<()>(value),
        Some("overtakes") => decode::<super::overtake::Latest>(value).map(drop),
        Some("used") => decode::<UsedRecord>(value).map(drop),
        _ => Err(Fault::Failed("it is of no kind that this program knows".to_owned())),
    }
}
