//! Trace contexts that come from outside the mesh, and go there.

use mesh_runtime::{
    Context, Node, TraceContext, TracePropagator, TraceRelation, mesh_schema, testing::TestMesh,
};
use mesh_tests::within;

mesh_schema! {
    mesh Shop;
    node Gateway { connect: [Billing]; }
    node Billing {
        allow: [Gateway];
        connect: [Audit];
        /// Returns the trace of its handler, and that of a handler that it calls.
        balanced fn charge() -> (Option<String>, Option<String>);
        broadcast fn traces() -> Option<String>;
    }
    node Audit {
        allow: [Billing];
        balanced fn trace() -> Option<String>;
    }
}

struct Till;

impl BillingHandler for Till {
    async fn charge(&self, cx: Context<Billing>) -> (Option<String>, Option<String>) {
        let behind = cx.client::<Audit>().trace().await.unwrap();
        (cx.traceparent(), behind)
    }

    async fn traces(&self, cx: Context<Billing>) -> Option<String> {
        cx.traceparent()
    }
}

struct Books;

impl AuditHandler for Books {
    async fn trace(&self, cx: Context<Audit>) -> Option<String> {
        cx.traceparent()
    }
}

/// Belongs to another trace, whatever the span.
struct Elsewhere;

const ELSEWHERE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

impl TracePropagator for Elsewhere {
    fn inject(&self, _: &tracing::Span) -> Option<TraceContext> {
        ELSEWHERE.parse().ok()
    }

    fn extract(&self, _: &tracing::Span, _: &TraceContext, _: TraceRelation) {}
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn linked(mesh: &TestMesh<Shop>) -> (Node<Gateway>, Node<Billing>, Node<Audit>) {
    let audit = mesh.start_node(Audit::node(Books)).await.unwrap();
    let billing = mesh.start_node(Billing::node(Till)).await.unwrap();
    billing.ready::<Audit>(1).await.unwrap();
    let gateway = mesh.start_node(Gateway::node()).await.unwrap();
    gateway.ready::<Billing>(1).await.unwrap();
    (gateway, billing, audit)
}

#[tokio::test]
async fn a_traceparent_reaches_the_handler_and_those_behind_it() {
    within(async {
        let mesh = TestMesh::<Shop>::start().await.unwrap();
        let (gateway, _billing, _audit) = linked(&mesh).await;
        let calls = gateway.client::<Billing>();
        let given = Some(TRACE.to_owned());
        let traces = calls.charge().traceparent(TRACE).await.unwrap();
        assert_eq!(traces, (given.clone(), given.clone()));
        let traces = calls.traces().traceparent(TRACE).await.unwrap();
        assert_eq!(traces.values().collect::<Vec<_>>(), [&given]);
        // Nothing, and what is no traceparent, is none.
        assert_eq!(calls.charge().await.unwrap(), (None, None));
        let odd = calls.charge().traceparent("00-odd").await.unwrap();
        assert_eq!(odd, (None, None));
    })
    .await;
}

#[tokio::test]
async fn a_traceparent_counts_more_than_the_span_in_which_the_call_is_made() {
    within(async {
        let mesh = TestMesh::<Shop>::start().await.unwrap();
        let (_gateway, _billing, _audit) = linked(&mesh).await;
        let joined = Gateway::node().trace_propagator(Elsewhere);
        let joined = mesh.start_node(joined).await.unwrap();
        joined.ready::<Billing>(1).await.unwrap();
        let calls = joined.client::<Billing>();
        let (trace, _) = calls.charge().await.unwrap();
        assert_eq!(trace.as_deref(), Some(ELSEWHERE));
        let (trace, _) = calls.charge().traceparent(TRACE).await.unwrap();
        assert_eq!(trace.as_deref(), Some(TRACE));
    })
    .await;
}

#[tokio::test]
async fn an_operator_can_send_a_traceparent_and_metadata_along() {
    within(async {
        let mesh = TestMesh::<Shop>::start().await.unwrap();
        let (_gateway, billing, _audit) = linked(&mesh).await;
        let operator = mesh.operator_of(&billing).await.unwrap();
        let schema = operator.describe().await.unwrap().schema;
        let charge = schema.command("Billing", "charge").unwrap();
        let answer = operator
            .call(&schema, charge, "")
            .traceparent(TRACE)
            .meta("tenant", "a");
        assert_eq!(answer.await.unwrap(), format!(r#"["{TRACE}","{TRACE}"]"#));
    })
    .await;
}
