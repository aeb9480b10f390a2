//! Handlers run on any thread.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: std::rc::Rc<u8>);
    }
}

fn main() {}
