//! Values that people write in their own way: as text. Times that no text can express are written as an object, with the
//! fields that serde gives them.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use super::{durations, to_json::integer};
use crate::schema::Format;

/// The digits of each group of a UUID's text, in bytes.
const UUID_GROUPS: [usize; 5] = [4, 2, 2, 2, 6];

/// The last second that has a text in RFC 3339, as seconds since 1970: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// How long `2026-01-31T12:00:00` is.
const SECONDS_LEN: usize = 19;

const SECOND_NANOS: u32 = 1_000_000_000;

/// Encodes the text of a value. `error` makes an error of what is expected.
pub(super) fn encode<S: Serializer>(
    format: Format,
    text: &str,
    to: S,
    error: impl FnOnce(&str) -> S::Error,
) -> Result<S::Ok, S::Error> {
    macro_rules! parsed {
        ($value:ty, $what:literal) => {
            match text.parse::<$value>() {
                Ok(value) => value.serialize(to),
                Err(_) => Err(error($what)),
            }
        };
    }
    match format {
        Format::Uuid => parsed!(Uuid, "a UUID, as \"67e55044-10b1-426f-9247-bb680e5fe0c8\""),
        Format::Ip => parsed!(IpAddr, "an IP address"),
        Format::Ipv4 => parsed!(Ipv4Addr, "an IPv4 address"),
        Format::Ipv6 => parsed!(Ipv6Addr, "an IPv6 address"),
        // The scope of an IPv6 address does not travel.
        Format::Socket | Format::SocketV6 if text.contains('%') => {
            Err(error("an address without a scope"))
        }
        Format::Socket => parsed!(SocketAddr, "an IP address with a port, as \"[::1]:80\""),
        Format::SocketV4 => {
            parsed!(
                SocketAddrV4,
                "an IPv4 address with a port, as \"10.0.0.1:80\""
            )
        }
        Format::SocketV6 => parsed!(SocketAddrV6, "an IPv6 address with a port, as \"[::1]:80\""),
        Format::Duration => match durations::parse(text) {
            Some(duration) => duration.serialize(to),
            None => Err(error("a duration, as \"1m 30s\" or \"250ms\"")),
        },
        Format::Time => match time(text) {
            Some(time) => time.serialize(to),
            None => Err(error(
                "a time from 1970 on in UTC, as \"2026-01-31T12:00:00Z\"",
            )),
        },
        // The type is written by its structure.
        Format::Later => Err(error("a format that this version knows")),
    }
}

/// A time as seconds, with up to nine digits behind the point.
fn time(text: &str) -> Option<SystemTime> {
    let rest = text.get(SECONDS_LEN..)?.strip_suffix('Z')?;
    let is_fraction = match rest.strip_prefix('.') {
        Some(digits) => {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit())
        }
        None => rest.is_empty(),
    };
    let time = humantime::parse_rfc3339(text).ok()?;
    (is_fraction && time >= UNIX_EPOCH).then_some(time)
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
        Format::Duration => seconds(from).map(|(seconds, nanos)| {
            if nanos >= SECOND_NANOS {
                return object(["secs", "nanos"], seconds, nanos);
            }
            text(&durations::text(Duration::new(seconds, nanos)))
        }),
        Format::Time => seconds(from).map(|(seconds, nanos)| {
            if seconds > LAST_SECOND || nanos >= SECOND_NANOS {
                return object(["secs_since_epoch", "nanos_since_epoch"], seconds, nanos);
            }
            let time = UNIX_EPOCH + Duration::new(seconds, nanos);
            text(&humantime::format_rfc3339(time))
        }),
        Format::Later => Err(D::Error::custom("the format is not known")),
    }
}

/// How durations and times are encoded: seconds and nanoseconds.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<(u64, u32), D::Error> {
    <(u64, u32)>::deserialize(from)
}

fn object([first, second]: [&str; 2], seconds: u64, nanos: u32) -> String {
    format!("{{\"{first}\":{},\"{second}\":{nanos}}}", integer(seconds))
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
            let group = groups.next().ok_or(())?;
            if group.len() != 2 * len || !group.bytes().all(|digit| digit.is_ascii_hexdigit()) {
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
