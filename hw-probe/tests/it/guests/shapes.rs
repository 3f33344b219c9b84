//! The machines: what QEMU is told, and what therefore must be found.

use qemu_lab::Firmware;

mod further;
mod quick;

pub use further::FURTHER;
pub use quick::QUICK;

/// Name of the image that gets a GPT with two partitions before the machine starts.
pub const PARTITIONED: &str = "gpt";

/// One drive of a machine.
pub struct Drive {
    /// QEMU's device and its properties, without the drive.
    pub device: &'static str,
    /// Name of its image; drives with the same one are paths to the same disk.
    pub image: &'static str,
    /// Size of the image in KiB; 0 for a drive without medium.
    pub kib: u64,
    /// More properties of the drive.
    pub options: &'static str,
    /// What must be found: see [`Shape::disks`].
    pub found: &'static str,
}

/// One machine.
pub struct Shape {
    /// Name, also of its fixture.
    pub name: &'static str,
    pub firmware: Firmware,
    /// QEMU's machine type with its properties.
    pub machine_type: &'static str,
    /// More of QEMU's arguments, each an option and its value.
    pub arguments: &'static [&'static str],
    pub drives: &'static [Drive],
    /// More of the kernel's command line.
    pub command_line: &'static str,
    /// Shell commands in the guest before anything is read, when all drives are there.
    pub prepare: &'static str,
    /// Online threads, cores, sockets, dies, NUMA nodes.
    pub logical: u32,
    pub cores: u32,
    pub sockets: u32,
    pub dies: u32,
    /// Distances of the NUMA nodes, row by row.
    pub distances: &'static [&'static [u32]],
    /// Memory of each NUMA node in MiB. Their sum is what is installed.
    pub node_mib: &'static [u64],
    /// Memory plugged in besides, which QEMU's firmware tables do not list, in MiB.
    pub plugged_mib: u64,
    /// Whether Secure Boot is on.
    pub secure_boot: bool,
    /// Whether the firmware is in setup mode; `None` where there is none, as in a legacy BIOS. Debian's
    /// plain OVMF is: it knows no keys.
    pub setup_mode: Option<bool>,
    /// How the host reaches the baseboard management controller, if there is one.
    pub bmc: Option<&'static str>,
    /// Network cards: driver, hardware address, PCI address.
    pub nics: &'static [(&'static str, &'static str, &'static str)],
    /// Devices that the kernel makes by itself, with their size in KiB.
    pub made: &'static [(u64, &'static str)],
    /// What must be recognised on disks: image's name and kind of signature.
    pub signatures: &'static [(&'static str, &'static str)],
}

impl Shape {
    /// A machine with a legacy BIOS, 2 cores in one socket, 1 GiB and no drives.
    pub const PLAIN: Self = Self {
        name: "",
        firmware: Firmware::SeaBios,
        machine_type: "q35",
        arguments: &[],
        drives: &[],
        command_line: "",
        prepare: "",
        logical: 2,
        cores: 2,
        sockets: 1,
        dies: 1,
        distances: &[&[10]],
        node_mib: &[1024],
        plugged_mib: 0,
        secure_boot: false,
        setup_mode: None,
        bmc: None,
        nics: &[],
        made: &[],
        signatures: &[],
    };

    /// What must be found of each block device, one line each, sorted:
    /// `NAME-WITHOUT-ITS-NUMBER BYTES TRANSPORT KIND VERDICT [serial=S] [wwn=W] [rpm=N]`, where the
    /// verdict is `counted` or the reason why it does not count. The table leaves out the size where
    /// it is the image's and writes it as `NAME=BYTES` where it is not.
    pub fn disks(&self) -> Vec<String> {
        let drives = self.drives.iter().map(|drive| (drive.kib, drive.found));
        let mut lines: Vec<String> = drives
            .chain(self.made.iter().copied())
            .filter(|(_, found)| !found.is_empty())
            .map(|(kib, found)| {
                let (name, rest) = found.split_once(' ').unwrap();
                match name.split_once('=') {
                    Some((name, bytes)) => format!("{name} {bytes} {rest}"),
                    None => format!("{name} {} {rest}", kib * 1024),
                }
            })
            .collect();
        lines.sort();
        lines
    }

    /// Whether UEFI starts it.
    pub fn is_uefi(&self) -> bool {
        self.firmware != Firmware::SeaBios
    }

    /// Signatures by the size of the disk they are on: sizes are unique, kernel names are not.
    pub fn signatures(&self) -> Vec<(u64, &'static str)> {
        let size = |image: &str| {
            let drive = self.drives.iter().find(|drive| drive.image == image);
            drive.unwrap().kib * 1024
        };
        self.signatures
            .iter()
            .map(|&(image, kind)| (size(image), kind))
            .collect()
    }

    /// Memory of each NUMA node, with what is plugged into the first.
    pub fn node_mib_with_plugged(&self) -> Vec<u64> {
        let mut nodes = self.node_mib.to_vec();
        nodes[0] += self.plugged_mib;
        nodes
    }

    /// Installed memory that the firmware's tables list.
    pub fn memory_bytes(&self) -> u64 {
        self.node_mib.iter().sum::<u64>() << 20
    }
}
