//! Looking at the queues in memory, and steering them.

use std::time::SystemTime;

use bytes::Bytes;
use tokio::time::Instant;

use super::{MemoryQueue, dead::DeadLetters};
use crate::{
    id::JobId,
    queue::{
        JobState, QueueAdmin, QueueFuture, QueueName, QueueStats, StoredDeadLetter, StoredJob,
    },
};

impl QueueAdmin for MemoryQueue {
    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats> {
        Box::pin(async move {
            let mut contents = self.contents();
            let dead = contents
                .dead
                .get(&queue.shared())
                .map_or(0, DeadLetters::len);
            let state = &mut contents.entry(queue).state;
            Ok(QueueStats {
                dead: dead as u64,
                ..state.stats(Instant::now(), SystemTime::now())
            })
        })
    }

    fn pause<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            self.change(queue, |state| state.set_paused(true));
            Ok(())
        })
    }

    fn resume<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            self.change(queue, |state| state.set_paused(false));
            Ok(())
        })
    }

    fn jobs<'a>(
        &'a self,
        queue: &'a QueueName,
        state: JobState,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredJob>> {
        Box::pin(async move {
            let mut contents = self.contents();
            let jobs = &mut contents.entry(queue).state;
            Ok(jobs.list(state, max, Instant::now(), SystemTime::now()))
        })
    }

    fn job<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredJob>> {
        Box::pin(async move {
            let mut contents = self.contents();
            let jobs = &mut contents.entry(queue).state;
            Ok(jobs.get(job, Instant::now(), SystemTime::now()))
        })
    }

    fn remove<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        Box::pin(async move { Ok(self.contents().entry(queue).state.remove(job)) })
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredDeadLetter>> {
        Box::pin(async move {
            let contents = self.contents();
            let dead = contents.dead.get(&queue.shared());
            Ok(dead.map(|dead| dead.oldest(max)).unwrap_or_default())
        })
    }

    fn dead_letter<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredDeadLetter>> {
        Box::pin(async move {
            let contents = self.contents();
            let dead = contents.dead.get(&queue.shared());
            Ok(dead.and_then(|dead| dead.get(job)).cloned())
        })
    }

    fn requeue<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
        payload: Bytes,
    ) -> QueueFuture<'a, bool> {
        Box::pin(async move { self.contents().requeue(queue, job, payload, &self.limits) })
    }

    fn purge<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        Box::pin(async move {
            let mut contents = self.contents();
            let dead = contents.dead.get_mut(&queue.shared());
            Ok(dead.and_then(|dead| dead.take(job)).is_some())
        })
    }
}
