//! Generated values of Rust types. The bytes are those of the encoder.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    time::{Duration, SystemTime},
};

use proptest::{collection, prelude::*};
use serde::{Serialize, de::DeserializeOwned};

use super::{Typed, bytes_of};
use crate::wire::codec::tests::types::{all, numbers, texts, tree};

/// The JSON of the encoded value becomes the same bytes, and stays the same JSON.
fn same<T: Serialize + DeserializeOwned>(value: &T) -> Result<(), TestCaseError> {
    let typed = Typed::of::<T>();
    let bytes = bytes_of(value);
    let json = typed.to_json(&bytes);
    prop_assert!(json.is_ok(), "{json:?}");
    let json = json.unwrap();
    let back = typed.to_bytes(&json);
    prop_assert!(back.is_ok(), "{back:?} of {json}");
    let back = back.unwrap();
    prop_assert_eq!(typed.to_json(&back).unwrap(), &json[..]);
    // The bits of a NaN are lost.
    if !json.contains("\"NaN\"") {
        prop_assert_eq!(back, bytes, "{}", json);
    }
    Ok(())
}

/// What serde_json makes of the value is read as the same value, and is what is written.
fn as_by_serde_json<T>(value: &T) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned,
{
    let typed = Typed::of::<T>();
    let json = serde_json::to_string(value).unwrap();
    let bytes = typed.to_bytes(&json);
    prop_assert!(bytes.is_ok(), "{bytes:?} of {json}");
    prop_assert_eq!(typed.to_json(&bytes.unwrap()).unwrap(), &json[..]);
    Ok(())
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Order {
    id: u32,
    lines: Vec<Line>,
    pays: Method,
    note: Option<String>,
    weights: BTreeMap<String, f32>,
    exact: f64,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Line {
    sku: String,
    count: i16,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
enum Method {
    Cash,
    Card(String),
    Split(u8, Box<Method>),
    Invoice { days: u16 },
}

fn method() -> impl Strategy<Value = Method> {
    let leaf = prop_oneof![
        Just(Method::Cash),
        any::<String>().prop_map(Method::Card),
        any::<u16>().prop_map(|days| Method::Invoice { days }),
    ];
    leaf.prop_recursive(3, 4, 1, |inner| {
        (any::<u8>(), inner).prop_map(|(share, inner)| Method::Split(share, Box::new(inner)))
    })
}

fn order() -> impl Strategy<Value = Order> {
    let line = any::<(String, i16)>().prop_map(|(sku, count)| Line { sku, count });
    let finite = prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO;
    (
        any::<u32>(),
        collection::vec(line, 0..4),
        method(),
        any::<Option<String>>(),
        collection::btree_map(any::<String>(), finite, 0..3),
        prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
    )
        .prop_map(|(id, lines, pays, note, weights, exact)| Order {
            id,
            lines,
            pays,
            note,
            weights,
            exact,
        })
}

proptest! {
    #[test]
    fn numbers_of_every_type(value in numbers()) {
        same(&value)?;
    }

    #[test]
    fn texts_and_bytes(value in texts()) {
        same(&value)?;
    }

    #[test]
    fn trees(value in tree()) {
        same(&value)?;
    }

    #[test]
    fn everything_in_one(value in all()) {
        same(&value)?;
    }

    #[test]
    fn structs_and_enums_are_written_as_by_serde_json(value in order()) {
        as_by_serde_json(&value)?;
        same(&value)?;
    }

    #[test]
    fn addresses_and_times(
        value in any::<(Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6, SocketAddr, Duration)>(),
        since in any::<Duration>(),
    ) {
        let time = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
        let (a, b, c, mut d, mut e, f) = value;
        // These two are not in the encoding.
        d.set_flowinfo(0);
        d.set_scope_id(0);
        if let SocketAddr::V6(e) = &mut e {
            e.set_flowinfo(0);
            e.set_scope_id(0);
        }
        same(&((a, b, c, d, e, f), time))?;
        same(&vec![Some(a)])?;
        as_by_serde_json(&(a, Some(b), BTreeMap::from([("c".to_owned(), Box::new(c))])))?;
    }
}
