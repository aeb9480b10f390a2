//! What compiles, and what does not and with which message. One case per message, named after its situation.
//!
//! After a change to a message: `TRYBUILD=overwrite cargo test -p mesh-tests-ui`, then read the difference.

#[test]
fn schemas_that_compile() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}

#[test]
fn schemas_that_are_refused() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}

/// Every error is reported at its place. Only an empty schema has no place inside it. If a path leads to no node, rustc
/// first reports the path itself, and then that there is no mesh.
#[test]
fn no_error_is_about_the_whole_macro() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui/fail");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of refused schemas") {
        let path = entry.expect("an entry of the folder").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        cases += 1;
        if path.ends_with("schema_is_empty.rs") || path.ends_with("split_path_to_nothing.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a case");
        let messages = std::fs::read_to_string(path.with_extension("stderr"))
            .expect("each refused schema has its messages beside it");
        for line in primary_lines(&messages) {
            let line = source.lines().nth(line - 1).unwrap_or_default();
            let whole = line.contains("mesh_schema!") || line.contains("mesh_node!");
            assert!(
                !whole,
                "{}: an error underlines the whole macro",
                path.display()
            );
        }
    }
    assert!(cases >= 50, "only {cases} cases");
}

/// The line of each error: `error: …`, then ` --> file:line:column`.
fn primary_lines(messages: &str) -> impl Iterator<Item = usize> {
    let lines: Vec<&str> = messages.lines().collect();
    let places: Vec<usize> = lines
        .windows(2)
        .filter(|pair| pair[0].starts_with("error") && pair[1].trim_start().starts_with("-->"))
        .filter_map(|pair| pair[1].rsplit(':').nth(1)?.parse().ok())
        .collect();
    places.into_iter()
}
