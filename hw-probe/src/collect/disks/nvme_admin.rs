//! Questions to NVMe controllers through the kernel's admin command ioctl.
#![allow(unsafe_code)]

use std::os::fd::OwnedFd;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::health::nvme::LOG_BYTES;

/// `NVME_IOCTL_ADMIN_CMD` of `linux/nvme_ioctl.h`.
const NVME_IOCTL_ADMIN_CMD: Opcode = opcode::read_write::<NvmeAdminCommand>(b'N', 0x41);
/// A controller that hangs must not hold up the probe.
const TIMEOUT_MS: u32 = 5_000;

/// `struct nvme_passthru_cmd` of `linux/nvme_ioctl.h`.
#[repr(C)]
#[derive(Default)]
struct NvmeAdminCommand {
    opcode: u8,
    flags: u8,
    rsvd1: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    addr: u64,
    metadata_len: u32,
    data_len: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    result: u32,
}

/// The SMART / Health Information log of the whole controller.
pub(super) fn smart_log(device: &OwnedFd) -> Option<[u8; LOG_BYTES]> {
    const GET_LOG_PAGE: u8 = 0x02;
    const SMART_HEALTH: u32 = 0x02;
    const ALL_NAMESPACES: u32 = 0xffff_ffff;
    let mut log = [0_u8; LOG_BYTES];
    let length = u32::try_from(LOG_BYTES).ok()?;
    let mut command = NvmeAdminCommand {
        opcode: GET_LOG_PAGE,
        nsid: ALL_NAMESPACES,
        addr: u64::try_from(log.as_mut_ptr().expose_provenance()).ok()?,
        data_len: length,
        // Length in 32-bit words, less one.
        cdw10: SMART_HEALTH | (length / 4 - 1) << 16,
        timeout_ms: TIMEOUT_MS,
        ..NvmeAdminCommand::default()
    };
    // SAFETY: the ioctl takes a `struct nvme_passthru_cmd` (the layout above) and updates it. The
    // command makes the controller write `data_len` bytes at `addr`: all of `log`, which lives
    // until the call has returned.
    let outcome = unsafe {
        let updater = Updater::<NVME_IOCTL_ADMIN_CMD, NvmeAdminCommand>::new(&mut command);
        ioctl(device, updater)
    };
    outcome.ok()?;
    // The result of Get Log Page is in the data; the kernel turns a refusal into an error or, for
    // this ioctl, a positive return value, with which nothing was written.
    log.iter().any(|&b| b != 0).then_some(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_has_the_kernels_layout() {
        assert_eq!(size_of::<NvmeAdminCommand>(), 72);
        assert_eq!(std::mem::offset_of!(NvmeAdminCommand, addr), 24);
        assert_eq!(std::mem::offset_of!(NvmeAdminCommand, cdw10), 40);
        assert_eq!(NVME_IOCTL_ADMIN_CMD, 0xc048_4e41);
    }

    #[test]
    fn a_file_is_no_controller() {
        let file = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
        assert!(smart_log(&file).is_none());
    }
}
