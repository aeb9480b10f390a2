//! Queues straight in their engine, for operators who do not go by way of a node.

use std::{fmt, sync::Arc};

use super::{OperatorError, OperatorQueue};
use crate::{
    keys::{DerivedKeys, Keys},
    queue::{CommandQueue, Declaration, Queue, QueueName},
    schema::{Delivery, SchemaDescription},
};

/// The queues of a mesh in a durable engine, reached without any node: for when no instance of a node type runs. Whoever
/// has the keys and reaches the engine can use it.
///
/// ```no_run
/// # use std::sync::Arc;
/// use mesh_runtime::{
///     Keys,
///     operator::{EngineQueues, JobsIn, OperatorError},
///     queue::Queue,
///     schema::SchemaDescription,
/// };
///
/// # async fn look(engine: Arc<dyn Queue>, schema: &SchemaDescription) -> Result<(), OperatorError> {
/// let keys = Keys::new("shop", "meshkey1…");
/// // Such as an `Arc<RedisQueue>`.
/// let queues = EngineQueues::new(&keys, engine).await?;
/// let exports = queues.queue(schema, "Billing", "export", None)?;
/// println!("{:?}", exports.list(JobsIn::Dead, 100).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EngineQueues {
    engine: Arc<dyn Queue>,
    keys: Arc<DerivedKeys>,
}

impl EngineQueues {
    /// The queues in this engine, opened with the keys of the mesh.
    ///
    /// # Errors
    /// If the keys cannot be used.
    pub async fn new(keys: &Keys, engine: Arc<dyn Queue>) -> Result<Self, OperatorError> {
        let keys = keys.derive().await.map_err(OperatorError::Keys)?;
        Ok(Self { engine, keys })
    }

    /// The queue of a queued command, as `schema` declares it. Of a `queued broadcast` command: that of `instance`; without
    /// one, only the dead letters are there, which are those of all instances.
    ///
    /// # Errors
    /// If the schema has no such command, or it is not queued.
    pub fn queue(
        &self,
        schema: &SchemaDescription,
        node_type: &str,
        command: &str,
        instance: Option<&str>,
    ) -> Result<OperatorQueue<'static>, OperatorError> {
        let failed = |why: &str| OperatorError::Failed {
            command: format!("{node_type}.{command}"),
            why: why.to_owned(),
        };
        let described = schema
            .command(node_type, command)
            .ok_or_else(|| failed("the schema has no such command"))?;
        if !described.delivery.is_some_and(Delivery::is_queued) {
            return Err(failed("the command is not queued"));
        }
        let name = QueueName::new(schema.mesh.as_str(), node_type, command);
        let of_instance = described.delivery == Some(Delivery::QueuedBroadcast);
        let name = match instance.filter(|_| of_instance) {
            Some(instance) => name.of(instance),
            None => name,
        };
        let declaration = Declaration {
            fingerprint: described.wire_fingerprint,
            version: described.options.version,
        };
        let engine = Arc::clone(&self.engine);
        let queue = CommandQueue::new(engine, name, &self.keys, declaration);
        Ok(OperatorQueue::of_engine(queue, Arc::new(schema.clone())))
    }
}

impl fmt::Debug for EngineQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineQueues").finish_non_exhaustive()
    }
}
