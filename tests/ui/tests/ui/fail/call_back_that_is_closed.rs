//! A node calls back over a link whose dialler closes the way back.

mesh_runtime::mesh_schema! {
    mesh Shop;

    node Resize {
        connect: [Index, Store];
        reverse: [Store];
        balanced fn resize(path: String) -> u64;
    }

    node Index {
        allow: [Resize];
    }

    node Store {
        allow: [Resize];
    }
}

async fn call(index: mesh_runtime::Node<Index>, store: mesh_runtime::Node<Store>) {
    let _ = store.client::<Resize>().resize("a".into()).await;
    let _ = index.client::<Resize>().resize("a".into()).await;
}

fn main() {}
