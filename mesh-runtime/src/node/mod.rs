//! skeleton
use std::marker::PhantomData;
use crate::{access::{MayCall, NodeType}, serve::Serve};
pub struct NodeBuilder<N: NodeType>(PhantomData<fn() -> N>);
impl<N: NodeType> NodeBuilder<N> {
    #[doc(hidden)] pub fn new(_serve: impl Serve<N>) -> Self { Self(PhantomData) }
    #[doc(hidden)] pub fn without_handler() -> Self { Self(PhantomData) }
}
pub struct Node<N: NodeType>(PhantomData<fn() -> N>);
impl<N: NodeType> Node<N> {
    pub fn client<T: NodeType>(&self) -> T::Client<N> where N: MayCall<T> { unimplemented!() }
}
