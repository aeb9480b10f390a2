//! Metadata: what is sent along with a call reaches its handler, the calls that the handler makes, and jobs.

use mesh_runtime::{
    CallError, Context, JobError, Node, NodeType,
    testing::{
        TestMesh,
        raw::{Claim, RawPeer},
    },
};
use mesh_tests::within;
use tokio::sync::mpsc;

use crate::by_hand::reply;

mesh_runtime::mesh_schema! {
    /// Three nodes in a row.
    pub mesh Row;

    /// Calls `Middle`.
    node Front {
        connect: [Middle];
    }

    /// Calls `End` from its handlers.
    node Middle {
        allow: [Front];
        connect: [End];

        /// Returns what `End` sees.
        balanced fn pass() -> String;

        /// The same, but sets `tenant` anew.
        balanced fn pass_as(tenant: String) -> String;

        /// Queues a job with `End`.
        balanced fn queue() -> bool;
    }

    /// Reports what it sees.
    node End {
        allow: [Middle];

        /// Returns its metadata.
        balanced fn seen() -> String;

        /// The same, on each instance.
        broadcast fn all_seen() -> String;

        /// Reports its metadata to the test.
        broadcast fn hint();

        /// The same, later.
        queued balanced fn job();

        /// The same, on each instance.
        queued broadcast fn jobs();
    }
}

struct Passes;

impl MiddleHandler for Passes {
    async fn pass(&self, cx: Context<Middle>) -> String {
        cx.client::<End>().seen().meta("hop", "2").await.unwrap()
    }

    async fn pass_as(&self, cx: Context<Middle>, tenant: String) -> String {
        cx.client::<End>()
            .seen()
            .meta("tenant", tenant)
            .await
            .unwrap()
    }

    async fn queue(&self, cx: Context<Middle>) -> bool {
        cx.client::<End>().job().meta("hop", "2").await.is_ok()
    }
}

#[derive(Clone)]
struct Sees(mpsc::UnboundedSender<String>);

/// The metadata that a handler sees, as `key=value key=value`.
pub(crate) fn text<N: NodeType>(cx: &Context<N>) -> String {
    let entries = cx.metadata().iter();
    let entries: Vec<_> = entries
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    entries.join(" ")
}

impl EndHandler for Sees {
    async fn seen(&self, cx: Context<End>) -> String {
        assert_eq!(cx.meta("nothing"), None);
        text(&cx)
    }

    async fn all_seen(&self, cx: Context<End>) -> String {
        text(&cx)
    }

    async fn hint(&self, cx: Context<End>) {
        self.0.send(text(&cx)).unwrap();
    }

    async fn job(&self, cx: Context<End>) -> Result<(), JobError> {
        Ok(self.0.send(text(&cx))?)
    }

    async fn jobs(&self, cx: Context<End>) -> Result<(), JobError> {
        Ok(self.0.send(text(&cx))?)
    }
}

struct Nodes {
    mesh: TestMesh<Row>,
    front: Node<Front>,
    middle: Node<Middle>,
    end: Node<End>,
    seen: mpsc::UnboundedReceiver<String>,
}

async fn row() -> Nodes {
    let mesh = TestMesh::<Row>::start().await.unwrap();
    let (sees, seen) = mpsc::unbounded_channel();
    let end = mesh.start_node(End::node(Sees(sees))).await.unwrap();
    let middle = mesh.start_node(Middle::node(Passes)).await.unwrap();
    middle.ready::<End>(1).await.unwrap();
    let front = mesh.start_node(Front::node()).await.unwrap();
    front.ready::<Middle>(1).await.unwrap();
    Nodes {
        mesh,
        front,
        middle,
        end,
        seen,
    }
}

#[tokio::test]
async fn it_travels_with_the_calls_of_a_handler_and_is_added_to_on_the_way() {
    within(async {
        let nodes = row().await;
        let middle = nodes.front.client::<Middle>();
        assert_eq!(middle.pass().await.unwrap(), "hop=2");
        let passed = middle.pass().meta("tenant", "a").meta("locale", "de");
        assert_eq!(passed.await.unwrap(), "tenant=a locale=de hop=2");
        let replaced = middle
            .pass_as("b".into())
            .meta("tenant", "a")
            .meta("tenant", "c");
        assert_eq!(replaced.await.unwrap(), "tenant=b");
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_command_takes_it_along() {
    within(async {
        let mut nodes = row().await;
        let end = nodes.middle.client::<End>();
        let gathered = end.all_seen().meta("tenant", "a").await.unwrap();
        assert_eq!(gathered.values().collect::<Vec<_>>(), ["tenant=a"]);
        end.hint().meta("tenant", "b").await.unwrap();
        assert_eq!(nodes.seen.recv().await.unwrap(), "tenant=b");
        end.job().meta("tenant", "c").await.unwrap();
        assert_eq!(nodes.seen.recv().await.unwrap(), "tenant=c");
        end.jobs().meta("tenant", "d").await.unwrap();
        assert_eq!(nodes.seen.recv().await.unwrap(), "tenant=d");
        // Over a handler, and into a job.
        let queued = nodes.front.client::<Middle>().queue().meta("tenant", "e");
        assert!(queued.await.unwrap());
        assert_eq!(nodes.seen.recv().await.unwrap(), "tenant=e hop=2");
    })
    .await;
}

#[tokio::test]
async fn too_much_of_it_is_an_error_at_the_call() {
    within(async {
        let nodes = row().await;
        let end = nodes.middle.client::<End>();
        for (key, value) in [("k", "v".repeat(4096)), ("", String::new())] {
            let error = end.seen().meta(key, value).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    CallError::Codec {
                        maybe_executed: false,
                        ..
                    }
                ),
                "{error}"
            );
            assert!(
                error.to_string().starts_with("the metadata of End.seen"),
                "{error}"
            );
        }
        let most = "v".repeat(4000);
        assert_eq!(
            end.seen().meta("k", &most).await.unwrap(),
            format!("k={most}")
        );
    })
    .await;
}

#[tokio::test]
async fn metadata_that_cannot_be_read_is_refused() {
    within(async {
        let nodes = row().await;
        let claim = Claim::to_node("Row", "Middle", "by-hand", nodes.end.id());
        let mut peer = RawPeer::dial(nodes.end.addr(), nodes.mesh.keys(), &claim)
            .await
            .unwrap();
        peer.confirm().await.unwrap();
        let block = [2, 1, 0, 9];
        peer.call_extended(1, command("seen"), &block, &[])
            .await
            .unwrap();
        let refused = reply(&mut peer).await;
        assert!(refused.contains("Failed(Incompatible)"), "{refused}");
    })
    .await;
}

fn command(name: &str) -> u32 {
    let end = Row::SCHEMA.node("End").unwrap();
    end.commands
        .iter()
        .find(|command| command.name == name)
        .unwrap()
        .id
}
