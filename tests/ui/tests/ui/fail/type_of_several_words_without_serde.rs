//! All of the type is underlined, and the message names what it lacks.

use std::collections::BTreeMap;

use mesh_runtime::mesh_schema;

pub struct Order;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(orders: BTreeMap<String, Order>) -> Result<(), std::io::Error>;
    }
}

fn main() {}
