//! The lower bound: bytes that go back and forth on one connection, one message at a time, over TCP and over WebSocket.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async, tungstenite::Message};

use crate::{
    Failure,
    load::Echo,
    sides::{Sides, listen, prompt},
};

/// TCP: sends back as many bytes as it receives.
#[derive(Clone)]
pub(crate) struct TcpEcho(Arc<Mutex<(TcpStream, Vec<u8>)>>);

impl TcpEcho {
    pub(crate) async fn start(sides: &Sides) -> Result<Self, Failure> {
        let (listener, addr) = sides.on_server(listen()).await?;
        sides.serve(async move {
            if let Ok((tcp, _)) = listener.accept().await {
                // Ends with an error when the client disconnects.
                let _ = mirror(tcp).await;
            }
        });
        let tcp = sides
            .on_client(async move { prompt(TcpStream::connect(addr).await?) })
            .await?;
        Ok(Self(Arc::new(Mutex::new((tcp, Vec::new())))))
    }
}

async fn mirror(tcp: TcpStream) -> Result<(), Failure> {
    let mut tcp = prompt(tcp)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let bytes = tcp.read(&mut buffer).await?;
        if bytes == 0 {
            return Ok(());
        }
        tcp.write_all(&buffer[..bytes]).await?;
    }
}

impl Echo for TcpEcho {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        let (tcp, answer) = &mut *self.0.lock().await;
        answer.resize(payload.len(), 0);
        let (mut reader, mut writer) = tcp.split();
        // Both at once: a payload larger than the system's buffers would never get through otherwise.
        tokio::try_join!(writer.write_all(&payload), reader.read_exact(answer))?;
        Ok(payload)
    }
}

/// WebSocket: sends back a binary message for each one received.
#[derive(Clone)]
pub(crate) struct WebSocketEcho(Arc<Mutex<WebSocketStream<TcpStream>>>);

impl WebSocketEcho {
    pub(crate) async fn start(sides: &Sides) -> Result<Self, Failure> {
        let (listener, addr) = sides.on_server(listen()).await?;
        sides.serve(async move {
            if let Ok((tcp, _)) = listener.accept().await {
                // Ends with an error when the client disconnects.
                let _ = mirror_messages(tcp).await;
            }
        });
        let socket = sides
            .on_client(async move {
                let tcp = prompt(TcpStream::connect(addr).await?)?;
                Ok(client_async(format!("ws://{addr}/"), tcp).await?.0)
            })
            .await?;
        Ok(Self(Arc::new(Mutex::new(socket))))
    }
}

async fn mirror_messages(tcp: TcpStream) -> Result<(), Failure> {
    let mut socket = accept_async(prompt(tcp)?).await?;
    while let Some(message) = socket.next().await {
        socket.send(message?).await?;
    }
    Ok(())
}

impl Echo for WebSocketEcho {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        let mut socket = self.0.lock().await;
        socket.send(Message::Binary(payload)).await?;
        match socket.next().await {
            Some(Ok(Message::Binary(answer))) => Ok(answer),
            _ => Err("the WebSocket has ended".into()),
        }
    }
}
