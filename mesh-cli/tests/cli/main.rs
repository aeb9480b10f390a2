//! The command `mesh`, run as a process of its own against meshes whose nodes are in this one.

mod bench;
mod call;
mod call_arguments;
mod call_versions;
mod check;
mod completion;
mod connecting;
mod dependencies;
mod drain;
mod escapes;
mod events;
mod jobs_look;
mod jobs_redis;
mod jobs_steer;
mod key;
mod links;
mod nodes;
mod observer;
mod profiles;
mod schema;
#[allow(dead_code, unused_imports, reason = "other test binaries use the rest")]
mod support;
mod top;
