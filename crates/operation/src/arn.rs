//! ARN partitions.

/// The ARN partition that a region's name puts it in (FACTS.md, section 6).
#[must_use]
pub fn arn_partition(region: &str) -> &'static str {
    let is = |prefix: &str| region.starts_with(prefix);
    match () {
        () if is("us-gov-") => "aws-us-gov",
        () if is("us-isob-") => "aws-iso-b",
        () if is("us-iso-") => "aws-iso",
        () => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_the_partition_of_its_name() {
        let check = |region: &str, expected: &str| assert_eq!(arn_partition(region), expected, "{region}");
        check("us-gov-west-1", "aws-us-gov");
        check("us-isob-east-1", "aws-iso-b");
        check("us-iso-east-1", "aws-iso");
        check("us-isof-south-1", "aws");
        check("eu-central-1", "aws");
    }
}
