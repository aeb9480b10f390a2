//! Types with every kind of value that serde knows, and how to generate values of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
    net::IpAddr,
    time::Duration,
};

use proptest::{collection, option, prelude::*, result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

/// Numbers of each type. Floats are compared by their bits, so that NaN equals NaN.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Numbers {
    unsigned: (u8, u16, u32, u64, u128, usize),
    signed: (i8, i16, i32, i64, i128, isize),
    floats: (f32, f64),
    truth: bool,
}

impl PartialEq for Numbers {
    fn eq(&self, other: &Self) -> bool {
        let bits = |numbers: &Self| (numbers.floats.0.to_bits(), numbers.floats.1.to_bits());
        self.unsigned == other.unsigned
            && self.signed == other.signed
            && self.truth == other.truth
            && bits(self) == bits(other)
    }
}

/// Numbers of every length, most of all those next to where the encoding gets longer.
pub(crate) fn number() -> impl Strategy<Value = u128> {
    let edge = (
        prop::sample::select(vec![
            0,
            250,
            251,
            1 << 15,
            1 << 16,
            1 << 31,
            1 << 32,
            1 << 63,
            1 << 64,
        ]),
        0_u128..4,
    );
    prop_oneof![
        (any::<u128>(), 0_u32..128).prop_map(|(number, shift)| number >> shift),
        edge.prop_map(|(edge, more): (u128, _)| (edge + more).saturating_sub(2)),
        (0_u128..1000).prop_map(u128::wrapping_neg),
    ]
}

pub(crate) fn numbers() -> impl Strategy<Value = Numbers> {
    (
        [number(), number(), number(), number()],
        [number(), number(), number(), number()],
        any::<(u8, i8, u32, u64, bool)>(),
    )
        .prop_map(
            |([b, c, d, e], [f, g, h, i], (a, j, k, l, truth))| Numbers {
                unsigned: (a, b as u16, c as u32, d as u64, e, d as usize),
                signed: (j, f as i16, g as i32, h as i64, i as i128, h as isize),
                floats: (f32::from_bits(k), f64::from_bits(l)),
                truth,
            },
        )
}

/// An enum with each kind of variant. It contains itself in options, lists and maps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Tree {
    Leaf,
    Text(String),
    Pair(Box<Tree>, i16),
    Named { id: u64, inner: Option<Box<Tree>> },
    List(Vec<Tree>),
    Map(BTreeMap<u16, Tree>),
    Set(BTreeSet<Tree>),
}

pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Leaf),
        any::<String>().prop_map(Tree::Text),
        number().prop_map(|id| Tree::Named {
            id: id as u64,
            inner: None
        }),
    ];
    leaf.prop_recursive(6, 40, 6, |tree| {
        let boxed = || tree.clone().prop_map(Box::new);
        prop_oneof![
            (boxed(), any::<i16>()).prop_map(|(tree, number)| Tree::Pair(tree, number)),
            (number(), option::of(boxed())).prop_map(|(id, inner)| Tree::Named {
                id: id as u64,
                inner
            }),
            collection::vec(tree.clone(), 0..6).prop_map(Tree::List),
            collection::btree_map(any::<u16>(), tree.clone(), 0..6).prop_map(Tree::Map),
            collection::btree_set(tree.clone(), 0..6).prop_map(Tree::Set),
        ]
    })
}

/// Text and bytes, through each of serde's methods for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Texts {
    string: String,
    char: char,
    chars: Vec<char>,
    list: Vec<u8>,
    bytes: Blob,
    #[serde(deserialize_with = "by_str")]
    by_str: String,
    #[serde(deserialize_with = "by_bytes")]
    by_bytes: Blob,
}

/// Bytes that are encoded as such, and not as a list of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BlobVisitor)
    }
}

fn by_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
    deserializer.deserialize_bytes(BlobVisitor)
}

struct BlobVisitor;

impl Visitor<'_> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes))
    }
}

fn by_str<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }
    deserializer.deserialize_str(Text)
}

pub(crate) fn texts() -> impl Strategy<Value = Texts> {
    let bytes = || collection::vec(any::<u8>(), 0..600);
    (
        (any::<String>(), any::<String>(), any::<char>()),
        collection::vec(any::<char>(), 0..8),
        (bytes(), bytes(), bytes()),
    )
        .prop_map(
            |((string, by_str, char), chars, (list, blob, by_bytes))| Texts {
                string,
                char,
                chars,
                list,
                bytes: Blob(blob),
                by_str,
                by_bytes: Blob(by_bytes),
            },
        )
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Newtype(Option<u32>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Several(u16, String, [i32; 3]);

/// All of it, in one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct All {
    numbers: Vec<Numbers>,
    unit: (Unit, (), PhantomData<u8>, [(); 3]),
    units: Vec<(Unit, ())>,
    newtype: Newtype,
    several: BTreeMap<String, Several>,
    nested: Vec<Vec<Option<Option<i64>>>>,
    result: Result<u64, Option<String>>,
    std: (
        IpAddr,
        Duration,
        std::ops::Bound<u16>,
        std::cmp::Reverse<i8>,
    ),
    texts: Texts,
    tree: Tree,
}

pub(crate) fn all() -> impl Strategy<Value = All> {
    let several = (any::<(u16, String, [i32; 3])>()).prop_map(|(a, b, c)| Several(a, b, c));
    let lists = (
        collection::vec(numbers(), 0..3),
        collection::vec(Just((Unit, ())), 0..20),
        collection::btree_map(any::<String>(), several, 0..4),
        collection::vec(collection::vec(any::<Option<Option<i64>>>(), 0..4), 0..4),
    );
    let one = (
        any::<Option<u32>>(),
        result::maybe_ok(any::<u64>(), any::<Option<String>>()),
        any::<(
            IpAddr,
            Duration,
            std::ops::Bound<u16>,
            std::cmp::Reverse<i8>,
        )>(),
    );
    (lists, one, texts(), tree()).prop_map(
        |((numbers, units, several, nested), (newtype, result, std), texts, tree)| All {
            numbers,
            unit: (Unit, (), PhantomData, [(); 3]),
            units,
            newtype: Newtype(newtype),
            several,
            nested,
            result,
            std,
            texts,
            tree,
        },
    )
}

/// Elements of one list that are written in different ways, some of them as one byte.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Mixed {
    Byte(u8),
    Number(u16),
    Text(String),
    Nothing,
}

pub(crate) fn mixed() -> impl Strategy<Value = Vec<Mixed>> {
    let one = prop_oneof![
        2 => any::<u8>().prop_map(Mixed::Byte),
        1 => any::<u16>().prop_map(Mixed::Number),
        1 => any::<String>().prop_map(Mixed::Text),
        1 => Just(Mixed::Nothing),
    ];
    let bytes = collection::vec(any::<u8>().prop_map(Mixed::Byte), 0..600);
    (bytes, collection::vec(one, 0..8)).prop_map(|(mut list, behind)| {
        list.extend(behind);
        list
    })
}
