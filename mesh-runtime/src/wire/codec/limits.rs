//! What bounds a value in both directions: how deep it may be, and how many of its elements may take no bytes.

use super::{
    MAX_DEPTH, MAX_EMPTY,
    problem::{Error, Problem},
};

/// How many more options, enums, lists and maps may be inside one another.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    left: u32,
}

impl Depth {
    /// That of a whole value.
    #[inline]
    pub(super) fn outermost() -> Self {
        Self { left: MAX_DEPTH }
    }

    /// That of what is inside an option, enum, list or map.
    #[inline]
    pub(super) fn inside(self) -> Result<Self, Error> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left }),
            None => Err(Problem::Depth.into()),
        }
    }

    /// Whether at most this many levels are around.
    #[inline]
    pub(super) fn is_within(self, levels: u32) -> bool {
        self.left >= MAX_DEPTH - levels
    }
}

/// How many more elements of lists and maps may take no bytes.
#[derive(Clone, Copy)]
pub(super) struct EmptyElements {
    left: u32,
}

impl EmptyElements {
    /// Those of a whole payload.
    pub(super) fn all() -> Self {
        Self { left: MAX_EMPTY }
    }

    #[inline]
    pub(super) fn left(self) -> u32 {
        self.left
    }

    /// One more takes no bytes.
    #[cold]
    pub(super) fn count(&mut self) -> Result<(), Error> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Problem::Empty.into()),
        }
    }
}
