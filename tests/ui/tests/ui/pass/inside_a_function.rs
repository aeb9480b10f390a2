//! A schema among the statements of a function, with types that are declared there too.
#![deny(warnings)]

use mesh_runtime::{Context, mesh_schema};
use serde::{Deserialize, Serialize};

fn main() {
    #[derive(Serialize, Deserialize)]
    struct Local(u8);

    mesh_schema! {
        mesh Small;

        node One {
            allow: [Two];
            #[allow(Two)]
            #[timeout = "1h"]
            balanced fn get(local: Local) -> Local;
        }

        node Two {
            connect: [One];
        }
    }

    struct Handler;

    impl OneHandler for Handler {
        async fn get(&self, _cx: Context<One>, local: Local) -> Local {
            local
        }
    }

    let _ = One::node(Handler);
    assert_eq!(Small::SCHEMA.nodes.len(), 2);
}
