//! Records of reads that the disk does not take.

use super::*;
use crate::partition::NOTES_LEN_MAX;

fn noted(number: u64) -> Vec<u8> {
    [commitment(number).as_slice(), &content(number)].concat()
}

#[tokio::test]
async fn a_record_that_could_not_be_committed_is_kept_and_beyond_so_many_none_is_taken() {
    let disk = MemoryDisk::with_faults();
    let store = made(&disk).await;
    let count = NOTES_LEN_MAX as u64;
    disk.fail_next(FaultKind::Change, 0, u64::MAX);
    for number in 0..count {
        store.note(label(), noted(number)).await.unwrap();
        if number == count / 2 {
            assert!(store.flush().await.is_err(), "the disk takes none of them");
        }
    }
    // What is in a commit that fails comes back, and had its room meanwhile.
    let one_more = tokio::time::timeout(Duration::from_millis(300), store.note(label(), noted(count))).await;
    assert!(one_more.is_err(), "there is no room for it");
    disk.heal();
    store.flush().await.unwrap();
    assert_whole(&store, 0, count);
    assert_eq!(store.ledger(label()).unwrap().length, count);
    store.note(label(), noted(count)).await.unwrap();
    store.flush().await.unwrap();
    assert_whole(&store, 0, count + 1);
}
