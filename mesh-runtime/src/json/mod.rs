//! Values as JSON and back, by the types of a schema's description. `docs/protocol.md`, section 12, describes the JSON.
//! This module must not know what a command does.

mod durations;
mod formats;
mod from_json;
mod path;
#[cfg(test)]
pub(crate) mod tests;
mod to_json;
mod types;

use std::cell::RefCell;

use self::{
    from_json::{Fields, FromJson},
    path::Path,
    to_json::{Output, Reading, ToJson},
    types::Field,
};
use crate::{
    error::CodecError,
    schema::{CommandDescription, PlainType, SchemaDescription, TypeDef, TypeRef},
    wire::codec,
};

/// Why a value could not be converted between JSON and the encoding of the mesh.
///
/// ```text
/// order.lines[3].cents: expected a number, got "x"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{problem}", .path, if .path.is_empty() { "" } else { ": " })]
#[non_exhaustive]
pub struct JsonError {
    /// Where in the value the problem is, as `order.lines[3].cents`. Empty if it is the value as a whole.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

/// Conversions. None of them keeps the order of the fields in JSON, or the bits of a NaN.
impl SchemaDescription {
    /// Encodes the arguments of a command. In the JSON, they are an object with an entry for each argument by its name;
    /// the text may be empty if there are none. Arguments and fields that are an `Option` may be left out.
    ///
    /// # Errors
    ///
    /// If the text is not JSON, if it does not suit the types, if a type in it cannot be expressed (see
    /// [`TypeRef::AnyOf`], [`TypeRef::Unknown`], [`TypeDef::has_aliases`]), or if it exceeds a limit of the encoding:
    /// 32 MiB, 128 levels. JSON may have 127 levels.
    pub fn args_from_json(
        &self,
        command: &CommandDescription,
        json: &str,
    ) -> Result<Vec<u8>, JsonError> {
        let json = match json.trim() {
            "" if command.args.is_empty() => "{}",
            json => json,
        };
        let fields = args(command);
        encode(&self.types, json, |at| {
            codec::encode(
                &Fields {
                    at,
                    of: &command.name,
                    fields: &fields,
                },
                codec::MAX_PAYLOAD,
            )
        })
    }

    /// Decodes the arguments of a command, as [`SchemaDescription::args_from_json`] encodes them. The JSON has no line
    /// breaks and no spaces.
    ///
    /// # Errors
    ///
    /// If the bytes are not the arguments of this command, or if a type in them cannot be expressed.
    pub fn args_to_json(
        &self,
        command: &CommandDescription,
        bytes: &[u8],
    ) -> Result<String, JsonError> {
        let fields = args(command);
        decode(&self.types, bytes, Reading::Fields(&fields))
    }

    /// Encodes an answer of a command. Errors are those of [`SchemaDescription::args_from_json`].
    ///
    /// # Errors
    ///
    /// See there. Also if the command has no answer and the JSON is not `null`.
    pub fn answer_from_json(
        &self,
        command: &CommandDescription,
        json: &str,
    ) -> Result<Vec<u8>, JsonError> {
        let answer = answer(command);
        encode(&self.types, json, |at| {
            codec::encode(&FromJson { at, holds: answer }, codec::MAX_PAYLOAD)
        })
    }

    /// Decodes an answer of a command. A command without an answer gives `null`.
    ///
    /// # Errors
    ///
    /// If the bytes are not an answer of this command, or if a type in it cannot be expressed.
    pub fn answer_to_json(
        &self,
        command: &CommandDescription,
        bytes: &[u8],
    ) -> Result<String, JsonError> {
        let answer = answer(command);
        decode(&self.types, bytes, Reading::Type(answer))
    }
}

fn args(command: &CommandDescription) -> Vec<Field<'_>> {
    let args = command.args.iter();
    args.map(|arg| Field {
        name: &arg.name,
        holds: &arg.holds,
    })
    .collect()
}

fn answer(command: &CommandDescription) -> &TypeRef {
    let answer = command.answer.as_ref();
    answer.map_or(&TypeRef::Plain(PlainType::Unit), |answer| &answer.holds)
}

/// What is shared by all parts of one conversion.
struct Conversion<'a> {
    types: &'a [TypeDef],
    /// The innermost place that has failed.
    failed: RefCell<Option<String>>,
}

impl<'a> Conversion<'a> {
    fn new(types: &'a [TypeDef]) -> Self {
        Self {
            types,
            failed: RefCell::new(None),
        }
    }

    /// Must be called when a place fails, from the innermost outwards.
    #[cold]
    fn failed_at(&self, path: &Path<'_>) {
        self.failed
            .borrow_mut()
            .get_or_insert_with(|| path.to_string());
    }

    fn error(self, error: CodecError) -> JsonError {
        let path = self.failed.into_inner().unwrap_or_default();
        let problem = match error {
            CodecError::Encode(problem) | CodecError::Decode(problem) => problem,
            error => error.to_string(),
        };
        JsonError { path, problem }
    }
}

fn encode(
    types: &[TypeDef],
    json: &str,
    encode: impl FnOnce(from_json::At<'_>) -> Result<bytes::Bytes, CodecError>,
) -> Result<Vec<u8>, JsonError> {
    let json = serde_json::from_str(json).map_err(|error| JsonError {
        path: String::new(),
        problem: format!("not JSON: {error}"),
    })?;
    let conversion = Conversion::new(types);
    let encoded = encode(from_json::At {
        conversion: &conversion,
        json: &json,
        path: Path::Root,
    });
    match encoded {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(conversion.error(error)),
    }
}

fn decode(types: &[TypeDef], bytes: &[u8], reading: Reading<'_>) -> Result<String, JsonError> {
    let conversion = Conversion::new(types);
    let mut output = Output::new(bytes.len());
    let decoded = codec::decode_as(ToJson::new(&conversion, &mut output, reading), bytes);
    match decoded {
        Ok(()) => Ok(output.into_text()),
        Err(error) => Err(conversion.error(error)),
    }
}
