//! What an approval is bound to.

use super::*;

fn actor(id: &str) -> Actor {
    Actor { name: id.to_owned(), id: id.to_owned() }
}

fn key(last: char) -> AccessKeyId {
    AccessKeyId::new(format!("AKIA{}", last.to_string().repeat(16))).unwrap()
}

fn example() -> Release {
    Release {
        id: ReleaseId::from_random(7),
        account: "123456789012".parse().unwrap(),
        by: actor("ana"),
        key: key('A'),
        requested_ms: 1_000,
        expires_ms: 2_000,
        ended_ms: None,
        source: PinnedVersion {
            bucket: BucketName::new("plans").unwrap(),
            key: ObjectKey::new("plan").unwrap(),
            version: "01".to_owned(),
            newest: true,
            size: 10,
            sha256: [1; 32],
        },
        gaps: false,
        leaves: Leaving { size: 9, sha256: [2; 32] },
        origin: RegionName::new("us-iso-east-1").unwrap(),
        label: "SECRET".to_owned(),
        mapping: MappingName::new("down").unwrap(),
        to: RegionName::new("us-gov-west-1").unwrap(),
        to_account: "210987654321".parse().unwrap(),
        to_bucket: BucketName::new("public").unwrap(),
        new_key: ObjectKey::new("plan.txt").unwrap(),
        new_label: "UNCLASSIFIED".to_owned(),
        attributes: Attributes {
            content_type: Some("text/plain".to_owned()),
            metadata: [("subject".to_owned(), "exercise".to_owned())].into(),
            ..Attributes::default()
        },
        purpose: Purpose::new("for the partners").unwrap(),
        findings: vec!["written anew".to_owned()],
        seen: Vec::new(),
        approvals: Vec::new(),
        refused: None,
        state: ReleaseState::Requested,
        bundle: None,
        why: None,
    }
}

fn vote(by: &str, digest: &str) -> ReleaseVote {
    let (by, reason) = (actor(by), Words::new("checked").unwrap());
    ReleaseVote { by, key: key('B'), at_ms: 1_500, digest: digest.to_owned(), reason }
}

type Change = (&'static str, fn(&mut Release));

/// Everything that reviewers see, and that leaves, each changed by itself.
const CHANGES: [Change; 30] = [
    ("id", |it| it.id = ReleaseId::from_random(8)),
    ("account", |it| it.account = "123456789013".parse().unwrap()),
    ("who asked, by name", |it| it.by.name = "bob".to_owned()),
    ("who asked", |it| it.by.id = "bob".to_owned()),
    ("with which key", |it| it.key = key('C')),
    ("requested", |it| it.requested_ms += 1),
    ("expires", |it| it.expires_ms += 1),
    ("bucket", |it| it.source.bucket = BucketName::new("other").unwrap()),
    ("key", |it| it.source.key = ObjectKey::new("other").unwrap()),
    ("version", |it| it.source.version = "02".to_owned()),
    ("newest", |it| it.source.newest = false),
    ("size", |it| it.source.size += 1),
    ("content", |it| it.source.sha256[31] ^= 1),
    ("a list of missing bundles", |it| it.gaps = true),
    ("bytes that leave", |it| it.leaves.size += 1),
    ("content that leaves", |it| it.leaves.sha256[0] ^= 1),
    ("origin", |it| it.origin = RegionName::new("us-isob-east-1").unwrap()),
    ("label", |it| it.label = "TOP SECRET".to_owned()),
    ("mapping", |it| it.mapping = MappingName::new("other").unwrap()),
    ("region", |it| it.to = RegionName::new("us-gov-east-1").unwrap()),
    ("account there", |it| it.to_account = "210987654322".parse().unwrap()),
    ("bucket there", |it| it.to_bucket = BucketName::new("elsewhere").unwrap()),
    ("new name", |it| it.new_key = ObjectKey::new("plan2.txt").unwrap()),
    ("new label", |it| it.new_label = "CONFIDENTIAL".to_owned()),
    ("type", |it| it.attributes.content_type = Some("text/csv".to_owned())),
    ("metadata's value", |it| it.attributes.metadata = [("subject".to_owned(), "war".to_owned())].into()),
    ("metadata's name", |it| it.attributes.metadata = [("object".to_owned(), "exercise".to_owned())].into()),
    ("metadata", |it| it.attributes.metadata.clear()),
    ("purpose", |it| it.purpose = Purpose::new("for everybody").unwrap()),
    ("findings", |it| it.findings.clear()),
];

#[test]
fn an_approval_is_bound_to_everything_that_reviewers_see() {
    let digest = example().digest().unwrap();
    let mut digests = BTreeSet::from([digest.clone()]);
    for (what, change) in CHANGES {
        let mut release = example();
        release.approvals = vec![vote("rita", &digest), vote("rolf", &digest)];
        assert!(release.is_approved().unwrap());
        change(&mut release);
        assert!(digests.insert(release.digest().unwrap()), "{what}: another digest than all others");
        assert!(!release.is_approved().unwrap(), "{what}: what was approved is something else");
    }
}

#[test]
fn two_votes_of_others_for_this_digest_approve() {
    let digest = example().digest().unwrap();
    let other = "0".repeat(64);
    let cases: [(&[ReleaseVote], bool); 7] = [
        (&[], false),
        (&[vote("rita", &digest)], false),
        (&[vote("rita", &digest), vote("rita", &digest)], false),
        (&[vote("rita", &digest), vote("ana", &digest)], false),
        (&[vote("rita", &digest), vote("rolf", &other)], false),
        (&[vote("rita", &digest), vote("rolf", &digest)], true),
        (&[vote("ana", &digest), vote("rita", &digest), vote("rolf", &digest)], true),
    ];
    for (votes, expected) in cases {
        let release = Release { approvals: votes.to_vec(), state: ReleaseState::Requested, ..example() };
        assert_eq!(release.digest().unwrap(), digest, "votes are no part of what is voted on");
        assert_eq!(release.is_approved().unwrap(), expected, "{votes:?}");
    }
}

#[test]
fn of_too_many_findings_the_last_says_how_many_there_were() {
    let all: Vec<String> = (0..40).map(|number| format!("finding {number}")).collect();
    let kept = arrivals::kept(all.clone());
    assert_eq!(kept[..15], all[..15]);
    assert_eq!(kept[15..], ["and 25 more"]);
    assert_eq!(arrivals::kept(all[..16].to_vec()), all[..16]);
    assert_eq!(arrivals::kept(vec!["a\u{1b}b".to_owned()]), ["a b"]);
}
