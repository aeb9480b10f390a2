//! Snapshots of the expansion, item by item. After a change: `cargo insta review`, or `INSTA_UPDATE=always`.

use syn::{Expr, File, Item, Stmt};

use super::{SHOP, file, tokens};

/// The formatted items of a schema's expansion that contain `marker`, without the hidden ones.
fn items(schema: &str, marker: &str) -> String {
    let mut items = file(schema).items;
    items.retain(|item| !is_block(item));
    formatted(items, marker)
}

/// The formatted `const _` blocks, which contain the hidden items.
fn blocks(schema: &str) -> String {
    formatted(file(schema).items, "const _: ()")
}

/// The formatted items in the `const _` blocks of the expansion that contain `marker`.
fn hidden(schema: &str, marker: &str) -> String {
    formatted(unhidden(file(schema).items), marker)
}

/// The items in all `const _` blocks, however deep.
fn unhidden(items: Vec<Item>) -> Vec<Item> {
    let blocks = items.into_iter().filter_map(|item| match item {
        Item::Const(item) => match *item.expr {
            Expr::Block(block) => Some(block.block.stmts),
            _ => None,
        },
        _ => None,
    });
    let mut found = Vec::new();
    for statements in blocks {
        let items = statements
            .into_iter()
            .filter_map(|statement| match statement {
                Stmt::Item(item) => Some(item),
                _ => None,
            });
        let (blocks, items): (Vec<Item>, _) = items.partition(is_block);
        found.extend(items);
        found.extend(unhidden(blocks));
    }
    found
}

fn is_block(item: &Item) -> bool {
    matches!(item, Item::Const(item) if item.ident == "_")
}

fn formatted(items: Vec<Item>, marker: &str) -> String {
    let items = items.into_iter().map(|item| {
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
    insta::assert_snapshot!(items(SHOP, "pub struct Shop"));
}

#[test]
fn mesh_implementations() {
    insta::assert_snapshot!(items(SHOP, " Shop {"));
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
    insta::assert_snapshot!(blocks(schema));
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
    insta::assert_snapshot!(blocks(schema));
}

#[test]
fn marker_of_a_node_type_without_commands() {
    insta::assert_snapshot!(items(SHOP, "pub struct Gateway;"));
}

#[test]
fn builder_with_a_handler() {
    insta::assert_snapshot!(hidden(SHOP, "NodeBuilder<Billing>"));
}

#[test]
fn builder_without_a_handler() {
    insta::assert_snapshot!(hidden(SHOP, "without_handler"));
}

#[test]
fn node_declarations() {
    insta::assert_snapshot!(hidden(SHOP, "NodeDeclaration for"));
}

#[test]
fn node_types() {
    insta::assert_snapshot!(items(SHOP, "::NodeType for"));
}

/// Three nodes, of which two are declared beside their types.
const SPLIT: &str = "
    /// An online shop.
    pub mesh Shop;
    node billing::Billing;
    node Gateway { allow: any; connect: [Billing]; #[allow(Audit)] balanced fn ping(); }
    node crate::audit::Audit;
";

/// The two that are declared elsewhere, in a file of their own.
const NODES: &str = "
    /// Charges customers.
    pub node Billing {
        allow: [Gateway];
        #[timeout = \"1s\"]
        balanced fn charge(order: Order) -> Receipt;
    }
    pub(super) node Audit {
        allow: [Billing];
        connect: any;
        #[cfg(feature = \"books\")]
        #[allow(Gateway)]
        queued balanced fn record(event: Event);
    }
";

#[test]
fn carriers_of_nodes_beside_their_types() {
    let (output, errors) = crate::node_steps(tokens(NODES));
    assert_eq!(errors.messages(), [""; 0]);
    let file: File = syn::parse2(output).expect("the expansion is a file of items");
    let mut items = file.items;
    items.retain(|item| !is_block(item));
    insta::assert_snapshot!(formatted(items, "__mesh_node_"));
}

#[test]
fn a_narrowed_command_of_a_node_beside_its_types() {
    let (output, _) = crate::node_steps(tokens(NODES));
    let file: File = syn::parse2(output).expect("the expansion is a file of items");
    insta::assert_snapshot!(formatted(unhidden(file.items), "__command_"));
}

#[test]
fn a_schema_that_collects_its_nodes() {
    insta::assert_snapshot!(items(SPLIT, "billing::Billing!"));
}

/// The summaries that the carriers would hand over.
#[test]
fn composition_of_collected_nodes() {
    let nodes: String = NODES.replace("pub(super) ", "").replace("pub ", "");
    let (output, errors) = crate::compose_steps(tokens(&format!("{{ {SPLIT} }} {nodes}")));
    assert_eq!(errors.messages(), [""; 0]);
    let file: File = syn::parse2(output).expect("the expansion is a file of items");
    insta::assert_snapshot!(prettyplease::unparse(&file));
}

#[test]
fn specs_with_every_option() {
    insta::assert_snapshot!(hidden(SHOP, "const __spec_"));
}

#[test]
fn client_methods_of_every_delivery() {
    insta::assert_snapshot!(hidden(SHOP, "BillingClient<Caller> {\n    ///"));
}

#[test]
fn a_narrowed_command() {
    insta::assert_snapshot!(hidden(SHOP, "__command_"));
}

#[test]
fn serve() {
    insta::assert_snapshot!(hidden(SHOP, "Serve<"));
}

#[test]
fn wire_types() {
    insta::assert_snapshot!(hidden(SHOP, "WireType<"));
}

#[test]
fn a_broken_command_is_expanded_as_if_fixed_and_not_served() {
    let schema = "mesh M;
        node A { connect: [B]; }
        node B { allow: [A]; balanced fn broken(&self, text: &str) -> _; balanced fn whole(); }";
    let (output, errors) = crate::schema_steps(tokens(schema));
    assert!(!errors.is_empty());
    let file: File = syn::parse2(output).expect("the expansion is a file of items");
    let mut items = file.items;
    let mut all = unhidden(items.clone());
    items.retain(|item| !is_block(item));
    items.append(&mut all);
    insta::assert_snapshot!(formatted(items, "broken"));
}

#[test]
fn another_path_of_the_runtime() {
    let schema =
        "runtime = crate::my::mesh; mesh M; node A { allow: [A]; connect: [A]; balanced fn f(); }";
    let file = file(schema);
    let text = prettyplease::unparse(&file);
    assert!(text.contains("crate::my::mesh::__private::CallError"));
    assert!(!text.contains("mesh_runtime"));
}

#[test]
fn the_default_deadline_in_the_docs_is_that_of_the_runtime() {
    let runtime = mesh_runtime::schema::DEFAULT_TIMEOUT.as_millis();
    assert_eq!(u128::from(crate::expand::DEFAULT_TIMEOUT_MS), runtime);
}
