//! What the keys of a queue in Redis are called. All keys of a command share one hash tag, so that a cluster keeps
//! them together, and scripts can use several.

use super::QueueName;

/// The keys of one queue.
#[derive(Clone, Debug)]
pub(super) struct RedisKeys {
    /// The stream: jobs that wait or run.
    pub(super) jobs: String,
    /// Sorted by time: jobs whose time has not come.
    pub(super) later: String,
    /// There while the queue is paused.
    pub(super) paused: String,
    /// Numbers what is put off.
    pub(super) seq: String,
    /// Deduplication keys, sorted by when they are forgotten.
    pub(super) once: String,
    /// The jobs of those keys.
    pub(super) once_ids: String,
    /// The command's dead letters, sorted by when they died.
    pub(super) dead: String,
    /// What they were.
    pub(super) letters: String,
    /// The instances that have queues of their own, sorted by when they were last worked on.
    pub(super) instances: String,
    /// What the keys of an instance's queue begin with, before its id.
    pub(super) of_instance: String,
    /// The instance, or nothing.
    pub(super) instance: String,
}

impl RedisKeys {
    pub(super) fn new(prefix: &str, queue: &QueueName) -> Self {
        let command = format!("{prefix}:{{{}}}", queue.shared());
        let of_instance = format!("{command}:@");
        let own = match &queue.instance {
            Some(instance) => format!("{of_instance}{instance}"),
            None => command.clone(),
        };
        Self {
            jobs: format!("{own}:jobs"),
            later: format!("{own}:later"),
            paused: format!("{own}:paused"),
            seq: format!("{command}:seq"),
            once: format!("{own}:once"),
            once_ids: format!("{own}:once_ids"),
            dead: format!("{command}:dead"),
            letters: format!("{command}:letters"),
            instances: format!("{command}:instances"),
            of_instance,
            instance: queue
                .instance
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_of_a_command_share_a_hash_tag_and_no_stream() {
        let shared = QueueName::new("Shop", "Billing", "reindex");
        let (one, two) = (
            RedisKeys::new("mesh", &shared.of("a")),
            RedisKeys::new("mesh", &shared.of("b")),
        );
        assert_eq!(one.jobs, "mesh:{Shop/Billing.reindex}:@a:jobs");
        assert_ne!(one.jobs, two.jobs);
        assert_eq!(one.dead, two.dead);
        assert_eq!(
            RedisKeys::new("mesh", &shared).jobs,
            "mesh:{Shop/Billing.reindex}:jobs"
        );
    }
}
