//! A type with a lifetime inside reads from bytes that are gone.

use mesh_runtime::mesh_schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order<'a>(&'a str);

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: Order<'static>);
    }
}

fn main() {}
