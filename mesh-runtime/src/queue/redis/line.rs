//! Short commands over the pool. A connection that did not answer does not come back to it.

use deadpool::managed::PoolError;
use deadpool_redis::redis::{Cmd, FromRedisValue, RedisResult, ScriptInvocation};

use super::server::{Pool, Pooled, failed};
use crate::queue::QueueError;

/// Runs a script. Dropped before its end, it may have run or not.
pub(super) async fn invoke<T: FromRedisValue>(
    pool: &Pool,
    script: &ScriptInvocation<'_>,
) -> Result<T, QueueError> {
    let mut connection = get(pool).await?;
    let answer = script.invoke_async(&mut *connection).await;
    put_back(connection, answer)
}

/// Runs a command, likewise.
pub(super) async fn query<T: FromRedisValue>(pool: &Pool, command: &Cmd) -> Result<T, QueueError> {
    let mut connection = get(pool).await?;
    let answer = command.query_async(&mut *connection).await;
    put_back(connection, answer)
}

async fn get(pool: &Pool) -> Result<Pooled, QueueError> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => failed(&error),
        PoolError::Timeout(_) => QueueError::Engine(
            "Redis: no connection came up in time; is Redis there, and does it answer?".into(),
        ),
        other => QueueError::Engine(format!("Redis: {other}")),
    })
}

/// What Redis itself refuses says nothing against the connection, unless it is the master no longer.
fn put_back<T>(connection: Pooled, answer: RedisResult<T>) -> Result<T, QueueError> {
    answer.map_err(|error| {
        if matches!(error.code(), None | Some("READONLY")) {
            drop(Pooled::take(connection));
        }
        failed(&error)
    })
}
