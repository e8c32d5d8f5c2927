//! What must not compile does not: leave to do something comes from the decision alone, and the store does nothing
//! without it. `TRYBUILD=overwrite cargo test -p fastness-gate --test compile_fail` writes the expected messages anew.

#[test]
fn nobody_makes_a_permit_but_the_decision() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
