//! A permit is for one operation: nobody changes which.

use fastness_decide::Permit;
use fastness_operation::Operation;

fn other(permit: &mut Permit) {
    permit.operation = Operation::ListBuckets;
}

fn main() {}
