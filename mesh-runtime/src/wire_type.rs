//! What a type must implement to be an argument or an answer, and the functions for the macro's output that rely on it.
//!
//! The output could call `ClientCore` and `Request` directly, but then each use of a type that lacks a trait would be a
//! separate error. So the macro writes one function for each distinct type of a schema, which returns the [`WireType`]
//! of that type as an `impl WireType`. The compiler checks the type once, in that function. Everything else calls the
//! function and relies on its signature. This module must not know what a call does.

use std::{future::Future, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    access::NodeType,
    call::{BalancedCall, BroadcastCall, ClientCore, GatherCall, QueuedCall, QueuedGatherCall},
    error::JobError,
    queue::{CommandQueue, NodeQueues},
    schema::CommandSpec,
    serve::{CallRequest, Context, JobRequest, JobRun, TellRequest},
    shape::Shape,
};

/// What the types of arguments and answers must implement.
///
/// The implementation is `do_not_recommend`, so that a type that lacks several of these traits causes one error, with
/// this text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or an answer of a command",
    label = "must be `Serialize + DeserializeOwned + Send + 'static`",
    note = "`{Self}`, or a type in it, lacks `#[derive(serde::Serialize, serde::Deserialize)]`; if that type is of another crate, see whether the crate has a feature for serde"
)]
pub trait WireValue: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> WireValue for T {}

/// Stands for a type that can be an argument or an answer, or for a tuple of such types. Its values hold no data.
pub trait WireType: Copy {
    /// The type that it stands for.
    type Type: Serialize + DeserializeOwned + Send + 'static;

    /// Its shape.
    fn shape() -> Shape {
        Shape::of::<Self::Type>()
    }
}

/// The [`WireType`] of one type, if that type is a `WireValue`.
pub struct Wire<T>(PhantomData<fn() -> T>);

impl<T> Clone for Wire<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Wire<T> {}

impl<T: WireValue> WireType for Wire<T> {
    type Type = T;
}

/// The body of the function that returns the [`WireType`] of a type. It has no bounds on the type. The return type of
/// the function has them, so that an error points to the type in the schema.
pub const fn wire<T>() -> Wire<T> {
    Wire(PhantomData)
}

/// [`WireType::shape`] of a wire type that is given as a value.
pub const fn shape<T: WireType>(_: T) -> fn() -> Shape {
    T::shape
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
    _: A,
    _: T,
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> BalancedCall<T::Type> {
    core.balanced(spec, args)
}

/// A stub's `broadcast` method with an answer.
pub fn gather<A: WireType, T: WireType>(
    _: A,
    _: T,
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> GatherCall<T::Type> {
    core.gather(spec, args)
}

/// A stub's `broadcast` method without an answer.
pub fn broadcast<A: WireType>(
    _: A,
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> BroadcastCall {
    core.broadcast(spec, args)
}

/// A stub's `queued balanced` method.
pub fn queued_balanced<A: WireType>(
    _: A,
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> QueuedCall {
    core.queued_balanced(spec, args)
}

/// A stub's `queued broadcast` method.
pub fn queued_broadcast<A: WireType>(
    _: A,
    core: &ClientCore,
    spec: &'static CommandSpec,
    args: &A::Type,
) -> QueuedGatherCall {
    core.queued_broadcast(spec, args)
}

/// The dispatch of a command that is answered.
pub fn answer<A, T, N, F, Fut>(_: A, _: T, request: CallRequest, handler: F)
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
pub fn tell<A, N, F, Fut>(_: A, request: TellRequest, handler: F)
where
    A: WireType,
    N: NodeType,
    F: FnOnce(Context<N>, A::Type) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    request.tell(handler);
}

/// The dispatch of a queued command.
pub fn work<A, N, F, Fut>(_: A, request: JobRequest, handler: F) -> JobRun
where
    A: WireType,
    N: NodeType,
    F: FnOnce(Context<N>, A::Type) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), JobError>> + Send + 'static,
{
    request.work(handler)
}

/// The queue of a queued command.
pub fn queue<A: WireType>(_: A, queues: &NodeQueues, spec: &CommandSpec) -> CommandQueue<A::Type> {
    queues.of(spec)
}
