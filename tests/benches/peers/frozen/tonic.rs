//! tonic with its balanced channel over all servers, and with keep-alives as frequent as our heartbeats.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::LIMIT;
use crate::{
    Failure,
    load::Echo,
    sides::Sides,
    tonic::{TonicEcho, endpoint},
};

const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn balanced(sides: &Sides, addrs: Vec<SocketAddr>) -> Result<TonicCalls, Failure> {
    let endpoints = addrs.into_iter().map(kept_alive);
    let endpoints = endpoints.collect::<Result<Vec<_>, Failure>>()?;
    sides
        .on_client(async move {
            let channel = Channel::balance_list(endpoints.into_iter());
            Ok(TonicCalls(TonicEcho::over(channel)))
        })
        .await
}

fn kept_alive(addr: SocketAddr) -> Result<Endpoint, Failure> {
    Ok(endpoint(addr)?
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

#[derive(Clone)]
pub(super) struct TonicCalls(TonicEcho);

impl Echo for TonicCalls {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        // Includes the time until the channel takes the call.
        timeout(LIMIT, self.0.echo_within(payload, LIMIT)).await?
    }
}
