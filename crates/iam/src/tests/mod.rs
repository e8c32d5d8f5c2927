//! Parsing and rendering without a gate; `tests/over_a_gate.rs` has one.

mod answers;
mod requests;
