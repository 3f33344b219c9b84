//! Network: all wired ports up, an address on each that gives one, the first gateway wins.

pub mod addressing;
mod async_socket;
pub mod dhcp;
pub mod link;
mod manager;
pub mod netlink;
mod packet_socket;
pub mod resolv;
pub mod state;

pub use manager::Manager;
pub use state::NetState;
