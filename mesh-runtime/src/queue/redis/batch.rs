//! Turns many small requests into few large ones: whatever has come in while one batch was under way is the next. Owns
//! a task for it, which ends when nobody can ask any more.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

use crate::queue::QueueError;

/// Requests in a batch.
const MAX_ITEMS: usize = 512;
/// Bytes in a batch, unless one request alone is larger.
const MAX_BYTES: usize = 1024 * 1024;
/// Requests that wait for their batch. More wait for room.
const MAX_WAITING: usize = 1024;

type ReplyTo<R> = oneshot::Sender<Result<R, QueueError>>;

/// Where the requests come in.
pub(super) struct Batcher<T, R> {
    requests: mpsc::Sender<(T, ReplyTo<R>)>,
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// `run` answers each request of a batch, in their order. Must be called on a Tokio runtime.
    pub(super) fn start<F, Fut>(bytes: fn(&T) -> usize, mut run: F) -> Self
    where
        F: FnMut(Vec<T>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<R>, QueueError>> + Send,
    {
        let (requests, mut waiting) = mpsc::channel::<(T, ReplyTo<R>)>(MAX_WAITING);
        tokio::spawn(async move {
            let mut next = None;
            loop {
                let Some(first) = (match next.take() {
                    Some(request) => Some(request),
                    None => waiting.recv().await,
                }) else {
                    return;
                };
                let mut items = Vec::new();
                let mut answers = Vec::new();
                let mut total = 0;
                let mut request = Some(first);
                while let Some((item, answer)) = request {
                    // Whoever asked may have stopped waiting: then nothing is to be done for it any more.
                    if !answer.is_closed() {
                        if !items.is_empty() && total + bytes(&item) > MAX_BYTES {
                            next = Some((item, answer));
                            break;
                        }
                        total += bytes(&item);
                        items.push(item);
                        answers.push(answer);
                    }
                    if items.len() >= MAX_ITEMS {
                        break;
                    }
                    request = waiting.try_recv().ok();
                }
                if !items.is_empty() {
                    answer(answers, run(items).await);
                }
            }
        });
        Self { requests }
    }

    /// Puts a request into the next batch. Dropped before its batch begins, it is left out.
    pub(super) async fn ask(&self, item: T) -> Result<R, QueueError> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send((item, answer))
            .await
            .map_err(|_| QueueError::Closed)?;
        answered.await.map_err(|_| QueueError::Closed)?
    }
}

fn answer<R>(answers: Vec<ReplyTo<R>>, results: Result<Vec<R>, QueueError>) {
    match results {
        Ok(results) if results.len() == answers.len() => {
            for (answer, result) in answers.into_iter().zip(results) {
                let _ = answer.send(Ok(result));
            }
        }
        Ok(results) => {
            let error = format!(
                "{} answers came to {} requests",
                results.len(),
                answers.len()
            );
            for answer in answers {
                let _ = answer.send(Err(QueueError::Engine(error.clone())));
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_comes_while_a_batch_is_under_way_is_the_next_batch() {
        let gate = Arc::new(Semaphore::new(0));
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let (behind, noted) = (gate.clone(), sizes.clone());
        let batcher = Batcher::start(
            |_| 1,
            move |items: Vec<u32>| {
                noted.lock().unwrap().push(items.len());
                let gate = behind.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    Ok(items.into_iter().map(|item| item * 2).collect())
                }
            },
        );
        let asked = join_all((0..100).map(|item| batcher.ask(item)));
        let opened = async {
            while sizes.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            gate.add_permits(2);
        };
        let (answers, ()) = tokio::join!(asked, opened);
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..100).map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(sizes.lock().unwrap().iter().sum::<usize>(), 100);
        assert!(sizes.lock().unwrap().len() <= 2);
    }

    #[tokio::test]
    async fn a_batch_is_bounded_in_bytes_and_a_large_request_goes_alone() {
        let batcher = Batcher::start(
            |bytes| *bytes,
            |items: Vec<usize>| async move { Ok(vec![items.len(); items.len()]) },
        );
        let sizes = [MAX_BYTES * 2, MAX_BYTES / 2, MAX_BYTES / 2, 1];
        let together = join_all(sizes.map(|size| batcher.ask(size))).await;
        let together: Vec<_> = together.into_iter().map(Result::unwrap).collect();
        assert_eq!(together, [1, 2, 2, 1]);
    }

    #[tokio::test]
    async fn an_error_and_a_wrong_number_of_answers_reach_everyone() {
        let failing = Batcher::start(
            |_| 1,
            |_: Vec<u32>| async { Err::<Vec<u32>, _>(QueueError::Closed) },
        );
        assert_eq!(failing.ask(1).await, Err(QueueError::Closed));
        let short = Batcher::start(|_| 1, |_: Vec<u32>| async { Ok(Vec::<u32>::new()) });
        assert!(matches!(short.ask(1).await, Err(QueueError::Engine(_))));
    }
}
