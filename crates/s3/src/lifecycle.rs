//! Lifecycle rules on the wire.

use crate::configurations::{asked, deletes, invalid};
use crate::convert::{refuse_if, tag_set, timestamp};
use crate::destinations::made_id;
use crate::error::mismatch;
use fastness_gate::Gate;
use fastness_operation::configuration::{Expiration, Filter, Invalid, Lifecycle, LifecycleRule, NoncurrentExpiration};
use fastness_operation::{Configuration, ConfigurationKind as Kind};
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};
use time::OffsetDateTime;

deletes! {
    delete DeleteBucketLifecycleInput DeleteBucketLifecycleOutput Lifecycle;
}

pub(crate) async fn get(
    gate: &Gate,
    request: S3Request<dto::GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<dto::GetBucketLifecycleConfigurationOutput>> {
    let Some(Configuration::Lifecycle(lifecycle)) = asked!(request).get(gate, Kind::Lifecycle).await? else {
        return Err(mismatch(gate));
    };
    let rules = Some(lifecycle.rules().iter().map(wire_rule).collect());
    Ok(S3Response::new(dto::GetBucketLifecycleConfigurationOutput { rules, ..Default::default() }))
}

fn wire_rule(rule: &LifecycleRule) -> dto::LifecycleRule {
    let days = |days: u32| Some(i32::try_from(days).unwrap_or(i32::MAX));
    let status = if rule.enabled { dto::ExpirationStatus::ENABLED } else { dto::ExpirationStatus::DISABLED };
    let expiration = rule.expiration.map(|expiration| match expiration {
        Expiration::Days(count) => dto::LifecycleExpiration { days: days(count), ..Default::default() },
        Expiration::DateMs(ms) => dto::LifecycleExpiration { date: Some(timestamp(ms)), ..Default::default() },
        Expiration::Marker(goes) => {
            dto::LifecycleExpiration { expired_object_delete_marker: Some(goes), ..Default::default() }
        }
    });
    let filter = &rule.filter;
    let tags =
        || filter.tags.iter().map(|(key, value)| dto::Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) });
    let size = |bound: Option<u64>| bound.map(|bound| i64::try_from(bound).unwrap_or(i64::MAX));
    let (above, below) = (size(filter.size_above), size(filter.size_below));
    let wire_filter = if filter.old_form {
        None
    } else if filter.and {
        let all: Vec<dto::Tag> = tags().collect();
        let and = dto::LifecycleRuleAndOperator {
            object_size_greater_than: above,
            object_size_less_than: below,
            prefix: filter.prefix.clone(),
            tags: (!all.is_empty()).then_some(all),
        };
        Some(dto::LifecycleRuleFilter { and: Some(and), ..Default::default() })
    } else {
        Some(dto::LifecycleRuleFilter {
            and: None,
            object_size_greater_than: above,
            object_size_less_than: below,
            prefix: filter.prefix.clone(),
            tag: tags().next(),
        })
    };
    dto::LifecycleRule {
        abort_incomplete_multipart_upload: rule
            .abort_uploads_days
            .map(|count| dto::AbortIncompleteMultipartUpload { days_after_initiation: days(count) }),
        expiration,
        filter: wire_filter,
        id: Some(rule.id.clone()),
        noncurrent_version_expiration: rule.noncurrent.map(|noncurrent| dto::NoncurrentVersionExpiration {
            newer_noncurrent_versions: noncurrent.newer.and_then(days),
            noncurrent_days: days(noncurrent.days),
        }),
        noncurrent_version_transitions: None,
        prefix: filter.old_form.then(|| filter.prefix.clone().unwrap_or_default()),
        status: dto::ExpirationStatus::from_static(status),
        transitions: None,
    }
}

fn count(days: i32, what: &str) -> S3Result<u32> {
    u32::try_from(days).map_err(|_| invalid(Invalid::argument(format!("{what} must be a positive integer"))))
}

fn bound(size: Option<i64>, what: &str) -> S3Result<Option<u64>> {
    let wrong = |_| invalid(Invalid::argument(format!("'{what}' must not be below zero")));
    size.map(u64::try_from).transpose().map_err(wrong)
}

fn read_filter(prefix: Option<String>, filter: Option<dto::LifecycleRuleFilter>) -> S3Result<Filter> {
    let malformed = || invalid(Invalid::malformed());
    match (prefix, filter) {
        (Some(prefix), None) => Ok(Filter { old_form: true, prefix: Some(prefix), ..Filter::default() }),
        (None, Some(filter)) => {
            let alone = [
                filter.prefix.is_some(),
                filter.tag.is_some(),
                filter.object_size_greater_than.is_some(),
                filter.object_size_less_than.is_some(),
            ];
            match filter.and {
                Some(_) if alone.contains(&true) => Err(malformed()),
                Some(and) => Ok(Filter {
                    old_form: false,
                    and: true,
                    prefix: and.prefix,
                    tags: tag_set(and.tags.unwrap_or_default())?,
                    size_above: bound(and.object_size_greater_than, "ObjectSizeGreaterThan")?,
                    size_below: bound(and.object_size_less_than, "ObjectSizeLessThan")?,
                }),
                None => Ok(Filter {
                    old_form: false,
                    and: false,
                    prefix: filter.prefix,
                    tags: tag_set(filter.tag.into_iter().collect())?,
                    size_above: bound(filter.object_size_greater_than, "ObjectSizeGreaterThan")?,
                    size_below: bound(filter.object_size_less_than, "ObjectSizeLessThan")?,
                }),
            }
        }
        _ => Err(malformed()),
    }
}

fn read_expiration(expiration: dto::LifecycleExpiration) -> S3Result<Expiration> {
    match (expiration.days, expiration.date, expiration.expired_object_delete_marker) {
        (Some(days), None, None) => Ok(Expiration::Days(count(days, "'Days' for Expiration action")?)),
        (None, Some(date), None) => {
            let ms = OffsetDateTime::from(date).unix_timestamp_nanos() / 1_000_000;
            Ok(Expiration::DateMs(i64::try_from(ms).unwrap_or(i64::MAX)))
        }
        (None, None, Some(goes)) => Ok(Expiration::Marker(goes)),
        _ => Err(invalid(Invalid::malformed())),
    }
}

fn read_rule(rule: dto::LifecycleRule, id: String) -> S3Result<LifecycleRule> {
    let moves = rule.transitions.is_some_and(|them| !them.is_empty());
    let later = rule.noncurrent_version_transitions.is_some_and(|them| !them.is_empty());
    refuse_if(&[("transition to another storage class", moves || later)])?;
    let enabled = match rule.status.as_str() {
        dto::ExpirationStatus::ENABLED => true,
        dto::ExpirationStatus::DISABLED => false,
        _ => return Err(invalid(Invalid::malformed())),
    };
    let noncurrent = match rule.noncurrent_version_expiration {
        None => None,
        Some(noncurrent) => {
            let days = noncurrent.noncurrent_days.ok_or_else(|| invalid(Invalid::malformed()))?;
            let newer = noncurrent.newer_noncurrent_versions;
            Some(NoncurrentExpiration {
                days: count(days, "'NoncurrentDays' for NoncurrentVersionExpiration action")?,
                newer: newer.map(|newer| count(newer, "'NewerNoncurrentVersions'")).transpose()?,
            })
        }
    };
    let abort = rule.abort_incomplete_multipart_upload.and_then(|abort| abort.days_after_initiation);
    Ok(LifecycleRule {
        id,
        enabled,
        filter: read_filter(rule.prefix, rule.filter)?,
        expiration: rule.expiration.map(read_expiration).transpose()?,
        noncurrent,
        abort_uploads_days: abort
            .map(|days| count(days, "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action"))
            .transpose()?,
    })
}

pub(crate) async fn put(
    gate: &Gate,
    request: S3Request<dto::PutBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<dto::PutBucketLifecycleConfigurationOutput>> {
    let asked = asked!(request);
    let wanted = request.input.lifecycle_configuration.ok_or_else(|| invalid(Invalid::malformed()))?;
    let mut rules = Vec::with_capacity(wanted.rules.len());
    for (number, rule) in wanted.rules.into_iter().enumerate() {
        let id = rule.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| made_id(&asked.session, number));
        rules.push(read_rule(rule, id)?);
    }
    let lifecycle = Lifecycle::new(rules).map_err(invalid)?;
    asked.put(gate, Configuration::Lifecycle(lifecycle)).await?;
    Ok(S3Response::new(dto::PutBucketLifecycleConfigurationOutput::default()))
}
