//! Checks the code against the protocol's test vectors in `docs/vectors.txt`: lines of `name = hex`.

use crate::{discovery, keys, metadata, rendezvous, wire};

const FILE: &str = include_str!("../../../docs/vectors.txt");

fn computed() -> Vec<String> {
    let all = [
        keys::tests::vectors(),
        wire::codec::tests::vectors(),
        wire::frame::tests::vectors(),
        wire::job_options::tests::vectors(),
        wire::extensions::tests::vectors(),
        metadata::tests::vectors(),
        crate::carried::tests::vectors(),
        wire::handshake::tests::vectors(),
        discovery::tests::vectors(),
        rendezvous::tests::vectors(),
    ];
    let lines = all.iter().flatten().map(|(name, bytes)| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} = {hex}")
    });
    lines.map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn the_published_vectors_are_what_this_code_computes() {
    let published: Vec<&str> = FILE
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let computed = computed();
    let missing: Vec<_> = computed
        .iter()
        .filter(|line| !published.contains(&line.as_str()))
        .collect();
    let stale: Vec<_> = published
        .iter()
        .filter(|line| !computed.iter().any(|c| c == *line))
        .collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/vectors.txt lacks these lines:\n{missing:#?}\nand these are not computed:\n{stale:#?}"
    );
}
