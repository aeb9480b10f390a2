//! What a master has to show to operators.

use std::sync::{Arc, atomic::Ordering};

use futures_util::future::{BoxFuture, ready};

use super::{core::MasterCore, registry::NodeInfo};
use crate::{
    address,
    link::serving::{CallReply, ReceivedPayload, TellPermit},
    metrics::Metrics,
    operator::{
        EventLog, Health, HealthStatus, LinkState, Links, Member, Operated, Stats, Unavailable,
    },
    queue::UntypedQueue,
    schema::DescribedSchema,
    wire::status::FailureCode,
};

impl Operated for MasterCore {
    fn member(&self) -> Member {
        Member {
            node_type: String::new(),
            instance: self.instance.to_string(),
        }
    }

    fn schema(&self) -> &DescribedSchema {
        &self.described
    }

    fn stats(&self) -> BoxFuture<'static, Stats> {
        Box::pin(ready(Stats {
            links: self.registry().len(),
            operators: self.operators.len(),
            ..Stats::default()
        }))
    }

    fn links(&self) -> Links {
        let registry = self.registry();
        Links {
            links: registry.states().map(state).collect(),
        }
    }

    fn health(&self) -> Health {
        let status = if self.is_closed() {
            HealthStatus::Draining
        } else {
            HealthStatus::Ok
        };
        Health {
            status,
            registered: None,
            schema: self.schema().fingerprint(),
            ..Health::default()
        }
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    fn operators(&self) -> usize {
        self.operators.len()
    }

    fn own_check(&self) -> bool {
        true
    }

    fn events(&self) -> Arc<EventLog> {
        Arc::clone(&self.events)
    }

    fn started_ms(&self) -> u64 {
        self.epoch.started_ms
    }

    fn drain(&self) -> Result<(), Unavailable> {
        let why = "a master carries no calls that could be drained; end its process instead";
        Err(Unavailable(why.to_owned()))
    }

    fn queue(&self, _: &str) -> Result<UntypedQueue, Unavailable> {
        Err(Unavailable("a master has no queues; ask a node".to_owned()))
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn call(&self, command: u32, _: ReceivedPayload, reply: CallReply) {
        let why = format!("a master has no command {command:#010x}");
        reply.fail(FailureCode::Incompatible, &why);
    }

    fn tell(&self, command: u32, _: ReceivedPayload, permit: TellPermit) {
        tracing::warn!(from = %permit.peer().id, command, "a master has no commands of the schema");
    }
}

fn state((node, draining): (&NodeInfo, bool)) -> LinkState {
    let addr = match node.port {
        0 => String::new(),
        port => address::joined(&node.host, port),
    };
    LinkState {
        peer: Member::from(&node.id),
        addr,
        dialled: None,
        started_ms: node.epoch.started_ms,
        draining,
        in_flight: 0,
        rests_ms: None,
        silent: false,
    }
}

#[cfg(all(test, feature = "operator"))]
mod tests {
    use std::{sync::Weak, time::Duration};

    use super::*;
    use crate::{
        access::Mesh,
        id::{BootEpoch, InstanceId, NodeId},
        keys::Keys,
        link::channel::Channel,
        master::{
            Master, MasterBuilder,
            session::{NodeSession, NodeSessionRef},
        },
        operator::{Operator, OperatorBuilder},
        schema::{CommandSpec, Delivery, NodeSpec, Schema},
        shape::Shape,
    };

    /// Longer than any command of a schema that people write.
    const COMMAND: CommandSpec = CommandSpec::new(
        "charge_the_card_of_a_customer_and_send_a_receipt",
        4711,
        1,
        Delivery::Balanced,
        &[("order", "Order"), ("attempts", "Vec<Attempt>")],
        "Result<Receipt, Declined>",
    )
    .doc("Charges the card of a customer for one order, and sends a receipt to the address that the order names.")
    .shapes(&[Shape::of::<(u64, Option<String>)>, Shape::of::<Vec<u32>>, Shape::of::<String>]);

    static COMMANDS: [CommandSpec; 500] = [COMMAND; 500];
    static NODE: NodeSpec = NodeSpec::new("Billing", "Charges customers.", &[], &COMMANDS);
    /// 50 node types with 500 commands each.
    static LARGE: Schema = Schema::new("Large", "", &[&NODE; 50]);

    static SMALL: Schema = Schema::new("Small", "", &[&NODE]);

    struct Small;

    impl Mesh for Small {
        const SCHEMA: &'static Schema = &SMALL;
    }

    struct Large;

    impl Mesh for Large {
        const SCHEMA: &'static Schema = &LARGE;
    }

    async fn start<M: Mesh>() -> (Master, Operator) {
        let keys = Keys::new("large", Keys::generate());
        let master = MasterBuilder::<M>::new().keys(&keys).bind("127.0.0.1:0");
        let master = master.without_discovery().start().await.unwrap();
        let operators = OperatorBuilder::new(&keys).timeout(Duration::from_secs(60));
        let operator = operators.master(master.addr()).await.unwrap();
        (master, operator)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_schema_of_50_node_types_with_500_commands_each_is_described() {
        let (_master, operator) = start::<Large>().await;
        let described = operator.describe().await.unwrap().schema;
        assert_eq!(described.nodes.len(), 50);
        assert!(
            described
                .nodes
                .iter()
                .all(|node| node.commands.len() == 500)
        );
        // Each type is there once.
        assert_eq!(described.types.len(), 3);
        let command = described.command("Billing", COMMAND.name).unwrap();
        let args = described.args_from_json(command, r#"{"order": [1, "a"], "attempts": [7]}"#);
        assert_eq!(args.unwrap(), [1, 1, 1, b'a', 1, 7]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ten_thousand_nodes_are_listed() {
        let (master, operator) = start::<Small>().await;
        let long = "x".repeat(InstanceId::MAX_BYTES - 5);
        let from = "127.0.0.1:1".parse().unwrap();
        for number in 0..10_000_u32 {
            let id = NodeId::new("Billing", format!("{long}{number:05}"));
            let epoch = BootEpoch::now();
            let session = NodeSession::new(id.clone(), epoch, from, Channel::new(), Weak::new());
            let host = "h".repeat(253);
            let info = NodeInfo::new(id, epoch, host, 65_535);
            master
                .core
                .registry()
                .join(info, NodeSessionRef::from(session));
        }
        let links = operator.links().await.unwrap().links;
        assert_eq!(links.len(), 10_000);
        assert_eq!(links[7].peer.instance, format!("{long}00007"));
        assert_eq!(operator.stats().await.unwrap().links, 10_000);
    }
}
