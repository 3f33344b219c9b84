//! A raw Ethernet socket on one port (packet(7)): DHCP has to talk before there is an address.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};
use socket2::SockFilter;
use tokio::io::unix::AsyncFd;

use super::async_socket::watch;

/// `ETH_P_IP` in network byte order, as packet(7) wants its protocols.
const ETH_P_IP_BE: u16 = 0x0800_u16.to_be();

/// `struct sockaddr_ll` of linux/if_packet.h.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    port: i32,
    hardware_type: u16,
    packet_type: u8,
    address_length: u8,
    address: [u8; 8],
}

// SAFETY: the pointer given to `f` is to a live, fully initialised `#[repr(C)]` value with the
// layout of `sockaddr_ll`, readable for the length passed.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        let length = SocketAddrLen::try_from(size_of::<Self>()).unwrap_or(0);
        f(std::ptr::from_ref(self).cast(), length)
    }
}

/// A socket that sends Ethernet frames and hears DHCP answers.
pub struct PacketSocket(AsyncFd<OwnedFd>);

impl PacketSocket {
    /// Opens the socket on the port with this index.
    pub fn open(port: u32) -> io::Result<Self> {
        // Without a protocol nothing is received yet: the filter is in place before the first packet.
        let fd = socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        let socket = socket2::Socket::from(fd);
        // A filter only saves wake-ups; frames are checked again when they are read.
        let _ = socket.attach_filter(&dhcp_answers());
        let fd = OwnedFd::from(socket);
        bind(
            &fd,
            &LinkAddress {
                family: AddressFamily::PACKET.as_raw(),
                protocol: ETH_P_IP_BE,
                port: i32::try_from(port).map_err(|_| Errno::NODEV)?,
                hardware_type: 0,
                packet_type: 0,
                address_length: 0,
                address: [0; 8],
            },
        )?;
        watch(fd).map(Self)
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.0.get_ref(), frame, SendFlags::empty())?;
        Ok(())
    }

    /// Waits for the next frame; gives its length.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            let received = ready.try_io(|fd| {
                let (_, length) = recv(fd.get_ref(), &mut *buffer, RecvFlags::empty())?;
                Ok(length)
            });
            if let Ok(received) = received {
                return received;
            }
        }
    }
}

/// Classic BPF: IPv4, UDP, not a later fragment, to port 68 (`tcpdump -dd 'ip and udp dst port 68'`
/// gives the same program).
fn dhcp_answers() -> [SockFilter; 9] {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_IP_HEADER_LEN: u16 = 0xb1;
    const LOAD_HALF_INDEXED: u16 = 0x48;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const JUMP_IF_BITS: u16 = 0x45;
    const RETURN: u16 = 0x06;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 23),
        SockFilter::new(JUMP_IF_EQUAL, 0, 6, 17),
        SockFilter::new(LOAD_HALF, 0, 0, 20),
        SockFilter::new(JUMP_IF_BITS, 4, 0, 0x1fff),
        SockFilter::new(LOAD_IP_HEADER_LEN, 0, 0, 14),
        SockFilter::new(LOAD_HALF_INDEXED, 0, 0, 16),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 68),
        SockFilter::new(RETURN, 0, 0, 0xffff),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
