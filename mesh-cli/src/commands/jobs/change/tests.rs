//! Which dead letters are changed, shown with queues in memory.

use std::sync::Arc;

use clap::Parser;
use mesh_runtime::{
    InstanceId, Keys,
    operator::EngineQueues,
    queue::{Failure, MemoryQueue, NewJob, Queue, QueueName},
};

use super::{
    super::{
        places::{Place, Way},
        target::{Target, tests::schema},
    },
    *,
};

#[derive(Parser, Debug)]
struct Line {
    #[command(flatten)]
    args: ChangeArgs,
}

fn args(words: &[&str]) -> ChangeArgs {
    let words = [&["requeue", "Billing.reload"][..], words].concat();
    Line::try_parse_from(words).unwrap().args
}

/// The queues of the `queued broadcast` command `Billing.reload`.
struct Memory {
    engine: Arc<MemoryQueue>,
    queues: EngineQueues,
}

impl Memory {
    async fn new() -> Self {
        let engine = Arc::new(MemoryQueue::new().max_dead(10_000));
        let keys = Keys::new("shop", Keys::generate());
        let queues = EngineQueues::new(&keys, engine.clone()).await.unwrap();
        Self { engine, queues }
    }

    fn queue(instance: &str) -> QueueName {
        QueueName::new("Shop", "Billing", "reload").of(instance)
    }

    /// Lets so many jobs of an instance die.
    async fn bury(&self, instance: &str, number: usize) {
        let queue = Self::queue(instance);
        for _ in 0..number {
            let job = NewJob::new("arguments");
            self.engine.enqueue(&queue, job).await.unwrap();
            for job in self.engine.lease(&queue, 1).await.unwrap() {
                let failed = self
                    .engine
                    .fail(&queue, &job, "no ink".into(), Failure::Dead);
                failed.await.unwrap();
            }
        }
    }

    /// How many jobs of an instance wait, and how many dead letters there are of all.
    async fn counts(&self, instance: &str) -> (u64, u64) {
        let admin = self.engine.admin();
        let stats = admin.stats(&Self::queue(instance)).await.unwrap();
        (stats.waiting, stats.dead)
    }

    /// The places, if these instances were reached.
    fn places(&self, instances: &[&str]) -> Places {
        let schema = Arc::new(schema());
        let place = |instance: &&str| {
            let id = InstanceId::from(*instance);
            let queue = self.queues.queue(&schema, "Billing", "reload", Some(id));
            Place {
                instance: Some((*instance).to_owned()),
                way: Way::Redis(Box::new(queue.unwrap())),
                command: "reload".to_owned(),
            }
        };
        Places {
            target: Target::find(&schema, "Billing.reload").unwrap(),
            shared: false,
            dead_shared: false,
            places: instances.iter().map(place).collect(),
            unreached: Vec::new(),
            only: None,
            in_redis: false,
        }
    }
}

#[test]
fn exactly_one_way_to_choose_is_given() {
    let check = |words: &[&str]| args(words).check().is_ok();
    assert!(check(&["a-1", "a-2"]));
    assert!(check(&["--all"]));
    assert!(check(&["--older", "2days", "--where", "order.customer=7"]));
    assert!(!check(&[]));
    assert!(!check(&["a-1", "--all"]));
    assert!(!check(&["a-1", "--error", "timeout"]));
    assert!(!check(&["--all", "--newer", "1h"]));
}

#[tokio::test]
async fn what_was_seen_is_thrown_away_and_nothing_else() {
    let memory = Memory::new().await;
    memory.bury("b1", 2_300).await;
    let places = memory.places(&["b1", "b2"]);
    let mut done = Done::default();
    let all = args(&["--all"]);
    let letters = seen(&places, Change::Purge, &all, &mut done).await.unwrap();
    // More than one answer has, and each once although both instances list it.
    assert_eq!(letters.len(), 2_300);
    memory.bury("b1", 1).await;
    act(&places, Change::Purge, &letters, &mut done).await;
    assert_eq!((done.changed, done.failed), (2_300, 0));
    assert!(done.missing.is_empty() && !done.incomplete);
    assert_eq!(memory.counts("b1").await, (0, 1));
    act(&places, Change::Purge, &letters[..1], &mut done).await;
    assert_eq!(done.missing, [letters[0].job.as_str()]);
}

#[tokio::test]
async fn a_long_list_is_cut() {
    let memory = Memory::new().await;
    memory.bury("b1", 1_200).await;
    let args = args(&["--error", "ink"]);
    let wanted = |max| Wanted {
        jobs_in: JobsIn::Dead,
        filter: &args.filter,
        max,
        details: true,
    };
    let places = memory.places(&["b1"]);
    let listing = places.list(&wanted(1_100)).await.unwrap();
    assert_eq!((listing.jobs.len(), listing.more), (1_100, true));
    assert_eq!(listing.jobs[0].view.error.as_deref(), Some("no ink"));
    let listing = places.list(&wanted(1_200)).await.unwrap();
    assert_eq!((listing.jobs.len(), listing.more), (1_200, false));
}

#[tokio::test]
async fn a_dead_letter_goes_back_to_its_own_instance_or_stays() {
    let memory = Memory::new().await;
    memory.bury("b1", 1).await;
    memory.bury("b2", 2).await;
    memory.bury("b3", 3).await;
    let mut places = memory.places(&["b1", "b2"]);
    places.unreached.push("b3".to_owned());
    let mut done = Done::default();
    let all = args(&["--all"]);
    let letters = seen(&places, Change::Requeue, &all, &mut done)
        .await
        .unwrap();
    act(&places, Change::Requeue, &letters, &mut done).await;
    assert_eq!((done.changed, done.failed), (3, 3));
    assert!(done.incomplete);
    assert_eq!(memory.counts("b1").await, (1, 3));
    assert_eq!(memory.counts("b2").await, (2, 3));

    // With its id, an instance may be given that takes it instead.
    let wanted = Wanted {
        jobs_in: JobsIn::Dead,
        filter: &all.filter,
        max: 1,
        details: false,
    };
    let stays = places.list(&wanted).await.unwrap();
    let ids = [stays.jobs[0].view.job.clone()];
    let mut done = Done::default();
    let letters = given(&places, Change::Requeue, &ids, &mut done).await;
    assert_eq!((letters.len(), done.failed), (0, 1));
    places.only = Some("b1".to_owned());
    places.places.truncate(1);
    let letters = given(&places, Change::Requeue, &ids, &mut done).await;
    act(&places, Change::Requeue, &letters, &mut done).await;
    assert_eq!(memory.counts("b1").await, (2, 2));
}
