mesh_runtime::mesh_node! {
    pub node Audit {
        allow: [Billing];
        broadcast fn flush();
    }
}
