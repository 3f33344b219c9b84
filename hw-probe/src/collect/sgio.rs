//! Questions to SCSI and ATA devices through the kernel's SG_IO ioctl.
#![allow(unsafe_code)]

use std::os::fd::OwnedFd;

use rustix::ioctl::{Opcode, Updater, ioctl};

/// `SG_IO` of `scsi/sg.h`.
const SG_IO: Opcode = 0x2285;
const SG_DXFER_FROM_DEV: i32 = -3;
/// A disk that sleeps or dies must not hold up the probe.
const TIMEOUT_MS: u32 = 5_000;

/// `struct sg_io_hdr` of `scsi/sg.h`, version 3.
#[repr(C)]
struct SgIoHdr {
    interface_id: i32,
    dxfer_direction: i32,
    cmd_len: u8,
    mx_sb_len: u8,
    iovec_count: u16,
    dxfer_len: u32,
    dxferp: *mut u8,
    cmdp: *const u8,
    sbp: *mut u8,
    timeout: u32,
    flags: u32,
    pack_id: i32,
    usr_ptr: *mut u8,
    status: u8,
    masked_status: u8,
    msg_status: u8,
    sb_len_wr: u8,
    host_status: u16,
    driver_status: u16,
    resid: i32,
    duration: u32,
    info: u32,
}

/// Sends one reading command and returns what came back.
///
/// `None` for anything but success: the caller has other evidence.
fn read_command<const N: usize>(device: &OwnedFd, command: &[u8]) -> Option<[u8; N]> {
    let mut data = [0_u8; N];
    let mut sense = [0_u8; 32];
    let mut header = SgIoHdr {
        interface_id: i32::from(b'S'),
        dxfer_direction: SG_DXFER_FROM_DEV,
        cmd_len: u8::try_from(command.len()).ok()?,
        mx_sb_len: 32,
        iovec_count: 0,
        dxfer_len: u32::try_from(N).ok()?,
        dxferp: data.as_mut_ptr(),
        cmdp: command.as_ptr(),
        sbp: sense.as_mut_ptr(),
        timeout: TIMEOUT_MS,
        flags: 0,
        pack_id: 0,
        usr_ptr: std::ptr::null_mut(),
        status: 0,
        masked_status: 0,
        msg_status: 0,
        sb_len_wr: 0,
        host_status: 0,
        driver_status: 0,
        resid: 0,
        duration: 0,
        info: 0,
    };
    // SAFETY: SG_IO takes a `struct sg_io_hdr` (the layout above) and updates it. The buffers it
    // points to live until the call returns, are as long as the header says, and the kernel writes
    // to `data` and `sense` only.
    let outcome = unsafe { ioctl(device, Updater::<SG_IO, SgIoHdr>::new(&mut header)) };
    outcome.ok()?;
    let transferred = i64::try_from(N).ok()? - i64::from(header.resid);
    // Driver status bit 3 only says that sense data came along, as some bridges always send it.
    let clean = header.status == 0
        && header.host_status == 0
        && header.driver_status & !0x08 == 0
        && transferred > 0;
    clean.then_some(data)
}

/// The 512 bytes of ATA IDENTIFY DEVICE, through ATA PASS-THROUGH (16) (SAT-4, 12.2.2).
pub(super) fn ata_identify(device: &OwnedFd) -> Option<[u8; 512]> {
    const ATA_PASS_THROUGH_16: u8 = 0x85;
    const PIO_DATA_IN: u8 = 4 << 1;
    // Length in the sector count field, in blocks, from the device.
    const ONE_BLOCK_IN: u8 = 0x0e;
    const IDENTIFY_DEVICE: u8 = 0xec;
    let mut command = [0_u8; 16];
    command[0] = ATA_PASS_THROUGH_16;
    command[1] = PIO_DATA_IN;
    command[2] = ONE_BLOCK_IN;
    command[6] = 1;
    command[14] = IDENTIFY_DEVICE;
    read_command::<512>(device, &command).filter(|data| data.iter().any(|&b| b != 0))
}

/// A SCSI vital product data page (SPC-5, INQUIRY with EVPD).
pub(super) fn scsi_vpd(device: &OwnedFd, page: u8) -> Option<[u8; 64]> {
    const INQUIRY: u8 = 0x12;
    const EVPD: u8 = 1;
    read_command::<64>(device, &[INQUIRY, EVPD, page, 0, 64, 0]).filter(|data| data[1] == page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_kernels_layout() {
        assert_eq!(size_of::<SgIoHdr>(), 88);
        assert_eq!(std::mem::offset_of!(SgIoHdr, dxferp), 16);
        assert_eq!(std::mem::offset_of!(SgIoHdr, timeout), 40);
        assert_eq!(std::mem::offset_of!(SgIoHdr, status), 64);
        assert_eq!(std::mem::offset_of!(SgIoHdr, info), 80);
    }

    #[test]
    fn a_file_is_no_device() {
        let file = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
        assert!(ata_identify(&file).is_none());
        assert!(scsi_vpd(&file, 0xb1).is_none());
    }
}
