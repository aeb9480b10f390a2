//! The bytes are those of bincode: what one encodes the other decodes, and what one refuses the other refuses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Debug},
    num::NonZeroU8,
    time::Duration,
};

use proptest::{collection, prelude::*};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, EnumAccess, VariantAccess, Visitor},
};

use super::{
    super::{MAX_PAYLOAD, decode, decode_prefix, encode},
    types::{
        All, Blob, Newtype, Numbers, Several, Texts, Tree, Unit, all, mixed, number, numbers,
        texts, tree,
    },
};

fn bincode_encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::standard()).unwrap()
}

/// A value at the start of the bytes, and how many bytes it takes. With a limit, since bincode allocates by the lengths
/// that it reads.
fn bincode_decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, usize)> {
    let config = bincode::config::standard().with_limit::<{ 1024 * 1024 }>();
    bincode::serde::decode_from_slice(bytes, config).ok()
}

/// Both encode the value alike, and decode it from there.
fn same<T>(value: &T) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = encode(value, MAX_PAYLOAD).unwrap();
    prop_assert_eq!(&bytes[..], &bincode_encode(value)[..]);
    prop_assert_eq!(&decode::<T>(&bytes).unwrap(), value);
    Ok(())
}

/// Both decode the same value from the bytes, and leave the same bytes over; or neither decodes any.
fn same_from<T: DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let ours = decode_prefix::<T>(bytes).ok();
    let ours = ours.map(|(value, rest)| (value, bytes.len() - rest.len()));
    prop_assert_eq!(
        ours,
        bincode_decode::<T>(bytes),
        "{}",
        std::any::type_name::<T>()
    );
    Ok(())
}

/// Bytes of which many mean something: the numbers of variants and small lengths, the first bytes of long numbers and of
/// UTF-8.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => 0_u8..4,
        1 => 4_u8..12,
        1 => 0x80_u8..0xc0,
        1 => 0xc0_u8..0xf8,
        2 => 248_u8..,
        2 => any::<u8>(),
    ];
    collection::vec(byte, 0..48)
}

/// An encoded value with a few changes: other bytes, missing bytes.
fn damaged<T: Serialize + Debug>(
    values: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        prop_oneof![0_u8..4, any::<u8>(), 248_u8..],
    );
    let changes = collection::vec(change, 0..4);
    let end = prop::option::of(any::<prop::sample::Index>());
    (values, changes, end).prop_map(|(value, changes, end)| {
        let mut bytes = bincode_encode(&value);
        for (index, byte) in changes {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes.truncate(end.map_or(bytes.len(), |end| end.index(bytes.len() + 1)));
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn single_numbers_have_the_same_bytes(number in number()) {
        same(&(number as u8))?;
        same(&(number as u16))?;
        same(&(number as u32))?;
        same(&(number as u64))?;
        same(&number)?;
        same(&(number as i8))?;
        same(&(number as i16))?;
        same(&(number as i32))?;
        same(&(number as i64))?;
        same(&(number as i128))?;
    }

    #[test]
    fn structs_of_numbers_have_the_same_bytes(numbers in numbers()) {
        same(&numbers)?;
    }

    #[test]
    fn texts_have_the_same_bytes(texts in texts()) {
        same(&texts)?;
    }

    #[test]
    fn lists_of_bytes_and_others_have_the_same_bytes(list in mixed()) {
        prop_assert_eq!(&encode(&list, MAX_PAYLOAD).unwrap()[..], &bincode_encode(&list)[..]);
    }

    #[test]
    fn trees_have_the_same_bytes(tree in tree()) {
        same(&tree)?;
    }

    #[test]
    fn all_kinds_of_values_in_one_another_have_the_same_bytes(all in all()) {
        same(&all)?;
    }

    #[test]
    fn variants_with_a_high_number_have_the_same_bytes(number in number()) {
        same(&Variant(number as u32))?;
    }

    #[test]
    fn arbitrary_bytes_are_the_same_plain_value_or_none(bytes in bytes()) {
        same_from::<bool>(&bytes)?;
        same_from::<u8>(&bytes)?;
        same_from::<u16>(&bytes)?;
        same_from::<u32>(&bytes)?;
        same_from::<u64>(&bytes)?;
        same_from::<u128>(&bytes)?;
        same_from::<usize>(&bytes)?;
        same_from::<i8>(&bytes)?;
        same_from::<i16>(&bytes)?;
        same_from::<i32>(&bytes)?;
        same_from::<i64>(&bytes)?;
        same_from::<i128>(&bytes)?;
        same_from::<NonZeroU8>(&bytes)?;
        same_from::<char>(&bytes)?;
        same_from::<String>(&bytes)?;
        same_from::<Blob>(&bytes)?;
        same_from::<Numbers>(&bytes)?;
        same_from::<(Unit, ())>(&bytes)?;
    }

    #[test]
    fn arbitrary_bytes_are_the_same_composed_value_or_none(bytes in bytes()) {
        same_from::<Option<u16>>(&bytes)?;
        same_from::<Option<Option<bool>>>(&bytes)?;
        same_from::<Result<u8, i64>>(&bytes)?;
        same_from::<Vec<u8>>(&bytes)?;
        same_from::<Vec<u32>>(&bytes)?;
        same_from::<Vec<Option<char>>>(&bytes)?;
        same_from::<Vec<Vec<i16>>>(&bytes)?;
        same_from::<BTreeMap<u8, String>>(&bytes)?;
        same_from::<BTreeMap<u32, ()>>(&bytes)?;
        same_from::<BTreeSet<i16>>(&bytes)?;
        same_from::<[u16; 3]>(&bytes)?;
        same_from::<(u8, String, u64)>(&bytes)?;
        same_from::<(Newtype, Several)>(&bytes)?;
        same_from::<Vec<(char, Variant)>>(&bytes)?;
        same_from::<Duration>(&bytes)?;
        same_from::<std::net::IpAddr>(&bytes)?;
        same_from::<Tree>(&bytes)?;
        same_from::<Texts>(&bytes)?;
    }

    #[test]
    fn damaged_trees_are_the_same_value_or_none(bytes in damaged(tree())) {
        same_from::<Tree>(&bytes)?;
    }

    #[test]
    fn damaged_values_of_all_kinds_are_the_same_value_or_none(bytes in damaged(all())) {
        // bincode would make as many units as the bytes claim.
        if decode_prefix::<All>(&bytes) != Err(super::error_of_a_length()) {
            same_from::<All>(&bytes)?;
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in collection::vec(any::<u8>(), 0..2000)) {
        let _ = decode::<All>(&bytes);
        let _ = decode::<Vec<All>>(&bytes);
        let _ = decode::<Vec<Tree>>(&bytes);
    }
}

#[test]
fn numbers_that_are_longer_than_needed_decode_as_in_bincode() {
    for bytes in [
        &[251, 7, 0][..],
        &[252, 7, 0, 0, 0],
        &[253, 7, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(decode::<u64>(bytes), Ok(7));
        same_from::<u16>(bytes).unwrap();
        same_from::<u32>(bytes).unwrap();
        same_from::<u64>(bytes).unwrap();
        same_from::<u128>(bytes).unwrap();
        same_from::<i64>(bytes).unwrap();
    }
}

#[test]
fn every_first_byte_of_a_char_is_treated_as_in_bincode() {
    for first in 0..=255 {
        for second in [0x00, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0] {
            same_from::<char>(&[first, second, 0x80, 0x80]).unwrap();
            same_from::<char>(&[first, second]).unwrap();
        }
    }
}

/// A variant without content of an enum with any number of variants.
#[derive(Debug, PartialEq)]
struct Variant(u32);

impl Serialize for Variant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant("Variant", self.0, "")
    }
}

impl<'de> Deserialize<'de> for Variant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl<'de> Visitor<'de> for Number {
            type Value = Variant;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a variant")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Variant, A::Error> {
                let (number, content) = access.variant()?;
                content.unit_variant()?;
                Ok(Variant(number))
            }
        }
        deserializer.deserialize_enum("Variant", &[], Number)
    }
}
