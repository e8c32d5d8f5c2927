//! Both ends as processes, and a line between them that loses, repeats and reorders.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests stop the test; the lints except only functions that are tests themselves"
)]

mod common;

use std::net::UdpSocket;

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
