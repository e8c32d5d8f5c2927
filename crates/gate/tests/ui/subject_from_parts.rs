//! A subject comes from a verified credential alone.

use fastness_identity::{Principal, Subject};
use fastness_label::Label;
use fastness_operation::AccessKeyId;

fn subject(session: Label, key: AccessKeyId) -> Subject {
    Subject { principal: Principal::Operator, session, duty: None, nationality: None, key }
}

fn main() {}
