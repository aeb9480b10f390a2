//! mesh: balanced calls by round robin, all settings at their defaults except for the time limit of a call.

use bytes::Bytes;
use mesh_runtime::{Keys, Master, Node};

use super::{LIMIT, SERVERS};
use crate::{
    Failure,
    load::Echo,
    ours::{Caller, Echoes, Mirror, MirrorClient},
    sides::Sides,
};

const PUBLIC_KEY: &str = "peers";

/// A master in this process, and the keys of its mesh.
pub(super) struct Mesh {
    master: Master,
    keys: Keys,
    private: String,
}

impl Mesh {
    pub(super) async fn start(sides: &Sides) -> Result<Self, Failure> {
        let private = Keys::generate();
        let keys = Keys::new(PUBLIC_KEY, &private);
        let master = Echoes::master()
            .keys(&keys)
            .bind("127.0.0.1:0")
            .without_discovery();
        let master = sides
            .on_server(async move { Ok(master.start().await?) })
            .await?;
        Ok(Self {
            master,
            keys,
            private,
        })
    }

    /// By which an instance in another process finds this mesh.
    pub(super) fn env(&self) -> [(&'static str, String); 3] {
        [
            ("MESH_PUBLIC_KEY", PUBLIC_KEY.to_owned()),
            ("MESH_PRIVATE_KEY", self.private.clone()),
            ("MESH_MASTER", self.master.addr().to_string()),
        ]
    }

    /// A caller that is linked to all instances.
    pub(super) async fn caller(&self, sides: &Sides) -> Result<Node<Caller>, Failure> {
        let caller = Caller::node()
            .keys(&self.keys)
            .master(self.master.addr())
            .bind("127.0.0.1:0");
        sides
            .on_client(async move {
                let caller = caller.start().await?;
                caller.ready::<Mirror>(SERVERS).await?;
                Ok(caller)
            })
            .await
    }
}

pub(super) fn calls(caller: &Node<Caller>) -> OurCalls {
    OurCalls(caller.client::<Mirror>())
}

#[derive(Clone)]
pub(super) struct OurCalls(MirrorClient<Caller>);

impl Echo for OurCalls {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        Ok(self.0.echo(payload).timeout(LIMIT).await?)
    }
}
