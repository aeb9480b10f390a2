//! `pub(super)` and private meshes: nothing is seen further than it should be, and nothing unused is complained about.
#![deny(missing_docs, warnings, unreachable_pub)]

mod schema {
    pub(super) use serde::{Deserialize, Serialize};

    /// Of this module only, and yet an argument.
    #[derive(Serialize, Deserialize)]
    pub(super) struct Secret(pub(super) u8);

    mesh_runtime::mesh_schema! {
        pub(super) mesh Half;

        node Left {
            connect: [Right];
        }

        node Right {
            allow: [Left];
            broadcast fn tell(secret: Secret);
        }
    }

    pub(super) mod inner {
        mesh_runtime::mesh_schema! {
            mesh Hidden;
            node Alone {
                balanced fn think();
            }
        }

        pub(in super::super) fn names() -> usize {
            Hidden::SCHEMA.nodes.len()
        }
    }
}

use schema::{Half, Left, Right, RightHandler, Secret};

struct Handler;

impl RightHandler for Handler {
    async fn tell(&self, _cx: mesh_runtime::Context<Right>, secret: Secret) {
        let _ = secret.0;
    }
}

async fn tells(left: mesh_runtime::Node<Left>) {
    let _ = left.client::<Right>().tell(Secret(1)).await;
}

fn main() {
    let _ = Right::node(Handler);
    let _ = tells;
    assert_eq!(Half::SCHEMA.mesh, "Half");
    assert_eq!(schema::inner::names(), 1);
}
