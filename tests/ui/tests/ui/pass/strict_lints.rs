//! What is generated gives no lint of the user's anything to say, those that are off by default included.

#![deny(warnings, unused, nonstandard_style, future_incompatible, rust_2018_idioms)]
#![deny(
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    keyword_idents,
    let_underscore_drop,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_abi,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    tail_expr_drop_order,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unsafe_code,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]

mod billing {
    use mesh_runtime::{Context, JobError, mesh_node};

    mesh_node! {
        /// Charges customers.
        pub(crate) node Billing {
            allow: [Gateway];
            connect: [Audit];

            /// Charges one order.
            #[timeout = "2s"]
            #[key = order]
            balanced fn charge(order: u64) -> Result<u64, String>;

            /// Works off a day.
            #[attempts = 5]
            #[backoff = "1s"]
            #[allow(Gateway)]
            queued balanced fn export(day: u32, all: bool);
        }
    }

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Ledger;

    impl BillingHandler for Ledger {
        async fn charge(&self, _cx: Context<Billing>, order: u64) -> Result<u64, String> {
            Ok(order)
        }

        async fn export(&self, _cx: Context<Billing>, _day: u32, _all: bool) -> Result<(), JobError> {
            Ok(())
        }
    }
}

mesh_runtime::mesh_schema! {
    /// An online shop.
    pub(crate) mesh Shop;

    node billing::Billing;

    /// The public edge.
    node Gateway {
        connect: any;
    }

    /// Keeps the books.
    node Audit {
        allow: any;

        /// Tells how many.
        broadcast fn count() -> u64;

        /// Forgets all.
        broadcast fn flush(reason: String);

        /// Counts again.
        #[orphans = "adopt"]
        queued broadcast fn recount();
    }
}

fn main() {
    drop((billing::Billing::node(billing::Ledger), Gateway::node(), Shop::master()));
}
