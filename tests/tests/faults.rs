//! Processes are killed and frozen, connections are cut, stalled and damaged: calls end as they should, and the mesh
//! recovers by itself.

#[path = "support/processes.rs"]
mod processes;
mod support;

use std::{net::SocketAddr, time::Duration};

use mesh_runtime::{CallError, CloseReason, Event, Heartbeat, Keys, Node, NodeId};
use processes::{Here, Process};
use support::{
    connection, disconnection, event,
    hard::{Caller, Hands, Worker},
    log,
    proxy::{Proxy, Way},
    within,
};

fn worker(instance: &str) -> NodeId {
    NodeId::new("Worker", instance)
}

/// A call that its callee holds.
fn hold(caller: &Node<Caller>, name: &str) -> tokio::task::JoinHandle<Result<u32, CallError>> {
    tokio::spawn(caller.client::<Worker>().hold(name.into()).into_future())
}

async fn assert_answers(caller: &Node<Caller>) {
    let answer = caller.client::<Worker>().echo("still there?".into());
    let answer = answer.timeout(Duration::from_secs(20)).await;
    assert_eq!(answer.unwrap(), "still there?");
}

fn assert_lost(result: Result<u32, CallError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, CallError::LinkLost { .. }), "{error:?}");
    assert!(error.maybe_executed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_in_mid_call_is_missed_by_all_and_found_again_when_it_restarts() {
    within(async {
        let here = Here::new().await;
        let mut process = here.worker_process("killed").await;
        let caller = here.caller(|caller| caller).await;
        let mut events = caller.events();
        let call = hold(&caller, "to the end");
        assert_eq!(process.says("holding").await, "to the end");
        process.kill().await;

        assert_lost(call.await.unwrap());
        disconnection(&mut events, &worker("killed")).await;
        let none = caller.client::<Worker>().echo("anyone?".into()).await;
        assert!(matches!(none, Err(CallError::NoPeer { .. })), "{none:?}");
        log::line(&["a node is gone", "Worker/killed"]).await;
        assert!(
            here.master
                .nodes()
                .iter()
                .all(|info| info.id != worker("killed"))
        );

        let _again = here.worker_process("killed").await;
        connection(&mut events, &worker("killed")).await;
        assert_answers(&caller).await;
        assert!(
            here.master
                .nodes()
                .iter()
                .any(|info| info.id == worker("killed"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_is_given_up_by_deadline_and_heartbeat_and_linked_again_when_it_thaws() {
    within(async {
        let here = Here::new().await;
        let process = here.worker_process("frozen").await;
        let silence = Duration::from_secs(3);
        let caller = here
            .caller(|caller| {
                caller.heartbeat(Heartbeat::every(Duration::from_millis(200)).silence(silence))
            })
            .await;
        let mut events = caller.events();
        process.signal("STOP");
        // The signal takes effect a moment later; until then the process still responds.
        let error = loop {
            let call = caller.client::<Worker>().echo("cold in there?".into());
            if let Err(error) = call.timeout(Duration::from_millis(300)).await {
                break error;
            }
        };
        assert!(
            matches!(error, CallError::DeadlineExceeded { .. }),
            "{error:?}"
        );
        assert!(error.maybe_executed());
        let reason = disconnection(&mut events, &worker("frozen")).await;
        assert_eq!(reason, CloseReason::Silent(silence));

        process.signal("CONT");
        connection(&mut events, &worker("frozen")).await;
        assert_answers(&caller).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_without_the_master_and_nodes_register_again_when_it_is_back() {
    within(async {
        log::start();
        let private = Keys::generate();
        let keys = Keys::new("Hard", &*private);
        let mut master = Process::start("master", "127.0.0.1:0", &private, None).await;
        let addr: SocketAddr = master.says("listening").await.parse().unwrap();
        let start_worker = || {
            Worker::node(Hands::idle())
                .keys(&keys)
                .master(addr)
                .bind("127.0.0.1:0")
        };
        let first = start_worker().start().await.unwrap();
        let caller = Caller::node()
            .keys(&keys)
            .master(addr)
            .bind("127.0.0.1:0")
            .start()
            .await
            .unwrap();
        caller.ready::<Worker>(1).await.unwrap();
        let mut events = [first.events(), caller.events()];

        master.kill().await;
        for events in &mut events {
            event(events, |event| {
                matches!(event, Event::MasterLost { .. }).then_some(())
            })
            .await;
        }
        for _ in 0..100 {
            assert_answers(&caller).await;
        }

        let mut master = Process::start("master", &addr.to_string(), &private, None).await;
        assert_eq!(master.says("listening").await, addr.to_string());
        for events in &mut events {
            event(events, |event| {
                // The link stays, even though the new master does not know any node yet.
                assert!(!matches!(event, Event::LinkDown { .. }), "{event:?}");
                (event == Event::Registered).then_some(())
            })
            .await;
        }
        let second = start_worker().start().await.unwrap();
        caller.ready::<Worker>(2).await.unwrap();
        let call = caller.client::<Worker>().echo("new here?".into());
        assert_eq!(
            call.to(second.instance().clone()).await.unwrap(),
            "new here?"
        );
        assert_answers(&caller).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_in_mid_call_is_dialled_again() {
    within(async {
        let here = Here::new().await;
        let proxy = Proxy::listen().await;
        let (worker, mut held) = here.worker_behind(&proxy).await;
        let caller = here.caller(|caller| caller).await;
        let mut events = caller.events();
        let call = hold(&caller, "cut off");
        assert_eq!(held.recv().await.unwrap(), "cut off");
        proxy.cut();
        assert_lost(call.await.unwrap());
        disconnection(&mut events, worker.id()).await;
        connection(&mut events, worker.id()).await;
        assert_answers(&caller).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_stalls_is_closed_as_silent_and_dialled_again() {
    within(async {
        let here = Here::new().await;
        let proxy = Proxy::listen().await;
        let (worker, mut held) = here.worker_behind(&proxy).await;
        let silence = Duration::from_secs(1);
        let caller = here
            .caller(|caller| {
                caller.heartbeat(Heartbeat::every(Duration::from_millis(100)).silence(silence))
            })
            .await;
        let mut events = caller.events();
        let call = hold(&caller, "stuck");
        assert_eq!(held.recv().await.unwrap(), "stuck");
        proxy.stall();
        assert_lost(call.await.unwrap());
        let reason = disconnection(&mut events, worker.id()).await;
        assert_eq!(reason, CloseReason::Silent(silence));
        connection(&mut events, worker.id()).await;
        assert_answers(&caller).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_heartbeats_are_rare_stays_open() {
    within(async {
        let here = Here::new().await;
        let rare = Heartbeat::every(Duration::from_secs(600));
        let worker = Worker::node(Hands::idle())
            .keys(&here.keys)
            .master(here.master.addr())
            .bind("127.0.0.1:0")
            .heartbeat(rare)
            .start()
            .await
            .unwrap();
        let caller = here.caller(|caller| caller.heartbeat(rare)).await;
        let mut events = caller.events();
        // Longer than a side waits for the authentication of the other, which finished long ago.
        let lost = disconnection(&mut events, worker.id());
        let lost = tokio::time::timeout(Duration::from_secs(6), lost).await;
        assert!(lost.is_err(), "{lost:?}");
        assert_answers(&caller).await;
    })
    .await;
}

async fn a_flipped_bit(way: Way) {
    within(async {
        let here = Here::new().await;
        let proxy = Proxy::listen().await;
        let (worker, mut held) = here.worker_behind(&proxy).await;
        let caller = here.caller(|caller| caller).await;
        let mut events = caller.events();
        let call = hold(&caller, "disturbed");
        assert_eq!(held.recv().await.unwrap(), "disturbed");
        proxy.damage(way);
        // Traffic that the damage can hit. If it hits an acknowledgement that was on its way before, the link is gone when
        // this call is to be sent, and it goes over the next one.
        let text = "x".repeat(200);
        match caller.client::<Worker>().echo(text.clone()).await {
            Ok(answer) => assert_eq!(answer, text),
            Err(CallError::LinkLost { .. } | CallError::NoPeer { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        assert_lost(call.await.unwrap());
        disconnection(&mut events, worker.id()).await;
        connection(&mut events, worker.id()).await;
        assert_answers(&caller).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_flipped_on_the_way_to_the_callee_costs_the_link_which_is_dialled_again() {
    a_flipped_bit(Way::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_flipped_on_the_way_to_the_caller_costs_the_link_which_is_dialled_again() {
    a_flipped_bit(Way::Down).await;
}
