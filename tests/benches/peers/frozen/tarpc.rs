//! tarpc with its round robin over one connection to each server.

use std::{net::SocketAddr, time::Instant};

use bytes::Bytes;
use tarpc::{
    client::{Channel, stub::load_balance::RoundRobin},
    context,
};

use super::LIMIT;
use crate::{
    Failure,
    load::Echo,
    sides::Sides,
    tarpc::{MirrorClient, MirrorRequest, MirrorResponse, connect},
};

pub(super) async fn connect_all(
    sides: &Sides,
    addrs: Vec<SocketAddr>,
) -> Result<TarpcCalls, Failure> {
    sides
        .on_client(async move {
            let mut channels = Vec::new();
            for addr in addrs {
                channels.push(connect(addr).await?);
            }
            Ok(TarpcCalls(MirrorClient::from(RoundRobin::new(channels))))
        })
        .await
}

#[derive(Clone)]
pub(super) struct TarpcCalls(MirrorClient<RoundRobin<Channel<MirrorRequest, MirrorResponse>>>);

impl Echo for TarpcCalls {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        let mut context = context::current();
        context.deadline = Instant::now() + LIMIT;
        Ok(self.0.echo(context, payload).await?)
    }
}
