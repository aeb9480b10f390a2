//! One command is forgotten.

use mesh_runtime::{Context, mesh_schema};

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    node Billing {
        allow: [Gateway];
        connect: [Audit];

        balanced fn charge(order: u8) -> u8;
    }

    node Audit {
        allow: any;

        #[allow(Billing)]
        balanced fn record(event: u8);
        balanced fn count() -> u64;
    }

    node Board {
        connect: [Audit];
    }
}

struct Log;

impl AuditHandler for Log {
    async fn record(&self, _cx: Context<Audit>, _event: u8) {}
}

fn main() {
    let _ = Audit::node(Log);
}
