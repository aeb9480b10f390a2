//! An operator works on queues in Redis while no node runs.

use std::sync::Arc;

use mesh_runtime::{
    operator::{EngineQueues, JobsIn},
    testing::TestMesh,
};

use crate::{
    engines::{connect, shared_server, until, within},
    workshop::{Bench, Office, Worker, Workshop, queue},
};

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_each_instance_go_back_to_its_own_queue() {
    within(async {
        let (server, prefix) = shared_server().await;
        let engine = async || Arc::new(connect(&server.url(), &prefix).await);
        let mesh = TestMesh::<Workshop>::start().await.unwrap();
        let (worker, mut runs) = Worker::new();
        worker.open();
        let start = async |instance: &str| {
            let bench = Bench::node(worker.clone()).instance(instance);
            mesh.start_node(bench.queue(engine().await)).await.unwrap()
        };
        let benches = [start("one").await, start("two").await];
        let office = mesh.start_node(Office::node()).await.unwrap();
        office.ready::<Bench>(2).await.unwrap();
        office
            .client::<Bench>()
            .jobs("discard".into())
            .await
            .unwrap();
        office
            .client::<Bench>()
            .job("discard".into())
            .await
            .unwrap();
        runs.next_texts(3).await;
        until("three dead letters", async || {
            let dead = async |command| queue(&benches[0], command).stats().await.unwrap().dead;
            dead("jobs").await == 2 && dead("job").await == 1
        })
        .await;
        for bench in &benches {
            bench.shutdown().await;
        }

        let schema = Arc::new(Workshop::SCHEMA.describe());
        let queues = EngineQueues::new(mesh.keys(), engine().await)
            .await
            .unwrap();
        let all = queues.queue(&schema, "Bench", "jobs", None).unwrap();
        let counts = all.counts().await.unwrap();
        assert_eq!(
            (counts.dead, counts.dead_shared, counts.shared),
            (2, true, false)
        );
        let dead = all.list(JobsIn::Dead, 10).await.unwrap();
        let args: Vec<_> = dead.iter().map(|letter| letter.args.as_deref()).collect();
        assert_eq!(args, [Some(r#"{"text":"discard"}"#); 2]);
        assert_eq!(all.list_from(JobsIn::Dead, 1, 10).await.unwrap(), dead[1..]);
        // There is no queue that all instances share.
        all.pause().await.unwrap_err();
        all.list(JobsIn::Waiting, 10).await.unwrap_err();
        assert!(all.requeue(&dead[0].job).await.unwrap());
        assert_eq!(all.requeue_all().await.unwrap(), 1);
        let waiting = async |instance: &str| {
            let own = queues.queue(&schema, "Bench", "jobs", Some(instance.into()));
            own.unwrap().counts().await.unwrap().waiting
        };
        assert_eq!((waiting("one").await, waiting("two").await), (1, 1));

        let shared = queues.queue(&schema, "Bench", "job", None).unwrap();
        let counts = shared.counts().await.unwrap();
        assert_eq!((counts.dead, counts.shared), (1, true));
        shared.pause().await.unwrap();
        assert_eq!(shared.requeue_all().await.unwrap(), 1);
        assert_eq!(shared.list(JobsIn::Waiting, 10).await.unwrap().len(), 1);

        queues.queue(&schema, "Bench", "nothing", None).unwrap_err();
        queues
            .queue(&schema, "Bench", "jobs", Some("a b".into()))
            .unwrap_err();

        // Each runs where it ran before.
        let _benches = [start("one").await, start("two").await];
        let mut again = [runs.next().await, runs.next().await].map(|run| run.instance);
        again.sort();
        assert_eq!(again, ["one", "two"]);
    })
    .await;
}
