//! Nodes beside their types, in modules of one crate: with types that the mesh's own module does not know, by
//! relative and absolute paths, of several visibilities, and with access checks across them.

#![deny(missing_docs, warnings)]

mod billing {
    use mesh_runtime::{Context, mesh_node};
    use serde::{Deserialize, Serialize};

    /// What is to be paid for.
    #[derive(Serialize, Deserialize)]
    pub struct Order {
        /// Its number.
        pub id: u64,
    }

    mesh_node! {
        /// Charges customers.
        pub node Billing {
            allow: [Gateway];
            connect: [Audit];

            /// Charges one order.
            #[timeout = "2s"]
            #[key = order.id]
            balanced fn charge(order: Order) -> u64;
        }
    }

    /// Answers for `Billing`.
    pub struct Ledger;

    impl BillingHandler for Ledger {
        async fn charge(&self, cx: Context<Billing>, order: Order) -> u64 {
            let audit = cx.client::<crate::stores::inner::Audit>();
            audit.record(order.id).await.unwrap_or(0)
        }
    }
}

mod stores {
    pub(crate) mod inner {
        mesh_runtime::mesh_node! {
            pub(crate) node Audit {
                allow: any;

                #[cfg(all())]
                #[allow(Billing, r#Type)]
                balanced fn record(event: u64) -> u64;

                #[cfg(any())]
                #[allow(Billing)]
                balanced fn absent(event: Absent);

                broadcast fn flush();
            }

            /// Has a raw name.
            pub node r#Type {
                connect: [Audit];
                queued balanced fn r#do(r#fn: u8);
            }
        }
    }
}

mod imported {
    mesh_runtime::mesh_node! {
        pub node Imported {
            connect: [Gateway];
        }
    }
}

use imported::Imported;

mesh_runtime::mesh_schema! {
    /// An online shop.
    pub mesh Shop;

    node billing::Billing;

    /// The public edge.
    node Gateway {
        allow: any;
        connect: [Billing, Audit];

        #[allow(Imported)]
        balanced fn ping();
    }

    node crate::stores::inner::Audit;
    node self::stores::inner::r#Type;
    node self::Imported;
}

/// Never run: what counts is that it compiles.
async fn calls(
    gateway: mesh_runtime::Node<Gateway>,
    imported: mesh_runtime::Node<Imported>,
) -> Result<(), mesh_runtime::CallError> {
    let _: u64 = gateway.client::<billing::Billing>().charge(billing::Order { id: 1 }).await?;
    gateway.client::<stores::inner::Audit>().flush().await?;
    imported.client::<Gateway>().ping().await?;
    Ok(())
}

fn main() {
    let _ = (calls, billing::Billing::node(billing::Ledger));
    let names: Vec<_> = Shop::SCHEMA.nodes.iter().map(|node| node.name).collect();
    assert_eq!(names, ["Billing", "Gateway", "Audit", "Type", "Imported"]);
    assert!(Shop::SCHEMA.may_call("Billing", "Audit"));
    assert!(Shop::SCHEMA.may_link("Imported", "Gateway"));
    assert!(!Shop::SCHEMA.may_call("Imported", "Billing"));
    let audit = Shop::SCHEMA.node("Audit").unwrap();
    assert_eq!(audit.commands.len(), 2);
    assert!(audit.commands[0].allows("Type") && !audit.commands[0].allows("Gateway"));
}
