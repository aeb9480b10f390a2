//! Leasing: first what was left alone, then what waits, and then a read that blocks until something comes. Only one
//! lease of a queue is under way in a process.

use std::{sync::Arc, time::Duration};

use deadpool_redis::redis::{self, RedisError};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    line,
    queue_entry::{Core, SetAside},
    scripts,
    server::{RedisConnection, failed},
    values::{RawEntry, millis},
};
use crate::{
    backoff::later,
    queue::{Job, QueueError},
};

/// How long a read blocks. Short enough to notice a pause, and a connection that is dead.
const BLOCK: Duration = Duration::from_secs(2);
/// How often it is looked whether a paused queue has been resumed from elsewhere.
const PAUSED: Duration = Duration::from_millis(500);

/// Who waits for the jobs.
pub(super) type Waiting = oneshot::Sender<Result<Handed, QueueError>>;

/// Jobs on their way to who waits for them. Whoever goes away meanwhile gives them back by dropping this.
pub(super) struct Handed {
    core: Arc<Core>,
    jobs: Vec<Job>,
    runtime: Handle,
}

impl Handed {
    /// They have arrived.
    pub(super) fn take(mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let jobs = std::mem::take(&mut self.jobs);
        if !jobs.is_empty() {
            let core = Arc::clone(&self.core);
            self.runtime
                .spawn(async move { give_back(&core, jobs).await });
        }
    }
}

/// Whether whoever waited has gone.
struct Gone;

/// The side of a queue that leases.
pub(super) struct LeaseReader {
    /// For reads that block, with its id in Redis where that is known.
    blocking: Option<(RedisConnection, Option<i64>)>,
    /// An answer was lost: jobs may have been leased that nobody knows of.
    lost_answer: bool,
    next_reclaim: Instant,
}

impl LeaseReader {
    pub(super) fn new() -> Self {
        Self {
            blocking: None,
            lost_answer: false,
            next_reclaim: Instant::now(),
        }
    }

    /// Leases jobs for `waiting`, and gives back what comes too late for it.
    pub(super) async fn lease(&mut self, core: &Arc<Core>, max: usize, mut waiting: Waiting) {
        let jobs = match self.jobs(core, max, &mut waiting).await {
            Ok(Ok(jobs)) => Ok(Handed {
                core: Arc::clone(core),
                jobs,
                runtime: Handle::current(),
            }),
            Ok(Err(Gone)) => return,
            Err(error) => {
                self.blocking = None;
                self.lost_answer = true;
                Err(error)
            }
        };
        if let Err(Ok(late)) = waiting.send(jobs) {
            give_back(core, late.take()).await;
        }
    }

    async fn jobs(
        &mut self,
        core: &Core,
        max: usize,
        waiting: &mut Waiting,
    ) -> Result<Result<Vec<Job>, Gone>, QueueError> {
        loop {
            if waiting.is_closed() {
                return Ok(Err(Gone));
            }
            let mut jobs = self.reclaim(core, max).await?;
            let mut paused = false;
            if jobs.is_empty() {
                (jobs, paused) = self.take_waiting(core, max).await?;
            }
            if jobs.is_empty() && paused {
                tokio::select! {
                    () = sleep(PAUSED) => {}
                    () = waiting.closed() => {}
                }
            } else if jobs.is_empty() {
                jobs = self.wait(core, max, waiting).await?;
            }
            if !jobs.is_empty() {
                return Ok(Ok(jobs));
            }
        }
    }

    /// Jobs whose leases ran out, and own ones that nobody here knows of.
    async fn reclaim(&mut self, core: &Core, max: usize) -> Result<Vec<Job>, QueueError> {
        let lease = core.settings.lease;
        let mut jobs = Vec::new();
        if self.lost_answer {
            jobs = self
                .claim(core, max, Duration::ZERO, &core.consumer)
                .await?;
            // More may be left if there was no room for them.
            self.lost_answer = jobs.len() == max;
        }
        if jobs.is_empty() && self.next_reclaim <= Instant::now() {
            jobs = self.claim(core, max, lease, "").await?;
            if jobs.len() < max {
                self.next_reclaim = later(Instant::now(), lease / 2);
            }
        }
        Ok(jobs)
    }

    async fn claim(
        &mut self,
        core: &Core,
        max: usize,
        idle: Duration,
        whose: &str,
    ) -> Result<Vec<Job>, QueueError> {
        let mut call = scripts::RECLAIM.prepare_invoke();
        call.key(&core.keys.jobs).key(&core.keys.paused);
        call.arg(&core.consumer).arg(millis(idle)).arg(max);
        call.arg(whose).arg(core.running());
        let claimed: Vec<(RawEntry, u32)> = core.invoke(&call).await?;
        if !claimed.is_empty() {
            tracing::info!(
                queue = %core.name,
                jobs = claimed.len(),
                "takes over jobs whose lease ran out"
            );
        }
        Ok(core.take(claimed))
    }

    /// Jobs that wait now, and whether the queue is paused.
    async fn take_waiting(
        &mut self,
        core: &Core,
        max: usize,
    ) -> Result<(Vec<Job>, bool), QueueError> {
        let keys = &core.keys;
        let mut call = scripts::LEASE.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        call.key(&keys.instances);
        call.arg(&core.consumer).arg(max).arg(&keys.instance);
        let (entries, next, paused): (Vec<RawEntry>, i64, bool) = core.invoke(&call).await?;
        core.note_due(next);
        Ok((core.take(first_time(entries)), paused))
    }

    /// Waits a while for jobs.
    async fn wait(
        &mut self,
        core: &Core,
        max: usize,
        waiting: &mut Waiting,
    ) -> Result<Vec<Job>, QueueError> {
        let (connection, id) = match &mut self.blocking {
            Some(blocking) => blocking,
            none => none.insert(connect(core).await?),
        };
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg("workers").arg(&core.consumer);
        read.arg("COUNT").arg(max).arg("BLOCK").arg(millis(BLOCK));
        read.arg("STREAMS").arg(&core.keys.jobs).arg(">");
        let read = read.query_async::<Option<Vec<(String, Vec<RawEntry>)>>>(connection);
        tokio::pin!(read);
        let answer = tokio::select! {
            answer = &mut read => answer,
            () = waiting.closed() => {
                if let Some(id) = id {
                    unblock(core, *id).await;
                }
                read.await
            }
        };
        match answer {
            Ok(streams) => Ok(core.take(first_time(
                streams
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, entries)| entries),
            ))),
            // The stream was removed: the next lease makes it anew.
            Err(error) if is_without_group(&error) => Ok(Vec::new()),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn first_time(
    entries: impl IntoIterator<Item = RawEntry>,
) -> impl Iterator<Item = (RawEntry, u32)> {
    entries.into_iter().map(|entry| (entry, 1))
}

fn is_without_group(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOGROUP" | "UNBLOCKED"))
}

/// A connection for reads that block.
async fn connect(core: &Core) -> Result<(RedisConnection, Option<i64>), QueueError> {
    let answer = BLOCK + core.settings.timeout;
    let mut connection = core
        .server
        .connect(answer)
        .await
        .map_err(|error| failed(&error))?;
    let id = match &mut connection {
        // Who may not ask for it waits for the end of the read instead.
        RedisConnection::One(one) => redis::cmd("CLIENT").arg("ID").query_async(one).await.ok(),
        RedisConnection::Cluster(_) => None,
    };
    Ok((connection, id))
}

/// Ends a read at once, so that nothing more is leased by it.
async fn unblock(core: &Core, id: i64) {
    let mut ask = redis::cmd("CLIENT");
    ask.arg("UNBLOCK").arg(id);
    if let Err(error) = line::query::<()>(&core.pool, &ask).await {
        tracing::debug!(queue = %core.name, %error, "the read ends by itself");
    }
}

/// These attempts do not count.
async fn give_back(core: &Core, jobs: Vec<Job>) {
    for job in jobs {
        if let Err(error) = core.give_back(&job, Duration::ZERO, SetAside::Keep).await {
            tracing::warn!(
                queue = %core.name,
                job = %job.id,
                %error,
                "a job could not be given back: it runs when its lease has run out"
            );
        }
    }
}
