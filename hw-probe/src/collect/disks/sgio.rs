//! Questions to SCSI and ATA devices through the kernel's SG_IO ioctl.
#![allow(unsafe_code)]

use std::os::fd::OwnedFd;

use rustix::ioctl::{Opcode, Updater, ioctl};

/// `SG_IO` of `scsi/sg.h`.
const SG_IO: Opcode = 0x2285;
const SG_DXFER_NONE: i32 = -1;
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

/// What came back.
struct Reply {
    /// Sense data, as much as there was.
    sense: Vec<u8>,
    /// Whether data arrived and nothing but sense data was amiss.
    is_clean: bool,
}

/// Sends one command that reads `data`, or nothing.
///
/// `None` when the kernel or the host adapter refuses.
fn send(device: &OwnedFd, command: &[u8], data: &mut [u8]) -> Option<Reply> {
    let mut sense = [0_u8; 32];
    let length = u32::try_from(data.len()).ok()?;
    let mut header = SgIoHdr {
        interface_id: i32::from(b'S'),
        dxfer_direction: if data.is_empty() {
            SG_DXFER_NONE
        } else {
            SG_DXFER_FROM_DEV
        },
        cmd_len: u8::try_from(command.len()).ok()?,
        mx_sb_len: 32,
        iovec_count: 0,
        dxfer_len: length,
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
    let transferred = i64::from(length) - i64::from(header.resid);
    // Driver status bit 3 only says that sense data came along, as some bridges always send it.
    let reached = header.host_status == 0 && header.driver_status & !0x08 == 0;
    let sense_length = usize::from(header.sb_len_wr).min(sense.len());
    reached.then(|| Reply {
        sense: sense.get(..sense_length).unwrap_or_default().to_vec(),
        is_clean: header.status == 0 && transferred > 0,
    })
}

fn read_command<const N: usize>(device: &OwnedFd, command: &[u8]) -> Option<[u8; N]> {
    let mut data = [0_u8; N];
    let reply = send(device, command, &mut data)?;
    reply.is_clean.then_some(data)
}

/// An ATA command in ATA PASS-THROUGH (16) (SAT-4, 12.2.2).
#[derive(Clone, Copy, Default)]
struct AtaCommand {
    protocol: u8,
    /// Flags that say where the length stands, and whether the registers are wanted back.
    transfer: u8,
    feature: u8,
    count: u8,
    lba_low: u8,
    lba_mid: u8,
    lba_high: u8,
    command: u8,
}

impl AtaCommand {
    const NO_DATA: u8 = 3 << 1;
    const PIO_IN: u8 = 4 << 1;
    /// The command is one with 48-bit addresses.
    const EXTEND: u8 = 1;
    /// Length in the sector count field, in blocks, from the device.
    const ONE_BLOCK_IN: u8 = 0x0e;
    const WANT_REGISTERS: u8 = 0x20;

    fn bytes(self) -> [u8; 16] {
        const ATA_PASS_THROUGH_16: u8 = 0x85;
        let mut out = [0_u8; 16];
        out[0] = ATA_PASS_THROUGH_16;
        out[1] = self.protocol;
        out[2] = self.transfer;
        out[4] = self.feature;
        out[6] = self.count;
        out[8] = self.lba_low;
        out[10] = self.lba_mid;
        out[12] = self.lba_high;
        out[14] = self.command;
        out
    }

    fn read(self, device: &OwnedFd) -> Option<[u8; 512]> {
        read_command::<512>(device, &self.bytes()).filter(|data| data.iter().any(|&b| b != 0))
    }
}

/// The 512 bytes of ATA IDENTIFY DEVICE.
pub(super) fn ata_identify(device: &OwnedFd) -> Option<[u8; 512]> {
    let command = AtaCommand {
        protocol: AtaCommand::PIO_IN,
        transfer: AtaCommand::ONE_BLOCK_IN,
        count: 1,
        command: 0xec,
        ..AtaCommand::default()
    };
    command.read(device)
}

/// Subcommands of SMART (ACS-3, 7.48, and ATA-7 for the first two).
#[derive(Clone, Copy)]
pub(super) enum Smart {
    Data = 0xd0,
    Thresholds = 0xd1,
}

const SMART: AtaCommand = AtaCommand {
    protocol: AtaCommand::PIO_IN,
    transfer: AtaCommand::ONE_BLOCK_IN,
    feature: 0,
    count: 1,
    lba_low: 0,
    lba_mid: 0x4f,
    lba_high: 0xc2,
    command: 0xb0,
};

pub(super) fn ata_smart(device: &OwnedFd, what: Smart) -> Option<[u8; 512]> {
    let feature = what as u8;
    AtaCommand { feature, ..SMART }.read(device)
}

/// SMART RETURN STATUS: whether the drive says that it is about to fail.
pub(super) fn ata_says_it_fails(device: &OwnedFd) -> Option<bool> {
    let command = AtaCommand {
        protocol: AtaCommand::NO_DATA,
        transfer: AtaCommand::WANT_REGISTERS,
        feature: 0xda,
        count: 0,
        ..SMART
    };
    let reply = send(device, &command.bytes(), &mut [])?;
    match lba_registers(&reply.sense)? {
        (0x4f, 0xc2) => Some(false),
        (0xf4, 0x2c) => Some(true),
        _ => None,
    }
}

/// Middle and high byte of the address in an ATA Status Return (SAT-4, 12.2.2.6), in either form of
/// sense data.
fn lba_registers(sense: &[u8]) -> Option<(u8, u8)> {
    match sense.first()? & 0x7f {
        0x72 => {
            let descriptors = sense.get(8..)?;
            match descriptors {
                [0x09, 0x0c, ..] => Some((*descriptors.get(9)?, *descriptors.get(11)?)),
                _ => None,
            }
        }
        0x70 => Some((*sense.get(10)?, *sense.get(11)?)),
        _ => None,
    }
}

/// One page of a general purpose log (ACS-3, 7.24, READ LOG EXT).
pub(super) fn ata_log(device: &OwnedFd, log: u8, page: u8) -> Option<[u8; 512]> {
    let command = AtaCommand {
        protocol: AtaCommand::PIO_IN | AtaCommand::EXTEND,
        transfer: AtaCommand::ONE_BLOCK_IN,
        count: 1,
        lba_low: log,
        lba_mid: page,
        command: 0x2f,
        ..AtaCommand::default()
    };
    command.read(device)
}

/// A SCSI vital product data page (SPC-5, INQUIRY with EVPD).
pub(super) fn scsi_vpd(device: &OwnedFd, page: u8) -> Option<[u8; 64]> {
    const INQUIRY: u8 = 0x12;
    const EVPD: u8 = 1;
    read_command::<64>(device, &[INQUIRY, EVPD, page, 0, 64, 0]).filter(|data| data[1] == page)
}

/// A SCSI log page, current cumulative values (SPC-5, LOG SENSE).
pub(super) fn scsi_log(device: &OwnedFd, page: u8) -> Option<[u8; 512]> {
    const LOG_SENSE: u8 = 0x4d;
    const CUMULATIVE: u8 = 1 << 6;
    let command = [LOG_SENSE, 0, CUMULATIVE | page, 0, 0, 0, 0, 2, 0, 0];
    read_command::<512>(device, &command).filter(|data| data[0] & 0x3f == page)
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
        assert!(ata_says_it_fails(&file).is_none());
    }

    #[test]
    fn registers_in_both_forms_of_sense_data() {
        let mut descriptor = [0_u8; 22];
        descriptor[0] = 0x72;
        descriptor[8..10].copy_from_slice(&[0x09, 0x0c]);
        descriptor[17] = 0x4f;
        descriptor[19] = 0xc2;
        assert_eq!(lba_registers(&descriptor), Some((0x4f, 0xc2)));
        let mut fixed = [0_u8; 18];
        fixed[0] = 0xf0;
        fixed[10..12].copy_from_slice(&[0xf4, 0x2c]);
        assert_eq!(lba_registers(&fixed), Some((0xf4, 0x2c)));
        assert_eq!(lba_registers(&[]), None);
    }

    #[test]
    fn ata_commands_as_sat_lays_them_out() {
        let read_log = AtaCommand {
            protocol: AtaCommand::PIO_IN | AtaCommand::EXTEND,
            transfer: AtaCommand::ONE_BLOCK_IN,
            count: 1,
            lba_low: 4,
            lba_mid: 7,
            command: 0x2f,
            ..AtaCommand::default()
        };
        assert_eq!(
            read_log.bytes(),
            [0x85, 0x09, 0x0e, 0, 0, 0, 1, 0, 4, 0, 7, 0, 0, 0, 0x2f, 0]
        );
    }
}
