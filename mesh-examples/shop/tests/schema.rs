//! The shop's schema, and the diagram of it in the README.

use mesh_shop::Shop;

#[test]
fn everything_in_the_schema_is_of_use() {
    assert_eq!(Shop::SCHEMA.lint(), []);
}

#[test]
fn the_picture_in_the_readme_is_that_of_the_schema() {
    let readme = include_str!("../README.md");
    let (_, block) = readme
        .split_once("```mermaid\n")
        .expect("the README has a Mermaid block");
    let (picture, _) = block.split_once("```").expect("the block ends");
    assert_eq!(
        picture,
        Shop::SCHEMA.to_mermaid(),
        "put the output of `cargo run -p mesh-shop --example schema` into the README"
    );
}

#[test]
fn the_grants_are_in_the_schema_as_written() {
    let allow = |name| Shop::SCHEMA.node(name).and_then(|node| node.allow);
    assert_eq!(allow("Gateway"), Some(&[][..]));
    assert_eq!(allow("Audit"), Some(&["Gateway"][..]));
}
