//! Types that reject some of the samples.

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, SeqAccess, Visitor},
};

use super::shape;

/// Sixteen bytes, like an identifier in a format that is not human readable.
struct Uuid;

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sixteen;
        impl Visitor<'_> for Sixteen {
            type Value = Uuid;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("16 bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Uuid, E> {
                match bytes.len() {
                    16 => Ok(Uuid),
                    len => Err(E::invalid_length(len, &self)),
                }
            }
        }
        deserializer.deserialize_bytes(Sixteen)
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Email;

impl TryFrom<String> for Email {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.contains('@').then_some(Self).ok_or("no @")
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Sonnet;

impl TryFrom<String> for Sonnet {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let lines = text.lines().count();
        (lines == 14).then_some(Self).ok_or("14 lines, please")
    }
}

/// Its bounds must differ.
#[derive(Deserialize)]
#[serde(try_from = "(u32, u32)")]
struct Range;

impl TryFrom<(u32, u32)> for Range {
    type Error = &'static str;
    fn try_from((min, max): (u32, u32)) -> Result<Self, Self::Error> {
        (min < max).then_some(Self).ok_or("empty")
    }
}

struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let n = u8::deserialize(deserializer)?;
        panic!("{n} is not to my liking");
    }
}

#[test]
fn behind_a_leaf_that_some_sample_suits_everything_is_seen() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Order {
        id: Uuid,
        by: Email,
        during: Vec<Range>,
        year: Year,
        from: Address,
        to: Address,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Address {
        street: String,
        town: String,
    }
    #[derive(Deserialize)]
    #[serde(try_from = "u16")]
    struct Year;
    impl TryFrom<u16> for Year {
        type Error = &'static str;
        fn try_from(year: u16) -> Result<Self, Self::Error> {
            (year > 1900 && year < 2100).then_some(Self).ok_or("when?")
        }
    }
    assert_eq!(
        shape::<Order>(),
        "{id:bytes,by:text,during:seq(2(u32,u32)),year:u16,from:{street:text,town:text},to:#3}"
    );
}

#[test]
fn each_variant_finds_the_sample_that_suits_it() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Contact {
        Mail(Email),
        Id { id: Uuid, after: u16 },
        Both(Email, Uuid, u8),
    }
    assert_eq!(
        shape::<(Contact, u64)>(),
        "2(enum{Mail:text,Id:{id:bytes,after:u16},Both:3(text,bytes,u8)},u64)"
    );
}

#[test]
fn behind_a_leaf_that_no_sample_suits_the_names_are_seen() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Before {
        n: u8,
        poem: Sonnet,
        a: u32,
        b: u32,
    }
    assert_eq!(shape::<Before>(), "{n:u8,poem:text,a:?,b:?}");
}

#[test]
fn what_no_sample_suits_is_left_out_where_that_is_possible() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Book {
        poems: Vec<Sonnet>,
        foreword: Option<Sonnet>,
        kind: Cover,
        pages: u32,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Cover {
        Printed(Sonnet),
        Plain { colour: u8 },
    }
    assert_eq!(
        shape::<Book>(),
        "{poems:seq(text),foreword:option(text),kind:enum{Printed:text,Plain:{colour:u8}},pages:u32}"
    );
}

#[test]
fn a_panic_is_not_passed_on() {
    assert_eq!(shape::<(u8, Panics, u16)>(), "3(u8,u8,?)");
    assert_eq!(shape::<(Option<Panics>, u16)>(), "2(option(u8),u16)");
}

#[test]
fn what_the_encoding_cannot_tell_is_marked() {
    struct Keys;
    impl<'de> Deserialize<'de> for Keys {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            IgnoredAny::deserialize(deserializer).map(|_| Self)
        }
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Untagged {
        Number(u8),
        Text(String),
    }
    assert_eq!(shape::<(u8, Keys, u8)>(), "3(u8,any,?)");
    assert_eq!(shape::<(Option<Untagged>, u8)>(), "2(option(any),u8)");
}

#[test]
fn what_refuses_without_a_look_is_left_out() {
    struct Never;
    impl<'de> Deserialize<'de> for Never {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Err(D::Error::custom("never"))
        }
    }
    assert_eq!(shape::<Never>(), "?");
    assert_eq!(shape::<(u8, Option<Never>, u8)>(), "3(u8,option(?),u8)");
}

#[test]
fn a_type_that_asks_for_this_or_that_has_both_in_its_shape() {
    /// Asks for three bytes, and reads past the end of them.
    struct Either;
    impl<'de> Deserialize<'de> for Either {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Pair;
            impl<'de> Visitor<'de> for Pair {
                type Value = Either;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a list")
                }
                fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Either, A::Error> {
                    // Reads until there are no more elements, and then asks once more.
                    while seq.next_element::<u8>()?.is_some() {}
                    let more = seq.next_element::<u8>()?;
                    more.is_none()
                        .then_some(Either)
                        .ok_or_else(|| A::Error::custom("more"))
                }
            }
            deserializer.deserialize_tuple(3, Pair)
        }
    }
    assert_eq!(shape::<(Either, u8)>(), "2(3(u8,u8,u8),u8)");
}
