//! What the ledger's entry of a crossing names.

use crate::record::{plain, plain_key};
use fastness_operation::{BucketName, CrossingAct, MappingWanted, ObjectKey, ReleaseWanted, Touch, VersionId};

/// One line a resource, in the order in which the operation touches them.
pub(crate) fn resources(act: &CrossingAct, touches: &[Touch]) -> Vec<String> {
    let mut lines: Vec<String> = touches.iter().map(|(way, resource)| plain(*way, resource)).collect();
    let mut say_more = |more: String| {
        if let Some(line) = lines.last_mut() {
            line.push_str(&more);
        }
    };
    match act {
        CrossingAct::PutMapping { mapping } => say_more(between(mapping)),
        CrossingAct::StartLift { prefix, to, mapping, standing, .. } => {
            let mapping = mapping.as_ref().map(|name| format!(" mapping={name}")).unwrap_or_default();
            say_more(format!(" to={to}{mapping} standing={standing} prefix={:?}", clipped(prefix, 256)));
        }
        CrossingAct::RequestRelease { wanted } => {
            let ReleaseWanted { source, gaps, to, key, marking, .. } = wanted.as_ref();
            let gaps = if *gaps { " gaps" } else { "" };
            say_more(format!(" to={to}{gaps} key={:?} label={:?}", key.as_str(), clipped(marking, 256)));
            if let Some(line) = lines.first_mut() {
                *line = read(&source.bucket, &source.key, source.version.as_ref());
            }
        }
        CrossingAct::ApproveRelease { digest, reason, .. } => {
            say_more(format!(" approve digest={} reason={:?}", clipped(digest, 64), reason.as_str()));
        }
        CrossingAct::RefuseRelease { reason, .. } => say_more(format!(" refuse reason={:?}", reason.as_str())),
        CrossingAct::SendObjects { bucket, objects, .. } => {
            for (line, (key, version)) in lines.iter_mut().zip(objects) {
                *line = read(bucket, key, Some(version));
            }
        }
        _ => {}
    }
    lines
}

fn clipped(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

fn read(bucket: &BucketName, key: &ObjectKey, version: Option<&VersionId>) -> String {
    let version = version.map(|id| format!("?versionId={}", clipped(id.as_str(), 128))).unwrap_or_default();
    format!("read {bucket}/{}{version}", plain_key(key.as_str()))
}

/// Which half it is, for what, and between which buckets.
fn between(mapping: &MappingWanted) -> String {
    use fastness_operation::Half;
    let way = mapping.way.name();
    match &mapping.half {
        Half::Send { bucket, to, to_account, to_bucket } => {
            format!(" send {way} {bucket} {to}/{to_account}/{to_bucket}")
        }
        Half::Receive { from, from_account, from_bucket, bucket } => {
            let account = from_account.map(|account| format!("/{account}")).unwrap_or_default();
            let from_bucket = from_bucket.as_ref().map(|bucket| format!("/{bucket}")).unwrap_or_default();
            format!(" receive {way} {from}{account}{from_bucket} {bucket}")
        }
    }
}
