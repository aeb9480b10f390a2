//! Generated types. And type tables from elsewhere, which may be wrong in every way.

use proptest::{collection, option, prelude::*, sample};
use serde_json::{Map, Value, json};

use super::Typed;
use crate::schema::{Format, Named, PlainType, Structure, TypeDef, TypeRef};

/// A type with values of it, as the JSON that is written for them. `types` are the entries below it.
#[derive(Debug, Clone)]
struct MadeUp {
    types: Vec<TypeDef>,
    holds: TypeRef,
    values: Vec<Value>,
    /// Its values may be `null`.
    may_be_null: bool,
    /// It is a plain type, maybe in newtypes.
    plain: Option<PlainType>,
}

/// The number of values of each made-up type.
const VALUES: usize = 3;

fn def(name: &str, structure: Structure) -> TypeDef {
    TypeDef {
        name: name.to_owned(),
        rust: String::new(),
        format: None,
        has_aliases: false,
        structure,
    }
}

impl MadeUp {
    fn plain(plain: PlainType, values: Vec<Value>) -> Self {
        Self {
            types: Vec::new(),
            holds: TypeRef::Plain(plain),
            may_be_null: plain == PlainType::Unit,
            plain: Some(plain),
            values,
        }
    }

    /// Is written like the type in it.
    fn newtype(mut self) -> Self {
        let of = self.holds.clone();
        self.push(def("New", Structure::Newtype { of }));
        self
    }

    fn push(&mut self, def: TypeDef) {
        self.holds = TypeRef::Def(u32::try_from(self.types.len()).unwrap());
        self.types.push(def);
    }

    /// A type of these parts. `structure` gets their types, `value` their n-th values.
    fn of(
        parts: Vec<Self>,
        structure: impl FnOnce(Vec<TypeRef>) -> Structure,
        value: impl Fn(Vec<Value>) -> Value,
    ) -> Self {
        let values = (0..VALUES)
            .map(|n| value(parts.iter().map(|part| part.values[n].clone()).collect()))
            .collect();
        let mut types = Vec::new();
        let mut held = Vec::new();
        for mut part in parts {
            let shift = u32::try_from(types.len()).unwrap();
            let places = part
                .types
                .iter_mut()
                .flat_map(|def| def.structure.parts_mut());
            for place in places.chain([&mut part.holds]) {
                place.renumber(&mut |index| index + shift);
            }
            types.append(&mut part.types);
            held.push(part.holds);
        }
        let mut made = Self {
            types,
            holds: TypeRef::Unknown,
            values,
            may_be_null: false,
            plain: None,
        };
        made.push(def("", structure(held)));
        made
    }

    fn list(self) -> Self {
        if self.plain == Some(PlainType::U8) {
            return self;
        }
        let all = Value::Array(self.values.clone());
        let structure = |mut held: Vec<TypeRef>| Structure::List { of: held.remove(0) };
        let mut made = Self::of(vec![self], structure, |mut values| {
            json!([values.remove(0)])
        });
        made.values[0] = all;
        made.values[1] = json!([]);
        made
    }

    fn option(self) -> Self {
        let nested = self.may_be_null;
        let structure = |mut held: Vec<TypeRef>| Structure::Option { of: held.remove(0) };
        let mut made = Self::of(vec![self], structure, |mut values| {
            let value = values.remove(0);
            if nested {
                json!({ "some": value })
            } else {
                value
            }
        });
        made.values[0] = Value::Null;
        made.may_be_null = true;
        made
    }

    fn map(self) -> Self {
        let key = Self::plain(
            PlainType::Text,
            vec![json!("a"), json!(""), json!("\u{0}\"")],
        );
        let structure = |held: Vec<TypeRef>| Structure::Map {
            key: held[0].clone(),
            value: held[1].clone(),
        };
        Self::of(vec![key, self], structure, |values| {
            let key = values[0].as_str().unwrap().to_owned();
            Value::Object(Map::from_iter([(key, values[1].clone())]))
        })
    }

    fn pairs(key: Self, value: Self) -> Self {
        let has_text_keys = key.plain == Some(PlainType::Text);
        let key = if has_text_keys { key.option() } else { key };
        let structure = |held: Vec<TypeRef>| Structure::Map {
            key: held[0].clone(),
            value: held[1].clone(),
        };
        Self::of(vec![key, value], structure, |values| json!([values]))
    }

    fn tuple(parts: Vec<Self>) -> Self {
        Self::of(parts, |items| Structure::Tuple { items }, Value::Array)
    }

    fn array(self, len: usize) -> Self {
        let structure = |mut held: Vec<TypeRef>| Structure::Array {
            len,
            of: held.remove(0),
        };
        Self::of(vec![self], structure, |mut values| {
            Value::Array(vec![values.remove(0); len])
        })
    }

    fn fields(parts: Vec<Self>) -> Self {
        Self::of(
            parts,
            |held| Structure::Struct {
                fields: named(held),
            },
            |values| Value::Object(name(values).collect()),
        )
    }

    /// Each part is a variant, and there is one without contents.
    fn variants(parts: Vec<Self>) -> Self {
        let all = parts.clone();
        let structure = |mut held: Vec<TypeRef>| {
            held.push(TypeRef::Plain(PlainType::Unit));
            Structure::Enum {
                variants: named(held),
            }
        };
        let mut made = Self::of(parts, structure, |values| {
            json!(format!("part{}", values.len()))
        });
        // Variants without contents are written as their names.
        let all = all.iter().enumerate();
        let mut contents = all.filter(|(_, part)| part.plain != Some(PlainType::Unit));
        if let Some((index, part)) = contents.next_back() {
            let name = format!("part{index}");
            made.values[1] = Value::Object(Map::from_iter([(name, part.values[2].clone())]));
        }
        made
    }
}

fn name(values: Vec<Value>) -> impl Iterator<Item = (String, Value)> {
    let values = values.into_iter().enumerate();
    values.map(|(index, value)| (format!("part{index}"), value))
}

fn named(held: Vec<TypeRef>) -> Vec<Named> {
    let held = held.into_iter().enumerate();
    held.map(|(index, holds)| Named {
        name: format!("part{index}"),
        holds,
    })
    .collect()
}

fn plain() -> impl Strategy<Value = MadeUp> {
    macro_rules! integers {
        ($($plain:ident $number:ty;)*) => {
            prop_oneof![$(
                any::<[$number; VALUES]>().prop_map(|numbers| {
                    let values = numbers.map(|number| match i64::try_from(number) {
                        Ok(small) if small.unsigned_abs() <= 1 << 53 && size_of::<$number>() < 16 => json!(small),
                        _ => json!(number.to_string()),
                    });
                    MadeUp::plain(PlainType::$plain, values.into())
                })
            ),*]
        };
    }
    prop_oneof![
        6 => integers! {
            U8 u8; U16 u16; U32 u32; U64 u64; U128 u128; I8 i8; I16 i16; I32 i32; I64 i64; I128 i128;
        },
        1 => any::<[bool; VALUES]>().prop_map(|v| MadeUp::plain(PlainType::Bool, v.map(Value::from).into())),
        1 => any::<[char; VALUES]>()
            .prop_map(|v| MadeUp::plain(PlainType::Char, v.map(|c| json!(c.to_string())).into())),
        2 => any::<[String; VALUES]>().prop_map(|v| MadeUp::plain(PlainType::Text, v.map(Value::from).into())),
        1 => Just(MadeUp::plain(PlainType::F64, vec![json!("NaN"), json!(0.1), json!("-Infinity")])),
        1 => Just(MadeUp::plain(PlainType::Bytes, vec![json!(""), json!("AQI="), json!("AA==")])),
        1 => Just(MadeUp::plain(PlainType::Unit, vec![Value::Null; VALUES])),
    ]
}

fn made_up() -> impl Strategy<Value = MadeUp> {
    plain().prop_recursive(5, 24, 4, |inner| {
        let some = || collection::vec(inner.clone(), 0..4);
        prop_oneof![
            inner.clone().prop_map(MadeUp::newtype),
            inner.clone().prop_map(MadeUp::list),
            inner.clone().prop_map(MadeUp::option),
            inner.clone().prop_map(MadeUp::map),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| MadeUp::pairs(key, value)),
            (inner.clone(), 0_usize..4).prop_map(|(of, len)| of.array(len)),
            some().prop_map(MadeUp::tuple),
            some().prop_map(MadeUp::fields),
            some().prop_map(MadeUp::variants),
        ]
    })
}

/// Any type of a table of `len` types, or of none of them.
fn any_ref(len: u32) -> impl Strategy<Value = TypeRef> {
    let plain = sample::select(vec![
        PlainType::Unit,
        PlainType::U8,
        PlainType::U64,
        PlainType::Text,
        PlainType::Any,
    ]);
    prop_oneof![
        6 => (0..=len).prop_map(TypeRef::Def),
        3 => plain.prop_map(TypeRef::Plain),
        1 => Just(TypeRef::Unknown),
        1 => (0..len).prop_map(|index| TypeRef::AnyOf(vec![TypeRef::Def(index), TypeRef::Unknown])),
    ]
}

fn any_def(len: u32) -> impl Strategy<Value = TypeDef> {
    let part = move || any_ref(len);
    let parts = move || collection::vec(any_ref(len), 0..3);
    let structure = prop_oneof![
        part().prop_map(|of| Structure::Newtype { of }),
        part().prop_map(|of| Structure::Option { of }),
        part().prop_map(|of| Structure::List { of }),
        (part(), part()).prop_map(|(key, value)| Structure::Map { key, value }),
        (part(), sample::select(vec![0, 1, 2, usize::MAX]))
            .prop_map(|(of, len)| Structure::Array { len, of }),
        parts().prop_map(|items| Structure::Tuple { items }),
        parts().prop_map(|held| Structure::Struct {
            fields: named(held)
        }),
        parts().prop_map(|held| Structure::Enum {
            variants: named(held)
        }),
        Just(Structure::Later),
    ];
    let formats = sample::select(vec![
        Format::Uuid,
        Format::Duration,
        Format::Time,
        Format::Later,
    ]);
    let format = option::weighted(0.1, formats);
    (structure, format).prop_map(|(structure, format)| TypeDef {
        format,
        ..def("T", structure)
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(1)),
        Just(json!("a")),
        Just(json!("part0")),
    ];
    leaf.prop_recursive(6, 24, 3, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            collection::btree_map("part[0-2]|some", inner, 0..3)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn values_of_made_up_types_go_there_and_back(made in made_up()) {
        let typed = Typed { types: made.types, holds: made.holds };
        for value in &made.values {
            let bytes = typed.to_bytes(&value.to_string());
            prop_assert!(bytes.is_ok(), "{bytes:?} of {value}, of {:?} {:?}", typed.holds, typed.types);
            let json = typed.to_json(&bytes.unwrap()).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Value>(&json).unwrap(), value);
        }
    }

    #[test]
    fn a_table_goes_through_json(made in made_up()) {
        let json = serde_json::to_string(&made.types).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<TypeDef>>(&json).unwrap(), made.types);
    }

    /// Neither ends the process, nor takes for ever.
    #[test]
    fn wrong_tables_are_errors_at_most(
        (types, holds) in (1_u32..6).prop_flat_map(|len| {
            (collection::vec(any_def(len), len as usize), any_ref(len))
        }),
        bytes in collection::vec(prop_oneof![3 => 0_u8..3, 1 => any::<u8>()], 0..64),
        json in any_json(),
    ) {
        let typed = Typed { types, holds };
        if let Ok(json) = typed.to_json(&bytes) {
            prop_assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json}");
        }
        let _ = typed.to_bytes(&json.to_string());
    }
}

#[test]
fn types_that_hold_nothing_but_themselves_are_errors() {
    let newtype = |format| TypeDef {
        format,
        ..def(
            "T",
            Structure::Newtype {
                of: TypeRef::Def(0),
            },
        )
    };
    for format in [None, Some(Format::Uuid)] {
        let types = vec![newtype(format)];
        let typed = Typed {
            types,
            holds: TypeRef::Def(0),
        };
        let refused = typed.to_bytes("[]").unwrap_err().to_string();
        assert_eq!(refused, "the type holds nothing but itself");
    }
    let holds_itself = def(
        "T",
        Structure::Struct {
            fields: named(vec![TypeRef::Def(0)]),
        },
    );
    let typed = Typed {
        types: vec![holds_itself],
        holds: TypeRef::Def(0),
    };
    let refused = typed.to_json(&[0]).unwrap_err().to_string();
    assert!(
        refused.contains("more than 512 types are inside one another"),
        "{refused}"
    );
}
