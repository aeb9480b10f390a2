//! `mesh jobs --redis`: looks into durable queues while no instance runs.

use std::sync::Arc;

use mesh_runtime::{Node, queue::RedisQueue};
use serde_json::Value;

use crate::support::{Desk, Hearing, HeldPort, Mesh, RedisServer, types::Entry, until, v1, within};

/// An instance of `Audit` that keeps its jobs in Redis.
async fn audit(mesh: &Mesh, redis: &RedisServer, desk: Desk, instance: &str) -> Node<v1::Audit> {
    let engine = RedisQueue::connect(&redis.url()).await;
    let engine = Arc::new(engine.expect("Redis is there"));
    let audit = v1::Audit::node(desk).queue(engine);
    mesh.node(audit, instance).await
}

/// Leaves two dead letters in Redis, and no instance of `Audit`.
async fn dead_letters(mesh: &Mesh, redis: &RedisServer) -> (Desk, Hearing) {
    let (desk, heard) = Desk::new();
    let audit = audit(mesh, redis, desk.clone(), "a1").await;
    let billing = mesh.node(v1::Billing::node(desk.clone()), "b1").await;
    billing.ready::<v1::Audit>(1).await.expect("a link");
    for (id, error) in [(1, "no ink"), (2, "no paper")] {
        let entry = Entry {
            id,
            text: format!("entry {id}"),
            fails_with: Some(error.to_owned()),
        };
        let queued = billing.client::<v1::Audit>().record(entry).await;
        queued.expect("Redis takes the job");
    }
    let queue = audit.queues().record();
    until(async || queue.stats().await.is_ok_and(|stats| stats.dead == 2)).await;
    audit.shutdown().await;
    mesh.without("Audit").await;
    (desk, heard)
}

/// The row of `Audit.record` in the overview.
async fn record(mesh: &Mesh, redis: &str) -> Value {
    let overview = mesh.cli(&["jobs", "--json", redis]).run().await.ok();
    let mut overview = overview.json();
    let queues = overview["queues"].as_array_mut().expect("a list");
    let mut queues = queues.iter_mut();
    let record = queues.find(|queue| queue["command"] == "Audit.record");
    record.expect("Audit.record").take()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_seen_and_put_back_while_no_instance_runs() {
    within(async {
        let redis = RedisServer::start().await;
        let mesh = Mesh::start().await;
        let (desk, mut heard) = dead_letters(&mesh, &redis).await;
        let dead = ["jobs", "dead", "Audit.record", "--json"];
        let nobody = mesh.cli(&dead).run().await.ends_with(3);
        nobody
            .tells("no instance of `Audit` is in the mesh")
            .tells("--redis");

        // The URL comes from the environment, or stands behind the option.
        let by_url = format!("--redis={}", redis.url());
        let from_env = [&dead[..], &["--redis"]].concat();
        let from_env = mesh.cli(&from_env).env("MESH_REDIS_URL", redis.url());
        let given = mesh.cli(&[&dead[..], &[by_url.as_str()]].concat());
        for cli in [from_env, given] {
            let letters = cli.run().await.ok().json();
            let letters = letters["jobs"].as_array().expect("a list");
            assert_eq!(letters.len(), 2);
            for letter in letters {
                let entry = &letter["args"]["entry"];
                assert_eq!(letter["error"], entry["fails_with"]);
            }
        }
        let counts = record(&mesh, &by_url).await;
        assert_eq!(counts["dead"], 2);
        assert_eq!(counts["shared"], true);
        let table = mesh.cli(&["jobs", &by_url]).run().await.ok();
        assert!(table.line("Audit.record").ends_with("shared"), "{table:#?}");

        let requeue = ["jobs", "requeue", "Audit.record", "--error", "ink", &by_url];
        let requeued = mesh.cli(&requeue).run().await.ok();
        requeued.says("requeued 1 dead letter of Audit.record");
        let counts = record(&mesh, &by_url).await;
        assert_eq!(counts["waiting"], 1);
        assert_eq!(counts["dead"], 1);
        let list = ["jobs", "list", "Audit.record", "--json", &by_url];
        let list = mesh.cli(&list).run().await.ok().json();
        assert_eq!(list["jobs"][0]["args"]["entry"]["id"], 1);
        // The next instance runs it.
        desk.accept_all();
        let _audit = audit(&mesh, &redis, desk, "a2").await;
        assert_eq!(heard.recv().await.as_deref(), Some("entry 1"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_master_the_schema_comes_from_a_file() {
    within(async {
        let redis = RedisServer::start().await;
        let mesh = Mesh::start().await;
        let _desk = dead_letters(&mesh, &redis).await;
        let schema = mesh.cli(&["schema", "--json"]).run().await.ok();
        let file = mesh.config().join("shop.json");
        std::fs::write(&file, schema.stdout).expect("a file in a fresh directory");
        let file = file.display().to_string();
        let by_url = format!("--redis={}", redis.url());

        let port = HeldPort::any();
        let dead = ["jobs", "dead", "Audit.record", "--json", &by_url];
        let no_master = mesh.cli(&dead).env("MESH_MASTER", port.addr().to_string());
        let no_schema = no_master.run().await.ends_with(3);
        no_schema.tells("--schema FILE gives the schema");
        let dead = [&dead[..], &["--schema", file.as_str()]].concat();
        let no_master = mesh.cli(&dead).env("MESH_MASTER", port.addr().to_string());
        let letters = no_master.run().await.ok().json();
        assert_eq!(letters["jobs"].as_array().expect("a list").len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_of_one_instance_must_be_named_and_redis_must_be_there() {
    within(async {
        let redis = RedisServer::start().await;
        let mesh = Mesh::start().await;
        let by_url = format!("--redis={}", redis.url());
        let list = ["jobs", "list", "Audit.reindex", &by_url];
        let unnamed = mesh.cli(&list).run().await.ends_with(2);
        unnamed
            .tells("each instance has its own queue of `Audit.reindex`")
            .tells("--instance ID");
        let named = [&list[..], &["--instance", "a1"]].concat();
        mesh.cli(&named).run().await.ok().says("no jobs");

        let port = HeldPort::any();
        let away = format!("--redis=redis://:hush@{}", port.addr());
        let away = mesh.cli(&["jobs", &away]).run().await.ends_with(3);
        assert!(!away.stderr.contains("hush"), "{away:#?}");
        away.tells("Redis could not be reached");
        let no_url = mesh.cli(&["jobs", "--redis"]).run().await.ends_with(2);
        no_url.tells("MESH_REDIS_URL");
    })
    .await;
}
