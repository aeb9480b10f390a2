//! What both directions ask of the type table.

use std::fmt;

use crate::schema::{Format, Named, PlainType, Structure, TypeDef, TypeRef};

/// How many newtypes may be around a type. Only types that hold nothing but themselves have more.
const MAX_NEWTYPES: usize = 128;

/// How deep [`Described`] looks into types without a name.
const MAX_DESCRIBED: u32 = 4;

/// How many parts of a type without a name are described. A table of types may come from another process.
const MAX_PARTS: usize = 16;

/// A named part of a struct, or an argument.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) holds: &'a TypeRef,
}

impl<'a> From<&'a Named> for Field<'a> {
    fn from(named: &'a Named) -> Self {
        Self {
            name: &named.name,
            holds: &named.holds,
        }
    }
}

/// A type, as it is written in JSON.
#[derive(Clone, Copy)]
pub(super) enum Written<'a> {
    Plain(PlainType),
    /// In a way of its own, as text. What the text cannot express is written as the type that it is made of.
    Formatted(Format),
    /// Of this structure, which is no newtype.
    Structured(&'a TypeDef),
}

/// The type behind a reference, without the newtypes around it. The error says why there is none.
pub(super) fn resolve<'a>(types: &'a [TypeDef], holds: &'a TypeRef) -> Result<Written<'a>, String> {
    find(types, holds, true)
}

/// The same, but types with a format are taken as the types that they are made of.
pub(super) fn resolve_structure<'a>(
    types: &'a [TypeDef],
    holds: &'a TypeRef,
) -> Result<Written<'a>, String> {
    find(types, holds, false)
}

fn find<'a>(
    types: &'a [TypeDef],
    holds: &'a TypeRef,
    with_formats: bool,
) -> Result<Written<'a>, String> {
    let mut holds = holds;
    for _ in 0..MAX_NEWTYPES {
        let index = match holds {
            TypeRef::Plain(PlainType::Any) => return Err(
                "the type is read by `deserialize_any`, which mesh's encoding does not have; this comes from \
                 `#[serde(untagged)]`, `#[serde(tag)]`, `#[serde(flatten)]` or a type such as `serde_json::Value`"
                    .to_owned(),
            ),
            TypeRef::Plain(plain) => return Ok(Written::Plain(*plain)),
            TypeRef::Def(index) => *index,
            TypeRef::AnyOf(_) => {
                return Err(format!(
                    "the type here depends on the data: {}",
                    Described { types, holds, depth: 0 }
                ));
            }
            TypeRef::Unknown => {
                return Err(
                    "the type here is not known, because the type that it is in accepts no sample value".to_owned(),
                );
            }
        };
        let Some(def) = types.get(index as usize) else {
            return Err(format!("the description lacks type {index}"));
        };
        match (&def.structure, def.format) {
            (Structure::Newtype { .. }, Some(format))
                if with_formats && format != Format::Later =>
            {
                return Ok(Written::Formatted(format));
            }
            (Structure::Newtype { of }, _) => holds = of,
            (Structure::Later, _) => {
                return Err(format!(
                    "`{}` is of a kind that this version does not know",
                    def.name
                ));
            }
            _ if def.has_aliases => {
                return Err(format!(
                    "`{}` has `#[serde(alias)]`, so it is not known which name belongs to which of its parts",
                    def.name
                ));
            }
            _ => return Ok(Written::Structured(def)),
        }
    }
    Err("the type holds nothing but itself".to_owned())
}

/// Whether values of the type may be written as `null`. An option of it then needs more than `null` for none.
pub(super) fn may_be_null(types: &[TypeDef], holds: &TypeRef) -> bool {
    match resolve(types, holds) {
        Ok(Written::Plain(plain)) => plain == PlainType::Unit,
        Ok(Written::Structured(def)) => matches!(def.structure, Structure::Option { .. }),
        Ok(Written::Formatted(_)) | Err(_) => false,
    }
}

/// Whether the type is an option, whose value may be left out.
pub(super) fn is_option(types: &[TypeDef], holds: &TypeRef) -> bool {
    matches!(
        resolve(types, holds),
        Ok(Written::Structured(TypeDef {
            structure: Structure::Option { .. },
            ..
        }))
    )
}

/// Whether the type is this plain one.
pub(super) fn is_plain(types: &[TypeDef], holds: &TypeRef, plain: PlainType) -> bool {
    matches!(resolve(types, holds), Ok(Written::Plain(found)) if found == plain)
}

/// A type for people, as `u64`, `Order`, `[Line]` or `text?`.
pub(super) struct Described<'a> {
    pub(super) types: &'a [TypeDef],
    pub(super) holds: &'a TypeRef,
    /// The number of types around it that are described as well.
    pub(super) depth: u32,
}

impl<'a> Described<'a> {
    fn part(&self, holds: &'a TypeRef) -> Self {
        Self {
            types: self.types,
            holds,
            depth: self.depth + 1,
        }
    }

    fn list(
        &self,
        f: &mut fmt::Formatter<'_>,
        parts: &'a [TypeRef],
        separator: &str,
    ) -> fmt::Result {
        for (index, part) in parts.iter().take(MAX_PARTS).enumerate() {
            let separator = if index > 0 { separator } else { "" };
            write!(f, "{separator}{}", self.part(part))?;
        }
        if parts.len() > MAX_PARTS {
            write!(f, "{separator}…")?;
        }
        Ok(())
    }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.depth > MAX_DESCRIBED {
            return f.write_str("…");
        }
        let def = match self.holds {
            TypeRef::Plain(plain) => return f.write_str(plain.name()),
            TypeRef::Unknown => return f.write_str("?"),
            TypeRef::AnyOf(alternatives) => return self.list(f, alternatives, " or "),
            TypeRef::Def(index) => self.types.get(*index as usize),
        };
        match def {
            None => f.write_str("?"),
            Some(def) if !def.name.is_empty() => f.write_str(&def.name),
            Some(def) => match &def.structure {
                Structure::Newtype { of } => write!(f, "{}", self.part(of)),
                Structure::Option { of } => write!(f, "{}?", self.part(of)),
                Structure::List { of } => write!(f, "[{}]", self.part(of)),
                Structure::Map { key, value } => {
                    write!(f, "{{{}: {}}}", self.part(key), self.part(value))
                }
                Structure::Array { len, of } => write!(f, "[{}; {len}]", self.part(of)),
                Structure::Tuple { items } => {
                    f.write_str("(")?;
                    self.list(f, items, ", ")?;
                    f.write_str(")")
                }
                Structure::Struct { fields } => {
                    f.write_str("{")?;
                    for (index, field) in fields.iter().take(MAX_PARTS).enumerate() {
                        let separator = if index > 0 { ", " } else { "" };
                        write!(f, "{separator}{}: {}", field.name, self.part(&field.holds))?;
                    }
                    if fields.len() > MAX_PARTS {
                        f.write_str(", …")?;
                    }
                    f.write_str("}")
                }
                Structure::Enum { .. } => f.write_str("enum"),
                Structure::Later => f.write_str("?"),
            },
        }
    }
}
