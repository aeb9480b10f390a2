//! A node that takes all its settings from the environment: for the tests of that. Says on its standard output who it
//! is once it has registered, and ends when it is told to or when its standard input does.

use std::io::{Read, Write};

use mesh_tests::{Back, Stage};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = match Back::node(Stage::quiet()).start().await {
        Ok(node) => node,
        Err(error) => {
            println!("{error}");
            std::process::exit(1);
        }
    };
    node.registered().await;
    println!("{} {}", node.id(), node.addr());
    std::io::stdout().flush()?;
    // Nobody is left behind when the test ends, however it does.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let report = node.run_until_signal().await?;
    println!("{report:?}");
    Ok(())
}
