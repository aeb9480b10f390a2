//! Plain HTTP beside Socket.IO, for health probes. Tells an unauthenticated client nothing about the mesh.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use hyper::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    service::Service,
};

/// `GET /health` answers `ok` for as long as the process listens; there is nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health;

impl<B> Service<Request<B>> for Health {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        ready(Ok(answer(request.method(), request.uri().path())))
    }
}

fn answer(method: &Method, path: &str) -> Response<String> {
    if path != "/health" {
        return empty(StatusCode::NOT_FOUND);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
        let allowed = HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    // In answer to HEAD, hyper sends the length and leaves the body out.
    let mut healthy = Response::new("ok\n".to_owned());
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    healthy.headers_mut().insert(CONTENT_TYPE, text);
    healthy
}

fn empty(status: StatusCode) -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
