//! The queues of a node, as an operator sees them.

use super::{Operator, OperatorError};
use crate::operator::{
    bodies::{Changed, JobView, Jobs, JobsIn, QueueArgs},
    commands::BuiltIn,
};

/// The queue of a queued command of one node. From [`Operator::queue`].
#[derive(Debug, Clone)]
pub struct OperatorQueue<'a> {
    pub(super) operator: &'a Operator,
    pub(super) command: String,
}

impl OperatorQueue<'_> {
    /// Jobs of the queue, at most `max` and at most 1,000 of them. Arguments beyond 8 MiB in all are left out.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn list(&self, jobs_in: JobsIn, max: usize) -> Result<Vec<JobView>, OperatorError> {
        let args = QueueArgs {
            jobs_in: Some(jobs_in),
            max: Some(max),
            ..self.args()
        };
        let Jobs { jobs } = self.operator.ask(BuiltIn::QueueList, &args).await?;
        Ok(jobs)
    }

    /// One job or dead letter; `None` if there is none with this id.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn get(&self, job: &str) -> Result<Option<JobView>, OperatorError> {
        let Jobs { jobs } = self.operator.ask(BuiltIn::QueueGet, &self.job(job)).await?;
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
        let Changed { jobs } = self.operator.ask(command, args).await?;
        Ok(jobs)
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
