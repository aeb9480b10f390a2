//! Distinguishes the orders of one file from those of another, so that nodes that outlive one gateway can report what
//! they have done for each file.

use std::{
    collections::VecDeque,
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
};

use serde::{Deserialize, Serialize};

/// The id of a batch: the orders that one gateway places from one file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BatchId(u64);

impl BatchId {
    /// A fresh random id.
    pub fn random() -> Self {
        // The standard library's only source of random numbers.
        Self(RandomState::new().build_hasher().finish())
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a node remembers about each batch. Bounded: the oldest batch is dropped when there are too many.
#[derive(Debug)]
pub(crate) struct Batches<T>(VecDeque<(BatchId, T)>);

impl<T> Default for Batches<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Default> Batches<T> {
    const MAX: usize = 32;

    /// The state of a batch, if there is any.
    pub(crate) fn get(&self, batch: BatchId) -> Option<&T> {
        self.0
            .iter()
            .find(|(id, _)| *id == batch)
            .map(|(_, known)| known)
    }

    /// The state of a batch, created if there is none.
    pub(crate) fn of(&mut self, batch: BatchId) -> &mut T {
        let place = self
            .0
            .iter()
            .position(|(id, _)| *id == batch)
            .unwrap_or_else(|| {
                if self.0.len() == Self::MAX {
                    self.0.pop_front();
                }
                self.0.push_back((batch, T::default()));
                self.0.len() - 1
            });
        &mut self.0[place].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_batch_is_counted_apart() {
        let mut batches = Batches::<u64>::default();
        let (one, other) = (BatchId(1), BatchId(2));
        *batches.of(one) += 1;
        *batches.of(other) += 5;
        *batches.of(one) += 1;
        assert_eq!((batches.get(one), batches.get(other)), (Some(&2), Some(&5)));
        assert_eq!(batches.get(BatchId(3)), None);
    }

    #[test]
    fn the_oldest_batch_goes_when_there_are_too_many() {
        let mut batches = Batches::<u64>::default();
        for id in 0..=Batches::<u64>::MAX as u64 {
            *batches.of(BatchId(id)) = id;
        }
        assert_eq!(batches.get(BatchId(0)), None);
        assert_eq!(batches.get(BatchId(1)), Some(&1));
    }
}
