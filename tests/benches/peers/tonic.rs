//! tonic over HTTP/2 without TLS, with Protocol Buffers. The service is written by hand as `tonic-build` would write
//! it, so that no compiler for .proto files is needed.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
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
    sides::{Sides, listen},
};

/// Room for a large payload in every call, so that flow control does not delay them.
const WINDOW: u32 = 64 * 1024 * 1024;
/// Longer than any payload here.
const MAX_MESSAGE: usize = 8 * 1024 * 1024;
const PATH: &str = "/bench.Mirror/Echo";

/// The message in both directions.
#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
}

/// The method.
#[derive(Clone)]
struct EchoMethod;

impl UnaryService<Payload> for EchoMethod {
    type Response = Payload;
    type Future = Ready<Result<Response<Payload>, Status>>;

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
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
            if request.uri().path() != PATH {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            let mut grpc =
                server::Grpc::new(ProstCodec::default()).max_decoding_message_size(MAX_MESSAGE);
            Ok(grpc.unary(EchoMethod, request).await)
        })
    }
}

pub(crate) async fn start(sides: &Sides) -> Result<TonicEcho, Failure> {
    let (listener, addr) = sides.on_server(listen()).await?;
    sides.serve(async move {
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
    });
    sides
        .on_client(async move {
            let channel = Endpoint::from_shared(format!("http://{addr}"))?
                .tcp_nodelay(true)
                .initial_connection_window_size(WINDOW)
                .initial_stream_window_size(WINDOW)
                .buffer_size(4096)
                .connect()
                .await?;
            Ok(TonicEcho(
                Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE),
            ))
        })
        .await
}

#[derive(Clone)]
pub(crate) struct TonicEcho(Grpc<Channel>);

impl Echo for TonicEcho {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        self.0.ready().await?;
        let request = Request::new(Payload { bytes: payload });
        let path = PathAndQuery::from_static(PATH);
        let response: Response<Payload> =
            self.0.unary(request, path, ProstCodec::default()).await?;
        Ok(response.into_inner().bytes)
    }
}
