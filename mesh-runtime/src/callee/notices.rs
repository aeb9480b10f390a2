//! What is to be told of instances, in the order in which it happened, although it is told without a lock.

use std::{
    mem,
    sync::{Mutex, PoisonError, TryLockError},
    time::Duration,
};

use crate::id::NodeId;

/// What has happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It gets no calls for that long.
    Rests(NodeId, Duration),
    /// It gets calls again.
    Back(NodeId),
    /// Nothing is heard of it, although calls are in flight.
    Silent(NodeId),
    /// It is heard again.
    Heard(NodeId),
}

/// Is told what happens to instances, one notice after the other. Must not block.
pub(crate) trait CalleeObserver: Send + Sync + 'static {
    fn tell(&self, notice: Notice);
}

/// Notices that wait to be told.
#[derive(Default)]
pub(super) struct Notices {
    waiting: Mutex<Vec<Notice>>,
    /// Held while notices are told.
    telling: Mutex<()>,
}

impl Notices {
    /// Adds a notice. Called under the lock that puts what happens in order.
    pub(super) fn add(&self, notice: Notice) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(notice);
    }

    /// Tells all notices. If another thread is at it, it tells these, too. Called without a lock.
    pub(super) fn tell(&self, observer: &dyn CalleeObserver) {
        while self.are_waiting() {
            let _telling = match self.telling.try_lock() {
                Ok(telling) => telling,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Whoever tells looks again when it has ended.
                Err(TryLockError::WouldBlock) => return,
            };
            for notice in self.take() {
                observer.tell(notice);
            }
        }
    }

    fn are_waiting(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        !waiting.is_empty()
    }

    fn take(&self) -> Vec<Notice> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    struct Told(Mutex<Vec<u64>>);

    impl CalleeObserver for Told {
        fn tell(&self, notice: Notice) {
            if let Notice::Rests(_, number) = notice {
                self.0.lock().unwrap().push(number.as_secs());
            }
        }
    }

    #[test]
    fn from_many_threads_all_are_told_in_the_order_in_which_they_were_added() {
        let (notices, told) = (Notices::default(), Told(Mutex::default()));
        let next = Mutex::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let mut next = next.lock().unwrap();
                        let rest = Duration::from_secs(*next);
                        notices.add(Notice::Rests(NodeId::new("Billing", "b"), rest));
                        *next += 1;
                        drop(next);
                        notices.tell(&told);
                    }
                });
            }
        });
        let told = told.0.into_inner().unwrap();
        assert_eq!(told, (0..4000).collect::<Vec<_>>());
    }
}
