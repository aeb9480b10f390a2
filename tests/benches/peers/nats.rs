//! NATS request and reply, through a `nats-server` in a process of its own, where it is installed.

use std::{
    io::Write as _,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::StreamExt;

use crate::{Failure, load::Echo, sides::Sides};

const SUBJECT: &str = "echo";
/// How long the server may take until it listens.
const START: Duration = Duration::from_secs(10);

/// A server, its responder and its client. The server is killed when this is dropped.
pub(crate) struct Nats {
    server: Child,
    echo: NatsEcho,
    config: std::path::PathBuf,
}

impl Nats {
    /// `None` if `nats-server` is not installed.
    pub(crate) async fn start(sides: &Sides) -> Result<Option<Self>, Failure> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = std::env::temp_dir().join(format!("peers-nats-{port}.conf"));
        // A payload of 1 MiB with its headers is more than the server accepts by default.
        std::fs::File::create(&config)?
            .write_all(format!("listen: \"127.0.0.1:{port}\"\nmax_payload: 8MB\n").as_bytes())?;
        let server = Command::new("nats-server")
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = match server {
            Ok(server) => server,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut nats = Self {
            server,
            echo: NatsEcho(None),
            config,
        };
        let addr = format!("127.0.0.1:{port}");
        let responder = addr.clone();
        sides
            .on_server(async move {
                let client = connect(&responder).await?;
                let mut requests = client.subscribe(SUBJECT).await?;
                client.flush().await?;
                tokio::spawn(async move {
                    while let Some(request) = requests.next().await {
                        if let Some(reply) = request.reply
                            && client.publish(reply, request.payload).await.is_err()
                        {
                            return;
                        }
                    }
                });
                Ok(())
            })
            .await?;
        nats.echo = sides
            .on_client(async move { Ok(NatsEcho(Some(connect(&addr).await?))) })
            .await?;
        Ok(Some(nats))
    }

    pub(crate) fn echo(&self) -> NatsEcho {
        self.echo.clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}

/// A client, which sets TCP_NODELAY by itself. Retries until the server listens.
async fn connect(addr: &str) -> Result<async_nats::Client, Failure> {
    let begun = Instant::now();
    loop {
        let options = async_nats::ConnectOptions::new()
            .client_capacity(4096)
            .subscription_capacity(64 * 1024)
            .request_timeout(Some(Duration::from_secs(20)));
        match options.connect(addr).await {
            Ok(client) => return Ok(client),
            Err(error) if begun.elapsed() > START => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// `None` until the server listens.
#[derive(Clone)]
pub(crate) struct NatsEcho(Option<async_nats::Client>);

impl Echo for NatsEcho {
    async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        let client = self.0.as_ref().ok_or("NATS is not connected")?;
        Ok(client.request(SUBJECT, payload).await?.payload)
    }
}
