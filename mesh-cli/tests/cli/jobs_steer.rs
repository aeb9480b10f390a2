//! `mesh jobs`: steers the queues of running instances.

use serde_json::Value;

use crate::support::{LONG, Mesh, Trio, types::Entry, v1, within};

/// The id of the dead letter with this error.
async fn id_of(mesh: &Mesh, error: &str) -> String {
    let dead = ["jobs", "dead", "Audit.record", "--error", error, "--json"];
    let dead = mesh.cli(&dead).run().await.ok().json();
    let id = dead["jobs"][0]["job"].as_str();
    id.expect("a dead letter").to_owned()
}

async fn three_dead_letters(mesh: &Mesh) -> Trio {
    let trio = mesh.trio().await;
    trio.dead_letters(&["no ink", "no paper", "no time"]).await;
    trio
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_put_back_by_error_by_argument_and_by_id() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = three_dead_letters(&mesh).await;
        let third = id_of(&mesh, "no time").await;
        trio.desk.accept_all();
        for (chosen, text) in [
            (&["--error", "ink"][..], "entry 1"),
            (&["--where", "entry.id=2"][..], "entry 2"),
            (&[third.as_str()][..], "entry 3"),
        ] {
            let requeue = [&["jobs", "requeue", "Audit.record"][..], chosen].concat();
            let done = mesh.cli(&requeue).run().await.ok();
            done.says("requeued 1 dead letter of Audit.record");
            assert_eq!(trio.hears().await, text);
        }
        assert_eq!(trio.dead().await, 0);
        let none = ["jobs", "requeue", "Audit.record", "--error", "ink"];
        let none = mesh.cli(&none).run().await.ends_with(1);
        none.tells("no dead letter of `Audit.record` matches");
        let gone = mesh.cli(&["jobs", "requeue", "Audit.record", &third]);
        let gone = gone.run().await.ends_with(1);
        gone.tells(&format!("Audit.record has no dead letter {third}"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_are_put_back_and_it_must_be_said_which() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = three_dead_letters(&mesh).await;
        let which = mesh.cli(&["jobs", "requeue", "Audit.record"]).run().await;
        which.ends_with(2).tells("which dead letters?");
        let both = ["jobs", "requeue", "Audit.record", "--all", "--newer", "1h"];
        mesh.cli(&both).run().await.ends_with(2);
        assert_eq!(trio.dead().await, 3);
        trio.desk.accept_all();
        let all = ["jobs", "requeue", "Audit.record", "--all", "--json"];
        let all = mesh.cli(&all).run().await.ok().json();
        assert_eq!(all["requeued"], 3);
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(trio.hears().await);
        }
        heard.sort();
        assert_eq!(heard, ["entry 1", "entry 2", "entry 3"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_thrown_away_only_after_a_confirmation() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = three_dead_letters(&mesh).await;
        let third = id_of(&mesh, "no time").await;
        let by_id = [third.as_str()];
        for chosen in [&["--all"][..], &["--error", "ink"][..], &by_id[..]] {
            let purge = [&["jobs", "purge", "Audit.record"][..], chosen].concat();
            let asked = mesh.cli(&purge).run().await.ends_with(2);
            asked.tells("add --yes if it is to be done");
        }
        assert_eq!(trio.dead().await, 3);
        for (chosen, left) in [
            (&["--error", "ink"][..], 2),
            (&by_id[..], 1),
            (&["--all"][..], 0),
        ] {
            let purge = [&["jobs", "purge", "Audit.record", "--yes"][..], chosen].concat();
            let purged = mesh.cli(&purge).run().await.ok();
            purged.says("purged 1 dead letter of Audit.record");
            assert_eq!(trio.dead().await, left);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_paused_and_resumed() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        let pause = mesh.cli(&["jobs", "pause", "Audit.record"]).run().await;
        pause.ok().says("paused Audit.record on 1 instance");
        let entry = Entry {
            id: 1,
            text: "later".to_owned(),
            fails_with: None,
        };
        trio.record(entry).await;
        let stats = trio.audit.queues().record().stats().await;
        let stats = stats.expect("the engine is there");
        assert_eq!((stats.waiting, stats.paused), (1, true));
        let resume = mesh.cli(&["jobs", "resume", "Audit.record"]).run().await;
        resume.ok().says("resumed Audit.record on 1 instance");
        assert_eq!(trio.hears().await, "later");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queues_of_all_instances_are_paused_and_that_of_one_is_resumed() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let second = v1::Audit::node(trio.desk.clone());
        let second = mesh.node(second, "a2").await;
        let pause = ["jobs", "pause", "Audit.reindex", "--json"];
        let pause = mesh.cli(&pause).run().await.ok().json();
        assert_eq!(pause["paused"], true);
        assert_eq!(pause["instances"], Value::from(vec!["a1", "a2"]));
        let resume = ["jobs", "resume", "Audit.reindex", "--instance", "a2"];
        let resume = mesh.cli(&resume).run().await.ok();
        resume.says("resumed Audit.reindex on 1 instance");
        for (audit, is_paused) in [(&trio.audit, true), (&second, false)] {
            let stats = audit.queues().reindex().stats().await;
            let stats = stats.expect("the engine is there");
            assert_eq!(stats.paused, is_paused, "{}", audit.id());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_not_begun_is_cancelled() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        trio.dead_letters(&["no ink"]).await;
        let audit = trio.billing.client::<v1::Audit>();
        let entry = Entry {
            id: 2,
            text: "much later".to_owned(),
            fails_with: None,
        };
        let queued = audit.record(entry).delay(LONG).await;
        let job = queued.expect("the queue takes the job").job_id.to_string();
        let cancel = ["jobs", "cancel", "Audit.record", &job];
        let done = mesh.cli(&cancel).run().await.ok();
        done.says(&format!("cancelled job {job} of Audit.record"));
        let stats = trio.audit.queues().record().stats().await;
        assert_eq!(stats.expect("the engine is there").delayed, 0);
        let again = mesh.cli(&cancel).run().await.ends_with(1);
        again.tells(&format!("`Audit.record` has no job `{job}`"));

        let dead = id_of(&mesh, "no ink").await;
        let dead = mesh.cli(&["jobs", "cancel", "Audit.record", &dead]);
        let dead = dead.run().await.ends_with(1);
        dead.tells("is a dead letter")
            .tells("mesh jobs purge Audit.record ");
    })
    .await;
}
