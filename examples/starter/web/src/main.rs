//! The service `web`: greets everybody whose name it is given, and ends.

use schema::{Greeter, Web};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let web = Web::node().start().await?;
    let greeter = web.client::<Greeter>();
    for name in std::env::args().skip(1) {
        let greeting = greeter.greet(name.clone()).wait_for_peer().await?;
        println!("{}", greeting.text);
        greeter.mail(name).await?;
    }
    web.shutdown().await;
    Ok(())
}
