//! The fingerprints that go over the wire: what a command is declared as, and the shapes of its types.

use std::{collections::HashMap, hash::Hasher, thread};

use fnv::FnvHasher;

use super::{CommandSpec, NodeSpec, Schema};

/// What a type's `Deserialize` and the trace around it may need; the threads of a runtime have less.
const STACK: usize = 16 * 1024 * 1024;

/// The fingerprints of all commands that a node serves or may call. Made once, when it starts.
pub(crate) struct Fingerprints(HashMap<&'static str, Vec<(u32, u64)>>);

impl Fingerprints {
    /// Those that matter to a node of that type. Traces their types, on a thread of its own.
    pub(crate) async fn known_to(schema: &'static Schema, node_type: &'static str) -> Self {
        let trace = move || on_a_deep_stack(&|| Self::trace(schema, node_type));
        tokio::task::spawn_blocking(trace)
            .await
            .unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and with it whoever has asked.
                Err(_) => Self(HashMap::new()),
            })
    }

    /// Id and fingerprint of each command of a node type; none where that type is none of this node's business.
    pub(crate) fn of(&self, node_type: &str) -> &[(u32, u64)] {
        self.0.get(node_type).map_or(&[], Vec::as_slice)
    }

    fn trace(schema: &Schema, node_type: &str) -> Self {
        let mut shapes = Shapes::default();
        let concerned = schema
            .nodes
            .iter()
            .filter(|node| node.name == node_type || schema.may_call(node_type, node.name));
        Self(
            concerned
                .map(|node| (node.name, shapes.of_node(node)))
                .collect(),
        )
    }
}

/// The fingerprint of one command. Traces its types, on a thread of its own.
pub(super) fn of_command(command: &CommandSpec) -> u64 {
    on_a_deep_stack(&|| with_shapes(command, |trace| trace()))
}

/// The shapes that are known already: one type is in many commands. By the address of the function that traces it; where
/// two of them have become one, their types trace alike.
#[derive(Default)]
struct Shapes(HashMap<usize, u64>);

impl Shapes {
    fn of_node(&mut self, node: &NodeSpec) -> Vec<(u32, u64)> {
        node.commands
            .iter()
            .map(|command| {
                let shape =
                    |trace: fn() -> u64| *self.0.entry(trace as usize).or_insert_with(trace);
                (command.id, with_shapes(command, shape))
            })
            .collect()
    }
}

/// A command's declared fingerprint with the shapes of its arguments, in their order, and of its answer.
fn with_shapes(command: &CommandSpec, mut shape: impl FnMut(fn() -> u64) -> u64) -> u64 {
    let mut hash = FnvHasher::default();
    hash.write(&command.fingerprint.to_le_bytes());
    for trace in command.shapes {
        hash.write(&shape(*trace).to_le_bytes());
    }
    hash.finish()
}

/// Runs `work` where there is room for it; here, if no thread can be had.
fn on_a_deep_stack<T: Send>(work: &(dyn Fn() -> T + Sync)) -> T {
    thread::scope(|scope| {
        let builder = thread::Builder::new()
            .name("mesh-shapes".into())
            .stack_size(STACK);
        match builder.spawn_scoped(scope, work) {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => work(),
        }
    })
}
