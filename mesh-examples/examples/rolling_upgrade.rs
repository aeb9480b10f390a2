//! Two versions of a program in one mesh, while its instances are replaced one by one.
//!
//! `cargo run -p mesh-examples --example rolling_upgrade`
//!
//! Calls go to those instances that declare the command the same. Where there are none, a call fails as `Incompatible`,
//! and has certainly not run. Commands that did not change work between all.

use std::{collections::BTreeSet, error::Error};

use mesh_runtime::{
    CallError, Context, Node, NodeBuilder, NodeType, StartError, testing::TestMesh,
};

mod old {
    use mesh_runtime::mesh_schema;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
    }

    mesh_schema! {
        /// The mesh before the upgrade.
        pub(crate) mesh Directory;

        node Web { connect: [Users]; }

        node Users {
            allow: [Web];

            /// The instance that answers: the same in both versions.
            balanced fn whoami() -> String;
            /// Reads the same in both versions, but `User` has changed.
            balanced fn find(id: u32) -> User;
        }
    }
}

mod new {
    use mesh_runtime::mesh_schema;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct User {
        pub(crate) name: String,
        pub(crate) email: String,
    }

    mesh_schema! {
        /// The mesh after the upgrade.
        pub(crate) mesh Directory;

        node Web { connect: [Users]; }

        node Users {
            allow: [Web];

            balanced fn whoami() -> String;
            balanced fn find(id: u32) -> User;
            /// Added.
            balanced fn count() -> u32;
        }
    }
}

struct Old;

impl old::UsersHandler for Old {
    async fn whoami(&self, cx: Context<old::Users>) -> String {
        cx.instance().to_string()
    }
    async fn find(&self, _cx: Context<old::Users>, id: u32) -> old::User {
        let name = format!("user {id}");
        old::User { name }
    }
}

struct New;

impl new::UsersHandler for New {
    async fn whoami(&self, cx: Context<new::Users>) -> String {
        cx.instance().to_string()
    }
    async fn find(&self, _cx: Context<new::Users>, id: u32) -> new::User {
        let (name, email) = (format!("user {id}"), format!("{id}@users.example"));
        new::User { name, email }
    }
    async fn count(&self, _cx: Context<new::Users>) -> u32 {
        1
    }
}

/// Starts a node of the old version in a mesh whose master is of the new one: masters are updated first.
async fn start_old<N: NodeType>(
    mesh: &TestMesh<new::Directory>,
    node: NodeBuilder<N>,
) -> Result<Node<N>, StartError> {
    let node = node.keys(mesh.keys()).master(mesh.master().addr());
    node.bind("127.0.0.1:0").start().await
}

/// Prints why a call has not run: nobody declares its command the same.
fn incompatible<T>(answer: Result<T, CallError>) -> Result<(), Box<dyn Error>> {
    match answer.err() {
        Some(error @ CallError::Incompatible { .. }) => println!("  {error}"),
        other => return Err(format!("this should be Incompatible: {other:?}").into()),
    }
    Ok(())
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let mesh = TestMesh::<new::Directory>::start().await?;
    let old_users = start_old(&mesh, old::Users::node(Old).instance("old")).await?;
    let old_web = start_old(&mesh, old::Web::node()).await?;
    let new_web = mesh.start_node(new::Web::node()).await?;
    old_web.ready::<old::Users>(1).await?;
    new_web.ready::<new::Users>(1).await?;
    let by_old = old_web.client::<old::Users>();
    let by_new = new_web.client::<new::Users>();
    println!("a new caller, while all instances are old:");
    println!("  whoami: {}", by_new.whoami().await?);
    incompatible(by_new.find(1).await)?;
    incompatible(by_new.count().await)?;

    let new_users = new::Users::node(New).instance("new");
    let _new_users = mesh.start_node(new_users).await?;
    old_web.ready::<old::Users>(2).await?;
    new_web.ready::<new::Users>(2).await?;
    println!("with one instance of each version:");
    let both = BTreeSet::from([by_new.whoami().await?, by_new.whoami().await?]);
    println!("  whoami: {both:?}, in turn");
    // Calls are in turn here too, but pass over the instance of the other version.
    println!("  find: old callers get {:?}", by_old.find(2).await?);
    println!("  find: new callers get {:?}", by_new.find(2).await?);
    println!("  count: {}", by_new.count().await?);

    println!("an old caller, while all instances are new:");
    let mut events = old_web.events();
    old_users.shutdown().await;
    while old_web.link::<old::Users>("old").is_some() {
        events.next().await.ok_or("the old caller has ended")?;
    }
    println!("  whoami: {}", by_old.whoami().await?);
    incompatible(by_old.find(1).await)?;
    println!("ok: what changed fails or finds its like, and the rest works");
    Ok(())
}
