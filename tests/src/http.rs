//! HTTP for tests, as plain as it gets.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends a request such as `GET /metrics`, and returns the status and the body.
///
/// # Panics
/// If nobody answers, or not in HTTP.
pub async fn http(addr: SocketAddr, request: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(addr).await.expect("somebody listens");
    let request = format!("{request} HTTP/1.0\r\nHost: {addr}\r\n\r\n");
    tcp.write_all(request.as_bytes())
        .await
        .expect("the other side reads");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer)
        .await
        .expect("the other side answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}
