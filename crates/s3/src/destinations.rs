//! Where a bucket's logs and notifications go.

use crate::configurations::{asked, invalid};
use crate::convert::refuse_if;
use crate::error::mismatch;
use fastness_gate::{Gate, Session};
use fastness_operation::configuration::{
    Destination, Invalid, KeyFilter, LogKeyFormat, Logging, Notification, Notifications,
};
use fastness_operation::{Configuration, ConfigurationKind as Kind};
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

/// The ARN partition that a region's name puts it in.
pub(crate) use fastness_operation::arn_partition;

pub(crate) async fn get_logging(
    gate: &Gate,
    request: S3Request<dto::GetBucketLoggingInput>,
) -> S3Result<S3Response<dto::GetBucketLoggingOutput>> {
    let logging_enabled = match asked!(request).get(gate, Kind::Logging).await? {
        None => None,
        Some(Configuration::Logging(logging)) => Some(dto::LoggingEnabled {
            target_bucket: logging.target.to_string(),
            target_grants: None,
            target_object_key_format: logging.format.map(wire_format),
            target_prefix: logging.prefix,
        }),
        Some(_) => return Err(mismatch(gate)),
    };
    Ok(S3Response::new(dto::GetBucketLoggingOutput { logging_enabled }))
}

fn wire_format(format: LogKeyFormat) -> dto::TargetObjectKeyFormat {
    let by = |source: &'static str| {
        let partition_date_source = Some(dto::PartitionDateSource::from_static(source));
        let partitioned_prefix = Some(dto::PartitionedPrefix { partition_date_source });
        dto::TargetObjectKeyFormat { partitioned_prefix, simple_prefix: None }
    };
    match format {
        LogKeyFormat::Simple => {
            dto::TargetObjectKeyFormat { partitioned_prefix: None, simple_prefix: Some(dto::SimplePrefix {}) }
        }
        LogKeyFormat::ByEventTime => by(dto::PartitionDateSource::EVENT_TIME),
        LogKeyFormat::ByDeliveryTime => by(dto::PartitionDateSource::DELIVERY_TIME),
    }
}

fn log_format(format: dto::TargetObjectKeyFormat) -> S3Result<LogKeyFormat> {
    let malformed = || invalid(Invalid::malformed());
    match (format.partitioned_prefix, format.simple_prefix) {
        (None, Some(_)) => Ok(LogKeyFormat::Simple),
        (Some(by), None) => match by.partition_date_source.as_ref().map(dto::PartitionDateSource::as_str) {
            Some(dto::PartitionDateSource::EVENT_TIME) => Ok(LogKeyFormat::ByEventTime),
            None | Some(dto::PartitionDateSource::DELIVERY_TIME) => Ok(LogKeyFormat::ByDeliveryTime),
            Some(_) => Err(malformed()),
        },
        _ => Err(malformed()),
    }
}

pub(crate) async fn put_logging(
    gate: &Gate,
    request: S3Request<dto::PutBucketLoggingInput>,
) -> S3Result<S3Response<dto::PutBucketLoggingOutput>> {
    let asked = asked!(request);
    match request.input.bucket_logging_status.logging_enabled {
        None => asked.delete(gate, Kind::Logging).await?,
        Some(enabled) => {
            refuse_if(&[("granting by ACL", enabled.target_grants.is_some_and(|grants| !grants.is_empty()))])?;
            let format = enabled.target_object_key_format.map(log_format).transpose()?;
            let logging = Logging::new(&enabled.target_bucket, enabled.target_prefix, format).map_err(invalid)?;
            asked.put(gate, Configuration::Logging(logging)).await?;
        }
    }
    Ok(S3Response::new(dto::PutBucketLoggingOutput {}))
}

/// One destination of a kind, to the wire.
macro_rules! wire_destination {
    ($entries:expr, $kind:ident, $type:ident, $arn:ident) => {{
        let found = $entries.iter().filter(|entry| entry.destination == Destination::$kind);
        let found: Vec<dto::$type> = found
            .map(|entry| dto::$type {
                events: entry.events.iter().cloned().map(dto::Event::from).collect(),
                filter: wire_filter(&entry.filter),
                id: Some(entry.id.clone()),
                $arn: entry.arn.clone(),
            })
            .collect();
        (!found.is_empty()).then_some(found)
    }};
}

fn wire_filter(rules: &[KeyFilter]) -> Option<dto::NotificationConfigurationFilter> {
    let rule = |rule: &KeyFilter| {
        let (name, value) = match rule {
            KeyFilter::Prefix(value) => (dto::FilterRuleName::PREFIX, value),
            KeyFilter::Suffix(value) => (dto::FilterRuleName::SUFFIX, value),
        };
        dto::FilterRule { name: Some(dto::FilterRuleName::from_static(name)), value: Some(value.clone()) }
    };
    let filter_rules = Some(rules.iter().map(rule).collect());
    (!rules.is_empty()).then_some(dto::NotificationConfigurationFilter { key: Some(dto::S3KeyFilter { filter_rules }) })
}

pub(crate) async fn get_notification(
    gate: &Gate,
    request: S3Request<dto::GetBucketNotificationConfigurationInput>,
) -> S3Result<S3Response<dto::GetBucketNotificationConfigurationOutput>> {
    let found = match asked!(request).get(gate, Kind::Notification).await? {
        None => Notifications::default(),
        Some(Configuration::Notification(found)) => found,
        Some(_) => return Err(mismatch(gate)),
    };
    let entries = &found.entries;
    Ok(S3Response::new(dto::GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: found.event_bridge.then_some(dto::EventBridgeConfiguration {}),
        lambda_function_configurations: wire_destination!(
            entries,
            Function,
            LambdaFunctionConfiguration,
            lambda_function_arn
        ),
        queue_configurations: wire_destination!(entries, Queue, QueueConfiguration, queue_arn),
        topic_configurations: wire_destination!(entries, Topic, TopicConfiguration, topic_arn),
    }))
}

/// One destination of a kind, from the wire. Without a name it gets one, out of the request's id.
macro_rules! destinations {
    ($entries:ident, $session:ident, $found:expr, $kind:ident, $arn:ident) => {
        for found in $found.into_iter().flatten() {
            let number = $entries.len();
            $entries.push(Notification {
                id: found.id.unwrap_or_else(|| made_id(&$session, number)),
                destination: Destination::$kind,
                arn: found.$arn,
                events: found.events.iter().map(|event| event.as_ref().to_owned()).collect(),
                filter: key_filter(found.filter)?,
            });
        }
    };
}

/// A name for a rule that was sent without one.
pub(crate) fn made_id(session: &Session, number: usize) -> String {
    format!("{}-{number}", session.context().request_id())
}

fn key_filter(filter: Option<dto::NotificationConfigurationFilter>) -> S3Result<Vec<KeyFilter>> {
    let rules = filter.and_then(|filter| filter.key).and_then(|key| key.filter_rules).unwrap_or_default();
    let rule = |rule: dto::FilterRule| {
        let wrong = || invalid(Invalid::argument("filter rule name must be either prefix or suffix"));
        let value = rule.value.unwrap_or_default();
        // As S3: the name is taken whatever its case.
        match rule.name.map(|name| name.as_str().to_ascii_lowercase()).as_deref() {
            Some("prefix") => Ok(KeyFilter::Prefix(value)),
            Some("suffix") => Ok(KeyFilter::Suffix(value)),
            _ => Err(wrong()),
        }
    };
    rules.into_iter().map(rule).collect()
}

pub(crate) async fn put_notification(
    gate: &Gate,
    request: S3Request<dto::PutBucketNotificationConfigurationInput>,
) -> S3Result<S3Response<dto::PutBucketNotificationConfigurationOutput>> {
    let asked = asked!(request);
    let (wanted, session) = (request.input.notification_configuration, &asked.session);
    let mut entries = Vec::new();
    destinations!(entries, session, wanted.topic_configurations, Topic, topic_arn);
    destinations!(entries, session, wanted.queue_configurations, Queue, queue_arn);
    destinations!(entries, session, wanted.lambda_function_configurations, Function, lambda_function_arn);
    let event_bridge = wanted.event_bridge_configuration.is_some();
    let wanted = Notifications::new(entries, event_bridge, arn_partition(gate.region())).map_err(invalid)?;
    if wanted.is_empty() {
        asked.delete(gate, Kind::Notification).await?;
    } else {
        asked.put(gate, Configuration::Notification(wanted)).await?;
    }
    Ok(S3Response::new(dto::PutBucketNotificationConfigurationOutput {}))
}
