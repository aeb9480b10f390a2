//! One runtime is enough.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    runtime = ::mesh_runtime;
    runtime = ::mesh_runtime;

    node Billing {}
}

fn main() {}
