//! A whole mesh in one process, for tests. Needs the feature `testing`.
//!
//! ```no_run
//! # use mesh_runtime::{Mesh, NodeBuilder, NodeType, testing::TestMesh};
//! # async fn example<Shop: Mesh, Billing: NodeType<Mesh = Shop>>(billing: NodeBuilder<Billing>) -> Result<(), mesh_runtime::StartError> {
//! let mesh = TestMesh::<Shop>::start().await?;
//! let billing = mesh.start_node(billing).await?;
//! # Ok(()) }
//! ```

pub mod queue_conformance;
pub mod raw;

use std::marker::PhantomData;

use crate::{
    access::{Mesh, NodeType},
    error::StartError,
    keys::Keys,
    master::{Master, MasterBuilder},
    node::{Node, NodeBuilder},
    operator::{Operator, OperatorBuilder, OperatorError},
};

/// A master on loopback with keys of its own, and methods to start nodes that use this master. No fixed port is used,
/// so any number of test meshes can run side by side. Everything stops when the test mesh and its nodes are dropped.
#[derive(Debug)]
pub struct TestMesh<M: Mesh> {
    master: Master,
    keys: Keys,
    mesh: PhantomData<fn() -> M>,
}

impl<M: Mesh> TestMesh<M> {
    /// Starts the master.
    ///
    /// # Errors
    /// If no port of the loopback interface can be bound.
    pub async fn start() -> Result<Self, StartError> {
        let keys = Keys::new(M::SCHEMA.mesh, Keys::generate());
        let master = MasterBuilder::<M>::new()
            .keys(&keys)
            .bind("127.0.0.1:0")
            .without_discovery()
            .without_metrics_of_environment()
            .start()
            .await?;
        Ok(Self {
            master,
            keys,
            mesh: PhantomData,
        })
    }

    /// Configures a builder with this mesh's keys and master, bound to loopback.
    pub fn join<N: NodeType<Mesh = M>>(&self, builder: NodeBuilder<N>) -> NodeBuilder<N> {
        builder
            .keys(&self.keys)
            .master(self.master.addr())
            .bind("127.0.0.1:0")
            .without_metrics_of_environment()
    }

    /// Starts a node in this mesh.
    ///
    /// # Errors
    /// See [`NodeBuilder::start`].
    pub async fn start_node<N: NodeType<Mesh = M>>(
        &self,
        builder: NodeBuilder<N>,
    ) -> Result<Node<N>, StartError> {
        self.join(builder).start().await
    }

    /// Connects operators with this mesh's keys.
    pub fn operators(&self) -> OperatorBuilder {
        OperatorBuilder::new(&self.keys)
    }

    /// Connects an operator to the master.
    ///
    /// # Errors
    /// See [`OperatorBuilder::master`].
    pub async fn operator(&self) -> Result<Operator, OperatorError> {
        self.operators().master(self.master.addr()).await
    }

    /// Connects an operator to a node of this mesh.
    ///
    /// # Errors
    /// See [`OperatorBuilder::node_at`].
    pub async fn operator_of<N: NodeType>(
        &self,
        node: &Node<N>,
    ) -> Result<Operator, OperatorError> {
        self.operators()
            .node_at(node.addr(), node.id().clone())
            .await
    }

    /// The master.
    pub fn master(&self) -> &Master {
        &self.master
    }

    /// The keys of this mesh.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// Switches sealing on or off in this process. If it is off, envelopes travel in the clear. This is for the one test
/// that checks that the sealing tests would notice. It exists only in builds with `--cfg mesh_sealing_switch`.
#[cfg(mesh_sealing_switch)]
pub fn set_sealing(on: bool) {
    crate::wire::cipher::SWITCHED_OFF.store(!on, std::sync::atomic::Ordering::SeqCst);
}
