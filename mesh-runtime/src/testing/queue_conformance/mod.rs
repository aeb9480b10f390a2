//! Tests, for any engine, of what [`Queue`] and [`QueueAdmin`](crate::queue::QueueAdmin) promise.
//! [`queue_conformance!`](crate::queue_conformance) makes a `#[test]` of each case. This module knows no engine.
//!
//! ```
//! use mesh_runtime::queue::{MemoryQueue, Queue};
//! use mesh_runtime::testing::queue_conformance::{EngineFactory, EngineLimits, OpenFuture};
//! use std::sync::{Arc, OnceLock};
//!
//! /// All engines of one test share their jobs.
//! #[derive(Default)]
//! struct InMemory(OnceLock<Arc<MemoryQueue>>);
//!
//! impl EngineFactory for InMemory {
//!     fn open(&self, limits: EngineLimits) -> OpenFuture<'_> {
//!         let engine = self.0.get_or_init(|| {
//!             let mut engine = MemoryQueue::new();
//!             if let Some(jobs) = limits.jobs {
//!                 engine = engine.max_jobs(jobs as usize);
//!             }
//!             if let Some(keys) = limits.keys {
//!                 engine = engine.max_keys(keys as usize);
//!             }
//!             if let Some(dead) = limits.dead {
//!                 engine = engine.max_dead(dead as usize);
//!             }
//!             Arc::new(engine)
//!         });
//!         let engine: Arc<dyn Queue> = Arc::clone(engine) as _;
//!         Box::pin(async move { engine })
//!     }
//! }
//!
//! mod in_memory {
//!     mesh_runtime::queue_conformance!(super::InMemory::default());
//! }
//! ```

mod admin;
mod dead_letters;
mod delays;
mod leasing;
mod limits;
mod set_aside;

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, LocalBoxFuture, join_all},
    poll,
};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    id::JobId,
    queue::{Failure, Job, JobState, NewJob, Queue, QueueError, QueueName, QueueStats},
};

/// How long a case may take, and how long a condition may take to become true. It is far more than any case needs, and
/// only ends cases that hang.
const LIMIT: Duration = Duration::from_secs(120);
/// The polling interval while waiting for a condition.
const PAUSE: Duration = Duration::from_millis(10);
/// Effectively never.
const LONG: Duration = Duration::from_secs(3_600);
/// Effectively at once.
const SHORT: Duration = Duration::from_millis(5);

/// The limits that a case needs. `None` is the engine's default.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct EngineLimits {
    /// The maximum number of jobs of a queue.
    pub jobs: Option<u32>,
    /// The maximum number of deduplication keys of a queue.
    pub keys: Option<u32>,
    /// The maximum number of dead letters of a command.
    pub dead: Option<u32>,
}

/// What [`EngineFactory::open`] returns.
pub type OpenFuture<'a> = BoxFuture<'a, Arc<dyn Queue>>;

/// Opens the engines under test. Each case has a factory of its own, whose queues are empty at first.
pub trait EngineFactory: Send + Sync + 'static {
    /// Opens an engine. All engines of one factory see the same jobs, as several processes would. A case always asks
    /// its factory for the same limits.
    fn open(&self, limits: EngineLimits) -> OpenFuture<'_>;
}

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: fn(Engines) -> LocalBoxFuture<'static, ()>,
}

impl Case {
    /// The name of the case, which says what it checks.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case on a Tokio runtime with two threads.
    ///
    /// # Panics
    /// If the engine does not do what the case checks, or not within two minutes.
    pub fn run(&self, factory: impl EngineFactory) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let engines = Engines(Arc::new(factory));
        runtime
            .block_on(async { tokio::time::timeout(LIMIT, (self.run)(engines)).await })
            .expect("the case waits for something that does not happen");
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Makes a `#[test]` of each case, for the engines of a factory. The expression is evaluated in each test anew. See
/// [`testing::queue_conformance`](crate::testing::queue_conformance) for an example.
#[macro_export]
macro_rules! queue_conformance {
    (@tests ($factory:expr) $($module:ident::$case:ident)*) => {
        $(#[test]
        fn $case() {
            $crate::testing::queue_conformance::case(::core::stringify!($case)).run($factory);
        })*
    };
    (@list () $($module:ident::$case:ident)*) => {
        vec![$(Case {
            name: stringify!($case),
            run: |engines| Box::pin($module::$case(engines)),
        }),*]
    };
    (@cases $what:ident $args:tt) => {
        $crate::queue_conformance! { @$what $args
            leasing::jobs_are_leased_in_the_order_in_which_they_came
            leasing::a_lease_takes_no_more_than_it_asks_for
            leasing::a_lease_waits_for_a_job
            leasing::a_lease_that_is_dropped_loses_no_job
            leasing::a_job_is_as_it_was_given
            leasing::a_job_of_four_mebibytes_is_as_it_was_given
            leasing::a_job_that_is_complete_is_leased_no_more
            leasing::a_job_that_failed_is_leased_again_with_a_higher_attempt
            leasing::a_job_that_was_given_back_has_lost_no_attempt
            set_aside::a_job_that_is_set_aside_waits_and_loses_no_attempt
            set_aside::a_job_says_since_when_it_is_set_aside_until_an_attempt_fails
            set_aside::a_job_is_still_set_aside_after_a_pause
            set_aside::only_a_leased_job_can_be_set_aside
            leasing::queues_are_apart
            leasing::of_many_jobs_each_is_leased_once
            delays::a_job_that_failed_waits_for_its_backoff
            delays::a_delayed_job_waits
            delays::a_job_is_leased_when_its_delay_is_over
            delays::a_job_for_a_time_that_has_passed_is_leased_at_once
            delays::a_job_for_later_lets_others_pass
            limits::a_job_with_a_known_key_is_left_out
            limits::a_key_outlives_its_job_and_is_forgotten_after_its_window
            limits::keys_of_different_queues_have_nothing_to_do_with_each_other
            limits::a_queue_with_too_many_keys_refuses_another
            limits::a_full_queue_refuses_another_job_until_one_is_complete
            limits::delayed_and_running_jobs_count_towards_the_limit
            admin::a_paused_queue_takes_jobs_and_leases_none
            admin::a_pause_holds_back_what_was_delayed_failed_or_given_back
            admin::a_queue_can_be_paused_before_its_first_job_and_resumed_twice
            admin::a_long_queue_keeps_its_order_over_a_pause
            admin::the_state_of_a_queue_is_told
            admin::a_queue_that_never_had_a_job_is_empty
            dead_letters::dead_letters_are_listed_the_oldest_first
            dead_letters::dead_letters_are_shared_by_the_queues_of_a_command
            dead_letters::a_dead_letter_can_be_put_back
            dead_letters::a_dead_letter_stays_where_it_is_while_the_queue_is_full
            dead_letters::a_dead_letter_can_be_thrown_away
            dead_letters::of_too_many_dead_letters_the_oldest_goes
            admin::jobs_are_listed_by_their_state
            admin::jobs_of_a_paused_queue_are_listed_in_their_order
            admin::a_job_is_found_wherever_it_is
            admin::a_job_that_waits_or_is_delayed_can_be_removed
            admin::a_removed_job_leaves_its_room_and_its_key
        }
    };
    ($factory:expr) => {
        $crate::queue_conformance! { @cases tests ($factory) }
    };
}

/// All cases of the suite, to be run in some other way than by [`queue_conformance!`](crate::queue_conformance).
pub fn cases() -> Vec<Case> {
    queue_conformance!(@cases list ())
}

/// The case with this name. Used by [`queue_conformance!`](crate::queue_conformance).
#[doc(hidden)]
pub fn case(name: &str) -> Case {
    let mut cases = cases().into_iter();
    cases
        .find(|case| case.name == name)
        .expect("the macro names cases that exist")
}

/// The engines of one case.
struct Engines(Arc<dyn EngineFactory>);

impl Engines {
    /// Opens one more engine over the same jobs.
    async fn one(&self) -> Arc<dyn Queue> {
        self.with(EngineLimits::default()).await
    }

    /// Opens one more engine, with these limits.
    async fn with(&self, limits: EngineLimits) -> Arc<dyn Queue> {
        self.0.open(limits).await
    }
}

/// Waits until a condition is true.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it never came true: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The queue of a `queued balanced` command.
fn name(command: &str) -> QueueName {
    QueueName::new("Shop", "Billing", command)
}

async fn enqueue(engine: &Arc<dyn Queue>, queue: &QueueName, text: impl Into<Bytes>) -> JobId {
    let enqueued = engine.enqueue(queue, NewJob::new(text)).await.unwrap();
    assert!(!enqueued.duplicate);
    enqueued.job_id
}

/// Leases exactly one job.
async fn lease(engine: &Arc<dyn Queue>, queue: &QueueName) -> Job {
    let mut jobs = engine.lease(queue, 1).await.unwrap();
    assert_eq!(jobs.len(), 1);
    jobs.remove(0)
}

/// Leases `count` jobs, and returns their payloads as texts. The jobs stay leased.
async fn lease_texts(engine: &Arc<dyn Queue>, queue: &QueueName, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let jobs = engine.lease(queue, count - texts.len()).await.unwrap();
        assert!(!jobs.is_empty());
        texts.extend(jobs.iter().map(|job| text(&job.payload)));
    }
    texts
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The numbers of waiting, running, delayed and dead jobs.
fn counts(stats: &QueueStats) -> [u64; 4] {
    [stats.waiting, stats.running, stats.delayed, stats.dead]
}

async fn stats(engine: &Arc<dyn Queue>, queue: &QueueName) -> [u64; 4] {
    counts(&engine.admin().stats(queue).await.unwrap())
}

/// Enqueues a job with this text, and makes it a dead letter.
async fn bury(engine: &Arc<dyn Queue>, queue: &QueueName, text: &str) -> JobId {
    let id = enqueue(engine, queue, text.to_owned()).await;
    let job = lease(engine, queue).await;
    assert_eq!(job.id, id);
    let error = format!("no {text}").into();
    let failed = engine.fail(queue, &job, error, Failure::Dead).await;
    assert_eq!(failed, Ok(()));
    id
}

fn not_leased<T>(job: &Job) -> Result<T, QueueError> {
    Err(QueueError::NotLeased {
        job: job.id.clone(),
    })
}
