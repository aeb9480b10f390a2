//! What compiles, and what does not and with which words. One case for each message, named by its situation.
//!
//! After a change to a message: `TRYBUILD=overwrite cargo test -p mesh-tests --test ui`, then read the difference.

#[test]
fn schemas_that_compile() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}

#[test]
fn schemas_that_are_refused() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
