//! `mesh jobs`: looks into the queues of running instances.

use serde_json::Value;

use crate::support::{LONG, Mesh, Trio, types::Entry, v1, within};

/// The row of a command in the overview.
#[track_caller]
fn queue<'a>(overview: &'a Value, command: &str) -> &'a Value {
    let mut queues = overview["queues"].as_array().expect("a list").iter();
    queues
        .find(|queue| queue["command"] == command)
        .unwrap_or_else(|| panic!("{command} is not in {overview:#}"))
}

fn entry(id: u64) -> Entry {
    Entry {
        id,
        text: format!("entry {id}"),
        fails_with: None,
    }
}

/// Queues a job that waits, since its queue is paused, and one that is delayed. Returns their ids.
async fn two_jobs(trio: &Trio) -> (String, String) {
    let paused = trio.audit.queues().record().pause().await;
    paused.expect("the engine is there");
    let waiting = trio.record(entry(1)).await;
    let audit = trio.billing.client::<v1::Audit>();
    let delayed = audit.record(entry(2)).delay(LONG).await;
    let delayed = delayed.expect("the queue takes the job");
    (waiting.job_id.to_string(), delayed.job_id.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_has_all_queues() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        trio.dead_letters(&["no ink", "no paper"]).await;
        two_jobs(&trio).await;
        let second = v1::Audit::node(trio.desk.clone());
        let _second = mesh.node(second, "a2").await;
        let overview = mesh.cli(&["jobs", "--json"]).run().await.ok().json();
        assert_eq!(overview["unreached"], Value::Array(Vec::new()));
        let record = queue(&overview, "Audit.record");
        for (what, number) in [("waiting", 1), ("delayed", 1), ("running", 0), ("dead", 2)] {
            assert_eq!(record[what], number, "{what}: {record:#}");
        }
        assert_eq!(record["shared"], false);
        assert_eq!(record["instances"], Value::from(vec!["a1", "a2"]));
        assert_eq!(record["paused"], Value::from(vec!["a1"]));
        assert!(record["oldest_ms"].is_u64());
        assert_eq!(queue(&overview, "Audit.reindex")["dead"], 0);

        let table = mesh.cli(&["jobs"]).run().await.ok();
        assert!(table.line("command").ends_with("whose"));
        let record = table.line("Audit.record");
        assert!(record.contains("1 of 2"), "{record}");
        assert!(record.ends_with("of 2 instances"), "{record}");
        let first = ["jobs", "--instance", "a1", "--json"];
        let first = mesh.cli(&first).run().await.ok().json();
        let instances = &queue(&first, "Audit.record")["instances"];
        assert_eq!(*instances, Value::from(vec!["a1"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_state_with_their_arguments() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let (waiting, delayed) = two_jobs(&trio).await;
        let list = ["jobs", "list", "Audit.record", "--json"];
        let list = mesh.cli(&list).run().await.ok().json();
        assert_eq!(list["command"], "Audit.record");
        assert_eq!(list["more"], false);
        let jobs = list["jobs"].as_array().expect("a list");
        assert_eq!(jobs.len(), 2, "{list:#}");
        for (job, id, state) in [
            (&jobs[0], &waiting, "waiting"),
            (&jobs[1], &delayed, "delayed"),
        ] {
            assert_eq!(job["job"], **id);
            assert_eq!(job["in"], state);
            assert_eq!(job["attempts"], 0);
            assert_eq!(job["instance"], "a1");
        }
        assert_eq!(jobs[0]["args"]["entry"]["text"], "entry 1");
        assert_eq!(jobs[1]["args"]["entry"]["text"], "entry 2");
        assert!(jobs[1]["due_ms"].as_u64() > jobs[1]["enqueued_ms"].as_u64());

        let delayed_only = ["jobs", "list", "Audit.record", "--state", "delayed"];
        let text = mesh.cli(&delayed_only).run().await.ok();
        let line = text.line(&delayed);
        for part in ["delayed", "due in ", r#"{"entry":{"id":2,"#] {
            assert!(line.contains(part), "{part:?} is not in {line}");
        }
        assert!(!text.stdout.contains(&waiting));
        let none = ["jobs", "list", "Audit.reindex"];
        mesh.cli(&none).run().await.ok().says("no jobs");
        let max = ["jobs", "list", "Audit.record", "--max", "1", "--json"];
        let max = mesh.cli(&max).run().await.ok().json();
        // One of each state, and there are no others.
        assert_eq!(max["jobs"].as_array().unwrap().len(), 2);
        assert_eq!(max["more"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_is_shown_with_everything() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let (waiting, _) = two_jobs(&trio).await;
        let show = ["jobs", "show", "Audit.record", &waiting];
        let text = mesh.cli(&show).run().await.ok();
        text.says(&format!("job       {waiting}\n"))
            .says("state     waiting\n")
            .says("instance  a1\n")
            .says("attempts  0\n")
            .says("\"text\": \"entry 1\"");
        let json = [&show[..], &["--json"]].concat();
        let json = mesh.cli(&json).run().await.ok().json();
        assert_eq!(json["args"]["entry"]["id"], 1);
        let missing = ["jobs", "show", "Audit.record", "nothing"];
        let missing = mesh.cli(&missing).run().await.ends_with(1);
        missing.tells("`Audit.record` has no job `nothing`");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_with_errors_and_arguments() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        trio.dead_letters(&["no ink", "no paper"]).await;
        let dead = ["jobs", "dead", "Audit.record"];
        let text = mesh.cli(&dead).run().await.ok();
        text.says("after 1 attempt  on a1\n    error  no ink\n")
            .says("\n    args   {\"entry\":{\"id\":2,\"text\":\"entry 2\",\"fails_with\":\"no paper\"}}\n");

        let json = [&dead[..], &["--json"]].concat();
        let json = mesh.cli(&json).run().await.ok().json();
        let letters = json["jobs"].as_array().expect("a list");
        assert_eq!(letters.len(), 2);
        for letter in letters {
            assert_eq!(letter["in"], "dead");
            assert_eq!(letter["error"], letter["args"]["entry"]["fails_with"]);
            assert!(letter["died_ms"].is_u64());
        }
        for (filter, id) in [
            (["--error", "ink"], 1),
            (["--where", "entry.id=2"], 2),
            (["--where", "entry.text=entry 1"], 1),
        ] {
            let json = [&dead[..], &filter, &["--newer", "1h", "--json"]].concat();
            let json = mesh.cli(&json).run().await.ok().json();
            assert_eq!(json["jobs"].as_array().expect("a list").len(), 1);
            assert_eq!(json["jobs"][0]["args"]["entry"]["id"], id);
        }
        let old = [&dead[..], &["--older", "1h"]].concat();
        mesh.cli(&old).run().await.ok().says("no dead letters");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_a_queue_have_no_jobs() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        for (command, what) in [
            ("Billing.charge", "is not a queued command"),
            ("Audit.recrod", "it has record, "),
        ] {
            let list = mesh.cli(&["jobs", "list", command]).run().await;
            list.ends_with(1).tells(what);
        }
    })
    .await;
}
