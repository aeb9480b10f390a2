//! tarpc over TCP with bincode: one task per request on the server, buffers as large as the load.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt;
use tarpc::{
    client, context, serde_transport,
    server::{self, BaseChannel, Channel},
    tokio_serde::formats::Bincode,
    tokio_util::codec::LengthDelimitedCodec,
};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    Failure,
    load::Echo,
    payload::Order,
    sides::{Sides, listen, prompt},
};

/// More requests than are ever in flight.
const BUFFER: usize = 4096;

#[tarpc::service]
pub(crate) trait Mirror {
    async fn echo(payload: Bytes) -> Bytes;
    async fn list(payload: Vec<u8>) -> Vec<u8>;
    async fn order(order: Order) -> Order;
}

#[derive(Clone)]
struct Glass;

impl Mirror for Glass {
    async fn echo(self, _: context::Context, payload: Bytes) -> Bytes {
        payload
    }

    async fn list(self, _: context::Context, payload: Vec<u8>) -> Vec<u8> {
        payload
    }

    async fn order(self, _: context::Context, order: Order) -> Order {
        order
    }
}

pub(crate) async fn start(sides: &Sides) -> Result<TarpcEcho, Failure> {
    let (listener, addr) = sides.on_server(listen()).await?;
    sides.serve(serve(listener));
    sides
        .on_client(async move { Ok(TarpcEcho(MirrorClient::from(connect(addr).await?))) })
        .await
}

/// Serves the first connection that is made, until it closes.
pub(crate) async fn serve(listener: TcpListener) {
    let Ok((tcp, _)) = listener.accept().await else {
        return;
    };
    let Ok(tcp) = prompt(tcp) else { return };
    let framed = LengthDelimitedCodec::builder().new_framed(tcp);
    let transport = serde_transport::new(framed, Bincode::default());
    let config = server::Config {
        pending_response_buffer: BUFFER,
    };
    BaseChannel::new(config, transport)
        .execute(Glass.serve())
        .for_each(|answer| async {
            tokio::spawn(answer);
        })
        .await;
}

/// Connects to a server.
pub(crate) async fn connect(
    addr: SocketAddr,
) -> Result<client::Channel<MirrorRequest, MirrorResponse>, Failure> {
    let tcp = prompt(TcpStream::connect(addr).await?)?;
    let framed = LengthDelimitedCodec::builder().new_framed(tcp);
    let transport = serde_transport::new(framed, Bincode::default());
    let mut config = client::Config::default();
    config.max_in_flight_requests = BUFFER;
    config.pending_request_buffer = BUFFER;
    Ok(client::new::<MirrorRequest, MirrorResponse, _>(config, transport).spawn())
}

#[derive(Clone)]
pub(crate) struct TarpcEcho(MirrorClient);

impl Echo for TarpcEcho {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        Ok(self.0.echo(context::current(), payload).await?)
    }
}

impl Echo<Vec<u8>> for TarpcEcho {
    async fn echo(&mut self, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        Ok(self.0.list(context::current(), payload).await?)
    }
}

impl Echo<Order> for TarpcEcho {
    async fn echo(&mut self, order: Order) -> Result<Order, Failure> {
        Ok(self.0.order(context::current(), order).await?)
    }
}
