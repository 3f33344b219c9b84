//! The kernel's announcements of devices (Documentation/driver-api/… "kobject_uevent",
//! netlink(7), `NETLINK_KOBJECT_UEVENT`).

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink, recvfrom, socket_with,
};

/// The multicast group of the kernel's own messages (group 2 is udev's).
const KERNEL_GROUP: u32 = 1;
/// A machine with hundreds of disks announces them in one burst.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uevent {
    /// `add`, `remove`, `change`, ….
    pub action: String,
    /// `block`, `net`, `pci`, ….
    pub subsystem: String,
    /// What the driver tables are searched for.
    pub modalias: Option<String>,
}

impl Uevent {
    /// Reads a message: `action@devpath`, then `KEY=value`, each ended by NUL.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let mut fields = message.split(|byte| *byte == 0);
        let head = fields.next()?;
        // udev's own messages start with "libudev" and have no `@`.
        if !head.contains(&b'@') {
            return None;
        }
        let mut event = Self::default();
        for field in fields {
            let text = String::from_utf8_lossy(field);
            match text.split_once('=') {
                Some(("ACTION", value)) => value.clone_into(&mut event.action),
                Some(("SUBSYSTEM", value)) => value.clone_into(&mut event.subsystem),
                Some(("MODALIAS", value)) => event.modalias = Some(value.to_owned()),
                _ => {}
            }
        }
        (!event.action.is_empty()).then_some(event)
    }
}

/// What reading the socket came to.
#[derive(Debug)]
pub enum Heard {
    /// An announcement.
    Event(Uevent),
    /// Nothing within the time.
    Silence,
    /// The kernel had to drop announcements: look at everything again.
    Overrun,
}

/// A listener to announcements.
pub struct UeventSocket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl UeventSocket {
    /// Starts to listen; [`Self::next`] waits for at most `patience`.
    pub fn open(patience: Duration) -> Result<Self, Errno> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::KOBJECT_UEVENT),
        )?;
        let _ = set_socket_recv_buffer_size_force(&fd, RECEIVE_BUFFER_BYTES);
        set_socket_timeout(&fd, Timeout::Recv, Some(patience))?;
        bind(&fd, &netlink::SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(Self {
            fd,
            buffer: vec![0; 16 * 1024],
        })
    }

    /// Waits for the next announcement.
    pub fn next(&mut self) -> Heard {
        loop {
            let received = recvfrom(&self.fd, &mut self.buffer[..], RecvFlags::empty());
            match received {
                Ok((length, _, sender)) => {
                    // Only the kernel itself (port 0) is believed.
                    let from_kernel = sender
                        .and_then(|address| netlink::SocketAddrNetlink::try_from(address).ok())
                        .is_some_and(|address| address.pid() == 0);
                    let message = self.buffer.get(..length).unwrap_or_default();
                    if let (true, Some(event)) = (from_kernel, Uevent::parse(message)) {
                        return Heard::Event(event);
                    }
                }
                Err(Errno::AGAIN) => return Heard::Silence,
                Err(Errno::NOBUFS) => return Heard::Overrun,
                Err(Errno::INTR) => {}
                // Nothing else is known to happen; do not spin if it does.
                Err(_) => {
                    std::thread::sleep(Duration::from_millis(200));
                    return Heard::Silence;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_announced_device() {
        let message = b"add@/devices/pci0000:00/0000:00:03.0/virtio0\0ACTION=add\0\
            DEVPATH=/devices/pci0000:00/0000:00:03.0/virtio0\0SUBSYSTEM=virtio\0\
            MODALIAS=virtio:d00000001v00001AF4\0SEQNUM=1130\0";
        let event = Uevent::parse(message).unwrap();
        assert_eq!(event.action, "add");
        assert_eq!(event.subsystem, "virtio");
        assert_eq!(event.modalias.as_deref(), Some("virtio:d00000001v00001AF4"));
    }

    #[test]
    fn messages_of_udev_are_not_the_kernels() {
        assert_eq!(Uevent::parse(b"libudev\0\xfe\xed\xca\xfe"), None);
        assert_eq!(Uevent::parse(b""), None);
        assert_eq!(Uevent::parse(b"add@/x"), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Uevent::parse(&bytes);
        }
    }
}
