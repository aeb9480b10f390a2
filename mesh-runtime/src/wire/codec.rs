//! Values to bytes and back: bincode 2 in its standard configuration, with limits.
//!
//! This is the only module that names bincode. The crate is no longer maintained, and this way another codec can
//! replace it here. This module must not know what the values mean.

use bincode::{
    enc::write::Writer,
    error::{DecodeError, EncodeError},
};
use bytes::{Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::CodecError;

/// The longest encoded arguments or answer, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 32 * 1024 * 1024;

/// Encodes a value into at most `limit` bytes.
///
/// Bytes over the limit are counted, so that the error reports the full size, but they are not kept.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Bytes, CodecError> {
    let mut out = LimitedWriter {
        bytes: BytesMut::with_capacity(ROOM.min(limit)),
        size: 0,
        limit,
    };
    bincode::serde::encode_into_writer(value, &mut out, bincode::config::standard())
        .map_err(|error| CodecError::Encode(describe_encode(&error)))?;
    if out.size > limit {
        return Err(CodecError::TooLarge {
            size: out.size,
            limit,
        });
    }
    Ok(out.bytes.freeze())
}

/// Decodes a value that must take up all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match decode_prefix(bytes)? {
        (value, []) => Ok(value),
        (_, rest) => Err(CodecError::Trailing(rest.len())),
    }
}

/// Decodes a value at the start of `bytes`, and returns it with the bytes that follow it.
pub(crate) fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), CodecError> {
    if bytes.len() > MAX_PAYLOAD {
        return Err(CodecError::TooLarge {
            size: bytes.len(),
            limit: MAX_PAYLOAD,
        });
    }
    // bincode allocates as much as the lengths in the input claim, up to its limit, so a short input gets a low limit.
    // The limit counts the size in memory, not on the wire: 16 bytes for a `u128` that takes one byte on the wire.
    // Sixteen times the length of the input is therefore the lowest limit that refuses no valid input.
    let config = bincode::config::standard();
    let decoded = if bytes.len() <= SMALL {
        bincode::serde::decode_from_slice(bytes, config.with_limit::<{ SMALL * WIDEST }>())
    } else {
        bincode::serde::decode_from_slice(bytes, config.with_limit::<{ MAX_PAYLOAD * WIDEST }>())
    };
    let (value, consumed) = decoded.map_err(|error| CodecError::Decode(describe_decode(&error)))?;
    Ok((value, &bytes[consumed..]))
}

/// For input up to this length, the decoder may allocate at most 1 MiB.
const SMALL: usize = 64 * 1024;
/// The size in memory, in bytes, of the widest value that can take one byte on the wire.
const WIDEST: usize = 16;

/// The initial capacity for an encoded value, in bytes. Most arguments and answers never outgrow it.
const ROOM: usize = 128;

struct LimitedWriter {
    bytes: BytesMut,
    size: usize,
    limit: usize,
}

impl Writer for LimitedWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.size = self.size.saturating_add(bytes.len());
        if self.size <= self.limit {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }
}

fn describe_encode(error: &EncodeError) -> String {
    match error {
        EncodeError::Other(text) => (*text).to_owned(),
        EncodeError::OtherString(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn describe_decode(error: &DecodeError) -> String {
    match error {
        DecodeError::UnexpectedEnd { .. } => "the bytes end before the value does".to_owned(),
        DecodeError::LimitExceeded => {
            "a length in it is greater than the bytes there are".to_owned()
        }
        DecodeError::Other(text) => (*text).to_owned(),
        DecodeError::OtherString(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
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
        let mut bytes = vec![253];
        bytes.extend_from_slice(&(SMALL as u64 * WIDEST as u64 + 1).to_le_bytes());
        let error = decode::<Vec<u8>>(&bytes).unwrap_err();
        assert!(matches!(error, CodecError::Decode(_)));
        let error = decode::<String>(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "decoding failed: a length in it is greater than the bytes there are"
        );
    }

    #[test]
    fn wide_numbers_of_small_value_decode_up_to_the_limit_of_the_input() {
        for count in [SMALL - 10, SMALL + 10] {
            let value = vec![1_u128; count];
            let bytes = encode(&value, MAX_PAYLOAD).unwrap();
            assert_eq!(decode::<Vec<u128>>(&bytes), Ok(value));
        }
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
}
