//! The master: nodes register here and find each other. No call passes through it.

use schema::Starter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Starter::master().start().await?.run_until_signal().await?;
    Ok(())
}
