//! Runs the jobs of one queue: leases them, runs so many at once, and tells the engine how each ended. Owns
//! the tasks that do so. Knows nothing of handlers, payloads or which engine it is.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    future::pending,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use super::{
    Declaration, Failure, Job, JobArgs, QueueError, QueueFuture, QueueName, UntypedQueue,
    command_queue::Unopened,
};
use crate::{
    backoff::{Backoff, later, step, varied},
    error::JobError,
    panic_text::panic_text,
    repeating::Repeating,
};

/// The longest backoff, before its jitter.
const MAX_BACKOFF: Duration = Duration::from_secs(10 * 60);
/// The pause after a failed lease: full jitter, of a step that doubles from the first to the longest.
const LEASE_PAUSE: Duration = Duration::from_millis(200);
const MAX_LEASE_PAUSE: Duration = Duration::from_secs(5);
/// How long aborted jobs have to get out of the way, and then the engine to take back what is left.
const SETTLE: Duration = Duration::from_secs(2);
/// How long a job of another declaration is set aside at a time: an eighth of the time that it has waited already, within
/// these bounds. Each time it is due, any instance may lease it, so it is due often enough to meet the one that has its
/// declaration: some 80 times in ten minutes.
const SHORTEST_ASIDE: Duration = Duration::from_secs(1);
const LONGEST_ASIDE: Duration = Duration::from_secs(10);
/// The longest error text that is kept with a job.
const MAX_ERROR_BYTES: usize = 4 * 1024;

/// A job as its handler gets it: opened.
pub(crate) struct OpenedJob {
    /// The job. Its payload is the encoded arguments.
    pub(crate) job: Job,
    /// The extension block of the call that queued it. It is whole; empty if there is none.
    pub(crate) block: Bytes,
}

/// How a job's run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JobOutcome {
    /// It is done.
    Done,
    /// It failed with this text, and may be tried again.
    Retry(String),
    /// It failed with this text, and no attempt can fix it.
    Discard(String),
    /// Its handler panicked with this text. It may be tried again.
    Panicked(String),
    /// It was not run, for this reason, and will not be: this attempt does not count.
    Unrun(String),
}

impl From<Result<(), JobError>> for JobOutcome {
    fn from(result: Result<(), JobError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) if error.is_retry() => Self::Retry(error.to_string()),
            Err(error) => Self::Discard(error.to_string()),
        }
    }
}

/// Runs one job: decodes it, calls the handler, and says how that ended.
pub(crate) type RunJob = Arc<dyn Fn(OpenedJob) -> BoxFuture<'static, JobOutcome> + Send + Sync>;

/// How a worker processes its queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WorkerOptions {
    /// Jobs that run at once. At least one does.
    pub(crate) concurrency: usize,
    /// How often a job is tried before it is a dead letter. At least once.
    pub(crate) attempts: u32,
    /// The wait before the second attempt. It doubles with each further one up to ten minutes, and is then varied
    /// by a quarter either way, so that jobs that failed together do not come back together.
    pub(crate) backoff: Duration,
    /// How long a job that was queued under another declaration of the command waits for an instance that has it.
    pub(crate) incompatible: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 16,
            attempts: 5,
            backoff: Duration::from_secs(1),
            incompatible: Duration::from_secs(10 * 60),
        }
    }
}

/// How much came of a worker's last jobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct StopReport {
    /// Jobs that were done, or came to the dead letters, after the worker was told to stop.
    pub(crate) finished: u64,
    /// Jobs that are left. In a durable engine: those that had to be given back. Otherwise: all that the queue
    /// still holds, and that will be lost with it.
    pub(crate) unfinished: u64,
}

/// Runs the jobs of one queue until it is stopped. Dropping it stops it without a grace.
pub(crate) struct Worker {
    queue: QueueName,
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<StopReport>,
}

impl Worker {
    /// Starts to run the jobs of a queue. Must be called on a Tokio runtime.
    pub(crate) fn start(queue: UntypedQueue, options: WorkerOptions, run: RunJob) -> Self {
        let (stop, stopped) = oneshot::channel();
        let name = queue.name().clone();
        let context = Arc::new(WorkerContext {
            queue,
            options,
            run,
        });
        Self {
            queue: name,
            stop,
            task: tokio::spawn(work(context, stopped)),
        }
    }

    /// Stops. With a durable engine no job is leased from here on; otherwise what waits still runs. After
    /// `grace` whatever runs is aborted, and given back. Ends a few seconds after `grace` at the latest, and goes
    /// on to its end when dropped.
    ///
    /// See to it first that nothing more is enqueued: an engine in memory takes jobs that nobody runs any more.
    pub(crate) async fn stop(self, grace: Duration) -> StopReport {
        // If nobody listens the task has come to its end by itself, and its report is there.
        let _ = self.stop.send(grace);
        self.task.await.unwrap_or_else(|error| {
            tracing::error!(queue = %self.queue, %error, "the worker of the queue broke down");
            StopReport::default()
        })
    }
}

/// Why a leased job is not run.
enum NotRun {
    /// No instance can run it, for this reason.
    Never(String),
    /// Another instance may run it: this one does not lease it again for that long.
    SetAside { wait: Duration },
}

/// What all the tasks of one worker share.
struct WorkerContext {
    queue: UntypedQueue,
    options: WorkerOptions,
    run: RunJob,
}

/// Whether a run brought its job to an end, rather than to another attempt.
type Finished = bool;

/// The jobs that run, each in a task of its own.
#[derive(Default)]
struct RunningJobs {
    tasks: JoinSet<Finished>,
    jobs: HashMap<tokio::task::Id, Job>,
}

impl RunningJobs {
    fn start(&mut self, context: &Arc<WorkerContext>, job: Job) {
        let task = self.tasks.spawn(context.clone().run(job.clone()));
        self.jobs.insert(task.id(), job);
    }

    /// The next run that ends, or none if nothing runs. Cancel safe.
    async fn next(&mut self) -> Option<Finished> {
        match self.tasks.join_next_with_id().await? {
            Ok((id, finished)) => {
                self.jobs.remove(&id);
                Some(finished)
            }
            Err(error) => {
                self.note_broken(&error);
                Some(false)
            }
        }
    }

    /// An aborted run leaves its job here, to be given back. Panics of the run itself are caught in there, so one
    /// that comes out is the engine's, and the job is where that engine left it.
    fn note_broken(&mut self, error: &JoinError) {
        if error.is_panic()
            && let Some(job) = self.jobs.remove(&error.id())
        {
            tracing::error!(job = %job.id, %error, "the queue's engine panicked");
        }
    }
}

/// The worker's own task.
async fn work(context: Arc<WorkerContext>, mut stopped: oneshot::Receiver<Duration>) -> StopReport {
    let concurrency = context.options.concurrency.max(1);
    let mut running = RunningJobs::default();
    let mut lease: Option<QueueFuture<'_, Vec<Job>>> = None;
    let mut leasing = true;
    let mut backoff = Backoff::new(LEASE_PAUSE, MAX_LEASE_PAUSE);
    let mut repeating = Repeating::new();
    let mut pause = Duration::ZERO;
    let mut deadline: Option<Instant> = None;
    let mut finished_after_stop = 0;

    loop {
        if let Some(deadline) = deadline
            && running.tasks.is_empty()
            && !(leasing && context.has_waiting(deadline).await)
        {
            break;
        }
        let free = concurrency.saturating_sub(running.tasks.len());
        if leasing && lease.is_none() && free > 0 {
            lease = Some(context.lease(free, pause));
        }
        let overdue = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        let leased = async {
            match &mut lease {
                Some(lease) => lease.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            grace = &mut stopped, if deadline.is_none() => {
                // The worker was dropped if nobody says how long.
                deadline = Some(later(Instant::now(), grace.unwrap_or(Duration::ZERO)));
                if context.queue.is_durable() {
                    leasing = false;
                    lease = None;
                }
            }
            () = overdue => break,
            Some(finished) = running.next() => {
                if finished && deadline.is_some() {
                    finished_after_stop += 1;
                }
            }
            jobs = leased => {
                lease = None;
                match jobs {
                    Ok(jobs) => {
                        backoff.reset();
                        repeating.reset();
                        pause = Duration::ZERO;
                        for job in jobs {
                            running.start(&context, job);
                        }
                    }
                    Err(QueueError::Closed) => {
                        tracing::warn!(queue = %context.queue.name(), "the queue's engine is shut down: no more jobs run");
                        leasing = false;
                    }
                    Err(error) => {
                        pause = backoff.next();
                        if repeating.is_due(&error.to_string(), Instant::now()) {
                            tracing::warn!(queue = %context.queue.name(), %error, "no jobs could be leased: trying again");
                        }
                    }
                }
            }
        }
    }
    drop(lease);
    finished_after_stop += abort(&mut running).await;
    context
        .report(finished_after_stop, running.jobs.into_values())
        .await
}

/// Ends whatever still runs, and returns how many came to an end by themselves all the same.
async fn abort(running: &mut RunningJobs) -> u64 {
    let mut finished = 0;
    running.tasks.abort_all();
    let settled = timeout(SETTLE, async {
        while let Some(by_itself) = running.next().await {
            finished += u64::from(by_itself);
        }
    });
    if settled.await.is_err() {
        tracing::warn!(
            jobs = running.tasks.len(),
            "aborted jobs go on: their handlers block a thread"
        );
    }
    finished
}

impl WorkerContext {
    /// Waits for up to `max` jobs, after a pause.
    fn lease(&self, max: usize, pause: Duration) -> QueueFuture<'_, Vec<Job>> {
        Box::pin(async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            self.queue.lease(max).await
        })
    }

    /// Whether any job could run now: none while the queue is paused.
    async fn has_waiting(&self, deadline: Instant) -> bool {
        match timeout_at(deadline, self.queue.stats()).await {
            Ok(Ok(stats)) => stats.waiting > 0 && !stats.paused,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Runs a job, and tells the engine how it ended.
    async fn run(self: Arc<Self>, mut job: Job) -> Finished {
        let outcome = match self.opened(&job) {
            Ok(opened) => self.attempt(opened).await,
            Err(NotRun::Never(why)) => JobOutcome::Unrun(why),
            Err(NotRun::SetAside { wait }) => {
                let set_aside = self.queue.set_aside(&job, wait).await;
                self.settled(&job, set_aside);
                return false;
            }
        };
        let (error, retry) = match outcome {
            JobOutcome::Done => {
                let completed = self.queue.complete(&job).await;
                return self.settled(&job, completed);
            }
            JobOutcome::Retry(error) => (error, true),
            JobOutcome::Discard(error) => (error, false),
            JobOutcome::Panicked(text) => (format!("the handler panicked: {text}"), true),
            JobOutcome::Unrun(why) => {
                job.attempt = job.attempt.saturating_sub(1);
                (why, false)
            }
        };
        let error = shortened(error);
        let failure = if retry && job.attempt < self.options.attempts {
            Failure::Retry {
                after: varied(step(self.options.backoff, job.attempt, MAX_BACKOFF)),
            }
        } else {
            Failure::Dead
        };
        tracing::warn!(
            queue = %self.queue.name(),
            job = %job.id,
            attempt = job.attempt,
            error,
            ?failure,
            "a job failed"
        );
        let failed = self.queue.fail(&job, &error, failure).await;
        self.settled(&job, failed) && failure == Failure::Dead
    }

    /// The job as its handler gets it, or why it is not to run.
    fn opened(&self, job: &Job) -> Result<OpenedJob, NotRun> {
        let JobArgs { block, args } = match self.queue.open(job) {
            Ok(opened) => opened,
            Err(Unopened::Unreadable(why)) => {
                return Err(NotRun::Never(format!("the job cannot be opened: {why}")));
            }
            Err(Unopened::DeclaredOtherwise(declared)) => {
                return Err(self.declared_otherwise(job, declared));
            }
        };
        if job.attempt > self.options.attempts.max(1) {
            return Err(NotRun::Never(format!(
                "attempt {} never ended: its node died, or lost the job to another, and no attempt is left",
                job.attempt - 1
            )));
        }
        let job = Job {
            payload: args,
            ..job.clone()
        };
        Ok(OpenedJob { job, block })
    }

    /// A job that was queued under another declaration is left to the instances that have it, for a while.
    fn declared_otherwise(&self, job: &Job, declared: Declaration) -> NotRun {
        let here = self.queue.declaration();
        let since = job.set_aside_since.unwrap_or_else(SystemTime::now);
        // A clock that was set back makes it wait for longer.
        let waited = since.elapsed().unwrap_or_default();
        let limit = self.options.incompatible;
        if job.set_aside_since.is_some() && waited >= limit {
            return NotRun::Never(format!(
                "it was queued for another declaration of the command ({declared}), and no instance that has it came \
                 within {limit:?}; here it is {here}: requeue it where the program that queued it runs, or purge it"
            ));
        }
        tracing::debug!(
            queue = %self.queue.name(),
            job = %job.id,
            %declared,
            %here,
            "a job was queued for another declaration of the command: it is left to instances that have it"
        );
        let wait = varied((waited / 8).clamp(SHORTEST_ASIDE, LONGEST_ASIDE));
        NotRun::SetAside {
            wait: wait.min(limit.saturating_sub(waited)),
        }
    }

    async fn attempt(&self, job: OpenedJob) -> JobOutcome {
        AssertUnwindSafe(async { (self.run)(job).await })
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| JobOutcome::Panicked(panic_text(&*panic)))
    }

    fn settled(&self, job: &Job, result: Result<(), QueueError>) -> Finished {
        if let Err(error) = &result {
            tracing::warn!(
                queue = %self.queue.name(),
                job = %job.id,
                %error,
                "the end of a job could not be recorded: it may run again"
            );
        }
        result.is_ok()
    }

    /// Gives the aborted jobs back, and sums up.
    async fn report(
        &self,
        finished: u64,
        aborted: impl ExactSizeIterator<Item = Job>,
    ) -> StopReport {
        let aborted_count = aborted.len() as u64;
        let left = timeout(SETTLE, async {
            for job in aborted {
                if let Err(error) = self.queue.release(&job).await {
                    tracing::warn!(
                        queue = %self.queue.name(),
                        job = %job.id,
                        %error,
                        "a job could not be given back"
                    );
                }
            }
            if self.queue.is_durable() {
                // Nothing depends on it.
                if let Err(error) = self.queue.leave().await {
                    tracing::debug!(queue = %self.queue.name(), %error, "the queue could not be left");
                }
                return Ok(aborted_count);
            }
            let stats = self.queue.stats().await?;
            Ok::<_, QueueError>(stats.waiting + stats.delayed)
        });
        let unfinished = match left.await {
            Ok(Ok(left)) => left,
            Ok(Err(_)) | Err(_) => aborted_count,
        };
        if unfinished == 0 {
            tracing::debug!(queue = %self.queue.name(), finished, "the worker has stopped");
        } else if self.queue.is_durable() {
            tracing::info!(
                queue = %self.queue.name(),
                finished,
                unfinished,
                "the worker has stopped and gave jobs back"
            );
        } else {
            tracing::warn!(
                queue = %self.queue.name(),
                finished,
                unfinished,
                "the worker has stopped: what is left in memory is lost with the process"
            );
        }
        StopReport {
            finished,
            unfinished,
        }
    }
}

/// The engine keeps the text as long as the job: a handler must not fill it up.
fn shortened(mut error: String) -> String {
    error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
    error
}
