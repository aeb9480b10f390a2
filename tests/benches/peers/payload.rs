//! What goes back and forth: bytes, a list of bytes, or an order.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Anything that is sent and comes back.
pub(crate) trait Payload: Clone + Send + Sync + 'static {
    /// Its length in bytes or lines. An echo has the same.
    fn len(&self) -> usize;
}

impl Payload for Bytes {
    fn len(&self) -> usize {
        Bytes::len(self)
    }
}

impl Payload for Vec<u8> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
}

impl Payload for Order {
    fn len(&self) -> usize {
        self.lines.len()
    }
}

/// An order: for serde and for Protocol Buffers, with the same fields.
#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
pub(crate) struct Order {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, optional, tag = "2")]
    customer: Option<String>,
    #[prost(bool, tag = "3")]
    express: bool,
    #[prost(message, repeated, tag = "4")]
    lines: Vec<Line>,
}

/// One article of an order.
#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
pub(crate) struct Line {
    #[prost(string, tag = "1")]
    article: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint32, tag = "3")]
    quantity: u32,
    #[prost(uint64, tag = "4")]
    cents: u64,
}

/// An order of 24 lines, which takes about 1 KiB.
pub(crate) fn order() -> Order {
    let line = |number: u32| Line {
        article: format!("A-{number:05}"),
        name: "widget, blue, boxed by 12".into(),
        quantity: 1 + number,
        cents: 1999,
    };
    Order {
        id: 4_711_000,
        customer: Some("C-0815".into()),
        express: true,
        lines: (0..24).map(line).collect(),
    }
}
