//! A port on which nobody listens, and which nobody else is given meanwhile.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that is bound but not listened on: who dials it is refused, and the system gives it to nobody
/// who asks for any free one. Who names it can listen there, also several times in a row.
#[derive(Debug)]
pub struct HeldPort {
    addr: SocketAddr,
    _socket: Option<TcpSocket>,
}

impl HeldPort {
    /// Any free port.
    pub fn any() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("reuse of addresses");
        socket
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("a free port of the loopback interface");
        Self {
            addr: socket.local_addr().expect("the address of a bound socket"),
            // Elsewhere a second socket could not be bound to it.
            _socket: cfg!(target_os = "linux").then_some(socket),
        }
    }

    /// Address and port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
