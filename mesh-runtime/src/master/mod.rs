//! skeleton
pub(crate) mod discovery;

use std::marker::PhantomData;
use crate::access::Mesh;
pub struct MasterBuilder<M: Mesh>(PhantomData<fn() -> M>);
impl<M: Mesh> MasterBuilder<M> { #[doc(hidden)] pub fn new() -> Self { Self(PhantomData) } }
