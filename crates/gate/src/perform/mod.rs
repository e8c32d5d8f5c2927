//! Doing what was permitted: one arm an operation.

mod directory;
mod objects;

pub(crate) use objects::mismatch;

use crate::record::Draft;
use crate::{Answer, Gate, Payload, Session};
use fastness_decide::Permit;
use fastness_operation::Operation as O;
use fastness_store::{Fault, Store};

impl Gate {
    /// Calls the store with the permit. Writes hand it the record of their outcome, which commits with them.
    pub(crate) async fn perform(
        &self,
        session: &Session,
        permit: &Permit,
        payload: Payload,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let store = &self.store;
        let moment = session.context().moment;
        match permit.operation() {
            O::CreateBucket { .. } => {
                store.create_bucket(permit, moment, draft.record(|()| None)).await.map(|()| Answer::Done)
            }
            O::HeadBucket { bucket }
            | O::GetBucketLocation { bucket }
            | O::GetBucketVersioning { bucket }
            | O::GetBucketAcl { bucket } => store.bucket(permit, bucket).map(Answer::Bucket),
            // The front takes only an ACL that says what holds anyway: nothing changes.
            O::PutBucketAcl { bucket } => store.bucket(permit, bucket).map(|_| Answer::Done),
            O::GetBucketConfiguration { .. } | O::GetBucketPolicyStatus { .. } => {
                store.configuration(permit).map(|found| Answer::Configuration(found.map(Box::new)))
            }
            O::PutBucketConfiguration { .. } | O::DeleteBucketConfiguration { .. } => {
                store.configure(permit, draft.record(|()| None)).await.map(|()| Answer::Done)
            }
            O::ListBuckets => store.list_buckets(permit).map(Answer::Buckets),
            O::DeleteBucket { .. } => store.delete_bucket(permit, draft.record(|()| None)).await.map(|()| Answer::Done),
            O::PutBucketVersioning { .. } => {
                store.put_bucket_versioning(permit, draft.record(|()| None)).await.map(|()| Answer::Done)
            }
            O::PutObject { .. } => self.put_object(session, permit, payload, draft).await,
            O::GetObject { .. } | O::HeadObject { .. } => self.get_object(permit),
            O::GetObjectAttributes { .. } => {
                store.open_object(permit).map(|(info, _)| Answer::Attributes(Box::new(info)))
            }
            O::DeleteObject { .. } => {
                let record = draft.record(|deleted: &fastness_store::Deleted| deleted.version.clone());
                store.delete_object(permit, moment, record).await.map(Answer::Deleted)
            }
            O::DeleteObjects { .. } => self.delete_objects(permit, moment, draft).await,
            O::GetObjectTagging { .. }
            | O::GetObjectAcl { .. }
            | O::GetObjectRetention { .. }
            | O::GetObjectLegalHold { .. } => store.annotations(permit).map(Answer::Annotated),
            O::PutObjectTagging { .. }
            | O::DeleteObjectTagging { .. }
            | O::PutObjectAcl { .. }
            | O::PutObjectRetention { .. }
            | O::PutObjectLegalHold { .. } => {
                let record = draft.record(|changed: &fastness_store::Annotated| changed.version.clone());
                store.annotate(permit, moment, record).await.map(Answer::Annotated)
            }
            O::CopyObject { .. } => self.copy_object(session, permit, draft).await,
            O::ListObjects { .. } => apart(store, permit, Store::list_objects).await.map(Answer::Listing),
            O::ListObjectVersions { .. } => apart(store, permit, Store::list_versions).await.map(Answer::Listing),
            O::CreateMultipartUpload { .. } => self.create_upload(session, permit, draft).await,
            O::UploadPart { .. } => self.upload_part(session, permit, payload, draft).await,
            O::UploadPartCopy { .. } => self.copy_part(session, permit, draft).await,
            O::CompleteMultipartUpload { .. } => {
                let record = draft.record(|written: &fastness_store::Written| written.version.clone());
                let written = store.complete_upload(permit, moment, record).await?;
                Ok(Answer::Written(written, permit.view().session()))
            }
            O::AbortMultipartUpload { .. } => {
                store.abort_upload(permit, draft.record(|()| None)).await.map(|()| Answer::Done)
            }
            O::ListParts { .. } => store.list_parts(permit).map(Answer::Parts),
            O::ListMultipartUploads { .. } => store.list_uploads(permit).map(Answer::Uploads),
            O::ContainSpill { .. } => self.contain_spill(session, permit, draft).await,
            O::ReportSpill { .. } => self.report_spill(permit, draft).await,
            O::EraseSpill { .. } => self.erase_spill(session, permit, draft).await,
            O::Crossing(_) => self.perform_crossing(session, permit, draft).await,
            O::LookupEvents { .. } => self.lookup_events(permit).await,
            O::DiscloseEvents { .. } => self.disclose_events(permit).await,
            _ => self.perform_directory(session, permit, draft).await,
        }
    }
}

/// Walks a listing on a thread of its own, so that a long one holds up no other request.
async fn apart<T: Send + 'static>(
    store: &Store,
    permit: &Permit,
    walk: fn(&Store, &Permit) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let (store, permit) = (store.clone(), permit.clone());
    let walked = tokio::task::spawn_blocking(move || walk(&store, &permit)).await;
    walked.unwrap_or_else(|error| Err(Fault::Failed(format!("a listing: {error}"))))
}
