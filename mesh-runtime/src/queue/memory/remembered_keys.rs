//! The deduplication keys that a queue in memory remembers, as pure state. Is told the time; how many there may be is
//! for others to decide.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

use tokio::time::Instant;

use crate::id::JobId;

/// Keys, each with the job that was accepted with it, until its window is over.
#[derive(Default)]
pub(super) struct RememberedKeys {
    jobs: HashMap<Arc<str>, JobId>,
    /// One entry for each key of `jobs`, the first to expire on top.
    ends: BinaryHeap<Reverse<(Instant, Arc<str>)>>,
}

impl RememberedKeys {
    /// Forgets those whose window is over.
    pub(super) fn forget_expired(&mut self, now: Instant) {
        while let Some(Reverse((end, _))) = self.ends.peek()
            && *end <= now
        {
            if let Some(Reverse((_, key))) = self.ends.pop() {
                self.jobs.remove(&key);
            }
        }
    }

    /// The job that was accepted with this key.
    pub(super) fn job_of(&self, key: &str) -> Option<&JobId> {
        self.jobs.get(key)
    }

    /// Remembers a key that is not among them.
    pub(super) fn remember(&mut self, key: String, job: JobId, until: Instant) {
        let key: Arc<str> = key.into();
        self.ends.push(Reverse((until, Arc::clone(&key))));
        self.jobs.insert(key, job);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keys_are_forgotten_in_the_order_in_which_they_expire() {
        let mut keys = RememberedKeys::default();
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        for (key, end) in [("late", 3), ("soon", 1), ("next", 2)] {
            keys.remember(key.into(), key.into(), at(end));
        }
        keys.forget_expired(at(0));
        assert_eq!(keys.len(), 3);
        keys.forget_expired(at(2));
        assert_eq!(keys.len(), 1);
        assert_eq!(keys.job_of("soon"), None);
        assert_eq!(keys.job_of("late"), Some(&"late".into()));
        keys.remember("soon".into(), "again".into(), at(9));
        keys.forget_expired(at(3));
        assert_eq!(keys.job_of("soon"), Some(&"again".into()));
        assert_eq!((keys.len(), keys.ends.len()), (1, 1));
    }
}
