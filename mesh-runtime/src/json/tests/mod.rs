//! Values go to JSON and back without a change, and what does not suit its type is refused with the place.

mod errors;
mod made_up;
mod rust_types;
mod vectors;

use serde::{Serialize, de::DeserializeOwned};

use super::{FromJson, JsonError, Reading, decode, encode};
use crate::{
    schema::{TypeDef, TypeRef},
    shape::{Shape, TableBuilder},
    wire::codec::{self, MAX_PAYLOAD},
};

/// A type in a table of its own.
struct Typed {
    types: Vec<TypeDef>,
    holds: TypeRef,
}

impl Typed {
    fn of<T: DeserializeOwned>() -> Self {
        let mut table = TableBuilder::default();
        let number = Shape::of::<T>().add_to(&mut table);
        let (types, roots) = table.build();
        let holds = roots[number].clone();
        Self { types, holds }
    }

    fn to_bytes(&self, json: &str) -> Result<Vec<u8>, JsonError> {
        encode(&self.types, json, |at| {
            let holds = &self.holds;
            codec::encode(&FromJson { at, holds }, MAX_PAYLOAD)
        })
    }

    fn to_json(&self, bytes: &[u8]) -> Result<String, JsonError> {
        decode(&self.types, bytes, Reading::Type(&self.holds))
    }
}

fn bytes_of<T: Serialize>(value: &T) -> Vec<u8> {
    codec::encode(value, MAX_PAYLOAD).unwrap().into()
}
