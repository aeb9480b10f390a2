//! The pipeline on token strings: which mistakes are found, what is generated, and that nothing makes it panic.
//! What the compiler says of the output is tested in the workspace's `tests/`.

mod expansion;
mod mistakes;
mod mutations;
mod signatures;

use proc_macro2::TokenStream;

/// The schema that most tests start from: one of everything.
const SHOP: &str = r#"
    /// An online shop.
    pub mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    /// Charges customers.
    node Billing {
        allow: [Gateway];
        connect: [Audit];

        /// Charges one order.
        #[timeout = "2s"]
        #[key = order.id]
        balanced fn charge(order: Order) -> Result<Receipt, Declined>;

        #[deprecated(note = "count them")]
        broadcast fn open_orders() -> u64;

        broadcast fn flush(reason: String);

        #[orphans = "adopt"]
        queued broadcast fn reindex(range: DateRange);

        #[cfg(feature = "export")]
        #[attempts = 5]
        #[backoff = "250ms"]
        #[incompatible = "1h"]
        queued balanced fn export(day: Date, r#type: u8);
    }

    node Audit {
        allow: any;

        #[idempotent]
        #[concurrency = 8]
        #[version = 3]
        #[allow(Billing)]
        balanced fn record(event: Event);
    }
"#;

fn tokens(schema: &str) -> TokenStream {
    schema
        .parse()
        .expect("a test's schema is made of Rust tokens")
}

/// Every message about a schema.
fn mistakes(schema: &str) -> Vec<String> {
    crate::schema_steps(tokens(schema)).1.messages()
}

/// The expansion of a schema without mistakes.
fn file(schema: &str) -> syn::File {
    let (output, errors) = crate::schema_steps(tokens(schema));
    assert!(errors.is_empty(), "{:?}", errors.messages());
    syn::parse2(output).expect("the expansion is a file of items")
}
