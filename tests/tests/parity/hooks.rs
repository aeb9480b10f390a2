//! Hooks: what they are asked and told on both sides of a call, in which order, and what their refusals and panics do.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use mesh_runtime::{
    CallError, Hook,
    hook::{Attempt, CallEnd, Refused, Request, RequestEnd, RequestKind},
    testing::TestMesh,
};
use mesh_tests::within;
use tokio::sync::mpsc;

use crate::house::{Does, Guest, Host, House, Room, expect, fixture};

#[tokio::test]
async fn they_are_asked_in_order_and_told_in_the_opposite_order() {
    within(async {
        let (one, two) = (("one", Does::Adds), ("two", Does::Adds));
        let (house, mut notes) = fixture(&[one, two], &[("three", Does::Adds), two]).await;
        let entered = house.client().enter().meta("zero", "0").await.unwrap();
        assert_eq!(entered, "zero=0 one=1 two=1 three=1");
        expect(
            &mut notes,
            &[
                "one: attempt 1 of Room.enter at r, 0 bytes",
                "two: attempt 1 of Room.enter at r, 0 bytes",
                "three: Call Room.enter 1 from Some(\"g\"), 0 bytes",
                "two: Call Room.enter 1 from Some(\"g\"), 0 bytes",
                "two: Call Room.enter Done, 4 texts",
                "three: Call Room.enter Done, 4 texts",
                "two: Room.enter done, 0 of 1 failed, 3 texts",
                "one: Room.enter done, 0 of 1 failed, 3 texts",
            ],
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_command_passes_through_them() {
    within(async {
        let (mut house, mut notes) = fixture(&[], &[("door", Does::Adds)]).await;
        let gathered = house.client().call_all().await.unwrap();
        assert_eq!(gathered.values().collect::<Vec<_>>(), ["door=1"]);
        expect(
            &mut notes,
            &[
                "door: Call Room.call_all 1 from Some(\"g\"), 0 bytes",
                "door: Call Room.call_all Done, 1 texts",
            ],
        )
        .await;
        house.client().knock().await.unwrap();
        assert_eq!(house.heard.recv().await.unwrap(), "door=1");
        expect(
            &mut notes,
            &[
                "door: Broadcast Room.knock 1 from Some(\"g\"), 0 bytes",
                "door: Broadcast Room.knock Done, 1 texts",
            ],
        )
        .await;
        house.client().clean(true).meta("day", "1").await.unwrap();
        assert_eq!(house.heard.recv().await.unwrap(), "day=1 door=1");
        let mut lines = Vec::new();
        for _ in 0..4 {
            lines.push(notes.recv().await.unwrap());
        }
        // The job may begin before its caller has heard that it is queued.
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "door: Enqueue Room.clean 1 from Some(\"g\"), 3 bytes",
                "door: Enqueue Room.clean Done, 2 texts",
                "door: Job Room.clean 1 from None, 1 bytes",
                "door: Job Room.clean failed: no broom, 2 texts",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_hook_at_the_callee_refuses_before_the_handler_runs() {
    within(async {
        let hooks = [
            ("one", Does::Nothing),
            ("two", Does::Refuses),
            ("three", Does::Nothing),
        ];
        let (mut house, mut notes) = fixture(&[("guest", Does::Nothing)], &hooks).await;
        // Not tried there: what one refuses, all do.
        let (host, _heard) = mpsc::unbounded_channel();
        let other = house.mesh.start_node(Room::node(Host(host))).await.unwrap();
        house.guest.ready::<Room>(2).await.unwrap();
        let error = house.client().stay().to("r").await.unwrap_err();
        let CallError::Refused {
            peer,
            code,
            message,
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!(
            (peer, *code, &message[..]),
            (house.room.id(), 17, "not today")
        );
        assert!(!error.maybe_executed());
        expect(
            &mut notes,
            &[
                "guest: attempt 1 of Room.stay at r, 0 bytes",
                "one: Call Room.stay 1 from Some(\"g\"), 0 bytes",
                "two: Call Room.stay 1 from Some(\"g\"), 0 bytes",
                "two: Call Room.stay refused: not today (17), 0 texts",
                "one: Call Room.stay refused: not today (17), 0 texts",
                &format!(
                    "guest: Room.stay {} refused: not today (17), 1 of 1 failed, 0 texts",
                    house.room.id()
                ),
            ],
        )
        .await;
        let error = house.client().clean(false).to("r").await.unwrap_err();
        assert!(
            matches!(error, CallError::Refused { code: 17, .. }),
            "{error:?}"
        );
        assert!(house.heard.is_empty());
        other.shutdown().await;
        assert!(house.heard.try_recv().is_err(), "no handler ran");
    })
    .await;
}

/// Lets jobs be queued, and refuses to run them.
struct NoJobs;

impl Hook for NoJobs {
    async fn before_handler(&self, request: &mut Request<'_>) -> Result<(), Refused> {
        match request.kind {
            RequestKind::Job => Err(Refused::new(3, "no jobs here")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_refused_job_is_a_dead_letter() {
    within(async {
        let (house, _) = fixture(&[], &[]).await;
        let (host, _heard) = mpsc::unbounded_channel();
        let room = Room::node(Host(host)).instance("strict").hook(NoJobs);
        let room = house.mesh.start_node(room).await.unwrap();
        house.guest.ready::<Room>(2).await.unwrap();
        let before = SystemTime::now();
        house.client().clean(false).to("strict").await.unwrap();
        let queue = room.queues().clean();
        let letter = loop {
            if let Some(letter) = queue.dead_letters(1).await.unwrap().pop() {
                break letter;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(letter.error, "refused: no jobs here (3)");
        assert_eq!(letter.attempts, 1);
        assert!(letter.died_at >= before);
    })
    .await;
}

/// Adds more metadata than a call may carry.
struct Talkative;

impl Hook for Talkative {
    async fn before_handler(&self, request: &mut Request<'_>) -> Result<(), Refused> {
        request.metadata.insert("story", "x".repeat(5000));
        Ok(())
    }
}

#[tokio::test]
async fn a_job_to_which_hooks_add_too_much_is_not_queued_and_its_caller_is_told_so() {
    within(async {
        let (house, _) = fixture(&[], &[]).await;
        let (host, _heard) = mpsc::unbounded_channel();
        let room = Room::node(Host(host)).instance("loud").hook(Talkative);
        let _room = house.mesh.start_node(room).await.unwrap();
        house.guest.ready::<Room>(2).await.unwrap();
        let queued = house.client().clean(false).to("loud").await;
        let error = queued.unwrap_err();
        assert!(
            matches!(&error, CallError::Refused { code: Refused::METADATA, message, .. } if message.contains("the metadata that hooks have added")),
            "{error:?}"
        );
        assert!(!error.maybe_executed());
    })
    .await;
}

#[tokio::test]
async fn a_hook_at_the_caller_refuses_before_anything_is_sent() {
    within(async {
        let hooks = [
            ("one", Does::Nothing),
            ("two", Does::Refuses),
            ("three", Does::Nothing),
        ];
        let (house, mut notes) = fixture(&hooks, &[("room", Does::Nothing)]).await;
        let error = house.client().enter().await.unwrap_err();
        assert!(
            matches!(&error, CallError::Refused { peer, code: 17, .. } if peer == house.guest.id()),
            "{error:?}"
        );
        let told = format!("Room.enter {error}, 1 of 1 failed, 0 texts");
        expect(
            &mut notes,
            &[
                "one: attempt 1 of Room.enter at r, 0 bytes",
                "two: attempt 1 of Room.enter at r, 0 bytes",
                &format!("three: {told}"),
                &format!("two: {told}"),
                &format!("one: {told}"),
            ],
        )
        .await;
        let sent = house.client().knock().await.unwrap();
        assert!(matches!(&sent.failed[..], [(_, CallError::Refused { .. })]));
    })
    .await;
}

#[tokio::test]
async fn panics_in_hooks_refuse_the_call_and_harm_nothing_else() {
    within(async {
        let (house, mut notes) = fixture(&[], &[("door", Does::Panics)]).await;
        for _ in 0..3 {
            let error = house.client().enter().await.unwrap_err();
            let CallError::Refused { code, message, .. } = &error else {
                panic!("{error:?}");
            };
            assert_eq!((*code, &message[..]), (Refused::PANICKED, "a hook panicked: hooked"));
            assert!(!error.maybe_executed());
        }
        assert_eq!(notes.len(), 6, "asked and told");
        notes.close();
        let (house, _notes) = fixture(&[("guest", Does::Panics)], &[]).await;
        let error = house.client().enter().await.unwrap_err();
        assert!(
            matches!(&error, CallError::Refused { peer, code: Refused::PANICKED, .. } if peer == house.guest.id()),
            "{error:?}"
        );
    })
    .await;
}

/// Panics where nothing waits for it.
struct Careless;

impl Hook for Careless {
    fn before_handler(
        &self,
        _: &mut Request<'_>,
    ) -> impl Future<Output = Result<(), Refused>> + Send {
        std::future::ready(Ok(()))
    }

    fn after_handler(&self, _: &RequestEnd<'_>) {
        panic!("careless");
    }

    fn after_call(&self, _: &CallEnd<'_>) {
        panic!("careless");
    }
}

#[tokio::test]
async fn a_panic_after_the_call_changes_nothing() {
    within(async {
        let mesh = TestMesh::<House>::start().await.unwrap();
        let (host, mut heard) = mpsc::unbounded_channel();
        let room = Room::node(Host(host)).hook(Careless);
        let _room = mesh.start_node(room).await.unwrap();
        let guest = mesh.start_node(Guest::node().hook(Careless)).await.unwrap();
        guest.ready::<Room>(1).await.unwrap();
        let client = guest.client::<Room>();
        assert_eq!(client.enter().await.unwrap(), "");
        let staying = tokio::spawn(client.stay().into_future());
        heard.recv().await.unwrap();
        staying.abort();
        assert!(staying.await.unwrap_err().is_cancelled());
        assert_eq!(client.enter().await.unwrap(), "");
    })
    .await;
}

/// Its future panics when it is dropped while it waits.
struct Trap;

struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("trapped");
    }
}

impl Hook for Trap {
    async fn before_attempt(&self, _: &mut Attempt<'_>) -> Result<(), Refused> {
        let _panics = Panics;
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_panic_while_the_future_of_a_hook_is_dropped_reaches_nobody() {
    within(async {
        let (house, _) = fixture(&[], &[]).await;
        let guest = house
            .mesh
            .start_node(Guest::node().hook(Trap))
            .await
            .unwrap();
        guest.ready::<Room>(1).await.unwrap();
        let client = guest.client::<Room>();
        let late = client.enter().timeout(Duration::from_millis(50));
        let error = late.await.unwrap_err();
        assert!(
            matches!(error, CallError::DeadlineExceeded { .. }),
            "{error:?}"
        );
        let mut dropped = client.enter().into_future();
        assert!(futures_util::poll!(&mut dropped).is_pending());
        drop(dropped);
    })
    .await;
}

/// Takes its time after a handler, and says when it begins.
struct Slow(mpsc::UnboundedSender<()>);

impl Hook for Slow {
    fn after_handler(&self, _: &RequestEnd<'_>) {
        self.0.send(()).unwrap();
        // So long that a node which does not wait for it is gone by then.
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_for_the_answer_behind_the_hooks() {
    within(async {
        let (house, _) = fixture(&[], &[]).await;
        let (host, _heard) = mpsc::unbounded_channel();
        let (told, mut ended) = mpsc::unbounded_channel();
        let room = Room::node(Host(host)).instance("slow").hook(Slow(told));
        let room = house.mesh.start_node(room).await.unwrap();
        house.guest.ready::<Room>(2).await.unwrap();
        let call = tokio::spawn(house.client().enter().to("slow").into_future());
        ended.recv().await.unwrap();
        room.shutdown().await;
        assert_eq!(call.await.unwrap().unwrap(), "");
    })
    .await;
}

#[tokio::test]
async fn a_dropped_call_is_told_on_both_sides() {
    within(async {
        let (mut house, mut notes) =
            fixture(&[("guest", Does::Nothing)], &[("room", Does::Nothing)]).await;
        let staying = tokio::spawn(house.client().stay().into_future());
        assert_eq!(house.heard.recv().await.unwrap(), "stays");
        staying.abort();
        expect(
            &mut notes,
            &[
                "guest: attempt 1 of Room.stay at r, 0 bytes",
                "room: Call Room.stay 1 from Some(\"g\"), 0 bytes",
                "guest: Room.stay dropped, 1 of 1 failed, 0 texts",
                "room: Call Room.stay Dropped, 0 texts",
            ],
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn panics_late_handlers_and_calls_of_nobody_are_told() {
    within(async {
        let (house, mut notes) =
            fixture(&[("guest", Does::Nothing)], &[("room", Does::Nothing)]).await;
        house.client().fall().await.unwrap_err();
        let error = house.client().fall().to("nobody").await.unwrap_err();
        expect(
            &mut notes,
            &[
                "guest: attempt 1 of Room.fall at r, 0 bytes",
                "room: Call Room.fall 1 from Some(\"g\"), 0 bytes",
                "room: Call Room.fall panicked: fallen, 0 texts",
                &format!(
                    "guest: Room.fall the handler panicked on {}: fallen, 1 of 1 failed, 0 texts",
                    house.room.id()
                ),
                &format!("guest: Room.fall {error}, 0 of 0 failed, 0 texts"),
            ],
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_slow_hook_counts_towards_the_deadline() {
    within(async {
        let (house, mut notes) = fixture(&[], &[("room", Does::Waits)]).await;
        let late = house.client().enter().timeout(Duration::from_millis(50));
        let error = late.await.unwrap_err();
        assert!(
            matches!(error, CallError::DeadlineExceeded { .. }),
            "{error:?}"
        );
        assert!(
            notes
                .recv()
                .await
                .unwrap()
                .starts_with("room: Call Room.enter 1")
        );
        let end = notes.recv().await.unwrap();
        assert!(
            end == "room: Call Room.enter DeadlineExceeded, 0 texts"
                || end == "room: Call Room.enter Dropped, 0 texts",
            "either side may be the first to see it: {end}"
        );
        let (house, mut notes) = fixture(&[("guest", Does::Waits)], &[]).await;
        let late = house.client().enter().timeout(Duration::from_millis(50));
        let error = late.await.unwrap_err();
        assert!(
            matches!(
                error,
                CallError::DeadlineExceeded {
                    maybe_executed: false,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(notes.recv().await.unwrap().starts_with("guest: attempt 1"));
        assert!(notes.recv().await.unwrap().contains("1 of 1 failed"));
    })
    .await;
}

#[tokio::test]
async fn they_are_asked_even_while_no_more_handlers_may_run() {
    within(async {
        let (house, mut notes) = fixture(&[], &[("room", Does::Nothing)]).await;
        let client = Arc::new(house.client());
        let (one, two) = tokio::join!(client.bathe().into_future(), client.bathe().into_future());
        assert!(one.is_err() && two.is_err());
        let mut asked = 0;
        while let Ok(line) = notes.try_recv() {
            asked += usize::from(line.contains("from"));
        }
        assert_eq!(asked, 2);
    })
    .await;
}

#[tokio::test]
async fn operators_pass_through_them_with_commands_of_the_schema_only() {
    within(async {
        let (house, mut notes) = fixture(&[], &[("room", Does::Refuses)]).await;
        let operator = house.mesh.operator_of(&house.room).await.unwrap();
        operator.stats().await.unwrap();
        assert!(notes.is_empty());
        let schema = operator.describe().await.unwrap().schema;
        let command = schema.command("Room", "enter").unwrap();
        let refused = operator.call(&schema, command, "{}").await;
        assert!(refused.is_err(), "{refused:?}");
        let asked = notes.recv().await.unwrap();
        assert!(
            asked.starts_with("room: Call Room.enter 1 from Some("),
            "{asked}"
        );
    })
    .await;
}
