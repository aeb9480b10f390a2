//! What a caller is told when a queue does not take a job. If it is full, another instance may have room in its own
//! queue, but not in a queue that all instances share.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use mesh_runtime::{
    CallError, Hook, Node,
    hook::CallEnd,
    queue::{MemoryQueue, Queue},
    testing::TestMesh,
};

use mesh_tests::{Defect, Planted};

use crate::{
    engines::{LONG, connect, shared_server, within},
    workshop::{Bench, Office, Worker, Workshop},
};

/// How many attempts the last call had.
#[derive(Clone, Default)]
struct Attempts(Arc<AtomicU32>);

impl Hook for Attempts {
    fn after_call(&self, call: &CallEnd<'_>) {
        self.0.store(call.attempts, Ordering::SeqCst);
    }
}

struct House {
    _mesh: TestMesh<Workshop>,
    _benches: [Node<Bench>; 2],
    office: Node<Office>,
    attempts: Attempts,
}

/// Two benches with these engines.
async fn house(engines: [Arc<dyn Queue>; 2]) -> House {
    let mesh = TestMesh::start().await.unwrap();
    let (worker, _) = Worker::new();
    let [one, two] = engines;
    let bench = |engine| mesh.start_node(Bench::node(worker.clone()).queue(engine));
    let benches = [bench(one).await.unwrap(), bench(two).await.unwrap()];
    let attempts = Attempts::default();
    let office = Office::node().hook(attempts.clone());
    let office = mesh.start_node(office).await.unwrap();
    office.ready::<Bench>(2).await.unwrap();
    House {
        _mesh: mesh,
        _benches: benches,
        office,
        attempts,
    }
}

impl House {
    /// Queues a job that waits. Returns how many attempts that took, too.
    async fn queue(&self) -> (Result<(), CallError>, u32) {
        let queued = self.office.client::<Bench>().job("x".into()).delay(LONG);
        let queued = queued.await.map(drop);
        (queued, self.attempts.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_panic_of_the_engine_is_an_error_of_the_queue() {
    within(async {
        let engine = || {
            let engine = Arc::new(MemoryQueue::new());
            Arc::new(Planted::new(engine, Defect::EnqueuePanics)) as Arc<dyn Queue>
        };
        let house = house([engine(), engine()]).await;
        let (queued, attempts) = house.queue().await;
        let error = queued.unwrap_err();
        assert!(
            matches!(&error, CallError::Queue { message, .. } if message.contains("out of paper")),
            "{error:?}"
        );
        assert_eq!(attempts, 1);
    })
    .await;
}

#[tokio::test]
async fn where_each_instance_has_its_own_queue_all_are_tried() {
    within(async {
        let engine = || Arc::new(MemoryQueue::new().max_jobs(1)) as Arc<dyn Queue>;
        let house = house([engine(), engine()]).await;
        house.queue().await.0.unwrap();
        house.queue().await.0.unwrap();
        let (queued, attempts) = house.queue().await;
        let error = queued.unwrap_err();
        assert!(
            matches!(error, CallError::QueueFull { shared: false, .. }),
            "{error:?}"
        );
        assert_eq!(attempts, 2);
    })
    .await;
}

#[tokio::test]
async fn where_all_share_a_queue_one_answer_is_enough() {
    within(async {
        let (server, prefix) = shared_server().await;
        let engine = async || {
            let engine = connect(&server.url(), &prefix).await.max_jobs(2);
            Arc::new(engine) as Arc<dyn Queue>
        };
        let house = house([engine().await, engine().await]).await;
        house.queue().await.0.unwrap();
        house.queue().await.0.unwrap();
        let (queued, attempts) = house.queue().await;
        let error = queued.unwrap_err();
        assert!(
            matches!(error, CallError::QueueFull { shared: true, .. }),
            "{error:?}"
        );
        assert_eq!(attempts, 1);
    })
    .await;
}
