//! Which types have different shapes, and which do not.

mod evolution;
mod recursion;
mod refusing;
mod std_types;

use serde::de::DeserializeOwned;

use super::{deserializer::Tracer, text, trace};

/// The shape of a type, as text. It is traced twice, because the result must be the same each time.
fn shape<T: DeserializeOwned>() -> String {
    let trace = || {
        text::of(&trace::explore(&mut |trace| {
            T::deserialize(Tracer::new::<T>(trace)).is_ok()
        }))
    };
    let shape = trace();
    assert_eq!(trace(), shape);
    shape
}
