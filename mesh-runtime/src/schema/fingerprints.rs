//! The fingerprints that go over the wire: hashes of a command's declaration and of the shapes of its types.

use std::{collections::HashMap, hash::Hasher, thread};

use fnv::FnvHasher;

use super::{CommandSpec, NodeSpec, Schema};
use crate::shape::Shape;

/// The stack size for tracing a type, in bytes. `Deserialize` and the trace around it may need more stack than the
/// threads of a runtime have.
const STACK: usize = 16 * 1024 * 1024;

/// The fingerprints of all commands that a node serves or may call. Computed once, when the node starts.
pub(crate) struct Fingerprints(HashMap<&'static str, Vec<(u32, u64)>>);

impl Fingerprints {
    /// Computes the fingerprints that a node of this type needs. Traces the types on a separate thread.
    pub(crate) async fn known_to(schema: &'static Schema, node_type: &'static str) -> Self {
        let trace = move || on_a_deep_stack(&|| Self::trace(schema, node_type));
        tokio::task::spawn_blocking(trace)
            .await
            .unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and the caller ends with it.
                Err(_) => Self(HashMap::new()),
            })
    }

    /// The id and fingerprint of each command of a node type. Empty if this node neither is of that type nor may call
    /// it.
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

/// The fingerprint of one command. Traces its types on a separate thread.
pub(super) fn of_command(command: &CommandSpec) -> u64 {
    on_a_deep_stack(&|| with_shapes(command, |trace| trace().hash()))
}

/// A cache of the hashes of shapes, because one type may be in many commands. The key is the address of the function that traces the
/// type. If the compiler has merged two of these functions, their types have the same shape.
#[derive(Default)]
struct Shapes(HashMap<usize, u64>);

impl Shapes {
    fn of_node(&mut self, node: &NodeSpec) -> Vec<(u32, u64)> {
        node.commands
            .iter()
            .map(|command| {
                let shape = |trace: fn() -> Shape| {
                    let known = self.0.entry(trace as usize);
                    *known.or_insert_with(|| trace().hash())
                };
                (command.id, with_shapes(command, shape))
            })
            .collect()
    }
}

/// Hashes a command's declared fingerprint with the shapes of its arguments, in order, and of its answer.
pub(super) fn with_shapes(
    command: &CommandSpec,
    mut shape: impl FnMut(fn() -> Shape) -> u64,
) -> u64 {
    let mut hash = FnvHasher::default();
    hash.write(&command.fingerprint.to_le_bytes());
    for trace in command.shapes {
        hash.write(&shape(*trace).to_le_bytes());
    }
    hash.finish()
}

/// Runs `work` on a thread with a large stack, or on this thread if no thread can be spawned.
pub(super) fn on_a_deep_stack<T: Send>(work: &(dyn Fn() -> T + Sync)) -> T {
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
