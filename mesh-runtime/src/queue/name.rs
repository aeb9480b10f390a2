//! What a queue is called.

use std::{fmt, sync::Arc};

use crate::id::InstanceId;

/// Names one queue of an engine: the jobs of one queued command.
///
/// ```
/// use mesh_runtime::queue::QueueName;
///
/// let name = QueueName::new("Shop", "Billing", "reindex").of("billing-1");
/// assert_eq!(name.to_string(), "Shop/Billing.reindex@billing-1");
/// assert_eq!(name.shared().to_string(), "Shop/Billing.reindex");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub struct QueueName {
    /// The mesh, as in the schema.
    pub mesh: Arc<str>,
    /// The node type whose instances run the jobs, as in the schema.
    pub node_type: Arc<str>,
    /// The command, as in the schema.
    pub command: Arc<str>,
    /// The instance that the queue belongs to (`queued broadcast`), or none if all instances of the node type
    /// share it (`queued balanced`).
    pub instance: Option<InstanceId>,
}

impl QueueName {
    /// The queue that all instances of `node_type` share for `command`. See [`QueueName::of`] for that of one instance.
    pub fn new(
        mesh: impl Into<Arc<str>>,
        node_type: impl Into<Arc<str>>,
        command: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            mesh: mesh.into(),
            node_type: node_type.into(),
            command: command.into(),
            instance: None,
        }
    }

    /// The name without the instance: what all queues of the command have in common, such as their dead letters.
    pub fn shared(&self) -> Self {
        Self {
            instance: None,
            ..self.clone()
        }
    }

    /// The queue of `instance` for the same command.
    pub fn of(&self, instance: impl Into<InstanceId>) -> Self {
        Self {
            instance: Some(instance.into()),
            ..self.clone()
        }
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.mesh, self.node_type, self.command)?;
        match &self.instance {
            Some(instance) => write!(f, "@{instance}"),
            None => Ok(()),
        }
    }
}
