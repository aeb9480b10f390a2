//! Many calls at once, and large calls: every call gets its own reply, nothing stalls behind a large payload, what
//! exceeds the budget waits or is refused, and nothing is leaked.

mod support;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use mesh_runtime::{CallError, CloseCode, CloseReason, Node, testing::TestMesh};
use support::{
    disconnection,
    hard::{Caller, Hands, Hard, Worker},
    within,
};
use tokio::sync::{Semaphore, mpsc};

const MIB: usize = 1 << 20;

/// Far longer than any step takes, even on a busy machine.
const PATIENT: Duration = Duration::from_secs(50);

/// Two nodes with one link.
struct Pair {
    _mesh: TestMesh<Hard>,
    worker: Node<Worker>,
    caller: Node<Caller>,
    held: mpsc::UnboundedReceiver<String>,
    release: &'static Semaphore,
}

impl Pair {
    async fn new() -> Self {
        Self::with_budget(16_384, 64 << 20).await
    }

    async fn with_budget(calls: u32, bytes: u64) -> Self {
        let mesh = TestMesh::<Hard>::start().await.unwrap();
        let (hands, held, release) = Hands::new();
        let worker = Worker::node(hands).instance("w").budget(calls, bytes);
        let worker = mesh.start_node(worker).await.unwrap();
        let caller = mesh.start_node(Caller::node()).await.unwrap();
        caller.ready::<Worker>(1).await.unwrap();
        Self {
            _mesh: mesh,
            worker,
            caller,
            held,
            release,
        }
    }

    fn in_flight(&self) -> usize {
        in_flight(&self.caller)
    }
}

fn in_flight(caller: &Node<Caller>) -> usize {
    caller.link::<Worker>("w").expect("a link").in_flight
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_at_once_over_one_link_each_get_their_own_answer() {
    within(async {
        let pair = Pair::new().await;
        let client = pair.caller.client::<Worker>();
        let calls = (0..10_000).map(|number: u32| {
            let call = client.echo(number.to_string()).timeout(PATIENT);
            tokio::spawn(async move { (number.to_string(), call.await.unwrap()) })
        });
        for answered in join_all(calls).await {
            let (asked, answer) = answered.unwrap();
            assert_eq!(answer, asked);
        }
        assert_eq!(pair.in_flight(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_calls_go_on_while_sixteen_mebibytes_travel_both_ways() {
    /// The progress of the large call.
    const TRAVELLING: usize = 0;
    const ARRIVED: usize = 1;
    const ANSWERED: usize = 2;
    within(async {
        let mut pair = Pair::new().await;
        let client = pair.caller.client::<Worker>();
        let big: Vec<u8> = (0..16 * MIB).map(|at| (at % 251) as u8).collect();
        let stage = Arc::new(AtomicUsize::new(TRAVELLING));
        let call = client.bytes(big.clone()).timeout(PATIENT);
        let reached = Arc::clone(&stage);
        let answer = tokio::spawn(async move {
            let answer = call.await.unwrap();
            reached.store(ANSWERED, Ordering::SeqCst);
            answer
        });
        let reached = Arc::clone(&stage);
        let arrival = tokio::spawn(async move {
            pair.held.recv().await;
            reached.store(ARRIVED, Ordering::SeqCst);
        });
        let mut begun_and_ended_in = [0; 3];
        while stage.load(Ordering::SeqCst) != ANSWERED {
            let (begun, alone) = (stage.load(Ordering::SeqCst), in_flight(&pair.caller) == 0);
            let small = client.echo("small".into()).timeout(PATIENT).await;
            assert_eq!(small.unwrap(), "small");
            if !alone && begun == stage.load(Ordering::SeqCst) {
                begun_and_ended_in[begun] += 1;
            }
        }
        let [with_argument, with_answer, _] = begun_and_ended_in;
        assert!(with_argument > 0, "none while the argument travelled");
        assert!(with_answer > 0, "none while the answer travelled");
        assert!(answer.await.unwrap() == big);
        arrival.await.unwrap();
        assert_eq!(in_flight(&pair.caller), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_calls_of_a_mebibyte_at_once_come_back_unmixed() {
    within(async {
        let pair = Pair::new().await;
        let client = pair.caller.client::<Worker>();
        let calls = (0..64_u8).map(|number| {
            let call = client.bytes(vec![number; MIB]).timeout(PATIENT);
            async move { call.await.unwrap() == vec![number; MIB] }
        });
        let came_back = join_all(calls).await;
        assert_eq!(came_back, [true; 64]);
        assert_eq!(pair.in_flight(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bytes_than_the_budget_wait_for_their_turn() {
    within(async {
        let mut pair = Pair::with_budget(100, 64 * 1024).await;
        let mut events = pair.caller.events();
        let client = pair.caller.client::<Worker>();
        let bytes = 40 * 1024;
        let mut calls = pin!(join_all(
            (0..20).map(|_| client.count(vec![7; bytes]).into_future())
        ));
        tokio::select! {
            biased;
            _ = &mut calls => panic!("answered before they may be"),
            first = pair.held.recv() => assert_eq!(first.unwrap(), format!("count {bytes}")),
        }
        assert_eq!(pair.in_flight(), 20);
        pair.release.add_permits(20);
        for answer in calls.await {
            assert_eq!(answer.unwrap(), bytes as u64);
        }
        // The link was never lost: it closes only now, with Goodbye.
        pair.worker.shutdown().await;
        let reason = disconnection(&mut events, pair.worker.id()).await;
        assert_eq!(reason, CloseReason::Goodbye(CloseCode::ShuttingDown));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_with_different_budgets_do_not_run_dry() {
    within(async {
        // The caller grants the default: far more than the worker ever uses.
        let pair = Pair::with_budget(8, 4096).await;
        let client = pair.caller.client::<Worker>();
        for number in 0..1000 {
            let text = format!("{number:40}");
            assert_eq!(client.echo(text.clone()).await.unwrap(), text);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_fit_the_budget_fails_at_once_and_holds_nobody_up() {
    within(async {
        let pair = Pair::with_budget(100, 64 * 1024).await;
        let client = pair.caller.client::<Worker>();
        let too_large = client.bytes(vec![7; 70_000]).await.unwrap_err();
        assert!(
            matches!(too_large, CallError::Overloaded { .. }),
            "{too_large:?}"
        );
        assert!(!too_large.maybe_executed());
        let too_large = client.fill(70_000).await.unwrap_err();
        assert!(
            matches!(too_large, CallError::Codec { .. }),
            "{too_large:?}"
        );
        assert!(too_large.maybe_executed());
        assert_eq!(client.fill(60_000).await.unwrap().len(), 60_000);
        assert_eq!(client.echo("next".into()).await.unwrap(), "next");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_beyond_the_budget_of_calls_is_told_so_and_has_not_run() {
    within(async {
        let mut pair = Pair::with_budget(4, 1 << 20).await;
        let client = pair.caller.client::<Worker>();
        let holding: Vec<_> = (0..4)
            .map(|number| tokio::spawn(client.hold(number.to_string()).into_future()))
            .collect();
        for _ in 0..4 {
            pair.held.recv().await.unwrap();
        }
        let error = client.hold("one more".into()).await.unwrap_err();
        assert!(matches!(error, CallError::Overloaded { .. }), "{error:?}");
        assert!(!error.maybe_executed());
        pair.release.add_permits(4);
        for answer in join_all(holding).await {
            answer.unwrap().unwrap();
        }
        assert_eq!(
            client.echo("room again".into()).await.unwrap(),
            "room again"
        );
        assert!(pair.held.try_recv().is_err(), "it has run all the same");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_fifty_thousand_calls_nothing_is_in_flight() {
    within(async {
        let mut pair = Pair::new().await;
        let client = pair.caller.client::<Worker>();
        for _ in 0..50 {
            let calls =
                (0..1000).map(|number: u32| client.echo(number.to_string()).timeout(PATIENT));
            for answer in join_all(calls.map(IntoFuture::into_future)).await {
                answer.unwrap();
            }
        }
        assert_eq!(pair.in_flight(), 0);
        // The same after cancelled calls.
        let mut given_up =
            pin!(join_all((0..100).map(|number: u32| {
                client.hold(number.to_string()).into_future()
            })));
        for _ in 0..100 {
            tokio::select! {
                biased;
                _ = &mut given_up => panic!("nobody has let them go"),
                held = pair.held.recv() => drop(held),
            }
        }
        assert_eq!(pair.in_flight(), 100);
        given_up.set(join_all(Vec::new()));
        assert_eq!(
            client.echo("behind them".into()).await.unwrap(),
            "behind them"
        );
        assert_eq!(pair.in_flight(), 0);
        assert_eq!(pair.worker.links()[0].in_flight, 0);
    })
    .await;
}
