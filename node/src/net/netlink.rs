//! Addresses, routes and links: the few rtnetlink(7) requests a node needs.
//!
//! Written here because the crates for it bring sixty others with them.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send,
    socket_with,
};
use tokio::io::unix::AsyncFd;

use super::async_socket::watch;

// linux/rtnetlink.h, linux/netlink.h, linux/if_addr.h
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFF_UP: u32 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_RT_PRIORITY: u16 = 9;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTPROT_DHCP: u8 = 16;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
const RTNH_F_ONLINK: u32 = 4;
const RTMGRP_LINK: u32 = 1;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const HEADER_LEN: usize = 16;

/// An address on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The host's address.
    pub address: IpAddr,
    /// Length of the network part in bits.
    pub prefix_length: u8,
    /// Metric of the route to the address's own network.
    pub metric: u32,
}

/// A route through a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Network; all zeros for the default route.
    pub destination: IpAddr,
    /// Length of the network part in bits.
    pub prefix_length: u8,
    /// Next hop; `None`: the network is on the link itself.
    pub gateway: Option<IpAddr>,
    /// Lower wins.
    pub metric: u32,
    /// Whether DHCP brought it.
    pub from_dhcp: bool,
}

/// A socket for requests. Each is answered at once by the kernel.
pub struct Netlink {
    fd: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens the socket.
    pub fn open() -> Result<Self, Errno> {
        let fd = route_socket(SocketFlags::CLOEXEC, 0)?;
        set_socket_timeout(&fd, Timeout::Recv, Some(Duration::from_secs(5)))?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Switches a port on.
    pub fn set_up(&mut self, port: u32) -> Result<(), Errno> {
        let mut message = Message::new(RTM_NEWLINK, 0);
        message.bytes(&[0, 0]).bytes(&0_u16.to_ne_bytes());
        message.u32(port).u32(IFF_UP).u32(IFF_UP);
        self.request(message)
    }

    /// Makes the interface `name` for the tagged frames of a port.
    pub fn add_vlan(&mut self, port: u32, name: &str, tag: u16) -> Result<(), Errno> {
        self.request(vlan_message(port, name, tag))
    }

    /// Takes an interface away that was made; one that is gone already is no error.
    pub fn remove_link(&mut self, port: u32) -> Result<(), Errno> {
        let mut message = Message::new(RTM_DELLINK, 0);
        message.bytes(&[0, 0]).bytes(&0_u16.to_ne_bytes());
        message.u32(port).u32(0).u32(0);
        gone(self.request(message))
    }

    /// Adds an address, or changes the one that is there.
    pub fn add_address(&mut self, port: u32, address: &Address) -> Result<(), Errno> {
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.request(address_message(RTM_NEWADDR, flags, port, address))
    }

    /// Takes an address away; one that is gone already is no error.
    pub fn remove_address(&mut self, port: u32, address: &Address) -> Result<(), Errno> {
        gone(self.request(address_message(RTM_DELADDR, 0, port, address)))
    }

    /// Adds a route, or changes the one of the same metric.
    pub fn add_route(&mut self, port: u32, route: &Route) -> Result<(), Errno> {
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.request(route_message(RTM_NEWROUTE, flags, port, route))
    }

    /// Takes a route away; one that is gone already is no error.
    pub fn remove_route(&mut self, port: u32, route: &Route) -> Result<(), Errno> {
        gone(self.request(route_message(RTM_DELROUTE, 0, port, route)))
    }

    fn request(&mut self, message: Message) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        send(&self.fd, &message.finish(self.sequence), SendFlags::empty())?;
        let mut buffer = [0; 4096];
        loop {
            let (_, length) = recv(&self.fd, &mut buffer[..], RecvFlags::empty())?;
            let answer = buffer.get(..length).ok_or(Errno::PROTO)?;
            if let Some(result) = acknowledgement(answer, self.sequence) {
                return result;
            }
        }
    }
}

/// Hears of links that change and IPv6 addresses that come.
pub struct LinkNews(AsyncFd<OwnedFd>);

impl LinkNews {
    /// Starts to listen.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        watch(route_socket(flags, RTMGRP_LINK | RTMGRP_IPV6_IFADDR)?).map(Self)
    }

    /// Waits until something has changed. What it was is not told: looking is simpler than
    /// believing, and works after lost messages too.
    pub async fn wait(&self) -> io::Result<()> {
        let mut ready = self.0.readable().await?;
        let mut buffer = [0; 8192];
        // NOBUFS means that news were lost, which is news too.
        while matches!(
            recv(self.0.get_ref(), &mut buffer[..], RecvFlags::empty()),
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR)
        ) {}
        ready.clear_ready();
        Ok(())
    }
}

fn route_socket(flags: SocketFlags, groups: u32) -> Result<OwnedFd, Errno> {
    // NETLINK_ROUTE is protocol 0, which is what "no protocol" means.
    let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&fd, &netlink::SocketAddrNetlink::new(0, groups))?;
    Ok(fd)
}

fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::SRCH | Errno::ADDRNOTAVAIL | Errno::NODEV | Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// The result in an answer to request `sequence`; `None` if this is another message.
fn acknowledgement(answer: &[u8], sequence: u32) -> Option<Result<(), Errno>> {
    let field = |at: usize| -> Option<[u8; 4]> { answer.get(at..at + 4)?.try_into().ok() };
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if kind != NLMSG_ERROR || u32::from_ne_bytes(field(8)?) != sequence {
        return None;
    }
    let code = i32::from_ne_bytes(field(HEADER_LEN)?);
    Some(if code == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw_os_error(code.saturating_neg()))
    })
}

fn vlan_message(port: u32, name: &str, tag: u16) -> Message {
    let mut data = Message(Vec::new());
    data.attribute(IFLA_VLAN_ID, &tag.to_ne_bytes());
    let mut info = Message(Vec::new());
    info.attribute(IFLA_INFO_KIND, b"vlan");
    info.attribute(IFLA_INFO_DATA, &data.0);
    let mut message = Message::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.bytes(&[0, 0]).bytes(&0_u16.to_ne_bytes());
    message.u32(0).u32(0).u32(0);
    message.attribute(IFLA_LINK, &port.to_ne_bytes());
    message.attribute(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
    message.attribute(IFLA_LINKINFO, &info.0);
    message
}

fn address_message(kind: u16, flags: u16, port: u32, address: &Address) -> Message {
    let mut message = Message::new(kind, flags);
    let is_loopback = address.address.is_loopback();
    let scope = if is_loopback { 254 } else { RT_SCOPE_UNIVERSE };
    message.bytes(&[family(address.address), address.prefix_length, 0, scope]);
    message.u32(port);
    message.ip(IFA_LOCAL, address.address);
    message.ip(IFA_ADDRESS, address.address);
    if let (IpAddr::V4(v4), 1..=30) = (address.address, address.prefix_length) {
        let host_bits = u32::MAX >> address.prefix_length;
        message.attribute(IFA_BROADCAST, &(u32::from(v4) | host_bits).to_be_bytes());
    }
    message.attribute(IFA_RT_PRIORITY, &address.metric.to_ne_bytes());
    message
}

fn route_message(kind: u16, flags: u16, port: u32, route: &Route) -> Message {
    let mut message = Message::new(kind, flags);
    let scope = if route.gateway.is_some() {
        RT_SCOPE_UNIVERSE
    } else {
        RT_SCOPE_LINK
    };
    let protocol = if route.from_dhcp {
        RTPROT_DHCP
    } else {
        RTPROT_STATIC
    };
    message.bytes(&[family(route.destination), route.prefix_length, 0, 0]);
    message.bytes(&[RT_TABLE_MAIN, protocol, scope, RTN_UNICAST]);
    // Some hosters give a gateway outside of the address's own network.
    let onlink = route.gateway.map_or(0, |_| RTNH_F_ONLINK);
    message.u32(onlink);
    if route.prefix_length > 0 {
        message.ip(RTA_DST, route.destination);
    }
    message.attribute(RTA_OIF, &port.to_ne_bytes());
    if let Some(gateway) = route.gateway {
        message.ip(RTA_GATEWAY, gateway);
    }
    message.attribute(RTA_PRIORITY, &route.metric.to_ne_bytes());
    message
}

const fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

/// A request under construction: header, fixed part, attributes.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_LEN];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        let flags = flags | NLM_F_REQUEST | NLM_F_ACK;
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self(bytes)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_ne_bytes())
    }

    fn ip(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes(&length.to_ne_bytes()).bytes(&kind.to_ne_bytes());
        self.bytes(value);
        while !self.0.len().is_multiple_of(4) {
            self.0.push(0);
        }
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_as_ip_link_sends_it() {
        let bytes = vlan_message(2, "eth0.10", 10).finish(7);
        let expected = [
            76, 0, 0, 0, 16, 0, 0x05, 0x06, 7, 0, 0, 0, 0, 0, 0, 0, // header
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // ifinfomsg
            8, 0, 5, 0, 2, 0, 0, 0, // IFLA_LINK
            12, 0, 3, 0, b'e', b't', b'h', b'0', b'.', b'1', b'0', 0, // IFLA_IFNAME
            24, 0, 18, 0, 8, 0, 1, 0, b'v', b'l', b'a', b'n', // IFLA_LINKINFO: kind
            12, 0, 2, 0, 6, 0, 1, 0, 10, 0, 0, 0, // its data: IFLA_VLAN_ID
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_default_route_as_ip_route_sends_it() {
        let route = Route {
            destination: IpAddr::from([0, 0, 0, 0]),
            prefix_length: 0,
            gateway: Some(IpAddr::from([10, 0, 2, 2])),
            metric: 100,
            from_dhcp: true,
        };
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        let bytes = route_message(RTM_NEWROUTE, flags, 2, &route).finish(7);
        let expected = [
            52, 0, 0, 0, 24, 0, 0x05, 0x05, 7, 0, 0, 0, 0, 0, 0, 0, // header
            2, 0, 0, 0, 254, 16, 0, 1, 4, 0, 0, 0, // rtmsg
            8, 0, 4, 0, 2, 0, 0, 0, // RTA_OIF
            8, 0, 5, 0, 10, 0, 2, 2, // RTA_GATEWAY
            8, 0, 6, 0, 100, 0, 0, 0, // RTA_PRIORITY
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_address_carries_its_broadcast() {
        let address = Address {
            address: IpAddr::from([192, 0, 2, 5]),
            prefix_length: 24,
            metric: 0,
        };
        let bytes = address_message(RTM_NEWADDR, 0, 3, &address).finish(1);
        let broadcast = [8, 0, 4, 0, 192, 0, 2, 255];
        assert!(bytes.windows(8).any(|window| window == broadcast));
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn answers_are_matched_by_their_number() {
        let mut answer = vec![0; 36];
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[8..12].copy_from_slice(&9_u32.to_ne_bytes());
        assert_eq!(acknowledgement(&answer, 9), Some(Ok(())));
        assert_eq!(acknowledgement(&answer, 8), None);
        answer[16..20].copy_from_slice(&(-17_i32).to_ne_bytes());
        assert_eq!(acknowledgement(&answer, 9), Some(Err(Errno::EXIST)));
        assert_eq!(acknowledgement(&answer[..17], 9), None);
        assert_eq!(acknowledgement(&[], 9), None);
    }
}
