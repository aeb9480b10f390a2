//! Nodes beside their types where nothing is in scope by itself, the runtime goes by another name, and node types
//! are called like what usually is.
#![no_implicit_prelude]
#![deny(missing_docs, warnings)]

mod facade {
    pub use ::mesh_runtime as mesh;
}

mod nodes {
    use ::std::clone::Clone as _;

    /// WireType; its derives meet nodes of their names.
    #[derive(::std::clone::Clone, ::serde::Serialize, ::serde::Deserialize)]
    pub struct Order {
        /// Its number.
        pub id: u64,
    }

    crate::facade::mesh::mesh_node! {
        runtime = crate::facade::mesh;

        /// A node called like a prelude type.
        pub node Result {
            allow: [Clone];

            #[allow(Clone)]
            #[key = order.id]
            balanced fn first(order: Order) -> u8;
            queued broadcast fn jobs(order: Order);
        }

        /// A node called like a derive.
        pub node Clone {
            connect: any;
        }
    }

    /// Answers for `Result`.
    pub struct Handler;

    impl ResultHandler for Handler {
        async fn first(&self, _cx: ::mesh_runtime::Context<Result>, order: Order) -> u8 {
            let _ = order.clone();
            0
        }
        async fn jobs(
            &self,
            _cx: ::mesh_runtime::Context<Result>,
            _order: Order,
        ) -> ::std::result::Result<(), ::mesh_runtime::JobError> {
            ::std::result::Result::Ok(())
        }
    }
}

facade::mesh::mesh_schema! {
    runtime = crate::facade::mesh;

    /// A mesh.
    pub mesh Option;

    node nodes::Result;
    node nodes::Clone;
}

fn main() {
    let _ = (nodes::Result::node(nodes::Handler), nodes::Clone::node());
    let _ = |node: ::mesh_runtime::Node<nodes::Clone>| {
        let _ = node.client::<nodes::Result>().first(nodes::Order { id: 1 });
    };
    let _ = Option::master();
}
