//! `fastness cross gaps` and `release-gaps`: which bundles of a region are missing, and to ask for them again. The list
//! lies in a bucket like anything else that is released: reviewers read what they decide about.

use super::arguments::GapsOrder;
use super::release;
use crate::arguments::Identity;
use crate::client::Client;
use crate::object::{self, Place};
use crate::{profiles, say};
use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

/// What the list is called in the bundle.
const NAME: &str = "gaps.json";
/// The numbers that one list may ask for.
const NUMBERS_MAX: u64 = 1_000;

/// Shows the ranges of numbers that are missing.
pub async fn show(identity: &Identity, from: &str, json: bool) -> anyhow::Result<()> {
    let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
    let found = client.fastness("ListGaps", &json!({ "from": from })).await?;
    if json {
        say!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    let highest = found.get("highest").and_then(Value::as_u64).unwrap_or_default();
    if highest == 0 {
        say!("No bundle of {from} has come in.");
        return Ok(());
    }
    let seen = found.get("highest_seen").and_then(Value::as_str).unwrap_or_default();
    let missing = ranges(&found);
    if missing.is_empty() {
        say!("Of {from}, every bundle up to number {highest} came in; that one on {seen}.");
        return Ok(());
    }
    say!("Of {from}, these bundles are missing below number {highest}, which came in on {seen}:");
    for (first, last) in missing {
        say!("  {}", if first == last { first.to_string() } else { format!("{first} to {last}") });
    }
    say!("Ask for them again with: fastness cross release-gaps {from} --bucket BUCKET --label MARKING --purpose TEXT");
    Ok(())
}

/// Writes the list into a bucket, and asks for its release.
pub async fn request(order: &GapsOrder) -> anyhow::Result<()> {
    let client = Client::new(profiles::find(&order.identity.data, &order.identity.profile)?);
    let found = client.fastness("ListGaps", &json!({ "from": order.region })).await?;
    let (asked, left) = first_of(&ranges(&found));
    if asked.is_empty() {
        bail!("no bundle of {} is missing: there is nothing to ask for", order.region);
    }
    let place = Place { bucket: order.bucket.clone(), key: format!("gaps/{}/{NAME}", order.region) };
    let list = Bytes::from(serde_json::to_vec(&json!({ "gaps": asked }))?);
    let headers = [("content-type", "application/json".to_owned())];
    let (status, headers, body) = client.exchange("s3", Method::PUT, &place.path(), &headers, list).await?;
    if !status.is_success() {
        return Err(object::refused("writing the list", status, &body));
    }
    let version = object::text(&headers, "x-amz-version-id").filter(|id| id != "null");
    let wanted = json!({
        "bucket": place.bucket,
        "key": place.key,
        "version_id": version,
        "to": order.region,
        "mapping": order.terms.mapping,
        "name": NAME,
        "label": order.label,
        "type": "application/json",
        "purpose": order.terms.purpose,
        "days": order.terms.days,
        "gaps": true,
    });
    let asked = client.fastness("RequestRelease", &wanted).await;
    let asked = asked.with_context(|| format!("the list is written to s3://{}/{}", place.bucket, place.key))?;
    release::print(&asked, order.json)?;
    if !order.json {
        let (release, label) = (release::text(&asked, "release"), release::text(&asked, "label"));
        if left > 0 {
            say!("{left} further numbers do not fit: ask for them when these came in.");
        }
        say!("Two reviewers at {label} decide, each after: fastness cross review {release}");
    }
    Ok(())
}

fn ranges(found: &Value) -> Vec<(u64, u64)> {
    let ends = |range: &Value| Some((range.get(0)?.as_u64()?, range.get(1)?.as_u64()?));
    found.get("gaps").and_then(Value::as_array).into_iter().flatten().filter_map(ends).collect()
}

/// The lowest numbers, as many as one list may name; and how many there are beside them.
fn first_of(ranges: &[(u64, u64)]) -> (Vec<(u64, u64)>, u64) {
    let (mut asked, mut room, mut left) = (Vec::new(), NUMBERS_MAX, 0);
    for (first, last) in ranges {
        let count = last - first + 1;
        let taken = count.min(room);
        if taken > 0 {
            asked.push((*first, first + taken - 1));
        }
        room -= taken;
        left += count - taken;
    }
    (asked, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_the_lowest_thousand() {
        assert_eq!(first_of(&[]), (vec![], 0));
        assert_eq!(first_of(&[(3, 5), (9, 9)]), (vec![(3, 5), (9, 9)], 0));
        assert_eq!(first_of(&[(3, 5), (10, 2_000), (3_000, 3_000)]), (vec![(3, 5), (10, 1_006)], 995));
    }
}
