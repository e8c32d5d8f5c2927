//! A policy of one's own, and what a policy may not say.

use fastness_label::{Policy, PolicyError};

const COMPANY: &str = r#"
name = "company"
own_nation = "HQ"
countries = ["HQ", "LAB1", "LAB2"]

[groups]
LABS = ["LAB1", "LAB2"]

[[level]]
banner = "PUBLIC"
[[level]]
banner = "INTERNAL"
portion = "I"
[[level]]
banner = "VERY SECRET"
portion = "VS"

[[category]]
name = "PROJECTS"
[[category.marking]]
banner = "APOLLO"
kind = "restrictive"
levels = ["VS"]
requires = ["WATERMARK"]
compartments = [{ name = "ENGINE", sub = ["NOZZLE"] }]

[[category]]
name = "HANDLING"
[[category.marking]]
banner = "HQ ONLY"
kind = "own-nation-alone"
[[category.marking]]
banner = "SHARED WITH"
portion = "SW"
kind = "release-list"
entries_min = 2
[[category.marking]]
banner = "WATERMARK"
portion = "WM"
"#;

#[test]
fn its_own_words() {
    let policy = Policy::from_toml(COMPANY).unwrap();
    let label = policy.label("(VS//APOLLO-ENGINE NOZZLE//SW HQ, LABS/WM)").unwrap();
    assert_eq!(policy.banner(label), "VERY SECRET//APOLLO-ENGINE NOZZLE//SHARED WITH HQ, LAB1, LAB2/WATERMARK");
    assert_eq!(label.compartment_count(), 3);
    assert_eq!(policy.label(&policy.portion(label)), Ok(label));
    assert_eq!(policy.banner(policy.label("i").unwrap()), "INTERNAL");
    assert_eq!(policy.banner(policy.label("public//hq only").unwrap()), "PUBLIC//HQ ONLY");
    let error = policy.label("VS//APOLLO").unwrap_err().to_string();
    assert_eq!(error, "`APOLLO` needs `WATERMARK` beside it: add `WATERMARK`");
    assert_eq!(Policy::from_toml(COMPANY).unwrap(), policy);
}

/// Replaces `from` in the company's policy; the error's text holds `part`.
fn check(from: &str, to: &str, part: &str) {
    assert!(COMPANY.contains(from), "{from}");
    let error = Policy::from_toml(&COMPANY.replacen(from, to, 1)).unwrap_err().to_string();
    assert!(error.contains(part), "{to}: {error}");
}

#[test]
fn what_a_policy_may_not_say() {
    for (from, to, part) in [
        ("name = \"company\"", "nme = \"company\"", "the policy cannot be read"),
        ("own_nation", "uri = \"\"\nown_nation", "`` cannot be the policy's URI"),
        ("own_nation", "uri = \"urn:a b\"\nown_nation", "`urn:a b` cannot be the policy's URI"),
        ("own_nation = \"HQ\"", "own_nation = \"HX\"", "`own_nation` refers to `HX`"),
        ("[\"HQ\", ", "[\"HQ\", \"HQ\", ", "`HQ` stands for two things"),
        ("[\"HQ\", ", "[\"HQ\", \"NOBODY\", ", "`NOBODY` stands for two things"),
        ("[\"HQ\", ", "[\"HQ\", \"A B\", ", "`A B` cannot be a country's code"),
        ("LABS = [\"LAB1\"", "LABS = [\"LAB7\"", "`LABS` refers to `LAB7`"),
        ("LABS = [\"LAB1\", \"LAB2\"]", "LABS = []", "at least one member"),
        ("LABS =", "LAB1 =", "`LAB1` stands for two things"),
        ("portion = \"VS\"", "portion = \"I\"", "`I` stands for two things"),
        ("banner = \"PUBLIC\"", "banner = \"PUB//LIC\"", "`PUB//LIC` cannot be a level"),
        ("banner = \"APOLLO\"", "banner = \"LAB1\"", "`LAB1` stands for two things"),
        ("banner = \"APOLLO\"", "banner = \"apollo\"", "`apollo` cannot be a marking"),
        ("levels = [\"VS\"]", "levels = [\"XX\"]", "`APOLLO` refers to `XX`"),
        ("levels = [\"VS\"]", "levels = [\"I\"]", "a roll-up carries it to higher levels"),
        ("levels = [\"VS\"]", "levels = []", "goes with no level"),
        ("requires = [\"WATERMARK\"]", "requires = [\"SEAL\"]", "`APOLLO` refers to `SEAL`"),
        ("requires = [\"WATERMARK\"]", "requires = [\"SHARED WITH\"]", "nothing requires a list"),
        ("requires = [\"WATERMARK\"]", "requires = [\"APOLLO\"]", "does not require or exclude itself"),
        ("requires = [\"WATERMARK\"]", "excludes = [\"WATERMARK\"]", "a compartment excludes nothing"),
        ("sub = [\"NOZZLE\"]", "sub = [\"NOZZLE\", \"NOZZLE\"]", "`APOLLO-ENGINE NOZZLE` stands for two things"),
        ("sub = [\"NOZZLE\"]", "sub = [\"NOZ-ZLE\"]", "`NOZ-ZLE` cannot be a compartment"),
        ("kind = \"own-nation-alone\"", "", "needs a word for the own nation alone"),
        ("kind = \"release-list\"\nentries_min = 2", "", "the policy has no release list"),
        ("entries_min = 2", "entries_min = 2\nlevels = [\"VS\"]", "goes with every level"),
        ("entries_min = 2", "separator = \"/\"", "exactly if its separator is `/`"),
        ("portion = \"WM\"", "entries_min = 2", "only a list has"),
        ("portion = \"WM\"", "roll_up = \"common\"", "only a country list rolls up"),
        ("portion = \"WM\"", "levels = [\"I\"]\nroll_up = \"while-allowed\"", "on which what it requires does not"),
    ] {
        check(from, to, part);
    }
}

/// A policy with so many compartments and countries, in words of a given length.
fn of_size(compartments: usize, countries: usize, word_bytes: usize) -> Result<Policy, PolicyError> {
    let list = |letter: char, count: usize| {
        (0..count).map(|n| format!("'{letter}{n:0>width$}'", width = word_bytes - 1)).collect::<Vec<_>>().join(", ")
    };
    let own = format!("C{:0>width$}", 0, width = word_bytes - 1);
    // One compartment is the control system, one what stands below it.
    let subs = list('S', compartments - 2);
    Policy::from_toml(&format!(
        "name = 'big'\nown_nation = '{own}'\ncountries = [{}]\n[[level]]\nbanner = 'L'\n[[category]]\nname = 'C'\n\
         [[category.marking]]\nbanner = 'X'\nkind = 'restrictive'\ncompartments = [{{ name = 'Y', sub = [{subs}] }}]\n\
         [[category.marking]]\nbanner = 'FOR'\nkind = 'release-list'\n",
        list('C', countries)
    ))
}

#[test]
fn bounds() {
    let largest = of_size(128, 256, 5).unwrap();
    let countries: Vec<_> = largest.countries().collect();
    let label = largest.with_release(largest.lowest(), &countries);
    assert_eq!(largest.label(&largest.banner(label)), Ok(label));
    let too_many = |what, count, count_max| PolicyError::TooMany { what, count, count_max };
    assert_eq!(of_size(129, 256, 5), Err(too_many("compartments", 129, 128)));
    assert_eq!(of_size(128, 257, 5), Err(too_many("countries", 257, 256)));
    let error = of_size(128, 256, 30).unwrap_err().to_string();
    assert!(error.contains("bytes in its longest label; at most 4096 fit"), "{error}");
    assert!(matches!(Policy::from_toml(&"#".repeat(300_000)), Err(PolicyError::TooMany { what: "bytes", .. })));
}
