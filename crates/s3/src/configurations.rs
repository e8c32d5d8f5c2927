//! The small configurations of a bucket: tags, public access block, ownership, ACL, encryption, payment, acceleration.

use crate::convert::{bucket, expected_owner, refuse_if, tag_error};
use crate::error::{malformed, mismatch, not_offered, refused, session};
use fastness_gate::{Answer, Gate, Payload, Session};
use fastness_operation::configuration::{Encryption, Invalid, Ownership, PublicAccessBlock};
use fastness_operation::{AccountNumber, Configuration, ConfigurationKind as Kind, Operation, Tags};
use http::StatusCode;
use s3s::dto;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use std::sync::Arc;

/// A configuration that is not taken, on the wire.
pub(crate) fn invalid(invalid: Invalid) -> S3Error {
    let code = S3ErrorCode::from_bytes(invalid.code.as_str().as_bytes()).unwrap_or(S3ErrorCode::InvalidRequest);
    let mut error = malformed(code, invalid.message);
    error.set_status_code(StatusCode::from_u16(invalid.code.status()).unwrap_or(StatusCode::BAD_REQUEST));
    error
}

/// Whose bucket is asked for, by whom.
pub(crate) struct Asked {
    pub(crate) session: Arc<Session>,
    pub(crate) bucket: fastness_operation::BucketName,
}

impl Asked {
    pub(crate) fn new(session: Arc<Session>, name: &str, owner: Option<&String>) -> S3Result<Self> {
        expected_owner(&session, owner)?;
        Ok(Self { bucket: bucket(name)?, session })
    }

    async fn handle(&self, gate: &Gate, operation: Operation) -> S3Result<Answer> {
        let answer = gate.handle(&self.session, operation, Payload::none()).await;
        answer.map_err(|refusal| refused(gate, &self.session, refusal))
    }

    pub(crate) async fn get(&self, gate: &Gate, kind: Kind) -> S3Result<Option<Configuration>> {
        let operation = Operation::GetBucketConfiguration { bucket: self.bucket.clone(), kind };
        match self.handle(gate, operation).await? {
            Answer::Configuration(found) => Ok(found.map(|found| *found)),
            _ => Err(mismatch(gate)),
        }
    }

    pub(crate) async fn put(&self, gate: &Gate, configuration: Configuration) -> S3Result<()> {
        let configuration = Box::new(configuration);
        let operation = Operation::PutBucketConfiguration { bucket: self.bucket.clone(), configuration };
        match self.handle(gate, operation).await? {
            Answer::Done => Ok(()),
            _ => Err(mismatch(gate)),
        }
    }

    pub(crate) async fn delete(&self, gate: &Gate, kind: Kind) -> S3Result<()> {
        let operation = Operation::DeleteBucketConfiguration { bucket: self.bucket.clone(), kind };
        match self.handle(gate, operation).await? {
            Answer::Done => Ok(()),
            _ => Err(mismatch(gate)),
        }
    }
}

/// The one who asks, from a request's input.
macro_rules! asked {
    ($request:ident) => {
        $crate::configurations::Asked::new(
            $crate::error::session(&$request)?,
            &$request.input.bucket,
            $request.input.expected_bucket_owner.as_ref(),
        )?
    };
}
pub(crate) use asked;

/// A function that removes a kind of configuration: always the same.
macro_rules! deletes {
    ($($name:ident $input:ident $output:ident $kind:ident;)*) => {$(
        pub(crate) async fn $name(
            gate: &fastness_gate::Gate,
            request: s3s::S3Request<s3s::dto::$input>,
        ) -> s3s::S3Result<s3s::S3Response<s3s::dto::$output>> {
            let asked = $crate::configurations::asked!(request);
            asked.delete(gate, fastness_operation::ConfigurationKind::$kind).await?;
            Ok(s3s::S3Response::with_status(s3s::dto::$output {}, http::StatusCode::NO_CONTENT))
        }
    )*};
}
pub(crate) use deletes;

deletes! {
    delete_tagging DeleteBucketTaggingInput DeleteBucketTaggingOutput Tagging;
    delete_public_access_block DeletePublicAccessBlockInput DeletePublicAccessBlockOutput PublicAccessBlock;
    delete_ownership DeleteBucketOwnershipControlsInput DeleteBucketOwnershipControlsOutput Ownership;
    delete_encryption DeleteBucketEncryptionInput DeleteBucketEncryptionOutput Encryption;
}

pub(crate) async fn get_tagging(
    gate: &Gate,
    request: S3Request<dto::GetBucketTaggingInput>,
) -> S3Result<S3Response<dto::GetBucketTaggingOutput>> {
    let tag = |(key, value): (&str, &str)| dto::Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
    match asked!(request).get(gate, Kind::Tagging).await? {
        Some(Configuration::Tagging(tags)) => {
            Ok(S3Response::new(dto::GetBucketTaggingOutput { tag_set: tags.iter().map(tag).collect() }))
        }
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn put_tagging(
    gate: &Gate,
    request: S3Request<dto::PutBucketTaggingInput>,
) -> S3Result<S3Response<dto::PutBucketTaggingOutput>> {
    let asked = asked!(request);
    let pair = |tag: dto::Tag| Some((tag.key?, tag.value?));
    let pairs: Option<Vec<(String, String)>> = request.input.tagging.tag_set.into_iter().map(pair).collect();
    let pairs = pairs.ok_or_else(|| invalid(Invalid::malformed()))?;
    let tags = Tags::of_bucket(pairs).map_err(|error| tag_error(&error))?;
    asked.put(gate, Configuration::Tagging(tags)).await?;
    Ok(S3Response::with_status(dto::PutBucketTaggingOutput {}, StatusCode::NO_CONTENT))
}

pub(crate) async fn get_public_access_block(
    gate: &Gate,
    request: S3Request<dto::GetPublicAccessBlockInput>,
) -> S3Result<S3Response<dto::GetPublicAccessBlockOutput>> {
    match asked!(request).get(gate, Kind::PublicAccessBlock).await? {
        Some(Configuration::PublicAccessBlock(block)) => {
            let configuration = dto::PublicAccessBlockConfiguration {
                block_public_acls: Some(block.block_public_acls),
                ignore_public_acls: Some(block.ignore_public_acls),
                block_public_policy: Some(block.block_public_policy),
                restrict_public_buckets: Some(block.restrict_public_buckets),
            };
            let output = dto::GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) };
            Ok(S3Response::new(output))
        }
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn put_public_access_block(
    gate: &Gate,
    request: S3Request<dto::PutPublicAccessBlockInput>,
) -> S3Result<S3Response<dto::PutPublicAccessBlockOutput>> {
    let asked = asked!(request);
    let wanted = request.input.public_access_block_configuration;
    let block = PublicAccessBlock {
        block_public_acls: wanted.block_public_acls == Some(true),
        ignore_public_acls: wanted.ignore_public_acls == Some(true),
        block_public_policy: wanted.block_public_policy == Some(true),
        restrict_public_buckets: wanted.restrict_public_buckets == Some(true),
    };
    asked.put(gate, Configuration::PublicAccessBlock(block)).await?;
    Ok(S3Response::new(dto::PutPublicAccessBlockOutput {}))
}

pub(crate) async fn get_ownership(
    gate: &Gate,
    request: S3Request<dto::GetBucketOwnershipControlsInput>,
) -> S3Result<S3Response<dto::GetBucketOwnershipControlsOutput>> {
    match asked!(request).get(gate, Kind::Ownership).await? {
        Some(Configuration::Ownership(Ownership::BucketOwnerEnforced)) => {
            let object_ownership = dto::ObjectOwnership::from_static(dto::ObjectOwnership::BUCKET_OWNER_ENFORCED);
            let rules = vec![dto::OwnershipControlsRule { object_ownership }];
            let output =
                dto::GetBucketOwnershipControlsOutput { ownership_controls: Some(dto::OwnershipControls { rules }) };
            Ok(S3Response::new(output))
        }
        _ => Err(mismatch(gate)),
    }
}

pub(crate) async fn put_ownership(
    gate: &Gate,
    request: S3Request<dto::PutBucketOwnershipControlsInput>,
) -> S3Result<S3Response<dto::PutBucketOwnershipControlsOutput>> {
    let asked = asked!(request);
    match request.input.ownership_controls.rules.as_slice() {
        [rule] => match rule.object_ownership.as_str() {
            dto::ObjectOwnership::BUCKET_OWNER_ENFORCED => {}
            dto::ObjectOwnership::BUCKET_OWNER_PREFERRED | dto::ObjectOwnership::OBJECT_WRITER => {
                return Err(not_offered(
                    "ownership by ACL: objects are their bucket owner's (BucketOwnerEnforced), which",
                ));
            }
            _ => return Err(invalid(Invalid::malformed())),
        },
        _ => return Err(invalid(Invalid::malformed())),
    }
    asked.put(gate, Configuration::Ownership(Ownership::BucketOwnerEnforced)).await?;
    Ok(S3Response::new(dto::PutBucketOwnershipControlsOutput {}))
}

pub(crate) async fn get_encryption(
    gate: &Gate,
    request: S3Request<dto::GetBucketEncryptionInput>,
) -> S3Result<S3Response<dto::GetBucketEncryptionOutput>> {
    let encryption = match asked!(request).get(gate, Kind::Encryption).await? {
        Some(Configuration::Encryption(encryption)) => encryption,
        // Objects are encrypted always (S3 user guide, "Setting default server-side encryption behavior").
        None => Encryption::default(),
        Some(_) => return Err(mismatch(gate)),
    };
    let by_default = dto::ServerSideEncryptionByDefault {
        kms_master_key_id: None,
        sse_algorithm: dto::ServerSideEncryption::from_static(dto::ServerSideEncryption::AES256),
    };
    let rule = dto::ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(by_default),
        bucket_key_enabled: Some(encryption.bucket_key_enabled),
    };
    let configuration = dto::ServerSideEncryptionConfiguration { rules: vec![rule] };
    let output = dto::GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) };
    Ok(S3Response::new(output))
}

pub(crate) async fn put_encryption(
    gate: &Gate,
    request: S3Request<dto::PutBucketEncryptionInput>,
) -> S3Result<S3Response<dto::PutBucketEncryptionOutput>> {
    let asked = asked!(request);
    let [rule] = request.input.server_side_encryption_configuration.rules.as_slice() else {
        return Err(invalid(Invalid::malformed()));
    };
    if let Some(by_default) = &rule.apply_server_side_encryption_by_default {
        match by_default.sse_algorithm.as_str() {
            "AES256" if by_default.kms_master_key_id.is_some() => {
                let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms";
                return Err(invalid(Invalid::argument(message)));
            }
            "AES256" => {}
            "aws:kms" | "aws:kms:dsse" => return Err(not_offered("encryption under a key service")),
            _ => return Err(invalid(Invalid::malformed())),
        }
    }
    let encryption = Encryption { bucket_key_enabled: rule.bucket_key_enabled == Some(true) };
    asked.put(gate, Configuration::Encryption(encryption)).await?;
    Ok(S3Response::new(dto::PutBucketEncryptionOutput {}))
}

pub(crate) async fn get_request_payment(
    gate: &Gate,
    request: S3Request<dto::GetBucketRequestPaymentInput>,
) -> S3Result<S3Response<dto::GetBucketRequestPaymentOutput>> {
    asked!(request).get(gate, Kind::RequestPayment).await?;
    let payer = Some(dto::Payer::from_static(dto::Payer::BUCKET_OWNER));
    Ok(S3Response::new(dto::GetBucketRequestPaymentOutput { payer }))
}

pub(crate) async fn put_request_payment(
    gate: &Gate,
    request: S3Request<dto::PutBucketRequestPaymentInput>,
) -> S3Result<S3Response<dto::PutBucketRequestPaymentOutput>> {
    let asked = asked!(request);
    match request.input.request_payment_configuration.payer.as_str() {
        dto::Payer::BUCKET_OWNER => {}
        dto::Payer::REQUESTER => return Err(not_offered("payment by the requester")),
        _ => return Err(invalid(Invalid::malformed())),
    }
    asked.put(gate, Configuration::RequestPayment).await?;
    Ok(S3Response::new(dto::PutBucketRequestPaymentOutput {}))
}

pub(crate) async fn get_accelerate(
    gate: &Gate,
    request: S3Request<dto::GetBucketAccelerateConfigurationInput>,
) -> S3Result<S3Response<dto::GetBucketAccelerateConfigurationOutput>> {
    let found = asked!(request).get(gate, Kind::Accelerate).await?;
    let status = found.map(|_| dto::BucketAccelerateStatus::from_static(dto::BucketAccelerateStatus::SUSPENDED));
    Ok(S3Response::new(dto::GetBucketAccelerateConfigurationOutput { status, ..Default::default() }))
}

pub(crate) async fn put_accelerate(
    gate: &Gate,
    request: S3Request<dto::PutBucketAccelerateConfigurationInput>,
) -> S3Result<S3Response<dto::PutBucketAccelerateConfigurationOutput>> {
    let asked = asked!(request);
    let status = request.input.accelerate_configuration.status;
    match status.as_ref().map(dto::BucketAccelerateStatus::as_str) {
        Some(dto::BucketAccelerateStatus::SUSPENDED) => {}
        Some(dto::BucketAccelerateStatus::ENABLED) => return Err(not_offered("transfer acceleration")),
        _ => return Err(invalid(Invalid::malformed())),
    }
    asked.put(gate, Configuration::Accelerate).await?;
    Ok(S3Response::new(dto::PutBucketAccelerateConfigurationOutput {}))
}

/// The only ACL that there is: the bucket's owner has full control (S3 user guide, "Controlling ownership of objects").
pub(crate) fn owner_in_control(account: AccountNumber) -> (dto::Owner, Vec<dto::Grant>) {
    let id = Some(account.to_string());
    let grantee = dto::Grantee {
        display_name: None,
        email_address: None,
        id: id.clone(),
        type_: dto::Type::from_static(dto::Type::CANONICAL_USER),
        uri: None,
    };
    let permission = Some(dto::Permission::from_static(dto::Permission::FULL_CONTROL));
    (dto::Owner { display_name: None, id }, vec![dto::Grant { grantee: Some(grantee), permission }])
}

pub(crate) async fn get_acl(
    gate: &Gate,
    request: S3Request<dto::GetBucketAclInput>,
) -> S3Result<S3Response<dto::GetBucketAclOutput>> {
    let asked = asked!(request);
    match asked.handle(gate, Operation::GetBucketAcl { bucket: asked.bucket.clone() }).await? {
        Answer::Bucket(found) => {
            let (owner, grants) = owner_in_control(found.account);
            Ok(S3Response::new(dto::GetBucketAclOutput { grants: Some(grants), owner: Some(owner) }))
        }
        _ => Err(mismatch(gate)),
    }
}

/// Whether an ACL in XML says what holds anyway.
pub(crate) fn says_owner_in_control(session: &Session, policy: &dto::AccessControlPolicy) -> bool {
    let own = session.subject().account().map(|account| account.to_string());
    let is_own = |id: Option<&String>| id.is_some() && id == own.as_ref();
    let grants = policy.grants.as_deref().unwrap_or_default();
    let owner = policy.owner.as_ref().is_none_or(|owner| is_own(owner.id.as_ref()));
    owner
        && matches!(grants, [grant]
            if grant.permission.as_ref().is_some_and(|it| it.as_str() == dto::Permission::FULL_CONTROL)
                && grant.grantee.as_ref().is_some_and(|grantee| is_own(grantee.id.as_ref())))
}

pub(crate) async fn put_acl(
    gate: &Gate,
    request: S3Request<dto::PutBucketAclInput>,
) -> S3Result<S3Response<dto::PutBucketAclOutput>> {
    let caller = session(&request)?;
    let asked = asked!(request);
    let input = request.input;
    let canned = input.acl.as_ref().map(dto::BucketCannedACL::as_str);
    crate::convert::acl(canned)?;
    let grants = [&input.grant_full_control, &input.grant_read, &input.grant_write, &input.grant_write_acp];
    let granted = grants.iter().any(|grant| grant.is_some()) || input.grant_read_acp.is_some();
    let fits = input.access_control_policy.as_ref().is_none_or(|policy| says_owner_in_control(&caller, policy));
    if granted || !fits {
        return Err(crate::convert::no_acls());
    }
    refuse_if(&[("an ACL twice over", canned.is_some() && input.access_control_policy.is_some())])?;
    if canned.is_none() && input.access_control_policy.is_none() {
        let message = "Your request was missing a required header: x-amz-acl";
        return Err(malformed(S3ErrorCode::MissingSecurityHeader, message));
    }
    match asked.handle(gate, Operation::PutBucketAcl { bucket: asked.bucket.clone() }).await? {
        Answer::Done => Ok(S3Response::new(dto::PutBucketAclOutput {})),
        _ => Err(mismatch(gate)),
    }
}
