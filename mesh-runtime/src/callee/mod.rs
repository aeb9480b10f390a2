//! The instances of one node type, as their callers see them: which are linked, which of them rest or are silent, and
//! whose turn it is. It does not know how a link is made, or what a call over it does.

mod commands;
mod ejection;
mod notices;
mod silence;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{runtime::Handle, time::Instant};
use tokio_util::sync::CancellationToken;

pub(crate) use self::notices::{CalleeObserver, Notice};
use self::{
    commands::CalledCommands,
    ejection::{Ejection, MAX_FAILURES, Probe},
    notices::Notices,
    silence::Silence,
};
use crate::{
    balance::{Candidate, Placing, pick},
    changes::Changes,
    id::{InstanceId, NodeId},
    link::link::Link,
    metrics::{CommandMetrics, CommandRecorder},
    rendezvous::Hashed,
    retry::{RetryBudget, RetryReserve},
    schema::NodeSpec,
};

/// What the instances of all node types have in common.
#[derive(Clone)]
pub(crate) struct CalleeOptions {
    /// Whether instances that fail or are silent are passed over.
    pub(crate) ejection: bool,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) observer: Arc<dyn CalleeObserver>,
    /// The runtime of the node. Calls may be awaited on others, which may end earlier.
    pub(crate) runtime: Handle,
}

/// A node type as seen by a caller.
pub(crate) struct Callee {
    spec: &'static NodeSpec,
    options: CalleeOptions,
    /// Cancelled when the node is to end.
    closed: CancellationToken,
    /// What is left of the retry budget.
    pub(crate) retries: RetryReserve,
    routes: ArcSwap<Routes>,
    commands: CalledCommands,
    state: Mutex<State>,
    notices: Notices,
    /// Notified whenever the links have changed.
    changed: Changes,
    /// Whether a rest is over and a call may decide about it.
    probe_due: AtomicBool,
    /// Whether a task watches over silence and rests.
    watched: AtomicBool,
}

/// The instances whose links may be used now, in the order of instance ids.
#[derive(Default)]
struct Routes {
    all: Vec<Arc<Instance>>,
    /// Those that calls are spread over.
    candidates: Vec<Arc<Instance>>,
}

/// Changes under one lock, from which the routes are made.
#[derive(Default)]
struct State {
    all: Vec<Arc<Instance>>,
    ejection: Ejection,
}

/// A linked instance.
pub(crate) struct Instance {
    pub(crate) link: Arc<Link>,
    failures: Arc<AtomicU32>,
    /// Whether the loss of the link has been counted.
    loss_counted: AtomicBool,
    /// Changed under the lock of the state.
    silence: Mutex<Silence>,
}

/// What one call says about the health of its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Showing {
    /// It answered.
    Well,
    /// It did not answer in time.
    Late,
    /// The link was lost.
    Lost,
    /// Nothing.
    Nothing,
}

/// How an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct InstanceHealth {
    /// How long it gets no calls. Zero if the next call decides.
    pub(crate) rests_for: Option<Duration>,
    /// It is passed over until it is heard.
    pub(crate) silent: bool,
}

/// The instance that a call goes to.
pub(crate) struct Picked<'a> {
    pub(crate) instance: Arc<Instance>,
    callee: &'a Arc<Callee>,
    /// If this call may decide whether the rest of the instance is over.
    probe: Option<Probe>,
}

impl Callee {
    pub(crate) fn new(
        spec: &'static NodeSpec,
        options: CalleeOptions,
        closed: CancellationToken,
    ) -> Self {
        Self {
            spec,
            closed,
            retries: RetryReserve::new(options.retry_budget, Instant::now()),
            options,
            routes: ArcSwap::default(),
            commands: CalledCommands::new(spec),
            state: Mutex::default(),
            notices: Notices::default(),
            changed: Changes::new(),
            probe_due: AtomicBool::new(false),
            watched: AtomicBool::new(false),
        }
    }

    pub(crate) fn node_type(&self) -> &'static str {
        self.spec.name
    }

    /// The links that may be used now, in the order of instance ids.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        let routes = self.routes.load();
        let links = routes.all.iter().map(|instance| &instance.link);
        links.cloned().collect()
    }

    /// The instances whose links may be used now, in the order of instance ids. Those that rest are among them.
    pub(crate) fn instances(&self) -> Vec<Arc<Instance>> {
        self.routes.load().all.clone()
    }

    /// The links that may be used now, in the order of instance ids. May be called under a lock. What follows for
    /// instances is to be [told](Self::tell) without one.
    pub(crate) fn set_links(&self, links: Vec<Arc<Link>>) {
        let now = Instant::now();
        let mut state = self.state();
        let ids = links.iter().map(|link| &link.peer.id.instance);
        let released = state.ejection.set_linked(ids, now);
        let old = std::mem::take(&mut state.all);
        let instance = |link: Arc<Link>| {
            let known = old.iter().find(|known| known.link.peer.id == link.peer.id);
            match known {
                Some(known) if Arc::ptr_eq(&known.link, &link) => return Arc::clone(known),
                // A new link to the same instance, of which nothing is known yet.
                Some(known) if known.silence().is_passed_over() => {
                    self.notices.add(Notice::Heard(link.peer.id.clone()));
                }
                _ => {}
            }
            let failures = state.ejection.failures(&link.peer.id.instance);
            Arc::new(Instance::new(link, failures))
        };
        let all: Vec<_> = links.into_iter().map(instance).collect();
        state.all = all;
        for instance in released {
            let back = NodeId::new(self.spec.name, instance);
            self.notices.add(Notice::Back(back));
        }
        self.publish(&state, now);
        drop(state);
        self.changed.tell();
    }

    /// Waits until `done` returns true, which is checked whenever the links have changed. Cancel safe.
    pub(crate) async fn until(&self, mut done: impl FnMut(&Self) -> bool) {
        self.changed.until(|| done(self)).await;
    }

    /// Tells the observer what has happened to instances. Called without a lock.
    pub(crate) fn tell(&self) {
        self.notices.tell(&*self.options.observer);
    }

    /// Chooses the instance that a call of `command` goes to, among those for which `usable` returns true and that may
    /// get new calls. One that is passed over is better than none. Only a call that `may_probe` may decide whether a
    /// rest is over.
    pub(crate) fn pick(
        self: &Arc<Self>,
        command: u32,
        placing: Placing<'_>,
        may_probe: bool,
        usable: impl Fn(&Instance) -> bool,
    ) -> Option<Picked<'_>> {
        let routes = self.routes.load();
        let usable = |instance: &Arc<Instance>| instance.link.is_usable() && usable(instance);
        let cursor = self.commands.cursor(command);
        if matches!(placing, Placing::To(_)) {
            return pick(placing, cursor, &routes.all, usable).map(|chosen| self.picked(chosen));
        }
        if may_probe
            && self.probe_due.load(Ordering::Relaxed)
            && let Some(probe) = self.probe(&routes, placing, cursor, usable)
        {
            return Some(probe);
        }
        let chosen = pick(placing, cursor, &routes.candidates, usable)
            .or_else(|| pick(placing, cursor, &routes.all, usable));
        chosen.map(|chosen| self.picked(chosen))
    }

    /// An instance for a call, whose rest this call may end. A call with a key goes to such an instance only if it has
    /// the key.
    #[cold]
    fn probe(
        self: &Arc<Self>,
        routes: &Routes,
        placing: Placing<'_>,
        cursor: &AtomicUsize,
        usable: impl Fn(&Arc<Instance>) -> bool,
    ) -> Option<Picked<'_>> {
        if matches!(placing, Placing::Key(_))
            && let Some(first) = pick(placing, cursor, &routes.all, &usable)
            && routes
                .candidates
                .iter()
                .any(|other| Arc::ptr_eq(other, first))
        {
            // Most keys have an instance that does not rest. Their calls need no lock.
            return None;
        }
        let now = Instant::now();
        let mut state = self.state();
        let due = |instance: &Arc<Instance>| state.is_due(instance, now);
        let chosen = match placing {
            Placing::Key(_) => {
                let may = |instance: &Arc<Instance>| {
                    usable(instance) && (state.is_candidate(instance, now) || due(instance))
                };
                pick(placing, cursor, &state.all, may).filter(|instance| due(instance))
            }
            _ => state
                .all
                .iter()
                .find(|instance| due(instance) && usable(instance)),
        };
        let chosen = Arc::clone(chosen?);
        let probe = state.ejection.begin_probe(chosen.id(), now);
        self.note_due(&state, now);
        Some(Picked {
            probe,
            ..self.picked(&chosen)
        })
    }

    /// A call to this instance, however it stands.
    pub(crate) fn picked(self: &Arc<Self>, instance: &Arc<Instance>) -> Picked<'_> {
        Picked {
            instance: Arc::clone(instance),
            callee: self,
            probe: None,
        }
    }

    /// How the instance at the other end of a link stands.
    pub(crate) fn health(&self, link: &Arc<Link>) -> InstanceHealth {
        let state = self.state();
        let mut all = state.all.iter();
        let instance = all.find(|instance| Arc::ptr_eq(&instance.link, link));
        InstanceHealth {
            rests_for: state
                .ejection
                .rests_for(&link.peer.id.instance, Instant::now()),
            silent: instance.is_some_and(|instance| instance.silence().is_passed_over()),
        }
    }

    fn rest(&self, instance: &Instance) {
        let now = Instant::now();
        let mut state = self.state();
        let Some(rest) = state.ejection.rest(instance.id(), now) else {
            return;
        };
        self.note_rest(&state, instance, rest, now);
        drop(state);
        self.tell();
    }

    /// The call that decides over the end of a rest has failed.
    fn rest_longer(&self, instance: &Instance, probe: Probe) {
        let now = Instant::now();
        let mut state = self.state();
        let Some(rest) = state.ejection.rest_longer(instance.id(), probe, now) else {
            return;
        };
        self.note_rest(&state, instance, rest, now);
        drop(state);
        self.tell();
    }

    fn note_rest(&self, state: &State, instance: &Instance, rest: Duration, now: Instant) {
        let peer = instance.link.peer.id.clone();
        self.notices.add(Notice::Rests(peer, rest));
        self.publish(state, now);
    }

    /// An instance that has failed often has answered.
    #[cold]
    fn succeeded(&self, instance: &Instance) {
        let now = Instant::now();
        let mut state = self.state();
        if !state.ejection.succeeded(instance.id(), now) {
            return;
        }
        let peer = instance.link.peer.id.clone();
        self.notices.add(Notice::Back(peer));
        self.publish(&state, now);
        drop(state);
        self.tell();
    }

    /// Makes the routes anew.
    fn publish(&self, state: &State, now: Instant) {
        self.note_due(state, now);
        self.routes.store(Arc::new(Routes {
            all: state.all.clone(),
            candidates: state.candidates(now),
        }));
    }

    /// Notes whether a call may decide about a rest.
    fn note_due(&self, state: &State, now: Instant) {
        let due = state.all.iter().any(|instance| state.is_due(instance, now));
        self.probe_due.store(due, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What counts the calls of a command, if the node type has it.
    #[inline]
    pub(crate) fn recorder(&self, command: u32) -> Option<&CommandRecorder> {
        self.commands.recorder(command)
    }

    /// What was counted of the calls of each command.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = CommandMetrics> {
        self.commands.metrics()
    }
}

impl State {
    /// Those that calls are spread over.
    fn candidates(&self, now: Instant) -> Vec<Arc<Instance>> {
        let those = |which: &dyn Fn(&Instance) -> bool| -> Vec<_> {
            let those = self.all.iter().filter(|instance| which(instance));
            those.cloned().collect()
        };
        let candidates = those(&|instance| self.is_candidate(instance, now));
        if !candidates.is_empty() {
            return candidates;
        }
        // Of one that is silent no answer is to be expected. But if nothing is heard of any, it may be this node that
        // hears nothing.
        let heard = those(&|instance| !instance.silence().is_passed_over());
        if heard.is_empty() {
            those(&|instance| self.ejection.rests_for(instance.id(), now).is_none())
        } else {
            heard
        }
    }

    /// Whether it neither rests nor is silent.
    fn is_candidate(&self, instance: &Instance, now: Instant) -> bool {
        self.ejection.rests_for(instance.id(), now).is_none()
            && !instance.silence().is_passed_over()
    }

    /// Whether the next call may decide that the instance no longer rests. No answer is to be expected of one that is
    /// silent.
    fn is_due(&self, instance: &Instance, now: Instant) -> bool {
        self.ejection.is_due(instance.id(), now) && !instance.silence().is_passed_over()
    }
}

impl Instance {
    fn new(link: Arc<Link>, failures: Arc<AtomicU32>) -> Self {
        Self {
            link,
            failures,
            loss_counted: AtomicBool::new(false),
            silence: Mutex::new(Silence::Heard),
        }
    }

    fn id(&self) -> &InstanceId {
        &self.link.peer.id.instance
    }

    fn silence(&self) -> Silence {
        *self.silence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_silence(&self, silence: Silence) {
        *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = silence;
    }
}

impl Picked<'_> {
    /// A call over the link is about to be sent.
    #[inline]
    pub(crate) fn begin(&self) {
        if self.callee.options.ejection && !self.callee.watched.load(Ordering::Relaxed) {
            self.callee.start_watch();
        }
    }

    /// The call has ended, and says this about the instance.
    #[inline]
    pub(crate) fn end(&self, showing: Showing) {
        let failures = &self.instance.failures;
        match showing {
            Showing::Well => match failures.load(Ordering::Relaxed) {
                0 => {}
                seen @ 1..MAX_FAILURES => {
                    // Nothing, if more have come meanwhile.
                    let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
                    let _ = failures.compare_exchange(seen, 0, set, fetch);
                }
                // It may rest.
                _ => self.callee.succeeded(&self.instance),
            },
            Showing::Late => self.failed(),
            // All calls on one link fail with it.
            Showing::Lost => {
                if !self.instance.loss_counted.swap(true, Ordering::Relaxed) {
                    self.failed();
                }
            }
            Showing::Nothing => {}
        }
    }

    #[cold]
    fn failed(&self) {
        if let Some(probe) = self.probe {
            return self.callee.rest_longer(&self.instance, probe);
        }
        let before = self.instance.failures.fetch_add(1, Ordering::Relaxed);
        if self.callee.options.ejection && before.saturating_add(1) >= MAX_FAILURES {
            self.callee.rest(&self.instance);
        }
    }
}

impl Candidate for Arc<Instance> {
    fn instance(&self) -> &InstanceId {
        self.id()
    }

    fn hashed(&self) -> Hashed {
        self.link.hashed
    }

    fn load(&self) -> usize {
        self.link.load()
    }
}
