//! The instances of one node type, as their callers see them: which are linked, which of them rest or are silent, and
//! whose turn it is. It does not know how a link is made, or what a call over it does.

mod ejection;
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

use self::{
    ejection::{Ejection, MAX_FAILURES},
    silence::Silence,
};
use crate::{
    balance::{Candidate, Placing, pick},
    id::{InstanceId, NodeId},
    link::link::Link,
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

/// Is told which instances are passed over. Its methods are called inline and must not block.
pub(crate) trait CalleeObserver: Send + Sync + 'static {
    /// An instance gets no calls for that long.
    fn rests(&self, peer: &NodeId, rest: Duration);

    /// It gets calls again.
    fn back(&self, peer: &NodeId);

    /// Nothing is heard of an instance, although calls are in flight.
    fn silent(&self, peer: &NodeId);

    /// It is heard again.
    fn heard(&self, peer: &NodeId);
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
    /// The round-robin position of each command, by its id.
    cursors: Box<[(u32, AtomicUsize)]>,
    state: Mutex<State>,
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

/// Instances that no longer rest, because others have left.
pub(crate) struct Released<'a> {
    callee: &'a Callee,
    instances: Vec<InstanceId>,
}

/// The instance that a call goes to.
pub(crate) struct Picked<'a> {
    pub(crate) instance: Arc<Instance>,
    callee: &'a Arc<Callee>,
    /// Whether this call decides whether the rest of the instance is over, and has not done so yet.
    probe: AtomicBool,
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
            cursors: spec
                .commands
                .iter()
                .map(|command| (command.id, AtomicUsize::new(0)))
                .collect(),
            state: Mutex::default(),
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

    /// The links that may be used now, in the order of instance ids. Returns the instances that no longer rest.
    #[must_use = "the observer is to be told, without a lock"]
    pub(crate) fn set_links(&self, links: Vec<Arc<Link>>) -> Released<'_> {
        let now = Instant::now();
        let mut state = self.state();
        let ids = links.iter().map(|link| &link.peer.id.instance);
        let released = state.ejection.set_linked(ids, now);
        let old = std::mem::take(&mut state.all);
        let instance = |link: Arc<Link>| {
            let known = old.iter().find(|known| Arc::ptr_eq(&known.link, &link));
            known.cloned().unwrap_or_else(|| {
                let failures = state.ejection.failures(&link.peer.id.instance);
                Arc::new(Instance::new(link, failures))
            })
        };
        let all: Vec<_> = links.into_iter().map(instance).collect();
        state.all = all;
        self.publish(&state, now);
        Released {
            callee: self,
            instances: released,
        }
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
        let cursor = self.cursor(command);
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
                let rests = |instance: &Arc<Instance>| state.ejection.rests_for(instance.id(), now);
                let may = |instance: &Arc<Instance>| {
                    usable(instance) && (rests(instance).is_none() || due(instance))
                };
                pick(placing, cursor, &state.all, may).filter(|instance| due(instance))
            }
            _ => state
                .all
                .iter()
                .find(|instance| due(instance) && usable(instance)),
        };
        let chosen = Arc::clone(chosen?);
        state.ejection.begin_probe(chosen.id(), now);
        self.note_due(&state, now);
        let mut picked = self.picked(&chosen);
        *picked.probe.get_mut() = true;
        Some(picked)
    }

    /// A call to this instance, however it stands.
    pub(crate) fn picked(self: &Arc<Self>, instance: &Arc<Instance>) -> Picked<'_> {
        Picked {
            instance: Arc::clone(instance),
            callee: self,
            probe: AtomicBool::new(false),
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
        self.publish(&state, now);
        drop(state);
        self.options.observer.rests(&instance.link.peer.id, rest);
    }

    /// The call that decides over the end of a rest has ended.
    fn probed(&self, instance: &Instance, showing: Showing) {
        let now = Instant::now();
        let (mut state, id) = (self.state(), instance.id());
        let rest = match showing {
            Showing::Well => {
                drop(state);
                return self.succeeded(instance);
            }
            Showing::Late | Showing::Lost => state.ejection.rest_longer(id, now),
            Showing::Nothing => {
                state.ejection.give_probe_back(id, now);
                None
            }
        };
        self.publish(&state, now);
        drop(state);
        if let Some(rest) = rest {
            self.options.observer.rests(&instance.link.peer.id, rest);
        }
    }

    /// An instance that has failed often has answered.
    #[cold]
    fn succeeded(&self, instance: &Instance) {
        let now = Instant::now();
        let mut state = self.state();
        if !state.ejection.succeeded(instance.id(), now) {
            return;
        }
        self.publish(&state, now);
        drop(state);
        self.options.observer.back(&instance.link.peer.id);
    }

    /// Makes the routes anew.
    fn publish(&self, state: &State, now: Instant) {
        let awake =
            |instance: &&Arc<Instance>| state.ejection.rests_for(instance.id(), now).is_none();
        let heard = |instance: &&Arc<Instance>| !instance.silence().is_passed_over();
        let awake: Vec<_> = state.all.iter().filter(awake).cloned().collect();
        let heard: Vec<_> = awake.iter().filter(heard).cloned().collect();
        self.note_due(state, now);
        self.routes.store(Arc::new(Routes {
            all: state.all.clone(),
            // If nothing is heard of any of them, it may be this node that hears nothing.
            candidates: if heard.is_empty() { awake } else { heard },
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

    fn cursor(&self, command: u32) -> &AtomicUsize {
        static OTHER: AtomicUsize = AtomicUsize::new(0);
        self.cursors
            .iter()
            .find(|(id, _)| *id == command)
            .map_or(&OTHER, |(_, cursor)| cursor)
    }
}

impl State {
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

impl Released<'_> {
    /// Tells the observer.
    pub(crate) fn tell(self) {
        for instance in self.instances {
            let back = NodeId::new(self.callee.spec.name, instance);
            self.callee.options.observer.back(&back);
        }
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
        if self.probe.load(Ordering::Relaxed) {
            self.probe.store(false, Ordering::Relaxed);
            self.callee.probed(&self.instance, showing);
            return;
        }
        let failures = &self.instance.failures;
        match showing {
            Showing::Well => match failures.load(Ordering::Relaxed) {
                0 => {}
                1..MAX_FAILURES => failures.store(0, Ordering::Relaxed),
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
        let before = self.instance.failures.fetch_add(1, Ordering::Relaxed);
        if self.callee.options.ejection && before.saturating_add(1) >= MAX_FAILURES {
            self.callee.rest(&self.instance);
        }
    }
}

impl Drop for Picked<'_> {
    fn drop(&mut self) {
        if *self.probe.get_mut() {
            self.callee.probed(&self.instance, Showing::Nothing);
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
