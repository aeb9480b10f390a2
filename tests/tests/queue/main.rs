//! Queued commands: one suite that every engine passes, by itself ([`engine`]) and behind a mesh ([`mesh`]), what callers do with full queues ([`full`]), and the
//! features that only an engine in Redis has ([`redis_only`]). Each test is named after its situation.

/// Runs each test once for each engine, as `memory::a_test` and `redis::a_test`.
macro_rules! both_engines {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                crate::engines::within(super::$test(crate::engines::Engines::memory())).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                crate::engines::within(async {
                    super::$test(crate::engines::Engines::redis().await).await;
                })
                .await;
            })*
        }
    };
}

mod declarations;
mod engine;
mod engines;
mod full;
mod mesh;
mod redis_only;
mod workshop;
