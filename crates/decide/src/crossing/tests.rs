use super::*;
use fastness_identity::directory::Mapping;
use fastness_operation::{AccountNumber, BucketName, MappingName, RegionName, UserName};
use proptest::prelude::*;

const LABELS: [&str; 8] = [
    "UNCLASSIFIED",
    "CUI",
    "CONFIDENTIAL",
    "SECRET//REL TO USA, GBR",
    "SECRET",
    "TOP SECRET//SI",
    "TOP SECRET//TK",
    "TOP SECRET//SI/TK",
];

fn account(number: u64) -> AccountNumber {
    format!("{number:012}").parse().unwrap()
}

fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

fn low() -> RegionName {
    RegionName::new("low").unwrap()
}

fn mapping(half: Half) -> Mapping {
    Mapping {
        name: MappingName::new("plans").unwrap(),
        account: account(1),
        half,
        way: CrossingWay::Lift,
        highest: "SECRET".to_owned(),
        types: vec![MediaType::new("text/plain").unwrap(), MediaType::new("application/json").unwrap()],
        metadata: Vec::new(),
        object_len_max: 100,
        bytes_per_day: 250,
        objects_per_day: 5,
        at: Vec::new(),
        made_ms: 0,
        made_by: UserName::new("officer").unwrap(),
    }
}

fn sending() -> Mapping {
    let to = RegionName::new("high").unwrap();
    mapping(Half::Send { bucket: bucket("plans"), to, to_account: account(2), to_bucket: bucket("plans") })
}

fn receiving() -> Mapping {
    let (from_account, from_bucket) = (Some(account(2)), Some(bucket("theirs")));
    mapping(Half::Receive { from: low(), from_account, from_bucket, bucket: bucket("plans") })
}

fn sent(mapping: &Mapping, used: Used, batch: &[(&str, Option<&str>, u64)]) -> Vec<Result<(), Stop>> {
    let policy = Policy::us();
    let candidate = |(label, claimed, size): &(&str, Option<&str>, u64)| Candidate {
        label: policy.label(label).unwrap(),
        content_type: claimed.map(str::to_owned),
        size: *size,
    };
    let batch: Vec<Candidate> = batch.iter().map(candidate).collect();
    send(mapping, &policy, policy.label("CUI").unwrap(), used, &batch).unwrap()
}

const TEXT: Option<&str> = Some("text/plain; charset=utf-8");

#[test]
fn each_object_goes_or_stays_for_one_reason() {
    let found = sent(
        &sending(),
        Used::default(),
        &[
            ("CUI", TEXT, 100),
            ("CUI", Some("application/json"), 0),
            ("UNCLASSIFIED", TEXT, 1),
            ("SECRET", TEXT, 1),
            ("CUI", Some("text/csv"), 1),
            ("CUI", Some("application/pdf"), 1),
            ("CUI", None, 1),
            ("CUI", TEXT, 101),
        ],
    );
    let (label, kind) = (Err(Stop::Label), Err(Stop::Type));
    assert_eq!(found, [Ok(()), Ok(()), label, label, kind, kind, kind, Err(Stop::TooLarge)]);
}

#[test]
fn a_days_measure_is_kept_and_nothing_overtakes_what_waits() {
    let text = |size| ("CUI", TEXT, size);
    let by_bytes = sent(&sending(), Used { bytes: 100, objects: 0 }, &[text(100), text(60), text(1), ("CUI", None, 1)]);
    assert_eq!(by_bytes, [Ok(()), Err(Stop::Day), Err(Stop::Day), Err(Stop::Type)]);
    let by_number = sent(&sending(), Used { bytes: 0, objects: 4 }, &[("CUI", None, 1), text(1), text(1)]);
    assert_eq!(by_number, [Err(Stop::Type), Ok(()), Err(Stop::Day)]);
    let over = sent(&sending(), Used { bytes: u64::MAX, objects: u64::MAX }, &[text(1)]);
    assert_eq!(over, [Err(Stop::Day)]);
}

#[test]
fn what_no_day_has_room_for_holds_nothing_up() {
    let small = Mapping { bytes_per_day: 50, ..sending() };
    let found = sent(&small, Used::default(), &[("CUI", TEXT, 51), ("CUI", TEXT, 50), ("CUI", TEXT, 1)]);
    assert_eq!(found, [Err(Stop::TooLarge), Ok(()), Err(Stop::Day)]);
}

#[test]
fn nothing_leaves_above_the_mapping_or_by_its_other_half() {
    let policy = Policy::us();
    let leaves = |mapping: &Mapping, label: &str| {
        send(mapping, &policy, policy.label(label).unwrap(), Used::default(), &[]).is_ok()
    };
    assert!(leaves(&sending(), "SECRET") && leaves(&sending(), "SECRET//REL TO USA, GBR"));
    assert!(!leaves(&sending(), "TOP SECRET") && !leaves(&sending(), "TOP SECRET//SI"));
    assert!(!leaves(&receiving(), "UNCLASSIFIED"));
    let gone = Mapping { highest: "NO LONGER A MARKING".to_owned(), ..sending() };
    assert!(!leaves(&gone, "UNCLASSIFIED"));
}

#[test]
fn a_release_is_bound_by_its_new_label() {
    let release = Mapping { way: CrossingWay::Release, ..sending() };
    assert_eq!(sent(&release, Used::default(), &[("TOP SECRET//SI", TEXT, 1)]), [Ok(())]);
}

/// A region that holds some labels, of which the first is its floor and the last its ceiling.
fn region(policy: &Policy, held: &[&str]) -> RegionLabels {
    let held: Vec<Label> = held.iter().map(|text| policy.label(text).unwrap()).collect();
    RegionLabels::new(policy, *held.first().unwrap(), *held.last().unwrap(), held.clone())
}

fn arrived(mapping: &Mapping, label: &str, labels: &RegionLabels) -> Result<Permit, Refusal> {
    let (from, theirs, plans, id) = (low(), bucket("theirs"), bucket("plans"), BundleId::from_random(7));
    let route = ArrivalRoute {
        from: &from,
        way: CrossingWay::Lift,
        from_account: Some(account(2)),
        from_bucket: Some(&theirs),
        to_account: account(1),
        to_bucket: &plans,
    };
    let keys = vec![ObjectKey::new("a").unwrap()];
    arrive(mapping, ArrivalOf { route, bundle: &id, label, keys }, &Policy::us(), labels)
}

#[test]
fn what_arrives_is_put_at_its_own_label_or_where_the_mapping_says() {
    let policy = Policy::us();
    let labels = region(&policy, &["UNCLASSIFIED", "SECRET//REL TO USA, GBR", "SECRET"]);
    let at = vec![("CUI".to_owned(), "SECRET".to_owned())];
    let mapping = Mapping { at, ..receiving() };
    let put = |label: &str| arrived(&mapping, label, &labels).map(|permit| policy.banner(permit.view().session()));
    assert_eq!(put("UNCLASSIFIED").unwrap(), "UNCLASSIFIED");
    assert_eq!(put("CUI").unwrap(), "SECRET");
    assert_eq!(put("SECRET").unwrap(), "SECRET");
    for (label, why) in [
        ("CONFIDENTIAL", "does not hold"),
        ("TOP SECRET", "exceeds"),
        ("TOP SECRET//SI", "exceeds"),
        ("NONSENSE", "NONSENSE"),
    ] {
        let refusal = put(label).unwrap_err();
        assert!(refusal.message.contains(why), "{label}: {}", refusal.message);
        assert_eq!((refusal.code, refusal.reason), (Code::AccessDenied, Reason::Mandatory));
    }
}

#[test]
fn a_permit_to_receive_is_for_one_bundle_bucket_and_partition() {
    let policy = Policy::us();
    let labels = region(&policy, &["UNCLASSIFIED", "SECRET"]);
    let permit = arrived(&receiving(), "UNCLASSIFIED", &labels).unwrap();
    assert_eq!(permit.view().labels(), [labels.floor()]);
    assert_eq!(permit.view().account(), Some(account(1)));
    let name = bucket("plans");
    assert_eq!(permit.bucket(&name), Some(&Bucket { account: account(1), name: name.clone() }));
    assert_eq!(permit.bucket(&bucket("theirs")), None);
    let Operation::Crossing(act) = permit.operation() else { panic!("{permit:?}") };
    assert_eq!(act.name(), "ReceiveObjects");
}

#[test]
fn a_bundle_without_its_mapping_does_not_come_in() {
    let policy = Policy::us();
    let labels = region(&policy, &["UNCLASSIFIED", "SECRET"]);
    let release = Mapping { way: CrossingWay::Release, ..receiving() };
    let other = Mapping { account: account(3), ..receiving() };
    for mapping in [sending(), release, other] {
        assert!(arrived(&mapping, "UNCLASSIFIED", &labels).is_err(), "{mapping:?}");
    }
}

fn any_label() -> impl Strategy<Value = String> {
    proptest::sample::select(&LABELS[..]).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn nothing_arrives_below_its_label_or_outside_the_region(
        at in proptest::collection::vec((any_label(), any_label()), 0..4),
        highest in any_label(),
        label in any_label(),
        ends in (0..LABELS.len(), 0..LABELS.len()),
        held in proptest::collection::vec(any_label(), 0..6),
    ) {
        let policy = Policy::us();
        let of = |text: &str| policy.label(text).unwrap();
        let (floor, ceiling) = (of(LABELS[ends.0]), of(LABELS[ends.1]));
        let labels = RegionLabels::new(&policy, floor, ceiling, held.iter().map(|text| of(text)).chain([floor]));
        // Rows as a directory that somebody else wrote might hold them: no rule of `put_mapping` is relied on.
        let mapping = Mapping { at, highest: highest.clone(), ..receiving() };
        if let Ok(permit) = arrived(&mapping, &label, &labels) {
            let target = permit.view().session();
            prop_assert!(of(&label).is_dominated_by(target));
            prop_assert!(of(&label).is_dominated_by(of(&highest)));
            prop_assert!(labels.holds(target) && labels.could_hold(target));
            prop_assert_eq!(permit.view().labels().first(), Some(&target));
            prop_assert!(permit.view().labels().iter().all(|seen| seen.is_dominated_by(target)));
        }
    }
}
