//! Where logs and notifications go: validated and kept; nothing is delivered yet.

use super::Invalid;
use crate::{BucketName, Code};
use serde::{Deserialize, Serialize};

/// LoggingEnabled (S3 API reference). Grants are not offered: ACLs are not supported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// The bucket that logs go to: of the same account.
    pub target: BucketName,
    /// What their keys begin with.
    pub prefix: String,
    /// How their keys go on.
    pub format: Option<LogKeyFormat>,
}

/// TargetObjectKeyFormat (S3 API reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogKeyFormat {
    /// `SimplePrefix`.
    Simple,
    /// `PartitionedPrefix` by the event's time.
    ByEventTime,
    /// `PartitionedPrefix` by the delivery's time.
    ByDeliveryTime,
}

/// NotificationConfiguration (S3 API reference).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// One for each destination and set of events.
    pub entries: Vec<Notification>,
    /// Whether events go to EventBridge, too.
    pub event_bridge: bool,
}

/// What kind of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A topic of SNS.
    Topic,
    /// A queue of SQS.
    Queue,
    /// A function of Lambda.
    Function,
}

/// One destination and its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Its name within the configuration.
    pub id: String,
    /// What kind of destination.
    pub destination: Destination,
    /// The destination's ARN.
    pub arn: String,
    /// Names of events (`s3:ObjectCreated:*`).
    pub events: Vec<String>,
    /// Which keys.
    pub filter: Vec<KeyFilter>,
}

/// One rule of a filter by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the two names of the S3 API reference")]
pub enum KeyFilter {
    Prefix(String),
    Suffix(String),
}

/// The event types of the S3 user guide ("Supported event types for SQS, SNS, and Lambda"), before their last part.
const EVENTS: [(&str, &[&str]); 11] = [
    ("s3:TestEvent", &[]),
    ("s3:ObjectCreated", &["*", "Put", "Post", "Copy", "CompleteMultipartUpload"]),
    ("s3:ObjectRemoved", &["*", "Delete", "DeleteMarkerCreated"]),
    ("s3:ObjectRestore", &["*", "Post", "Completed", "Delete"]),
    ("s3:ReducedRedundancyLostObject", &[]),
    (
        "s3:Replication",
        &[
            "*",
            "OperationFailedReplication",
            "OperationMissedThreshold",
            "OperationReplicatedAfterThreshold",
            "OperationNotTracked",
        ],
    ),
    ("s3:LifecycleExpiration", &["*", "Delete", "DeleteMarkerCreated"]),
    ("s3:LifecycleTransition", &[]),
    ("s3:IntelligentTiering", &[]),
    ("s3:ObjectTagging", &["*", "Put", "Delete"]),
    ("s3:ObjectAcl", &["Put"]),
];

fn is_event(name: &str) -> bool {
    EVENTS.iter().any(|(kind, parts)| match name.strip_prefix(kind) {
        Some("") => parts.is_empty(),
        Some(rest) => rest.strip_prefix(':').is_some_and(|part| parts.contains(&part)),
        None => false,
    })
}

impl Notifications {
    /// The most destinations of a bucket.
    pub const MAX: usize = 100;

    /// Checks what can be checked of a configuration by itself: ARNs of this kind of service in the caller's ARN
    /// partition, known events, one prefix and one suffix at most, each name once.
    ///
    /// # Errors
    /// [`Invalid`] with `InvalidArgument` or `MalformedXML`.
    pub fn new(entries: Vec<Notification>, event_bridge: bool, partition: &str) -> Result<Self, Invalid> {
        if entries.len() > Self::MAX {
            return Err(Invalid::malformed());
        }
        for (number, entry) in entries.iter().enumerate() {
            entry.check(partition)?;
            if entries.iter().take(number).any(|other| other.id == entry.id) {
                return Err(Invalid::argument("Same ID used for multiple configurations. IDs must be unique"));
            }
        }
        Ok(Self { entries, event_bridge })
    }

    /// Whether nobody is told of anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.event_bridge
    }
}

impl Notification {
    fn check(&self, partition: &str) -> Result<(), Invalid> {
        let service = match self.destination {
            Destination::Topic => "sns",
            Destination::Queue => "sqs",
            Destination::Function => "lambda",
        };
        let parts: Vec<&str> = self.arn.splitn(6, ':').collect();
        let good = matches!(parts.as_slice(), ["arn", found, of, region, account, name]
            if *found == partition && *of == service && !region.is_empty() && !name.is_empty()
                && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
            && self.arn.len() <= 2048
            && self.arn.bytes().all(|byte| byte.is_ascii_graphic());
        if !good {
            return Err(Invalid::argument("The ARN is not well formed"));
        }
        if self.events.is_empty() {
            return Err(Invalid::malformed());
        }
        if !self.events.iter().all(|event| is_event(event)) {
            return Err(Invalid::argument("A specified event is not supported for notifications"));
        }
        if self.id.chars().count() > 255 {
            return Err(Invalid::argument("The ID of a notification cannot be longer than 255 characters"));
        }
        let prefixes = self.filter.iter().filter(|rule| matches!(rule, KeyFilter::Prefix(_))).count();
        if prefixes > 1 || self.filter.len() - prefixes > 1 {
            return Err(Invalid::argument("Cannot specify more than one prefix rule or suffix rule in a filter."));
        }
        let too_long = |rule: &KeyFilter| {
            let (KeyFilter::Prefix(text) | KeyFilter::Suffix(text)) = rule;
            text.len() > 1024
        };
        if self.filter.iter().any(too_long) {
            return Err(Invalid::argument(
                "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
            ));
        }
        Ok(())
    }
}

impl Logging {
    /// Checks the bounds of a logging configuration.
    ///
    /// # Errors
    /// [`Invalid`] with `InvalidArgument`, or `InvalidTargetBucketForLogging` for what is no bucket's name.
    pub fn new(target: &str, prefix: String, format: Option<LogKeyFormat>) -> Result<Self, Invalid> {
        let target = BucketName::new(target).map_err(|_| Self::no_such_target())?;
        if prefix.len() > 800 {
            return Err(Invalid::argument("The target prefix cannot be longer than 800 characters"));
        }
        Ok(Self { target, prefix, format })
    }

    /// The target is no bucket of this account that the caller sees.
    #[must_use]
    pub fn no_such_target() -> Invalid {
        Invalid::new(Code::InvalidTargetBucketForLogging, "The target bucket for logging does not exist")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_are_checked() {
        let entry = |destination, arn: &str, events: &[&str]| Notification {
            id: "a".to_owned(),
            destination,
            arn: arn.to_owned(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            filter: Vec::new(),
        };
        let check = |entry: Notification, good: bool| {
            let found = Notifications::new(vec![entry.clone()], false, "aws-iso-b");
            assert_eq!(found.is_ok(), good, "{entry:?}");
        };
        let (queue, event) = ("arn:aws-iso-b:sqs:us-isob-east-1:123456789012:q", "s3:ObjectCreated:*");
        check(entry(Destination::Queue, queue, &[event, "s3:ObjectRemoved:Delete"]), true);
        check(entry(Destination::Topic, queue, &[event]), false);
        check(entry(Destination::Queue, queue, &[]), false);
        check(entry(Destination::Queue, queue, &["s3:ObjectCreated"]), false);
        check(entry(Destination::Queue, queue, &["s3:ObjectCreated:Nothing"]), false);
        check(entry(Destination::Queue, "arn:aws:sqs:us-isob-east-1:123456789012:q", &[event]), false);
        check(entry(Destination::Queue, "arn:aws-iso-b:sqs:us-isob-east-1:12345678901:q", &[event]), false);
        check(entry(Destination::Queue, "q", &[event]), false);
        let twice = vec![KeyFilter::Prefix("a".to_owned()), KeyFilter::Prefix("b".to_owned())];
        check(Notification { filter: twice, ..entry(Destination::Queue, queue, &[event]) }, false);
        let same = vec![entry(Destination::Queue, queue, &[event]); 2];
        assert!(Notifications::new(same, false, "aws-iso-b").is_err());
    }
}
