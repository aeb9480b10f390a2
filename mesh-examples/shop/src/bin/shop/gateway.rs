//! Places the orders of a file, many at once, and reports the results.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use mesh_runtime::{CallError, Gather, InstanceId, Node, NodeId, NodeType};
use mesh_shop::{
    Audit, Billing, Gateway, Stock,
    batch::BatchId,
    checkout::{Checkout, CheckoutError, Placed},
    orders::{self, Import, Order},
};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    error::ShopError,
    output::{complain, report},
    services::{started, with},
    settings::{GRACE, NodeArgs},
    stop::{Stop, Why},
    totals::Totals,
};

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// The file of orders: CSV with the columns id, customer, item, quantity and cents
    #[arg(value_name = "CSV")]
    csv: PathBuf,

    #[command(flatten)]
    node: NodeArgs,

    /// Begin once this many Stocks are linked
    #[arg(long, default_value_t = 1, value_name = "N")]
    stocks: usize,

    /// Begin once this many Billings are linked
    #[arg(long, default_value_t = 1, value_name = "N")]
    billings: usize,

    #[command(flatten)]
    pace: PaceArgs,
}

/// How many orders to place at once, and for how long at most.
#[derive(Debug, Args)]
pub(crate) struct PaceArgs {
    /// Place this many orders at once
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) at_once: u16,

    /// Give up after this many seconds
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) within: u64,
}

pub(crate) async fn gateway(args: GatewayArgs, stop: Stop) -> Result<(), ShopError> {
    let mut stop = stop.within(Duration::from_secs(args.pace.within));
    let import = orders::read_file(&args.csv)?;
    for skipped in &import.skipped {
        complain(&format!("{}: {skipped}; skipped", args.csv.display()));
    }
    let starting = with(Gateway::node(), &args.node).start();
    let Some(node) = started("the gateway", starting, &mut stop).await? else {
        return Err(ShopError::Stopped(stop.asked().await));
    };
    let totals = work(&node, &args, import, &mut stop).await;
    node.shutdown().await;
    let totals = totals?;
    // Print the report first: whoever looks into a mismatch needs the numbers.
    report(&totals.to_string())?;
    Ok(totals.check()?)
}

async fn work(
    node: &Node<Gateway>,
    args: &GatewayArgs,
    import: Import,
    stop: &mut Stop,
) -> Result<Totals, ShopError> {
    tokio::select! {
        ready = all_ready(node, args) => ready?,
        why = stop.asked() => return Err(ShopError::Stopped(why)),
    }
    let Import { orders, skipped } = import;
    let before = instances(node);
    complain(&format!(
        "places {} orders with {} Stock, {} Billing and {} Audit",
        orders.len(),
        linked::<Stock>(&before),
        linked::<Billing>(&before),
        linked::<Audit>(&before)
    ));
    let mut totals = Totals {
        orders: orders.len() as u64,
        skipped: skipped.len() as u64,
        ..Totals::default()
    };
    let batch = BatchId::random();
    let checkout = Checkout::new(node, batch);
    let audit_jobs = place_all(
        &checkout,
        orders,
        usize::from(args.pace.at_once),
        &mut totals,
        stop,
    )
    .await?;
    tokio::select! {
        done = ask_all(node, batch, &audit_jobs, &mut totals) => done?,
        why = stop.asked() => return Err(ShopError::Stopped(why)),
    }
    totals.steady = instances(node) == before;
    Ok(totals)
}

async fn all_ready(node: &Node<Gateway>, args: &GatewayArgs) -> Result<(), ShopError> {
    let patience = Duration::from_secs(30);
    node.ready::<Stock>(args.stocks).timeout(patience).await?;
    node.ready::<Billing>(args.billings)
        .timeout(patience)
        .await?;
    node.ready::<Audit>(1).timeout(patience).await?;
    Ok(())
}

/// Places all orders, `at_once` of them at a time. Returns how many entries each Audit was given.
async fn place_all(
    checkout: &Checkout,
    orders: Vec<Order>,
    at_once: usize,
    totals: &mut Totals,
    stop: &mut Stop,
) -> Result<BTreeMap<InstanceId, u64>, ShopError> {
    let bar = progress_bar(orders.len() as u64);
    let mut orders = orders.into_iter();
    let mut placing: JoinSet<Result<Placed, CheckoutError>> = JoinSet::new();
    let mut failures = Failures::default();
    let mut audit_jobs = BTreeMap::new();
    loop {
        while failures.is_empty() && placing.len() < at_once {
            let Some(order) = orders.next() else { break };
            let checkout = checkout.clone();
            placing.spawn(async move { checkout.place(order).await });
        }
        let placed = tokio::select! {
            placed = placing.join_next() => placed,
            why = stop.asked() => {
                bar.finish_and_clear();
                return Err(give_up(why, orders.len(), placing).await);
            }
        };
        match placed {
            None => break,
            Some(Ok(Ok(placed))) => {
                bar.inc(1);
                count(placed, totals, &mut audit_jobs);
            }
            Some(Ok(Err(error))) => failures.add(error),
            // Nobody cancels these tasks, so this one has panicked.
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
    bar.finish_and_clear();
    failures.into_result().map(|()| audit_jobs)
}

fn count(placed: Placed, totals: &mut Totals, audit_jobs: &mut BTreeMap<InstanceId, u64>) {
    match placed {
        Placed::Charged { cents, audited_by } => {
            totals.charged += 1;
            totals.cents = totals.cents.saturating_add(cents);
            *audit_jobs.entry(audited_by).or_default() += 1;
        }
        Placed::Declined => totals.declined += 1,
        Placed::OutOfStock => totals.out_of_stock += 1,
    }
}

/// Lets the orders that have begun finish, within the grace period, so that none is left half placed.
async fn give_up(
    why: Why,
    unplaced: usize,
    mut placing: JoinSet<Result<Placed, CheckoutError>>,
) -> ShopError {
    let _ = timeout(GRACE, async {
        while placing.join_next().await.is_some() {}
    })
    .await;
    ShopError::GaveUp(why, unplaced, placing.len())
}

/// Orders that failed. No more orders are placed after the first failure, so there are not many.
#[derive(Default)]
struct Failures {
    first: Option<Box<CheckoutError>>,
    others: usize,
}

impl Failures {
    fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    fn add(&mut self, error: CheckoutError) {
        match &self.first {
            None => self.first = Some(Box::new(error)),
            Some(_) => {
                // For each failed order, the log must say in which state it was left.
                tracing::error!("{error}");
                self.others += 1;
            }
        }
    }

    fn into_result(self) -> Result<(), ShopError> {
        match self.first {
            None => Ok(()),
            Some(first) => Err(ShopError::Failed {
                first,
                others: self.others,
            }),
        }
    }
}

/// Waits until the books are written, and asks every instance for its totals.
async fn ask_all(
    node: &Node<Gateway>,
    batch: BatchId,
    audit_jobs: &BTreeMap<InstanceId, u64>,
    totals: &mut Totals,
) -> Result<(), ShopError> {
    let audit = node.client::<Audit>();
    for (instance, jobs) in audit_jobs {
        let recorded = audit.recorded(batch, *jobs).to(instance).await;
        totals.audited += recorded.map_err(|source| ShopError::Call {
            what: "waiting for the audit entries",
            source,
        })?;
    }
    let billing = node.client::<Billing>().billing_totals(batch).await;
    totals.billing = every("asking for the totals of Billing", billing)?;
    let stock = node.client::<Stock>().stock_totals(batch).await;
    totals.stock = every("asking for the totals of Stock", stock)?;
    Ok(())
}

/// All replies with their instances: a sum with one missing is useless.
fn every<T>(
    what: &'static str,
    gathered: Result<Gather<T>, CallError>,
) -> Result<Vec<(InstanceId, T)>, ShopError> {
    let gathered = gathered.map_err(|source| ShopError::Call { what, source })?;
    let instances: Vec<_> = gathered
        .iter()
        .map(|(instance, _)| instance.clone())
        .collect();
    let answers = gathered
        .require_all()
        .map_err(|source| ShopError::Gather { what, source })?;
    Ok(instances.into_iter().zip(answers).collect())
}

/// All linked nodes.
fn instances(node: &Node<Gateway>) -> BTreeSet<NodeId> {
    node.links().into_iter().map(|link| link.id).collect()
}

fn linked<T: NodeType>(nodes: &BTreeSet<NodeId>) -> usize {
    nodes
        .iter()
        .filter(|node| *node.node_type == *T::NAME)
        .count()
}

/// Shown only on a terminal.
fn progress_bar(orders: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {per_sec}, {eta} to go");
    ProgressBar::new(orders).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
