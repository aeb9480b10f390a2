//! What a type must be to travel as an argument or an answer, and the calls of the macro's output that rely on it.
//!
//! The output could call `ClientCore` and `Request` directly, but then each use of a type that lacks something
//! would be an error of its own. So the macro writes one [`WireType`] for each distinct type of a schema, which is
//! the one place that is checked against it, and everything else names that. Must not know what a call does.

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    access::NodeType,
    call::{BalancedCall, BroadcastCall, ClientCore, GatherCall, Queued, QueuedCall},
    error::JobError,
    queue::{CommandQueue, NodeQueues},
    schema::CommandSpec,
    serve::{CallRequest, Context, JobRequest, JobRun, TellRequest},
    shape,
};

/// Vouches that a type can travel. Tuples of wire_types vouch for tuples.
pub trait WireType {
    /// The type that it vouches for.
    type Type: Serialize + DeserializeOwned + Send + 'static;

    /// The hash of its shape.
    fn shape() -> u64 {
        shape::of::<Self::Type>()
    }
}

macro_rules! tuples {
    ($($wire_type:ident)*) => {
        impl<$($wire_type: WireType),*> WireType for ($($wire_type,)*) {
            type Type = ($($wire_type::Type,)*);
        }
    };
}

tuples!();
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);
tuples!(A B C D E F G H I J K L M);
tuples!(A B C D E F G H I J K L M N);
tuples!(A B C D E F G H I J K L M N O);
tuples!(A B C D E F G H I J K L M N O P);

/// A stub's `balanced` method.
pub fn balanced<A: WireType, T: WireType>(
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> BalancedCall<T::Type> {
    core.balanced(spec, args)
}

/// A stub's `broadcast` method with an answer.
pub fn gather<A: WireType, T: WireType>(
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> GatherCall<T::Type> {
    core.gather(spec, args)
}

/// A stub's `broadcast` method without an answer.
pub fn broadcast<A: WireType>(
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> BroadcastCall {
    core.broadcast(spec, args)
}

/// A stub's `queued balanced` method.
pub fn queued_balanced<A: WireType>(
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> QueuedCall {
    core.queued_balanced(spec, args)
}

/// A stub's `queued broadcast` method.
pub fn queued_broadcast<A: WireType>(
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> GatherCall<Queued> {
    core.queued_broadcast(spec, args)
}

/// The dispatch of a command that is answered.
pub fn answer<A, T, N, F, Fut>(request: CallRequest, handler: F)
where
    A: WireType,
    T: WireType,
    N: NodeType,
    F: FnOnce(Context<N>, A::Type) -> Fut + Send + 'static,
    Fut: Future<Output = T::Type> + Send + 'static,
{
    request.answer(handler);
}

/// The dispatch of a command that nobody waits for.
pub fn tell<A, N, F, Fut>(request: TellRequest, handler: F)
where
    A: WireType,
    N: NodeType,
    F: FnOnce(Context<N>, A::Type) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    request.tell(handler);
}

/// The dispatch of a queued command.
pub fn work<A, N, F, Fut>(request: JobRequest, handler: F) -> JobRun
where
    A: WireType,
    N: NodeType,
    F: FnOnce(Context<N>, A::Type) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), JobError>> + Send + 'static,
{
    request.work(handler)
}

/// The queue of a queued command.
pub fn queue<A: WireType>(queues: &NodeQueues, spec: &CommandSpec) -> CommandQueue<A::Type> {
    queues.of(spec)
}
