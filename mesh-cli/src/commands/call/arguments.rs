//! The arguments of a call, as they were given: text, a file, or standard input.

use std::{fs::File, io::Read};

use mesh_runtime::schema::{CommandDescription, SchemaDescription};
use serde_json::Value;

use super::{guide, missing};
use crate::error::{CliError, Result};

/// The arguments of a call have at most 32 MiB, and JSON has about the same size.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Arguments as JSON.
#[derive(Debug)]
pub(crate) struct Given {
    text: String,
    json: Value,
}

impl Given {
    /// Reads what was given on the command line. `None` if nothing was.
    pub(crate) fn read(args: Option<&str>) -> Result<Option<Self>> {
        let Some(args) = args else {
            return Ok(None);
        };
        let text = match args.strip_prefix('@') {
            Some(path) => {
                let file = File::open(path).map_err(|error| {
                    CliError::usage(format!("the arguments are to be in `{path}`: {error}"))
                })?;
                all(file, path)?
            }
            None if args == "-" => all(std::io::stdin(), "standard input")?,
            None => args.to_owned(),
        };
        let json = serde_json::from_str(&text).map_err(|error| {
            CliError::usage(format!("the arguments are not JSON: {error}")).hint(
                "they are an object, in quotes for the shell: '{\"order\": {\"cents\": 500}}'; \
                 or @FILE, or - for standard input",
            )
        })?;
        Ok(Some(Self { text, json }))
    }
}

fn all(from: impl Read, name: &str) -> Result<String> {
    let mut text = String::new();
    let read = from.take(MAX_BYTES + 1).read_to_string(&mut text);
    let failed = |why: String| CliError::usage(format!("the arguments from {name}: {why}"));
    read.map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(
            "more than 64 MiB, which is more than a call can have".to_owned(),
        ));
    }
    Ok(text)
}

/// The JSON text of the arguments, if they suit the command as this schema declares it.
pub(crate) fn suiting(
    given: Option<&Given>,
    schema: &SchemaDescription,
    node_type: &str,
    command: &CommandDescription,
) -> Result<String> {
    let name = guide::full_name(node_type, command);
    let Some(given) = given else {
        if command.args.is_empty() {
            return Ok("{}".to_owned());
        }
        return Err(guide::error(&schema.types, node_type, command));
    };
    let hint = format!("`mesh call {name}` without arguments shows what they look like");
    let found = missing::of(&schema.types, command, &given.json);
    if !found.is_empty() {
        let found = found.join("\n  ");
        let what = format!("the arguments do not suit `{name}`:\n  {found}");
        return Err(CliError::usage(what).hint(hint));
    }
    match schema.args_from_json(command, &given.text) {
        Ok(_) => Ok(given.text.clone()),
        Err(error) => {
            let what = format!("the arguments do not suit `{name}`: {error}");
            Err(CliError::usage(what).hint(hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(args: Value) -> SchemaDescription {
        serde_json::from_value(json!({
            "mesh": "Shop", "fingerprint": "0x1", "types": [],
            "nodes": [{"name": "Billing", "links_to": [], "commands": [{
                "name": "charge", "id": "0x00000400", "fingerprint": "0x1", "wire_fingerprint": "0x1",
                "delivery": "balanced", "args": args,
            }]}],
        }))
        .unwrap()
    }

    /// Gives a command with these arguments this JSON.
    fn given(args: Value, json: Option<&str>) -> Result<String> {
        let schema = schema(args);
        let command = schema.command("Billing", "charge").unwrap();
        let given = Given::read(json)?;
        suiting(given.as_ref(), &schema, "Billing", command)
    }

    fn cents() -> Value {
        json!([{"name": "cents", "rust": "u8", "type": "u8"}])
    }

    #[test]
    fn a_command_without_arguments_needs_none() {
        assert_eq!(given(json!([]), None).unwrap(), "{}");
        let error = given(cents(), None).unwrap_err();
        assert_eq!(
            error.what(),
            "`Billing.charge` needs arguments:\n  cents: u8"
        );
    }

    #[test]
    fn arguments_that_suit_are_taken_as_they_are() {
        let json = r#"{ "cents": 5 }"#;
        assert_eq!(given(cents(), Some(json)).unwrap(), json);
    }

    #[test]
    fn what_does_not_suit_is_told_with_its_place() {
        let error = |json| given(cents(), Some(json)).unwrap_err().what().to_owned();
        assert!(error("{").starts_with("the arguments are not JSON"));
        assert!(error("{}").ends_with("\n  cents is missing: u8"));
        assert!(error(r#"{"cents": 300}"#).contains("`Billing.charge`: cents: expected a number"));
        assert!(error("[]").contains("expected an object"));
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        let error = Given::read(Some("@/does/not/exist")).err().unwrap();
        assert!(error.what().contains("`/does/not/exist`"));
    }
}
