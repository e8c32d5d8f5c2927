//! Both ends as processes, and a line between them that loses, repeats and reorders.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Fate, Line, Place, chance, content, is_gone, receiver, send, sender_command, wait};
use fastness_diode::{BundleNumber, Geometry, LinkKey, Sealer};

/// Not a test: the sender's process begins here.
#[test]
fn sender_process() {
    common::become_sender();
}

#[test]
fn bundles_of_every_size_come_over_as_they_were_sent() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let sizes = [1, 63, 1_384, 1_385, 4_096, 708_608, 708_609, 3_000_000];
    let sent: Vec<_> = (1..).zip(sizes).map(|(number, size)| place.put(number, size)).collect();
    send(&place, to, &[]);
    for (number, content) in (1..).zip(sent) {
        assert!(place.wait_for(number) == content, "bundle {number}");
        assert!(is_gone(&place.path(&format!("outbox/{number:010}.bundle"))));
    }
    wait("the journal", || place.gaps().is_empty());
    let (sent, received) = (place.events("send.log", "sent"), place.events("receive.log", "received"));
    let digests = |events: Vec<serde_json::Value>| {
        let mut all: Vec<_> = events.iter().map(|e| (e["bundle"].as_u64(), e["digest"].to_string())).collect();
        all.sort();
        all
    };
    assert_eq!(digests(sent), digests(received));
    let left: Vec<_> = std::fs::read_dir(place.path("work")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().ends_with(".part")), "{left:?}");
}

#[test]
fn large_frames_come_over_as_well() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let sent = place.put(1, 5_000_000);
    send(&place, to, &["--mtu", "9000"]);
    assert!(place.wait_for(1) == sent);
}

#[test]
fn a_tenth_lost_at_random_is_made_good() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let mut lost = chance(7);
    let line = Line::new(to, move |_, _| if lost(0.1) { Fate::Lose } else { Fate::Pass });
    let sent = [place.put(1, 6_000_000), place.put(2, 100_000), place.put(3, 5)];
    send(&place, line.from, &["--rate", "20"]);
    for (number, content) in (1..).zip(sent) {
        assert!(place.wait_for(number) == content, "bundle {number}");
    }
}

#[test]
fn a_break_of_the_line_is_made_good() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    // At 20 MB/s, fifty milliseconds are about seven hundred frames.
    let line = Line::new(to, |at, _| if (2_000..2_700).contains(&at) { Fate::Lose } else { Fate::Pass });
    let sent = place.put(1, 8_000_000);
    send(&place, line.from, &["--rate", "20"]);
    assert!(place.wait_for(1) == sent);
}

#[test]
fn what_is_too_short_for_a_break_is_spread_and_sent_once() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let (seen, symbols) = std::sync::mpsc::channel();
    // Spread over a third of a second, fifty milliseconds of it are about seventy frames.
    let line = Line::new(to, move |at, frame| {
        if frame[5] == 1 {
            seen.send(Instant::now()).unwrap();
        }
        if (100..170).contains(&at) { Fate::Lose } else { Fate::Pass }
    });
    let sent = place.put(1, 3_000_000);
    send(&place, line.from, &["--rate", "200", "--mtu", "9000"]);
    assert!(place.wait_for(1) == sent);
    assert_eq!(place.events("send.log", "sent")[0]["rounds"], 1);
    let times: Vec<Instant> = symbols.try_iter().collect();
    let lasted = times[times.len() - 1].duration_since(times[0]);
    // At full speed it would be through in a twentieth of a second.
    assert!(lasted >= Duration::from_millis(200), "{lasted:?}");
}

#[test]
fn what_is_lost_whole_is_a_gap_and_is_sent_again() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let keep = ["--after", "move", "--sent"];
    let sent = place.path("sent");
    let keep = [&keep[..], &[sent.to_str().unwrap()]].concat();
    place.put(1, 1_000);
    send(&place, to, &keep);
    place.wait_for(1);
    let nowhere = Line::new(to, |_, _| Fate::Lose);
    let lost = [place.put(2, 400_000), place.put(3, 10)];
    send(&place, nowhere.from, &keep);
    place.put(4, 77);
    place.put(6, 78);
    send(&place, to, &keep);
    place.wait_for(6);
    wait("the gaps", || place.gaps() == "2-3, 5");
    assert_eq!(place.inbox().len(), 3);
    // The gap list goes back by other hands, as it is printed. What never was is not there.
    send(&place, to, &[&keep[..], &["--resend", &place.gaps()]].concat());
    for (number, content) in (2..).zip(lost) {
        assert!(place.wait_for(number) == content, "bundle {number}");
    }
    wait("the journal", || place.gaps() == "5");
    let resend = place.events("send.log", "resend");
    assert_eq!((&resend[0]["asked"], &resend[0]["not_there"]), (&"2-3, 5".into(), &"5".into()));
}

#[test]
fn a_running_sender_takes_gap_lists_from_a_file() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let list = place.path("resend");
    place.put(1, 1_000);
    let nowhere = Line::new(to, |_, _| Fate::Lose);
    send(&place, nowhere.from, &["--after", "keep"]);
    let arguments = ["--after", "keep", "--resend-file", list.to_str().unwrap()];
    let _sender = common::Process(sender_command(&place, to, &arguments).spawn().unwrap());
    wait("the gap", || place.gaps() == "1");
    std::fs::write(place.path("list"), "1\n").unwrap();
    std::fs::rename(place.path("list"), &list).unwrap();
    assert!(place.wait_for(1) == content(1, 1_000));
    assert!(is_gone(&list));
    std::fs::write(&list, "nonsense").unwrap();
    wait("the refusal", || !place.events("send.log", "resend-refused").is_empty());
}

#[test]
fn what_was_sent_before_a_kill_leaves_the_outbox_at_the_next_start() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    for (after, gone) in [("keep", false), ("move", true), ("delete", true)] {
        // As a sender leaves it that is killed between its state and the file.
        std::fs::write(place.path("state.json"), r#"{"version":1,"sent":"1"}"#).unwrap();
        place.put(1, 1_000);
        let sent = place.path("sent");
        send(&place, to, &["--after", after, "--sent", sent.to_str().unwrap()]);
        assert_eq!(is_gone(&place.path("outbox/0000000001.bundle")), gone, "{after}");
        assert_eq!(!is_gone(&sent.join("0000000001.bundle")), after == "move");
        let _moved = std::fs::remove_file(sent.join("0000000001.bundle"));
    }
    assert!(place.inbox().is_empty() && place.events("send.log", "sent").is_empty());
}

#[test]
fn what_was_asked_for_again_comes_although_the_sender_was_killed_in_between() {
    for after in ["keep", "move", "delete"] {
        let place = Place::new();
        let (list, sent) = (place.path("resend"), place.path("sent"));
        let content = place.put(1, 1_000_000);
        let arguments = ["--after", after, "--sent", sent.to_str().unwrap(), "--resend-file", list.to_str().unwrap()];
        let nowhere = Line::new("127.0.0.1:9".parse().unwrap(), |_, _| Fate::Lose);
        send(&place, nowhere.from, &arguments);
        std::fs::write(&list, "1\n").unwrap();
        if after == "delete" {
            // As a region does it: the list comes first.
            place.put(1, 1_000_000);
        }
        // At this rate it takes longer than anybody waits for it.
        let slow = [&arguments[..], &["--rate", "0.1"]].concat();
        let sender = common::Process(sender_command(&place, nowhere.from, &slow).spawn().unwrap());
        wait("the request", || !place.events("send.log", "resend").is_empty());
        assert!(is_gone(&list) && is_gone(&place.path("resend.taken")));
        drop(sender);
        let (_receiver, to) = receiver(&place, &[]);
        send(&place, to, &arguments);
        assert!(place.wait_for(1) == content, "{after}");
    }
}

#[test]
fn two_thousand_bundles_pass_through_few_descriptors() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--no-sync"]);
    // The shortest bundle of a region, and some that are too long to be held in memory.
    let size = |number: u64| if number.is_multiple_of(10) { 140_000 } else { 75_792 };
    (1..=2_000).for_each(|number| drop(place.put(number, size(number))));
    let command = sender_command(&place, to, &["--once", "--rate", "50"]);
    let status = common::with_descriptors(&command, 48, 64).status().unwrap();
    assert!(status.success(), "the sender failed");
    assert_eq!(place.events("send.log", "unreadable").len(), 0);
    for number in 1..=2_000 {
        assert!(place.wait_for(number) == content(number, size(number)), "bundle {number}");
    }
    assert_eq!(std::fs::read_dir(place.path("outbox")).unwrap().count(), 0);
}

#[test]
fn a_bundle_that_shrinks_under_way_is_told_once_and_does_not_pass_for_sent() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--patience", "1"]);
    place.put(1, 3_000_000);
    let sender = common::Process(sender_command(&place, to, &["--rate", "2"]).spawn().unwrap());
    wait("the beginning of a bundle", || {
        let names = std::fs::read_dir(place.path("work")).unwrap();
        names.into_iter().any(|entry| entry.unwrap().file_name().to_str().unwrap().ends_with(".part"))
    });
    let path = place.path("outbox/0000000001.bundle");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    wait("the event", || !place.events("send.log", "unreadable").is_empty());
    // What comes behind it passes.
    let behind = place.put(2, 1_000);
    assert!(place.wait_for(2) == behind);
    wait("the end", || is_gone(&place.path("outbox/0000000002.bundle")));
    let told = place.events("send.log", "unreadable");
    let of_reading = told.iter().filter(|event| event["problem"].as_str().unwrap().contains("whole buffer")).count();
    // Tried again, it is found to be empty.
    assert!(of_reading == 1 && told.len() <= 2, "{of_reading} of {}", told.len());
    assert!(place.events("send.log", "sent").iter().all(|event| event["bundle"] == 2));
    drop(sender);
    let state = std::fs::read_to_string(place.path("state.json")).unwrap();
    assert!(!is_gone(&path) && state.contains(r#""sent":"2""#), "{state}");
}

#[test]
fn a_sender_goes_on_where_nobody_listens() {
    let place = Place::new();
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The kernel does answer that nobody listens there: a connected socket is told.
    let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
    connected.connect(closed).unwrap();
    wait("the answer", || {
        connected.send(b"?").is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    });
    (1..=3).for_each(|number| drop(place.put(number, 300_000)));
    send(&place, closed, &[]);
    assert_eq!(place.events("send.log", "sent").len(), 3);
    let ended = place.events("send.log", "ended").pop().unwrap();
    assert_eq!(ended["refused_by_kernel"], 0, "{ended}");
    assert!(ended["frames"].as_u64().unwrap() > 600, "{ended}");
}

#[test]
fn a_receiver_that_comes_after_the_first_round_gets_bundles_whole_from_a_later_one() {
    let place = Place::new();
    let (sent, short) = (place.put(1, 2_000_000), place.put(2, 10));
    let early = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = early.local_addr().unwrap();
    let rounds = ["--once", "--rounds", "3", "--round-gap-ms", "3000", "--rate", "20"];
    let mut sender = common::Process(sender_command(&place, to, &rounds).spawn().unwrap());
    // The first announcement comes when the first round is over: so none comes any more when a second is due.
    let mut frame = [0; 2_000];
    let mut symbols = 0;
    while early.recv(&mut frame).unwrap() > fastness_diode::FRAME_BYTES_MIN {
        symbols += 1;
    }
    assert!(symbols > 1_000, "{symbols} frames of the first round");
    drop(early);
    let (_receiver, _) = common::receiver_at(&place, to, &[]);
    assert!(place.wait_for(1) == sent && place.wait_for(2) == short);
    assert!(sender.0.wait().unwrap().success());
    wait("the journal", || place.gaps().is_empty());
    assert_eq!(place.events("send.log", "sent")[0]["rounds"], 3);
}

#[test]
fn the_receiver_hears_of_bundles_of_which_nothing_came() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    place.put(12, 100_000);
    // Announcements are the shortest frames: they alone come through.
    let line = Line::new(to, |_, datagram| if datagram.len() < 100 { Fate::Pass } else { Fate::Lose });
    send(&place, line.from, &[]);
    wait("the gaps", || place.gaps() == "1-12");
    wait("the event", || place.events("receive.log", "missing").iter().any(|event| event["bundles"] == "1-12"));
}

#[test]
fn nothing_that_comes_over_the_line_stops_the_receiver() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0;
    let mut put = |datagram: &[u8]| {
        socket.send_to(datagram, to).unwrap();
        sent += 1;
    };
    let number = BundleNumber::new(1).unwrap();
    let mut sealer = Sealer::new(&place.key()).unwrap();
    let frame = sealer.announcement(number).unwrap();
    for datagram in [&[1, 2][..], &[], &frame[..frame.len() - 1], &[7; 1_000], &[0; 65_000]] {
        put(datagram);
    }
    let long = [frame.as_slice(), &[0; 5]].concat();
    put(&long);
    let mut changed = frame.clone();
    changed[50] ^= 1;
    put(&changed);
    let mut later = frame.clone();
    later[4] = 9;
    put(&later);
    put(&Sealer::new(&LinkKey::random().unwrap()).unwrap().announcement(number).unwrap());
    (0..3).for_each(|_| put(&frame));
    // Authentic, from a run that says one thing of a bundle and then another.
    for length in [1_000, 2_000] {
        let mut frame = vec![0; 64 + fastness_diode::SYMBOL_OVERHEAD];
        sealer.symbol(&mut frame, number, &Geometry::new(length, 64).unwrap(), 0, 0).unwrap();
        put(&frame);
    }
    // Authentic, and longer than anybody's disk.
    let geometry = Geometry::new(fastness_diode::BUNDLE_BYTES_MAX, 64).unwrap();
    let mut frame = vec![0; 64 + fastness_diode::SYMBOL_OVERHEAD];
    sealer.symbol(&mut frame, BundleNumber::new(2).unwrap(), &geometry, 5, 0).unwrap();
    put(&frame);
    assert_eq!(sent, 15);
    let expected =
        [("short", 3), ("oversized", 1), ("foreign", 1), ("version", 1), ("length", 1), ("forged", 2), ("replayed", 2)];
    let unused = [("inconsistent", 1), ("too-long", 1)];
    for (reason, count) in expected.into_iter().chain(unused) {
        wait(reason, || place.count(reason) == count);
    }
    let sent = place.put(1, 200_000);
    send(&place, to, &[]);
    assert!(place.wait_for(1) == sent);
}

#[test]
fn what_is_refused_is_reported_by_kind_and_number_and_a_flood_is_not() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--reports", place.path("inbox").to_str().unwrap()]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&[1, 2], to).unwrap();
    wait("the first report", || !place.inbox().is_empty());
    for _ in 0..50 {
        (0..20).for_each(|_| assert_eq!(socket.send_to(&[1, 2], to).unwrap(), 2));
        socket.send_to(&[7; 1_000], to).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    wait("the count", || place.count("short") == 1_001 && place.count("foreign") == 50);
    let reports = place.inbox();
    let of = |kind: &str| reports.iter().filter(|name| name.contains(kind)).count();
    assert_eq!((of("diode: 1 short since 20"), of(" foreign since 20"), reports.len()), (1, 1, 2), "{reports:?}");
    // They are in nobody's way.
    let sent = place.put(1, 1_000);
    send(&place, to, &[]);
    assert!(place.wait_for(1) == sent);
}

#[test]
fn repeated_and_reordered_frames_do_no_harm() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let line = Line::new(to, |at, _| match at % 7 {
        0 => Fate::Twice,
        3 => Fate::Late,
        _ => Fate::Pass,
    });
    let sent = [place.put(1, 2_000_000), place.put(2, 3_000)];
    send(&place, line.from, &["--rate", "20"]);
    for (number, content) in (1..).zip(sent) {
        assert!(place.wait_for(number) == content, "bundle {number}");
    }
    wait("the count", || place.count("replayed") > 100);
}

#[test]
fn a_recording_played_back_brings_nothing_twice() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    let (record, recorded) = std::sync::mpsc::channel::<Vec<u8>>();
    let line = Line::new(to, move |_, datagram| {
        record.send(datagram.to_vec()).unwrap();
        Fate::Pass
    });
    place.put(1, 50_000);
    send(&place, line.from, &["--rate", "5"]);
    place.wait_for(1);
    drop(line);
    std::fs::remove_file(place.path("inbox/0000000001.bundle")).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let frames: Vec<_> = recorded.iter().collect();
    for frame in &frames {
        socket.send_to(frame, to).unwrap();
    }
    wait("the count", || place.count("replayed") == frames.len() as u64);
    assert!(place.inbox().is_empty());
    assert_eq!(place.events("receive.log", "received").len(), 1);
}

#[test]
fn a_full_inbox_waits_and_loses_nothing() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--inbox-max", "1"]);
    let mut sent: Vec<_> = (1..=3).map(|number| place.put(number, 400_000 * number as usize)).collect();
    send(&place, to, &[]);
    wait("the event", || !place.events("receive.log", "inbox-full").is_empty());
    // Which of them is whole first is not said; each makes room for another.
    for _ in 0..3 {
        wait("a bundle", || !place.inbox().is_empty());
        let names = place.inbox();
        assert_eq!(names.len(), 1);
        let path = place.path("inbox").join(&names[0]);
        let content = std::fs::read(&path).unwrap();
        let at = sent.iter().position(|sent| *sent == content).unwrap();
        sent.remove(at);
        std::fs::remove_file(path).unwrap();
    }
    wait("the event", || !place.events("receive.log", "inbox-has-room").is_empty());
}

#[test]
fn what_a_full_inbox_has_no_memory_for_is_a_gap_and_stops_nothing() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--inbox-max", "1", "--memory", "4", "--patience", "1"]);
    // Of one block each, so that they wait in memory: some fit, and some do not.
    (1..=12).for_each(|number| drop(place.put(number, 600_000)));
    let keep = ["--after", "keep"];
    send(&place, to, &keep);
    wait("the count", || place.count("no-memory") > 0);
    wait("the event", || !place.events("receive.log", "inbox-full").is_empty());
    let missing = || place.gaps().parse::<fastness_diode::Numbers>().unwrap();
    wait("the gaps", || !missing().is_empty());
    // Until the last of them was given up.
    std::thread::sleep(std::time::Duration::from_secs(3));
    // Whoever takes bundles makes room, and what was missing is sent again.
    let mut taken = std::collections::BTreeMap::new();
    let mut take = || {
        for name in place.inbox() {
            let number = fastness_diode::number_of_file(&name).unwrap().get();
            let path = place.path("inbox").join(name);
            assert!(taken.insert(number, std::fs::read(&path).unwrap()).is_none(), "bundle {number} came twice");
            std::fs::remove_file(path).unwrap();
        }
        taken.len()
    };
    let lost = usize::try_from(missing().count()).unwrap();
    assert!((1..12).contains(&lost), "{lost} are missing");
    wait("those that waited", || take() == 12 - lost);
    while !missing().is_empty() {
        send(&place, to, &[&keep[..], &["--resend", &place.gaps(), "--rate", "5"]].concat());
        wait("an inbox with room", || take() == 12 || !missing().is_empty());
    }
    wait("the rest", || take() == 12);
    assert!(taken.iter().all(|(number, bytes)| *bytes == content(*number, 600_000)));
}

#[test]
fn what_the_disk_is_not_given_for_is_a_gap_and_stops_nothing() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--work-max", "2", "--inbox-max-mb", "1"]);
    place.put(1, 3_000_000);
    let fits = [place.put(2, 1_900_000), place.put(3, 100_000)];
    send(&place, to, &["--after", "keep"]);
    wait("the count", || place.count("no-room") > 0);
    wait("the gap", || place.gaps() == "1");
    // The second is longer than the inbox, and comes into an empty one; so either waits for the other.
    for _ in 0..2 {
        wait("a bundle", || !place.inbox().is_empty());
        let names = place.inbox();
        assert_eq!(names.len(), 1, "{names:?}");
        let path = place.path("inbox").join(&names[0]);
        assert!(fits.contains(&std::fs::read(&path).unwrap()));
        std::fs::remove_file(path).unwrap();
    }
    wait("the journal", || place.events("receive.log", "received").len() == 2);
    assert_eq!(place.gaps(), "1");
}

#[test]
fn a_full_disk_is_a_gap_and_stops_nothing() {
    let place = Place::new();
    let process = common::receiver_on_a_small_disk(&place, &["--patience", "1"]);
    let started = place.events("receive.log", "started").pop().unwrap();
    let to = started["listen"].as_str().unwrap().parse().unwrap();
    place.put(1, 6_000_000);
    send(&place, to, &[]);
    wait("the event", || !place.events("receive.log", "unwritable").is_empty());
    let sent = place.put(2, 100_000);
    send(&place, to, &[]);
    // Nobody else sees that disk.
    let seen = |name: &str| {
        let path = place.path(name);
        std::path::PathBuf::from(format!("/proc/{}/root", process.0.id())).join(path.strip_prefix("/").unwrap())
    };
    wait("bundle 2", || std::fs::read(seen("disk/inbox/0000000002.bundle")).is_ok_and(|content| content == sent));
    wait("the gap", || {
        let journal = std::fs::read_to_string(seen("disk/work/journal.json")).unwrap_or_default();
        let journal: serde_json::Value = serde_json::from_str(&journal).unwrap_or_default();
        journal["received"] == "2" && journal["highest"] == 2 && journal["under_way"] == ""
    });
}

#[test]
fn both_ends_go_on_after_they_were_killed() {
    let place = Place::new();
    let (first, to) = receiver(&place, &[]);
    place.put(1, 10_000);
    send(&place, to, &[]);
    place.wait_for(1);
    let journal = || std::fs::read_to_string(place.path("work/journal.json")).unwrap_or_default();
    wait("the journal", || journal().contains(r#""received":"1""#));
    // A sender that is killed in the middle: at this rate the bundle takes longer than anybody waits for it.
    let content = place.put(2, 1_000_000);
    let sender = common::Process(sender_command(&place, to, &["--rate", "0.2"]).spawn().unwrap());
    wait("the beginning of a bundle", || {
        let names = std::fs::read_dir(place.path("work")).unwrap();
        names.into_iter().any(|entry| entry.unwrap().file_name().to_str().unwrap().ends_with(".part"))
    });
    drop(sender);
    drop(first);
    std::fs::remove_file(place.path("inbox/0000000001.bundle")).unwrap();
    let (_second, to) = receiver(&place, &[]);
    send(&place, to, &[]);
    assert!(place.wait_for(2) == content);
    wait("the journal", || place.gaps().is_empty());
    assert_eq!(place.inbox(), ["0000000002.bundle"]);
}

#[test]
fn a_bundle_that_stops_in_the_middle_is_given_up_and_missing() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--patience", "1"]);
    place.put(1, 1_000_000);
    let line = Line::new(to, |at, datagram| if at < 50 || datagram.len() < 100 { Fate::Pass } else { Fate::Lose });
    send(&place, line.from, &["--rate", "5"]);
    wait("the event", || !place.events("receive.log", "incomplete").is_empty());
    wait("the gap", || place.gaps() == "1");
}

#[test]
fn short_memory_costs_bundles_and_not_the_receiver() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--memory", "4", "--patience", "2"]);
    place.put(1, 20_000_000);
    // Every block stays open: a quarter of its symbols is lost, and there is too little repair.
    let line = Line::new(to, |at, _| if at % 4 == 0 { Fate::Lose } else { Fate::Pass });
    send(&place, line.from, &["--rate", "20", "--repair", "2"]);
    wait("the count", || place.count("no-memory") > 0);
    wait("the gap", || place.gaps() == "1");
    let sent = place.put(2, 100_000);
    send(&place, to, &[]);
    assert!(place.wait_for(2) == sent);
}

#[test]
fn many_small_bundles_come_over_together() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &["--no-sync"]);
    let sent: Vec<_> = (1..=1_500).map(|number| place.put(number, 200 + number as usize % 4_000)).collect();
    let mut lost = chance(3);
    let line = Line::new(to, move |_, _| if lost(0.02) { Fate::Lose } else { Fate::Pass });
    send(&place, line.from, &["--rate", "10"]);
    for (number, content) in (1..).zip(sent) {
        assert!(place.wait_for(number) == content, "bundle {number}");
    }
}

#[test]
fn what_cannot_be_sent_is_told_and_stops_nothing() {
    let place = Place::new();
    let (_receiver, to) = receiver(&place, &[]);
    std::fs::write(place.path("outbox/0000000001.bundle"), b"").unwrap();
    std::fs::create_dir(place.path("outbox/0000000002.bundle")).unwrap();
    std::os::unix::fs::symlink(place.path("link.key"), place.path("outbox/0000000003.bundle")).unwrap();
    std::fs::write(place.path("outbox/readme.txt"), b"not a bundle").unwrap();
    let sent = place.put(4, 1_000);
    send(&place, to, &[]);
    assert!(place.wait_for(4) == sent);
    let told: Vec<_> = place.events("send.log", "unreadable").iter().map(|e| e["bundle"].as_u64().unwrap()).collect();
    assert_eq!(told, [1, 2, 3]);
    wait("the gaps", || place.gaps() == "1-3");
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let place = Place::new();
    let key = place.path("link.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let output = common::receiver_command(&place, &["--listen", "127.0.0.1:0"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("may be read by others"));
}

#[test]
fn two_receivers_do_not_share_a_folder() {
    let place = Place::new();
    let (_receiver, _to) = receiver(&place, &[]);
    let output = common::receiver_command(&place, &["--listen", "127.0.0.1:0"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("another receiver works in"));
}
