//! The expansion, item by item, as it stands. After a change: `cargo insta review`, or `INSTA_UPDATE=always`.

use syn::File;

use super::{SHOP, file};

/// The formatted items of a schema's expansion in which `marker` stands.
fn items(schema: &str, marker: &str) -> String {
    let file = file(schema);
    let items = file.items.into_iter().map(|item| {
        prettyplease::unparse(&File {
            shebang: None,
            frontmatter: None,
            attrs: Vec::new(),
            items: vec![item],
        })
    });
    let found: Vec<String> = items.filter(|text| text.contains(marker)).collect();
    found.join("\n")
}

#[test]
fn mesh() {
    insta::assert_snapshot!(items(SHOP, " Shop"));
}

#[test]
fn marker() {
    insta::assert_snapshot!(items(SHOP, "pub struct Billing;"));
}

#[test]
fn handler() {
    insta::assert_snapshot!(items(SHOP, "pub trait BillingHandler"));
}

#[test]
fn client() {
    insta::assert_snapshot!(items(SHOP, "pub struct BillingClient"));
}

#[test]
fn links() {
    insta::assert_snapshot!(items(SHOP, "MayCall<"));
}

#[test]
fn hidden_items_of_a_balanced_command() {
    let schema = "mesh M;
        node A { connect: [B]; }
        node B { allow: [A]; #[key = x] #[timeout = \"1m\"] #[allow(A)] balanced fn f(x: X) -> Y; }";
    insta::assert_snapshot!(items(schema, "const _: ()"));
}

#[test]
fn hidden_items_of_the_other_deliveries() {
    let schema = "mesh M;
        node A {
            allow: any;
            connect: any;
            broadcast fn gathered(x: X) -> X;
            broadcast fn told();
            #[cfg(feature = \"jobs\")]
            queued balanced fn shared(x: X);
            #[orphans = \"adopt\"]
            queued broadcast fn each(x: X, y: Y);
        }";
    insta::assert_snapshot!(items(schema, "const _: ()"));
}
