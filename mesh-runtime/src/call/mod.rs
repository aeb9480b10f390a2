//! skeleton
use std::{future::{IntoFuture, Future}, marker::PhantomData, pin::Pin, time::Duration};
use serde::{Serialize, de::DeserializeOwned};
use crate::{error::CallError, id::{InstanceId, JobId}, schema::CommandSpec};

/// What all stubs have in common.
#[derive(Clone)]
pub struct ClientCore {}
impl ClientCore {
    pub fn balanced<A: Serialize, T: DeserializeOwned>(&self, _spec: &'static CommandSpec, _args: &A) -> Balanced<T> { unimplemented!() }
    pub fn gather<A: Serialize, T: DeserializeOwned>(&self, _spec: &'static CommandSpec, _args: &A) -> GatherCall<T> { unimplemented!() }
    pub fn broadcast<A: Serialize>(&self, _spec: &'static CommandSpec, _args: &A) -> Broadcast { unimplemented!() }
    pub fn queued_balanced<A: Serialize>(&self, _spec: &'static CommandSpec, _args: &A) -> QueuedCall { unimplemented!() }
    pub fn queued_broadcast<A: Serialize>(&self, _spec: &'static CommandSpec, _args: &A) -> GatherCall<Queued> { unimplemented!() }
}
pub type Fut<T> = Pin<Box<dyn Future<Output = T> + Send>>;
#[must_use = "a call does nothing unless awaited"]
pub struct Balanced<T>(PhantomData<fn() -> T>);
impl<T> Balanced<T> {
    pub fn timeout(self, _d: Duration) -> Self { self }
    pub fn to(self, _i: impl Into<InstanceId>) -> Self { self }
    #[doc(hidden)] pub fn keyed<K: Serialize + ?Sized>(self, _key: &K) -> Self { self }
}
impl<T: DeserializeOwned + Send + 'static> IntoFuture for Balanced<T> { type Output = Result<T, CallError>; type IntoFuture = Fut<Self::Output>; fn into_future(self) -> Self::IntoFuture { unimplemented!() } }
#[must_use = "a call does nothing unless awaited"]
pub struct GatherCall<T>(PhantomData<fn() -> T>);
impl<T> GatherCall<T> {
    pub fn timeout(self, _d: Duration) -> Self { self }
    pub fn only(self, _i: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self { self }
    pub fn except(self, _i: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self { self }
    pub fn first(self, _n: usize) -> Self { self }
}
impl<T: DeserializeOwned + Send + 'static> IntoFuture for GatherCall<T> { type Output = Result<Gather<T>, CallError>; type IntoFuture = Fut<Self::Output>; fn into_future(self) -> Self::IntoFuture { unimplemented!() } }
pub struct Gather<T>(PhantomData<fn() -> T>);
#[must_use = "a call does nothing unless awaited"]
pub struct Broadcast {}
impl IntoFuture for Broadcast { type Output = Result<Sent, CallError>; type IntoFuture = Fut<Self::Output>; fn into_future(self) -> Self::IntoFuture { unimplemented!() } }
pub struct Sent { pub to: Vec<InstanceId> }
#[must_use = "a call does nothing unless awaited"]
pub struct QueuedCall {}
impl QueuedCall { #[doc(hidden)] pub fn keyed<K: Serialize + ?Sized>(self, _key: &K) -> Self { self } }
impl IntoFuture for QueuedCall { type Output = Result<Queued, CallError>; type IntoFuture = Fut<Self::Output>; fn into_future(self) -> Self::IntoFuture { unimplemented!() } }
pub struct Queued { pub job_id: JobId, pub instance: InstanceId }
