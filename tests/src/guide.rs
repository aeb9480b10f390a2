//! Every Rust block of the guide, compiled and run.

macro_rules! chapters {
    ($($name:ident: $file:literal,)*) => {
        $(
            #[doc = include_str!(concat!("../../docs/guide/src/", $file))]
            mod $name {}
        )*
    };
}

chapters! {
    broadcasts: "broadcasts.md",
    calls: "calls.md",
    changing: "changing.md",
    cli: "cli.md",
    deadlines: "deadlines.md",
    faq: "faq.md",
    first_mesh: "first-mesh.md",
    from_moleculer: "from-moleculer.md",
    from_socketmesh: "from-socketmesh.md",
    from_tarpc: "from-tarpc.md",
    guarantees: "guarantees.md",
    hooks: "hooks.md",
    inside: "inside.md",
    introduction: "README.md",
    jobs: "jobs.md",
    keys: "keys.md",
    metrics: "metrics.md",
    operations: "operations.md",
    running: "running.md",
    schema: "schema.md",
    testing: "testing.md",
    tracing: "tracing.md",
}
