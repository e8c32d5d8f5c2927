use super::super::tests_support::{Rows, moment};
use super::*;

const ACCOUNT: u64 = 123_456_789_012;

fn account(number: u64) -> AccountNumber {
    format!("{number:012}").parse().unwrap()
}

fn region(name: &str) -> RegionName {
    RegionName::new(name).unwrap()
}

fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

fn officer() -> UserName {
    UserName::new("officer").unwrap()
}

/// A region from UNCLASSIFIED to SECRET that holds three labels.
fn labels(policy: &Policy) -> RegionLabels {
    let held = ["UNCLASSIFIED", "SECRET", "SECRET//REL TO USA, GBR"].map(|text| policy.label(text).unwrap());
    RegionLabels::new(policy, held[0], held[1], held)
}

fn send_half(from: &str, to: &str) -> Half {
    Half::Send { bucket: bucket(from), to: region(to), to_account: account(1), to_bucket: bucket("theirs") }
}

fn receive_half(into: &str) -> Half {
    Half::Receive {
        from: region("low"),
        from_account: Some(account(2)),
        from_bucket: Some(bucket("theirs")),
        bucket: bucket(into),
    }
}

fn wanted(name: &str, half: Half) -> MappingWanted {
    MappingWanted {
        name: MappingName::new(name).unwrap(),
        half,
        way: CrossingWay::Lift,
        highest: "(S)".to_owned(),
        types: vec![MediaType::new("text/plain").unwrap()],
        metadata: vec!["subject".to_owned()],
        object_len_max: CROSSING_OBJECT_LEN_MAX,
        bytes_per_day: 1,
        objects_per_day: 1,
        at: Vec::new(),
    }
}

fn put_at(rows: &mut Rows, beside: Option<Beside>, wanted: &MappingWanted) -> Result<Mapping, DirectoryError> {
    let policy = Policy::us();
    let labels = labels(&policy);
    put_mapping(rows, (&policy, &labels), (account(ACCOUNT), &officer()), beside, wanted, &moment(1))
}

fn put(rows: &mut Rows, wanted: &MappingWanted) -> Result<Mapping, DirectoryError> {
    put_at(rows, None, wanted)
}

#[track_caller]
fn refuses(wanted: &MappingWanted, about: &str) {
    let mut rows = Rows::default();
    match put(&mut rows, wanted) {
        Err(DirectoryError::Refused { code: Code::InvalidInput, message }) => {
            assert!(message.contains(about), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(rows.0.is_empty(), "a refusal leaves no trace");
}

#[test]
fn what_was_written_is_found_listed_and_removed() {
    let mut rows = Rows::default();
    let made = put(&mut rows, &wanted("plans", send_half("plans", "high"))).unwrap();
    assert_eq!((made.highest.as_str(), made.made_by.as_str()), ("SECRET", "officer"), "a marking becomes a banner");
    let name = MappingName::new("plans").unwrap();
    assert_eq!(find_mapping(&rows, account(ACCOUNT), &name).unwrap(), made);
    assert_eq!(list_mappings(&rows, account(ACCOUNT)).unwrap(), std::slice::from_ref(&made));
    assert_eq!(list_mappings(&rows, account(1)).unwrap(), [], "another account's are its own");
    delete_mapping(&mut rows, account(ACCOUNT), &name).unwrap();
    let gone = delete_mapping(&mut rows, account(ACCOUNT), &name);
    assert!(matches!(gone, Err(DirectoryError::Refused { code: Code::NoSuchEntity, .. })));
}

#[test]
fn writing_replaces_the_whole_and_changes_the_digest() {
    let mut rows = Rows::default();
    let first = put(&mut rows, &wanted("plans", send_half("plans", "high"))).unwrap();
    let more = MappingWanted { bytes_per_day: 2, metadata: Vec::new(), ..wanted("plans", send_half("other", "high")) };
    let second = put(&mut rows, &more).unwrap();
    assert_eq!(list_mappings(&rows, account(ACCOUNT)).unwrap(), std::slice::from_ref(&second));
    assert_ne!(first.digest().unwrap(), second.digest().unwrap());
}

#[test]
fn one_mapping_for_one_way_between_the_same_buckets() {
    let mut rows = Rows::default();
    put(&mut rows, &wanted("plans", receive_half("plans"))).unwrap();
    let again = put(&mut rows, &wanted("again", receive_half("plans")));
    assert!(matches!(again, Err(DirectoryError::Refused { code: Code::EntityAlreadyExists, .. })));
    put(&mut rows, &wanted("again", receive_half("others"))).unwrap();
}

#[test]
fn an_account_has_a_bounded_number_of_mappings() {
    let mut rows = Rows::default();
    for number in 0..MAPPINGS_MAX {
        let one =
            put(&mut Rows::default(), &wanted(&format!("m{number}"), send_half(&format!("bucket-{number}"), "high")));
        let one = one.unwrap();
        rows.0.insert(row(one.account, &one.name), postcard::to_stdvec(&one).unwrap());
    }
    let full = put(&mut rows, &wanted("more", send_half("more", "high")));
    assert!(matches!(full, Err(DirectoryError::Refused { code: Code::LimitExceeded, .. })));
    put(&mut rows, &wanted("m7", send_half("more", "high"))).unwrap();
}

#[test]
fn lifts_go_up_and_releases_down() {
    let check = |half: Half, way, beside, good: bool| {
        let half = match half {
            Half::Receive { from, bucket, .. } if way == CrossingWay::Release => {
                Half::Receive { from, bucket, from_account: None, from_bucket: None }
            }
            other => other,
        };
        let wanted = MappingWanted { way, ..wanted("m", half) };
        assert_eq!(put_at(&mut Rows::default(), Some(beside), &wanted).is_ok(), good, "{wanted:?} {beside:?}");
    };
    let (send, receive) = (|| send_half("plans", "other"), || receive_half("plans"));
    for (beside, lift, release) in
        [(Beside::Above, true, false), (Beside::Below, false, true), (Beside::Own, false, true)]
    {
        check(send(), CrossingWay::Lift, beside, lift);
        check(send(), CrossingWay::Release, beside, release);
    }
    for (beside, lift, release) in
        [(Beside::Above, false, true), (Beside::Below, true, false), (Beside::Own, false, true)]
    {
        check(receive(), CrossingWay::Lift, beside, lift);
        check(receive(), CrossingWay::Release, beside, release);
    }
}

#[test]
fn a_lift_names_where_it_comes_from_and_a_release_does_not() {
    let half = |account, bucket| Half::Receive {
        from: region("low"),
        from_account: account,
        from_bucket: bucket,
        bucket: BucketName::new("plans").unwrap(),
    };
    refuses(&wanted("m", half(None, Some(bucket("theirs")))), "name the account and the bucket");
    refuses(&wanted("m", half(Some(account(2)), None)), "name the account and the bucket");
    let release = |half| MappingWanted { way: CrossingWay::Release, ..wanted("m", half) };
    refuses(&release(half(Some(account(2)), None)), "name neither");
    refuses(&release(half(None, Some(bucket("theirs")))), "name neither");
    put(&mut Rows::default(), &release(half(None, None))).unwrap();
}

#[test]
fn types_are_named_once_and_at_least_one() {
    let types = |names: &[&str]| names.iter().map(|name| MediaType::new(*name).unwrap()).collect::<Vec<_>>();
    refuses(&MappingWanted { types: types(&[]), ..wanted("m", send_half("plans", "high")) }, "1 to 64 types");
    let twice = types(&["text/csv", "text/csv"]);
    refuses(&MappingWanted { types: twice, ..wanted("m", send_half("plans", "high")) }, "twice");
}

#[test]
fn metadata_is_named_as_headers_are() {
    let with = |metadata: Vec<String>| MappingWanted { metadata, ..wanted("m", send_half("plans", "high")) };
    for bad in ["", "Subject", "a b", "ä", "a:b", &"a".repeat(129)] {
        refuses(&with(vec![bad.to_owned()]), "names of metadata");
    }
    refuses(&with(vec!["a".to_owned(), "a".to_owned()]), "twice");
    refuses(&with((0..65).map(|number| format!("m{number}")).collect()), "at most 64");
}

#[test]
fn limits_are_more_than_nothing_and_an_objects_has_a_bound() {
    let plain = || wanted("m", send_half("plans", "high"));
    refuses(&MappingWanted { object_len_max: 0, ..plain() }, "bytes");
    refuses(&MappingWanted { object_len_max: CROSSING_OBJECT_LEN_MAX + 1, ..plain() }, "bytes");
    refuses(&MappingWanted { bytes_per_day: 0, ..plain() }, "more than nothing");
    refuses(&MappingWanted { objects_per_day: 0, ..plain() }, "more than nothing");
}

#[test]
fn the_bound_is_a_label_of_the_region() {
    let with = |half: Half, highest: &str| MappingWanted { highest: highest.to_owned(), ..wanted("m", half) };
    refuses(&with(send_half("plans", "high"), "NONSENSE"), "NONSENSE");
    refuses(&with(send_half("plans", "high"), "TOP SECRET"), "what leaves this region");
    refuses(&with(receive_half("plans"), "TOP SECRET"), "ceiling");
    put(&mut Rows::default(), &with(receive_half("plans"), "CONFIDENTIAL")).unwrap();
}

#[test]
fn what_arrives_is_put_at_labels_that_dominate_and_are_held() {
    let with = |rows: &[(&str, &str)]| {
        let at = rows.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        MappingWanted { at, ..wanted("m", receive_half("plans")) }
    };
    let made = put(&mut Rows::default(), &with(&[("(U)", "(S)"), ("CONFIDENTIAL", "SECRET")])).unwrap();
    assert_eq!(made.at.first(), Some(&("UNCLASSIFIED".to_owned(), "SECRET".to_owned())));
    refuses(&with(&[("SECRET", "UNCLASSIFIED")]), "does not dominate");
    refuses(&with(&[("SECRET", "SECRET//REL TO USA, GBR")]), "does not dominate");
    refuses(&with(&[("UNCLASSIFIED", "CONFIDENTIAL")]), "does not hold");
    refuses(&with(&[("UNCLASSIFIED", "NONSENSE")]), "NONSENSE");
    refuses(&with(&[("(U)", "SECRET"), ("UNCLASSIFIED", "UNCLASSIFIED")]), "two labels");
    let sending = MappingWanted { at: with(&[("(U)", "(S)")]).at, ..wanted("m", send_half("plans", "high")) };
    refuses(&sending, "the receiving half");
}

#[test]
fn a_sender_finds_the_only_mapping_that_fits_or_names_one() {
    let mut rows = Rows::default();
    let route = (CrossingWay::Lift, &bucket("plans"), &region("high"));
    let find = |rows: &Rows, name: Option<&str>| {
        let name = name.map(|name| MappingName::new(name).unwrap());
        sending_mapping(rows, account(ACCOUNT), route, name.as_ref()).map(|mapping| mapping.name.to_string())
    };
    assert!(matches!(find(&rows, None), Err(DirectoryError::Refused { code: Code::NoSuchEntity, .. })));
    put(&mut rows, &wanted("one", send_half("plans", "high"))).unwrap();
    put(&mut rows, &wanted("else", send_half("plans", "other"))).unwrap();
    put(&mut rows, &wanted("in", receive_half("plans"))).unwrap();
    assert_eq!(find(&rows, None).unwrap(), "one");
    assert!(find(&rows, Some("else")).is_err() && find(&rows, Some("in")).is_err());
    let there =
        Half::Send { bucket: bucket("plans"), to: region("high"), to_account: account(1), to_bucket: bucket("second") };
    put(&mut rows, &wanted("two", there)).unwrap();
    assert!(matches!(find(&rows, None), Err(DirectoryError::Refused { code: Code::InvalidInput, .. })));
    assert_eq!(find(&rows, Some("two")).unwrap(), "two");
}

#[test]
fn a_receiver_finds_the_half_that_names_exactly_what_came() {
    let mut rows = Rows::default();
    put(&mut rows, &wanted("in", receive_half("plans"))).unwrap();
    let (low, theirs, plans) = (region("low"), bucket("theirs"), bucket("plans"));
    let came = ArrivalRoute {
        from: &low,
        way: CrossingWay::Lift,
        from_account: Some(account(2)),
        from_bucket: Some(&theirs),
        to_account: account(ACCOUNT),
        to_bucket: &plans,
    };
    assert_eq!(receiving_mapping(&rows, &came).unwrap().unwrap().name.as_str(), "in");
    let other = region("other");
    for near in [
        ArrivalRoute { from: &other, ..came },
        ArrivalRoute { way: CrossingWay::Release, ..came },
        ArrivalRoute { from_account: Some(account(3)), ..came },
        ArrivalRoute { from_account: None, from_bucket: None, ..came },
        ArrivalRoute { from_bucket: Some(&plans), ..came },
        ArrivalRoute { to_account: account(3), ..came },
        ArrivalRoute { to_bucket: &theirs, ..came },
    ] {
        assert_eq!(receiving_mapping(&rows, &near).unwrap(), None, "{near:?}");
    }
}
