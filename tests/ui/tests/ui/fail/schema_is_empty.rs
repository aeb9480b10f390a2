//! Nothing at all.

use mesh_runtime::mesh_schema;

mesh_schema! {

}

fn main() {}
