//! The payload: one value, in three sizes.

use bytes::Bytes;
use mesh_runtime::__bench as mesh;
use serde::{Deserialize, Serialize};

/// A typical order. Its note pads it to the desired length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    id: u64,
    customer: Option<String>,
    express: bool,
    lines: Vec<Line>,
    note: String,
}

/// One article of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    article: String,
    quantity: u32,
    cents: u64,
}

/// An order that takes `bytes` when it is encoded: one line per 32 bytes, but no more than 100 lines.
pub(crate) fn order(bytes: usize) -> Order {
    let line = |number: usize| Line {
        article: format!("A-{number:05}"),
        quantity: 1 + number as u32,
        cents: 1999,
    };
    let mut order = Order {
        id: 4_711_000,
        customer: Some("C-0815".into()),
        express: true,
        lines: (0..(bytes / 32).min(100)).map(line).collect(),
        note: String::new(),
    };
    // The note's length itself takes one byte up to 250, three up to 65,535.
    let missing = bytes - encoded(&order).len();
    let note = missing - if missing > 250 { 2 } else { 0 };
    order.note = "x".repeat(note);
    assert_eq!(encoded(&order).len(), bytes, "the order has another length");
    order
}

/// An order, encoded.
pub(crate) fn payload(bytes: usize) -> Bytes {
    encoded(&order(bytes))
}

fn encoded(order: &Order) -> Bytes {
    mesh::encode(order).expect("an order can be encoded")
}
