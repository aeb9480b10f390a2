//! One of three instances is frozen, answers nothing, or loses its link again and again, under 64 callers: which calls
//! fail, and that no more fail once the instance is passed over. How many calls failed is printed.

#[path = "support/processes.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod processes;
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use mesh_runtime::{CallError, Event, Events, Node, NodeId};
use processes::Here;
use support::{
    connection, event,
    hard::{Caller, Worker},
    proxy::Proxy,
    within,
};
use tokio::{sync::Notify, task::JoinSet};

const CALLERS: usize = 64;

/// Callers that call one after the other until they are stopped.
struct Load {
    state: Arc<State>,
    callers: JoinSet<()>,
}

#[derive(Default)]
struct State {
    /// Whether the sick instance is passed over.
    passed_over: AtomicBool,
    stopped: AtomicBool,
    answered: AtomicU64,
    /// Notified with each answer.
    answer: Notify,
    /// The calls that failed, by whether they had begun before the instance was passed over.
    failed_before: Mutex<Vec<CallError>>,
    failed_after: Mutex<Vec<CallError>>,
}

impl Load {
    /// Each call may take this long.
    fn start(caller: &Node<Caller>, timeout: Duration) -> Self {
        let state = Arc::<State>::default();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (client, state) = (caller.client::<Worker>(), Arc::clone(&state));
            callers.spawn(async move {
                while !state.stopped.load(Ordering::SeqCst) {
                    let after = state.passed_over.load(Ordering::SeqCst);
                    match client.echo("well?".into()).timeout(timeout).await {
                        Ok(_) => {
                            state.answered.fetch_add(1, Ordering::SeqCst);
                            state.answer.notify_waiters();
                        }
                        Err(error) if after => state.failed_after.lock().unwrap().push(error),
                        Err(error) => state.failed_before.lock().unwrap().push(error),
                    }
                }
            });
        }
        Self { state, callers }
    }

    /// Waits until so many more calls were answered.
    async fn answers(&self, more: u64) {
        let goal = self.state.answered.load(Ordering::SeqCst) + more;
        loop {
            let next = self.state.answer.notified();
            if self.state.answered.load(Ordering::SeqCst) >= goal {
                return;
            }
            next.await;
        }
    }

    /// From now on calls that begin count as those after the instance was passed over.
    fn passed_over(&self) {
        self.state.passed_over.store(true, Ordering::SeqCst);
    }

    /// Ends the callers. Returns the errors of the calls that had begun before, and of those that began after.
    async fn stop(mut self, case: &str) -> (Vec<CallError>, Vec<CallError>) {
        self.state.stopped.store(true, Ordering::SeqCst);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        let before = std::mem::take(&mut *self.state.failed_before.lock().unwrap());
        let after = std::mem::take(&mut *self.state.failed_after.lock().unwrap());
        let answered = self.state.answered.load(Ordering::SeqCst);
        println!(
            "{case}: {answered} calls answered; failed: {} that began before it was passed over, {} after",
            before.len(),
            after.len(),
        );
        (before, after)
    }
}

async fn rests(events: &mut Events, instance: &NodeId) -> Duration {
    event(events, |event| match event {
        Event::InstanceRests { peer, rest } => (peer == *instance).then_some(rest),
        _ => None,
    })
    .await
}

async fn back(events: &mut Events, instance: &NodeId) {
    event(events, |event| match event {
        Event::InstanceBack { peer } => (peer == *instance).then_some(()),
        _ => None,
    })
    .await;
}

fn worker(instance: &str) -> NodeId {
    NodeId::new("Worker", instance)
}

/// By what they are.
fn kinds(errors: &[CallError]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for error in errors {
        let kind = match error {
            CallError::DeadlineExceeded { .. } => "late",
            CallError::LinkLost { .. } => "lost",
            _ => "other",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_instance_is_passed_over_until_it_is_heard() {
    within(async {
        let here = Here::new().await;
        let _well = (
            here.worker_process("a").await,
            here.worker_process("c").await,
        );
        let frozen = here.worker_process("b").await;
        let caller = here.caller(|caller| caller).await;
        caller.ready::<Worker>(3).await.unwrap();
        let mut events = caller.events();
        let load = Load::start(&caller, Duration::from_secs(3));
        load.answers(1000).await;
        frozen.signal("STOP");
        let silent = |event| match event {
            Event::InstanceSilent { peer } => (peer == worker("b")).then_some(()),
            _ => None,
        };
        event(&mut events, silent).await;
        load.passed_over();
        let link = caller.link::<Worker>("b").unwrap();
        assert!(link.silent);
        load.answers(5000).await;
        // Five of the calls that wait for it fail, and then it rests, too; but it is not probed while it is silent.
        rests(&mut events, &worker("b")).await;
        load.answers(5000).await;
        frozen.signal("CONT");
        back(&mut events, &worker("b")).await;
        let link = caller.link::<Worker>("b").unwrap();
        assert!(!link.silent && link.rests_for.is_none());
        load.answers(1000).await;
        let (before, after) = load.stop("frozen").await;
        assert_eq!(kinds(&after), BTreeMap::new());
        // All may wait for it at once; and once five of them have failed, it rests.
        assert!(before.len() < CALLERS + 5, "{}", before.len());
        assert_eq!(kinds(&before).get("other"), None);
        let answer = caller.client::<Worker>().echo("again".into()).to("b");
        assert_eq!(answer.await.unwrap(), "again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_answers_nothing_costs_one_call_for_each_of_its_rests() {
    within(async {
        let here = Here::new().await;
        let _well = (
            here.worker_process("a").await,
            here.worker_process("c").await,
        );
        let _mute = here.process("mute", "b").await;
        let caller = here.caller(|caller| caller).await;
        caller.ready::<Worker>(3).await.unwrap();
        let mut events = caller.events();
        let load = Load::start(&caller, Duration::from_millis(500));
        let first = rests(&mut events, &worker("b")).await;
        load.passed_over();
        assert_eq!(first, Duration::from_secs(5));
        let link = caller.link::<Worker>("b").unwrap();
        assert!(link.rests_for.is_some_and(|left| left <= first));
        let second = rests(&mut events, &worker("b")).await;
        assert_eq!(second, 2 * first);
        load.answers(1000).await;
        let (before, after) = load.stop("mute").await;
        assert_eq!(kinds(&after), BTreeMap::from([("late", 1)]));
        let late = kinds(&before)["late"];
        assert!((5..CALLERS + 5).contains(&late), "{late}");
        assert_eq!(kinds(&before).len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_link_flaps_costs_only_the_calls_that_were_on_it() {
    const CUTS: usize = 8;
    within(async {
        let here = Here::new().await;
        let _well = (here.worker_process("a").await, here.worker_process("c").await);
        let proxy = Proxy::listen().await;
        let (flapping, _held) = here.worker_behind(&proxy).await;
        let caller = here.caller(|caller| caller).await;
        caller.ready::<Worker>(3).await.unwrap();
        let mut events = caller.events();
        let load = Load::start(&caller, Duration::from_secs(5));
        for _ in 0..CUTS {
            load.answers(500).await;
            proxy.cut();
            connection(&mut events, flapping.id()).await;
        }
        load.answers(500).await;
        let (failed, _) = load.stop("flapping").await;
        let lost = |error: &CallError| {
            matches!(error, CallError::LinkLost { peer, maybe_executed: true, .. } if peer == flapping.id())
        };
        assert!(failed.iter().all(lost), "{:?}", kinds(&failed));
        assert!(failed.len() <= CUTS * CALLERS);
        let answer = caller.client::<Worker>().echo("steady".into());
        assert_eq!(answer.to(flapping.instance().clone()).await.unwrap(), "steady");
    })
    .await;
}
