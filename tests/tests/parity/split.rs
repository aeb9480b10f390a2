//! A mesh whose nodes are declared next to their types, each in a module of its own.

use mesh_runtime::{CallError, testing::TestMesh};
use mesh_tests::within;

mod billing {
    use mesh_runtime::{Context, mesh_node};
    use serde::{Deserialize, Serialize};

    /// An order to pay for.
    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct Order {
        /// Its number.
        pub(crate) id: u64,
        /// Its price.
        pub(crate) cents: u64,
    }

    mesh_node! {
        /// Charges customers.
        pub(crate) node Billing {
            allow: [Gateway];
            connect: [Audit];
            reverse: none;

            /// Charges one order, and has it recorded.
            balanced fn charge(order: Order) -> u64;
        }
    }

    /// The handler of `Billing`.
    pub(crate) struct Ledger;

    impl BillingHandler for Ledger {
        async fn charge(&self, cx: Context<Billing>, order: Order) -> u64 {
            let audit = cx.client::<super::audit::Audit>();
            audit.record(order.id).await.map_or(0, |_| order.cents)
        }
    }
}

mod audit {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use mesh_runtime::{Context, mesh_node};

    mesh_node! {
        /// Keeps the books.
        pub(crate) node Audit {
            allow: [Billing, Gateway];

            /// Records an order.
            #[allow(Billing)]
            balanced fn record(order: u64) -> u64;

            /// The sum of the recorded orders.
            broadcast fn sum() -> u64;
        }
    }

    /// The handler of `Audit`.
    #[derive(Clone, Default)]
    pub(crate) struct Books(Arc<AtomicU64>);

    impl AuditHandler for Books {
        async fn record(&self, _cx: Context<Audit>, order: u64) -> u64 {
            self.0.fetch_add(order, Ordering::Relaxed)
        }

        async fn sum(&self, _cx: Context<Audit>) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }
}

mesh_runtime::mesh_schema! {
    /// A shop in several modules.
    pub(crate) mesh Shop;

    node billing::Billing;
    node audit::Audit;

    /// The public edge.
    node Gateway {
        connect: [Billing, Audit];
    }
}

#[test]
fn what_a_node_of_another_module_says_of_its_callers_is_in_the_schema() {
    assert!(Shop::SCHEMA.may_call("Gateway", "Billing"));
    assert!(!Shop::SCHEMA.may_call("Audit", "Billing"));
    let billing = Shop::SCHEMA.node("Billing").unwrap();
    assert_eq!(billing.reverse, Some(&[][..]));
    assert_eq!(Shop::SCHEMA.node("Audit").unwrap().reverse, None);
}

#[tokio::test]
async fn nodes_of_several_modules_are_one_mesh() -> Result<(), CallError> {
    within(async {
        let mesh = TestMesh::<Shop>::start().await.unwrap();
        let _audit = mesh
            .start_node(audit::Audit::node(audit::Books::default()))
            .await
            .unwrap();
        let billing = mesh
            .start_node(billing::Billing::node(billing::Ledger))
            .await
            .unwrap();
        let gateway = mesh.start_node(Gateway::node()).await.unwrap();
        billing.ready::<audit::Audit>(1).await.unwrap();
        gateway.ready::<audit::Audit>(1).await.unwrap();
        gateway.ready::<billing::Billing>(1).await.unwrap();

        let order = billing::Order { id: 17, cents: 995 };
        let charged = gateway.client::<billing::Billing>().charge(order).await?;
        assert_eq!(charged, 995);
        let sums = gateway.client::<audit::Audit>().sum().await?;
        assert_eq!(sums.values().collect::<Vec<_>>(), [&17]);
        Ok(())
    })
    .await
}
