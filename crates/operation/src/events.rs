//! What is looked for in the ledger (CloudTrail API reference, LookupEvents).

use std::collections::BTreeMap;

/// The one attribute that a lookup may name, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventAttribute {
    /// The access key that signed, or was claimed.
    AccessKeyId(String),
    /// The event's id.
    EventId(String),
    /// The operation's name.
    EventName(String),
    /// The service.
    EventSource(String),
    /// Whether it changes nothing.
    ReadOnly(bool),
    /// A resource's name.
    ResourceName(String),
    /// A resource's type.
    ResourceType(String),
    /// The user's name.
    Username(String),
}

impl EventAttribute {
    /// Its name in CloudTrail's API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AccessKeyId(_) => "AccessKeyId",
            Self::EventId(_) => "EventId",
            Self::EventName(_) => "EventName",
            Self::EventSource(_) => "EventSource",
            Self::ReadOnly(_) => "ReadOnly",
            Self::ResourceName(_) => "ResourceName",
            Self::ResourceType(_) => "ResourceType",
            Self::Username(_) => "Username",
        }
    }

    /// Its value as it was sent.
    #[must_use]
    pub const fn value(&self) -> &str {
        match self {
            Self::ReadOnly(true) => "true",
            Self::ReadOnly(false) => "false",
            Self::AccessKeyId(value)
            | Self::EventId(value)
            | Self::EventName(value)
            | Self::EventSource(value)
            | Self::ResourceName(value)
            | Self::ResourceType(value)
            | Self::Username(value) => value.as_str(),
        }
    }
}

/// Which events a lookup wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// What they have in common; none means all.
    pub attribute: Option<EventAttribute>,
    /// The first millisecond since 1970 that counts.
    pub from_ms: i64,
    /// The last one.
    pub until_ms: i64,
    /// Whether CloudTrail's Insights events are asked for, of which there are none.
    pub insights: bool,
}

/// Which events are to be disclosed with proofs, and what of them is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosing {
    /// Which events.
    pub filter: EventFilter,
    /// Events of a page.
    pub limit: u8,
    /// Where an earlier page ended.
    pub token: Option<String>,
    /// Fields that are withheld of every event, by name.
    pub hidden: Vec<String>,
    /// Markings of ledgers whose events are withheld as a whole.
    pub withheld: Vec<String>,
    /// Logs of which a checkpoint over so many entries is known: a later one comes with the proof that it extends it.
    pub known: BTreeMap<String, u64>,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self { attribute: None, from_ms: i64::MIN, until_ms: i64::MAX, insights: false }
    }
}
