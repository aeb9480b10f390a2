//! The dead letters of one command in memory, as pure state: those of all its instances, the oldest first.

use std::collections::VecDeque;

use super::state::QueueLimits;
use crate::{id::JobId, queue::StoredDeadLetter};

/// The dead letters of one command.
#[derive(Default)]
pub(super) struct DeadLetters {
    letters: VecDeque<StoredDeadLetter>,
    /// Of their payloads and errors.
    bytes: usize,
}

impl DeadLetters {
    /// Takes a job in, and returns how many older ones had to go to make room.
    pub(super) fn bury(&mut self, letter: StoredDeadLetter, limits: &QueueLimits) -> usize {
        self.bytes += size(&letter);
        self.letters.push_back(letter);
        let before = self.letters.len();
        // The newest stays however big it is: a payload may fill the limit, and its error comes on top.
        while self.letters.len() > 1
            && (self.letters.len() > limits.dead || self.bytes > limits.bytes)
        {
            let Some(oldest) = self.letters.pop_front() else {
                break;
            };
            self.bytes -= size(&oldest);
        }
        before - self.letters.len()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    /// The oldest of them, at most `max`.
    pub(super) fn oldest(&self, max: usize) -> Vec<StoredDeadLetter> {
        self.letters.iter().take(max).cloned().collect()
    }

    /// One of them.
    pub(super) fn get(&self, job: &JobId) -> Option<&StoredDeadLetter> {
        self.letters.get(self.find(job)?)
    }

    /// Takes one of them out.
    pub(super) fn take(&mut self, job: &JobId) -> Option<StoredDeadLetter> {
        let letter = self.letters.remove(self.find(job)?)?;
        self.bytes -= size(&letter);
        Some(letter)
    }

    fn find(&self, job: &JobId) -> Option<usize> {
        self.letters.iter().position(|letter| letter.job_id == *job)
    }
}

fn size(letter: &StoredDeadLetter) -> usize {
    letter.payload.len() + letter.error.len()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::queue::QueueName;

    const LIMITS: QueueLimits = QueueLimits {
        jobs: 3,
        bytes: 100,
        dead: 2,
        keys: None,
    };

    fn bury(dead: &mut DeadLetters, id: &str, bytes: usize) -> usize {
        let letter = StoredDeadLetter {
            job_id: id.into(),
            queue: QueueName::new("Shop", "Billing", "export"),
            payload: vec![0; bytes].into(),
            error: "no".into(),
            attempts: 1,
            enqueued_at: SystemTime::UNIX_EPOCH,
            died_at: SystemTime::UNIX_EPOCH,
        };
        dead.bury(letter, &LIMITS)
    }

    fn ids(letters: &[StoredDeadLetter]) -> Vec<&str> {
        letters
            .iter()
            .map(|letter| letter.job_id.as_str())
            .collect()
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut dead = DeadLetters::default();
        assert_eq!(bury(&mut dead, "a", 10), 0);
        assert_eq!(bury(&mut dead, "b", 10), 0);
        assert_eq!(bury(&mut dead, "c", 10), 1);
        assert_eq!(ids(&dead.oldest(9)), ["b", "c"]);
        assert_eq!(ids(&dead.oldest(1)), ["b"]);
    }

    #[test]
    fn the_oldest_goes_when_they_take_too_much_room_and_the_newest_never() {
        let mut dead = DeadLetters::default();
        assert_eq!(bury(&mut dead, "a", 60), 0);
        assert_eq!(bury(&mut dead, "b", 60), 1);
        assert_eq!(dead.bytes, 62);
        assert_eq!(bury(&mut dead, "as big as may be", 100), 1);
        assert_eq!(ids(&dead.oldest(9)), ["as big as may be"]);
    }

    #[test]
    fn one_that_is_taken_leaves_its_room() {
        let mut dead = DeadLetters::default();
        bury(&mut dead, "a", 10);
        bury(&mut dead, "b", 20);
        let (a, b) = ("a".into(), "b".into());
        assert_eq!(dead.get(&a).expect("it is there").payload.len(), 10);
        assert_eq!(dead.take(&a).expect("it is there").job_id, a);
        assert_eq!(dead.take(&a), None);
        assert_eq!(dead.get(&a), None);
        assert_eq!((dead.len(), dead.bytes), (1, 22));
        assert!(dead.take(&b).is_some());
        assert_eq!((dead.len(), dead.bytes), (0, 0));
    }
}
