//! Queues straight in their engine, for operators who do not go by way of a node.

use std::{fmt, sync::Arc};

use super::{OperatorError, OperatorQueue, queue::EngineQueue};
use crate::{
    id::InstanceId,
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
/// # async fn look(engine: Arc<dyn Queue>, schema: &Arc<SchemaDescription>) -> Result<(), OperatorError> {
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

    /// The queue of a queued command, as `schema` declares it. Of a `queued broadcast` command: that of `instance`. Without
    /// one, there are only the dead letters, which are those of all instances; requeued, each goes back to its own.
    ///
    /// # Errors
    /// If the schema has no such command, if it is not queued, or if the instance id is invalid.
    pub fn queue(
        &self,
        schema: &Arc<SchemaDescription>,
        node_type: &str,
        command: &str,
        instance: Option<InstanceId>,
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
        if instance
            .as_ref()
            .is_some_and(|instance| !instance.is_valid())
        {
            return Err(failed("that is no instance id"));
        }
        let name = match instance.filter(|_| of_instance) {
            Some(instance) => name.of(instance),
            None => name,
        };
        let only_dead = of_instance && name.instance.is_none();
        let declaration = Declaration {
            fingerprint: described.wire_fingerprint,
            version: described.options.version,
        };
        let engine = Arc::clone(&self.engine);
        let queue = CommandQueue::new(engine, name, &self.keys, declaration);
        Ok(OperatorQueue::of_engine(EngineQueue {
            queue,
            schema: Arc::clone(schema),
            only_dead,
        }))
    }
}

impl fmt::Debug for EngineQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineQueues").finish_non_exhaustive()
    }
}
