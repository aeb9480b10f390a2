//! The queue of a command, as an operator sees it: by way of a node, or straight in its engine.

use std::sync::Arc;

use super::{Operator, OperatorError};
use crate::{
    operator::{
        bodies::{Changed, JobView, Jobs, JobsIn, QueueArgs, QueueCounts},
        commands::BuiltIn,
        serve::{NoAnswer, changed_in, listed_in},
    },
    queue::{QueueError, UntypedQueue},
    schema::SchemaDescription,
    wire::status::FailureCode,
};

/// The queue of a queued command: of one node, from [`Operator::queue`], or in an engine, from
/// [`EngineQueues::queue`](super::EngineQueues::queue).
#[derive(Debug, Clone)]
pub struct OperatorQueue<'a> {
    command: String,
    by: By<'a>,
}

/// A queue in an engine.
#[derive(Debug, Clone)]
pub(super) struct EngineQueue {
    pub(super) queue: UntypedQueue,
    pub(super) schema: Arc<SchemaDescription>,
    /// It is not the queue of an instance, but the dead letters of all of them.
    pub(super) only_dead: bool,
}

/// How the queue is reached.
#[derive(Debug, Clone)]
enum By<'a> {
    Node(&'a Operator),
    Engine(EngineQueue),
}

impl<'a> OperatorQueue<'a> {
    pub(super) fn of_node(operator: &'a Operator, command: String) -> Self {
        Self {
            command,
            by: By::Node(operator),
        }
    }

    pub(super) fn of_engine(engine: EngineQueue) -> Self {
        Self {
            command: engine.queue.name().command.to_string(),
            by: By::Engine(engine),
        }
    }

    /// How full the queue is. An error of its engine is in the answer.
    ///
    /// # Errors
    /// See [`OperatorError`]; also if the node has no such queue.
    pub async fn counts(&self) -> Result<QueueCounts, OperatorError> {
        match &self.by {
            By::Engine(engine) => Ok(engine.counts().await),
            By::Node(operator) => {
                let queues = operator.stats().await?.queues;
                let mut queues = queues.into_iter();
                queues
                    .find(|counts| counts.command == self.command)
                    .ok_or_else(|| OperatorError::Failed {
                        command: BuiltIn::Stats.name().to_owned(),
                        why: format!(
                            "{} has no queued command {:?}",
                            operator.peer(),
                            self.command
                        ),
                    })
            }
        }
    }

    /// Jobs of the queue, at most `max` and at most 1,000 of them. Arguments beyond 8 MiB in all are left out.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn list(&self, jobs_in: JobsIn, max: usize) -> Result<Vec<JobView>, OperatorError> {
        self.list_from(jobs_in, 0, max).await
    }

    /// The same without the first `skip` jobs, for lists longer than 1,000. Jobs that come or go between two calls move
    /// the others. A node of a version before this one leaves out none.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn list_from(
        &self,
        jobs_in: JobsIn,
        skip: usize,
        max: usize,
    ) -> Result<Vec<JobView>, OperatorError> {
        let args = QueueArgs {
            jobs_in: Some(jobs_in),
            max: Some(max),
            skip,
            ..self.args()
        };
        self.listed(BuiltIn::QueueList, &args).await
    }

    /// One job or dead letter; `None` if there is none with this id.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn get(&self, job: &str) -> Result<Option<JobView>, OperatorError> {
        let jobs = self.listed(BuiltIn::QueueGet, &self.job(job)).await?;
        Ok(jobs.into_iter().next())
    }

    /// Puts a dead letter back into the queue. `false` if there is none with this id.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn requeue(&self, job: &str) -> Result<bool, OperatorError> {
        Ok(self.change(BuiltIn::QueueRequeue, &self.job(job)).await? > 0)
    }

    /// Puts all dead letters of this moment back, and returns how many.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn requeue_all(&self) -> Result<u64, OperatorError> {
        self.change(BuiltIn::QueueRequeue, &self.all()).await
    }

    /// Throws a job away that waits or is delayed. `false` if there is none with this id, or if it runs.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn remove(&self, job: &str) -> Result<bool, OperatorError> {
        Ok(self.change(BuiltIn::QueueRemove, &self.job(job)).await? > 0)
    }

    /// Throws a dead letter away. `false` if there is none with this id.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn purge(&self, job: &str) -> Result<bool, OperatorError> {
        Ok(self.change(BuiltIn::QueuePurge, &self.job(job)).await? > 0)
    }

    /// Throws all dead letters of this moment away, and returns how many.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn purge_all(&self) -> Result<u64, OperatorError> {
        self.change(BuiltIn::QueuePurge, &self.all()).await
    }

    /// Lets no job begin until [`resume`](Self::resume).
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn pause(&self) -> Result<(), OperatorError> {
        self.change(BuiltIn::QueuePause, &self.args())
            .await
            .map(drop)
    }

    /// Undoes [`pause`](Self::pause).
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn resume(&self) -> Result<(), OperatorError> {
        self.change(BuiltIn::QueueResume, &self.args())
            .await
            .map(drop)
    }

    async fn change(&self, command: BuiltIn, args: &QueueArgs) -> Result<u64, OperatorError> {
        let Changed { jobs } = match &self.by {
            By::Node(operator) => operator.ask(command, args).await?,
            By::Engine(engine) => {
                let changed = engine.changed(command, args).await;
                changed.map_err(|error| self.failed(command, error))?
            }
        };
        Ok(jobs)
    }

    async fn listed(
        &self,
        command: BuiltIn,
        args: &QueueArgs,
    ) -> Result<Vec<JobView>, OperatorError> {
        let Jobs { jobs } = match &self.by {
            By::Node(operator) => operator.ask(command, args).await?,
            By::Engine(engine) => {
                let listed = engine.listed(command, args).await;
                listed.map_err(|error| self.failed(command, error))?
            }
        };
        Ok(jobs)
    }

    fn failed(&self, command: BuiltIn, error: NoAnswer) -> OperatorError {
        OperatorError::Failed {
            command: format!("{} {}", command.name(), self.command),
            why: error.why,
        }
    }

    fn args(&self) -> QueueArgs {
        QueueArgs {
            command: self.command.clone(),
            ..QueueArgs::default()
        }
    }

    fn job(&self, job: &str) -> QueueArgs {
        QueueArgs {
            job: Some(job.to_owned()),
            ..self.args()
        }
    }

    fn all(&self) -> QueueArgs {
        QueueArgs {
            all: true,
            ..self.args()
        }
    }
}

impl EngineQueue {
    async fn counts(&self) -> QueueCounts {
        let mut counts = QueueCounts::of(self.queue.clone()).await;
        if self.only_dead {
            (counts.of_instance, counts.shared) = (true, false);
        }
        counts
    }

    async fn listed(&self, command: BuiltIn, args: &QueueArgs) -> Result<Jobs, NoAnswer> {
        if command == BuiltIn::QueueList && args.jobs_in != Some(JobsIn::Dead) {
            self.needs_instance()?;
        }
        listed_in(command, &self.schema, &self.queue, args).await
    }

    async fn changed(&self, command: BuiltIn, args: &QueueArgs) -> Result<Changed, NoAnswer> {
        match command {
            BuiltIn::QueuePurge => {}
            BuiltIn::QueueRequeue if self.only_dead => return self.requeued(args).await,
            _ => self.needs_instance()?,
        }
        changed_in(command, &self.queue, args).await
    }

    /// Puts each dead letter back where it came from.
    async fn requeued(&self, args: &QueueArgs) -> Result<Changed, NoAnswer> {
        if let Some(job) = &args.job {
            let found = self.queue.requeue_home(&job.as_str().into()).await?;
            return Ok(Changed { jobs: found.into() });
        }
        let mut changed = Changed::default();
        for letter in self.queue.dead_letters(usize::MAX).await? {
            match self.queue.requeue_home(&letter.job_id).await {
                Ok(found) => changed.jobs += u64::from(found),
                // One that cannot be opened stays.
                Err(QueueError::Sealed(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(changed)
    }

    fn needs_instance(&self) -> Result<(), NoAnswer> {
        if !self.only_dead {
            return Ok(());
        }
        let why = "each instance has a queue of its own: name the instance";
        Err(NoAnswer::new(FailureCode::Incompatible, why))
    }
}
