//! skeleton
use std::{future::Future, marker::PhantomData};
use serde::{Serialize, de::DeserializeOwned};
use crate::{access::{MayCall, NodeType}, error::JobError};
/// The handler's view of its call and its node.
pub struct Context<N: NodeType>(PhantomData<fn() -> N>);
impl<N: NodeType> Context<N> {
    pub fn client<T: NodeType>(&self) -> T::Client<N> where N: MayCall<T> { unimplemented!() }
}
/// One command to be served. The macro's dispatch takes it apart.
pub struct Request<N: NodeType>(PhantomData<fn() -> N>);
impl<N: NodeType> Request<N> {
    pub fn command(&self) -> u32 { unimplemented!() }
    pub fn answer<A, T, F, Fut>(self, _handler: F) where A: DeserializeOwned + Send + 'static, T: Serialize + Send + 'static, F: FnOnce(Context<N>, A) -> Fut + Send + 'static, Fut: Future<Output = T> + Send + 'static { unimplemented!() }
    pub fn tell<A, F, Fut>(self, _handler: F) where A: DeserializeOwned + Send + 'static, F: FnOnce(Context<N>, A) -> Fut + Send + 'static, Fut: Future<Output = ()> + Send + 'static { unimplemented!() }
    pub fn work<A, F, Fut>(self, _handler: F) where A: DeserializeOwned + Send + 'static, F: FnOnce(Context<N>, A) -> Fut + Send + 'static, Fut: Future<Output = Result<(), JobError>> + Send + 'static { unimplemented!() }
    pub fn unknown(self) { unimplemented!() }
}
/// The macro's dispatch of one node type.
pub trait Serve<N: NodeType>: Send + Sync + 'static {
    fn serve(&self, request: Request<N>);
}
