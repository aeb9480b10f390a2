//! Spans: what a subscriber of `tracing` sees of calls, attempts, handlers and jobs, and how a propagator joins those of
//! several nodes.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use mesh_runtime::{
    CallError, Context, Hook, JobError, Node, NodeType, TraceContext, TracePropagator,
    TraceRelation,
    hook::{Refused, Request},
    testing::{
        TestMesh,
        raw::{Claim, RawPeer},
    },
};
use mesh_tests::within;
use tokio::sync::Notify;
use tracing::{
    Span, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Layer, layer::SubscriberExt, registry::LookupSpan};

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

        /// Calls `End`, and queues a job there.
        balanced fn pass();
    }

    /// Is called.
    node End {
        allow: [Middle];

        /// Does nothing.
        balanced fn reach();

        /// Tells the test, and never returns.
        balanced fn stay();

        /// Does nothing, later.
        queued balanced fn job();
    }
}

struct Passes;

impl MiddleHandler for Passes {
    async fn pass(&self, cx: Context<Middle>) {
        let end = cx.client::<End>();
        end.reach().await.unwrap();
        end.job().await.unwrap();
    }
}

#[derive(Clone, Default)]
struct Reached(Arc<Notify>);

impl EndHandler for Reached {
    async fn reach(&self, _: Context<End>) {}

    async fn stay(&self, _: Context<End>) {
        self.0.notify_one();
        std::future::pending().await
    }

    async fn job(&self, _: Context<End>) -> Result<(), JobError> {
        self.0.notify_one();
        Ok(())
    }
}

/// A span, as a subscriber sees it.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// Ids are used again once a span is closed.
    id: u64,
    name: &'static str,
    /// Which of the spans is its parent.
    parent: Option<usize>,
    fields: HashMap<&'static str, String>,
    closed: bool,
}

impl Seen {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

/// All spans of the target `mesh::call` on this thread, in the order in which they began.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(
        &self,
        attributes: &Attributes<'_>,
        id: &Id,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        if attributes.metadata().target() != "mesh::call" {
            return;
        }
        let parent = context.span(id).and_then(|span| span.parent());
        let mut seen = Seen {
            id: id.into_u64(),
            name: attributes.metadata().name(),
            parent: parent.and_then(|parent| self.number(parent.id().into_u64())),
            ..Seen::default()
        };
        attributes.record(&mut seen);
        self.0.lock().unwrap().push(seen);
    }

    fn on_record(
        &self,
        id: &Id,
        record: &Record<'_>,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        if let Some(number) = self.number(id.into_u64()) {
            record.record(&mut self.0.lock().unwrap()[number]);
        }
    }

    fn on_close(&self, id: Id, _: tracing_subscriber::layer::Context<'_, S>) {
        if let Some(number) = self.number(id.into_u64()) {
            self.0.lock().unwrap()[number].closed = true;
        }
    }
}

impl Spans {
    fn listen() -> (Self, DefaultGuard) {
        let spans = Self::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        (spans, guard)
    }

    /// Which span has that id now.
    fn number(&self, id: u64) -> Option<usize> {
        let spans = self.0.lock().unwrap();
        spans.iter().rposition(|seen| seen.id == id)
    }

    /// The only span of that name for that method or destination.
    fn only(&self, name: &str, method: &str) -> (usize, Seen) {
        let mut found = self.all(name, method);
        assert_eq!(found.len(), 1, "{name} {method}: {found:?}");
        found.remove(0)
    }

    /// In the order in which they began.
    fn all(&self, name: &str, method: &str) -> Vec<(usize, Seen)> {
        let spans = self.0.lock().unwrap();
        let wanted = |seen: &Seen| {
            let of = [
                seen.field("rpc.method"),
                seen.field("messaging.destination.name"),
            ];
            seen.name == name && of.contains(&method)
        };
        let found = spans.iter().enumerate().filter(|(_, seen)| wanted(seen));
        found.map(|(number, seen)| (number, seen.clone())).collect()
    }
}

/// Sends the id of a span along as its span id, and notes what comes.
#[derive(Clone)]
struct Joins {
    spans: Spans,
    /// Which span came from which, and how.
    joined: Arc<Mutex<Vec<(usize, usize, TraceRelation)>>>,
}

const TRACE_ID: [u8; 16] = *b"0123456789abcdef";

impl TracePropagator for Joins {
    fn inject(&self, span: &Span) -> Option<TraceContext> {
        Some(TraceContext {
            trace_id: TRACE_ID,
            span_id: span.id()?.into_u64().to_be_bytes(),
            flags: 1,
        })
    }

    fn extract(&self, span: &Span, remote: &TraceContext, relation: TraceRelation) {
        assert_eq!((remote.trace_id, remote.flags), (TRACE_ID, 1));
        let span = span.id().expect("someone listens").into_u64();
        let span = self.spans.number(span).expect("it is seen");
        let remote = u64::from_be_bytes(remote.span_id);
        let remote = self.spans.number(remote).unwrap_or(UNKNOWN);
        self.joined.lock().unwrap().push((span, remote, relation));
    }
}

/// A span of elsewhere.
const UNKNOWN: usize = usize::MAX;

impl Joins {
    fn new(spans: &Spans) -> Self {
        Self {
            spans: spans.clone(),
            joined: Arc::default(),
        }
    }

    /// Which span the trace context of that span named.
    fn of(&self, span: usize) -> (usize, TraceRelation) {
        let joined = self.joined.lock().unwrap();
        let mut found = joined.iter().filter(|(of, ..)| *of == span);
        let (_, remote, relation) = *found.next().expect("a context came");
        assert!(found.next().is_none());
        (remote, relation)
    }
}

struct Nodes {
    mesh: TestMesh<Row>,
    front: Node<Front>,
    middle: Node<Middle>,
    end: Node<End>,
    job_ran: Arc<Notify>,
}

async fn row(joins: Option<&Joins>) -> Nodes {
    fn joined<N: NodeType>(
        builder: mesh_runtime::NodeBuilder<N>,
        joins: Option<&Joins>,
    ) -> mesh_runtime::NodeBuilder<N> {
        match joins {
            Some(joins) => builder.trace_propagator(joins.clone()),
            None => builder,
        }
    }
    let mesh = TestMesh::<Row>::start().await.unwrap();
    let reached = Reached::default();
    let end = joined(End::node(reached.clone()), joins);
    let end = mesh.start_node(end).await.unwrap();
    let middle = joined(Middle::node(Passes), joins);
    let middle = mesh.start_node(middle).await.unwrap();
    middle.ready::<End>(1).await.unwrap();
    let front = joined(Front::node(), joins);
    let front = mesh.start_node(front).await.unwrap();
    front.ready::<Middle>(1).await.unwrap();
    Nodes {
        mesh,
        front,
        middle,
        end,
        job_ran: reached.0,
    }
}

#[tokio::test]
async fn one_trace_leads_over_three_nodes_and_into_a_job() {
    let (spans, _guard) = Spans::listen();
    within(async {
        let joins = Joins::new(&spans);
        let nodes = row(Some(&joins)).await;
        nodes.front.client::<Middle>().pass().await.unwrap();
        nodes.job_ran.notified().await;
        let (call, seen) = spans.only("call", "Middle/pass");
        assert_eq!(seen.parent, None);
        let expected = [
            ("otel.name", "Middle/pass"),
            ("otel.kind", "client"),
            ("otel.status_code", ""),
            ("rpc.system.name", "mesh"),
        ];
        for (field, value) in expected {
            assert_eq!(seen.field(field), value, "{field}");
        }
        let (attempt, seen) = spans.only("attempt", "Middle/pass");
        assert_eq!(seen.parent, Some(call));
        assert_eq!(seen.field("mesh.peer"), nodes.middle.instance().as_str());
        assert_eq!(seen.field("mesh.attempt"), "1");
        assert_eq!(
            seen.field("network.peer.address"),
            nodes.middle.addr().to_string()
        );
        let (pass, seen) = spans.only("handler", "Middle/pass");
        assert_eq!(seen.field("otel.kind"), "server");
        assert_eq!(joins.of(pass), (attempt, TraceRelation::Parent));
        let (call, seen) = spans.only("call", "End/reach");
        assert_eq!(seen.parent, Some(pass));
        let (attempt, seen) = spans.only("attempt", "End/reach");
        assert_eq!(seen.parent, Some(call));
        let (reach, _) = spans.only("handler", "End/reach");
        assert_eq!(joins.of(reach), (attempt, TraceRelation::Parent));
        let (queue, seen) = spans.only("queue", "End/job");
        assert_eq!(seen.parent, Some(pass));
        assert_eq!(seen.field("otel.kind"), "producer");
        let (attempt, seen) = spans.only("attempt", "End/job");
        assert_eq!(seen.parent, Some(queue));
        let (job, seen) = spans.only("job", "End/job");
        assert_eq!(seen.field("otel.kind"), "consumer");
        assert_eq!(seen.field("messaging.operation.type"), "process");
        assert!(!seen.field("messaging.message.id").is_empty());
        assert_eq!(joins.of(job), (attempt, TraceRelation::Creator));
        assert!(spans.all("handler", "End/job").is_empty());
    })
    .await;
    assert!(
        spans
            .0
            .lock()
            .unwrap()
            .iter()
            .filter(|span| span.name != "job")
            .all(|span| span.closed)
    );
}

/// Takes no calls.
struct Closed;

impl Hook for Closed {
    async fn before_handler(&self, _: &mut Request<'_>) -> Result<(), Refused> {
        Err(Refused::new(1, "closed"))
    }
}

#[tokio::test]
async fn fail_over_is_two_attempts_in_one_call_and_errors_are_named() {
    let (spans, _guard) = Spans::listen();
    within(async {
        let nodes = row(None).await;
        let end = nodes.middle.client::<End>();
        // This one has room for a single call.
        let full = End::node(Reached(Arc::clone(&nodes.job_ran)));
        let full = full.instance("full").budget(1, 1 << 20);
        let _full = nodes.mesh.start_node(full).await.unwrap();
        nodes.middle.ready::<End>(2).await.unwrap();
        let staying = tokio::spawn(end.stay().to("full").into_future());
        nodes.job_ran.notified().await;
        end.reach().await.unwrap();
        end.reach().await.unwrap();
        let attempts = spans.all("attempt", "End/reach");
        let told: Vec<_> = attempts
            .iter()
            .map(|(_, seen)| (seen.field("mesh.attempt"), seen.field("error.type")))
            .collect();
        let (alone, failed, second) = (("1", ""), ("1", "overloaded"), ("2", ""));
        assert!(
            told == [alone, failed, second] || told == [failed, second, alone],
            "{told:?}"
        );
        let calls = spans.all("call", "End/reach");
        assert!(
            calls
                .iter()
                .all(|(_, seen)| seen.field("error.type").is_empty())
        );
        staying.abort();
        staying.await.unwrap_err();
        let error_type = |name| {
            spans
                .only(name, "End/stay")
                .1
                .field("error.type")
                .to_owned()
        };
        assert_eq!(
            [error_type("call"), error_type("attempt")],
            ["cancelled"; 2]
        );
        // The other end learns of it later.
        while error_type("handler") != "cancelled" {
            tokio::task::yield_now().await;
        }
        let error = end.reach().to("nobody").await.unwrap_err();
        assert!(matches!(error, CallError::NoPeer { .. }));
        let (_, last) = spans.all("call", "End/reach").pop().unwrap();
        assert_eq!(last.field("error.type"), "no_peer");
        assert_eq!(last.field("otel.status_code"), "ERROR");
        let strict = End::node(Reached::default())
            .instance("strict")
            .hook(Closed);
        let _strict = nodes.mesh.start_node(strict).await.unwrap();
        nodes.middle.ready::<End>(3).await.unwrap();
        end.reach().to("strict").await.unwrap_err();
        for name in ["call", "attempt", "handler"] {
            let (_, last) = spans.all(name, "End/reach").pop().unwrap();
            assert_eq!(last.field("error.type"), "refused", "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_that_joins_no_traces_passes_them_on() {
    let (spans, _guard) = Spans::listen();
    within(async {
        let nodes = row(None).await;
        let joins = Joins::new(&spans);
        nodes.end.shutdown().await;
        let end = End::node(Reached::default()).trace_propagator(joins.clone());
        let _end = nodes.mesh.start_node(end).await.unwrap();
        nodes.middle.ready::<End>(1).await.unwrap();
        let claim = Claim::to_node("Row", "Front", "by-hand", nodes.middle.id());
        let mut peer = RawPeer::dial(nodes.middle.addr(), nodes.mesh.keys(), &claim)
            .await
            .unwrap();
        peer.confirm().await.unwrap();
        let mut block = vec![1, 25, 0];
        block.extend_from_slice(&TRACE_ID);
        block.extend_from_slice(&u64::MAX.to_be_bytes());
        block.push(1);
        let pass = Middle::SPEC
            .commands
            .iter()
            .find(|command| command.name == "pass");
        peer.call_extended(1, pass.unwrap().id, &block, &[])
            .await
            .unwrap();
        loop {
            if let [(reach, _)] = spans.all("handler", "End/reach")[..] {
                assert_eq!(joins.of(reach), (UNKNOWN, TraceRelation::Parent));
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}
