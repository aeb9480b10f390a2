//! What a collector receives of calls and jobs over several nodes. One subscriber serves all nodes and tests of this
//! process: each test has traces of its own.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use mesh_otel::{Otel, OtelTraces};
use mesh_runtime::{
    Context, JobError, Node, NodeBuilder, NodeType, TracePropagator, testing::TestMesh,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::sync::Notify;
use tracing::Instrument;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use collector::{Collector, Exported};

mod collector;

mesh_runtime::mesh_schema! {
    /// Three nodes in a row.
    pub mesh Shop;

    /// Calls `Billing`.
    node Gateway {
        connect: [Billing];
    }

    /// Calls `Audit` from its handlers.
    node Billing {
        allow: [Gateway];
        connect: [Audit];

        /// Calls `Audit`, and queues a job there.
        balanced fn charge(cents: u64) -> bool;

        /// Does nothing.
        balanced fn price() -> u64;

        /// Tells the test, and never returns.
        balanced fn stay();

        /// The header that a handler would send along with an HTTP request.
        balanced fn header() -> String;
    }

    /// Is called.
    node Audit {
        allow: [Billing];

        /// Does nothing.
        balanced fn check(cents: u64) -> bool;

        /// Does nothing, later.
        queued balanced fn record(cents: u64);
    }
}

#[derive(Clone, Default)]
struct Till(Arc<Notify>);

impl BillingHandler for Till {
    async fn charge(&self, cx: Context<Billing>, cents: u64) -> bool {
        let audit = cx.client::<Audit>();
        let checked = audit.check(cents).await.unwrap();
        audit.record(cents).await.unwrap();
        checked
    }

    async fn price(&self, _: Context<Billing>) -> u64 {
        350
    }

    async fn stay(&self, _: Context<Billing>) {
        self.0.notify_one();
        std::future::pending().await
    }

    async fn header(&self, cx: Context<Billing>) -> String {
        cx.traceparent().unwrap_or_default()
    }
}

struct Books;

impl AuditHandler for Books {
    async fn check(&self, _: Context<Audit>, _: u64) -> bool {
        true
    }

    async fn record(&self, _: Context<Audit>, _: u64) -> Result<(), JobError> {
        Ok(())
    }
}

/// How long a test may take.
const LIMIT: Duration = Duration::from_secs(20);

async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, Box::pin(test))
        .await
        .expect("the test waits for something that does not happen")
}

struct Setup {
    otel: OtelTraces,
    collector: Collector,
}

static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let (collector, addr) = Collector::start();
    let otel = Otel::new("shop")
        .endpoint(format!("http://{addr}"))
        .attribute("deployment.environment.name", "test")
        .sample(1.0)
        .start()
        .unwrap();
    tracing_subscriber::registry().with(otel.layer()).init();
    Setup { otel, collector }
});

/// Runs this in a span of its own, and returns the trace.
async fn in_a_trace<T>(work: impl Future<Output = T>) -> ([u8; 16], T) {
    let propagator = SETUP.otel.propagator();
    let span = tracing::info_span!("test");
    let context = propagator.inject(&span).expect("the span is exported");
    (context.trace_id, work.instrument(span).await)
}

/// The spans of a trace.
struct Trace(Vec<Exported>);

impl Trace {
    /// Waits until the collector has so many spans of that trace.
    async fn of(id: [u8; 16], spans: usize) -> Self {
        loop {
            // What a call leaves behind on the other node may end a little later than the call.
            SETUP.otel.force_flush().await;
            let trace = SETUP.collector.trace(id);
            if trace.len() >= spans {
                assert_eq!(trace.len(), spans, "{trace:#?}");
                return Self(trace);
            }
            tokio::task::yield_now().await;
        }
    }

    fn all(&self, name: &str, kind: SpanKind) -> Vec<&Exported> {
        let found = self.0.iter().filter(|exported| exported.is(name, kind));
        found.collect()
    }

    fn only(&self, name: &str, kind: SpanKind) -> &Exported {
        let found = self.all(name, kind);
        assert_eq!(found.len(), 1, "{name}: {:#?}", self.0);
        found[0]
    }

    /// Checks that each span is the parent of the next one.
    fn leads(&self, over: &[(&str, SpanKind)]) {
        for pair in over.windows(2) {
            let [parent, child] = [pair[0], pair[1]].map(|(name, kind)| self.only(name, kind));
            assert_eq!(
                child.span.parent_span_id, parent.span.span_id,
                "{pair:?}: {:#?}",
                self.0
            );
        }
    }
}

fn traced<N: NodeType>(builder: NodeBuilder<N>) -> NodeBuilder<N> {
    builder.trace_propagator(SETUP.otel.propagator())
}

struct Nodes {
    mesh: TestMesh<Shop>,
    gateway: Node<Gateway>,
    _billing: Node<Billing>,
    _audit: Node<Audit>,
}

async fn shop() -> Nodes {
    let mesh = TestMesh::<Shop>::start().await.unwrap();
    let audit = mesh.start_node(traced(Audit::node(Books))).await.unwrap();
    let billing = traced(Billing::node(Till::default()));
    let billing = mesh.start_node(billing).await.unwrap();
    billing.ready::<Audit>(1).await.unwrap();
    let gateway = mesh.start_node(traced(Gateway::node())).await.unwrap();
    gateway.ready::<Billing>(1).await.unwrap();
    Nodes {
        mesh,
        gateway,
        _billing: billing,
        _audit: audit,
    }
}

#[tokio::test]
async fn one_trace_leads_over_three_nodes_and_into_a_job() {
    within(async {
        let nodes = shop().await;
        let client = nodes.gateway.client::<Billing>();
        let charged = in_a_trace(async { client.charge(500).await.unwrap() });
        let (id, checked) = charged.await;
        assert!(checked);
        let trace = Trace::of(id, 10).await;
        trace.leads(&[
            ("test", SpanKind::Internal),
            ("Billing/charge", SpanKind::Client),
            ("attempt Billing/charge", SpanKind::Client),
            ("Billing/charge", SpanKind::Server),
            ("Audit/check", SpanKind::Client),
            ("attempt Audit/check", SpanKind::Client),
            ("Audit/check", SpanKind::Server),
        ]);
        trace.leads(&[
            ("Billing/charge", SpanKind::Server),
            ("send Audit/record", SpanKind::Producer),
            ("attempt Audit/record", SpanKind::Client),
            ("process Audit/record", SpanKind::Consumer),
        ]);
        let root = trace.only("test", SpanKind::Internal);
        assert!(root.span.parent_span_id.is_empty());
        for kind in [SpanKind::Client, SpanKind::Server] {
            let span = trace.only("Audit/check", kind);
            assert_eq!(span.text("rpc.method"), "Audit/check");
            assert_eq!(span.text("rpc.system.name"), "mesh");
        }
        let attempt = trace.only("attempt Audit/record", SpanKind::Client);
        let job = trace.only("process Audit/record", SpanKind::Consumer);
        assert_eq!(job.text("messaging.destination.name"), "Audit/record");
        let [link] = &job.span.links[..] else {
            panic!("one link: {job:#?}");
        };
        assert_eq!(link.trace_id, id);
        assert_eq!(link.span_id, attempt.span.span_id);
        for exported in &trace.0 {
            assert!(!exported.has_failed(), "{exported:#?}");
            assert_eq!(exported.resource_text("service.name"), "shop");
            let environment = exported.resource_text("deployment.environment.name");
            assert_eq!(environment, "test");
        }
        let linked = trace.0.iter().filter(|span| !span.span.links.is_empty());
        assert_eq!(linked.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn fail_over_is_two_attempts_in_one_call() {
    within(async {
        let nodes = shop().await;
        // This one has room for a single call.
        let busy = Till::default();
        let full = traced(Billing::node(busy.clone()));
        let full = full.instance("full").budget(1, 1 << 20);
        let _full = nodes.mesh.start_node(full).await.unwrap();
        nodes.gateway.ready::<Billing>(2).await.unwrap();
        let client = nodes.gateway.client::<Billing>();
        let staying = tokio::spawn(client.stay().to("full").into_future());
        busy.0.notified().await;
        // The two instances take turns, so one of two calls goes to the full one first.
        let priced = in_a_trace(async {
            for _ in 0..2 {
                client.price().await.unwrap();
            }
        });
        let (id, ()) = priced.await;
        let trace = Trace::of(id, 8).await;
        let calls = trace.all("Billing/price", SpanKind::Client);
        assert_eq!(calls.len(), 2);
        let attempts = trace.all("attempt Billing/price", SpanKind::Client);
        assert_eq!(attempts.len(), 3);
        let handlers = trace.all("Billing/price", SpanKind::Server);
        assert_eq!(handlers.len(), 2);
        let failed: Vec<_> = trace.0.iter().filter(|span| span.has_failed()).collect();
        let [failed] = failed[..] else {
            panic!("one attempt failed: {failed:#?}");
        };
        assert!(failed.is("attempt Billing/price", SpanKind::Client));
        assert_eq!(failed.text("error.type"), "overloaded");
        assert_eq!(failed.text("mesh.peer"), "full");
        assert_eq!(failed.text("mesh.attempt"), "1");
        let call = &failed.span.parent_span_id;
        let of_call = attempts
            .iter()
            .filter(|span| span.span.parent_span_id == *call);
        let second: Vec<_> = of_call.filter(|span| !span.has_failed()).collect();
        let [second] = second[..] else {
            panic!("one more attempt: {second:#?}");
        };
        assert_eq!(second.text("mesh.attempt"), "2");
        assert!(
            handlers
                .iter()
                .any(|handler| handler.span.parent_span_id == second.span.span_id)
        );
        staying.abort();
        staying.await.unwrap_err();
    })
    .await;
}

/// As it comes with an HTTP request.
const EDGE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const EDGE_TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const EDGE_SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

#[tokio::test]
async fn a_call_goes_on_with_the_trace_of_an_http_request() {
    within(async {
        let nodes = shop().await;
        let client = nodes.gateway.client::<Billing>();
        let header = client.header().traceparent(EDGE).await.unwrap();
        assert!(header.starts_with(&EDGE[..36]), "{header}");
        assert!(header.ends_with("-01"), "{header}");
        let trace = Trace::of(EDGE_TRACE.to_be_bytes(), 3).await;
        trace.leads(&[
            ("Billing/header", SpanKind::Client),
            ("attempt Billing/header", SpanKind::Client),
            ("Billing/header", SpanKind::Server),
        ]);
        let call = trace.only("Billing/header", SpanKind::Client);
        assert_eq!(call.span.parent_span_id, EDGE_SPAN.to_be_bytes());
    })
    .await;
}

/// As it comes with an HTTP request whose trace nobody wants to see.
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const UNSAMPLED_TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

#[tokio::test]
async fn a_trace_that_is_not_sampled_elsewhere_is_not_exported_here() {
    within(async {
        let nodes = shop().await;
        let client = nodes.gateway.client::<Billing>();
        let header = client.header().traceparent(UNSAMPLED).await.unwrap();
        assert!(header.starts_with(&UNSAMPLED[..36]), "{header}");
        assert!(header.ends_with("-00"), "{header}");
        // Spans are exported in the order in which they end.
        let (id, _) = in_a_trace(async { client.header().await.unwrap() }).await;
        Trace::of(id, 4).await;
        let unsampled = SETUP.collector.trace(UNSAMPLED_TRACE.to_be_bytes());
        assert!(unsampled.is_empty(), "{unsampled:#?}");
    })
    .await;
}
