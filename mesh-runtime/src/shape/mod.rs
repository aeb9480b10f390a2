//! What travels, as far as serde tells: the fields of structs, the variants of enums, in their order, with their
//! names. It becomes part of a command's fingerprint, so that two programs whose types differ do not talk past each
//! other: the encoding has no names, and two fields of one type that have changed places would swap their values.
//!
//! `deserializer` is handed to a type and notes what it asks for; `trace` decides what it is offered, in as many
//! passes as it takes; `graph` keeps what was learned and `text` writes it down. Must not know what a command is.

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
/// Every other thing in here is compiled once; of this there is one for each distinct type of a schema.
pub(crate) fn of<T: DeserializeOwned>() -> u64 {
    hash(&mut |trace| T::deserialize(deserializer::Tracer::new(trace)).is_ok())
}

fn hash(pass: &mut dyn FnMut(&mut trace::Trace) -> bool) -> u64 {
    let mut hash = FnvHasher::default();
    hash.write(text::of(&trace::explore(pass)).as_bytes());
    hash.finish()
}
