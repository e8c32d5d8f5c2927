//! A session comes from `Gate::authenticate` alone.

use fastness_gate::{Context, Session};
use fastness_identity::Subject;
use std::sync::Arc;

fn session(subject: Arc<Subject>, context: Context) -> Session {
    Session::new(subject, context)
}

fn main() {}
