//! A permit comes from `fastness_decide::decide` alone.

use fastness_decide::{Permit, View};
use fastness_operation::Operation;

fn permit(view: View) -> Permit {
    Permit { view, operation: Operation::ListBuckets, buckets: Vec::new() }
}

fn main() {}
