//! The shape of a type, as far as serde reveals it: the fields of structs and the variants of enums, in order, with
//! their names. It becomes part of a command's fingerprint, so that two programs whose types differ do not
//! misinterpret each other's data. The encoding contains no names: if two fields of the same type changed places, their
//! values would be swapped without an error.
//!
//! `deserializer` is passed to a type and records what it asks for; `trace` decides which sample values it gets, in as
//! many passes as necessary; `graph` stores what was learned. `text` writes it as text, whose hash is in the fingerprint;
//! `table` makes data out of it, with the names of the types, which `types` describes. This module must not know what a
//! command is.

mod deserializer;
mod formats;
mod graph;
mod samples;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod types;

use std::hash::Hasher;

use fnv::FnvHasher;
use serde::de::DeserializeOwned;

pub(crate) use table::TableBuilder;
pub use types::{Format, Named, NoPlainType, PlainType, Structure, TypeDef, TypeRef};

/// What is known of one type.
#[derive(Debug)]
pub struct Shape(graph::Graph);

impl Shape {
    /// Traces a type.
    ///
    /// This function is compiled once for each distinct type of a schema.
    pub(crate) fn of<T: DeserializeOwned>() -> Self {
        let mut pass = |trace: &mut trace::Trace| {
            T::deserialize(deserializer::Tracer::new::<T>(trace)).is_ok()
        };
        Self(trace::explore(&mut pass))
    }

    /// The hash of the type's structure. The names of types do not count.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = FnvHasher::default();
        hash.write(text::of(&self.0).as_bytes());
        hash.finish()
    }

    /// Adds the type to a table. Returns its number among the added types.
    pub(crate) fn add_to(&self, table: &mut TableBuilder) -> usize {
        table.add(&self.0)
    }
}
