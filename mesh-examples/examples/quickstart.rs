//! The quickstart: a whole mesh in one process, over real sockets on this machine.
//!
//! Run it with `cargo run -p mesh-examples --example quickstart`. It starts a master, a gateway, two billing nodes and
//! an audit node, tries every kind of command, and prints what happens.

use std::{
    error::Error,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mesh_runtime::{Context, JobError, Keys, Refusal, StartError, mesh_schema};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::timeout};

// The whole mesh: the node types, which may connect to which, and the commands of each. What is not allowed here does
// not compile: `gateway.client::<Audit>()`, for example.
mesh_schema! {
    /// A very small shop.
    mesh Shop;

    /// The public edge: calls others, offers nothing.
    node Gateway {
        connect: [Billing];
    }

    /// Charges customers.
    node Billing {
        allow: [Gateway];
        connect: [Audit];

        /// Charges one order, on one instance.
        balanced fn charge(order: Order) -> Result<Receipt, Declined>;

        /// Asks every instance how many orders it has charged.
        broadcast fn charged() -> u64;

        /// Sent to every instance, without waiting for a reply.
        broadcast fn flush(reason: String);

        /// A job that one instance, any of them, runs later.
        queued balanced fn export(day: String);

        /// Each instance puts the job into its own queue and runs it later.
        queued broadcast fn reindex(year: u32);
    }

    /// Keeps the books.
    node Audit {
        allow: [Billing];

        /// Writes down an event. Returns how many there are now.
        balanced fn record(event: String) -> u64;
    }
}

// Arguments and return values are plain types that serde can serialize.

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u32,
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Receipt {
    charged_by: String,
    audit_entry: u64,
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("declined: {reason}")]
struct Declined {
    reason: String,
}

/// The state of a billing node. `told` is for this demonstration: through it `main` learns what happens on the node.
struct Ledger {
    charged: AtomicU64,
    told: mpsc::Sender<String>,
}

impl BillingHandler for Ledger {
    async fn charge(&self, cx: Context<Billing>, order: Order) -> Result<Receipt, Declined> {
        if order.cents > 10_000 {
            return Err(Declined {
                reason: format!("{} cents are too much", order.cents),
            });
        }
        // A handler can make calls itself. They end no later than the call that it serves.
        let event = format!("order {} charged by {}", order.id, cx.instance());
        let audit_entry = cx
            .client::<Audit>()
            .record(event)
            .await
            .map_err(|error| Declined {
                reason: format!("the books cannot be reached: {error}"),
            })?;
        self.charged.fetch_add(1, Ordering::Relaxed);
        Ok(Receipt {
            charged_by: cx.instance().to_string(),
            audit_entry,
        })
    }

    async fn charged(&self, _cx: Context<Billing>) -> u64 {
        self.charged.load(Ordering::Relaxed)
    }

    async fn flush(&self, cx: Context<Billing>, reason: String) {
        self.tell(format!("{} has flushed ({reason})", cx.instance()))
            .await;
    }

    async fn export(&self, cx: Context<Billing>, day: String) -> Result<(), JobError> {
        self.tell(format!("{} has exported {day}", cx.instance()))
            .await;
        Ok(())
    }

    async fn reindex(&self, cx: Context<Billing>, year: u32) -> Result<(), JobError> {
        self.tell(format!("{} has reindexed {year}", cx.instance()))
            .await;
        Ok(())
    }
}

impl Ledger {
    fn new(told: &mpsc::Sender<String>) -> Self {
        Self {
            charged: AtomicU64::new(0),
            told: told.clone(),
        }
    }

    async fn tell(&self, text: String) {
        // An error means that `main` has ended and nobody receives any more.
        let _ = self.told.send(text).await;
    }
}

#[derive(Default)]
struct Books(AtomicU64);

impl AuditHandler for Books {
    async fn record(&self, _cx: Context<Audit>, _event: String) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match quickstart().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The quickstart failed: {error}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) async fn quickstart() -> Result<(), Box<dyn Error>> {
    // All nodes of a mesh share two texts: its public name, and a private key that seals everything.
    let keys = Keys::new("quickstart", Keys::generate());

    // Port 0 is any free port. Without a fixed port, a discovery port would help nodes find the master. Here all of
    // them are in one process, and the address is passed on.
    let master = Shop::master()
        .keys(&keys)
        .bind("127.0.0.1:0")
        .without_discovery()
        .start()
        .await?;
    let address = master.addr().to_string();
    println!("The master listens on {address}.");

    let (told, mut news) = mpsc::channel(16);
    let audit = Audit::node(Books::default())
        .keys(&keys)
        .master(&address)
        .bind("127.0.0.1:0")
        .start()
        .await?;
    let mut billing = Vec::new();
    for instance in ["billing-1", "billing-2"] {
        let node = Billing::node(Ledger::new(&told))
            .keys(&keys)
            .master(&address)
            .bind("127.0.0.1:0")
            .instance(instance)
            .start()
            .await?;
        node.ready::<Audit>(1).await?;
        billing.push(node);
    }
    let gateway = Gateway::node()
        .keys(&keys)
        .master(&address)
        .bind("127.0.0.1:0")
        .start()
        .await?;
    gateway.ready::<Billing>(2).await?;
    println!("One gateway, two billing nodes and one audit node are linked.");

    println!("\nA balanced call goes to one instance, in turn:");
    let client = gateway.client::<Billing>();
    let mut charged_by = Vec::new();
    for id in 1..=4 {
        // The first `?` is for errors of the mesh: no instance, no reply in time. The second is for the handler's own
        // result.
        let receipt = client.charge(Order { id, cents: 995 }).await??;
        println!(
            "  order {id} was charged by {}, entry {} in the books",
            receipt.charged_by, receipt.audit_entry
        );
        charged_by.push(receipt.charged_by);
    }
    ensure(
        charged_by[0] != charged_by[1],
        "two calls in a row reach two instances",
    )?;

    println!("\nAn answer can be a refusal of your own, with its type:");
    let Err(declined) = client
        .charge(Order {
            id: 5,
            cents: 1_000_000,
        })
        .await?
    else {
        return Err("an order over the limit was charged".into());
    };
    println!("  order 5 was declined: {}", declined.reason);

    println!("\nA broadcast with answers gathers them from all instances:");
    let gathered = client.charged().await?;
    for (instance, orders) in gathered.answers() {
        println!("  {instance} has charged {orders} orders");
    }
    let total: u64 = gathered.values().sum();
    ensure(
        total == 4,
        "the instances have charged four orders together",
    )?;

    println!("\nA broadcast without answers is handed to the links, and nobody waits:");
    let sent = client.flush("end of the sale".to_owned()).await?;
    println!("  sent to {} instances", sent.to.len());
    hear(&mut news, 2).await?;

    println!("\nA queued balanced command is a job that one instance works off later:");
    let queued = client.export("2026-11-22".to_owned()).await?;
    println!("  {} has queued job {}", queued.instance, queued.job_id);
    hear(&mut news, 1).await?;

    println!("\nA queued broadcast is a job for each instance:");
    let queued = client.reindex(2026).await?;
    println!("  {} instances have queued it", queued.values().count());
    hear(&mut news, 2).await?;

    println!("\nA node with a wrong private key is refused:");
    let wrong = Keys::new("quickstart", Keys::generate());
    match Gateway::node()
        .keys(&wrong)
        .master(&address)
        .bind("127.0.0.1:0")
        .start()
        .await
    {
        Err(
            error @ StartError::Refused {
                refusal: Refusal::WrongKey,
                ..
            },
        ) => println!("  {error}"),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("a node with a wrong key was let in".into()),
    }

    // Callers shut down first, so that no call goes to a node that is gone.
    gateway.shutdown().await;
    for node in billing {
        node.shutdown().await;
    }
    audit.shutdown().await;
    master.shutdown().await;
    println!("\nAll nodes have shut down. That is all.");
    Ok(())
}

/// Waits until the billing nodes have reported this many events, and prints them.
async fn hear(news: &mut mpsc::Receiver<String>, number: usize) -> Result<(), Box<dyn Error>> {
    for _ in 0..number {
        let Ok(Some(text)) = timeout(Duration::from_secs(5), news.recv()).await else {
            return Err("a billing node has not done what it was told within 5 s".into());
        };
        println!("  {text}");
    }
    Ok(())
}

fn ensure(holds: bool, claim: &str) -> Result<(), Box<dyn Error>> {
    match holds {
        true => Ok(()),
        false => Err(format!("this should be so, and is not: {claim}").into()),
    }
}
