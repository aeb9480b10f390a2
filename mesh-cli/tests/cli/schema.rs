//! `mesh schema`: as text, as JSON, and as diagrams.

use mesh_runtime::schema::SchemaDescription;

use crate::support::{Desk, Mesh, v1, v2, within};

/// The node types, as text.
const NODES: &str = "
/// The public edge.
node Gateway {
    allow: [];
    connect: [Billing];
}

/// Charges customers.
node Billing {
    allow: [Gateway];
    connect: [Audit];

    /// Charges one order.
    balanced fn charge(order: Order) -> Result<Receipt, Declined>;

    /// What has been charged, in cents.
    #[idempotent]
    balanced fn total() -> u64;

    /// Clears the caches of each instance.
    broadcast fn flush() -> u32;

    /// Tells something to each instance.
    broadcast fn note(text: String);
}

/// Keeps the books.
node Audit {
    allow: [Billing];
    connect: [];

    /// Writes an entry.
    queued balanced fn record(entry: Entry);

    /// Builds the index of each instance anew.
    queued broadcast fn reindex();
}
";

/// Some of the types, as text.
const ORDER: &str = "
struct Order {
    id: u64,
    customer: Customer,
    lines: [Line],
    payment: Payment,
    note: text?,
}
";
const PAYMENT: &str = "
enum Payment {
    Cash,
    Card(text),
    Invoice { days: u16 },
}
";

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_as_the_schema_is_declared() {
    within(async {
        let mesh = Mesh::start().await;
        let text = mesh.cli(&["schema"]).run().await.ok();
        let fingerprint = v1::Shop::SCHEMA.fingerprint();
        let begins = "/// An online shop.\nmesh Shop;    // fingerprint ";
        text.says(&format!("{begins}{fingerprint:#018x}\n{NODES}"))
            .says(ORDER)
            .says(PAYMENT);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_diagrams_are_those_of_the_program() {
    within(async {
        let mesh = Mesh::start().await;
        let json = mesh.cli(&["schema", "--json"]).run().await.ok();
        let described = SchemaDescription::from_json(&json.stdout).expect("a schema");
        assert_eq!(described, v1::Shop::SCHEMA.describe());
        let mermaid = mesh.cli(&["schema", "--mermaid"]).run().await.ok();
        assert_eq!(mermaid.stdout, v1::Shop::SCHEMA.to_mermaid());
        let dot = mesh.cli(&["schema", "--dot"]).run().await.ok();
        assert_eq!(dot.stdout, v1::Shop::SCHEMA.to_dot());
        let both = ["schema", "--dot", "--mermaid"];
        mesh.cli(&both).run().await.ends_with(2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_version_describes_its_own_schema() {
    within(async {
        let mesh = Mesh::start().await;
        let (desk, _) = Desk::new();
        let _later = mesh.node(v2::Billing::node(desk), "b2").await;
        let json = ["schema", "--of", "Billing/b2", "--json"];
        let json = mesh.cli(&json).run().await.ok();
        let described = SchemaDescription::from_json(&json.stdout).expect("a schema");
        assert_eq!(described, v2::Shop::SCHEMA.describe());
    })
    .await;
}
