//! The mesh as well.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh BillingClient;

    node Billing {}
}

fn main() {}
