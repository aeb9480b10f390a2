//! A chat among equals: the members link to each other, and each sends its lines to all others without waiting for an
//! answer.
//!
//! `cargo run -p mesh-examples --example chat`
//!
//! Each of three members says one line, and hears those of the other two.

use std::{collections::BTreeSet, error::Error, time::Duration};

use mesh_runtime::{Context, mesh_schema, testing::TestMesh};
use tokio::{sync::mpsc, time::timeout};

mesh_schema! {
    /// A chat.
    mesh Chat;

    /// Speaks and listens. It lists itself on both sides, so that all members link to each other.
    node Member {
        connect: [Member];
        allow: [Member];

        /// Says a line to all others.
        broadcast fn say(line: String);
    }
}

/// Passes on to `main` what a member hears.
struct Ears(mpsc::Sender<String>);

impl MemberHandler for Ears {
    async fn say(&self, cx: Context<Member>, line: String) {
        // Who speaks is proven by the link. It is not a text that the other side sends along.
        let Some(speaker) = cx.caller() else { return };
        let heard = format!("{} hears {}: {line}", cx.instance(), speaker.node.instance);
        // An error means that `main` has ended.
        let _ = self.0.send(heard).await;
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let mesh = TestMesh::<Chat>::start().await?;
    let (ears, mut heard) = mpsc::channel(16);
    let mut members = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let member = Member::node(Ears(ears.clone())).instance(name);
        members.push(mesh.start_node(member).await?);
    }
    let others = members.len() - 1;
    for member in &members {
        member.ready::<Member>(others).await?;
    }

    for member in &members {
        let line = format!("hello from {}", member.instance());
        let sent = member.client::<Member>().say(line).await?;
        // That a link has taken the line does not mean that the other side has heard it.
        if sent.to.len() != others {
            return Err(format!("not everybody is told: {sent:?}").into());
        }
    }

    // They come in any order, and are printed in that of the names.
    let mut lines = BTreeSet::new();
    for _ in 0..members.len() * others {
        let line = timeout(Duration::from_secs(5), heard.recv()).await?;
        lines.insert(line.ok_or("the members have ended")?);
    }
    for line in &lines {
        println!("{line}");
    }
    for member in &members {
        let own = format!("hears {}:", member.instance());
        if lines.iter().filter(|line| line.contains(&own)).count() != others {
            return Err(format!("{} is not heard by all others", member.instance()).into());
        }
    }
    println!(
        "ok: {} lines are heard, and nobody hears itself",
        lines.len()
    );
    Ok(())
}
