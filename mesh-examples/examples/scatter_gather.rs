//! A search over several shards that takes what has come by the deadline, and says who is missing and who failed.
//!
//! `cargo run -p mesh-examples --example scatter_gather`
//!
//! One of four shards does not answer in time, and the handler of another panics. Its message appears on stderr.

use std::{error::Error, future::pending, time::Duration};

use mesh_runtime::{CallError, Context, mesh_schema, testing::TestMesh};

mesh_schema! {
    /// Books on several shelves.
    mesh Library;

    /// Looks for books.
    node Desk { connect: [Shard]; }

    /// Has a part of the books.
    node Shard {
        allow: [Desk];

        /// The titles in this shard that contain a word.
        broadcast fn search(word: String) -> Vec<String>;
    }
}

enum Index {
    Titles(&'static [&'static str]),
    Stuck,
    Damaged,
}

impl ShardHandler for Index {
    async fn search(&self, _cx: Context<Shard>, word: String) -> Vec<String> {
        match self {
            Self::Titles(titles) => titles
                .iter()
                .filter(|title| title.contains(&word))
                .map(|title| String::from(*title))
                .collect(),
            // Nothing is left behind: at the deadline of the call, the mesh drops this future.
            Self::Stuck => pending().await,
            // The call fails, and the node goes on.
            Self::Damaged => panic!("the index is damaged"),
        }
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let mesh = TestMesh::<Library>::start().await?;
    let mut shards = Vec::new();
    for (name, index) in [
        ("shard-1", Index::Titles(&["The Sea-Wolf", "White Fang"])),
        ("shard-2", Index::Stuck),
        ("shard-3", Index::Damaged),
        ("shard-4", Index::Titles(&["The Sea", "The Sea, the Sea"])),
    ] {
        let shard = Shard::node(index).instance(name);
        shards.push(mesh.start_node(shard).await?);
    }
    let desk = mesh.start_node(Desk::node()).await?;
    desk.ready::<Shard>(shards.len()).await?;

    // That some shards do not answer is no error of the call.
    let gathered = desk
        .client::<Shard>()
        .search("Sea".to_owned())
        .timeout(Duration::from_secs(1))
        .await?;
    for (shard, titles) in gathered.answers() {
        println!("{shard} has found {}", titles.join(" | "));
    }
    for shard in gathered.missing() {
        println!("{shard} is missing");
    }
    for (shard, error) in gathered.errors() {
        println!("{shard} has failed: {error}");
    }

    let found = gathered.values().map(Vec::len).sum::<usize>();
    let (answered, asked) = (gathered.answers().count(), gathered.len());
    let missing = gathered.missing().count();
    let panicked = gathered
        .errors()
        .filter(|(_, error)| matches!(error, CallError::HandlerPanicked { .. }))
        .count();
    if (answered, missing, panicked) != (2, 1, 1) {
        return Err("two answers, one missing and one panic were expected".into());
    }
    // Whoever cannot do with a part asks for all.
    let Err(incomplete) = gathered.require_all() else {
        return Err("two shards have not answered".into());
    };
    println!("for those who need all: {incomplete}");
    println!("ok: {found} titles from {answered} of {asked} shards");
    Ok(())
}
