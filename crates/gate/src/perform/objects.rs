//! The object operations that need more than one call of the store.

use crate::record::{Draft, refused_outcome};
use crate::{Answer, Gate, ObjectAnswer, Payload, Session, classification};
use fastness_decide::Permit;
use fastness_ledger::Outcome;
use fastness_operation::{ByteRange, Code, Extras, Moment, Operation as O};
use fastness_store::{Deleted, Fault, ManyDeleted, PartInfo, VALUE_LEN_MAX, Written};
use futures_util::StreamExt;

fn made(written: &Written) -> Option<String> {
    Some(written.version.clone().unwrap_or_else(|| format!("etag {}", written.etag)))
}

/// A refusal to read, in the words of a copy: a delete marker that is named by its id is no source.
fn as_source(fault: Fault) -> Fault {
    match fault {
        Fault::Refused { code: Code::MethodNotAllowed, .. } => Fault::refused(
            Code::InvalidRequest,
            "The source of a copy request may not specifically refer to a delete marker by version id.",
        ),
        fault => fault,
    }
}

impl Gate {
    pub(crate) async fn put_object(
        &self,
        session: &Session,
        permit: &Permit,
        payload: Payload,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let O::PutObject { attributes, extras, .. } = permit.operation() else { return Err(mismatch()) };
        let label = permit.view().session();
        classification::check(self.store.policy(), label, attributes)?;
        let Payload { stream, expected } = payload;
        let received = self.store.receive(permit, stream, expected.algorithm()).await?;
        expected.check(&received)?;
        let moment = session.context().moment;
        let kept = (attributes.clone(), extras.clone());
        let written = self.store.put_object(permit, received, kept, moment, draft.record(made)).await?;
        Ok(Answer::Written(written, label))
    }

    pub(crate) fn get_object(&self, permit: &Permit) -> Result<Answer, Fault> {
        let (O::GetObject { range, part, .. } | O::HeadObject { range, part, .. }) = permit.operation() else {
            return Err(mismatch());
        };
        let (info, content) = self.store.open_object(permit)?;
        let resolved = info.extent(*range, *part)?;
        let (offset, length) = resolved.unwrap_or((0, info.size));
        let body = content.stream(offset, length);
        Ok(Answer::Object(Box::new(ObjectAnswer { info, range: resolved, body })))
    }

    pub(crate) async fn copy_object(&self, session: &Session, permit: &Permit, draft: &Draft) -> Result<Answer, Fault> {
        let O::CopyObject { source, bucket, key, attributes, tags, lock, checksum, .. } = permit.operation() else {
            return Err(mismatch());
        };
        let (policy, label) = (self.store.policy(), permit.view().session());
        if let Some(attributes) = attributes {
            classification::check(policy, label, attributes)?;
        }
        let (info, content) = self.store.open_object(permit).map_err(as_source)?;
        let target = &source.target;
        let onto_itself = target.bucket == *bucket && target.key == *key && target.version.is_none();
        if onto_itself && attributes.is_none() && checksum.is_none() && info.label == label {
            return Err(Fault::refused(
                Code::InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
            ));
        }
        if info.size > VALUE_LEN_MAX {
            let message = "The specified copy source is larger than the maximum allowable size for a copy source";
            return Err(Fault::refused(Code::InvalidRequest, message));
        }
        let algorithm = checksum.or(info.checksum.as_ref().map(|checksum| checksum.algorithm));
        let received = self.store.receive(permit, content.stream(0, info.size), algorithm).await?;
        let attributes = match attributes {
            Some(attributes) => attributes.clone(),
            None => classification::carry(policy, label, info.attributes),
        };
        // Tags go along unless others are given; a lock never does.
        let extras = Extras { tags: tags.clone().unwrap_or(info.extras.tags), lock: *lock };
        let moment = session.context().moment;
        let written = self.store.put_object(permit, received, (attributes, extras), moment, draft.record(made)).await?;
        Ok(Answer::Written(written, label))
    }

    pub(crate) async fn delete_objects(&self, permit: &Permit, moment: Moment, draft: &Draft) -> Result<Answer, Fault> {
        let each = |outcome: &Result<Deleted, Fault>| match outcome {
            Ok(deleted) => Outcome::Done(deleted.version.clone()),
            Err(fault) => refused_outcome(fault),
        };
        let record =
            draft.record_outcome(move |outcomes: &ManyDeleted| Outcome::Each(outcomes.iter().map(each).collect()));
        self.store.delete_objects(permit, moment, record).await.map(Answer::ManyDeleted)
    }

    pub(crate) async fn create_upload(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let O::CreateMultipartUpload { attributes, .. } = permit.operation() else { return Err(mismatch()) };
        let label = permit.view().session();
        classification::check(self.store.policy(), label, attributes)?;
        let record = draft.record(|upload: &fastness_operation::UploadId| Some(upload.to_string()));
        let moment = session.context().moment;
        let upload = self.store.create_upload(permit, attributes.clone(), moment, record).await?;
        Ok(Answer::Upload(upload, label))
    }

    pub(crate) async fn upload_part(
        &self,
        session: &Session,
        permit: &Permit,
        payload: Payload,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let asked = self.store.upload_checksum(permit)?;
        let Payload { stream, expected } = payload;
        if let (Some(asked), Some(sent)) = (asked, expected.algorithm())
            && asked != sent
        {
            let (asked, sent) = (asked.name().to_lowercase(), sent.name().to_lowercase());
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {asked}, actual checksum Type: {sent}"
            );
            return Err(Fault::refused(Code::InvalidRequest, message));
        }
        let received = self.store.receive(permit, stream.boxed(), expected.algorithm().or(asked)).await?;
        expected.check(&received)?;
        let record = draft.record(|part: &PartInfo| Some(format!("part {} etag {}", part.number, part.etag)));
        let part = self.store.put_part(permit, received, session.context().moment, record).await?;
        Ok(Answer::Part(part, permit.view().session()))
    }
}

impl Gate {
    pub(crate) async fn copy_part(&self, session: &Session, permit: &Permit, draft: &Draft) -> Result<Answer, Fault> {
        let O::UploadPartCopy { range, .. } = permit.operation() else { return Err(mismatch()) };
        let asked = self.store.upload_checksum(permit)?;
        let (info, content) = self.store.open_object(permit).map_err(as_source)?;
        // Unlike a read's, a copy's range must lie within the source.
        let (offset, length) = match range {
            None => (0, info.size),
            Some(ByteRange::From { first, last: Some(last) }) if first <= last && *last < info.size => {
                (*first, last - first + 1)
            }
            Some(_) => {
                let message = "The x-amz-copy-source-range is not valid for the source object";
                return Err(Fault::refused(Code::InvalidArgument, message));
            }
        };
        let received = self.store.receive(permit, content.stream(offset, length), asked).await?;
        let record = draft.record(|part: &PartInfo| Some(format!("part {} etag {}", part.number, part.etag)));
        let part = self.store.put_part(permit, received, session.context().moment, record).await?;
        Ok(Answer::Part(part, permit.view().session()))
    }
}

pub(crate) fn mismatch() -> Fault {
    Fault::Failed("the gate called the wrong arm for an operation".to_owned())
}
