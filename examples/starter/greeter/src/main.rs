//! The service `greeter`. Its settings come from the environment.

use greeter::Polite;
use schema::Greeter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let greeter = Greeter::node(Polite::default()).start().await?;
    greeter.run_until_signal().await?;
    Ok(())
}
