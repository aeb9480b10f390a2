//! The scripts that change queues in Redis: each is one step that happens as a whole or not at all.

use std::sync::LazyLock;

use deadpool_redis::redis::Script;

const COMMON: &str = include_str!("lua/common.lua");

/// A script that may make Redis larger: refused while Redis is out of memory.
fn filling(code: &str) -> Script {
    Script::new(&format!("{COMMON}\n{code}"))
}

/// A script that running jobs and operators need: goes on while Redis is out of memory, or it would stay so.
fn draining(code: &str) -> Script {
    Script::new(&format!("#!lua flags=allow-oom\n{COMMON}\n{code}"))
}

macro_rules! scripts {
    ($($kind:ident $name:ident $file:literal)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| $kind(include_str!(concat!("lua/", $file, ".lua"))));)*
    };
}

scripts! {
    filling ENQUEUE "enqueue"
    filling REQUEUE "requeue"
    draining BURY "bury"
    draining FIND "find"
    draining FINISH "finish"
    draining LEASE "lease"
    draining LEAVE "leave"
    draining LIST "list"
    draining LETTERS "letters"
    draining ORPHANS "orphans"
    draining PROMOTE "promote"
    draining PURGE "purge"
    draining PUT_BACK "put_back"
    draining RECLAIM "reclaim"
    draining RENEW "renew"
    draining RESUME "resume"
    draining STATS "stats"
}
