//! Lookups in the ledger, to begin with: JSON bodies, tokens of earlier answers, other operations.

use crate::scenario::{Ask, pieces, read};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

/// The requests of an input; what has no headers of its own is a lookup.
pub(crate) fn asks(data: &[u8]) -> Vec<Ask> {
    let kind = HeaderValue::from_static("application/x-amz-json-1.1");
    let target = HeaderValue::from_static("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents");
    let asks = pieces(data).into_iter().filter_map(|piece| read(piece, "cloudtrail")).map(|mut ask| {
        if ask.headers.is_empty() {
            ask.headers.push((CONTENT_TYPE, kind.clone()));
            ask.headers.push((HeaderName::from_static("x-amz-target"), target.clone()));
        }
        ask
    });
    asks.collect()
}

/// Words of CloudTrail's JSON.
pub(crate) const WORDS: &[&str] = &[
    "\"LookupAttributes\":",
    "\"AttributeKey\":",
    "\"AttributeValue\":",
    "\"AccessKeyId\"",
    "\"EventId\"",
    "\"EventName\"",
    "\"EventSource\"",
    "\"ReadOnly\"",
    "\"ResourceName\"",
    "\"ResourceType\"",
    "\"Username\"",
    "\"StartTime\":",
    "\"EndTime\":",
    "\"EventCategory\":",
    "\"MaxResults\":",
    "\"NextToken\":",
    "\"insight\"",
    "\"plain/a.txt\"",
    "\"s3.amazonaws.com\"",
    "{{1:NextToken}}",
    "{{1:EventId}}",
    "x-amz-target: com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents",
    "x-amz-target: CloudTrail_20131101.",
    "content-type: application/x-amz-json-1.1",
    "!service s3",
    "1790000000",
    "null",
    "\n%%\n",
];

/// Lookups of each attribute, in pages, at each label, by who may and who may not.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let by = |who: char, key: &str, value: &str| {
        format!(
            "{who} POST /\n\n{{\"LookupAttributes\":[{{\"AttributeKey\":\"{key}\",\"AttributeValue\":\"{value}\"}}]}}"
        )
    };
    let mut seeds: Vec<Vec<u8>> = [
        "W POST /\n\n{}",
        "V POST /\n\n{\"MaxResults\":1}\n%%\nV POST /\n\n{\"MaxResults\":1,\"NextToken\":\"{{1:NextToken}}\"}",
        "Y POST /\n\n{\"MaxResults\":3}\n%%\nW POST /\n\n{\"NextToken\":\"{{1:NextToken}}\"}",
        "W POST /\n\n{\"MaxResults\":2}\n%%\nS GET /plain/a.txt\n!service s3\nhost: localhost\n%%\nT GET /plain/a.txt\n!service s3\nhost: localhost\n%%\nW POST /\n\n{\"NextToken\":\"{{1:NextToken}}\"}\n%%\nW POST /\n\n{\"MaxResults\":50}",
        "W POST /\n\n{\"StartTime\":1790000001,\"EndTime\":1790000010.5}",
        "W POST /\n\n{\"StartTime\":2,\"EndTime\":1}",
        "W POST /\n\n{\"EventCategory\":\"insight\"}",
        "W POST /\n\n{\"NextToken\":\"AAAAAAAAAAAAAAAAAAAAAAA\"}",
        "W POST /\n\n{\"MaxResults\":51,\"Unknown\":[[{}]]}",
        "W POST /\n\n{}\n%%\nW POST /\n\n{\"LookupAttributes\":[{\"AttributeKey\":\"EventId\",\"AttributeValue\":\"{{1:EventId}}\"}]}",
        "V POST /\ncontent-type: application/x-amz-json-1.1\nx-amz-target: CloudTrail_20131101.DescribeTrails\n\n{}",
        "S POST /\n\n{}",
        "X POST /\n\n{}",
        "O POST /\n!unsigned\n\n{}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    for (key, value) in [
        ("AccessKeyId", "AKIAUNKNOWN000000001"),
        ("EventName", "PutObject"),
        ("EventSource", "s3.amazonaws.com"),
        ("ReadOnly", "true"),
        ("ResourceName", "plain/a.txt"),
        ("ResourceType", "AWS::S3::Object"),
        ("Username", "ana"),
    ] {
        seeds.extend(['V', 'W', 'Y'].map(|who| by(who, key, value).into_bytes()));
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::Template;
    use time::OffsetDateTime;

    #[test]
    fn an_auditor_finds_what_was_done_page_by_page() {
        let house = Template::make().open();
        let input = "S PUT /plain\n!service s3\nhost: localhost\n%%\nS PUT /plain/a\n!service s3\nhost: localhost\n%%\n\
            W POST /\n\n{\"MaxResults\":1}\n%%\n\
            W POST /\n\n{\"MaxResults\":1,\"NextToken\":\"{{3:NextToken}}\"}\n%%\nV POST /\n\n{}";
        let mut answers = Vec::new();
        for ask in asks(input.as_bytes()) {
            house.settle();
            answers.push(house.ask(&ask, &answers, OffsetDateTime::now_utc()));
        }
        let told = |number: usize, name: &str| answers[number].as_ref().and_then(|answer| answer.find(name));
        let statuses: Vec<u16> = answers.iter().flatten().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200; 5]);
        assert_eq!(told(2, "EventName").as_deref(), Some("PutObject"));
        assert_eq!(told(3, "EventName").as_deref(), Some("CreateBucket"));
        assert_eq!(told(4, "EventName"), None, "nothing of it lies at the floor");
    }
}
