//! Newtypes for everything that is named or numbered. Knows nothing of sockets or schemas.

use std::{
    borrow::Borrow,
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::millis;

/// Names one running node among those of its node type. Chosen with
/// [`NodeBuilder::instance`](crate::NodeBuilder::instance), else random.
///
/// Any text converts into one; a node refuses to start with an id that is empty, longer than [`InstanceId::MAX_BYTES`]
/// or holds control characters or whitespace.
///
/// ```
/// use mesh_runtime::InstanceId;
/// let id: InstanceId = "billing-1".into();
/// assert_eq!(id, "billing-1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// The longest id that a node may start with, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// A fresh id of 16 random hexadecimal digits.
    pub fn random() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a node may carry this id.
    pub(crate) fn is_valid(&self) -> bool {
        !self.0.is_empty()
            && self.0.len() <= Self::MAX_BYTES
            && !self.0.chars().any(|c| c.is_control() || c.is_whitespace())
    }
}

impl From<&str> for InstanceId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for InstanceId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<&InstanceId> for InstanceId {
    fn from(id: &InstanceId) -> Self {
        id.clone()
    }
}

impl PartialEq<str> for InstanceId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for InstanceId {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl Borrow<str> for InstanceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Identifies one node of a mesh by its node type and instance id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeId {
    /// The instance id. First, because the order of two ids decides which node of a pair dials.
    pub instance: InstanceId,
    /// The name of the node type, as in the schema.
    pub node_type: Arc<str>,
}

impl NodeId {
    /// The id of `instance`, a node of type `node_type`.
    pub fn new(node_type: impl Into<Arc<str>>, instance: impl Into<InstanceId>) -> Self {
        Self {
            instance: instance.into(),
            node_type: node_type.into(),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node_type, self.instance)
    }
}

/// Distinguishes one start of a node from the next: the time of the start, and a random number that breaks ties. Of two
/// nodes with the same [`NodeId`] the one with the higher boot epoch stays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BootEpoch {
    /// Milliseconds since the Unix epoch at the start of the node.
    pub started_ms: u64,
    /// Breaks ties.
    pub random: u64,
}

impl BootEpoch {
    /// The epoch of a node that starts now.
    pub fn now() -> Self {
        Self {
            started_ms: millis::since_1970(SystemTime::now()),
            random: rand::random(),
        }
    }
}

/// Names a queued job. Stable over all attempts, so that handlers can recognize a repetition.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct JobId(Arc<str>);

impl JobId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id that no other job has: a number of this process, and 16 random hexadecimal digits for the process.
    pub fn fresh() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(rand::random);
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{:016x}-{number}", *PROCESS).into())
    }
}

/// Converts an id that was printed or stored. An id that no job has does no harm: no job is found by it.
impl From<&str> for JobId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for JobId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command of a node type. Displayed as `Billing.charge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CommandName {
    /// The node type that serves it.
    pub node_type: &'static str,
    /// Its name in that node type.
    pub name: &'static str,
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node_type, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_must_be_short_printable_and_not_empty() {
        assert!(InstanceId::from("a").is_valid());
        assert!(InstanceId::random().is_valid());
        for bad in ["", "a b", "a\n", &"x".repeat(129)] {
            assert!(!InstanceId::from(bad).is_valid(), "{bad:?}");
        }
    }

    #[test]
    fn the_later_boot_is_the_higher() {
        let older = BootEpoch {
            started_ms: 1,
            random: 9,
        };
        let newer = BootEpoch {
            started_ms: 2,
            random: 0,
        };
        assert!(newer > older);
    }
}
