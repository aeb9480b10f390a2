//! What the greeter does.

use std::sync::atomic::{AtomicU64, Ordering};

use mesh_runtime::{Context, JobError};
use schema::{Greeter, GreeterHandler, Greeting};

/// The handler. All calls share it.
#[derive(Default)]
pub struct Polite {
    greeted: AtomicU64,
}

impl GreeterHandler for Polite {
    async fn greet(&self, cx: Context<Greeter>, name: String) -> Greeting {
        self.greeted.fetch_add(1, Ordering::Relaxed);
        Greeting {
            text: format!("Hello, {name}!"),
            from: cx.instance().to_string(),
        }
    }

    async fn greeted(&self, _: Context<Greeter>) -> u64 {
        self.greeted.load(Ordering::Relaxed)
    }

    async fn mail(&self, _: Context<Greeter>, name: String) -> Result<(), JobError> {
        println!("a mail to {name}");
        Ok(())
    }
}
