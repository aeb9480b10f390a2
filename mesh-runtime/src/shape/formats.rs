//! Knows the types whose values people write in their own way, by the compiler's names.

use std::{
    any::type_name,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    time::{Duration, SystemTime},
};

use super::types::Format;

/// Pointers that serde looks through.
const POINTERS: [&str; 3] = ["Box<", "Arc<", "Rc<"];

/// The short name, the compiler's name and the format of a type, if it has a format.
pub(super) fn of(name: &'static str) -> Option<(&'static str, &'static str, Format)> {
    let name = through_pointers(name);
    let known = [
        // The compiler's name of a type starts with the crate that it is in.
        ("Uuid", "uuid::Uuid", Format::Uuid),
        ("IpAddr", type_name::<IpAddr>(), Format::Ip),
        ("Ipv4Addr", type_name::<Ipv4Addr>(), Format::Ipv4),
        ("Ipv6Addr", type_name::<Ipv6Addr>(), Format::Ipv6),
        ("SocketAddr", type_name::<SocketAddr>(), Format::Socket),
        (
            "SocketAddrV4",
            type_name::<SocketAddrV4>(),
            Format::SocketV4,
        ),
        (
            "SocketAddrV6",
            type_name::<SocketAddrV6>(),
            Format::SocketV6,
        ),
        ("Duration", type_name::<Duration>(), Format::Duration),
        ("SystemTime", type_name::<SystemTime>(), Format::Time),
    ];
    known.into_iter().find(|(_, known, _)| *known == name)
}

/// `SystemTime` in place of `Duration`.
pub(super) fn as_time(name: Option<&'static str>) -> Option<&'static str> {
    match name {
        Some(name) if through_pointers(name) == type_name::<Duration>() => {
            Some(type_name::<SystemTime>())
        }
        name => name,
    }
}

/// The type in an option, by the compiler's name of the option.
pub(super) fn in_option(name: &'static str) -> Option<&'static str> {
    inside(name, "Option<")
}

fn through_pointers(mut name: &'static str) -> &'static str {
    while let Some(held) = POINTERS.iter().find_map(|pointer| inside(name, pointer)) {
        name = held;
    }
    name
}

/// `T`, if the name is a path that ends in `pointer` and is followed by `T>`.
fn inside(name: &'static str, pointer: &str) -> Option<&'static str> {
    let (path, held) = name.split_once(pointer)?;
    let is_path = path
        .chars()
        .all(|c| c == ':' || c == '_' || c.is_alphanumeric());
    let ends_path = path.is_empty() || path.ends_with(':');
    (is_path && ends_path).then(|| held.strip_suffix('>'))?
}
