//! The greeter in a whole mesh, in one process.

use greeter::Polite;
use mesh_runtime::testing::TestMesh;
use schema::{Greeter, Starter, Web};

#[tokio::test]
async fn it_greets_and_counts() -> Result<(), Box<dyn std::error::Error>> {
    let mesh = TestMesh::<Starter>::start().await?;
    let _one = mesh.start_node(Greeter::node(Polite::default()).instance("one")).await?;
    let _two = mesh.start_node(Greeter::node(Polite::default()).instance("two")).await?;
    let web = mesh.start_node(Web::node()).await?;
    web.ready::<Greeter>(2).await?;

    let greeter = web.client::<Greeter>();
    let greeting = greeter.greet("Ada".into()).to("one").await?;
    assert_eq!((&greeting.text[..], &greeting.from[..]), ("Hello, Ada!", "one"));
    greeter.greet("Bob".into()).await?;
    let counts = greeter.greeted().at_least(2).await?.require_all()?;
    assert_eq!(counts.iter().sum::<u64>(), 2);
    Ok(())
}
