//! Connections to Redis: one server, one that Sentinels watch, or a cluster. Short commands share a pool; a read that
//! blocks has a connection of its own, because nothing else gets through while it waits.

use std::time::Duration;

use deadpool::{
    Runtime,
    managed::{self, QueueMode},
};
use deadpool_redis::redis::{
    self, AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, RedisError,
    RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::{ClusterClient, ClusterClientBuilder, ClusterConfig},
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use tokio::sync::Mutex;

use crate::queue::QueueError;

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(2);
/// After so much idleness a connection is asked first whether it still works.
const FRESH: Duration = Duration::from_secs(1);

/// Where Redis is.
pub(super) enum RedisAddr {
    One(Client),
    Sentinel(Mutex<SentinelClient>),
    Cluster(ClusterClient),
}

impl RedisAddr {
    pub(super) fn one(url: &str) -> RedisResult<Self> {
        let info = url.into_connection_info()?.set_tcp_settings(tcp());
        Ok(Self::One(Client::open(info)?))
    }

    pub(super) fn sentinel(sentinels: &[&str], name: &str) -> RedisResult<Self> {
        let infos = sentinels
            .iter()
            .map(|url| url.into_connection_info())
            .collect::<RedisResult<Vec<_>>>()?;
        let mut builder = SentinelClientBuilder::new(
            infos.iter().map(|info| info.addr().clone()),
            name,
            SentinelServerType::Master,
        )?
        .set_client_to_redis_tcp_settings(tcp());
        // Who may talk to the Sentinels may talk to Redis, unless that is told otherwise in Redis.
        if let Some(settings) = infos.first().map(|info| info.redis_settings().clone()) {
            if let Some(user) = settings.username() {
                builder = builder
                    .set_client_to_redis_username(user)
                    .set_client_to_sentinel_username(user);
            }
            if let Some(password) = settings.password() {
                builder = builder
                    .set_client_to_redis_password(password)
                    .set_client_to_sentinel_password(password);
            }
            builder = builder.set_client_to_redis_db(settings.db());
        }
        Ok(Self::Sentinel(Mutex::new(builder.build()?)))
    }

    pub(super) fn cluster(urls: &[&str]) -> RedisResult<Self> {
        let client = ClusterClientBuilder::new(urls.iter().copied())
            .connection_timeout(CONNECT)
            .tcp_settings(tcp())
            .build()?;
        Ok(Self::Cluster(client))
    }

    /// A connection whose answers take at most `answer`.
    pub(super) async fn connect(&self, answer: Duration) -> RedisResult<RedisConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(answer));
        let connecting = async {
            match self {
                Self::One(client) => client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await
                    .map(RedisConnection::One),
                Self::Sentinel(client) => client
                    .lock()
                    .await
                    .get_async_connection_with_config(&config)
                    .await
                    .map(RedisConnection::One),
                Self::Cluster(client) => {
                    let config = ClusterConfig::new()
                        .set_connection_timeout(CONNECT)
                        .set_response_timeout(answer);
                    client
                        .get_async_connection_with_config(config)
                        .await
                        .map(RedisConnection::Cluster)
                }
            }
        };
        // Names that do not resolve and Sentinels that do not answer have no limit of their own.
        tokio::time::timeout(CONNECT * 2, connecting)
            .await
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }
}

fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// A connection, to whatever kind of Redis.
#[derive(Clone)]
pub(super) enum RedisConnection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Makes the pool's connections. Those of `deadpool-redis` for Sentinels and clusters have no settings for their
/// time limits, which are too short for large jobs.
pub(super) struct Manager {
    pub(super) server: std::sync::Arc<RedisAddr>,
    pub(super) answer: Duration,
}

impl managed::Manager for Manager {
    type Type = RedisConnection;
    type Error = RedisError;

    async fn create(&self) -> Result<RedisConnection, RedisError> {
        self.server.connect(self.answer).await
    }

    async fn recycle(
        &self,
        connection: &mut RedisConnection,
        metrics: &managed::Metrics,
    ) -> managed::RecycleResult<RedisError> {
        // In constant use, not every command is preceded by a question.
        if metrics.last_used() >= FRESH {
            redis::cmd("PING").exec_async(connection).await?;
        }
        Ok(())
    }
}

pub(super) type Pool = managed::Pool<Manager>;
pub(super) type Pooled = managed::Object<Manager>;

pub(super) fn pool(server: std::sync::Arc<RedisAddr>, size: usize, answer: Duration) -> Pool {
    Pool::builder(Manager { server, answer })
        .max_size(size)
        .queue_mode(QueueMode::Lifo)
        .wait_timeout(Some(answer))
        .create_timeout(Some(CONNECT * 2))
        .recycle_timeout(Some(answer))
        .runtime(Runtime::Tokio1)
        .build()
        .expect("a pool with time limits needs a runtime, and has one")
}

/// What Redis or the way to it says, as the error of a queue.
pub(super) fn failed(error: &RedisError) -> QueueError {
    QueueError::Engine(format!("Redis: {error}"))
}
