//! The task that watches over the instances of a node type: which of them are silent, and whose rest is over. It runs
//! while there are calls in flight, or an instance rests.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{Callee, Instance, silence::Look};

/// The instances are looked at no more often than this.
const SHORTEST: Duration = Duration::from_millis(10);
/// How long the task waits for the next call before it ends.
const LINGER: Duration = Duration::from_secs(1);

impl Callee {
    /// Starts the task, if it does not run yet. Must be called on a Tokio runtime.
    #[cold]
    pub(super) fn start_watch(self: &Arc<Self>) {
        if !self.watched.swap(true, Ordering::AcqRel) {
            tokio::spawn(Watch(Arc::clone(self)).run());
        }
    }

    /// Looks at all instances. Returns when to look again.
    pub(super) fn look(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
        let mut changed = false;
        let mut again = state.ejection.next_due(now);
        for instance in &state.all {
            let (next, passed_over) = look_at(instance, now);
            changed |= passed_over;
            again = [again, next].into_iter().flatten().min();
        }
        let due = state.ejection.any_due(now);
        if changed || due != self.probe_due.load(Ordering::Relaxed) {
            self.publish(&state, now);
        }
        again.map(|at| at.max(now + SHORTEST))
    }
}

/// Returns when to look again, and whether the instance is passed over from now on, or not any more.
fn look_at(instance: &Instance, now: Instant) -> (Option<Instant>, bool) {
    let link = &instance.link;
    let before = instance.silence();
    let Look {
        silence,
        ping,
        again,
    } = before.look(link.heard(), link.load() > 0, now);
    if ping {
        link.ping();
    }
    if before == silence {
        return (again, false);
    }
    instance.set_silence(silence);
    let changed = before.is_passed_over() != silence.is_passed_over();
    if changed && silence.is_passed_over() {
        tracing::warn!(peer = %link.peer.id, "nothing is heard of the peer: new calls go to other instances");
    } else if changed {
        tracing::info!(peer = %link.peer.id, "the peer is heard again");
    }
    (again, changed)
}

/// The task. When it is dropped, another one can begin.
struct Watch(Arc<Callee>);

impl Watch {
    async fn run(self) {
        let closed = self.0.options.closed.clone();
        let watch = async {
            let mut idle = false;
            loop {
                let now = Instant::now();
                let again = self.0.look(now);
                if again.is_none() && idle {
                    return;
                }
                idle = again.is_none();
                sleep_until(again.unwrap_or(now + LINGER)).await;
            }
        };
        tokio::select! {
            () = closed.cancelled() => {}
            () = watch => {}
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.watched.store(false, Ordering::Release);
    }
}
