//! A node that takes all its settings from the environment, for tests of those settings. Prints its identity on its
//! standard output once it has registered. Ends when it is told to, or when its standard input closes.

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
    node.registered().await?;
    println!("{} {}", node.id(), node.addr());
    std::io::stdout().flush()?;
    // The process ends with the test, however the test ends.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let report = node.run_until_signal().await?;
    println!("{report:?}");
    Ok(())
}
