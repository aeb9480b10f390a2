//! The processes that serve calls: the master, Stock, Billing and Audit.

use std::{env, future::Future, sync::Arc};

use clap::Args;
use mesh_runtime::{NodeBuilder, NodeType, StartError, queue::MemoryQueue};
use mesh_shop::{
    Audit, Billing, Shop, Stock,
    audit::Books,
    billing::{self, Ledger},
    orders::MAX_ORDERS,
    stock::{self, Shelves},
};

use crate::{
    error::ShopError,
    output::{complain, say},
    settings::{GRACE, KeyArgs, NodeArgs},
    stop::Stop,
};

/// What the master writes before its address, on a line of its own.
pub(crate) const MASTER_LINE: &str = "MASTER ";

#[derive(Debug, Args)]
pub(crate) struct MasterArgs {
    #[command(flatten)]
    keys: KeyArgs,

    /// Where to listen; port 0 is any free port
    #[arg(
        long,
        env = "MESH_BIND",
        default_value = "127.0.0.1:7000",
        value_name = "HOST:PORT"
    )]
    bind: String,
}

#[derive(Debug, Args)]
pub(crate) struct StockArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// How many pieces of each item there are at the start
    #[arg(long, default_value_t = stock::DEFAULT_PIECES, value_name = "N")]
    pieces: u32,
}

#[derive(Debug, Args)]
pub(crate) struct BillingArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Decline orders that cost more than this
    #[arg(long, default_value_t = billing::DEFAULT_LIMIT_CENTS, value_name = "N")]
    limit_cents: u64,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    node: NodeArgs,
}

pub(crate) async fn master(args: MasterArgs, mut stop: Stop) -> Result<(), ShopError> {
    let starting = Shop::master()
        .keys(&args.keys.keys())
        .bind(args.bind)
        .without_discovery()
        .start();
    let Some(master) = started("the master", starting, &mut stop).await? else {
        return Ok(());
    };
    // The first line of its output: `shop run` reads it, because the port may be any.
    say(&format!("{MASTER_LINE}{}", master.addr()));
    stop.asked().await;
    master.shutdown().await;
    Ok(())
}

pub(crate) async fn stock(args: StockArgs, stop: Stop) -> Result<(), ShopError> {
    serve(
        Stock::node(Shelves::with_pieces(args.pieces)),
        args.node,
        stop,
    )
    .await
}

pub(crate) async fn billing(args: BillingArgs, stop: Stop) -> Result<(), ShopError> {
    serve(
        Billing::node(Ledger::with_limit(args.limit_cents)),
        args.node,
        stop,
    )
    .await
}

pub(crate) async fn audit(args: AuditArgs, stop: Stop) -> Result<(), ShopError> {
    let audit = Audit::node(Books::default());
    let audit = if env::var_os("MESH_REDIS_URL").is_some_and(|url| !url.is_empty()) {
        audit
    } else {
        // Room for as many jobs as a file can have orders: the gateway may be much faster than Audit.
        audit.queue(Arc::new(MemoryQueue::new().max_jobs(MAX_ORDERS)))
    };
    serve(audit, args.node, stop).await
}

async fn serve<N: NodeType>(
    builder: NodeBuilder<N>,
    args: NodeArgs,
    mut stop: Stop,
) -> Result<(), ShopError> {
    let starting = with(builder, &args).start();
    let Some(node) = started(N::NAME, starting, &mut stop).await? else {
        return Ok(());
    };
    say(&format!(
        "{} is up at {}; Ctrl-C ends it",
        node.id(),
        node.addr()
    ));
    tokio::select! {
        _ = stop.asked() => {}
        // An operator has drained it, or it can no longer do its work.
        ended = node.shutting_down() => {
            if let Err(error) = ended {
                complain(&format!("shop: {error}"));
            }
        }
    }
    node.shutdown().await;
    Ok(())
}

/// The settings common to all nodes.
pub(crate) fn with<N: NodeType>(builder: NodeBuilder<N>, args: &NodeArgs) -> NodeBuilder<N> {
    let builder = builder
        .keys(&args.keys.keys())
        .master(args.master.as_str())
        .bind(args.bind.as_str())
        .grace(GRACE);
    match &args.instance {
        Some(instance) => builder.instance(instance.as_str()),
        None => builder,
    }
}

/// Waits for a node to start, or abandons it when the process is asked to end.
pub(crate) async fn started<T>(
    who: &str,
    starting: impl Future<Output = Result<T, StartError>>,
    stop: &mut Stop,
) -> Result<Option<T>, ShopError> {
    tokio::select! {
        started = starting => started.map(Some).map_err(|source| ShopError::Start { who: who.to_owned(), source }),
        _ = stop.asked() => Ok(None),
    }
}
