//! Orders, as JSON and as values.

use serde_json::{Value, json};

use super::v1;

/// The arguments of `charge` in the first version: an order of 500 cents.
pub(crate) fn args(customer: &str) -> Value {
    json!({
        "order": {
            "id": 7,
            "customer": {"name": customer, "country": "DE"},
            "lines": [{"sku": "tea", "cents": 300}, {"sku": "cup", "cents": 200}],
            "payment": {"Card": "4000"},
        }
    })
}

/// The same in the second version.
pub(crate) fn later_args(customer: &str) -> Value {
    let mut args = args(customer);
    args["order"]["currency"] = json!("EUR");
    args
}

/// The order in these arguments.
pub(crate) fn order(customer: &str) -> v1::Order {
    serde_json::from_value(args(customer)["order"].take()).expect("an order")
}
