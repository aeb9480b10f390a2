//! mesh: through the generated stubs, sealed, with every limit and deadline at its default.

use bytes::Bytes;
use mesh_runtime::{Context, Node, mesh_schema, testing::TestMesh};

use crate::{Failure, load::Echo, payload::Order, sides::Sides};

mesh_schema! {
    /// Calls that come back.
    pub(crate) mesh Echoes;

    node Caller { allow: []; connect: [Mirror]; }

    node Mirror {
        allow: [Caller];
        connect: [];

        #[timeout = "20s"]
        balanced fn echo(payload: Bytes) -> Bytes;

        #[timeout = "20s"]
        balanced fn list(payload: Vec<u8>) -> Vec<u8>;

        #[timeout = "20s"]
        balanced fn order(order: Order) -> Order;
    }
}

struct Glass;

impl MirrorHandler for Glass {
    async fn echo(&self, _cx: Context<Mirror>, payload: Bytes) -> Bytes {
        payload
    }

    async fn list(&self, _cx: Context<Mirror>, payload: Vec<u8>) -> Vec<u8> {
        payload
    }

    async fn order(&self, _cx: Context<Mirror>, order: Order) -> Order {
        order
    }
}

/// An instance alone in its process. It finds its mesh by the environment.
pub(crate) async fn mirror() -> Result<Node<Mirror>, Failure> {
    let mirror = Mirror::node(Glass).start().await?;
    mirror.registered().await.expect("the master takes it");
    Ok(mirror)
}

/// A caller on one side; master and instances on the other.
pub(crate) struct Ours {
    // Shut down when dropped.
    _mesh: TestMesh<Echoes>,
    _mirrors: Vec<Node<Mirror>>,
    caller: Node<Caller>,
}

impl Ours {
    pub(crate) async fn start(sides: &Sides, instances: usize) -> Result<Self, Failure> {
        let (mesh, mirrors) = sides
            .on_server(async move {
                let mesh = TestMesh::<Echoes>::start().await?;
                let mut mirrors = Vec::new();
                for _ in 0..instances {
                    mirrors.push(mesh.start_node(Mirror::node(Glass)).await?);
                }
                Ok((mesh, mirrors))
            })
            .await?;
        let joining = mesh.join(Caller::node());
        let caller = sides
            .on_client(async move {
                let caller = joining.start().await?;
                caller.ready::<Mirror>(instances).await?;
                Ok(caller)
            })
            .await?;
        Ok(Self {
            _mesh: mesh,
            _mirrors: mirrors,
            caller,
        })
    }

    pub(crate) fn echo(&self) -> OurEcho {
        OurEcho(self.caller.client::<Mirror>())
    }
}

#[derive(Clone)]
pub(crate) struct OurEcho(MirrorClient<Caller>);

impl Echo for OurEcho {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        Ok(self.0.echo(payload).await?)
    }
}

impl Echo<Vec<u8>> for OurEcho {
    async fn echo(&mut self, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        Ok(self.0.list(payload).await?)
    }
}

impl Echo<Order> for OurEcho {
    async fn echo(&mut self, order: Order) -> Result<Order, Failure> {
        Ok(self.0.order(order).await?)
    }
}
