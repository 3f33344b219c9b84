//! How the client reaches servers: raw frames before it has an address, UDP after.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::frame;
use super::message::ServerMessage;
use crate::net::packet_socket::PacketSocket;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// A way to ask DHCP servers. A trait so that the client can be tested against servers that lie.
pub trait Wire {
    /// Sends a message.
    fn send(&mut self, message: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Waits for the next well-formed answer to anybody.
    fn receive(&mut self) -> impl Future<Output = io::Result<ServerMessage>> + Send;
}

/// Broadcasts in raw frames.
pub struct Broadcast {
    socket: PacketSocket,
    mac: [u8; 6],
    buffer: Vec<u8>,
}

impl Broadcast {
    /// Opens the raw socket of a port.
    pub fn open(port: u32, mac: [u8; 6]) -> io::Result<Self> {
        Ok(Self {
            socket: PacketSocket::open(port)?,
            mac,
            buffer: vec![0; 2048],
        })
    }
}

impl Wire for Broadcast {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.socket.send(&frame::broadcast(self.mac, message))
    }

    async fn receive(&mut self) -> io::Result<ServerMessage> {
        loop {
            let length = self.socket.receive(&mut self.buffer).await?;
            let frame = self.buffer.get(..length).unwrap_or_default();
            // Whatever else is on the wire is not for us.
            if let Some(Ok(message)) = frame::payload(frame).map(ServerMessage::decode) {
                return Ok(message);
            }
        }
    }
}

/// UDP from the address the client has, to one server or to all.
pub struct Unicast {
    socket: UdpSocket,
    to: SocketAddrV4,
    buffer: Vec<u8>,
}

impl Unicast {
    /// Opens the socket on a port of the machine; `server` may be the broadcast address.
    pub fn open(port_name: &str, server: Ipv4Addr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_broadcast(true)?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(port_name.as_bytes()))?;
        // Bound to no address: some servers answer a renewal by broadcast.
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT).into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
            to: SocketAddrV4::new(server, SERVER_PORT),
            buffer: vec![0; 2048],
        })
    }
}

impl Wire for Unicast {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.socket.send_to(message, self.to).await.map(drop)
    }

    async fn receive(&mut self) -> io::Result<ServerMessage> {
        loop {
            let (length, _) = self.socket.recv_from(&mut self.buffer).await?;
            let datagram = self.buffer.get(..length).unwrap_or_default();
            if let Ok(message) = ServerMessage::decode(datagram) {
                return Ok(message);
            }
        }
    }
}
