//! What does not suit its type is refused, with the place and with what would be right.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Typed, bytes_of};
use crate::schema::{CommandDescription, SchemaDescription};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<Line>,
    pays: Method,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    cents: u32,
    tags: HashMap<String, (u8, f32)>,
}

#[derive(Serialize, Deserialize)]
enum Method {
    Cash,
    Card { number: String },
}

fn refusal<T: DeserializeOwned>(json: &str) -> String {
    Typed::of::<T>().to_bytes(json).unwrap_err().to_string()
}

fn order_with(lines: &str, pays: &str) -> String {
    format!(r#"{{"id": 1, "lines": [{lines}], "pays": {pays}}}"#)
}

#[test]
fn a_wrong_value_is_named_with_its_path() {
    let fine = r#"{"cents": 1, "tags": {}}"#;
    let cases = [
        (
            order_with(
                &format!(r#"{fine}, {fine}, {{"cents": "x", "tags": {{}}}}"#),
                "\"Cash\"",
            ),
            r#"lines[2].cents: expected a number, got "x""#,
        ),
        (
            order_with(r#"{"cents": -1, "tags": {}}"#, "\"Cash\""),
            "lines[0].cents: expected a number from 0 to 4294967295, got -1",
        ),
        (
            order_with(r#"{"cents": 1.5, "tags": {}}"#, "\"Cash\""),
            "lines[0].cents: expected an integer, got 1.5",
        ),
        (
            order_with(r#"{"cents": 1, "tags": {"a b": [1, "much"]}}"#, "\"Cash\""),
            "lines[0].tags[\"a b\"][1]: expected a number, \"NaN\", \"Infinity\" or \"-Infinity\", got \"much\"",
        ),
        (
            order_with(r#"{"cents": 1, "tags": {"a": [1]}}"#, "\"Cash\""),
            "lines[0].tags[\"a\"]: expected a list of 2, got one of 1",
        ),
        (
            order_with("", "\"Gold\""),
            "pays: no variant is named \"Gold\"; there are Cash, Card",
        ),
        (
            order_with("", "\"Card\""),
            "pays: the variant has contents: write {\"Card\": …}, with {number: text} for the dots",
        ),
        (
            order_with("", r#"{"Card": {"number": 4711}}"#),
            "pays.Card.number: expected a text, got 4711",
        ),
        (
            order_with("7", "\"Cash\""),
            "lines[0]: expected an object with the fields of Line, got 7",
        ),
    ];
    for (json, problem) in cases {
        assert_eq!(refusal::<Order>(&json), problem, "{json}");
    }
}

#[test]
fn missing_fields_are_listed_with_their_types_and_unknown_ones_with_the_known() {
    assert_eq!(
        refusal::<Order>("{}"),
        "Order lacks the fields id (u64), lines ([Line]), pays (Method)"
    );
    assert_eq!(
        refusal::<Order>(r#"{"id": 1, "lines": [{"cents": 1}], "pays": "Cash"}"#),
        "lines[0]: Line lacks the field tags ({text: (u8, f32)})"
    );
    assert_eq!(
        refusal::<Order>(r#"{"id": 1, "lines": [], "pays": "Cash", "cent": 1}"#),
        "Order has no field \"cent\"; there are id, lines, pays, note"
    );
}

#[test]
fn each_kind_of_value_says_what_it_expects() {
    assert_eq!(refusal::<bool>("1"), "expected true or false, got 1");
    assert_eq!(
        refusal::<u8>("256"),
        "expected a number from 0 to 255, got 256"
    );
    assert_eq!(refusal::<u8>("\"\""), "expected a number, got \"\"");
    assert_eq!(refusal::<u8>("null"), "expected a number, got null");
    assert_eq!(
        refusal::<u128>("20000000000000000000000000"),
        "expected an integer, in quotes as it is over 18446744073709551615 or under -9223372036854775808, got 2e+25"
    );
    assert_eq!(
        refusal::<f32>("1e300"),
        "expected a number that an f32 can hold, got 1e+300"
    );
    assert_eq!(
        refusal::<char>("\"ab\""),
        "expected a text of one character, got \"ab\""
    );
    assert_eq!(refusal::<()>("[]"), "expected null, got a list");
    assert_eq!(
        refusal::<Vec<u8>>("{}"),
        "expected bytes as base64, or as a list of numbers, got an object"
    );
    assert_eq!(
        refusal::<Vec<u8>>("[1, 256]"),
        "[1]: expected a number from 0 to 255, got 256"
    );
    assert!(refusal::<Vec<u8>>("\"*\"").starts_with("not base64: "));
    assert_eq!(
        refusal::<Vec<u16>>("\"AQ==\""),
        "expected a list, got \"AQ==\""
    );
    assert_eq!(
        refusal::<Option<Option<u8>>>("1"),
        "expected null or {\"some\": …}, got 1"
    );
    assert_eq!(
        refusal::<BTreeMap<u8, u8>>("{}"),
        "expected a list of [key, value], got an object"
    );
    assert_eq!(
        refusal::<BTreeMap<u8, u8>>("[[1]]"),
        "[0]: expected [key, value], got a list"
    );
    assert_eq!(
        refusal::<Ipv4Addr>("\"::1\""),
        "expected an IPv4 address, got \"::1\""
    );
    assert_eq!(
        refusal::<Option<Duration>>("\"fast\""),
        "expected a duration, as \"1m 30s\" or \"250ms\", got \"fast\""
    );
    assert_eq!(
        refusal::<(SystemTime,)>("[\"yesterday\"]"),
        "[0]: expected a time from 1970 on in UTC, as \"2026-01-31T12:00:00Z\", got \"yesterday\""
    );
    assert_eq!(
        refusal::<u8>("{"),
        "not JSON: EOF while parsing an object at line 1 column 1"
    );
    let long = format!("\"{}\"", "x".repeat(1000));
    assert_eq!(
        refusal::<u8>(&long).chars().count(),
        "expected a number, got ".len() + 41
    );
}

#[test]
fn both_forms_of_bytes_and_of_times_are_read() {
    let bytes = Typed::of::<Vec<u8>>();
    for json in ["[1, 2, 3, 4]", "\"AQIDBA==\"", "\"AQIDBA\""] {
        assert_eq!(bytes.to_bytes(json).unwrap(), [4, 1, 2, 3, 4]);
    }
    let duration = Typed::of::<Duration>();
    for json in ["\"1m 30s\"", "\"90s\"", "{\"secs\": 90, \"nanos\": 0}"] {
        assert_eq!(
            duration.to_bytes(json).unwrap(),
            bytes_of(&Duration::from_secs(90))
        );
    }
    let wrong = [
        "\"2026-01-31T12:00:00.250+02:00\"",
        "\"2026-01-31T12:00:00+02:00\"",
        "\"2026-01-31T12:00:00.0000000001Z\"",
        "\"1969-12-31T23:59:59Z\"",
    ];
    for json in wrong {
        let refused = refusal::<SystemTime>(json);
        assert!(
            refused.starts_with("expected a time from 1970 on in UTC"),
            "{refused}"
        );
    }
    assert!(refusal::<std::net::SocketAddr>("\"[fe80::1%3]:80\"").contains("without a scope"));
    // Also where serde does not say the type's name.
    #[derive(Serialize, Deserialize)]
    struct At(SystemTime);
    #[derive(Serialize, Deserialize)]
    struct For(Duration);
    let typed = Typed::of::<(At, For, Option<Box<SystemTime>>, [Duration; 3])>();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let second = Duration::from_secs(1);
    let bytes = bytes_of(&(At(at), For(second), Some(at), [second; 3]));
    assert_eq!(
        typed.to_json(&bytes).unwrap(),
        r#"["1970-01-01T00:00:01Z","1s","1970-01-01T00:00:01Z",["1s","1s","1s"]]"#
    );
    let arrays = typed.types.iter().filter(|def| {
        matches!(
            def.structure,
            crate::schema::Structure::Array { len: 3, .. }
        )
    });
    assert_eq!(arrays.count(), 1);
    // A time that has no text.
    let time = Typed::of::<SystemTime>();
    let late = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    let json = time.to_json(&bytes_of(&late)).unwrap();
    assert_eq!(
        json,
        "{\"secs_since_epoch\":1099511627776,\"nanos_since_epoch\":0}"
    );
    assert_eq!(time.to_bytes(&json).unwrap(), bytes_of(&late));
    let json = "{\"secs_since_epoch\":\"18446744073709551615\",\"nanos_since_epoch\":1}";
    let bytes = time.to_bytes(json).unwrap();
    assert_eq!(time.to_json(&bytes).unwrap(), json);
}

#[test]
fn a_map_with_a_key_twice_is_written_as_pairs() {
    let typed = Typed::of::<BTreeMap<String, u8>>();
    let bytes = [2, 1, b'a', 1, 1, b'a', 2];
    let json = typed.to_json(&bytes).unwrap();
    assert_eq!(json, r#"[["a",1],["a",2]]"#);
    assert_eq!(typed.to_bytes(&json).unwrap(), bytes);
}

#[derive(Serialize, Deserialize)]
struct Renamed {
    #[serde(alias = "old")]
    new: u8,
}

#[derive(Serialize, Deserialize)]
enum RenamedVariant {
    #[serde(alias = "Old")]
    New,
    Other,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Text(String),
}

#[derive(Serialize)]
struct Even(u8);

impl<'de> Deserialize<'de> for Even {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let _ = u8::deserialize(deserializer)?;
        Err(serde::de::Error::custom("never"))
    }
}

#[derive(Serialize, Deserialize)]
struct Behind {
    even: Even,
    count: u8,
}

/// Reads a number or a text, depending on what it has read before.
struct Tagged;

#[derive(Deserialize)]
enum Tag {
    Number,
    Text,
}

impl<'de> Deserialize<'de> for Tagged {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> serde::de::Visitor<'de> for Parts {
            type Value = Tagged;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a tag, and what it says")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut parts: A,
            ) -> Result<Tagged, A::Error> {
                match parts.next_element()? {
                    Some(Tag::Number) => drop(parts.next_element::<u32>()?),
                    Some(Tag::Text) | None => drop(parts.next_element::<String>()?),
                }
                Ok(Tagged)
            }
        }

        deserializer.deserialize_tuple(2, Parts)
    }
}

#[test]
fn what_cannot_be_expressed_is_said_by_name_in_both_directions() {
    let both = |typed: Typed, json: &str, bytes: &[u8], problem: &str| {
        let there = typed.to_bytes(json).unwrap_err().to_string();
        let back = typed.to_json(bytes).unwrap_err().to_string();
        assert!(there.contains(problem), "{there}");
        assert!(back.contains(problem), "{back}");
    };
    let aliases =
        "has `#[serde(alias)]`, so it is not known which name belongs to which of its parts";
    both(
        Typed::of::<Vec<Renamed>>(),
        "[{}]",
        &[1, 1],
        &format!("[0]: `Renamed` {aliases}"),
    );
    both(
        Typed::of::<RenamedVariant>(),
        "\"New\"",
        &[0],
        &format!("`RenamedVariant` {aliases}"),
    );
    both(
        Typed::of::<(u8, Untagged)>(),
        "[1, 1]",
        &[1, 1],
        "[1]: the type is read by `deserialize_any`, which mesh's encoding does not have",
    );
    both(
        Typed::of::<Tagged>(),
        r#"["Number", 1]"#,
        &[0, 1],
        "[1]: the type here depends on the data: u32 or text",
    );
    both(
        Typed::of::<Behind>(),
        r#"{"even": 2, "count": 1}"#,
        &[2, 1],
        "count: the type here is not known",
    );
}

#[test]
fn bytes_that_are_no_value_are_named_with_their_path() {
    let problem = |bytes: &[u8]| Typed::of::<Order>().to_json(bytes).unwrap_err().to_string();
    assert_eq!(
        problem(&[1, 2, 5, 0]),
        "lines[1].cents: the bytes end before the value does"
    );
    assert_eq!(
        problem(&[1, 0, 2]),
        "pays: there is no variant number 2 (after 3 bytes)"
    );
    assert_eq!(
        problem(&[1, 0, 0, 0, 9]),
        "1 bytes are left over after the value"
    );
}

fn described() -> (SchemaDescription, CommandDescription) {
    let json = r#"{
        "mesh": "Shop", "fingerprint": "0x0000000000000001", "later": 7, "types": [],
        "nodes": [{"name": "Billing", "links_to": [], "commands": [{
            "name": "pay", "id": "0x00000001", "fingerprint": "0x01", "wire_fingerprint": "0x02",
            "delivery": "balanced", "options": {"later": true},
            "args": [
                {"name": "from", "rust": "u8", "type": "u8"},
                {"name": "to", "rust": "Name", "type": 7},
                {"name": "newer", "rust": "f16", "type": "f16"}
            ]
        }]}]
    }"#;
    let description = SchemaDescription::from_json(json).unwrap();
    let command = description.command("Billing", "pay").unwrap().clone();
    (description, command)
}

#[test]
fn arguments_are_named_and_what_a_later_version_adds_is_skipped() {
    let (description, command) = described();
    let refusal = |json| {
        description
            .args_from_json(&command, json)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refusal(r#"{"from": 300, "to": 1, "newer": 1}"#),
        "from: expected a number from 0 to 255, got 300"
    );
    assert_eq!(
        refusal("{}"),
        "pay lacks the fields from (u8), to (?), newer (?)"
    );
    assert_eq!(
        refusal(r#"{"from": 1, "to": 1, "newer": 1}"#),
        "to: the description lacks type 7"
    );
    assert_eq!(description.answer_to_json(&command, &[]).unwrap(), "null");
    assert!(SchemaDescription::from_json("{\"mesh\": \"Shop\"}").is_err());
}
