//! tonic over HTTP/2 without TLS, with Protocol Buffers. The service is written by hand as `tonic-build` would write
//! it, so that no compiler for .proto files is needed.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    client::Grpc,
    codegen::{Service, http, http::uri::PathAndQuery},
    server::{self, NamedService, UnaryService},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

use crate::{
    Failure,
    load::Echo,
    payload::Order,
    sides::{Sides, listen},
};

/// Room for a large payload in every call, so that flow control does not delay them.
const WINDOW: u32 = 64 * 1024 * 1024;
/// Longer than any payload here.
const MAX_MESSAGE: usize = 8 * 1024 * 1024;
const ECHO: &str = "/bench.Mirror/Echo";
const ORDER: &str = "/bench.Mirror/Order";

/// The message of bytes, in both directions.
#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
}

/// The methods: each returns its message.
#[derive(Clone)]
struct EchoMethod;

impl<M: Send + 'static> UnaryService<M> for EchoMethod {
    type Response = M;
    type Future = Ready<Result<Response<M>, Status>>;

    fn call(&mut self, request: Request<M>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

/// The service: finds the method by its path.
#[derive(Clone)]
struct Mirror;

impl NamedService for Mirror {
    const NAME: &'static str = "bench.Mirror";
}

impl Service<http::Request<Body>> for Mirror {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            match request.uri().path() {
                ECHO => Ok(answer::<Payload>(request).await),
                ORDER => Ok(answer::<Order>(request).await),
                _ => Ok(Status::unimplemented("no such method").into_http()),
            }
        })
    }
}

async fn answer<M: prost::Message + Default + 'static>(
    request: http::Request<Body>,
) -> http::Response<Body> {
    let codec = ProstCodec::<M, M>::default();
    let mut grpc = server::Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE);
    grpc.unary(EchoMethod, request).await
}

pub(crate) async fn start(sides: &Sides) -> Result<TonicEcho, Failure> {
    let (listener, addr) = sides.on_server(listen()).await?;
    sides.serve(serve(listener));
    sides
        .on_client(async move { Ok(TonicEcho::over(endpoint(addr)?.connect().await?)) })
        .await
}

/// Serves all connections.
pub(crate) async fn serve(listener: TcpListener) {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_concurrent_streams(4096)
        .add_service(Mirror)
        .serve_with_incoming(incoming)
        .await;
    if let Err(error) = served {
        eprintln!("peers: tonic's server has ended: {error}");
    }
}

/// How a server is connected to.
pub(crate) fn endpoint(addr: SocketAddr) -> Result<Endpoint, Failure> {
    Ok(Endpoint::from_shared(format!("http://{addr}"))?
        .tcp_nodelay(true)
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .buffer_size(4096))
}

#[derive(Clone)]
pub(crate) struct TonicEcho(Grpc<Channel>);

impl TonicEcho {
    pub(crate) fn over(channel: Channel) -> Self {
        Self(Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE))
    }

    /// With a time limit that the server is told, too.
    pub(crate) async fn echo_within(
        &mut self,
        payload: Bytes,
        limit: Duration,
    ) -> Result<Bytes, Failure> {
        let mut request = Request::new(Payload { bytes: payload });
        request.set_timeout(limit);
        let answer = self.call(ECHO, request).await?;
        Ok(answer.bytes)
    }

    async fn call<M>(&mut self, path: &'static str, request: Request<M>) -> Result<M, Failure>
    where
        M: prost::Message + Default + 'static,
    {
        self.0.ready().await?;
        let path = PathAndQuery::from_static(path);
        let response: Response<M> = self.0.unary(request, path, ProstCodec::default()).await?;
        Ok(response.into_inner())
    }
}

impl Echo for TonicEcho {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        let request = Request::new(Payload { bytes: payload });
        let answer = self.call(ECHO, request).await?;
        Ok(answer.bytes)
    }
}

impl Echo<Order> for TonicEcho {
    async fn echo(&mut self, order: Order) -> Result<Order, Failure> {
        self.call(ORDER, Request::new(order)).await
    }
}
