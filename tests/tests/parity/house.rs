//! A small mesh with hooks that report what they are asked and told.

use std::future::pending;

use mesh_runtime::{
    Context, Hook, JobError, Node, NodeBuilder, NodeType,
    hook::{Attempt, CallEnd, CallOutcome, Refused, Request, RequestEnd, RequestOutcome},
    testing::TestMesh,
};
use tokio::sync::mpsc;

use crate::metadata::text;

mesh_runtime::mesh_schema! {
    /// A door and what is behind it.
    pub mesh House;

    /// Calls `Room`.
    node Guest {
        connect: [Room];
    }

    /// Is called.
    node Room {
        allow: [Guest];

        /// Returns its metadata.
        balanced fn enter() -> String;

        /// Never returns.
        balanced fn stay();

        /// Panics.
        balanced fn fall();

        /// Returns its metadata, from each instance.
        broadcast fn call_all() -> String;

        /// Reports its metadata to the test.
        broadcast fn knock();

        /// Reports its metadata to the test, later. Fails if it is told to.
        queued balanced fn clean(fails: bool);

        /// A handler at a time.
        #[concurrency = 1]
        #[timeout = "100ms"]
        balanced fn bathe();
    }
}

#[derive(Clone)]
pub(crate) struct Host(pub(crate) mpsc::UnboundedSender<String>);

impl RoomHandler for Host {
    async fn enter(&self, cx: Context<Room>) -> String {
        text(&cx)
    }

    async fn stay(&self, _: Context<Room>) {
        self.0.send("stays".into()).unwrap();
        pending().await
    }

    async fn fall(&self, _: Context<Room>) {
        panic!("fallen");
    }

    async fn call_all(&self, cx: Context<Room>) -> String {
        text(&cx)
    }

    async fn knock(&self, cx: Context<Room>) {
        self.0.send(text(&cx)).unwrap();
    }

    async fn clean(&self, cx: Context<Room>, fails: bool) -> Result<(), JobError> {
        self.0.send(text(&cx)).unwrap();
        if fails {
            return Err(JobError::discard("no broom"));
        }
        Ok(())
    }

    async fn bathe(&self, _: Context<Room>) {
        pending().await
    }
}

/// Reports what it is asked and told, as `name: ..`.
#[derive(Clone)]
struct Notes {
    name: &'static str,
    told: mpsc::UnboundedSender<String>,
    /// What its `before_` methods do.
    does: Does,
}

#[derive(Clone, Copy)]
pub(crate) enum Does {
    Nothing,
    /// Adds its name to the metadata.
    Adds,
    Refuses,
    Panics,
    Waits,
}

impl Notes {
    fn note(&self, what: String) {
        self.told.send(format!("{}: {what}", self.name)).unwrap();
    }

    async fn act(&self, metadata: &mut mesh_runtime::Metadata) -> Result<(), Refused> {
        match self.does {
            Does::Nothing => {}
            Does::Adds => metadata.insert(self.name, "1"),
            Does::Refuses => return Err(Refused::new(17, "not today")),
            Does::Panics => panic!("hooked"),
            Does::Waits => pending().await,
        }
        Ok(())
    }
}

impl Hook for Notes {
    async fn before_attempt(&self, attempt: &mut Attempt<'_>) -> Result<(), Refused> {
        self.note(format!(
            "attempt {} of {} at {}, {} bytes",
            attempt.number, attempt.command, attempt.peer.instance, attempt.size
        ));
        self.act(attempt.metadata).await
    }

    fn after_call(&self, call: &CallEnd<'_>) {
        let outcome = match call.outcome {
            CallOutcome::Done => "done".to_owned(),
            CallOutcome::Failed(error) => error.to_string(),
            CallOutcome::Dropped => "dropped".to_owned(),
            _ => "unknown".to_owned(),
        };
        let (attempts, failed) = (call.attempts, call.failed_attempts);
        let metadata = call.metadata.iter().count();
        self.note(format!(
            "{} {outcome}, {failed} of {attempts} failed, {metadata} texts",
            call.command
        ));
    }

    async fn before_handler(&self, request: &mut Request<'_>) -> Result<(), Refused> {
        let caller = request.caller.map(|caller| caller.instance.to_string());
        self.note(format!(
            "{:?} {} {} from {caller:?}, {} bytes",
            request.kind, request.command, request.attempt, request.size
        ));
        self.act(request.metadata).await
    }

    fn after_handler(&self, request: &RequestEnd<'_>) {
        let outcome = match request.outcome {
            RequestOutcome::Failed(text) => format!("failed: {text}"),
            RequestOutcome::Panicked(text) => format!("panicked: {text}"),
            RequestOutcome::Refused(refused) => format!("refused: {refused}"),
            outcome => format!("{outcome:?}"),
        };
        let metadata = request.metadata.iter().count();
        self.note(format!(
            "{:?} {} {outcome}, {metadata} texts",
            request.kind, request.command
        ));
    }
}

pub(crate) struct Fixture {
    pub(crate) mesh: TestMesh<House>,
    pub(crate) guest: Node<Guest>,
    pub(crate) room: Node<Room>,
    /// What the handlers report.
    pub(crate) heard: mpsc::UnboundedReceiver<String>,
}

fn hooked<N: NodeType>(
    builder: NodeBuilder<N>,
    told: &mpsc::UnboundedSender<String>,
    hooks: &[(&'static str, Does)],
) -> NodeBuilder<N> {
    hooks.iter().fold(builder, |builder, (name, does)| {
        builder.hook(Notes {
            name,
            told: told.clone(),
            does: *does,
        })
    })
}

/// A guest `g` and a room `r` with these hooks, and what the hooks report.
pub(crate) async fn fixture(
    of_guest: &[(&'static str, Does)],
    of_room: &[(&'static str, Does)],
) -> (Fixture, mpsc::UnboundedReceiver<String>) {
    let mesh = TestMesh::start().await.unwrap();
    let (told, notes) = mpsc::unbounded_channel();
    let (host, heard) = mpsc::unbounded_channel();
    let room = hooked(Room::node(Host(host)).instance("r"), &told, of_room);
    let room = mesh.start_node(room).await.unwrap();
    let guest = hooked(Guest::node().instance("g"), &told, of_guest);
    let guest = mesh.start_node(guest).await.unwrap();
    guest.ready::<Room>(1).await.unwrap();
    let fixture = Fixture {
        mesh,
        guest,
        room,
        heard,
    };
    (fixture, notes)
}

impl Fixture {
    pub(crate) fn client(&self) -> RoomClient<Guest> {
        self.guest.client::<Room>()
    }
}

pub(crate) async fn expect(notes: &mut mpsc::UnboundedReceiver<String>, expected: &[&str]) {
    for line in expected {
        assert_eq!(notes.recv().await.as_deref(), Some(*line));
    }
    assert!(notes.is_empty(), "{:?}", notes.recv().await);
}
