//! Questions to network drivers through the kernel's SIOCETHTOOL ioctl.
#![allow(unsafe_code)]

use std::os::fd::OwnedFd;

use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// `SIOCETHTOOL` of `linux/sockios.h`.
const SIOCETHTOOL: Opcode = 0x8946;
/// Commands of `linux/ethtool.h`.
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GPERMADDR: u32 = 0x20;
/// `IFNAMSIZ`, with the byte that ends the name.
const NAME_BYTES: usize = 16;
/// `MAX_ADDR_LEN` of `linux/netdevice.h`.
const ADDRESS_BYTES: usize = 32;

/// `struct ifreq` of `linux/if.h`: a name and a union, of which the pointer is used here.
#[repr(C)]
struct Request {
    name: [u8; NAME_BYTES],
    data: *mut core::ffi::c_void,
    /// The rest of the union, whose largest member is a `struct ifmap`.
    rest: [usize; 2],
}

/// `struct ethtool_perm_addr` with room for any address.
#[repr(C)]
struct PermanentAddress {
    command: u32,
    size: u32,
    data: [u8; ADDRESS_BYTES],
}

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware: [u8; 32],
    bus: [u8; 32],
    expansion_rom: [u8; 32],
    reserved: [u8; 12],
    private_flags: u32,
    statistics: u32,
    test_info: u32,
    eeprom: u32,
    registers: u32,
}

/// Sends one command about the interface `name`. `T` is the structure the command begins, whose
/// first field is the command.
///
/// # Safety
/// `T` has the layout the command's structure has in `linux/ethtool.h`, any bytes are a valid `T`,
/// and nothing in it makes the kernel write past its end.
unsafe fn command<T>(socket: &OwnedFd, name: &str, mut structure: T) -> Option<T> {
    let mut request = Request {
        name: [0; NAME_BYTES],
        data: (&raw mut structure).cast(),
        rest: [0; 2],
    };
    // The last byte stays 0 and ends the name.
    if name.is_empty() || name.len() >= NAME_BYTES {
        return None;
    }
    for (to, from) in request.name.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: SIOCETHTOOL takes a `struct ifreq` (the layout above) and follows its pointer to the
    // command's structure, which lives until the call returns; the caller vouches for its layout.
    let outcome = unsafe { ioctl(socket, Updater::<SIOCETHTOOL, Request>::new(&mut request)) };
    outcome.ok()?;
    Some(structure)
}

/// What a driver says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The hardware address burnt in.
    pub permanent_address: Option<Vec<u8>>,
    /// The firmware's version as it is written.
    pub firmware: Option<Vec<u8>>,
}

/// Asks the drivers of these interfaces, one after the other.
pub(super) fn ask(names: &[String]) -> Vec<Answer> {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    );
    let Ok(socket) = socket else {
        return Vec::new();
    };
    names
        .iter()
        .map(|name| Answer {
            permanent_address: permanent_address(&socket, name),
            firmware: firmware(&socket, name),
        })
        .collect()
}

fn permanent_address(socket: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    let question = PermanentAddress {
        command: ETHTOOL_GPERMADDR,
        // The kernel refuses when the address is longer.
        size: ADDRESS_BYTES as u32,
        data: [0; ADDRESS_BYTES],
    };
    // SAFETY: the structure ETHTOOL_GPERMADDR wants; the kernel writes at most `size` bytes of
    // address behind it.
    let answer = unsafe { command(socket, name, question) }?;
    let address = answer.data.get(..usize::try_from(answer.size).ok()?)?;
    // All zeros where the driver does not know.
    address
        .iter()
        .any(|byte| *byte != 0)
        .then(|| address.to_vec())
}

fn firmware(socket: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    let question = DriverInfo {
        command: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        version: [0; 32],
        firmware: [0; 32],
        bus: [0; 32],
        expansion_rom: [0; 32],
        reserved: [0; 12],
        private_flags: 0,
        statistics: 0,
        test_info: 0,
        eeprom: 0,
        registers: 0,
    };
    // SAFETY: the structure ETHTOOL_GDRVINFO wants, which has one size.
    let answer = unsafe { command(socket, name, question) }?;
    let text = answer.firmware.split(|byte| *byte == 0).next()?;
    (!text.is_empty()).then(|| text.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_structures_have_the_kernels_layout() {
        #[cfg(target_pointer_width = "64")]
        assert_eq!(size_of::<Request>(), 40);
        assert_eq!(offset_of!(Request, data), 16);
        assert_eq!(size_of::<PermanentAddress>(), 40);
        assert_eq!(offset_of!(PermanentAddress, data), 8);
        assert_eq!(size_of::<DriverInfo>(), 196);
        assert_eq!(offset_of!(DriverInfo, firmware), 68);
        assert_eq!(offset_of!(DriverInfo, private_flags), 176);
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_answer() {
        let names = ["no-such-iface", "a-name-that-no-kernel-would-take", ""];
        let answers = ask(&names.map(str::to_owned));
        assert!(answers.iter().all(|answer| *answer == Answer::default()));
        assert!(answers.len() == 3 || answers.is_empty());
    }
}
