use std::{
    collections::HashMap,
    sync::{LazyLock, Weak},
};

use proptest::{collection::vec, prelude::*};
use tokio::{
    runtime::{Builder, Runtime},
    time::{advance, sleep},
};

use super::{ejection::FIRST_REST, *};
use crate::{
    balance::Balance,
    close::{CloseCode, CloseReason},
    id::BootEpoch,
    link::{
        channel::{Channel, Receiver},
        link::{Grant, LinkHost, Peer, Role},
        serving::{CallReply, ReceivedPayload, TellPermit},
    },
    schema::{CommandSpec, Delivery, Schema},
    verdict::{Ends, Verdicts},
    wire::frame::Frame,
};

const COMMAND: CommandSpec = CommandSpec::new("open", 1, 0, Delivery::Balanced, &[], "()");
static SPEC: NodeSpec = NodeSpec::new("Billing", "", &[], &[COMMAND]);
static SCHEMA: Schema = Schema::new("Shop", "", &[&SPEC]);
const ROUND_ROBIN: Placing<'static> = Placing::Policy(Balance::RoundRobin);

/// The node of links over which nothing arrives.
struct Nobody;

impl LinkHost for Nobody {
    fn admit(&self, _: &Arc<Link>) -> Result<(), CloseCode> {
        Ok(())
    }

    fn opened(&self, _: &Arc<Link>) {}

    fn call(&self, _: u32, _: ReceivedPayload, _: CallReply) {}

    fn tell(&self, _: u32, _: ReceivedPayload, _: TellPermit) {}

    fn draining(&self, _: &Arc<Link>) {}

    fn lost(&self, _: &Arc<Link>, _: &CloseReason) {}
}

/// Which instances rested and were back, in order.
#[derive(Default)]
struct Told(Mutex<Vec<(&'static str, InstanceId)>>);

impl Told {
    fn take(&self) -> Vec<(&'static str, InstanceId)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl CalleeObserver for Told {
    fn tell(&self, notice: Notice) {
        let told = match notice {
            Notice::Rests(peer, _) => ("rests", peer.instance),
            Notice::Back(peer) => ("back", peer.instance),
            Notice::Silent(peer) => ("silent", peer.instance),
            Notice::Heard(peer) => ("heard", peer.instance),
        };
        self.0.lock().unwrap().push(told);
    }
}

fn set_links(callee: &Callee, links: Vec<Arc<Link>>) {
    callee.set_links(links);
    callee.tell();
}

fn link(number: usize) -> Arc<Link> {
    static HOST: LazyLock<Arc<Nobody>> = LazyLock::new(|| Arc::new(Nobody));
    let host: Weak<dyn LinkHost> = Arc::<Nobody>::downgrade(&HOST);
    let peer = Peer {
        id: NodeId::new("Billing", format!("b{number}")),
        epoch: BootEpoch {
            started_ms: 1,
            random: 1,
        },
        addr: String::new(),
        verdicts: Verdicts::new(&Ends {
            schema: &SCHEMA,
            own: "",
            peer: "",
            known: &[],
            declared: &[],
        }),
    };
    let grant = Grant {
        calls: 10,
        bytes: 1000,
    };
    let link = Link::new(peer, Role::Accepted, Channel::new(), grant, host);
    let Grant { calls, bytes } = grant;
    link.on_frame(Frame::Confirm { calls, bytes }).unwrap();
    link
}

fn callee(links: usize) -> (Arc<Callee>, Arc<Told>) {
    let told = Arc::<Told>::default();
    let callee = Callee::new(
        &SPEC,
        CalleeOptions {
            ejection: true,
            retry_budget: RetryBudget::default(),
            observer: Arc::clone(&told) as Arc<dyn CalleeObserver>,
            runtime: Handle::current(),
        },
        CancellationToken::new(),
    );
    set_links(&callee, (0..links).map(link).collect());
    (Arc::new(callee), told)
}

fn next<'a>(callee: &'a Arc<Callee>, placing: Placing<'_>) -> Picked<'a> {
    callee.pick(1, placing, true, |_| true).unwrap()
}

fn call(callee: &Arc<Callee>, placing: Placing<'_>, showing: Showing) -> InstanceId {
    let picked = next(callee, placing);
    picked.end(showing);
    picked.instance.id().clone()
}

/// Lets calls to an instance fail until it rests.
fn make_rest(callee: &Arc<Callee>, instance: &InstanceId) {
    for _ in 0..MAX_FAILURES {
        call(callee, Placing::To(instance), Showing::Late);
    }
}

/// How often each of them is chosen.
fn spread(callee: &Arc<Callee>, calls: usize) -> HashMap<InstanceId, usize> {
    let mut counts = HashMap::new();
    for _ in 0..calls {
        let id = call(callee, ROUND_ROBIN, Showing::Well);
        *counts.entry(id).or_default() += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn who_rests_gets_no_balanced_calls_and_the_others_get_the_same_number() {
    let (callee, told) = callee(4);
    let sick = InstanceId::from("b1");
    make_rest(&callee, &sick);
    assert_eq!(told.take(), [("rests", sick.clone())]);
    let counts = spread(&callee, 300);
    assert_eq!(counts.get(&sick), None);
    assert!(counts.values().all(|count| *count == 100), "{counts:?}");
    assert_eq!(call(&callee, Placing::To(&sick), Showing::Well), sick);
    assert_eq!(callee.instances().len(), 4, "broadcasts go to all");
    let health = callee.health(&callee.links()[1]);
    assert_eq!(health.rests_for, Some(FIRST_REST));
    assert_eq!(callee.health(&callee.links()[0]), InstanceHealth::default());
}

#[tokio::test(start_paused = true)]
async fn a_key_of_who_rests_goes_to_the_next_and_all_others_stay() {
    let (callee, _) = callee(4);
    let keys: Vec<[u8; 2]> = (0..200_u16).map(u16::to_le_bytes).collect();
    let places = || -> Vec<InstanceId> {
        let of = |key: &[u8; 2]| next(&callee, Placing::Key(key)).instance.id().clone();
        keys.iter().map(of).collect()
    };
    let before = places();
    let sick = before[0].clone();
    make_rest(&callee, &sick);
    for (before, after) in before.iter().zip(places()) {
        assert_eq!(*before == after, *before != sick);
    }
    // The probe is a call with one of its own keys.
    advance(FIRST_REST).await;
    callee.look(Instant::now());
    let other = before.iter().position(|place| *place != sick).unwrap();
    let picked = next(&callee, Placing::Key(&keys[other]));
    assert!(picked.probe.is_none());
    let picked = next(&callee, Placing::Key(&keys[0]));
    assert!(picked.probe.is_some() && *picked.instance.id() == sick);
}

#[tokio::test(start_paused = true)]
async fn after_the_rest_one_call_decides() {
    let (callee, told) = callee(3);
    let sick = InstanceId::from("b2");
    // The watch tells when the rest is over.
    next(&callee, ROUND_ROBIN).begin();
    make_rest(&callee, &sick);
    advance(FIRST_REST + Duration::from_millis(50)).await;
    tokio::task::yield_now().await;
    let may_not = callee.pick(1, ROUND_ROBIN, false, |_| true).unwrap();
    assert_ne!(*may_not.instance.id(), sick);
    let given_up = next(&callee, ROUND_ROBIN);
    assert_eq!(*given_up.instance.id(), sick);
    assert_eq!(spread(&callee, 30).get(&sick), None, "one at a time");
    drop(given_up);
    assert_eq!(spread(&callee, 30).get(&sick), None, "not at once");
    next(&callee, ROUND_ROBIN).begin();
    sleep(Duration::from_millis(5100)).await;
    assert_eq!(call(&callee, ROUND_ROBIN, Showing::Late), sick);
    assert_eq!(
        told.take(),
        [("rests", sick.clone()), ("rests", sick.clone())]
    );
    assert_eq!(spread(&callee, 30).get(&sick), None);
    next(&callee, ROUND_ROBIN).begin();
    advance(2 * FIRST_REST + Duration::from_millis(50)).await;
    tokio::task::yield_now().await;
    assert_eq!(call(&callee, ROUND_ROBIN, Showing::Well), sick);
    assert_eq!(told.take(), [("back", sick.clone())]);
    assert_eq!(spread(&callee, 30)[&sick], 10);
}

#[tokio::test(start_paused = true)]
async fn any_answer_ends_a_rest_that_is_over() {
    let (callee, told) = callee(3);
    let sick = InstanceId::from("b2");
    make_rest(&callee, &sick);
    call(&callee, Placing::To(&sick), Showing::Well);
    assert_eq!(told.take(), [("rests", sick.clone())], "it is not over");
    advance(FIRST_REST).await;
    // One call decides, and takes its time; another one is answered meanwhile.
    callee.look(Instant::now());
    let slow = next(&callee, ROUND_ROBIN);
    assert_eq!(*slow.instance.id(), sick);
    call(&callee, Placing::To(&sick), Showing::Well);
    assert_eq!(told.take(), [("back", sick.clone())]);
    slow.end(Showing::Late);
    assert!(told.take().is_empty(), "it does not rest any more");
    assert_eq!(spread(&callee, 30)[&sick], 10);
}

#[tokio::test(start_paused = true)]
async fn a_silent_instance_is_not_asked_to_decide() {
    let (callee, told) = callee(3);
    let sick = InstanceId::from("b2");
    make_rest(&callee, &sick);
    let silent = Silence::PassedOver(Instant::now());
    callee.instances()[2].set_silence(silent);
    advance(FIRST_REST).await;
    callee.note_due(&callee.state(), Instant::now());
    assert!(!callee.probe_due.load(Ordering::Relaxed));
    assert_eq!(spread(&callee, 30).get(&sick), None);
    assert_eq!(told.take(), [("rests", sick)]);
}

#[tokio::test(start_paused = true)]
async fn a_new_link_to_a_silent_instance_is_heard() {
    let (callee, told) = callee(2);
    let links = callee.links();
    let silent = Silence::PassedOver(Instant::now());
    callee.instances()[1].set_silence(silent);
    set_links(&callee, vec![Arc::clone(&links[0]), link(1)]);
    assert_eq!(told.take(), [("heard", "b1".into())]);
    assert_eq!(spread(&callee, 10)["b1"], 5);
}

#[tokio::test(start_paused = true)]
async fn one_that_rests_is_better_than_one_that_is_silent() {
    let (callee, _) = callee(2);
    make_rest(&callee, &"b0".into());
    let silent = Silence::PassedOver(Instant::now());
    callee.instances()[1].set_silence(silent);
    callee.publish(&callee.state(), Instant::now());
    assert_eq!(spread(&callee, 10)["b0"], 10);
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_counts_once_however_many_calls_it_takes_along() {
    let (callee, told) = callee(2);
    // It flaps: no call in between succeeds.
    for round in 1..=MAX_FAILURES {
        assert!(told.take().is_empty(), "round {round}");
        set_links(&callee, vec![link(0), link(1)]);
        let calls: Vec<_> = (0..20)
            .map(|_| next(&callee, Placing::To(&"b0".into())))
            .collect();
        // Its link is gone when the calls hear of it.
        set_links(&callee, vec![link(1)]);
        for call in calls {
            call.end(Showing::Lost);
        }
    }
    assert_eq!(told.take(), [("rests", "b0".into())]);
    set_links(&callee, vec![link(0), link(1)]);
    assert_eq!(spread(&callee, 10).get("b0"), None);
}

#[tokio::test(start_paused = true)]
async fn silence_is_seen_while_another_rests() {
    let (callee, told) = callee(4);
    next(&callee, ROUND_ROBIN).begin();
    make_rest(&callee, &"b0".into());
    // Nothing is to be looked at before the rest is over.
    sleep(Duration::from_millis(2500)).await;
    told.take();
    let stuck = Arc::clone(&callee.links()[1]);
    let deadline = Instant::now() + Duration::from_secs(60);
    let call = async move { drop(stuck.call(1, bytes::Bytes::new(), deadline).await) };
    let waiting = tokio::spawn(call);
    sleep(Duration::from_millis(2100)).await;
    assert_eq!(told.take(), [("silent", "b1".into())]);
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn the_only_instance_and_one_that_is_better_than_none_are_called() {
    let (callee, told) = callee(1);
    make_rest(&callee, &"b0".into());
    assert!(told.take().is_empty());
    set_links(&callee, vec![link(0), link(1)]);
    call(&callee, Placing::To(&"b0".into()), Showing::Late);
    assert_eq!(told.take(), [("rests", "b0".into())]);
    for may_probe in [true, false] {
        let left = |instance: &Instance| instance.id().as_str() == "b0";
        assert!(callee.pick(1, ROUND_ROBIN, may_probe, left).is_some());
    }
    set_links(&callee, vec![link(0)]);
    assert_eq!(told.take(), [("back", "b0".into())]);
}

#[tokio::test(start_paused = true)]
async fn without_ejection_none_rests() {
    let (mut callee, told) = callee(2);
    Arc::get_mut(&mut callee).unwrap().options.ejection = false;
    for _ in 0..10 {
        make_rest(&callee, &"b0".into());
    }
    assert!(told.take().is_empty());
    assert_eq!(spread(&callee, 10)["b0"], 5);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Who is passed over because of silence.
fn silent(callee: &Arc<Callee>) -> Vec<InstanceId> {
    let silent = |instance: &Arc<Instance>| callee.health(&instance.link).silent;
    let instances = callee.instances().into_iter();
    instances
        .filter(silent)
        .map(|instance| instance.id().clone())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_silent_instance_with_calls_in_flight_is_passed_over_after_two_seconds() {
    let (callee, told) = callee(3);
    let links = callee.links();
    let stuck = Arc::clone(&links[1]);
    let deadline = Instant::now() + Duration::from_secs(60);
    let waiting =
        tokio::spawn(async move { drop(stuck.call(1, bytes::Bytes::new(), deadline).await) });
    next(&callee, ROUND_ROBIN).begin();
    sleep(Duration::from_millis(1900)).await;
    assert!(silent(&callee).is_empty());
    sleep(Duration::from_millis(150)).await;
    assert_eq!(silent(&callee), [InstanceId::from("b1")]);
    let counts = spread(&callee, 100);
    assert_eq!((counts.get("b1"), counts["b0"]), (None, 50));
    assert_eq!(told.take(), [("silent", "b1".into())], "it does not rest");
    waiting.abort();
}

proptest! {
    #[test]
    fn without_a_failure_none_rests_and_round_robin_is_exact_whatever_the_calls_say(
        showings in vec(prop_oneof![Just(Showing::Well), Just(Showing::Nothing)], 1..200),
        links in 1..6_usize,
    ) {
        let runtime = runtime();
        let _entered = runtime.enter();
        let (callee, told) = callee(links);
        let mut counts = vec![0; links];
        for showing in showings {
            let id = call(&callee, ROUND_ROBIN, showing);
            counts[id.as_str()[1..].parse::<usize>().unwrap()] += 1;
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
        }
        prop_assert!(told.take().is_empty());
    }
}

proptest! {
    #[test]
    fn whatever_fails_round_robin_is_exact_over_those_who_do_not_rest(
        failing in vec((0..6_usize, any::<bool>()), 0..60),
    ) {
        let runtime = runtime();
        let _entered = runtime.enter();
        let (callee, told) = callee(6);
        for (instance, fails) in failing {
            let showing = if fails { Showing::Late } else { Showing::Well };
            call(&callee, Placing::To(&format!("b{instance}").into()), showing);
        }
        let resting = told.take();
        prop_assert!(resting.len() <= 3);
        let counts = spread(&callee, 60 * (6 - resting.len()));
        for (_, instance) in &resting {
            prop_assert_eq!(counts.get(instance), None);
        }
        prop_assert!(counts.values().all(|count| *count == 60));
    }
}
