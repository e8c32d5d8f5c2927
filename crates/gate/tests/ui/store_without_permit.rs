//! The store does nothing without a permit: an operation is not one, and neither is a view.

use fastness_decide::View;
use fastness_operation::{Attributes, Moment, Operation};
use fastness_store::{Fault, Received, Record, Store, Written};

async fn write(store: &Store, operation: &Operation, received: Received, moment: Moment, record: Record<Written>) -> Result<Written, Fault> {
    store.put_object(operation, received, (Attributes::default(), Default::default()), moment, record).await
}

fn read(store: &Store, view: &View) {
    let _ = store.list_buckets(view);
    let _ = store.list_buckets();
}

fn main() {}
