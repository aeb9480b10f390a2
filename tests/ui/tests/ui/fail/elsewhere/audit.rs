//! A node that nobody may call.

mesh_runtime::mesh_node! {
    pub node Audit {
        allow: [];
        balanced fn record();
    }
}

pub struct Log;

impl AuditHandler for Log {
    async fn record(&self, _cx: mesh_runtime::Context<Audit>) {}
}
