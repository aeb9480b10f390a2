//! A schema as data that can leave the process: with the structures of all types, and without anything that only the
//! program itself has. In JSON it is what programs read that were not compiled with the schema.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::{
    CommandSpec, Delivery, NodeSpec, Orphans, Schema,
    fingerprints::{on_a_deep_stack, with_shapes},
};
use crate::millis;
use crate::shape::{PlainType, Shape, TableBuilder, TypeDef, TypeRef};

/// A schema with the structures of its types. [`Schema::describe`] makes it, or [`SchemaDescription::from_json`].
///
/// It converts values between JSON and the encoding of the mesh, see
/// [`args_from_json`](SchemaDescription::args_from_json).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SchemaDescription {
    /// The name of the mesh.
    pub mesh: String,
    /// The doc comment on the mesh.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// [`Schema::fingerprint`]. In JSON: hexadecimal text, as `"0x00000000000004d2"`.
    #[serde(with = "hex_u64")]
    pub fingerprint: u64,
    /// Every node type, in the order of the schema.
    pub nodes: Vec<NodeDescription>,
    /// The type table.
    pub types: Vec<TypeDef>,
}

/// A node type of a [`SchemaDescription`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeDescription {
    /// The name of the node type.
    pub name: String,
    /// Its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The node types that this one dials.
    pub links_to: Vec<String>,
    /// The node types that may dial this one; `None` is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Which of the node types that it dials may call it back; `None` is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse: Option<Vec<String>>,
    /// Its commands, in the order of the schema.
    pub commands: Vec<CommandDescription>,
}

/// A command of a [`SchemaDescription`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CommandDescription {
    /// The name of the command.
    pub name: String,
    /// Its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// [`CommandSpec::id`]. In JSON: hexadecimal text, as `"0x000004d2"`.
    #[serde(with = "hex_u32")]
    pub id: u32,
    /// [`CommandSpec::fingerprint`]. In JSON: hexadecimal text.
    #[serde(with = "hex_u64")]
    pub fingerprint: u64,
    /// [`CommandSpec::wire_fingerprint`]. In JSON: hexadecimal text.
    #[serde(with = "hex_u64")]
    pub wire_fingerprint: u64,
    /// How a call chooses its instances, and whether they answer. `None` is a way that this version does not know.
    #[serde(deserialize_with = "if_known")]
    pub delivery: Option<Delivery>,
    /// The arguments, in order.
    pub args: Vec<ArgDescription>,
    /// The answer; `None` if the command has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerDescription>,
    /// The options.
    #[serde(default)]
    pub options: CommandOptions,
}

/// An argument of a [`CommandDescription`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArgDescription {
    /// Its name.
    pub name: String,
    /// Its type, as written in the schema.
    pub rust: String,
    /// The structure of its type.
    #[serde(rename = "type")]
    pub holds: TypeRef,
}

/// The answer of a [`CommandDescription`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AnswerDescription {
    /// Its type, as written in the schema.
    pub rust: String,
    /// The structure of its type.
    #[serde(rename = "type")]
    pub holds: TypeRef,
}

/// The options of a [`CommandDescription`]. One that is not set in the schema is not in the JSON. Times are in
/// milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CommandOptions {
    /// `#[timeout]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `#[idempotent]`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// `#[concurrency]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// `#[attempts]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// `#[backoff]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms: Option<u64>,
    /// `#[incompatible]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incompatible_ms: Option<u64>,
    /// `#[version]`; 0 if none is given.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: u32,
    /// `#[orphans]`.
    #[serde(
        skip_serializing_if = "is_default",
        deserialize_with = "known_or_default"
    )]
    pub orphans: Orphans,
    /// `#[allow]`: the only node types that may call the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_default(orphans: &Orphans) -> bool {
    *orphans == Orphans::default()
}

/// A value, unless it is of a kind that a later version has.
fn if_known<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).ok())
}

fn known_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    if_known(deserializer).map(Option::unwrap_or_default)
}

/// Why a text is not the description of a schema.
#[derive(Debug, thiserror::Error)]
#[error("not the description of a schema")]
#[non_exhaustive]
pub struct DescriptionError(#[source] serde_json::Error);

impl Schema {
    /// Describes this schema with the structures of all its types.
    ///
    /// To determine the structures, sample values are deserialized into each type, on a thread of its own. This blocks
    /// for some microseconds for each type.
    pub fn describe(&self) -> SchemaDescription {
        on_a_deep_stack(&|| Describing::default().schema(self))
    }

    /// This schema with the structures of all its types, as JSON, indented. `docs/protocol.md`, section 12, has the
    /// format. [`SchemaDescription::from_json`] reads it.
    ///
    /// ```
    /// use mesh_runtime::{mesh_schema, schema::SchemaDescription};
    /// # mod types { #[derive(serde::Serialize, serde::Deserialize)] pub struct Order { pub cents: u64 } }
    /// # use types::Order;
    ///
    /// mesh_schema! {
    ///     pub mesh Shop;
    ///     node Gateway { connect: [Billing]; }
    ///     node Billing {
    ///         allow: [Gateway];
    ///         balanced fn charge(order: Order) -> bool;
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let json = Shop::SCHEMA.to_json();
    /// let shop = SchemaDescription::from_json(&json)?;
    /// assert_eq!(shop, Shop::SCHEMA.describe());
    ///
    /// let charge = shop.command("Billing", "charge").unwrap();
    /// let args = shop.args_from_json(charge, r#"{"order": {"cents": 500}}"#)?;
    /// assert_eq!(shop.args_to_json(charge, &args)?, r#"{"order":{"cents":500}}"#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_json(&self) -> String {
        let description = self.describe();
        // Nothing in a description can fail to serialize.
        serde_json::to_string_pretty(&description).unwrap_or_default()
    }
}

impl SchemaDescription {
    /// Reads what [`Schema::to_json`] has written. Entries that this version does not know are ignored.
    ///
    /// # Errors
    ///
    /// If the text is not JSON, or lacks something.
    pub fn from_json(json: &str) -> Result<Self, DescriptionError> {
        serde_json::from_str(json).map_err(DescriptionError)
    }

    /// The node type with this name.
    pub fn node(&self, name: &str) -> Option<&NodeDescription> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The command of a node type.
    pub fn command(&self, node: &str, command: &str) -> Option<&CommandDescription> {
        let mut commands = self.node(node)?.commands.iter();
        commands.find(|known| known.name == command)
    }
}

/// The description of a schema, made when it is first asked for.
pub(crate) struct DescribedSchema {
    schema: &'static Schema,
    description: OnceLock<Arc<SchemaDescription>>,
}

impl DescribedSchema {
    pub(crate) fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            description: OnceLock::new(),
        }
    }

    pub(crate) fn mesh(&self) -> &'static str {
        self.schema.mesh
    }

    pub(crate) fn node_types(&self) -> impl Iterator<Item = &'static str> {
        self.schema.nodes.iter().map(|node| node.name)
    }

    /// The node types that this one dials.
    pub(crate) fn peers_of(&self, node_type: &str) -> &'static [&'static str] {
        self.schema
            .node(node_type)
            .map_or(&[], |node| node.links_to)
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.schema.fingerprint()
    }

    /// Blocks as [`Schema::describe`] does, the first time.
    pub(crate) fn get(&self) -> Arc<SchemaDescription> {
        let described = || Arc::new(self.schema.describe());
        Arc::clone(self.description.get_or_init(described))
    }
}

/// Describes the parts of a schema, and collects their types on the way.
#[derive(Default)]
struct Describing {
    table: TableBuilder,
    /// Each type that has been traced, by the address of the function that traces it: the hash of its shape, and its
    /// number among the types of the table.
    traced: HashMap<usize, (u64, usize)>,
}

impl Describing {
    fn schema(mut self, schema: &Schema) -> SchemaDescription {
        let mut nodes: Vec<_> = schema.nodes.iter().map(|node| self.node(node)).collect();
        let (types, roots) = self.table.build();
        // Until here, commands hold the numbers of their types.
        for command in nodes.iter_mut().flat_map(|node| &mut node.commands) {
            let args = command.args.iter_mut().map(|arg| &mut arg.holds);
            let answer = command.answer.iter_mut().map(|answer| &mut answer.holds);
            for holds in args.chain(answer) {
                if let TypeRef::Def(number) = holds {
                    *holds = roots[*number as usize].clone();
                }
            }
        }
        SchemaDescription {
            mesh: schema.mesh.to_owned(),
            doc: schema.doc.to_owned(),
            fingerprint: schema.fingerprint(),
            nodes,
            types,
        }
    }

    fn node(&mut self, node: &NodeSpec) -> NodeDescription {
        let commands = node.commands.iter();
        NodeDescription {
            name: node.name.to_owned(),
            doc: node.doc.to_owned(),
            links_to: owned(node.links_to),
            allow: node.allow.map(owned),
            reverse: node.reverse.map(owned),
            commands: commands.map(|command| self.command(command)).collect(),
        }
    }

    fn command(&mut self, command: &CommandSpec) -> CommandDescription {
        let mut types = Vec::new();
        let wire_fingerprint = with_shapes(command, |trace| {
            let (hash, number) = self.trace(trace);
            types.push(number);
            hash
        });
        let mut types = types.into_iter().map(|number| {
            // A schema has fewer than 2^32 types.
            TypeRef::Def(u32::try_from(number).unwrap_or(u32::MAX))
        });
        let args = command.args.iter().map(|(name, rust)| ArgDescription {
            name: (*name).to_owned(),
            rust: (*rust).to_owned(),
            holds: types.next().unwrap_or(TypeRef::Unknown),
        });
        let args = args.collect();
        let answered = matches!(command.delivery, Delivery::Balanced | Delivery::Gather);
        let answer = answered.then(|| AnswerDescription {
            rust: command.returns.to_owned(),
            holds: types.next().unwrap_or(TypeRef::Plain(PlainType::Unit)),
        });
        CommandDescription {
            name: command.name.to_owned(),
            doc: command.doc.to_owned(),
            id: command.id,
            fingerprint: command.fingerprint,
            wire_fingerprint,
            delivery: Some(command.delivery),
            args,
            answer,
            options: CommandOptions::of(command),
        }
    }

    fn trace(&mut self, trace: fn() -> Shape) -> (u64, usize) {
        *self.traced.entry(trace as usize).or_insert_with(|| {
            let shape = trace();
            (shape.hash(), shape.add_to(&mut self.table))
        })
    }
}

impl CommandOptions {
    fn of(command: &CommandSpec) -> Self {
        Self {
            timeout_ms: command.timeout.map(millis::of),
            idempotent: command.idempotent,
            concurrency: command.concurrency,
            attempts: command.attempts,
            backoff_ms: command.backoff.map(millis::of),
            incompatible_ms: command.incompatible.map(millis::of),
            version: command.version,
            orphans: command.orphans,
            allow: command.allow.map(owned),
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Numbers as hexadecimal text: `0x` and all digits.
macro_rules! hex {
    ($module:ident, $number:ty, $digits:literal) => {
        pub(crate) mod $module {
            use serde::{Deserialize, Deserializer, Serializer, de::Error};

            pub(crate) fn serialize<S: Serializer>(
                number: &$number,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!(concat!("{:#0", $digits, "x}"), number))
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$number, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.strip_prefix("0x")
                    .and_then(|digits| <$number>::from_str_radix(digits, 16).ok())
                    .ok_or_else(|| {
                        D::Error::custom(format!(
                            "expected 0x and hexadecimal digits, got {text:?}"
                        ))
                    })
            }
        }
    };
}

hex!(hex_u32, u32, "10");
hex!(hex_u64, u64, "18");
