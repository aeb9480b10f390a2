//! Checks for every engine what [`Queue`] promises, and that these checks detect engines with a defect.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

use mesh_runtime::{
    queue::{MemoryQueue, Queue},
    testing::queue_conformance::{EngineFactory, EngineLimits, OpenFuture, cases},
};
use mesh_tests::{Defect, Planted};

use crate::engines::{connect, shared_server};

mod memory {
    mesh_runtime::queue_conformance!(super::InMemory::default());
}

mod redis {
    mesh_runtime::queue_conformance!(super::InRedis::default());
}

/// Always the same engine.
#[derive(Default)]
struct InMemory(OnceLock<Arc<MemoryQueue>>);

impl EngineFactory for InMemory {
    fn open(&self, limits: EngineLimits) -> OpenFuture<'_> {
        let engine = self.0.get_or_init(|| {
            let mut queue = MemoryQueue::new();
            if let Some(jobs) = limits.jobs {
                queue = queue.max_jobs(jobs as usize);
            }
            if let Some(keys) = limits.keys {
                queue = queue.max_keys(keys as usize);
            }
            if let Some(dead) = limits.dead {
                queue = queue.max_dead(dead as usize);
            }
            Arc::new(queue)
        });
        let engine: Arc<dyn Queue> = Arc::clone(engine) as _;
        Box::pin(async move { engine })
    }
}

/// One more consumer each time.
#[derive(Default)]
struct InRedis {
    prefix: tokio::sync::OnceCell<String>,
}

impl EngineFactory for InRedis {
    fn open(&self, limits: EngineLimits) -> OpenFuture<'_> {
        Box::pin(async move {
            let (server, fresh) = shared_server().await;
            let prefix = self.prefix.get_or_init(async || fresh).await;
            let mut queue = connect(&server.url(), prefix).await;
            if let Some(jobs) = limits.jobs {
                queue = queue.max_jobs(jobs.into());
            }
            if let Some(keys) = limits.keys {
                queue = queue.max_keys(keys.into());
            }
            if let Some(dead) = limits.dead {
                queue = queue.max_dead(dead.into());
            }
            Arc::new(queue) as Arc<dyn Queue>
        })
    }
}

/// The engine in memory, with a defect.
struct Defective(InMemory, Defect);

impl EngineFactory for Defective {
    fn open(&self, limits: EngineLimits) -> OpenFuture<'_> {
        Box::pin(async move {
            let engine = self.0.open(limits).await;
            Arc::new(Planted::new(engine, self.1)) as Arc<dyn Queue>
        })
    }
}

/// Whether the case with this name detects the defect.
fn notices(case: &str, defect: Defect) -> bool {
    let all = cases();
    let case = all.iter().find(|known| known.name() == case).unwrap();
    let run = || case.run(Defective(InMemory::default(), defect));
    catch_unwind(AssertUnwindSafe(run)).is_err()
}

#[test]
fn the_suite_notices_engines_with_a_defect() {
    for (defect, case) in [
        (Defect::AckFirst, "a_lease_takes_no_more_than_it_asks_for"),
        (
            Defect::NoDeadLetters,
            "dead_letters_are_listed_the_oldest_first",
        ),
        (
            Defect::ReleaseCounts,
            "a_job_that_was_given_back_has_lost_no_attempt",
        ),
        (Defect::NoKeys, "a_job_with_a_known_key_is_left_out"),
        (Defect::NoDelays, "a_delayed_job_waits"),
        (
            Defect::SetAsideAtOnce,
            "a_job_that_is_set_aside_waits_and_loses_no_attempt",
        ),
        (
            Defect::SetAsideAtOnce,
            "a_job_says_since_when_it_is_set_aside_until_an_attempt_fails",
        ),
    ] {
        assert!(notices(case, defect), "{case} does not notice {defect:?}");
    }
}
