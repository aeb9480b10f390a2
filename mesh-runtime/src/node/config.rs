//! A node's settings: from code, else from `MESH_*` environment variables, else the defaults.

use std::{
    env, fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{
    address::host_and_port,
    balance::Balance,
    discovery,
    error::StartError,
    id::InstanceId,
    keys::Keys,
    link::{channel::Pace, heartbeat::Heartbeat, link::Grant},
    panic_text::panic_text,
    queue::{MemoryQueue, Queue},
    retry::RetryBudget,
    schema::NodeSpec,
};

/// How long a shutdown waits for calls and jobs under way.
pub(crate) const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// What the discovery port is called in errors.
const DISCOVERY_PORT: &str = "discovery_port() or MESH_DISCOVERY_PORT";

/// Calls that each side of a link may have in flight.
const DEFAULT_CALLS: u32 = 16_384;
/// Payload bytes that each side of a link may have outstanding.
const DEFAULT_BYTES: u64 = 64 * 1024 * 1024;

/// The settings that the parts of a running node use.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) balance: Balance,
    /// Whether instances that fail or are silent are passed over.
    pub(crate) ejection: bool,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) pace: Pace,
    pub(crate) grant: Grant,
    pub(crate) grace: Duration,
    pub(crate) ready_check: ReadyCheck,
}

/// The user's own check of whether a node is ready.
#[derive(Clone, Default)]
pub(crate) struct ReadyCheck(pub(crate) Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl ReadyCheck {
    /// Whether it says so, or there is none. One that panics says no.
    pub(crate) fn passes(&self) -> bool {
        let check = || self.0.as_ref().is_none_or(|check| check());
        catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
            tracing::error!(panic = %panic_text(&*panic), "the check of whether this node is ready panicked");
            false
        })
    }
}

impl fmt::Debug for ReadyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadyCheck")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            ejection: true,
            retry_budget: RetryBudget::default(),
            pace: Pace::default(),
            grant: Grant {
                calls: DEFAULT_CALLS,
                bytes: DEFAULT_BYTES,
            },
            grace: DEFAULT_GRACE,
            ready_check: ReadyCheck::default(),
        }
    }
}

/// Where the master is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MasterAddr {
    Fixed {
        host: String,
        port: u16,
    },
    /// The master's port is asked for at this discovery port.
    Discover {
        host: String,
        port: u16,
    },
}

impl MasterAddr {
    /// Parses `host:port`, or `host` alone, whose master is then found by discovery.
    pub(crate) fn parse(text: &str, discovery_port: u16) -> Result<Self, StartError> {
        let (host, port) = host_and_port(text).map_err(|problem| StartError::Config {
            setting: "master() or MESH_MASTER",
            problem,
        })?;
        Ok(match port {
            Some(port) => Self::Fixed { host, port },
            None => Self::discover(host, discovery_port)?,
        })
    }

    pub(crate) fn local(discovery_port: u16) -> Result<Self, StartError> {
        Self::discover("127.0.0.1".into(), discovery_port)
    }

    fn discover(host: String, port: u16) -> Result<Self, StartError> {
        if port == 0 {
            return Err(StartError::Config {
                setting: DISCOVERY_PORT,
                problem: "port 0 cannot be dialled: give the port that the master was given".into(),
            });
        }
        Ok(Self::Discover { host, port })
    }
}

impl fmt::Display for MasterAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { host, port } => write!(f, "{host}:{port}"),
            Self::Discover { host, port } => write!(f, "{host}:{port} (discovery)"),
        }
    }
}

/// The keys given in code, else those of the environment.
pub(crate) fn keys(given: Option<Keys>) -> Result<Keys, StartError> {
    if let Some(keys) = given {
        return Ok(keys);
    }
    match (variable("MESH_PUBLIC_KEY"), variable("MESH_PRIVATE_KEY")) {
        (Some(public), Some(private)) => Ok(Keys::new(public, private)),
        _ => Err(StartError::Config {
            setting: "keys() or MESH_PUBLIC_KEY and MESH_PRIVATE_KEY",
            problem: "no keys were given: every node and the master of a mesh need the same two"
                .into(),
        }),
    }
}

/// The instance id given in code, else that of the environment, else a random one. The second value tells whether the
/// id was given.
pub(crate) fn instance(given: Option<InstanceId>) -> Result<(InstanceId, bool), StartError> {
    let chosen = given.or_else(|| variable("MESH_INSTANCE").map(InstanceId::from));
    let is_chosen = chosen.is_some();
    let instance = chosen.unwrap_or_else(InstanceId::random);
    if instance.is_valid() {
        return Ok((instance, is_chosen));
    }
    Err(StartError::Config {
        setting: "instance() or MESH_INSTANCE",
        problem: format!(
            "{instance:?} is no instance id: 1 to {} bytes, no blanks, no control characters",
            InstanceId::MAX_BYTES
        ),
    })
}

/// The discovery port given in code, else that of the environment, else the default.
pub(crate) fn discovery_port(given: Option<u16>) -> Result<u16, StartError> {
    match (given, variable("MESH_DISCOVERY_PORT")) {
        (Some(port), _) => Ok(port),
        (None, Some(text)) => text.parse().map_err(|_| StartError::Config {
            setting: DISCOVERY_PORT,
            problem: format!("`{text}` is no port: ports are 0 to 65535"),
        }),
        (None, None) => Ok(discovery::DEFAULT_PORT),
    }
}

/// The address to listen on: that given in code, else that of the environment, else any free port of all IPv4
/// interfaces. Without a port, it is any free one.
pub(crate) fn bind(given: Option<String>) -> Result<SocketAddr, StartError> {
    const ANY_PORT: u16 = 0;
    let Some(text) = given.or_else(|| variable("MESH_BIND")) else {
        return Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), ANY_PORT));
    };
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, ANY_PORT));
    }
    text.parse().map_err(|_| StartError::Config {
        setting: "bind() or MESH_BIND",
        problem: format!(
            "`{text}` is neither `ip:port` nor `ip`: give the address of an interface of this machine, such as \
             127.0.0.1:7000, or 0.0.0.0 for all of them"
        ),
    })
}

/// Where metrics and probes are served.
#[derive(Debug, Clone, Default)]
pub(crate) enum MetricsAddr {
    /// At the address in the environment, if there is one.
    #[default]
    OfEnvironment,
    At(String),
    #[cfg(feature = "testing")]
    None,
}

/// The address for metrics and probes.
pub(crate) fn metrics(given: MetricsAddr) -> Result<Option<SocketAddr>, StartError> {
    let text = match given {
        MetricsAddr::OfEnvironment => variable("MESH_METRICS"),
        MetricsAddr::At(addr) => Some(addr),
        #[cfg(feature = "testing")]
        MetricsAddr::None => None,
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let addr = text.parse().map_err(|_| StartError::Config {
        setting: "metrics() or MESH_METRICS",
        problem: format!(
            "`{text}` is not `ip:port`: give an address of this machine and a free port, such as 127.0.0.1:9400"
        ),
    });
    addr.map(Some)
}

/// The engine for a node's jobs if none was given in code.
pub(crate) async fn queue(spec: &NodeSpec) -> Result<Arc<dyn Queue>, StartError> {
    let has_jobs = spec.commands.iter().any(|c| c.delivery.is_queued());
    match variable("MESH_REDIS_URL").filter(|_| has_jobs) {
        Some(url) => redis(&url).await.map_err(|problem| StartError::Config {
            setting: "MESH_REDIS_URL",
            problem,
        }),
        None => Ok(Arc::new(MemoryQueue::new())),
    }
}

#[cfg(feature = "redis")]
async fn redis(url: &str) -> Result<Arc<dyn Queue>, String> {
    // The error must not contain the URL, which may hold a password.
    let queue = crate::queue::RedisQueue::connect(url).await;
    queue
        .map(|queue| Arc::new(queue) as Arc<dyn Queue>)
        .map_err(|error| {
            let at = address_in(url);
            format!("{error}; does Redis run at {at}, and is the URL right?")
        })
}

/// Host and port in a URL, without the password.
#[cfg(feature = "redis")]
fn address_in(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.rfind('@').map_or(0, |at| at + 1);
    let address = &rest[end..];
    address.split(['/', '?']).next().unwrap_or_default()
}

#[cfg(not(feature = "redis"))]
async fn redis(_: &str) -> Result<Arc<dyn Queue>, String> {
    Err("this program was built without the feature `redis` of mesh-runtime: enable it in Cargo.toml".into())
}

/// An environment variable that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Derives the secrets that are used from the keys.
pub(crate) async fn derived(keys: &Keys) -> Result<Arc<crate::keys::DerivedKeys>, StartError> {
    keys.derive().await.map_err(StartError::Keys)
}

/// The longest duration that a setting may have. It is far more than makes sense, and adding it to a time does not
/// overflow.
const MAX_SPAN: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest interval of heartbeats: with a shorter one, a node would do little else.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The most bytes that a link's budget may have: the most permits of a Tokio semaphore.
const MAX_BUDGET: u64 = Semaphore::MAX_PERMITS as u64;

/// # Errors
/// If the heartbeat is invalid.
pub(crate) fn check_heartbeat(heartbeat: Heartbeat) -> Result<(), StartError> {
    let problem = |problem| StartError::Config {
        setting: "heartbeat()",
        problem,
    };
    let Heartbeat { interval, silence } = heartbeat;
    if interval < MIN_INTERVAL || silence > MAX_SPAN {
        return Err(problem(format!(
            "an interval of {interval:?} and a silence of {silence:?}: both must be at least 1 ms and at most 24 h"
        )));
    }
    if silence <= interval {
        return Err(problem(format!(
            "a silence of {silence:?} is not longer than the interval of {interval:?}, so healthy links would be \
             closed: make it several times as long"
        )));
    }
    Ok(())
}

impl Config {
    /// # Errors
    /// If a setting is invalid.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        check_heartbeat(self.pace.heartbeat)?;
        let Grant { calls, bytes } = self.grant;
        if calls == 0 || bytes == 0 || bytes > MAX_BUDGET {
            return Err(StartError::Config {
                setting: "budget()",
                problem: format!(
                    "{calls} calls and {bytes} bytes: calls must be at least 1, bytes from 1 to {MAX_BUDGET}"
                ),
            });
        }
        if self.grace > MAX_SPAN {
            return Err(StartError::Config {
                setting: "grace()",
                problem: format!("{:?} is too long: at most 24 h", self.grace),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_listen_may_leave_out_the_port() {
        let parsed = |text: &str| bind(Some(text.to_owned())).map(|addr| addr.to_string());
        assert_eq!(parsed("127.0.0.1:7000").unwrap(), "127.0.0.1:7000");
        assert_eq!(parsed("127.0.0.1").unwrap(), "127.0.0.1:0");
        assert_eq!(parsed("[::1]:7000").unwrap(), "[::1]:7000");
        assert_eq!(parsed("::1").unwrap(), "[::1]:0");
        for bad in ["localhost:7000", "7000", ":7000", "1.2.3.4:70000", ""] {
            let error = parsed(bad).unwrap_err().to_string();
            assert!(error.contains("neither `ip:port` nor `ip`"), "{error}");
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn the_address_in_a_url_has_no_password() {
        for (url, address) in [
            ("redis://127.0.0.1:6379", "127.0.0.1:6379"),
            (
                "redis://:p/ss@word@redis.example:6379/2",
                "redis.example:6379",
            ),
            ("rediss://redis.example?protocol=resp3", "redis.example"),
            ("redis.example", "redis.example"),
            ("", ""),
        ] {
            assert_eq!(address_in(url), address);
        }
    }

    #[test]
    fn a_master_without_a_port_is_found_by_discovery() {
        let parsed = MasterAddr::parse("10.0.0.5", 8765).unwrap();
        assert_eq!(
            parsed,
            MasterAddr::Discover {
                host: "10.0.0.5".into(),
                port: 8765
            }
        );
    }
}
