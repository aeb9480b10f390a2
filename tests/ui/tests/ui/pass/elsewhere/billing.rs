mesh_runtime::mesh_node! {
    pub node Billing {
        connect: [Audit];
    }
}
