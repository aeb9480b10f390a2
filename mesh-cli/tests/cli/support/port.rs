//! A port on which nobody listens, and which nobody else is given in the meantime.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that is bound but not listened on. Connections to it are refused, and the system does not hand
/// it out as a free port. A program that binds it explicitly can listen on it.
pub(crate) struct HeldPort {
    addr: SocketAddr,
    _socket: Option<TcpSocket>,
}

impl HeldPort {
    /// Any free port.
    pub(crate) fn any() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("reuse of addresses");
        socket
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("a free port of the loopback interface");
        Self {
            addr: socket.local_addr().expect("the address of a bound socket"),
            // On other systems a second socket could not be bound to it.
            _socket: cfg!(target_os = "linux").then_some(socket),
        }
    }

    /// Address and port.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}
