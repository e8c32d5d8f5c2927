//! Virtual-host style: a bucket named by the host (S3 user guide, "Virtual hosting of general purpose buckets").
//!
//! The path is written anew after the signature was checked, so that everything behind sees one style.

use fastness_operation::arn_partition;
use http::Uri;
use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;

/// The domains under which a region's buckets have names.
#[derive(Debug, Clone)]
pub(crate) struct Domains(Vec<String>);

impl Domains {
    /// `localhost`, the region's own as AWS writes it, and one from the configuration.
    pub(crate) fn new(region: &str, configured: Option<&str>) -> Self {
        // FACTS.md, section 6.
        let suffix = match arn_partition(region) {
            "aws-iso" => "c2s.ic.gov",
            "aws-iso-b" => "sc2s.sgov.gov",
            _ => "amazonaws.com",
        };
        let mut domains = vec!["localhost".to_owned(), format!("s3.{region}.{suffix}")];
        domains.extend(configured.map(|domain| domain.trim_matches('.').to_ascii_lowercase()));
        // The longest first: a domain within another is not taken for a bucket in it.
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self(domains)
    }

    /// The bucket that a host names.
    fn bucket<'h>(&self, host: &'h str) -> Option<&'h str> {
        for domain in &self.0 {
            let Some(start) = host.len().checked_sub(domain.len()) else { continue };
            let Some((head, tail)) = host.split_at_checked(start) else { continue };
            if tail.eq_ignore_ascii_case(domain) {
                match head.strip_suffix('.') {
                    Some(bucket) if !bucket.is_empty() => return Some(bucket),
                    _ if head.is_empty() => return None,
                    _ => {}
                }
            }
        }
        None
    }

    /// Puts the bucket of the host before the path.
    pub(crate) fn apply(&self, parts: &mut Parts) {
        let host = match parts.headers.get(HOST).map(|host| host.to_str()) {
            Some(Ok(host)) => host,
            Some(Err(_)) => return,
            None => parts.uri.authority().map_or("", |authority| authority.as_str()),
        };
        let name = host
            .rsplit_once(':')
            .map_or(host, |(name, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host });
        let Some(bucket) = self.bucket(name) else { return };
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("/{}{}{query}", bucket.to_ascii_lowercase(), parts.uri.path());
        let mut uri = parts.uri.clone().into_parts();
        let Ok(path) = PathAndQuery::try_from(path) else { return };
        uri.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(uri) {
            parts.uri = uri;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_a_bucket() {
        let check = |host: &str, uri: &str, expected: &str| {
            let domains = Domains::new("us-isob-east-1", Some("S3.Example.org."));
            let request = http::Request::builder().uri(uri).header(HOST, host).body(()).unwrap();
            let mut parts = request.into_parts().0;
            domains.apply(&mut parts);
            assert_eq!(parts.uri.to_string(), expected, "{host}");
        };
        check("b.localhost", "/k?versionId=1", "/b/k?versionId=1");
        check("b.localhost:9402", "/", "/b/");
        check("B.LocalHost:9402", "/?list-type=2", "/b/?list-type=2");
        check("deep.bucket.s3.us-isob-east-1.sc2s.sgov.gov", "/a/b", "/deep.bucket/a/b");
        check("s3.us-isob-east-1.sc2s.sgov.gov", "/b/k", "/b/k");
        check("b.s3.example.org", "/k", "/b/k");
        check("s3.example.org:80", "/b/k", "/b/k");
        for plain in ["localhost", "127.0.0.1:9402", "[::1]:9402", "notlocalhost", ".localhost", "b.example.com", ""] {
            check(plain, "/b/k", "/b/k");
        }
        check("b.localhost", "/%2e%2e/k", "/b/%2e%2e/k");
    }
}
