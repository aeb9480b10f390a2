//! A program is replaced by another version of it, which declares its queued commands otherwise, while jobs wait.

use mesh_runtime::{
    CodecError, JobError, JobId, Node, NodeBuilder, NodeType,
    queue::{CommandQueue, DeadLetter},
    testing::TestMesh,
};
use mesh_tests::start_at;
use tokio::sync::mpsc;

use crate::engines::{Engines, counts, until};

both_engines! {
    a_job_waits_for_the_declaration_that_it_was_queued_for
    a_job_of_another_version_number_waits_too
    a_job_of_one_instance_waits_too
    in_a_mixed_fleet_each_job_runs_where_it_is_declared_so
    a_job_that_no_instance_takes_becomes_a_dead_letter_that_says_why
}

/// The program that takes the payer first.
mod first {
    use mesh_runtime::{Context, JobError, mesh_schema};

    mesh_schema! {
        /// The mesh in this version.
        pub(crate) mesh Money;

        /// Queues jobs.
        node Office {
            connect: [Bank];
        }

        /// Runs jobs.
        node Bank {
            allow: [Office];

            /// From one account to another.
            queued balanced fn pay(from: String, to: String, amount: u64);

            /// The same on each instance.
            queued broadcast fn pay_everywhere(from: String, to: String, amount: u64);

            /// The same, but without much patience.
            #[incompatible = "10ms"]
            queued balanced fn pay_or_die(from: String, to: String, amount: u64);

            /// The same arguments in both versions, and another meaning.
            queued balanced fn settle(amount: u64);
        }
    }

    impl BankHandler for super::Bank {
        async fn pay(
            &self,
            _cx: Context<Bank>,
            from: String,
            to: String,
            amount: u64,
        ) -> Result<(), JobError> {
            self.ran("first", format!("{from} pays {to} {amount}"))
        }

        async fn pay_everywhere(
            &self,
            _cx: Context<Bank>,
            from: String,
            to: String,
            amount: u64,
        ) -> Result<(), JobError> {
            self.ran("first", format!("{from} pays {to} {amount}"))
        }

        async fn pay_or_die(
            &self,
            _cx: Context<Bank>,
            from: String,
            to: String,
            amount: u64,
        ) -> Result<(), JobError> {
            self.ran("first", format!("{from} pays {to} {amount}"))
        }

        async fn settle(&self, _cx: Context<Bank>, amount: u64) -> Result<(), JobError> {
            self.ran("first", format!("{amount} settled"))
        }
    }
}

/// The program that takes the payee first.
mod second {
    use mesh_runtime::{Context, JobError, mesh_schema};

    mesh_schema! {
        /// The mesh in this version.
        pub(crate) mesh Money;

        /// Queues jobs.
        node Office {
            connect: [Bank];
        }

        /// Runs jobs.
        node Bank {
            allow: [Office];

            /// From one account to another.
            queued balanced fn pay(to: String, from: String, amount: u64);

            /// The same on each instance.
            queued broadcast fn pay_everywhere(to: String, from: String, amount: u64);

            /// The same, but without much patience.
            #[incompatible = "10ms"]
            queued balanced fn pay_or_die(to: String, from: String, amount: u64);

            /// The same arguments in both versions, and another meaning.
            #[version = 2]
            queued balanced fn settle(amount: u64);
        }
    }

    impl BankHandler for super::Bank {
        async fn pay(
            &self,
            _cx: Context<Bank>,
            to: String,
            from: String,
            amount: u64,
        ) -> Result<(), JobError> {
            self.ran("second", format!("{from} pays {to} {amount}"))
        }

        async fn pay_everywhere(
            &self,
            _cx: Context<Bank>,
            to: String,
            from: String,
            amount: u64,
        ) -> Result<(), JobError> {
            self.ran("second", format!("{from} pays {to} {amount}"))
        }

        async fn pay_or_die(
            &self,
            _cx: Context<Bank>,
            to: String,
            from: String,
            amount: u64,
        ) -> Result<(), JobError> {
            self.ran("second", format!("{from} pays {to} {amount}"))
        }

        async fn settle(&self, _cx: Context<Bank>, amount: u64) -> Result<(), JobError> {
            self.ran("second", format!("{amount} settled"))
        }
    }
}

/// The handler of both versions: tells which of them ran what.
#[derive(Clone)]
struct Bank(mpsc::UnboundedSender<String>);

impl Bank {
    fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (ran, runs) = mpsc::unbounded_channel();
        (Self(ran), runs)
    }

    fn ran(&self, version: &str, what: String) -> Result<(), JobError> {
        self.0
            .send(format!("{version}: {what}"))
            .map_err(|error| JobError::discard(error.to_string()))
    }
}

/// The mesh, in which both versions take part.
struct Money {
    mesh: TestMesh<second::Money>,
    engines: Engines,
    bank: Bank,
    runs: mpsc::UnboundedReceiver<String>,
}

impl Money {
    async fn new(engines: Engines) -> Self {
        let (bank, runs) = Bank::new();
        Self {
            mesh: TestMesh::start().await.unwrap(),
            engines,
            bank,
            runs,
        }
    }

    async fn start<N: NodeType>(&self, builder: NodeBuilder<N>) -> Node<N> {
        start_at(builder, self.mesh.keys(), self.mesh.master().addr()).await
    }

    async fn first(&self) -> Node<first::Bank> {
        let bank = first::Bank::node(self.bank.clone()).instance("bank");
        self.start(bank.queue(self.engines.one().await)).await
    }

    async fn second(&self) -> Node<second::Bank> {
        let bank = second::Bank::node(self.bank.clone()).instance("bank");
        self.start(bank.queue(self.engines.one().await)).await
    }

    /// An office of the first version, with a bank to which it can send.
    async fn first_office(&self) -> Node<first::Office> {
        let office = self.start(first::Office::node()).await;
        office.ready::<first::Bank>(1).await.unwrap();
        office
    }

    async fn next_run(&mut self) -> String {
        self.runs.recv().await.expect("the bank is there")
    }
}

async fn until_counts<A>(queue: &CommandQueue<A>, expected: [u64; 4]) {
    until("the queue is as it should be", async || {
        counts(&queue.stats().await.unwrap()) == expected
    })
    .await;
}

/// Waits until an instance that is not for it has set the job of the queue aside, and checks that it was not run.
async fn until_set_aside<A>(queue: &CommandQueue<A>, runs: &mut mpsc::UnboundedReceiver<String>) {
    queue.resume().await.unwrap();
    until_counts(queue, [0, 0, 1, 0]).await;
    assert!(runs.is_empty(), "{:?}", runs.recv().await);
}

async fn only_dead_letter<A>(queue: &CommandQueue<A>) -> DeadLetter<A> {
    until_counts(queue, [0, 0, 0, 1]).await;
    queue.dead_letters(9).await.unwrap().remove(0)
}

async fn a_job_waits_for_the_declaration_that_it_was_queued_for(engines: Engines) {
    let mut money = Money::new(engines).await;
    let bank = money.first().await;
    bank.queues().pay().pause().await.unwrap();
    let office = money.first_office().await;
    let (from, to) = ("alice".to_owned(), "bob".to_owned());
    office
        .client::<first::Bank>()
        .pay(from, to, 5)
        .await
        .unwrap();
    bank.shutdown().await;

    let bank = money.second().await;
    until_set_aside(&bank.queues().pay(), &mut money.runs).await;
    bank.shutdown().await;

    let bank = money.first().await;
    assert_eq!(money.next_run().await, "first: alice pays bob 5");
    until_counts(&bank.queues().pay(), [0; 4]).await;
}

async fn a_job_of_another_version_number_waits_too(engines: Engines) {
    let mut money = Money::new(engines).await;
    let bank = money.first().await;
    bank.queues().settle().pause().await.unwrap();
    let office = money.first_office().await;
    office.client::<first::Bank>().settle(5).await.unwrap();
    bank.shutdown().await;

    let bank = money.second().await;
    until_set_aside(&bank.queues().settle(), &mut money.runs).await;
    bank.shutdown().await;

    let _bank = money.first().await;
    assert_eq!(money.next_run().await, "first: 5 settled");
}

async fn a_job_of_one_instance_waits_too(engines: Engines) {
    let mut money = Money::new(engines).await;
    let bank = money.first().await;
    bank.queues().pay_everywhere().pause().await.unwrap();
    let office = money.first_office().await;
    let (from, to) = ("alice".to_owned(), "bob".to_owned());
    let client = office.client::<first::Bank>();
    let queued = client.pay_everywhere(from, to, 5).await.unwrap();
    assert_eq!(queued.values().count(), 1);
    bank.shutdown().await;

    let bank = money.second().await;
    until_set_aside(&bank.queues().pay_everywhere(), &mut money.runs).await;
    bank.shutdown().await;

    let _bank = money.first().await;
    assert_eq!(money.next_run().await, "first: alice pays bob 5");
}

async fn in_a_mixed_fleet_each_job_runs_where_it_is_declared_so(engines: Engines) {
    let mut money = Money::new(engines).await;
    let first = first::Bank::node(money.bank.clone()).queue(money.engines.one().await);
    let first = money.start(first).await;
    let second = second::Bank::node(money.bank.clone()).queue(money.engines.one().await);
    let _second = money.start(second).await;
    first.queues().pay().pause().await.unwrap();

    let old_office = money.start(first::Office::node()).await;
    let new_office = money.start(second::Office::node()).await;
    old_office.ready::<first::Bank>(1).await.unwrap();
    new_office.ready::<second::Bank>(1).await.unwrap();
    let (to_old, to_new) = (
        old_office.client::<first::Bank>(),
        new_office.client::<second::Bank>(),
    );
    let mut expected = Vec::new();
    for amount in 0..10 {
        let (from, to) = ("alice".to_owned(), "bob".to_owned());
        to_old.pay(from.clone(), to.clone(), amount).await.unwrap();
        to_new.pay(to, from, amount).await.unwrap();
        expected.push(format!("first: alice pays bob {amount}"));
        expected.push(format!("second: alice pays bob {amount}"));
    }
    first.queues().pay().resume().await.unwrap();
    let mut ran = Vec::new();
    for _ in &expected {
        ran.push(money.next_run().await);
    }
    ran.sort();
    expected.sort();
    assert_eq!(ran, expected);
    until_counts(&first.queues().pay(), [0; 4]).await;
}

async fn a_job_that_no_instance_takes_becomes_a_dead_letter_that_says_why(engines: Engines) {
    let mut money = Money::new(engines).await;
    let bank = money.first().await;
    bank.queues().pay_or_die().pause().await.unwrap();
    let office = money.first_office().await;
    let (from, to) = ("alice".to_owned(), "bob".to_owned());
    let client = office.client::<first::Bank>();
    let id: JobId = client.pay_or_die(from, to, 5).await.unwrap().job_id;
    bank.shutdown().await;

    let bank = money.second().await;
    let queue = bank.queues().pay_or_die();
    queue.resume().await.unwrap();
    // Requeued where it is declared otherwise, it ends there again.
    for _ in 0..2 {
        let letter = only_dead_letter(&queue).await;
        assert_eq!((&letter.job_id, letter.attempts), (&id, 0));
        let why = "it was queued for another declaration of the command (version 0, fingerprint 0x";
        assert!(letter.error.starts_with(why), "{}", letter.error);
        let args = letter.args().unwrap();
        assert!(
            matches!(args, Err(CodecError::DeclaredOtherwise { .. })),
            "{args:?}"
        );
        assert_eq!(queue.requeue(&id).await, Ok(true));
    }
    only_dead_letter(&queue).await;
    bank.shutdown().await;

    let bank = money.first().await;
    let queue = bank.queues().pay_or_die();
    let args = only_dead_letter(&queue).await.args().unwrap();
    assert_eq!(args.unwrap(), ("alice".to_owned(), "bob".to_owned(), 5));
    assert_eq!(queue.requeue(&id).await, Ok(true));
    assert_eq!(money.next_run().await, "first: alice pays bob 5");
}
