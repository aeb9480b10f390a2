//! Where everything runs: one process, with one worker thread for clients and one for servers.

use std::{future::Future, time::Duration};

use tokio::{net::TcpListener, net::TcpStream, runtime};

use crate::{Failure, processor::processor_time};

/// The two runtimes, with one worker thread each.
pub(crate) struct Sides {
    client: runtime::Runtime,
    server: runtime::Runtime,
}

impl Sides {
    pub(crate) fn new() -> Result<Self, Failure> {
        let runtime = |name: &str| {
            runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name(name)
                .enable_all()
                .build()
        };
        Ok(Self {
            client: runtime("client")?,
            server: runtime("server")?,
        })
    }

    /// Runs to completion on the client's thread.
    pub(crate) async fn on_client<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        self.client.spawn(work).await?
    }

    /// Runs to completion on the server's thread.
    pub(crate) async fn on_server<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        self.server.spawn(work).await?
    }

    /// Runs in the background on the server's thread.
    pub(crate) fn serve(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.server.spawn(work);
    }
}

/// A listener on loopback.
pub(crate) async fn listen() -> Result<(TcpListener, std::net::SocketAddr), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// Sets TCP_NODELAY, on either end of a connection.
pub(crate) fn prompt(tcp: TcpStream) -> Result<TcpStream, Failure> {
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Processor time that this process has used so far, summed over all its threads, plus that of the process `other`.
pub(crate) fn cpu_time(other: Option<u32>) -> Result<Duration, Failure> {
    let own = processor_time(std::process::id())?;
    Ok(own + other.map_or(Ok(Duration::ZERO), processor_time)?)
}
