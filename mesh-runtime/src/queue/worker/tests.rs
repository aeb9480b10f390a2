//! The worker over the engine in memory, and over one that passes for durable.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::*;
use crate::{
    error::CodecError,
    id::JobId,
    keys::DerivedKeys,
    queue::{DeadLetter, Enqueued, MemoryQueue, NewJob, Queue, QueueAdmin, QueueStats, body},
};

const LONG: Duration = Duration::from_secs(3_600);

fn name() -> QueueName {
    QueueName::new("Shop", "Billing", "export")
}

fn runner<F, Fut>(run: F) -> RunJob
where
    F: Fn(Job) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = JobOutcome> + Send + 'static,
{
    Arc::new(move |opened: OpenedJob| run(opened.job).boxed())
}

/// The declaration of the command in most tests, and another one.
const DECLARED: Declaration = Declaration {
    fingerprint: 1,
    version: 0,
};
const DECLARED_OTHERWISE: Declaration = Declaration {
    fingerprint: 2,
    version: 7,
};

/// The queue as the node that has it sees it. All with the same keys.
fn view<Q: Queue>(engine: &Arc<Q>) -> UntypedQueue {
    view_as(engine, DECLARED)
}

/// The same queue, as a node sees it that declares the command in that way.
fn view_as<Q: Queue>(engine: &Arc<Q>, declaration: Declaration) -> UntypedQueue {
    let engine: Arc<dyn Queue> = engine.clone();
    let keys = DerivedKeys::for_tests("shop", &[1]);
    UntypedQueue::new(engine, name(), &keys, declaration)
}

fn start(engine: &Arc<impl Queue>, options: WorkerOptions, run: RunJob) -> Worker {
    Worker::start(view(engine), options, run)
}

async fn enqueue(engine: &Arc<impl Queue>, payload: &'static str) -> JobId {
    let accepted = view(engine)
        .enqueue(b"", NewJob::new(payload))
        .await
        .unwrap();
    accepted.job_id
}

async fn stats(engine: &Arc<impl Queue>) -> QueueStats {
    view(engine).stats().await.unwrap()
}

async fn dead_letters(engine: &Arc<impl Queue>) -> Vec<DeadLetter<()>> {
    view(engine).dead_letters(9).await.unwrap()
}

/// Runs one job, queued before the worker starts, up to its end in the dead letters.
async fn death_of_a_job(run: RunJob) -> DeadLetter<()> {
    let queue = Arc::new(MemoryQueue::new());
    let id = enqueue(&queue, "x").await;
    let options = WorkerOptions {
        attempts: 1,
        ..WorkerOptions::default()
    };
    let report = start(&queue, options, run).stop(LONG).await;
    let counts = StopReport {
        finished: 1,
        unfinished: 0,
    };
    assert_eq!(report, counts);
    let letter = dead_letters(&queue).await.pop().expect("one dead letter");
    assert_eq!(letter.job_id, id);
    letter
}

#[tokio::test(start_paused = true)]
async fn jobs_run_in_their_order() {
    let queue = Arc::new(MemoryQueue::new());
    let mut sent = Vec::new();
    for payload in ["a", "b", "c"] {
        sent.push(enqueue(&queue, payload).await);
    }
    let (ran, mut runs) = mpsc::unbounded_channel();
    let options = WorkerOptions {
        concurrency: 1,
        ..WorkerOptions::default()
    };
    let run = runner(move |job| {
        ran.send(job.id).unwrap();
        async { JobOutcome::Done }
    });
    let worker = start(&queue, options, run);
    for id in sent {
        assert_eq!(runs.recv().await, Some(id));
    }
    worker.stop(LONG).await;
    assert_eq!(stats(&queue).await, QueueStats::default());
}

#[tokio::test(start_paused = true)]
async fn a_failing_job_is_tried_again_after_a_growing_backoff_and_is_then_a_dead_letter() {
    let queue = Arc::new(MemoryQueue::new());
    let id = enqueue(&queue, "x").await;
    let (ran, mut runs) = mpsc::unbounded_channel();
    let options = WorkerOptions {
        attempts: 3,
        backoff: Duration::from_secs(10),
        ..WorkerOptions::default()
    };
    let run = runner(move |job| {
        ran.send((job.attempt, job.id, Instant::now())).unwrap();
        async move { JobOutcome::Retry(format!("attempt {} failed", job.attempt)) }
    });
    let worker = start(&queue, options, run);
    let mut times = Vec::new();
    for attempt in 1..=3 {
        let (its_attempt, its_id, at) = runs.recv().await.unwrap();
        assert_eq!((its_attempt, &its_id), (attempt, &id));
        times.push(at);
    }
    worker.stop(LONG).await;
    // The clock is Tokio's paused one, which rounds up to a millisecond.
    let secs: Vec<f64> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    assert!((7.5..=12.6).contains(&secs[0]), "{secs:?}");
    assert!((15.0..=25.1).contains(&secs[1]), "{secs:?}");
    let letters = dead_letters(&queue).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].job_id, id);
    assert_eq!(letters[0].attempts, 3);
    assert_eq!(letters[0].error, "attempt 3 failed");
    assert_eq!(letters[0].encoded_args(), Some(&"x".into()));
}

#[tokio::test(start_paused = true)]
async fn a_discarded_job_is_a_dead_letter_at_once() {
    let queue = Arc::new(MemoryQueue::new());
    enqueue(&queue, "x").await;
    let run = runner(|_| async { JobError::discard("no such day").into_outcome() });
    start(&queue, WorkerOptions::default(), run)
        .stop(LONG)
        .await;
    let letters = dead_letters(&queue).await;
    assert_eq!(
        (letters[0].attempts, &*letters[0].error),
        (1, "no such day")
    );
}

trait IntoOutcome {
    fn into_outcome(self) -> JobOutcome;
}

impl IntoOutcome for JobError {
    fn into_outcome(self) -> JobOutcome {
        Err(self).into()
    }
}

#[test]
fn a_handlers_result_says_what_becomes_of_its_job() {
    assert_eq!(JobOutcome::from(Ok(())), JobOutcome::Done);
    let retry = JobError::retry("away").into_outcome();
    assert_eq!(retry, JobOutcome::Retry("away".into()));
    let discard = JobError::discard("wrong").into_outcome();
    assert_eq!(discard, JobOutcome::Discard("wrong".into()));
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_the_runner_reports_counts_as_a_failed_attempt() {
    let letter = death_of_a_job(runner(|_| async { JobOutcome::Panicked("oh".into()) })).await;
    assert_eq!(letter.error, "the handler panicked: oh");
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_panics_does_no_harm_to_other_jobs() {
    let queue = Arc::new(MemoryQueue::new());
    for payload in ["in its future", "at once", "good"] {
        enqueue(&queue, payload).await;
    }
    let options = WorkerOptions {
        attempts: 1,
        concurrency: 1,
        ..WorkerOptions::default()
    };
    let run: RunJob = Arc::new(|job| {
        let payload = String::from_utf8(job.job.payload.to_vec()).unwrap();
        assert_ne!(payload, "at once");
        Box::pin(async move {
            if payload == "in its future" {
                panic!("{payload}");
            }
            JobOutcome::Done
        })
    });
    let report = start(&queue, options, run).stop(LONG).await;
    assert_eq!(report.finished, 3);
    let letters = dead_letters(&queue).await;
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].error, "the handler panicked: in its future");
    assert!(letters[1].error.starts_with("the handler panicked: assert"));
}

#[tokio::test(start_paused = true)]
async fn an_endless_error_text_is_cut() {
    let run = runner(|_| async { JobOutcome::Retry("ö".repeat(MAX_ERROR_BYTES)) });
    assert_eq!(death_of_a_job(run).await.error.len(), MAX_ERROR_BYTES);
}

#[tokio::test(start_paused = true)]
async fn no_more_jobs_run_at_once_than_the_concurrency_allows_and_no_fewer() {
    let queue = Arc::new(MemoryQueue::new());
    let gate = Arc::new(Semaphore::new(0));
    let now = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (ran, mut runs) = mpsc::unbounded_channel();
    let run = {
        let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
        runner(move |_| {
            let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            ran.send(()).unwrap();
            async move {
                gate.acquire().await.unwrap().forget();
                now.fetch_sub(1, Ordering::SeqCst);
                JobOutcome::Done
            }
        })
    };
    let options = WorkerOptions {
        concurrency: 3,
        ..WorkerOptions::default()
    };
    let worker = start(&queue, options, run);
    for _ in 0..10 {
        enqueue(&queue, "x").await;
    }
    for _ in 0..3 {
        runs.recv().await.unwrap();
    }
    assert_eq!(stats(&queue).await.waiting, 7);
    gate.add_permits(10);
    assert_eq!(worker.stop(LONG).await.finished, 10);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn stop_runs_what_waits_in_memory_and_reports_what_is_put_off() {
    let queue = Arc::new(MemoryQueue::new());
    for _ in 0..5 {
        enqueue(&queue, "x").await;
    }
    let delayed = NewJob::new("delayed").delay(Duration::from_secs(86_400));
    view(&queue).enqueue(b"", delayed).await.unwrap();
    let options = WorkerOptions {
        concurrency: 2,
        ..WorkerOptions::default()
    };
    let run = runner(|_| async {
        sleep(Duration::from_secs(1)).await;
        JobOutcome::Done
    });
    let report = start(&queue, options, run).stop(LONG).await;
    let counts = StopReport {
        finished: 5,
        unfinished: 1,
    };
    assert_eq!(report, counts);
}

#[tokio::test(start_paused = true)]
async fn stop_aborts_what_overruns_its_grace_and_reports_it() {
    let queue = Arc::new(MemoryQueue::new());
    let (ran, mut runs) = mpsc::unbounded_channel();
    let run = runner(move |job| {
        ran.send(()).unwrap();
        async move {
            if job.payload == "endless" {
                pending::<()>().await;
            }
            JobOutcome::Done
        }
    });
    let options = WorkerOptions {
        concurrency: 1,
        ..WorkerOptions::default()
    };
    let worker = start(&queue, options, run);
    enqueue(&queue, "endless").await;
    runs.recv().await.unwrap();
    enqueue(&queue, "behind it").await;
    let begun = Instant::now();
    let report = worker.stop(Duration::from_secs(5)).await;
    let counts = StopReport {
        finished: 0,
        unfinished: 2,
    };
    assert_eq!(report, counts);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_worker_aborts_its_jobs() {
    let queue = Arc::new(MemoryQueue::new());
    let (ran, mut runs) = mpsc::unbounded_channel::<()>();
    let run = runner(move |_| {
        let ran = ran.clone();
        async move {
            ran.send(()).unwrap();
            pending().await
        }
    });
    let worker = start(&queue, WorkerOptions::default(), run);
    enqueue(&queue, "endless").await;
    runs.recv().await.unwrap();
    drop(worker);
    // Ends when the last task that holds the runner has gone.
    assert_eq!(runs.recv().await, None);
    assert_eq!(stats(&queue).await.waiting, 1);
}

/// The engine in memory, passing for one that outlives the process, and with leases that can be made to fail.
#[derive(Default)]
struct Durable {
    inner: MemoryQueue,
    failing_leases: AtomicUsize,
    /// Rings when there is a dead letter.
    is_dead: Notify,
}

impl Queue for Durable {
    fn admin(&self) -> &dyn QueueAdmin {
        &self.inner
    }
    fn is_durable(&self) -> bool {
        true
    }
    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, Enqueued> {
        self.inner.enqueue(queue, job)
    }
    fn lease<'a>(&'a self, queue: &'a QueueName, max: usize) -> QueueFuture<'a, Vec<Job>> {
        let one_less = |left: usize| left.checked_sub(1);
        let (set, fetch) = (Ordering::SeqCst, Ordering::SeqCst);
        if self
            .failing_leases
            .fetch_update(set, fetch, one_less)
            .is_ok()
        {
            return Box::pin(async { Err(QueueError::Engine("away".into())) });
        }
        self.inner.lease(queue, max)
    }
    fn complete<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        self.inner.complete(queue, job)
    }
    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: Bytes,
        failure: Failure,
    ) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            let failed = self.inner.fail(queue, job, error, failure).await;
            if failure == Failure::Dead {
                self.is_dead.notify_one();
            }
            failed
        })
    }
    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        self.inner.release(queue, job)
    }
    fn set_aside<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        wait: Duration,
    ) -> QueueFuture<'a, ()> {
        self.inner.set_aside(queue, job, wait)
    }
}

#[tokio::test(start_paused = true)]
async fn stop_gives_leased_jobs_back_to_a_durable_engine_and_leases_no_more() {
    let queue = Arc::new(Durable::default());
    let (ran, mut runs) = mpsc::unbounded_channel();
    let run = runner(move |job| {
        ran.send(()).unwrap();
        async move {
            match &*job.payload {
                b"endless" => pending().await,
                _ => sleep(Duration::from_secs(1)).await,
            }
            JobOutcome::Done
        }
    });
    let options = WorkerOptions {
        concurrency: 2,
        ..WorkerOptions::default()
    };
    let worker = start(&queue, options, run);
    let endless = enqueue(&queue, "endless").await;
    enqueue(&queue, "short").await;
    runs.recv().await.unwrap();
    runs.recv().await.unwrap();
    enqueue(&queue, "for others").await;
    let report = worker.stop(Duration::from_secs(5)).await;
    let counts = StopReport {
        finished: 1,
        unfinished: 1,
    };
    assert_eq!(report, counts);
    let jobs = queue.lease(&name(), 9).await.unwrap();
    assert_eq!(jobs.len(), 2);
    assert_eq!((&jobs[0].id, jobs[0].attempt), (&endless, 1));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_fails_for_a_while_is_asked_again() {
    let queue = Arc::new(Durable::default());
    queue.failing_leases.store(3, Ordering::SeqCst);
    let (ran, mut runs) = mpsc::unbounded_channel();
    let run = runner(move |job| {
        ran.send(job.id).unwrap();
        async { JobOutcome::Done }
    });
    let worker = start(&queue, WorkerOptions::default(), run);
    let id = enqueue(&queue, "x").await;
    assert_eq!(runs.recv().await, Some(id));
    worker.stop(LONG).await;
    assert_eq!(stats(&queue).await, QueueStats::default());
}

/// A runner that tells what it is given and fails for good, and what it was told.
fn discarding() -> (RunJob, mpsc::UnboundedReceiver<Bytes>) {
    let (ran, runs) = mpsc::unbounded_channel();
    let run = runner(move |job| {
        ran.send(job.payload).unwrap();
        async { JobOutcome::Discard("a secret error".into()) }
    });
    (run, runs)
}

/// Runs until there is a dead letter.
async fn run_until_dead(engine: &Arc<Durable>, run: RunJob) {
    let worker = start(engine, WorkerOptions::default(), run);
    engine.is_dead.notified().await;
    worker.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn a_durable_engine_sees_neither_payloads_nor_errors() {
    let engine = Arc::new(Durable::default());
    enqueue(&engine, "a secret order").await;
    let (run, mut runs) = discarding();
    run_until_dead(&engine, run).await;
    assert_eq!(runs.recv().await.unwrap(), "a secret order");

    let kept = engine
        .admin()
        .dead_letters(&name(), 9)
        .await
        .unwrap()
        .remove(0);
    for text in [&kept.payload, &kept.error] {
        assert!(!text.windows(6).any(|window| window == b"secret"));
    }
    let letter = dead_letters(&engine).await.remove(0);
    assert_eq!(letter.encoded_args(), Some(&"a secret order".into()));
    assert_eq!(letter.error, "a secret error");
}

#[tokio::test(start_paused = true)]
async fn an_engine_in_memory_is_given_everything_as_it_is() {
    let engine = Arc::new(MemoryQueue::new());
    enqueue(&engine, "x").await;
    let (run, _runs) = discarding();
    start(&engine, WorkerOptions::default(), run)
        .stop(LONG)
        .await;
    let kept = engine
        .admin()
        .dead_letters(&name(), 9)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(kept.payload, body::encode(DECLARED, b"", b"x"));
    assert_eq!(kept.error, "a secret error");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_of_a_durable_engine_runs_after_it_was_requeued_by_another_instance() {
    let engine = Arc::new(Durable::default());
    let keys = DerivedKeys::for_tests("shop", &[1]);
    let of =
        |instance: &str| UntypedQueue::new(engine.clone(), name().of(instance), &keys, DECLARED);
    let (one, other) = (of("one"), of("other"));
    let accepted = one.enqueue(b"", NewJob::new("x")).await.unwrap();
    let job = one.lease(1).await.unwrap().remove(0);
    one.fail(&job, "away", Failure::Dead).await.unwrap();
    let letter = other.dead_letters(9).await.unwrap().remove(0);
    assert_eq!(letter.instance, Some("one".into()));
    assert_eq!(letter.error, "away");

    assert_eq!(other.requeue(&accepted.job_id).await, Ok(true));
    assert_eq!(one.stats().await.unwrap(), QueueStats::default());
    let again = other.lease(1).await.unwrap().remove(0);
    assert_eq!((&again.id, again.attempt), (&accepted.job_id, 1));
    assert_eq!(
        other.open(&again).ok().map(|opened| opened.args),
        Some("x".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_cannot_be_opened_is_a_dead_letter_at_once() {
    let engine = Arc::new(Durable::default());
    // As it is, where it should be sealed.
    let not_sealed = NewJob::new("x");
    engine.enqueue(&name(), not_sealed).await.unwrap();
    let (run, mut runs) = discarding();
    run_until_dead(&engine, run).await;
    assert_eq!(runs.recv().await, None, "the handler did not run");

    let letter = dead_letters(&engine).await.remove(0);
    assert_eq!((letter.attempts, letter.encoded_args()), (0, None));
    assert!(
        letter.error.starts_with("the job cannot be opened"),
        "{}",
        letter.error
    );
    let requeued = view(&engine).requeue(&letter.job_id).await;
    assert!(
        matches!(requeued, Err(QueueError::Sealed(_))),
        "{requeued:?}"
    );
    assert_eq!(view(&engine).requeue_all().await, Ok(0));
    assert_eq!(view(&engine).purge_all().await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_attempts_never_ended_is_a_dead_letter_without_another() {
    let engine = Arc::new(Durable::default());
    enqueue(&engine, "x").await;
    let attempts = WorkerOptions::default().attempts;
    // As if each of its workers had died.
    for attempt in 1..=attempts {
        let job = view(&engine).lease(1).await.unwrap().remove(0);
        assert_eq!(job.attempt, attempt);
        let again = Failure::Retry {
            after: Duration::ZERO,
        };
        view(&engine).fail(&job, "", again).await.unwrap();
    }
    let (run, mut runs) = discarding();
    run_until_dead(&engine, run).await;
    assert_eq!(runs.recv().await, None, "the handler did not run");
    let letter = dead_letters(&engine).await.remove(0);
    assert!(letter.error.contains("never ended"), "{}", letter.error);
    assert_eq!(letter.encoded_args(), Some(&"x".into()));
}

/// Fails a test that waits for what does not happen. The clock is the paused one, so nobody waits as long.
async fn within<T>(event: impl Future<Output = T>) -> T {
    timeout(LONG, event).await.expect("it does not happen")
}

/// A runner that says which jobs it ran, and what it ran.
fn noting() -> (RunJob, mpsc::UnboundedReceiver<JobId>) {
    let (ran, runs) = mpsc::unbounded_channel();
    let run = runner(move |job| {
        ran.send(job.id).unwrap();
        async { JobOutcome::Done }
    });
    (run, runs)
}

#[tokio::test(start_paused = true)]
async fn of_two_declarations_each_worker_runs_only_the_jobs_of_its_own() {
    let engine = Arc::new(Durable::default());
    let mut sent = [Vec::new(), Vec::new()];
    for _ in 0..20 {
        for (sent, declared) in sent.iter_mut().zip([DECLARED, DECLARED_OTHERWISE]) {
            let queue = view_as(&engine, declared);
            sent.push(queue.enqueue(b"", NewJob::new("x")).await.unwrap().job_id);
        }
    }
    let mut workers = Vec::new();
    for (mut sent, declared) in sent.into_iter().zip([DECLARED, DECLARED_OTHERWISE]) {
        let (run, mut runs) = noting();
        let queue = view_as(&engine, declared);
        workers.push(Worker::start(queue, WorkerOptions::default(), run));
        while !sent.is_empty() {
            let ran = within(runs.recv()).await.unwrap();
            let position = sent.iter().position(|id| *id == ran);
            sent.remove(position.expect("a job of this declaration, once"));
        }
    }
    for worker in workers {
        worker.stop(LONG).await;
    }
    assert_eq!(stats(&engine).await, QueueStats::default());
}

#[tokio::test(start_paused = true)]
async fn a_job_of_another_declaration_is_a_dead_letter_after_its_time_and_runs_where_it_belongs() {
    let engine = Arc::new(Durable::default());
    let there = view_as(&engine, DECLARED_OTHERWISE);
    let id = there.enqueue(b"", NewJob::new("x")).await.unwrap().job_id;
    let options = WorkerOptions {
        incompatible: Duration::ZERO,
        ..WorkerOptions::default()
    };
    let (run, mut runs) = noting();
    let worker = start(&engine, options, run);
    within(engine.is_dead.notified()).await;
    worker.stop(LONG).await;
    assert_eq!(runs.recv().await, None, "the handler did not run");

    let letter = dead_letters(&engine).await.remove(0);
    assert_eq!((&letter.job_id, letter.attempts), (&id, 0));
    for part in [
        "another declaration of the command",
        "version 7",
        "version 0",
    ] {
        assert!(letter.error.contains(part), "{part}: {}", letter.error);
    }
    let args = letter.args().unwrap();
    assert!(
        matches!(args, Err(CodecError::DeclaredOtherwise { .. })),
        "{args:?}"
    );

    // Requeued by a node that cannot run it, it is still the job of the declaration that it was queued for.
    assert_eq!(view(&engine).requeue(&id).await, Ok(true));
    let (run, mut runs) = noting();
    let worker = Worker::start(there, WorkerOptions::default(), run);
    assert_eq!(within(runs.recv()).await, Some(id));
    worker.stop(LONG).await;
    assert_eq!(stats(&engine).await, QueueStats::default());
}

#[tokio::test(start_paused = true)]
async fn a_job_is_set_aside_for_longer_each_time_and_not_beyond_its_limit() {
    let engine = Arc::new(MemoryQueue::new());
    let context = WorkerContext {
        queue: view(&engine),
        options: WorkerOptions::default(),
        run: noting().0,
    };
    let job = |waited: Duration| {
        let job = Job::new("job".into(), Bytes::new(), 1, SystemTime::now());
        job.set_aside_since(Some(SystemTime::now() - waited))
    };
    let wait = |waited| match context.declared_otherwise(&job(waited), DECLARED_OTHERWISE) {
        NotRun::SetAside { wait } => Some(wait.as_secs_f64()),
        NotRun::Never(_) => None,
    };
    let secs = Duration::from_secs;
    for (waited, shortest, longest) in [(0, 0.75, 1.25), (40, 3.74, 6.26), (400, 7.5, 12.5)] {
        let wait = wait(secs(waited)).unwrap();
        assert!((shortest..=longest).contains(&wait), "{waited}: {wait}");
    }
    assert!(wait(secs(599)).unwrap() <= 1.0);
    assert_eq!(wait(secs(600)), None);
}

#[tokio::test(start_paused = true)]
async fn a_worker_runs_nothing_of_a_paused_queue_until_it_is_resumed() {
    let engine = Arc::new(MemoryQueue::new());
    let queue = view(&engine);
    queue.pause().await.unwrap();
    let (ran, mut runs) = mpsc::unbounded_channel();
    let run = runner(move |job| {
        ran.send(job.id).unwrap();
        async { JobOutcome::Done }
    });
    let worker = start(&engine, WorkerOptions::default(), run);
    let id = enqueue(&engine, "x").await;
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.paused), (1, true));
    queue.resume().await.unwrap();
    assert_eq!(runs.recv().await, Some(id));
    worker.stop(LONG).await;
}

#[test]
fn a_backoff_doubles_up_to_ten_minutes() {
    let secs = |failures| step(Duration::from_secs(1), failures, MAX_BACKOFF).as_secs();
    assert_eq!([secs(1), secs(2), secs(5)], [1, 2, 16]);
    assert_eq!([secs(20), secs(u32::MAX)], [600, 600]);
}
