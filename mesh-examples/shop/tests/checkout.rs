//! The state in which an order is left when one of its steps fails, over real links.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use mesh_runtime::{CallError, Context, Node, NodeBuilder, testing::TestMesh};
use mesh_shop::{
    Audit, Billing, Gateway, Shop, Stock,
    audit::Books,
    batch::BatchId,
    billing::{BillingTotals, Declined, Ledger, Receipt},
    checkout::{Checkout, CheckoutError, Placed, State, Step},
    orders::Order,
    schema::BillingHandler,
    stock::{Shelves, StockTotals},
};

/// A shop with one instance of each node type. Billing is given by the test, and may be missing.
struct TestShop {
    gateway: Node<Gateway>,
    checkout: Checkout,
    batch: BatchId,
    _mesh: TestMesh<Shop>,
    _stock: Node<Stock>,
    _audit: Node<Audit>,
    _billing: Option<Node<Billing>>,
}

impl TestShop {
    async fn start(billing: Option<NodeBuilder<Billing>>) -> Self {
        let mesh = TestMesh::<Shop>::start().await.expect("the master starts");
        let stock = mesh
            .start_node(Stock::node(Shelves::with_pieces(10)))
            .await
            .expect("Stock starts");
        let audit = mesh
            .start_node(Audit::node(Books::default()))
            .await
            .expect("Audit starts");
        let billing = match billing {
            Some(billing) => Some(mesh.start_node(billing).await.expect("Billing starts")),
            None => None,
        };
        let gateway = mesh
            .start_node(Gateway::node())
            .await
            .expect("the gateway starts");
        gateway.ready::<Stock>(1).await.expect("Stock is linked");
        gateway.ready::<Audit>(1).await.expect("Audit is linked");
        gateway
            .ready::<Billing>(usize::from(billing.is_some()))
            .await
            .expect("Billing is linked");
        let batch = BatchId::random();
        Self {
            checkout: Checkout::new(&gateway, batch),
            gateway,
            batch,
            _mesh: mesh,
            _stock: stock,
            _audit: audit,
            _billing: billing,
        }
    }

    async fn stock(&self) -> StockTotals {
        let gathered = self
            .gateway
            .client::<Stock>()
            .stock_totals(self.batch)
            .await;
        let totals = gathered
            .expect("the call is placed")
            .require_all()
            .expect("Stock answers");
        totals[0]
    }
}

fn order(id: u64, quantity: u32, cents: u64) -> Order {
    Order {
        id,
        customer: "Ada".into(),
        item: "tea".into(),
        quantity,
        cents,
    }
}

#[tokio::test]
async fn an_order_is_charged_and_audited() {
    let shop = TestShop::start(Some(Billing::node(Ledger::default()))).await;
    let placed = shop
        .checkout
        .place(order(1, 2, 500))
        .await
        .expect("all nodes are there");
    let Placed::Charged {
        cents: 500,
        audited_by,
    } = placed
    else {
        panic!("{placed:?}");
    };
    let recorded = shop
        .gateway
        .client::<Audit>()
        .recorded(shop.batch, 1)
        .to(audited_by)
        .await;
    assert_eq!(recorded.expect("Audit answers"), 1);
    let expected = StockTotals {
        served: 1,
        reserved: 1,
        ..StockTotals::default()
    };
    assert_eq!(shop.stock().await, expected);
}

#[tokio::test]
async fn the_goods_of_a_declined_order_are_put_back() {
    let shop = TestShop::start(Some(Billing::node(Ledger::with_limit(100)))).await;
    let placed = shop
        .checkout
        .place(order(1, 10, 500))
        .await
        .expect("all nodes are there");
    assert_eq!(placed, Placed::Declined);
    let expected = StockTotals {
        served: 1,
        reserved: 1,
        released: 1,
        ..StockTotals::default()
    };
    assert_eq!(shop.stock().await, expected);
    // All ten pieces are available again.
    let placed = shop
        .checkout
        .place(order(2, 10, 100))
        .await
        .expect("all nodes are there");
    assert!(matches!(placed, Placed::Charged { .. }), "{placed:?}");
}

#[tokio::test]
async fn what_is_out_of_stock_is_not_charged() {
    let shop = TestShop::start(Some(Billing::node(Ledger::default()))).await;
    let placed = shop
        .checkout
        .place(order(1, 11, 500))
        .await
        .expect("all nodes are there");
    assert_eq!(placed, Placed::OutOfStock);
    let billing = shop
        .gateway
        .client::<Billing>()
        .billing_totals(shop.batch)
        .await;
    let billing = billing
        .expect("the call is placed")
        .require_all()
        .expect("Billing answers");
    assert_eq!(billing, [BillingTotals::default()]);
}

#[tokio::test]
async fn a_charge_that_was_certainly_not_made_gives_the_goods_back() {
    let shop = TestShop::start(None).await;
    let error = shop
        .checkout
        .place(order(1, 2, 500))
        .await
        .expect_err("there is no Billing");
    let CheckoutError {
        order: 1,
        step: Step::Charge,
        state: State::NotCharged,
        source: CallError::NoPeer { .. },
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(shop.stock().await.released, 1);
}

/// Charges the customer and then panics.
struct Panics(Arc<AtomicU64>);

impl BillingHandler for Panics {
    async fn charge(
        &self,
        _cx: Context<Billing>,
        _batch: BatchId,
        order: Order,
    ) -> Result<Receipt, Declined> {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("order {} was too much for me", order.id);
    }

    async fn billing_totals(&self, _cx: Context<Billing>, _batch: BatchId) -> BillingTotals {
        BillingTotals::default()
    }
}

#[tokio::test]
async fn a_charge_that_may_have_been_made_is_not_repeated_and_its_goods_stay() {
    let charges = Arc::new(AtomicU64::new(0));
    let shop = TestShop::start(Some(Billing::node(Panics(Arc::clone(&charges))))).await;
    let error = shop
        .checkout
        .place(order(1, 2, 500))
        .await
        .expect_err("the handler panics");
    assert_eq!(
        (error.step, error.state),
        (Step::Charge, State::MaybeCharged),
        "{error}"
    );
    assert!(error.to_string().contains("check by hand"), "{error}");
    assert_eq!(charges.load(Ordering::Relaxed), 1);
    assert_eq!(shop.stock().await.released, 0);
}
