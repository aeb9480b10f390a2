//! Values that people write in their own way: as text. Those of times that no text can express are written as an object,
//! as serde does it.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    str::FromStr,
    time::{Duration, SystemTime},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error, Visitor},
};
use serde_json::Value;

use super::from_json::quoted;
use crate::schema::Format;

/// The digits of each group of a UUID's text, in bytes.
const UUID_GROUPS: [usize; 5] = [4, 2, 2, 2, 6];

/// The last second that has a text in RFC 3339, as seconds since 1970: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// Encodes the JSON of a value. `error` makes an error of what is wrong.
pub(super) fn encode<S: Serializer>(
    format: Format,
    json: &Value,
    to: S,
    error: impl FnOnce(String) -> S::Error,
) -> Result<S::Ok, S::Error> {
    let expected = |what: &str| format!("expected {what}, got {}", quoted(json));
    macro_rules! parsed {
        ($value:ty, $what:literal) => {
            match json.as_str().and_then(|text| text.parse::<$value>().ok()) {
                Some(value) => value.serialize(to),
                None => Err(error(expected($what))),
            }
        };
    }
    match format {
        Format::Uuid => parsed!(Uuid, "a UUID, as \"67e55044-10b1-426f-9247-bb680e5fe0c8\""),
        Format::Ip => parsed!(IpAddr, "an IP address"),
        Format::Ipv4 => parsed!(Ipv4Addr, "an IPv4 address"),
        Format::Ipv6 => parsed!(Ipv6Addr, "an IPv6 address"),
        Format::Socket => parsed!(SocketAddr, "an IP address with a port, as \"[::1]:80\""),
        Format::SocketV4 => {
            parsed!(
                SocketAddrV4,
                "an IPv4 address with a port, as \"10.0.0.1:80\""
            )
        }
        Format::SocketV6 => parsed!(SocketAddrV6, "an IPv6 address with a port, as \"[::1]:80\""),
        Format::Duration => match time(json, humantime::parse_duration) {
            Some(duration) => duration.serialize(to),
            None => Err(error(expected("a duration, as \"1m 30s\" or \"250ms\""))),
        },
        Format::Time => match time(json, humantime::parse_rfc3339_weak) {
            Some(time) => time.serialize(to),
            None => Err(error(expected(
                "a time from 1970 on in UTC, as \"2026-01-31T12:00:00Z\"",
            ))),
        },
        // Values of formats that are not known are written by their structure.
        Format::Later => Err(error("the format is not known".to_owned())),
    }
}

/// A time as text, or as an object.
fn time<T: DeserializeOwned, E>(
    json: &Value,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    match json {
        Value::String(text) => parse(text).ok(),
        json => T::deserialize(json).ok(),
    }
}

/// Decodes a value, and returns its JSON.
pub(super) fn decode<'de, D: Deserializer<'de>>(
    format: Format,
    from: D,
) -> Result<String, D::Error> {
    macro_rules! displayed {
        ($value:ty) => {
            <$value>::deserialize(from).map(|value| text(&value))
        };
    }
    match format {
        Format::Uuid => displayed!(Uuid),
        Format::Ip => displayed!(IpAddr),
        Format::Ipv4 => displayed!(Ipv4Addr),
        Format::Ipv6 => displayed!(Ipv6Addr),
        Format::Socket => displayed!(SocketAddr),
        Format::SocketV4 => displayed!(SocketAddrV4),
        Format::SocketV6 => displayed!(SocketAddrV6),
        Format::Duration => {
            Duration::deserialize(from).map(|value| text(&humantime::format_duration(value)))
        }
        Format::Time => {
            let time = SystemTime::deserialize(from)?;
            let since = time.duration_since(SystemTime::UNIX_EPOCH);
            if since.is_ok_and(|since| since.as_secs() <= LAST_SECOND) {
                return Ok(text(&humantime::format_rfc3339(time)));
            }
            serde_json::to_string(&time).map_err(D::Error::custom)
        }
        Format::Later => Err(D::Error::custom("the format is not known")),
    }
}

/// A text as JSON. Texts of formats have no characters that JSON escapes.
fn text(value: &dyn Display) -> String {
    format!("\"{value}\"")
}

/// A UUID, encoded as the crate `uuid` does it: as 16 bytes.
struct Uuid([u8; 16]);

impl FromStr for Uuid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 16];
        let mut next = bytes.iter_mut();
        let mut groups = text.split('-');
        for len in UUID_GROUPS {
            let group = groups.next().filter(|group| group.is_ascii()).ok_or(())?;
            if group.len() != 2 * len {
                return Err(());
            }
            for (digits, byte) in group.as_bytes().chunks(2).zip(&mut next) {
                let digits = std::str::from_utf8(digits).map_err(|_| ())?;
                *byte = u8::from_str_radix(digits, 16).map_err(|_| ())?;
            }
        }
        groups.next().is_none().then_some(Self(bytes)).ok_or(())
    }
}

impl Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut next = self.0.iter();
        for (index, len) in UUID_GROUPS.into_iter().enumerate() {
            if index > 0 {
                f.write_str("-")?;
            }
            for byte in next.by_ref().take(len) {
                write!(f, "{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Uuid;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("16 bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Uuid, E> {
                let bytes = bytes.try_into();
                bytes
                    .map(Uuid)
                    .map_err(|_| E::custom("a UUID has 16 bytes"))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
