//! The shop's schema, drawn or linted:
//!
//! ```sh
//! cargo run -p mesh-shop --example schema                          # for a ```mermaid block
//! cargo run -p mesh-shop --example schema -- dot | dot -Tsvg > shop.svg
//! cargo run -p mesh-shop --example schema -- lint                  # fails if there is a finding
//! ```

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use mesh_shop::Shop;

/// Prints the schema of the shop.
#[derive(Parser)]
struct Options {
    /// What to print.
    #[arg(value_enum, default_value_t = View::Mermaid)]
    view: View,
}

#[derive(Clone, Copy, ValueEnum)]
enum View {
    /// A Mermaid flowchart, which GitHub renders.
    Mermaid,
    /// A graph for Graphviz.
    Dot,
    /// Unused parts of the schema, and how to fix them.
    Lint,
}

fn main() -> ExitCode {
    match Options::parse().view {
        View::Mermaid => print!("{}", Shop::SCHEMA.to_mermaid()),
        View::Dot => print!("{}", Shop::SCHEMA.to_dot()),
        View::Lint => return lint(),
    }
    ExitCode::SUCCESS
}

fn lint() -> ExitCode {
    let findings = Shop::SCHEMA.lint();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.is_empty() {
        true => {
            println!("Nothing to fix in the schema of the shop.");
            ExitCode::SUCCESS
        }
        false => ExitCode::FAILURE,
    }
}
