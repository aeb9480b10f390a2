//! Operators and observers: what they see, what they may do, and what that costs the others.

use std::{future::IntoFuture, time::Duration};

use mesh_runtime::{
    Node, NodeId, Refusal,
    operator::{EventKind, HealthStatus, JobsIn, Operator, OperatorError},
    schema::{Delivery, SchemaDescription},
    testing::{
        TestMesh,
        raw::{Claim, RawPeer},
    },
};
use mesh_tests::{Back, Front, Parity, Stage, within};

use crate::by_hand::reply;

/// One `Front` and one `Back`, linked.
async fn two(mesh: &TestMesh<Parity>, stage: &Stage) -> (Node<Front>, Node<Back>) {
    let back = Back::node(stage.clone()).instance("back-1");
    let back = mesh.start_node(back).await.unwrap();
    let front = Front::node(stage.clone()).instance("front-1");
    let front = mesh.start_node(front).await.unwrap();
    front.ready::<Back>(1).await.unwrap();
    (front, back)
}

async fn schema_of(operator: &Operator) -> SchemaDescription {
    operator.describe().await.unwrap().schema
}

/// Calls a command of `Back` with arguments as JSON.
async fn call(operator: &Operator, command: &str, args: &str) -> Result<String, OperatorError> {
    let schema = schema_of(operator).await;
    let command = schema.command("Back", command).unwrap();
    operator.call(&schema, command, args).await
}

#[tokio::test]
async fn an_operator_finds_the_nodes_at_the_master_and_looks_at_each() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, back) = two(&mesh, &Stage::quiet()).await;
        let master = mesh.operator().await.unwrap();
        let described = master.describe().await.unwrap();
        assert_eq!(described.member.node_type, "");
        assert_eq!(described.schema, Parity::SCHEMA.describe());
        assert_eq!(master.stats().await.unwrap().links, 2);
        assert_eq!(master.health().await.unwrap().status, HealthStatus::Ok);
        let nodes = master.links().await.unwrap().links;
        let ids: Vec<_> = nodes
            .iter()
            .map(|node| node.peer.instance.as_str())
            .collect();
        assert_eq!(ids, ["front-1", "back-1"]);
        assert_eq!(nodes[1].addr, back.addr().to_string());

        let front_there = mesh.operators().node(&nodes[0]).await.unwrap();
        assert_eq!(front_there.peer(), front.id());
        let health = front_there.health().await.unwrap();
        assert_eq!(
            (health.status, health.registered),
            (HealthStatus::Ok, Some(true))
        );
        assert!(health.unlinked.is_empty());
        let links = front_there.links().await.unwrap().links;
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].peer.instance, "back-1");
        assert_eq!(links[0].dialled, Some(true));
        let stats = front_there.stats().await.unwrap();
        assert_eq!((stats.links, stats.operators), (1, 1));
        assert_eq!(stats.queues[0].command, "front_job");

        let back_there = mesh.operator_of(&back).await.unwrap();
        assert_eq!(
            back_there.health().await.unwrap().unlinked,
            ["Back", "Ledger"]
        );
        // Operators are no links of the mesh.
        assert_eq!(back.links().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_description_has_the_fingerprints_and_types_of_every_command() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (_front, back) = two(&mesh, &Stage::quiet()).await;
        let schema = schema_of(&mesh.operator_of(&back).await.unwrap()).await;
        assert_eq!(schema.fingerprint, Parity::SCHEMA.fingerprint());
        for node in Parity::SCHEMA.nodes {
            for command in node.commands {
                let described = schema.command(node.name, command.name).unwrap();
                assert_eq!(described.id, command.id);
                assert_eq!(described.wire_fingerprint, command.wire_fingerprint());
                assert_eq!(described.delivery, Some(command.delivery));
                assert_eq!(described.args.len(), command.args.len());
            }
        }
        let hurry = schema.command("Back", "hurry").unwrap();
        assert_eq!(hurry.options.timeout_ms, Some(200));
        let jobs = schema.command("Back", "jobs").unwrap();
        assert_eq!(jobs.delivery, Some(Delivery::QueuedBroadcast));
        assert_eq!(jobs.answer, None);
    })
    .await;
}

#[tokio::test]
async fn an_operator_calls_every_kind_of_command_with_json() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut heard) = Stage::new();
        let (_front, back) = two(&mesh, &stage).await;
        let operator = mesh.operator_of(&back).await.unwrap();
        assert_eq!(call(&operator, "name", "").await.unwrap(), "\"back-1\"");
        assert_eq!(call(&operator, "names", "{}").await.unwrap(), "\"back-1\"");
        // What is closed to some node types is open to operators.
        assert_eq!(
            call(&operator, "among_us", "{}").await.unwrap(),
            "\"back-1\""
        );
        assert_eq!(
            call(&operator, "take", r#"{"text": "a"}"#).await.unwrap(),
            "null"
        );
        let taken = heard.next().await;
        assert_eq!(taken.text, "a");
        assert_eq!(&*taken.caller.unwrap().node_type, "operator");
        assert_eq!(
            call(&operator, "hint", r#"{"text": "b"}"#).await.unwrap(),
            "null"
        );
        assert_eq!(heard.next().await.text, "b");
        let queued = call(&operator, "job", r#"{"text": "c"}"#).await.unwrap();
        assert!(queued.contains("\"instance\":\"back-1\""), "{queued}");
        assert_eq!(heard.next().await.text, "c");

        let wrong = call(&operator, "take", r#"{"text": 1}"#).await.unwrap_err();
        let OperatorError::Json { source, .. } = wrong else {
            panic!("{wrong}");
        };
        assert_eq!(source.to_string(), "text: expected a text, got 1");
        // A description of another version of the program.
        let schema = schema_of(&operator).await;
        let mut other = schema.command("Back", "take").unwrap().clone();
        other.wire_fingerprint += 1;
        let refused = operator
            .call(&schema, &other, r#"{"text": "a"}"#)
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Back/back-1 declares `take` otherwise than the description, or not at all"
        );
        let panicked = call(&operator, "fall", r#"{"text": "ouch"}"#)
            .await
            .unwrap_err();
        assert_eq!(panicked.to_string(), "`fall` failed: ouch");
    })
    .await;
}

#[tokio::test]
async fn an_observer_steers_nothing_and_sees_no_arguments_and_no_errors() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, back) = two(&mesh, &Stage::quiet()).await;
        let observers = mesh.operators().observer();
        let observer = observers
            .node_at(back.addr(), back.id().clone())
            .await
            .unwrap();
        let schema = schema_of(&observer).await;
        assert_eq!(observer.links().await.unwrap().links.len(), 1);
        assert_eq!(observer.stats().await.unwrap().queues.len(), 2);
        let denied = |result: Result<(), OperatorError>| {
            assert!(
                matches!(result, Err(OperatorError::Denied { .. })),
                "{result:?}"
            );
        };
        denied(observer.drain().await);
        let queue = observer.queue("job");
        denied(queue.list(JobsIn::Waiting, 1).await.map(drop));
        denied(queue.get("x").await.map(drop));
        denied(queue.requeue("x").await.map(drop));
        denied(queue.remove("x").await.map(drop));
        denied(queue.purge_all().await.map(drop));
        denied(queue.pause().await);
        denied(queue.resume().await);
        for node in [Parity::SCHEMA.node("Back").unwrap()] {
            for command in node
                .commands
                .iter()
                .filter(|command| command.args.is_empty())
            {
                let command = schema.command(node.name, command.name).unwrap();
                denied(observer.call(&schema, command, "").await.map(drop));
            }
        }

        front.shutdown().await;
        let operator = mesh.operator_of(&back).await.unwrap();
        let gone = |events: Vec<mesh_runtime::operator::EventRecord>| {
            events
                .into_iter()
                .find(|event| event.kind == EventKind::LinkDown)
        };
        let seen = loop {
            let list = operator.events(0, Duration::from_secs(10)).await.unwrap();
            match gone(list.events) {
                Some(event) => break event,
                None => operator
                    .events(list.last, Duration::from_secs(10))
                    .await
                    .map(drop)
                    .unwrap(),
            }
        };
        assert!(seen.reason.unwrap().contains("shutting down"));
        let observed = gone(observer.events(0, Duration::ZERO).await.unwrap().events).unwrap();
        assert_eq!(observed.number, seen.number);
        assert_eq!(observed.peer.unwrap().instance, "front-1");
        assert_eq!(observed.reason, None);
    })
    .await;
}

#[tokio::test]
async fn events_have_numbers_and_a_wait_ends_with_the_next() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let master = mesh.operator().await.unwrap();
        let none = master.events(0, Duration::ZERO).await.unwrap();
        assert_eq!((none.events.len(), none.last), (0, 0));
        let waiting = tokio::spawn(async move { master.events(0, Duration::from_secs(30)).await });
        let back = mesh
            .start_node(Back::node(Stage::quiet()).instance("b"))
            .await
            .unwrap();
        let list = waiting.await.unwrap().unwrap();
        assert_eq!(
            (list.events[0].number, list.events[0].kind),
            (1, EventKind::NodeUp)
        );
        assert!(list.started_ms > 0);
        let master = mesh.operator().await.unwrap();
        back.shutdown().await;
        let list = master
            .events(list.last, Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(
            (list.events[0].number, list.events[0].kind),
            (2, EventKind::NodeDown)
        );
    })
    .await;
}

#[tokio::test]
async fn jobs_are_seen_with_their_arguments_and_dealt_with() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut heard) = Stage::new();
        let (_front, back) = two(&mesh, &stage.refusing_jobs()).await;
        let operator = mesh.operator_of(&back).await.unwrap();
        let queue = operator.queue("job");
        queue.pause().await.unwrap();
        for text in ["a", "b"] {
            call(&operator, "job", &format!(r#"{{"text": "{text}"}}"#))
                .await
                .unwrap();
        }
        let counts = operator.stats().await.unwrap().queues;
        let counts = counts
            .iter()
            .find(|counts| counts.command == "job")
            .unwrap();
        assert_eq!((counts.waiting, counts.paused), (2, true));
        let waiting = queue.list(JobsIn::Waiting, 10).await.unwrap();
        let args: Vec<_> = waiting
            .iter()
            .map(|job| job.args.as_deref().unwrap())
            .collect();
        assert_eq!(args, [r#"{"text":"a"}"#, r#"{"text":"b"}"#]);
        assert_eq!(queue.list(JobsIn::Waiting, 1).await.unwrap().len(), 1);
        assert_eq!(
            queue.get(&waiting[1].job).await.unwrap().unwrap(),
            waiting[1]
        );
        assert!(queue.remove(&waiting[1].job).await.unwrap());
        assert!(!queue.remove(&waiting[1].job).await.unwrap());
        assert_eq!(queue.get(&waiting[1].job).await.unwrap(), None);

        // The handler refuses the job.
        queue.resume().await.unwrap();
        let dead = loop {
            if let [dead] = &queue.list(JobsIn::Dead, 10).await.unwrap()[..] {
                break dead.clone();
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(dead.job, waiting[0].job);
        assert_eq!(dead.args.as_deref(), Some(r#"{"text":"a"}"#));
        assert_eq!(dead.error.as_deref(), Some("a is refused"));
        queue.pause().await.unwrap();
        assert!(queue.requeue(&dead.job).await.unwrap());
        assert!(!queue.requeue(&dead.job).await.unwrap());
        assert_eq!(queue.list(JobsIn::Dead, 10).await.unwrap().len(), 0);
        queue.resume().await.unwrap();
        while queue.purge_all().await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(heard.so_far().is_empty());

        let unknown = operator.queue("name").pause().await.unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "`queue pause` failed: Back has no queued command \"name\""
        );
        let at_the_master = mesh.operator().await.unwrap().queue("job").pause().await;
        assert!(
            at_the_master
                .unwrap_err()
                .to_string()
                .contains("a master has no queues")
        );
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_drained_ends_what_it_does_and_then_itself() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut heard) = Stage::new();
        let closed = stage.behind_closed_gate();
        let (front, back) = two(&mesh, &closed).await;
        let operator = mesh.operator_of(&back).await.unwrap();
        let running = {
            let back = back.clone();
            tokio::spawn(async move { back.run_until_signal().await })
        };
        let under_way = tokio::spawn(front.client::<Back>().wait("a".into()).into_future());
        assert_eq!(heard.next().await.text, "a");
        operator.drain().await.unwrap();
        let health = operator.health().await.unwrap();
        assert_eq!(health.status, HealthStatus::Draining);
        closed.open();
        assert_eq!(under_way.await.unwrap().unwrap(), "back-1");
        assert_eq!(running.await.unwrap().unwrap().unfinished_calls, 0);
        let gone = operator.health().await.unwrap_err();
        assert!(matches!(gone, OperatorError::Lost { .. }), "{gone}");
        let master = mesh.operator().await.unwrap();
        let refused = master.drain().await.unwrap_err().to_string();
        assert!(refused.contains("a master carries no calls"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn the_built_in_commands_are_not_for_nodes() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, back) = two(&mesh, &Stage::quiet()).await;
        let schema = schema_of(&mesh.operator_of(&back).await.unwrap()).await;
        let operator = mesh.operator_of(&back).await.unwrap();
        // Not by a description, either.
        let mut described = schema.command("Back", "name").unwrap().clone();
        described.id = 1;
        let refused = operator.call(&schema, &described, "").await.unwrap_err();
        assert!(
            matches!(refused, OperatorError::DeclaredOtherwise { .. }),
            "{refused}"
        );

        drop(front);
        let claim = Claim::to_node("Parity", "Front", "front-2", back.id());
        let mut peer = RawPeer::dial(back.addr(), mesh.keys(), &claim)
            .await
            .unwrap();
        peer.confirm().await.unwrap();
        peer.call(1, 1, &[]).await.unwrap();
        let refused = reply(&mut peer).await;
        assert!(refused.contains("Failed(Incompatible)"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_stranger_or_a_wrong_address_is_refused_and_there_is_no_room_for_a_crowd() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = mesh
            .start_node(Back::node(Stage::quiet()).instance("b"))
            .await
            .unwrap();
        let other = NodeId::new("Back", "c");
        let refused = mesh
            .operators()
            .node_at(back.addr(), other)
            .await
            .unwrap_err();
        assert!(
            matches!(
                refused,
                OperatorError::Refused {
                    refusal: Refusal::WrongTarget,
                    ..
                }
            ),
            "{refused}"
        );
        let refused = mesh.operators().master(back.addr()).await.unwrap_err();
        assert!(
            matches!(refused, OperatorError::Refused { .. }),
            "{refused}"
        );
        let stranger = TestMesh::<Parity>::start().await.unwrap();
        let refused = stranger
            .operators()
            .master(mesh.master().addr())
            .await
            .unwrap_err();
        assert!(
            matches!(
                refused,
                OperatorError::Refused {
                    refusal: Refusal::WrongKey,
                    ..
                }
            ),
            "{refused}"
        );
        let nobody = mesh.operators().master("127.0.0.1:1").await.unwrap_err();
        assert!(
            matches!(nobody, OperatorError::Unreachable { .. }),
            "{nobody}"
        );

        let mut crowd = Vec::new();
        for _ in 0..64 {
            crowd.push(mesh.operator_of(&back).await.unwrap());
        }
        let full = mesh.operator_of(&back).await.unwrap_err();
        assert!(
            matches!(
                full,
                OperatorError::Refused {
                    refusal: Refusal::Full,
                    ..
                }
            ),
            "{full}"
        );
        // One that leaves makes room.
        crowd.pop();
        while mesh.operator_of(&back).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_broadcast_has_arrived_when_its_call_returns() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (_front, back) = two(&mesh, &stage).await;
        for size in [10, 100_000, 4_000_000] {
            let operator = mesh.operator_of(&back).await.unwrap();
            let text = "x".repeat(size);
            call(&operator, "hint", &format!(r#"{{"text": "{text}"}}"#))
                .await
                .unwrap();
            // Closes the link.
            drop(operator);
            assert_eq!(hearing.next().await.text.len(), size);
        }
    })
    .await;
}
