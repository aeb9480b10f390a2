//! `#[cfg]` takes a command out of everything: trait, stub, dispatch, table, and the demands on its types.
#![deny(warnings)]
#![allow(unexpected_cfgs)]

use mesh_runtime::{Context, mesh_schema};

struct NotSerde;

mesh_schema! {
    mesh Small;

    node One {
        allow: [Two];

        #[cfg(absent)]
        #[allow(Two)]
        #[key = left]
        balanced fn gone(left: NotSerde, right: DoesNotExist) -> NotSerde;

        #[cfg(not(absent))]
        #[allow(Two)]
        balanced fn there(n: u8) -> u8;

        #[cfg(absent)]
        broadcast fn either(left: NotSerde);

        #[cfg(not(absent))]
        broadcast fn either(n: u8);
    }

    node Two {
        connect: [One];
    }

    node Nothing {
        #[cfg(absent)]
        queued broadcast fn gone(n: NotSerde);
    }
}

struct Handler;

impl OneHandler for Handler {
    async fn there(&self, _cx: Context<One>, n: u8) -> u8 {
        n
    }
    async fn either(&self, _cx: Context<One>, _n: u8) {}
}

impl NothingHandler for Handler {}

fn main() {
    let _ = (NotSerde, One::node(Handler), Nothing::node(Handler));
    let names: Vec<_> = Small::SCHEMA.node("One").unwrap().commands.iter().map(|c| c.name).collect();
    assert_eq!(names, ["there", "either"]);
    assert!(Small::SCHEMA.node("Nothing").unwrap().commands.is_empty());
}
