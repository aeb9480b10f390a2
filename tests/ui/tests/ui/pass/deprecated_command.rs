//! A deprecated command can be served and dispatched without a warning; calling it gives one.
#![deny(warnings)]

use mesh_runtime::{Context, Node, mesh_schema};

mesh_schema! {
    mesh Small;

    node One {
        allow: [One];
        connect: [One];
        /// The old way.
        #[deprecated(since = "2.0.0", note = "use `newer`")]
        balanced fn old() -> u8;
        balanced fn newer() -> u8;
    }
}

struct Handler;

impl OneHandler for Handler {
    async fn old(&self, _cx: Context<One>) -> u8 {
        1
    }
    async fn newer(&self, _cx: Context<One>) -> u8 {
        2
    }
}

async fn call(node: Node<One>) {
    #[expect(deprecated)]
    let _ = node.client::<One>().old().await;
}

fn main() {
    let _ = (One::node(Handler), call);
}
