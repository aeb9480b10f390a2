//! Dead letters: kept, bounded, put back into the queue and discarded.

use super::*;

pub(super) async fn dead_letters_are_listed_the_oldest_first(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    let before = SystemTime::now() - Duration::from_secs(1);
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ids.push(bury(&engine, &queue, text).await);
    }
    assert_eq!(other.admin().dead_letters(&queue, 0).await, Ok(Vec::new()));
    let first_two = other.admin().dead_letters(&queue, 2).await.unwrap();
    let listed: Vec<_> = first_two.iter().map(|letter| &letter.job_id).collect();
    assert_eq!(listed, [&ids[0], &ids[1]]);
    let all = other
        .admin()
        .dead_letters(&queue, usize::MAX)
        .await
        .unwrap();
    assert_eq!(all.len(), 3);
    let letter = &all[2];
    assert_eq!(letter.job_id, ids[2]);
    assert_eq!(letter.queue, queue);
    assert_eq!(text(&letter.payload), "three");
    assert_eq!(text(&letter.error), "no three");
    assert_eq!(letter.attempts, 1);
    assert!(before <= letter.enqueued_at && letter.enqueued_at <= letter.died_at);
    let one = other.admin().dead_letter(&queue, &ids[2]).await.unwrap();
    assert_eq!(one.as_ref(), Some(letter));
    let none = other.admin().dead_letter(&queue, &"unknown".into()).await;
    assert_eq!(none, Ok(None));
}

pub(super) async fn dead_letters_are_shared_by_the_queues_of_a_command(engines: Engines) {
    let engine = engines.one().await;
    let (one, two) = (name("a").of("one"), name("a").of("two"));
    let of_one = bury(&engine, &one, "of one").await;
    let of_two = bury(&engine, &two, "of two").await;
    let letters = engine.admin().dead_letters(&one, 9).await.unwrap();
    assert_eq!(engine.admin().dead_letters(&two, 9).await.unwrap(), letters);
    let of_queues: Vec<_> = letters.iter().map(|letter| &letter.queue).collect();
    assert_eq!(of_queues, [&one, &two]);
    assert_eq!(stats(&engine, &one).await, [0, 0, 0, 2]);

    let requeued = engine
        .admin()
        .requeue(&one, &of_two, "changed".into())
        .await;
    assert_eq!(requeued, Ok(true));
    let job = lease(&engine, &one).await;
    assert_eq!((job.id, text(&job.payload)), (of_two, "changed".to_owned()));
    assert_eq!(engine.admin().purge(&two, &of_one).await, Ok(true));
    assert_eq!(engine.admin().dead_letters(&one, 9).await, Ok(Vec::new()));
}

pub(super) async fn a_dead_letter_can_be_put_back(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    enqueue(&engine, &queue, "x").await;
    let job = lease(&engine, &queue).await;
    let retry = Failure::Retry {
        after: Duration::ZERO,
    };
    let failed = engine.fail(&queue, &job, "no".into(), retry).await;
    assert_eq!(failed, Ok(()));
    let job = lease(&engine, &queue).await;
    assert_eq!(job.attempt, 2);
    let failed = engine.fail(&queue, &job, "no".into(), Failure::Dead).await;
    assert_eq!(failed, Ok(()));
    let letter = engine
        .admin()
        .dead_letter(&queue, &job.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(letter.attempts, 2);

    let mut waiting = engine.lease(&queue, 8);
    assert!(poll!(&mut waiting).is_pending());
    let requeue = |text: &'static str| engine.admin().requeue(&queue, &job.id, text.into());
    assert_eq!(requeue("y").await, Ok(true));
    assert_eq!(requeue("z").await, Ok(false));
    let again = waiting.await.unwrap().remove(0);
    assert_eq!((&again.id, again.attempt), (&job.id, 1));
    assert_eq!(text(&again.payload), "y");
    assert_eq!(again.enqueued_at, letter.enqueued_at);
    assert_eq!(stats(&engine, &queue).await, [0, 1, 0, 0]);
}

pub(super) async fn a_dead_letter_stays_where_it_is_while_the_queue_is_full(engines: Engines) {
    let limits = EngineLimits {
        jobs: Some(1),
        ..EngineLimits::default()
    };
    let engine = engines.with(limits).await;
    let queue = name("a");
    let id = bury(&engine, &queue, "dead").await;
    enqueue(&engine, &queue, "x").await;
    let full = engine.admin().requeue(&queue, &id, "dead".into()).await;
    assert_eq!(full, Err(QueueError::Full { limit: 1 }));
    assert!(
        engine
            .admin()
            .dead_letter(&queue, &id)
            .await
            .unwrap()
            .is_some()
    );
    let job = lease(&engine, &queue).await;
    engine.complete(&queue, &job).await.unwrap();
    assert_eq!(
        engine.admin().requeue(&queue, &id, "dead".into()).await,
        Ok(true)
    );
}

pub(super) async fn a_dead_letter_can_be_thrown_away(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let gone = bury(&engine, &queue, "gone").await;
    let kept = bury(&engine, &queue, "kept").await;
    assert_eq!(engine.admin().purge(&queue, &gone).await, Ok(true));
    assert_eq!(engine.admin().purge(&queue, &gone).await, Ok(false));
    assert_eq!(engine.admin().dead_letter(&queue, &gone).await, Ok(None));
    assert_eq!(
        engine.admin().requeue(&queue, &gone, "x".into()).await,
        Ok(false)
    );
    assert!(
        engine
            .admin()
            .dead_letter(&queue, &kept)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(stats(&engine, &queue).await, [0, 0, 0, 1]);
}

pub(super) async fn of_too_many_dead_letters_the_oldest_goes(engines: Engines) {
    let most = 3;
    let limits = EngineLimits {
        dead: Some(most),
        ..EngineLimits::default()
    };
    let engine = engines.with(limits).await;
    let (one, two) = (name("a").of("one"), name("a").of("two"));
    let mut ids = Vec::new();
    for number in 0..most + 2 {
        let queue = if number % 2 == 0 { &one } else { &two };
        ids.push(bury(&engine, queue, &number.to_string()).await);
    }
    let kept = engine.admin().dead_letters(&one, usize::MAX).await.unwrap();
    let kept: Vec<_> = kept.into_iter().map(|letter| letter.job_id).collect();
    assert_eq!(kept, ids[2..]);
    assert_eq!(engine.admin().dead_letter(&one, &ids[0]).await, Ok(None));
    assert_eq!(stats(&engine, &one).await[3], u64::from(most));
}
