//! The task that watches over the instances of a node type: which of them are silent, and whose rest is over. It runs
//! while there are calls in flight, or an instance rests.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{Callee, Instance, Notice, silence::Look};

/// The instances are looked at no more often than this.
const SHORTEST: Duration = Duration::from_millis(10);
/// The instances are looked at no more rarely than this, since calls may begin meanwhile. If there is no reason to look
/// after that time, the task ends.
const LONGEST: Duration = Duration::from_secs(1);

impl Callee {
    /// Starts the task, if it does not run yet.
    #[cold]
    pub(super) fn start_watch(self: &Arc<Self>) {
        if !self.watched.swap(true, Ordering::AcqRel) {
            let watch = Watch(Arc::clone(self)).run();
            self.options.runtime.spawn(watch);
        }
    }

    /// Looks at all instances. Returns when to look again.
    pub(super) fn look(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
        let mut changed = false;
        let mut again = state.ejection.next_due(now);
        for instance in &state.all {
            let (next, change) = look_at(instance, now);
            if let Some(silent) = change {
                let peer = instance.link.peer.id.clone();
                let notice = if silent {
                    Notice::Silent
                } else {
                    Notice::Heard
                };
                self.notices.add(notice(peer));
                changed = true;
            }
            again = [again, next].into_iter().flatten().min();
        }
        if changed {
            self.publish(&state, now);
        } else {
            self.note_due(&state, now);
        }
        drop(state);
        self.tell();
        again.map(|at| at.max(now + SHORTEST))
    }
}

/// Returns when to look again, and whether the instance is passed over from now on, if that has changed.
fn look_at(instance: &Instance, now: Instant) -> (Option<Instant>, Option<bool>) {
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
    if before != silence {
        instance.set_silence(silence);
    }
    let silent = silence.is_passed_over();
    (again, (silent != before.is_passed_over()).then_some(silent))
}

/// The task. When it is dropped, another one can begin.
struct Watch(Arc<Callee>);

impl Watch {
    async fn run(self) {
        let closed = self.0.closed.clone();
        let watch = async {
            let mut idle = false;
            loop {
                let now = Instant::now();
                let again = self.0.look(now);
                if again.is_none() && idle {
                    return;
                }
                idle = again.is_none();
                let longest = now + LONGEST;
                sleep_until(again.map_or(longest, |again| again.min(longest))).await;
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
