//! smoke
use std::time::Duration;
use mesh_runtime::{Context, JobError, mesh_schema, testing::TestMesh};

mesh_schema! {
    /// Test.
    pub mesh Test;
    /// A.
    node A { allow: []; connect: [B]; }
    /// B.
    node B {
        allow: [A, B]; connect: [B];
        /// echo
        balanced fn echo(text: String) -> String;
        /// who
        broadcast fn who() -> u64;
        /// note
        broadcast fn note(text: String);
        /// job
        queued balanced fn job(n: u32);
        /// jobs
        queued broadcast fn jobs(n: u32);
        /// bytes
        #[timeout = "30s"]
        balanced fn bytes(b: Vec<u8>) -> Vec<u8>;
    }
}

struct H(tokio::sync::mpsc::UnboundedSender<String>);
impl BHandler for H {
    async fn echo(&self, _cx: Context<B>, text: String) -> String { text }
    async fn who(&self, _cx: Context<B>) -> u64 { 7 }
    async fn note(&self, cx: Context<B>, text: String) { self.0.send(format!("note {text} {}", cx.instance())).ok(); }
    async fn job(&self, cx: Context<B>, n: u32) -> Result<(), JobError> { self.0.send(format!("job {n} {}", cx.instance())).ok(); Ok(()) }
    async fn jobs(&self, cx: Context<B>, n: u32) -> Result<(), JobError> { self.0.send(format!("jobs {n} {}", cx.instance())).ok(); Ok(()) }
    async fn bytes(&self, _cx: Context<B>, b: Vec<u8>) -> Vec<u8> { b }
}

#[tokio::test]
async fn smoke() {
    tracing_subscriber::fmt().with_env_filter("debug,hyper=info,tungstenite=info").with_test_writer().init();
    let mesh = TestMesh::<Test>::start().await.unwrap();
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
    let b1 = mesh.start_node(B::node(H(tx.clone())).instance("b1")).await.unwrap();
    let _b2 = mesh.start_node(B::node(H(tx.clone())).instance("b2")).await.unwrap();
    let a = mesh.start_node(A::node()).await.unwrap();
    a.ready::<B>(2).await.unwrap();
    let client = a.client::<B>();
    let t = std::time::Instant::now();
    for _ in 0..100 { assert_eq!(client.echo("hi".into()).await.unwrap(), "hi"); }
    println!("100 calls {:?}", t.elapsed());
    let who = client.who().await.unwrap();
    assert_eq!(who.ok().sum::<u64>(), 14);
    let sent = client.note("x".into()).await.unwrap();
    assert_eq!(sent.to.len(), 2);
    println!("{:?} {:?}", rx.recv().await, rx.recv().await);
    println!("{:?}", client.job(1).await.unwrap());
    println!("{:?}", client.jobs(1).await.unwrap());
    println!("{:?} {:?} {:?}", rx.recv().await, rx.recv().await, rx.recv().await);
    let big = vec![0x1e_u8; 16 << 20];
    let t = std::time::Instant::now();
    let back = client.bytes(big.clone()).timeout(Duration::from_secs(30)).await.unwrap();
    assert!(back == big);
    println!("16 MiB {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let all = (0..10_000).map(|n| { let client = client.clone(); tokio::spawn(async move { (n, client.echo(n.to_string()).await.unwrap()) }) }).collect::<Vec<_>>();
    for c in all { let (n, s) = c.await.unwrap(); assert_eq!(n.to_string(), s); }
    println!("10000 calls {:?}", t.elapsed());
    b1.ready::<B>(1).await.unwrap();
    let t = std::time::Instant::now();
    println!("{:?} {:?}", b1.shutdown().await, t.elapsed());
}
