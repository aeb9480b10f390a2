//! The shape of a type, as far as serde reveals it: the fields of structs and the variants of enums, in order, with
//! their names. It becomes part of a command's fingerprint, so that two programs whose types differ do not
//! misinterpret each other's data. The encoding contains no names: if two fields of the same type changed places, their
//! values would be swapped without an error.
//!
//! `deserializer` is passed to a type and records what it asks for; `trace` decides which sample values it gets, in as
//! many passes as necessary; `graph` stores what was learned, and `text` writes it as text. This module must not know
//! what a command is.

mod deserializer;
mod graph;
mod samples;
#[cfg(test)]
mod tests;
mod text;
mod trace;

use std::hash::Hasher;

use fnv::FnvHasher;
use serde::de::DeserializeOwned;

/// The hash of the shape of a type.
///
/// This function is compiled once for each distinct type of a schema.
pub(crate) fn of<T: DeserializeOwned>() -> u64 {
    hash(&mut |trace| T::deserialize(deserializer::Tracer::new(trace)).is_ok())
}

fn hash(pass: &mut dyn FnMut(&mut trace::Trace) -> bool) -> u64 {
    let mut hash = FnvHasher::default();
    hash.write(text::of(&trace::explore(pass)).as_bytes());
    hash.finish()
}
