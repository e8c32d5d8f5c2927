//! The small data set of `fastness up --demo`: believable, invented, with portions at several labels.

use crate::client::Client;
use crate::profiles::Profiles;
use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;

/// One object: who writes it, where, with which marking.
struct Item {
    profile: &'static str,
    path: &'static str,
    content_type: &'static str,
    classification: &'static str,
    text: &'static str,
}

macro_rules! items {
    ($($profile:literal $path:literal $type:literal $marking:literal $file:literal)*) => {
        &[$(Item {
            profile: $profile,
            path: $path,
            content_type: $type,
            classification: $marking,
            text: include_str!(concat!("../demo/", $file)),
        }),*]
    };
}

/// The buckets, by the profile that makes them: the lowest that writes to them.
const BUCKETS: [(&str, &str); 3] =
    [("unclass-analyst", "logistics"), ("secret-analyst-low", "operations"), ("topsecret-analyst-low", "assessments")];

const ITEMS: &[Item] = items! {
    "unclass-analyst" "logistics/weather/2026-11-20.csv" "text/csv" "UNCLASSIFIED" "weather.csv"
    "unclass-analyst" "logistics/ports.json" "application/json" "UNCLASSIFIED" "ports.json"
    "unclass-analyst-cui" "logistics/contracts/fuel.csv" "text/csv" "CUI" "fuel.csv"
    "secret-analyst-low" "operations/weather/2026-11-20.csv" "text/csv" "UNCLASSIFIED" "weather.csv"
    "secret-analyst-low" "operations/reports/summary.md" "text/markdown" "UNCLASSIFIED" "summary-u.md"
    "secret-analyst-rel" "operations/coalition/convoys.json" "application/json" "SECRET//REL TO USA, GBR" "convoys.json"
    "secret-analyst" "operations/reports/summary.md" "text/markdown" "SECRET//NOFORN" "summary-s.md"
    "secret-analyst" "operations/reports/sitrep-014.md" "text/markdown" "SECRET//NOFORN" "sitrep.md"
    "topsecret-analyst-low" "assessments/port-capacity.md" "text/markdown" "SECRET" "port-capacity.md"
    "topsecret-si" "assessments/traffic/week-47.md" "text/markdown" "TOP SECRET//SI" "traffic.md"
    "topsecret-tk" "assessments/imagery/pier-3.md" "text/markdown" "TOP SECRET//TK" "imagery.md"
    "topsecret-analyst" "assessments/fused/pier-3.md" "text/markdown" "TOP SECRET//SI/TK" "fused.md"
};

/// Loads what is not there yet; what people changed since is left alone.
pub async fn load(profiles: &Profiles) -> anyhow::Result<()> {
    let client = |profile: &str| {
        let found = profiles.get(profile).with_context(|| format!("there is no profile `{profile}`"))?;
        anyhow::Ok(Client::new(found.clone()))
    };
    let mut fresh = Vec::new();
    for (profile, bucket) in BUCKETS {
        let path = format!("/{bucket}");
        let (status, body) = client(profile)?.send("s3", Method::PUT, &path, &[], Bytes::new()).await?;
        match status.as_u16() {
            200 => fresh.push(format!("{bucket}/")),
            409 => {}
            _ => bail!("making the bucket `{bucket}`: {}", String::from_utf8_lossy(&body)),
        }
    }
    for item in ITEMS.iter().filter(|item| fresh.iter().any(|bucket| item.path.starts_with(bucket))) {
        let headers = [
            ("content-type", item.content_type.to_owned()),
            ("x-amz-meta-classification", item.classification.to_owned()),
        ];
        let body = Bytes::from_static(item.text.as_bytes());
        let (status, answer) =
            client(item.profile)?.send("s3", Method::PUT, &format!("/{}", item.path), &headers, body).await?;
        if !status.is_success() {
            bail!("writing `{}`: {}", item.path, String::from_utf8_lossy(&answer));
        }
    }
    Ok(())
}
