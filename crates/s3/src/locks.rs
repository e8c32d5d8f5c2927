//! Object lock: of buckets, and of versions.

use crate::annotations::asked;
use crate::configurations::asked as asked_of_bucket;
use crate::convert::{expected_owner, labelled, timestamp};
use crate::error::{malformed, mismatch, session};
use crate::objects::target;
use fastness_gate::Gate;
use fastness_operation::{
    Configuration, ConfigurationKind as Kind, Lock, ObjectLock, Operation, Period, Retention, RetentionMode,
};
use s3s::dto::{self, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use time::OffsetDateTime;

pub(crate) fn mode_name(mode: RetentionMode) -> dto::ObjectLockMode {
    dto::ObjectLockMode::from_static(mode.name())
}

pub(crate) fn hold_name(held: bool) -> dto::ObjectLockLegalHoldStatus {
    dto::ObjectLockLegalHoldStatus::from_static(if held { "ON" } else { "OFF" })
}

fn milliseconds(time: Timestamp) -> i64 {
    let nanos = OffsetDateTime::from(time).unix_timestamp_nanos();
    i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

fn schema() -> S3Error {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    malformed(S3ErrorCode::MalformedXML, message)
}

/// The lock that a write asks for in its headers.
pub(crate) fn of_headers(mode: Option<&str>, until: Option<Timestamp>, hold: Option<&str>) -> Result<Lock, S3Error> {
    let wrong = |message: &str| malformed(S3ErrorCode::InvalidArgument, message);
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let mode = RetentionMode::named(mode).ok_or_else(|| wrong("Unknown wormMode directive."))?;
            Some(Retention { mode, until_ms: milliseconds(until) })
        }
        _ => {
            let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            return Err(wrong(message));
        }
    };
    let legal_hold = match hold {
        None => None,
        Some("OFF") => Some(false),
        Some("ON") => Some(true),
        Some(_) => return Err(wrong("Legal Hold must be either of 'ON' or 'OFF'")),
    };
    Ok(Lock { retention, legal_hold })
}

/// The lock that a write asks for.
macro_rules! lock_headers {
    ($input:ident) => {
        $crate::locks::of_headers(
            $input.object_lock_mode.as_ref().map(s3s::dto::ObjectLockMode::as_str),
            $input.object_lock_retain_until_date,
            $input.object_lock_legal_hold_status.as_ref().map(s3s::dto::ObjectLockLegalHoldStatus::as_str),
        )
    };
}
pub(crate) use lock_headers;

pub(crate) async fn retention(
    gate: &Gate,
    request: S3Request<dto::GetObjectRetentionInput>,
) -> S3Result<S3Response<dto::GetObjectRetentionOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let target = target(&input.bucket, &input.key, input.version_id)?;
    let found = asked(gate, &session, Operation::GetObjectRetention { target }).await?;
    let retention = found.extras.lock.retention.map(|retention| dto::ObjectLockRetention {
        mode: Some(dto::ObjectLockRetentionMode::from_static(retention.mode.name())),
        retain_until_date: Some(timestamp(retention.until_ms)),
    });
    Ok(labelled(gate, found.label, dto::GetObjectRetentionOutput { retention }))
}

pub(crate) async fn put_retention(
    gate: &Gate,
    request: S3Request<dto::PutObjectRetentionInput>,
) -> S3Result<S3Response<dto::PutObjectRetentionOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let wanted = input.retention.ok_or_else(schema)?;
    let retention = match (wanted.mode, wanted.retain_until_date) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let mode = RetentionMode::named(mode.as_str()).ok_or_else(schema)?;
            Some(Retention { mode, until_ms: milliseconds(until) })
        }
        _ => return Err(schema()),
    };
    let operation = Operation::PutObjectRetention {
        target: target(&input.bucket, &input.key, input.version_id)?,
        retention,
        bypass_governance: input.bypass_governance_retention == Some(true),
    };
    let found = asked(gate, &session, operation).await?;
    Ok(labelled(gate, found.label, dto::PutObjectRetentionOutput::default()))
}

pub(crate) async fn legal_hold(
    gate: &Gate,
    request: S3Request<dto::GetObjectLegalHoldInput>,
) -> S3Result<S3Response<dto::GetObjectLegalHoldOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let target = target(&input.bucket, &input.key, input.version_id)?;
    let found = asked(gate, &session, Operation::GetObjectLegalHold { target }).await?;
    let status = found.extras.lock.legal_hold.map(hold_name);
    let legal_hold = Some(dto::ObjectLockLegalHold { status });
    Ok(labelled(gate, found.label, dto::GetObjectLegalHoldOutput { legal_hold }))
}

pub(crate) async fn put_legal_hold(
    gate: &Gate,
    request: S3Request<dto::PutObjectLegalHoldInput>,
) -> S3Result<S3Response<dto::PutObjectLegalHoldOutput>> {
    let session = session(&request)?;
    let input = request.input;
    expected_owner(&session, input.expected_bucket_owner.as_ref())?;
    let status = input.legal_hold.and_then(|hold| hold.status).ok_or_else(schema)?;
    let legal_hold = match status.as_str() {
        "ON" => true,
        "OFF" => false,
        _ => return Err(schema()),
    };
    let target = target(&input.bucket, &input.key, input.version_id)?;
    let found = asked(gate, &session, Operation::PutObjectLegalHold { target, legal_hold }).await?;
    Ok(labelled(gate, found.label, dto::PutObjectLegalHoldOutput::default()))
}

pub(crate) async fn configuration(
    gate: &Gate,
    request: S3Request<dto::GetObjectLockConfigurationInput>,
) -> S3Result<S3Response<dto::GetObjectLockConfigurationOutput>> {
    let Some(Configuration::ObjectLock(lock)) = asked_of_bucket!(request).get(gate, Kind::ObjectLock).await? else {
        return Err(mismatch(gate));
    };
    let rule = lock.default.map(|(mode, period)| {
        let (days, years) = match period {
            Period::Days(days) => (i32::try_from(days).ok(), None),
            Period::Years(years) => (None, i32::try_from(years).ok()),
        };
        let mode = Some(dto::ObjectLockRetentionMode::from_static(mode.name()));
        dto::ObjectLockRule { default_retention: Some(dto::DefaultRetention { mode, days, years }) }
    });
    let enabled = dto::ObjectLockEnabled::from_static(dto::ObjectLockEnabled::ENABLED);
    let configuration = dto::ObjectLockConfiguration { object_lock_enabled: Some(enabled), rule };
    Ok(S3Response::new(dto::GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) }))
}

fn default_of(rule: dto::ObjectLockRule) -> Result<(RetentionMode, Period), S3Error> {
    let wanted = rule.default_retention.ok_or_else(schema)?;
    let mode = wanted.mode.as_ref().and_then(|mode| RetentionMode::named(mode.as_str())).ok_or_else(schema)?;
    let bounded = |number: i32, most: u32| {
        u32::try_from(number).ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
            let code = S3ErrorCode::from_bytes(b"InvalidRetentionPeriod").unwrap_or(S3ErrorCode::InvalidArgument);
            let mut error = malformed(code, "Default retention period must be a positive integer value.");
            error.set_status_code(http::StatusCode::BAD_REQUEST);
            error
        })
    };
    let period = match (wanted.days, wanted.years) {
        (Some(days), None) => Period::Days(bounded(days, Period::DAYS_MAX)?),
        (None, Some(years)) => Period::Years(bounded(years, Period::YEARS_MAX)?),
        _ => return Err(schema()),
    };
    Ok((mode, period))
}

pub(crate) async fn put_configuration(
    gate: &Gate,
    request: S3Request<dto::PutObjectLockConfigurationInput>,
) -> S3Result<S3Response<dto::PutObjectLockConfigurationOutput>> {
    let asked = asked_of_bucket!(request);
    let wanted = request.input.object_lock_configuration.ok_or_else(schema)?;
    if wanted.object_lock_enabled.as_ref().map(dto::ObjectLockEnabled::as_str) != Some(dto::ObjectLockEnabled::ENABLED)
    {
        return Err(schema());
    }
    let lock = ObjectLock { default: wanted.rule.map(default_of).transpose()? };
    asked.put(gate, Configuration::ObjectLock(lock)).await?;
    Ok(S3Response::new(dto::PutObjectLockConfigurationOutput::default()))
}
