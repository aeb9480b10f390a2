//! Types called like what the macro writes itself, and a schema written by a `macro_rules!`.
#![deny(warnings)]

use mesh_runtime::{Context, mesh_schema};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Caller(u8);

#[derive(Serialize, Deserialize)]
struct Handler(u8);

#[derive(Serialize, Deserialize)]
struct Generic<T, const N: usize>([T; 2]);

macro_rules! schema {
    ($node:ident, $ty:ty) => {
        mesh_schema! {
            mesh Small;

            node $node {
                allow: any;
                connect: any;
                balanced fn both(caller: Caller, handler: Handler) -> (Caller, Handler);
                balanced fn written(it: $ty) -> Option<$ty>;
                broadcast fn nested(map: std::collections::HashMap<String, Vec<Generic<u8, 0>>>) -> [u8; 2 + 2];
                #[allow($node)]
                #[key = u8]
                balanced fn u8(u8: u8) -> u8;
                broadcast fn shared(text: std::borrow::Cow<'static, str>);
            }
        }
    };
}

schema!(One, Vec<u8>);

struct It;

impl OneHandler for It {
    async fn both(&self, cx: Context<One>, caller: Caller, handler: Handler) -> (Caller, Handler) {
        let _ = cx.client::<One>();
        (Caller(caller.0), Handler(handler.0))
    }
    async fn written(&self, _cx: Context<One>, it: Vec<u8>) -> Option<Vec<u8>> {
        Some(it)
    }
    async fn nested(&self, _cx: Context<One>, _: std::collections::HashMap<String, Vec<Generic<u8, 0>>>) -> [u8; 4] {
        [0; 4]
    }
    async fn u8(&self, _cx: Context<One>, u8: u8) -> u8 {
        u8
    }
    async fn shared(&self, _cx: Context<One>, _: std::borrow::Cow<'static, str>) {}
}

fn main() {
    let _ = One::node(It);
    let commands = Small::SCHEMA.node("One").unwrap().commands;
    assert_eq!(commands[1].args, [("it", "Vec<u8>")]);
    assert_eq!(commands[1].returns, "Option<Vec<u8>>");
    assert_eq!(commands[2].args, [("map", "std::collections::HashMap<String, Vec<Generic<u8, 0>>>")]);
    assert_eq!(commands[2].returns, "[u8; 2 + 2]");
    assert_eq!(commands[4].args, [("text", "std::borrow::Cow<'static, str>")]);
}
