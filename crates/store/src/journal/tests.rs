use super::*;
use crate::disk::{FaultKind, MemoryDisk};

const NAMES: [&str; 3] = ["aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccccccc"];

struct Keys {
    root: Arc<RootKey>,
    partitions: Vec<PartitionKey>,
}

impl Keys {
    fn new() -> Self {
        let partitions = NAMES.iter().map(|_| PartitionKey::generate().unwrap()).collect();
        Self { root: Arc::new(RootKey::generate().unwrap()), partitions }
    }

    fn open(&self, disk: &MemoryDisk) -> Result<(Arc<Journal>, Vec<Member>), Fault> {
        let journal = Journal::open(Arc::new(disk.clone()), Arc::clone(&self.root))?;
        let members = NAMES.iter().zip(&self.partitions).map(|(name, key)| journal.member(name, key).unwrap());
        let members = members.collect();
        Ok((journal, members))
    }

    fn begin(&self, disk: &MemoryDisk) -> Vec<Member> {
        let (journal, members) = self.open(disk).unwrap();
        journal.recovered().unwrap();
        members
    }

    fn found(&self, disk: &MemoryDisk) -> Vec<Vec<(u64, Vec<u8>)>> {
        self.open(disk).unwrap().1.iter().map(|member| member.after(0).unwrap()).collect()
    }
}

fn change(partition: usize, number: u64) -> Vec<u8> {
    format!("partition {partition} number {number} ").repeat(1 + number as usize % 40).into_bytes()
}

#[test]
fn what_was_appended_survives_power_loss_whoever_else_wrote() {
    let keys = Keys::new();
    for seed in 0..20 {
        let disk = MemoryDisk::with_faults();
        let members = keys.begin(&disk);
        std::thread::scope(|scope| {
            for (index, member) in members.iter().enumerate() {
                scope.spawn(move || (1..=50).for_each(|n| member.append(n, &change(index, n)).unwrap()));
            }
        });
        let crashed = disk.crash(seed);
        for (index, records) in keys.found(&crashed).into_iter().enumerate() {
            let expected: Vec<_> = (1..=50).map(|n| (n, change(index, n))).collect();
            assert_eq!(records, expected, "seed {seed}");
        }
    }
}

#[test]
fn what_the_last_process_left_is_not_written_over_before_it_is_taken() {
    let (keys, disk) = (Keys::new(), MemoryDisk::with_faults());
    keys.begin(&disk)[0].append(1, b"first").unwrap();
    let (journal, members) = keys.open(&disk).unwrap();
    assert!(members[1].append(1, b"too early").is_err());
    assert_eq!(members[0].after(0).unwrap(), [(1, b"first".to_vec())]);
    journal.recovered().unwrap();
    members[1].append(1, b"now").unwrap();
    assert_eq!(keys.found(&disk), [vec![], vec![(1, b"now".to_vec())], vec![]]);
}

#[test]
fn a_failed_record_makes_way_for_the_next_of_its_number() {
    let keys = Keys::new();
    for after in 0..4 {
        let disk = MemoryDisk::with_faults();
        let members = keys.begin(&disk);
        members[0].append(1, b"one").unwrap();
        for kind in [FaultKind::Write, FaultKind::Sync] {
            disk.fail_next(kind, after % 2, 1);
            if members[0].append(2, b"failed").is_ok() {
                break;
            }
            disk.heal();
        }
        disk.heal();
        members[1].append(1, b"another's").unwrap();
        members[0].append(2, b"two").unwrap();
        let found = keys.found(&disk.crash(after));
        assert_eq!(found[0], [(1, b"one".to_vec()), (2, b"two".to_vec())]);
        assert_eq!(found[1], [(1, b"another's".to_vec())]);
    }
}

#[test]
fn segments_take_turns_and_lose_their_keys() {
    let (keys, disk) = (Keys::new(), MemoryDisk::with_faults());
    let members = keys.begin(&disk);
    let large = vec![7; 1 << 20];
    let mut held = 0;
    for number in 1..=40 {
        members[0].append(number, &large).unwrap();
        if members[0].is_wanted() {
            members[0].checkpointed().unwrap();
            held = number;
        }
    }
    assert!(disk.exists("journal/0") && disk.exists("journal/1"));
    let length = |name| disk.open(name, OpenMode::Read).unwrap().len().unwrap();
    assert!(length("journal/0") < SEGMENT_LEN_MAX + (3 << 20) && length("journal/1") < SEGMENT_LEN_MAX + (3 << 20));
    // Records that a catalog holds are no longer told; the others are.
    let (_, again) = keys.open(&disk).unwrap();
    assert!(held > 16 && again[0].after(0).is_err());
    assert_eq!(again[0].after(held).unwrap().len() as u64, 40 - held);
    members[0].checkpointed().unwrap();
    for index in 0..SEGMENTS {
        let bytes = read_all(disk.open(&Segment::name(index), OpenMode::Read).unwrap().as_ref()).unwrap();
        assert!(bytes[..2 * BLOCK_LEN].iter().all(|byte| *byte == 0), "segment {index} keeps its key");
    }
    assert_eq!(keys.found(&disk), [vec![], vec![], vec![]]);
}

#[test]
fn a_segment_waits_for_the_partition_that_still_needs_it() {
    let (keys, disk) = (Keys::new(), MemoryDisk::with_faults());
    let members = keys.begin(&disk);
    members[1].append(1, b"slow").unwrap();
    for number in 1..=70 {
        members[0].append(number, &[1; 1 << 20]).unwrap();
        members[0].checkpointed().unwrap();
    }
    assert!(members[1].is_wanted());
    assert_eq!(keys.found(&disk)[1], [(1, b"slow".to_vec())]);
}

#[test]
fn damage_is_told_from_a_torn_end() {
    let keys = Keys::new();
    let disk = MemoryDisk::with_faults();
    let members = keys.begin(&disk);
    (1..=5).for_each(|number| members[0].append(number, &change(0, number)).unwrap());
    let numbers = |disk: &MemoryDisk| keys.found(disk)[0].iter().map(|(number, _)| *number).collect::<Vec<_>>();
    let frame = |number: u64| FRAMES_AT + (number - 1) * BLOCK_LEN as u64;

    let one_header = disk.crash(1);
    assert!(one_header.flip_bit("journal/0", 20));
    assert_eq!(numbers(&one_header), [1, 2, 3, 4, 5], "the other copy of the header is good");

    let torn = disk.crash(2);
    assert!(torn.flip_bit("journal/0", frame(5) + 60));
    assert_eq!(numbers(&torn), [1, 2, 3, 4], "the last frame may have been cut off");

    for offset in [0, 9, 17, 60] {
        let damaged = disk.crash(3);
        assert!(damaged.flip_bit("journal/0", frame(3) + offset));
        let text = keys.open(&damaged).map(|_| ()).unwrap_err().to_string();
        assert!(text.contains("whole ones follow"), "{offset}: {text}");
    }
}

#[test]
fn nothing_plain_is_in_the_file_and_lengths_are_padded() {
    let (keys, disk) = (Keys::new(), MemoryDisk::with_faults());
    let members = keys.begin(&disk);
    members[0].append(1, b"a-very-secret-name").unwrap();
    members[1].append(1, &[b'x'; 900]).unwrap();
    let bytes = read_all(disk.open("journal/0", OpenMode::Read).unwrap().as_ref()).unwrap();
    for plain in [&b"a-very-secret-name"[..], NAMES[0].as_bytes()] {
        assert!(!bytes.windows(plain.len()).any(|window| window == plain));
    }
    let lengths: Vec<&[u8]> = (0..2).map(|frame| &bytes[FRAMES_AT as usize + frame * BLOCK_LEN + 16..][..8]).collect();
    assert_eq!(lengths[0], lengths[1], "18 and 900 bytes look the same");
}
