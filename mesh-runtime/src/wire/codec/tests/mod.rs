//! The tests of the codec. Here: the vectors of the protocol, and what callers rely on.

mod against_bincode;
mod bounds;
pub(crate) mod types;

use std::{collections::BTreeMap, rc::Rc};

use super::*;

/// One encoding for each rule of the format.
pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    #[derive(Serialize)]
    struct Order {
        id: u64,
        note: Option<String>,
        lines: Vec<(u16, f64)>,
    }
    #[derive(Serialize)]
    enum Event {
        #[expect(dead_code, reason = "takes the number 0")]
        Opened,
        Closed,
        Moved(u8, i8),
        Named {
            name: &'static str,
        },
    }
    fn bytes(value: &impl Serialize) -> Vec<u8> {
        encode(value, MAX_PAYLOAD).unwrap().into()
    }
    let order = Order {
        id: 300,
        note: Some("gift".into()),
        lines: vec![(1, 0.5), (251, -2.0)],
    };
    vec![
        ("codec.u8.255", bytes(&255_u8)),
        ("codec.u64.250", bytes(&250_u64)),
        ("codec.u64.251", bytes(&251_u64)),
        ("codec.u64.65536", bytes(&65_536_u64)),
        ("codec.u64.2-to-32", bytes(&(1_u64 << 32))),
        ("codec.u128.2-to-64", bytes(&(1_u128 << 64))),
        ("codec.i8.minus-1", bytes(&-1_i8)),
        ("codec.i32.minus-1", bytes(&-1_i32)),
        ("codec.i32.300", bytes(&300_i32)),
        ("codec.i64.minus-126", bytes(&-126_i64)),
        ("codec.bool.true", bytes(&true)),
        ("codec.f32.1.5", bytes(&1.5_f32)),
        ("codec.char.euro", bytes(&'\u{20ac}')),
        ("codec.string.day", bytes(&"day")),
        ("codec.unit", bytes(&())),
        ("codec.none", bytes(&None::<u8>)),
        ("codec.some.7", bytes(&Some(7_u8))),
        ("codec.array.u16", bytes(&[1_u16, 300])),
        ("codec.list.u16", bytes(&vec![1_u16, 300])),
        ("codec.map", bytes(&BTreeMap::from([("a", 1_u8), ("b", 2)]))),
        ("codec.struct", bytes(&order)),
        ("codec.enum.unit", bytes(&Event::Closed)),
        ("codec.enum.tuple", bytes(&Event::Moved(200, -2))),
        ("codec.enum.struct", bytes(&Event::Named { name: "x" })),
        ("codec.result.ok", bytes(&Ok::<u8, u8>(1))),
        ("codec.result.err", bytes(&Err::<u8, u8>(2))),
        ("codec.ipv4", bytes(&std::net::Ipv4Addr::LOCALHOST)),
        (
            "codec.duration",
            bytes(&std::time::Duration::from_millis(1500)),
        ),
    ]
}

#[test]
fn a_value_comes_back() {
    let value = (
        String::from("day"),
        vec![1_u64, 250, 251, 70_000, u64::MAX],
        BTreeMap::from([(-1_i32, Some('x')), (7, None)]),
    );
    let bytes = encode(&value, MAX_PAYLOAD).unwrap();
    assert_eq!(
        decode::<(String, Vec<u64>, BTreeMap<i32, Option<char>>)>(&bytes),
        Ok(value)
    );
}

#[test]
fn unsized_values_encode() {
    assert_eq!(
        encode("day", 10).unwrap(),
        encode(&String::from("day"), 10).unwrap()
    );
    assert_eq!(
        encode(&[1_u8, 2][..], 10).unwrap(),
        encode(&vec![1_u8, 2], 10).unwrap()
    );
    assert_eq!(
        encode(&Rc::<str>::from("day"), 10).unwrap()[..],
        *b"\x03day"
    );
}

#[test]
fn a_value_over_the_limit_is_measured_and_not_kept() {
    let big = vec![0_u8; 100];
    assert_eq!(
        encode(&big, 100),
        Err(CodecError::TooLarge {
            size: 101,
            limit: 100
        })
    );
    assert_eq!(encode(&big, 101).unwrap().len(), 101);
}

#[test]
fn left_over_bytes_are_an_error() {
    let mut bytes = encode(&7_u32, 10).unwrap().to_vec();
    bytes.push(0);
    assert_eq!(decode::<u32>(&bytes), Err(CodecError::Trailing(1)));
}

#[test]
fn a_value_in_front_comes_with_what_is_behind_it() {
    let mut bytes = encode("a text", 10).unwrap().to_vec();
    bytes.extend_from_slice(b"behind");
    let (value, rest) = decode_prefix::<String>(&bytes).unwrap();
    assert_eq!((&*value, rest), ("a text", &b"behind"[..]));
}

#[test]
fn missing_bytes_are_an_error() {
    let bytes = encode("a text", 10).unwrap();
    for len in 0..bytes.len() {
        assert!(matches!(
            decode::<String>(&bytes[..len]),
            Err(CodecError::Decode(_))
        ));
    }
}

#[test]
fn a_length_that_lies_is_refused_before_memory_is_taken_for_it() {
    let mut bytes = vec![LONG_U64];
    bytes.extend_from_slice(&(1_u64 << 60).to_le_bytes());
    let error = decode::<Vec<u8>>(&bytes).unwrap_err();
    assert!(matches!(error, CodecError::Decode(_)));
    let error = decode::<String>(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "decoding failed: a length in it is greater than the bytes there are"
    );
}

#[test]
fn more_than_a_payload_is_refused_unread() {
    let bytes = vec![0; MAX_PAYLOAD + 1];
    assert!(matches!(
        decode::<Vec<u8>>(&bytes),
        Err(CodecError::TooLarge { .. })
    ));
}

#[test]
fn a_sequence_of_unknown_length_is_an_encoding_error() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            serializer.serialize_seq(None)?.end()
        }
    }
    assert!(matches!(encode(&Endless, 10), Err(CodecError::Encode(_))));
}

/// The error of a length that exceeds the bytes, or of too many elements without bytes.
fn error_of_a_length() -> CodecError {
    CodecError::Decode(Error::from(problem::Problem::Length).to_string())
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let text = |error: CodecError| error.to_string();
    assert_eq!(
        text(decode::<(u8, Vec<bool>)>(&[7, 2, 1, 2]).unwrap_err()),
        "decoding failed: a bool is 2, neither 0 nor 1 (after 4 bytes)"
    );
    assert_eq!(
        text(decode::<Option<u8>>(&[3]).unwrap_err()),
        "decoding failed: an option begins with 3, neither 0 nor 1 (after 1 bytes)"
    );
    assert_eq!(
        text(decode::<u16>(&[252, 1, 0, 0, 0]).unwrap_err()),
        "decoding failed: a number begins with 252, which its type does not allow (after 1 bytes)"
    );
    assert_eq!(
        text(decode::<u32>(&[251, 1]).unwrap_err()),
        "decoding failed: the bytes end before the value does"
    );
    let error = text(decode::<Result<u8, u8>>(&[2, 0]).unwrap_err());
    assert!(error.contains("invalid value: integer `2`"), "{error}");
}

#[test]
fn types_that_need_names_in_the_bytes_are_an_error_that_says_so() {
    #[derive(Debug, Serialize, serde::Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
    }
    #[derive(Debug, Serialize)]
    struct Flat {
        #[serde(flatten)]
        inner: BTreeMap<String, u8>,
    }
    let bytes = encode(&Untagged::Number(7), 10).unwrap();
    let error = decode::<Untagged>(&bytes).unwrap_err().to_string();
    assert!(error.contains("deserialize_any"), "{error}");
    let flat = Flat {
        inner: BTreeMap::new(),
    };
    let error = encode(&flat, 10).unwrap_err().to_string();
    assert!(
        error.contains("the length of a list or map is not known"),
        "{error}"
    );
}

/// A `Vec<u8>` that changes the bytes while it reads them.
#[derive(Debug, PartialEq)]
struct Doubled(Vec<u8>);

impl<'de> serde::Deserialize<'de> for Doubled {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Doubling;

        impl<'de> serde::de::Visitor<'de> for Doubling {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Vec<u8>, A::Error> {
                let mut doubled = Vec::new();
                while let Some(byte) = list.next_element::<u8>()? {
                    doubled.push(byte * 2);
                }
                Ok(doubled)
            }
        }

        deserializer.deserialize_seq(Doubling).map(Self)
    }
}

#[test]
fn lists_of_bytes_are_copied_where_serde_reads_them_and_nowhere_else() {
    let bytes = encode(&(vec![1_u8, 2], Some(vec![3_u8]), [4_u8]), 10).unwrap();
    type Lists = (Vec<u8>, Option<Vec<u8>>, [u8; 1]);
    assert_eq!(
        decode::<Lists>(&bytes).unwrap(),
        (vec![1, 2], Some(vec![3]), [4])
    );
    assert!(byte_list::reads_with_one_copy::<Vec<u8>>());
    assert!(!byte_list::reads_with_one_copy::<Doubled>());
    assert!(!byte_list::reads_with_one_copy::<Vec<i8>>());
    assert_eq!(decode::<Doubled>(&[2, 1, 2]).unwrap(), Doubled(vec![2, 4]));
    assert!(decode::<Vec<u8>>(&[3, 1, 2]).is_err());
}
