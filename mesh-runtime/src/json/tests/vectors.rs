//! Checks the code against `docs/vectors-json.jsonl`: one vector per line, with a type, the JSON of a value, and its
//! bytes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Typed, bytes_of};
use crate::schema::{Format, Structure, TypeDef};

const FILE: &str = include_str!("../../../../docs/vectors-json.jsonl");

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<Line>,
    pays: Method,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    sku: String,
    cents: i32,
}

#[derive(Serialize, Deserialize)]
enum Method {
    Cash,
    Card(String),
    Invoice { days: u16 },
}

#[derive(Serialize, Deserialize)]
struct Name(String);

#[derive(Serialize, Deserialize)]
struct Tree(Vec<Tree>);

/// A line of the file.
#[derive(Serialize)]
struct Vector {
    name: &'static str,
    types: Vec<TypeDef>,
    #[serde(rename = "type")]
    holds: Value,
    json: Value,
    bytes: String,
}

fn vector<T: Serialize + DeserializeOwned>(name: &'static str, value: &T) -> String {
    let mut typed = Typed::of::<T>();
    // They differ between compilers, and where the tests are.
    for def in &mut typed.types {
        def.rust.clear();
    }
    line(name, &typed, &bytes_of(value))
}

fn line(name: &'static str, typed: &Typed, bytes: &[u8]) -> String {
    let json = typed.to_json(bytes).unwrap();
    assert_eq!(typed.to_bytes(&json).unwrap(), bytes, "{name}");
    serde_json::to_string(&Vector {
        name,
        types: typed.types.clone(),
        holds: serde_json::to_value(&typed.holds).unwrap(),
        json: serde_json::from_str(&json).unwrap(),
        bytes: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
    .unwrap()
}

/// The crate `uuid` is no dependency of the tests.
fn uuid() -> String {
    let typed = Typed {
        types: vec![TypeDef {
            name: "Uuid".into(),
            rust: String::new(),
            format: Some(Format::Uuid),
            has_aliases: false,
            structure: serde_json::from_value::<Structure>(
                json!({"kind": "newtype", "of": "bytes"}),
            )
            .unwrap(),
        }],
        holds: serde_json::from_value(json!(0)).unwrap(),
    };
    let bytes: Vec<u8> = [16].into_iter().chain(0x10..0x20).collect();
    line("uuid", &typed, &bytes)
}

fn computed() -> Vec<String> {
    let order = Order {
        id: 1,
        lines: vec![Line {
            sku: "a".into(),
            cents: -500,
        }],
        pays: Method::Card("4711".into()),
        note: None,
    };
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_769_860_800_250);
    let ip: (IpAddr, Ipv4Addr) = ([127, 0, 0, 1].into(), Ipv4Addr::LOCALHOST);
    let socket: SocketAddr = "[::1]:80".parse().unwrap();
    vec![
        vector("bool", &true),
        vector("u8", &255_u8),
        vector("i16", &-300_i16),
        vector("u64.number", &(1_u64 << 53)),
        vector("u64.text", &((1_u64 << 53) + 1)),
        vector("i64.text", &i64::MIN),
        vector("u128", &1_u128),
        vector("i128", &i128::MIN),
        vector("f32", &0.1_f32),
        vector("f64", &-2.5_f64),
        vector("f64.nan", &f64::NAN),
        vector("f64.infinity", &f64::INFINITY),
        vector("f64.negative-infinity", &f64::NEG_INFINITY),
        vector("char", &'ß'),
        vector("text", &"a\"b".to_owned()),
        vector("bytes", &Bytes::from_static(&[1, 2, 0xff])),
        vector("list.u8", &vec![1_u8, 2, 0xff]),
        vector("list.u16", &vec![1_u16, 2]),
        vector("unit", &()),
        vector("option.none", &None::<u8>),
        vector("option.some", &Some(1_u8)),
        vector("option.nested.none", &None::<Option<u8>>),
        vector("option.nested.some-none", &Some(None::<u8>)),
        vector("option.nested.some-some", &Some(Some(1_u8))),
        vector("option.unit", &Some(())),
        vector("array", &[1_u8, 2, 3]),
        vector("tuple", &(1_u8, "a".to_owned())),
        vector("map.text", &BTreeMap::from([("a".to_owned(), 1_u8)])),
        vector("map.number", &BTreeMap::from([(7_u8, true)])),
        vector("newtype", &Name("a".into())),
        vector("struct", &order),
        vector("enum.unit", &Method::Cash),
        vector("enum.newtype", &Method::Card("4711".into())),
        vector("enum.struct", &Method::Invoice { days: 30 }),
        vector("result", &Err::<u8, _>("no".to_owned())),
        vector("recursive", &Tree(vec![Tree(vec![]), Tree(vec![])])),
        uuid(),
        vector("ip", &ip),
        vector("socket", &socket),
        vector("duration", &Duration::from_millis(90_250)),
        vector("duration.days", &Duration::new(400 * 86_400, 1)),
        vector("time", &time),
    ]
}

#[test]
fn the_published_vectors_are_what_this_code_computes() {
    let computed = computed();
    let published: Vec<&str> = FILE.lines().collect();
    assert_eq!(
        published,
        computed,
        "docs/vectors-json.jsonl should be:\n{}\n",
        computed.join("\n")
    );
}
