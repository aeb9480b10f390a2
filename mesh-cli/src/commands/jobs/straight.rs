//! Redis itself, for when no instance runs.

use std::{path::Path, sync::Arc};

use mesh_runtime::{
    InstanceId, Keys,
    operator::{EngineQueues, OperatorError, OperatorQueue},
    queue::RedisQueue,
    schema::SchemaDescription,
};

use super::target::Target;
use crate::error::{CliError, Result, chain};

/// Redis, and the schema by which its contents are read.
#[derive(Debug)]
pub(super) struct Straight {
    queues: EngineQueues,
    pub(super) schema: Arc<SchemaDescription>,
}

impl Straight {
    /// Connects to Redis. Its keys begin with `prefix`, if nodes were told so.
    pub(super) async fn connect(
        url: &str,
        prefix: Option<&str>,
        keys: &Keys,
        schema: SchemaDescription,
    ) -> Result<Self> {
        let redis = RedisQueue::connect(url).await.map_err(|error| {
            // Without the URL, which may hold a password.
            CliError::unreachable(format!("Redis could not be reached: {}", chain(&error)))
                .hint("does it run, is the URL right, and is its port open from here?")
        })?;
        // How full a queue may be is for nodes to say.
        let mut redis = redis.max_jobs(u64::MAX);
        if let Some(prefix) = prefix {
            redis = redis.prefix(prefix);
        }
        Ok(Self {
            queues: EngineQueues::new(keys, Arc::new(redis)).await?,
            schema: Arc::new(schema),
        })
    }

    pub(super) fn queue(
        &self,
        target: &Target,
        instance: Option<&str>,
    ) -> std::result::Result<OperatorQueue<'static>, OperatorError> {
        let (node_type, command) = (&target.node_type, &target.command);
        let instance = instance.map(InstanceId::from);
        self.queues
            .queue(&self.schema, node_type, command, instance)
    }
}

/// A URL that was given. What stands behind `--redis` may be meant as something else.
pub(super) fn checked(url: &str) -> Result<String> {
    if url.contains("://") {
        return Ok(url.to_owned());
    }
    let error = CliError::usage(format!("`{url}` is not the URL of Redis"));
    Err(error.hint("it begins with redis://. Without a URL, --redis stands at the end of the line"))
}

pub(super) fn read_schema(file: &Path) -> Result<SchemaDescription> {
    let failed = |why: String| {
        CliError::usage(format!("{}: {why}", file.display()))
            .hint("it must be what `mesh schema --json` prints")
    };
    let json = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    SchemaDescription::from_json(&json).map_err(|error| failed(chain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_are_taken_for_redis() {
        assert_eq!(checked("redis://h:6379").unwrap(), "redis://h:6379");
        let error = checked("Billing.export").unwrap_err();
        assert!(error.to_string().contains("at the end of the line"));
    }

    #[test]
    fn a_file_without_a_schema_is_refused() {
        let error = read_schema(Path::new("/nonexistent/schema.json")).unwrap_err();
        assert!(error.to_string().contains("mesh schema --json"));
    }
}
