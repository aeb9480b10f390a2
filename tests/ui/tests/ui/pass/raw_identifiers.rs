//! Names that are keywords.
#![deny(missing_docs, warnings)]

use mesh_runtime::{Context, mesh_schema};

mesh_schema! {
    /// A mesh.
    pub mesh r#Mod;

    node r#Type {
        allow: [r#Type];
        connect: [r#Type];
        #[allow(r#Type)]
        #[key = r#in]
        balanced fn r#match(r#in: u8, r#fn: u8) -> u8;
        balanced fn r#async();
        broadcast fn mesh(node: u8, allow: u8);
        broadcast fn balanced(any: u8);
        balanced fn queued();
        balanced fn allow();
    }
}

struct Handler;

impl TypeHandler for Handler {
    async fn r#match(&self, cx: Context<r#Type>, r#in: u8, r#fn: u8) -> u8 {
        let client = cx.client::<r#Type>();
        client.r#match(r#in, r#fn).await.unwrap_or_default()
    }
    async fn r#async(&self, _cx: Context<r#Type>) {}
    async fn mesh(&self, _cx: Context<r#Type>, _node: u8, _allow: u8) {}
    async fn balanced(&self, _cx: Context<r#Type>, _any: u8) {}
    async fn queued(&self, _cx: Context<r#Type>) {}
    async fn allow(&self, _cx: Context<r#Type>) {}
}

fn main() {
    let _ = r#Type::node(Handler);
    let spec = r#Mod::SCHEMA.node("Type").unwrap();
    assert_eq!(spec.commands[0].name, "match");
    assert_eq!(spec.commands[0].args, [("in", "u8"), ("fn", "u8")]);
    assert_eq!(spec.links_to, ["Type"]);
}
