//! The schema of the design, with handlers and callers.
#![deny(missing_docs, warnings)]

use mesh_runtime::{CallError, Context, JobError, Node, mesh_schema};
use serde::{Deserialize, Serialize};

/// An order.
#[derive(Serialize, Deserialize)]
pub struct Order {
    id: u64,
}

/// A receipt.
#[derive(Debug, Serialize, Deserialize)]
pub struct Receipt;

/// Not charged.
#[derive(Debug, Serialize, Deserialize)]
pub struct Declined;

/// Some days.
#[derive(Serialize, Deserialize)]
pub struct DateRange(u32, u32);

/// A day.
#[derive(Serialize, Deserialize)]
pub struct Date(u32);

/// What happened.
#[derive(Serialize, Deserialize)]
pub struct Event(u64);

mesh_schema! {
    /// An online shop.
    pub mesh Shop;

    /// The public edge: calls others, offers nothing.
    node Gateway {
        allow: [];
        connect: [Billing];
    }

    /// Charges customers.
    node Billing {
        allow: [Gateway];
        connect: [Audit];

        /// Charges one order, on one instance.
        #[timeout = "2s"]
        #[key = order.id]
        balanced fn charge(order: Order) -> Result<Receipt, Declined>;

        /// Asks every instance.
        broadcast fn open_orders() -> u64;

        /// Tells every instance, and does not wait.
        broadcast fn flush(reason: String);

        /// Each instance puts the job in its own queue and works it off later.
        #[orphans = "adopt"]
        queued broadcast fn reindex(range: DateRange);

        /// One instance, any of them, works the job off later, at least once.
        #[attempts = 5]
        #[backoff = "250ms"]
        #[concurrency = 8]
        queued balanced fn export(day: Date);
    }

    node Audit {
        allow: any;
        connect: [];

        #[idempotent]
        #[allow(Billing)]
        #[version = 2]
        balanced fn record(event: Event);
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, cx: Context<Billing>, order: Order) -> Result<Receipt, Declined> {
        cx.client::<Audit>().record(Event(order.id)).await.ok();
        Ok(Receipt)
    }
    async fn open_orders(&self, _cx: Context<Billing>) -> u64 {
        7
    }
    async fn flush(&self, _cx: Context<Billing>, _reason: String) {}
    async fn reindex(&self, _cx: Context<Billing>, range: DateRange) -> Result<(), JobError> {
        "17".parse::<u32>()?;
        let _ = range.0 + range.1;
        Ok(())
    }
    async fn export(&self, _cx: Context<Billing>, day: Date) -> Result<(), JobError> {
        let _ = day.0;
        Ok(())
    }
}

struct Log;

impl AuditHandler for Log {
    async fn record(&self, _cx: Context<Audit>, event: Event) {
        let _ = event.0;
    }
}

async fn calls(gateway: Node<Gateway>) -> Result<(), CallError> {
    let client = gateway.client::<Billing>();
    let _: Receipt = client.charge(Order { id: 1 }).await?.unwrap();
    let _ = client.open_orders().except(["b1"]).await?;
    client.flush("sale".into()).await?;
    client.reindex(DateRange(1, 2)).await?;
    client.export(Date(1)).await?;
    let _ = format!("{:?} {:?}", client.clone(), Gateway);
    Ok(())
}

fn main() {
    let schema = Shop::SCHEMA;
    assert_eq!(schema.mesh, "Shop");
    assert_eq!(schema.doc, "An online shop.");
    assert!(schema.may_link("Gateway", "Billing"));
    assert!(!schema.may_link("Billing", "Gateway"));
    assert!(schema.may_call("Billing", "Gateway"));
    assert!(!schema.may_call("Gateway", "Audit"));
    let charge = &schema.node("Billing").unwrap().commands[0];
    assert_eq!(charge.timeout, Some(std::time::Duration::from_secs(2)));
    assert_eq!(charge.args, [("order", "Order")]);
    assert_eq!(charge.returns, "Result<Receipt, Declined>");

    let _ = Shop::master();
    let _ = Billing::node(Ledger);
    let _ = Audit::node(Log);
    let _ = Gateway::node();
    let _ = calls;
}
