//! Jobs outlive the node that accepted them, and only nodes with the keys can read them.

use std::{net::SocketAddr, sync::Arc};

use mesh_runtime::{
    Keys, Master, Node, NodeBuilder,
    queue::{Failure, NewJob, Queue, QueueAdmin, QueueError, RedisQueue},
};
use mesh_tests::RedisServer;

use super::{contains, written};
use crate::{
    engines::{connect, counts, enqueue, lease, name, shared_server, until, within},
    workshop::{Bench, Office, Runs, Worker, Workshop, queue},
};

/// A mesh with keys of its own, whose nodes keep their jobs in Redis.
struct House {
    keys: Keys,
    master: Master,
    url: String,
    prefix: String,
}

impl House {
    async fn new(keys: Keys, url: String, prefix: String) -> Self {
        let master = Workshop::master()
            .keys(&keys)
            .bind("127.0.0.1:0")
            .without_discovery()
            .start()
            .await
            .unwrap();
        Self {
            keys,
            master,
            url,
            prefix,
        }
    }

    async fn in_shared_server() -> Self {
        let (server, prefix) = shared_server().await;
        let keys = Keys::new("Workshop", Keys::generate());
        Self::new(keys, server.url(), prefix).await
    }

    fn join<N: mesh_runtime::NodeType>(&self, builder: NodeBuilder<N>) -> NodeBuilder<N> {
        let master: SocketAddr = self.master.addr();
        builder.keys(&self.keys).master(master).bind("127.0.0.1:0")
    }

    async fn engine(&self) -> RedisQueue {
        connect(&self.url, &self.prefix).await
    }

    async fn bench(&self, instance: &str, worker: &Worker) -> Node<Bench> {
        let bench = Bench::node(worker.clone())
            .instance(instance)
            .queue(Arc::new(self.engine().await));
        self.join(bench).start().await.unwrap()
    }

    async fn office(&self) -> Node<Office> {
        let office = self.join(Office::node()).start().await.unwrap();
        office.ready::<Bench>(1).await.unwrap();
        office
    }

    /// Leaves these jobs behind in a paused queue. None of them runs.
    async fn leave_jobs(&self, texts: &[&str]) {
        let (worker, mut runs) = Worker::new();
        let bench = self.bench("before", &worker).await;
        bench.queues().job().pause().await.unwrap();
        let office = self.office().await;
        for text in texts {
            office.client::<Bench>().job((*text).into()).await.unwrap();
        }
        bench.shutdown().await;
        assert_eq!(runs.so_far(), []);
    }

    /// A node that runs the jobs that are there.
    async fn resumed(&self) -> (Node<Bench>, Runs) {
        let (worker, runs) = Worker::new();
        let bench = self.bench("after", &worker).await;
        bench.queues().job().resume().await.unwrap();
        (bench, runs)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_the_jobs_outlive_the_node_and_run_on_a_later_one() {
    within(async {
        let house = House::in_shared_server().await;
        house.leave_jobs(&["one", "two"]).await;
        let (worker, mut runs) = Worker::new();
        let bench = house.bench("after", &worker).await;
        let queue = bench.queues().job();
        let stats = queue.stats().await.unwrap();
        assert_eq!((counts(&stats), stats.paused), ([2, 0, 0, 0], true));
        queue.resume().await.unwrap();
        assert_eq!(runs.next_texts(2).await, ["one", "two"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cut_short_by_a_shutdown_runs_on_another_node() {
    within(async {
        let house = House::in_shared_server().await;
        let (worker, mut runs) = Worker::new();
        let first = house.join(
            Bench::node(worker.clone())
                .instance("first")
                .grace(std::time::Duration::ZERO)
                .queue(Arc::new(house.engine().await)),
        );
        let first = first.start().await.unwrap();
        let office = house.office().await;
        let queued = office.client::<Bench>().job("hold".into()).await.unwrap();
        assert_eq!(runs.next().await.instance, "first");
        first.shutdown().await;
        let second = worker.another();
        second.open();
        let bench = house.bench("second", &second).await;
        let run = runs.next().await;
        assert_eq!((&*run.instance, run.attempt), ("second", 1));
        assert_eq!(run.id, queued.job_id);
        let queue = bench.queues().job();
        until("it is complete", async || {
            counts(&queue.stats().await.unwrap()) == [0; 4]
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_job_and_its_error_is_nowhere_in_redis() {
    const SECRET: &str = "the-moon-is-made-of-cheese";
    within(async {
        let server = RedisServer::start().await;
        let keys = Keys::new("Workshop", Keys::generate());
        let house = House::new(keys, server.url(), "mesh".into()).await;
        let (worker, mut runs) = Worker::new();
        let bench = house.bench("one", &worker).await;
        let office = house.office().await;
        let client = office.client::<Bench>();
        let key = format!("key of {SECRET}");
        let job = client.job(format!("fail {SECRET}"));
        job.dedupe(key, crate::engines::LONG).await.unwrap();
        client.jobs(format!("discard {SECRET}")).await.unwrap();
        client
            .job(format!("later {SECRET}"))
            .delay(crate::engines::LONG)
            .await
            .unwrap();
        runs.next_texts(4).await;
        for command in ["job", "jobs"] {
            let queue = queue(&bench, command);
            until("it is a dead letter", async || {
                queue.stats().await.unwrap().dead == 1
            })
            .await;
            let letter = queue.dead_letters(1).await.unwrap().remove(0);
            assert!(letter.error.contains(SECRET), "{}", letter.error);
        }
        assert!(contains(&written(&server), "Workshop/Bench.job"));
        assert!(!contains(&written(&server), SECRET));

        // Data that bypasses the sealing is found.
        enqueue(&house.engine().await, &name("a"), SECRET).await;
        assert!(contains(&written(&server), SECRET));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_sealed_with_an_older_key_run_while_it_is_accepted() {
    within(async {
        let (server, prefix) = shared_server().await;
        let (old, new) = (Keys::generate(), Keys::generate());
        let house = House::new(Keys::new("Workshop", &*old), server.url(), prefix.clone()).await;
        house.leave_jobs(&["old"]).await;

        let keys = Keys::new("Workshop", &*new).accept(&*old);
        let house = House::new(keys, server.url(), prefix.clone()).await;
        house.leave_jobs(&["new"]).await;
        let (bench, mut runs) = house.resumed().await;
        assert_eq!(runs.next_texts(2).await, ["new", "old"]);
        bench.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_key_is_gone_can_be_put_back_by_who_accepts_it() {
    within(async {
        let (server, prefix) = shared_server().await;
        let (old, new) = (Keys::generate(), Keys::generate());
        let house = House::new(Keys::new("Workshop", &*old), server.url(), prefix.clone()).await;
        house.leave_jobs(&["old"]).await;

        let keys = Keys::new("Workshop", &*new);
        let house = House::new(keys, server.url(), prefix.clone()).await;
        let (bench, mut runs) = house.resumed().await;
        let queue = bench.queues().job();
        until("it is a dead letter", async || {
            counts(&queue.stats().await.unwrap()) == [0, 0, 0, 1]
        })
        .await;
        let letter = queue.dead_letters(9).await.unwrap().remove(0);
        assert_eq!(letter.encoded_args(), None);
        assert!(
            letter.error.contains("accept that key too"),
            "{}",
            letter.error
        );
        let error = queue.requeue(&letter.job_id).await.unwrap_err();
        assert!(matches!(error, QueueError::Sealed(_)), "{error:?}");
        assert_eq!(queue.requeue_all().await, Ok(0));
        assert_eq!(runs.so_far(), []);
        bench.shutdown().await;

        let keys = Keys::new("Workshop", &*new).accept(&*old);
        let house = House::new(keys, server.url(), prefix.clone()).await;
        let (bench, mut runs) = house.resumed().await;
        let queue = bench.queues().job();
        assert_eq!(queue.requeue(&letter.job_id).await, Ok(true));
        let run = runs.next().await;
        assert_eq!((run.id, &*run.text), (letter.job_id, "old"));
    })
    .await;
}

/// Copies the first entry of a stream to another stream, under another job id if one is given.
const COPY: &str = "
    local fields = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][2]
    for at = 1, #fields, 2 do
        if fields[at] == 'i' and ARGV[1] ~= '' then fields[at + 1] = ARGV[1] end
    end
    return redis.call('XADD', KEYS[2], '*', unpack(fields))";

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_moved_to_another_queue_or_job_does_not_run() {
    within(async {
        let (server, prefix) = shared_server().await;
        let keys = Keys::new("Workshop", Keys::generate());
        let house = House::new(keys, server.url(), prefix.clone()).await;
        let (worker, mut runs) = Worker::new();
        let bench = house.bench("one", &worker).await;
        let office = house.office().await;
        // Held, so that its entry stays in the stream.
        office.client::<Bench>().job("hold".into()).await.unwrap();
        assert_eq!(runs.next().await.text, "hold");

        let stream =
            |command: &str, of: &str| format!("{prefix}:{{Workshop/Bench.{command}}}:{of}jobs");
        let own = stream("job", "");
        for (to, id) in [
            (stream("two_at_a_time", ""), ""),
            (stream("jobs", "@one:"), ""),
            (own.clone(), "another"),
        ] {
            server.command(&["EVAL", COPY, "2", &own, &to, id]).await;
        }
        for (command, expected) in [
            ("two_at_a_time", "sealed for another queue"),
            ("jobs", "sealed for another queue"),
            ("job", "sealed for another job"),
        ] {
            let queue = queue(&bench, command);
            until("it is a dead letter", async || {
                queue.stats().await.unwrap().dead == 1
            })
            .await;
            let letter = queue.dead_letters(9).await.unwrap().remove(0);
            assert!(letter.error.contains(expected), "{}", letter.error);
            assert_eq!(letter.encoded_args(), None);
        }
        assert_eq!(runs.so_far(), []);
        worker.open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_dead_letters_outlive_redis() {
    within(async {
        let mut server = RedisServer::start().await;
        let engine = Arc::new(connect(&server.url(), "mesh").await);
        let queue = name("a");
        let dead = enqueue(&*engine, &queue, "dead").await;
        let job = lease(&*engine, &queue).await;
        let failed = engine.fail(&queue, &job, "no".into(), Failure::Dead).await;
        assert_eq!(failed, Ok(()));
        let waiting = enqueue(&*engine, &queue, "waiting").await;
        let delayed = NewJob::new("delayed").delay(crate::engines::LONG);
        engine.enqueue(&queue, delayed).await.unwrap();
        server.kill();
        server.restart().await;
        // The old connections are dead, which costs at most one error each.
        until("it is connected again", async || {
            engine.stats(&queue).await.is_ok()
        })
        .await;
        assert_eq!(crate::engines::stats(&*engine, &queue).await, [1, 0, 1, 1]);
        let letter = engine.dead_letter(&queue, &dead).await.unwrap();
        assert!(letter.is_some());
        let job = loop {
            match engine.lease(&queue, 1).await {
                Ok(mut jobs) => break jobs.remove(0),
                Err(error) => assert!(matches!(error, QueueError::Engine(_)), "{error:?}"),
            }
        };
        assert_eq!(job.id, waiting);
    })
    .await;
}
