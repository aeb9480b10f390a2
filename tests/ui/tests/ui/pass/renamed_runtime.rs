//! The runtime under another name, re-exported by another crate or module.

mod facade {
    pub use mesh_runtime as mesh;
}

facade::mesh::mesh_schema! {
    runtime = crate::facade::mesh;

    mesh Small;

    node One {
        balanced fn ping() -> u8;
    }
}

struct Handler;

impl OneHandler for Handler {
    async fn ping(&self, _cx: facade::mesh::Context<One>) -> u8 {
        1
    }
}

fn main() {
    let _ = One::node(Handler);
}
