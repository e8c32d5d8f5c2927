use super::*;
use crate::catalog::VERSIONS;
use crate::disk::FaultKind;
use crate::partition::Partition;
use crate::testing::Bench;
use std::sync::Arc;

impl Bench {
    /// With a partition that holds the rows below `count`.
    async fn holding(count: usize) -> (Self, Arc<Partition>) {
        let bench = Self::new();
        let partition = bench.open();
        for number in 0..count {
            write(&partition, number).await.unwrap();
        }
        (bench, partition)
    }

    /// Leaves as much room as this.
    fn fill(&self, room: u64) {
        const LARGE: u64 = 1 << 40;
        self.disk.set_full(LARGE);
        self.disk.set_full(LARGE - self.disk.free_bytes().unwrap() + room);
    }

    /// Power is lost; what is there afterwards holds the rows below `count`.
    fn holds_after_a_crash(&self, count: usize) {
        for seed in 0..4 {
            let partition = self.open_at(&self.disk.crash(seed), Stage::Made);
            assert_eq!(held(&partition).unwrap(), count);
            partition.close();
        }
    }
}

fn row(number: usize) -> (Vec<u8>, Vec<u8>) {
    let value: Vec<u8> = (0..12_000).map(|at| (at * number) as u8).collect();
    (format!("{number:05}").into_bytes(), value)
}

async fn write(partition: &Partition, number: usize) -> Result<(), Fault> {
    let work = move |turn: &mut catalog::Turn<'_>| {
        let (key, value) = row(number);
        Ok(turn.versions.insert(&key, &value)?)
    };
    partition.turn(work, |_| vec![7; 40]).await
}

/// How many rows there are; they are 0, 1 and so on.
fn held(partition: &Partition) -> Result<usize, Fault> {
    use redb::{ReadableTable, ReadableTableMetadata};
    let reading = partition.read()?;
    let rows = reading.rows(VERSIONS)?;
    for (number, found) in rows.iter()?.enumerate() {
        let (key, value) = found?;
        assert_eq!((key.value().to_vec(), value.value().to_vec()), row(number));
    }
    Ok(rows.len()?.try_into().unwrap())
}

#[tokio::test]
async fn a_checkpoint_on_a_full_disk_keeps_nobody_from_reading() {
    // Few enough for `redb` to keep in its memory, and too many for that.
    for (count, room) in [(4, 0), (4, 16 << 10), (4, 64 << 10), (150, 0)] {
        let (bench, partition) = Bench::holding(count).await;
        bench.fill(room);
        partition.checkpoint();
        assert!(partition.is_ahead() || room > 0, "no room was enough");
        if count < 100 {
            assert_eq!(held(&partition).unwrap(), count, "with {room} bytes left");
        }
        bench.disk.set_full(1 << 40);
        assert_eq!(held(&partition).unwrap(), count);
        write(&partition, count).await.unwrap();
        bench.holds_after_a_crash(count + 1);
        partition.checkpoint();
        assert!(!partition.is_ahead());
        bench.holds_after_a_crash(count + 1);
        partition.close();
        bench.holds_after_a_crash(count + 1);
    }
}

#[tokio::test]
async fn the_first_request_finds_the_catalog_well_again() {
    for kind in [FaultKind::Write, FaultKind::Sync, FaultKind::Change, FaultKind::Any] {
        for reads in [true, false] {
            let (bench, partition) = Bench::holding(150).await;
            assert_eq!(held(&partition).unwrap(), 150);
            bench.disk.fail_next(kind, 0, u64::MAX);
            // The catalog becomes unusable, and cannot be opened anew either.
            partition.checkpoint();
            assert!(!partition.opened().is_sound());
            assert!(write(&partition, 150).await.is_err());
            bench.disk.heal();
            if reads {
                assert_eq!(held(&partition).unwrap(), 150, "after {kind:?}");
            }
            write(&partition, 150).await.unwrap();
            assert_eq!(held(&partition).unwrap(), 151, "after {kind:?}");
            bench.holds_after_a_crash(151);
            partition.close();
        }
    }
}

#[tokio::test]
async fn a_read_that_failed_harms_no_other() {
    let (bench, partition) = Bench::holding(150).await;
    partition.close();
    // Nothing of the catalog is remembered after this.
    drop(partition);
    for reads in [true, false] {
        let partition = bench.open();
        bench.disk.fail_next(FaultKind::Read, 0, 1);
        assert!(held(&partition).is_err());
        if reads {
            assert_eq!(held(&partition).unwrap(), 150);
        }
        partition.turn(|_| Ok(()), |_| vec![7; 40]).await.unwrap();
        assert_eq!(held(&partition).unwrap(), 150);
        partition.close();
    }
}
