//! Jobs that outlive the node that accepted them. Needs a Redis (Debian: `apt install redis-server`):
//!
//! `MESH_REDIS_URL=redis://127.0.0.1:6379 cargo run -p mesh-examples --features redis --example durable`
//!
//! A first mailer accepts ten letters and shuts down before they are sent; a second mailer sends them. One letter is
//! queued twice and sent once, one is sent later, and one cannot be sent.

use std::{env, error::Error, process::ExitCode, sync::Arc, time::Duration};

use mesh_runtime::{Context, JobError, mesh_schema, queue::RedisQueue, testing::TestMesh};
use tokio::{sync::mpsc, time::timeout};

mesh_schema! {
    /// Letters.
    mesh Post;

    /// Writes letters.
    node Office { connect: [Mailer]; }

    /// Sends them.
    node Mailer {
        allow: [Office];

        /// Sends one letter.
        #[attempts = 3]
        #[backoff = "100ms"]
        queued balanced fn send(to: String);
    }
}

/// Prints the recipient of each letter that it sends.
struct Sender(mpsc::UnboundedSender<String>);

impl MailerHandler for Sender {
    async fn send(&self, cx: Context<Mailer>, to: String) -> Result<(), JobError> {
        if to == "nobody" {
            // Any error will do: after three attempts the job is a dead letter. `JobError::discard` makes it one at
            // once.
            return Err(JobError::retry("there is no such address"));
        }
        let attempt = cx.job().map_or(0, |job| job.attempt);
        self.0.send(format!("to {to}, attempt {attempt}"))?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Ok(url) = env::var("MESH_REDIS_URL") else {
        eprintln!(
            "durable: set MESH_REDIS_URL, for example to redis://127.0.0.1:6379 (Debian: apt install redis-server)"
        );
        return ExitCode::FAILURE;
    };
    match post(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("durable: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn post(url: &str) -> Result<(), Box<dyn Error>> {
    let mesh = TestMesh::<Post>::start().await?;
    let (sender, mut sent) = mpsc::unbounded_channel();
    let mailer = |name: &str| {
        let mailer = Mailer::node(Sender(sender.clone())).instance(name);
        let redis = RedisQueue::connect(url);
        // Each run has a mesh of its own, so that nothing is left over from the previous run.
        async move { Ok::<_, Box<dyn Error>>(mailer.queue(Arc::new(redis.await?.prefix(run_id())))) }
    };
    let office = mesh.start_node(Office::node()).await?;
    let letters = office.client::<Mailer>();

    let first = mesh.start_node(mailer("first").await?).await?;
    office.ready::<Mailer>(1).await?;
    first.queues().send().pause().await?;
    for number in 0..10 {
        letters.send(format!("customer {number}")).await?;
    }
    let window = Duration::from_secs(60);
    letters
        .send("customer 10".into())
        .dedupe("order-10", window)
        .await?;
    let again = letters
        .send("customer 10".into())
        .dedupe("order-10", window)
        .await?;
    println!("queued twice, kept once: {}", again.duplicate);
    letters
        .send("customer 11".into())
        .delay(Duration::from_secs(1))
        .await?;
    letters.send("nobody".into()).await?;
    println!("waiting: {:?}", first.queues().send().stats().await?);
    first.shutdown().await;
    println!("the first mailer is gone");

    let second = mesh.start_node(mailer("second").await?).await?;
    let queue = second.queues().send();
    queue.resume().await?;
    for _ in 0..12 {
        let letter = timeout(Duration::from_secs(10), sent.recv()).await?;
        println!("sent {}", letter.ok_or("the mailer has ended")?);
    }
    let dead = timeout(Duration::from_secs(10), async {
        loop {
            if let Some(letter) = queue.dead_letters(1).await?.pop() {
                return Ok::<_, Box<dyn Error>>(letter);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await??;
    println!(
        "dead letter: {} after {} attempts",
        dead.error, dead.attempts
    );
    println!("thrown away: {}", queue.purge_all().await?);
    second.shutdown().await;
    Ok(())
}

/// Different in each run.
fn run_id() -> String {
    format!("durable-example-{}", std::process::id())
}
