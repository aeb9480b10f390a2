//! A peer that breaks the protocol loses its own link, with the reason in the log, and nothing else happens: the node
//! keeps serving, and replayed recordings have no effect.

mod support;

use std::{net::SocketAddr, time::Duration};

use mesh_runtime::{
    CloseReason, Event, Events, Heartbeat, Keys, Master, Node, NodeId,
    testing::raw::{Claim, RawConnection, RawPeer, first_message},
};
use support::{
    connection, disconnection,
    hard::{Caller, Hands, Hard, Worker, command, text_argument},
    log,
    proxy::Proxy,
    websocket::{self, ByHand},
    within,
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};
use tokio_tungstenite::tungstenite::Message;

/// The bytes that a worker of these tests grants: few enough to be exceeded.
const BYTES: u64 = 32 * 1024;

/// A master, a worker, and a caller that calls all the time. A test adds the peer that misbehaves.
struct Town {
    keys: Keys,
    master: Master,
    happened: mpsc::UnboundedReceiver<String>,
    worker: Node<Worker>,
    caller: Node<Caller>,
    held: mpsc::UnboundedReceiver<String>,
    release: &'static Semaphore,
    answered: watch::Receiver<usize>,
    calling: JoinHandle<()>,
    quiet: Events,
}

impl Town {
    /// `name` distinguishes the log lines of a test from those of others.
    async fn open(name: &str) -> Self {
        log::start();
        let keys = Keys::new("Hard", Keys::generate());
        let (sender, happened) = mpsc::unbounded_channel();
        let registrations = sender.clone();
        let master = Hard::master()
            .keys(&keys)
            .bind("127.0.0.1:0")
            .without_discovery()
            .on_connected(move |node| {
                let _ = sender.send(format!("connection {node}"));
            })
            .on_registered(move |info| {
                let _ = registrations.send(format!("registration {}", info.id));
            })
            .start()
            .await
            .unwrap();
        let (hands, held, release) = Hands::new();
        let worker = Worker::node(hands)
            .keys(&keys)
            .master(master.addr())
            .bind("127.0.0.1:0")
            .instance(format!("{name}-worker"))
            .budget(8, BYTES)
            .start()
            .await
            .unwrap();
        let mut quiet = worker.events();
        let caller = Caller::node()
            .keys(&keys)
            .master(master.addr())
            .bind("127.0.0.1:0")
            .instance(format!("{name}-caller"))
            .start()
            .await
            .unwrap();
        caller.ready::<Worker>(1).await.unwrap();
        connection(&mut quiet, caller.id()).await;
        let (count, answered) = watch::channel(0);
        let calling = tokio::spawn(call_all_the_time(caller.clone(), count));
        let mut town = Self {
            keys,
            master,
            happened,
            worker,
            caller,
            held,
            release,
            answered,
            calling,
            quiet,
        };
        // A node may continue before the master's callback for it has run, so any order is possible.
        let mut expected = Vec::new();
        for node in [town.worker.id(), town.caller.id()] {
            expected.extend([format!("connection {node}"), format!("registration {node}")]);
        }
        while !expected.is_empty() {
            let happened = town.happened.recv().await.unwrap();
            let at = expected.iter().position(|expected| *expected == happened);
            expected.remove(at.expect("one of these four"));
        }
        town
    }

    fn claim(&self, instance: &str) -> Claim {
        Claim::to_node("Hard", "Caller", instance, self.worker.id())
    }

    /// A peer with the right keys, whose link is open.
    async fn peer(&self, instance: &str) -> RawPeer {
        let mut events = self.worker.events();
        let mut peer = RawPeer::dial(self.worker.addr(), &self.keys, &self.claim(instance))
            .await
            .unwrap();
        peer.confirm().await.unwrap();
        connection(&mut events, &NodeId::new("Caller", instance)).await;
        peer
    }

    /// Nobody else was affected: the caller was answered all the time and still is, over the same link; both nodes are
    /// still registered; and since `Town::open` the worker has reported only a marker that comes now.
    async fn assert_quiet(mut self) {
        let before = *self.answered.borrow();
        let answered = self.answered.wait_for(|count| *count >= before + 2);
        // An error means that a call has failed, and the calls have stopped.
        answered.await.expect("a call failed");
        let registered: Vec<_> = self
            .master
            .nodes()
            .into_iter()
            .map(|info| info.id)
            .collect();
        assert_eq!(
            registered,
            [self.caller.id().clone(), self.worker.id().clone()]
        );
        let links: Vec<_> = self
            .worker
            .links()
            .into_iter()
            .map(|link| link.id)
            .collect();
        assert_eq!(links, [self.caller.id().clone()]);

        let marker = Caller::node()
            .keys(&self.keys)
            .master(self.master.addr())
            .bind("127.0.0.1:0")
            .instance(format!("{}-marker", self.caller.instance()))
            .start()
            .await
            .unwrap();
        let next = self.quiet.next().await;
        let expected = Event::LinkUp {
            peer: marker.id().clone(),
        };
        assert_eq!(next, Some(expected));
        let next = self.happened.recv().await.unwrap();
        assert_eq!(next, format!("connection {}", marker.id()));
        self.calling.abort();
    }

    /// Like [`Town::assert_quiet`], after the link of `instance` was closed.
    async fn closed_only(mut self, instance: &str, why: &str) {
        let peer = NodeId::new("Caller", instance);
        connection(&mut self.quiet, &peer).await;
        let reason = disconnection(&mut self.quiet, &peer).await;
        assert!(
            matches!(&reason, CloseReason::Violation(text) if text.contains(why)),
            "{reason:?}"
        );
        log::line(&["the link is gone", instance, why]).await;
        self.assert_quiet().await;
    }
}

async fn call_all_the_time(caller: Node<Caller>, answered: watch::Sender<usize>) {
    // Calls often enough, and leaves processor time for the other tests.
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    let client = caller.client::<Worker>();
    for number in 0.. {
        pace.tick().await;
        let text = format!("call {number}");
        let answer = client.echo(text.clone()).timeout(Duration::from_secs(30));
        assert_eq!(answer.await.unwrap(), text);
        answered.send_modify(|answered| *answered += 1);
    }
}

// ---- Replayed. ----

/// The first message of a handshake, replayed several times at once.
async fn play_first_message(addr: SocketAddr, message: &[u8]) {
    let mut connections = Vec::new();
    for _ in 0..3 {
        let mut connection = RawConnection::open(addr).await.unwrap();
        connection.send(message.to_vec()).await.unwrap();
        // It is answered like any other: the replay cannot be recognized yet.
        connection.receive().await.unwrap();
        connections.push(connection);
    }
    for mut connection in connections {
        connection.closed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_first_message_neither_registers_a_node_nor_replaces_it_at_the_master() {
    within(async {
        let town = Town::open("replay-master").await;
        let epochs = |town: &Town| {
            let nodes = town.master.nodes();
            nodes.into_iter().map(|info| info.epoch).collect::<Vec<_>>()
        };
        let before = epochs(&town);
        // For a node that does not exist, and for one that exists, with a later epoch.
        for instance in ["replay-master-nobody", "replay-master-caller"] {
            let claim = Claim::to_master("Hard", "Caller", instance);
            let message = first_message(&town.keys, &claim).await.unwrap();
            play_first_message(town.master.addr(), &message).await;
            log::line(&["before it was registered", instance]).await;
        }
        assert_eq!(epochs(&town), before);
        town.assert_quiet().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_first_message_neither_opens_a_link_nor_replaces_it_at_a_node() {
    within(async {
        let mut town = Town::open("replay-node").await;
        let client = town.caller.client::<Worker>();
        let held = tokio::spawn(client.hold("through it all".into()).into_future());
        assert_eq!(town.held.recv().await.unwrap(), "through it all");
        for instance in ["replay-node-nobody", "replay-node-caller"] {
            let claim = town.claim(instance);
            let message = first_message(&town.keys, &claim).await.unwrap();
            play_first_message(town.worker.addr(), &message).await;
            log::line(&["before it was a link", instance]).await;
        }
        // The call in flight is still in flight, over the same link.
        town.release.add_permits(1);
        assert_eq!(held.await.unwrap().unwrap(), std::process::id());
        town.assert_quiet().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_session_played_again_does_not_open() {
    within(async {
        let town = Town::open("session").await;
        // Recorded between a real node and the master.
        let proxy = Proxy::listen().await;
        proxy.lead_to(town.master.addr());
        let victim = Caller::node()
            .keys(&town.keys)
            .master(proxy.addr())
            .bind("127.0.0.1:0")
            .instance("session-victim")
            .start()
            .await
            .unwrap();
        assert_eq!(town.master.nodes().len(), 3);
        victim.ready::<Worker>(1).await.unwrap();
        let session = websocket::payloads(&proxy.recordings()[0].up);
        assert!(session.len() >= 2, "hello, confirmation, registration");

        let mut connection = RawConnection::open(town.master.addr()).await.unwrap();
        for payload in session {
            // The first payload that is not a handshake closes the connection.
            let _ = connection.send(payload).await;
        }
        connection.closed().await.unwrap();
        log::line(&["before it was registered", "session-victim", "forged"]).await;
        assert_eq!(town.master.nodes().len(), 3);
        let answer = victim.client::<Worker>().echo("still me?".into());
        assert_eq!(answer.await.unwrap(), "still me?");
    })
    .await;
}

// ---- Instead of a handshake. ----

/// Sends these instead of a handshake to master and worker, and waits until each connection is closed.
async fn instead_of_a_handshake(town: &Town, payloads: &[Vec<u8>]) {
    for addr in [town.master.addr(), town.worker.addr()] {
        for payload in payloads {
            let mut connection = RawConnection::open(addr).await.unwrap();
            connection.send(payload.clone()).await.unwrap();
            connection.closed().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_a_handshake_is_refused() {
    within(async {
        let town = Town::open("garbage").await;
        let claim = Claim::to_master("Hard", "Caller", "garbage-nobody");
        let good = first_message(&town.keys, &claim).await.unwrap();
        let mut flipped = good.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        let payloads = [
            Vec::new(),
            vec![1],
            b"this is no handshake".to_vec(),
            vec![0xff; 300 * 1024],
            good[..good.len() / 2].to_vec(),
            good[..good.len() - 1].to_vec(),
            flipped,
        ];
        instead_of_a_handshake(&town, &payloads).await;
        log::line(&["refused a link", "garbage-worker", "handshake was damaged"]).await;
        log::line(&["refused a link", "garbage-worker", "keys do not match"]).await;
        log::line(&["refused a node", "handshake was damaged"]).await;
        town.assert_quiet().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_payload_at_all_closes_the_connection() {
    within(async {
        let town = Town::open("no-payload").await;
        let too_large = format!(r#"42["m","{}"]"#, "A".repeat(408 * 1024));
        let messages = [
            Message::text(r#"42["other","AAAA"]"#),
            Message::text(r#"42["m","not base64!"]"#),
            Message::text(r#"42["m","AAAA","AAAA"]"#),
            Message::text(r#"42["m",17]"#),
            Message::text(too_large),
            Message::binary(vec![0; 2 << 20]),
            Message::text("no packet"),
        ];
        for addr in [town.master.addr(), town.worker.addr()] {
            for message in &messages {
                let mut peer = ByHand::connect(addr).await;
                peer.send(message.clone()).await;
                peer.closed().await;
            }
        }
        log::line(&["ended before its handshake", "broke the protocol"]).await;
        log::line(&["ended before its handshake", "larger than the limit"]).await;
        town.assert_quiet().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() {
    within(async {
        let town = Town::open("silence").await;
        let mut to_worker = RawConnection::open(town.worker.addr()).await.unwrap();
        let mut to_master = RawConnection::open(town.master.addr()).await.unwrap();
        let (worker, master) = tokio::join!(to_worker.closed(), to_master.closed());
        worker.unwrap();
        master.unwrap();
        log::line(&["no handshake came"]).await;
        town.assert_quiet().await;
    })
    .await;
}

// ---- After the handshake. ----

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_before_the_confirmation_closes_the_connection() {
    within(async {
        let town = Town::open("unconfirmed").await;
        let claim = town.claim("unconfirmed-peer");
        let mut peer = RawPeer::dial(town.worker.addr(), &town.keys, &claim)
            .await
            .unwrap();
        peer.call(1, command("hold"), &text_argument("unconfirmed"))
            .await
            .unwrap();
        peer.closed().await.unwrap();
        log::line(&["unconfirmed-peer", "a frame before the confirmation"]).await;
        town.assert_quiet().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_frame_is_the_confirmation_however_many_heartbeats_are_due_before() {
    within(async {
        let town = Town::open("slow-proof").await;
        let hasty = Worker::node(Hands::idle())
            .keys(&town.keys)
            .master(town.master.addr())
            .bind("127.0.0.1:0")
            .heartbeat(Heartbeat::every(Duration::from_millis(20)).silence(Duration::from_secs(10)))
            .start()
            .await
            .unwrap();
        let claim = Claim::to_node("Hard", "Caller", "slow-proof-peer", hasty.id());
        let mut peer = RawPeer::dial(hasty.addr(), &town.keys, &claim)
            .await
            .unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), peer.receive()).await;
        assert!(early.is_err(), "{early:?}");
        peer.confirm().await.unwrap();
        let first = peer.receive().await.unwrap();
        assert!(first[0].starts_with("Confirm"), "{first:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_the_first_envelope_closes_the_connection() {
    within(async {
        let town = Town::open("first-envelope").await;
        for garbage in [&b""[..], b"short", &[7; 200], &[7; 200_000]] {
            let instance = format!("first-envelope-peer-{}", garbage.len());
            let to_worker = (town.worker.addr(), town.claim(&instance));
            let to_master = (
                town.master.addr(),
                Claim::to_master("Hard", "Caller", &*instance),
            );
            for (addr, claim) in [to_worker, to_master] {
                let mut peer = RawPeer::dial(addr, &town.keys, &claim).await.unwrap();
                peer.send_bytes(garbage.to_vec()).await.unwrap();
                peer.closed().await.unwrap();
            }
            log::line(&["before it was a link", &instance, "envelope"]).await;
            log::line(&["before it was registered", &instance, "envelope"]).await;
        }
        town.assert_quiet().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_confirmation_closes_the_link() {
    within(async {
        let town = Town::open("confirmed-twice").await;
        let mut peer = town.peer("confirmed-twice-peer").await;
        peer.confirm().await.unwrap();
        peer.closed().await.unwrap();
        town.closed_only("confirmed-twice-peer", "a second confirmation")
            .await;
    })
    .await;
}

/// Alters a sealed envelope on an open link, and expects that link to be closed as forged.
async fn envelope(name: &str, misuse: impl AsyncFnOnce(&mut RawPeer)) {
    within(async {
        let town = Town::open(name).await;
        let instance = format!("{name}-peer");
        let mut peer = town.peer(&instance).await;
        misuse(&mut peer).await;
        peer.closed().await.unwrap();
        town.closed_only(&instance, "envelope").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_envelope_closes_the_link() {
    envelope("replayed", async |peer| {
        let ping = peer.seal_ping().unwrap();
        peer.send_bytes(ping.clone()).await.unwrap();
        peer.send_bytes(ping).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_envelope_closes_the_link() {
    envelope("skipped", async |peer| {
        peer.seal_ping().unwrap();
        let second = peer.seal_ping().unwrap();
        peer.send_bytes(second).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_envelope_closes_the_link() {
    envelope("truncated", async |peer| {
        let ping = peer.seal_ping().unwrap();
        peer.send_bytes(ping.slice(..ping.len() - 1)).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_envelope_closes_the_link() {
    envelope("empty", async |peer| {
        peer.send_bytes(Vec::new()).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_an_envelope_closes_the_link() {
    envelope("flipped", async |peer| {
        let mut ping = peer.seal_ping().unwrap().to_vec();
        ping[20] ^= 0x10;
        peer.send_bytes(ping).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_as_large_as_a_payload_may_be_closes_the_link() {
    envelope("large", async |peer| {
        peer.send_bytes(vec![7; 300 * 1024]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_id_used_twice_closes_the_link() {
    within(async {
        let mut town = Town::open("id-twice").await;
        let mut peer = town.peer("id-twice-peer").await;
        let argument = text_argument("id-twice");
        peer.call(7, command("hold"), &argument).await.unwrap();
        // Closing the link cancels the first call, so its handler must have started before.
        assert_eq!(town.held.recv().await.unwrap(), "id-twice");
        peer.call(7, command("hold"), &argument).await.unwrap();
        peer.closed().await.unwrap();
        town.closed_only("id-twice-peer", "an id was used twice")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_payload_bytes_than_were_granted_close_the_link() {
    within(async {
        let town = Town::open("bytes").await;
        let mut peer = town.peer("bytes-peer").await;
        let large = vec![0; usize::try_from(BYTES).unwrap() + 1];
        peer.call(1, command("echo"), &large).await.unwrap();
        peer.closed().await.unwrap();
        town.closed_only("bytes-peer", "more payload bytes than were granted")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_at_once_than_were_granted_close_the_link() {
    within(async {
        let town = Town::open("calls").await;
        let mut peer = town.peer("calls-peer").await;
        for call in 0..9 {
            let argument = text_argument("calls");
            peer.call(call, command("hold"), &argument).await.unwrap();
        }
        peer.closed().await.unwrap();
        town.closed_only("calls-peer", "more calls or tells at once")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_master_a_replayed_envelope_ends_that_node_only() {
    within(async {
        let mut town = Town::open("at-master").await;
        let claim = Claim::to_master("Hard", "Caller", "at-master-peer");
        let mut peer = RawPeer::dial(town.master.addr(), &town.keys, &claim)
            .await
            .unwrap();
        peer.confirm().await.unwrap();
        peer.register("127.0.0.1", 1).await.unwrap();
        for what in ["connection", "registration"] {
            let next = town.happened.recv().await.unwrap();
            assert_eq!(next, format!("{what} Caller/at-master-peer"));
        }
        assert_eq!(town.master.nodes().len(), 3);
        let ping = peer.seal_ping().unwrap();
        peer.send_bytes(ping.clone()).await.unwrap();
        peer.send_bytes(ping).await.unwrap();
        peer.closed().await.unwrap();
        log::line(&["a node is gone", "at-master-peer", "replayed"]).await;
        town.assert_quiet().await;
    })
    .await;
}
