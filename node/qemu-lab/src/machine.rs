//! What kind of machine a guest is.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::efivars::{self, EfiVariable};
use crate::guest::Guest;

const GIB: u64 = 1 << 30;

/// Which firmware starts the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// Legacy BIOS.
    SeaBios,
    /// UEFI, Secure Boot off.
    Ovmf,
    /// UEFI with Microsoft's keys enrolled and Secure Boot on.
    OvmfSecureBoot,
    /// UEFI that could do Secure Boot and has no keys yet: setup mode.
    OvmfSetupMode,
}

/// How the boot medium is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// An optical drive: 2048-byte blocks, El Torito.
    Cd,
    /// A stick on an xHCI port.
    Usb,
    /// A SATA disk.
    Sata,
    /// An NVMe disk.
    Nvme,
    /// A paravirtual disk.
    Virtio,
}

/// What a data disk claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskKind {
    /// An NVMe namespace.
    Nvme,
    /// A SATA disk that says 7200 rpm.
    SataHdd,
    /// A SATA disk that says it does not rotate.
    SataSsd,
    /// A paravirtual disk, which says nothing about its medium.
    Virtio,
}

/// A sparse data disk.
#[derive(Debug, Clone, Copy)]
pub struct Disk {
    /// What it claims to be.
    pub kind: DiskKind,
    /// Its size in bytes.
    pub size_bytes: u64,
}

impl Disk {
    /// A disk of whole GiB.
    #[must_use]
    pub const fn gib(kind: DiskKind, size_gib: u64) -> Self {
        Self {
            kind,
            size_bytes: size_gib * GIB,
        }
    }
}

/// How a network port is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nic {
    /// QEMU's user network: DHCP, and the host's loopback as 10.0.2.2.
    User,
    /// A link to nowhere: nobody answers DHCP.
    Silent,
}

/// A machine to boot.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Firmware.
    pub firmware: Firmware,
    /// QEMU's machine type: `q35` or `pc`.
    pub machine_type: &'static str,
    /// Installed memory in MiB.
    pub memory_mib: u64,
    /// Logical CPUs.
    pub cpus: u32,
    /// Boot medium: the image file and how it is attached. A stick is attached writable, so hand
    /// over a copy if the image matters.
    pub medium: Option<(PathBuf, Bus)>,
    /// QEMU's name for the format of that file: `raw`, `qcow2`, `vpc`.
    pub medium_format: &'static str,
    /// Data disks, in order.
    pub disks: Vec<Disk>,
    /// Network ports, in order.
    pub nics: Vec<Nic>,
    /// Whether the network cables are plugged when the machine starts.
    pub link_up: bool,
    /// Boot over the user networks: a directory they serve by TFTP, and the file in it that DHCP names.
    /// BIOS does so with iPXE, the option ROM of the ports; UEFI by itself.
    pub netboot: Option<(PathBuf, &'static str)>,
    /// Variables the firmware starts with, for [`Firmware::OvmfSetupMode`].
    pub efi_variables: Vec<EfiVariable>,
    /// More QEMU arguments.
    pub extra: Vec<OsString>,
}

impl Machine {
    /// A q35 machine with 2 CPUs, 1 GiB, one port on the user network and nothing else.
    #[must_use]
    pub const fn new(firmware: Firmware) -> Self {
        Self {
            firmware,
            machine_type: "q35",
            memory_mib: 1024,
            cpus: 2,
            medium: None,
            medium_format: "raw",
            disks: Vec::new(),
            nics: Vec::new(),
            link_up: true,
            netboot: None,
            efi_variables: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Starts the machine; `name` appears in errors.
    ///
    /// # Errors
    /// When QEMU or its firmware is not installed or QEMU does not start.
    pub fn boot(&self, name: &str) -> Result<Guest> {
        let work = tempfile::Builder::new().prefix("qemu-lab-").tempdir()?;
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-accel",
            "tcg",
        ]);
        qemu.args([
            "-m",
            &self.memory_mib.to_string(),
            "-smp",
            &self.cpus.to_string(),
        ]);
        qemu.args(["-device", "virtio-rng-pci"]);
        self.add_firmware(&mut qemu, work.path())?;
        self.add_medium(&mut qemu)?;
        self.add_disks(&mut qemu, work.path())?;
        self.add_nics(&mut qemu);
        let serial = work.path().join("serial.log");
        let monitor = work.path().join("qmp.sock");
        qemu.arg("-serial").arg(prefixed("file:", &serial));
        let mut listen = prefixed("unix:", &monitor);
        listen.push(",server=on,wait=off");
        qemu.arg("-qmp").arg(listen).arg("-S");
        qemu.args(&self.extra);
        qemu.stdin(Stdio::null()).stdout(Stdio::null());
        qemu.stderr(File::create(work.path().join("qemu.err"))?);
        let child = qemu.spawn().context(
            "starting qemu-system-x86_64 (Debian: apt-get install qemu-system-x86 ovmf)",
        )?;
        let mut guest = Guest::new(name, child, work, serial, monitor);
        if !self.link_up {
            for index in 0..self.nics.len() {
                guest.set_link(index, false)?;
            }
        }
        guest.resume()?;
        Ok(guest)
    }

    fn add_firmware(&self, qemu: &mut Command, work: &Path) -> Result<()> {
        let secure = matches!(
            self.firmware,
            Firmware::OvmfSecureBoot | Firmware::OvmfSetupMode
        );
        let machine = if secure {
            format!("{},smm=on", self.machine_type)
        } else {
            self.machine_type.to_owned()
        };
        qemu.args(["-machine", &machine]);
        let (code, vars) = match self.firmware {
            Firmware::SeaBios => return Ok(()),
            Firmware::Ovmf => ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
            Firmware::OvmfSecureBoot => ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd"),
            Firmware::OvmfSetupMode => ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd"),
        };
        let from = Path::new("/usr/share/OVMF");
        let own_vars = work.join("vars.fd");
        let mut store = std::fs::read(from.join(vars))
            .with_context(|| format!("reading {vars} (Debian: apt-get install ovmf)"))?;
        efivars::add(&mut store, &self.efi_variables)?;
        std::fs::write(&own_vars, store)?;
        if secure {
            qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
        }
        qemu.arg("-drive").arg(prefixed(
            "if=pflash,unit=0,format=raw,readonly=on,file=",
            &from.join(code),
        ));
        qemu.arg("-drive")
            .arg(prefixed("if=pflash,unit=1,format=raw,file=", &own_vars));
        Ok(())
    }

    fn add_medium(&self, qemu: &mut Command) -> Result<()> {
        let Some((image, bus)) = &self.medium else {
            return Ok(());
        };
        if !image.is_file() {
            bail!("boot medium {} does not exist", image.display());
        }
        let (drive, devices): (&str, &[&str]) = match bus {
            Bus::Cd if self.machine_type == "pc" => (
                "readonly=on,media=cdrom,",
                &["ide-cd,drive=medium,bus=ide.1,bootindex=0"],
            ),
            Bus::Cd => (
                "readonly=on,media=cdrom,",
                &["ide-cd,drive=medium,bus=ide.5,bootindex=0"],
            ),
            Bus::Usb => (
                "",
                &[
                    "qemu-xhci",
                    "usb-storage,drive=medium,removable=on,bootindex=0",
                ],
            ),
            Bus::Sata if self.machine_type == "pc" => {
                ("", &["ide-hd,drive=medium,bus=ide.1,bootindex=0"])
            }
            Bus::Sata => ("", &["ide-hd,drive=medium,bus=ide.5,bootindex=0"]),
            Bus::Nvme => ("", &["nvme,drive=medium,serial=medium,bootindex=0"]),
            Bus::Virtio => ("", &["virtio-blk-pci,drive=medium,bootindex=0"]),
        };
        qemu.arg("-drive").arg(prefixed(
            &format!(
                "if=none,id=medium,format={},{drive}file=",
                self.medium_format
            ),
            image,
        ));
        for device in devices {
            qemu.args(["-device", device]);
        }
        Ok(())
    }

    fn add_disks(&self, qemu: &mut Command, work: &Path) -> Result<()> {
        for (index, disk) in self.disks.iter().enumerate() {
            let file = work.join(format!("disk{index}.img"));
            File::create(&file)?.set_len(disk.size_bytes)?;
            qemu.arg("-drive").arg(prefixed(
                &format!("if=none,id=disk{index},format=raw,file="),
                &file,
            ));
            let device = match disk.kind {
                DiskKind::Nvme => format!("nvme,drive=disk{index},serial=NVME{index}"),
                // Ports are named: QEMU would put an unnamed one behind the CD drive.
                DiskKind::SataHdd => {
                    format!(
                        "ide-hd,drive=disk{index},bus=ide.{index},serial=HDD{index},rotation_rate=7200"
                    )
                }
                DiskKind::SataSsd => {
                    format!(
                        "ide-hd,drive=disk{index},bus=ide.{index},serial=SSD{index},rotation_rate=1"
                    )
                }
                DiskKind::Virtio => format!("virtio-blk-pci,drive=disk{index}"),
            };
            qemu.args(["-device", &device]);
        }
        Ok(())
    }

    fn add_nics(&self, qemu: &mut Command) {
        if self.nics.is_empty() {
            qemu.args(["-nic", "none"]);
        }
        for (index, nic) in self.nics.iter().enumerate() {
            let mut network = OsString::from(match nic {
                Nic::User => format!("user,id=net{index}"),
                Nic::Silent => format!("hubport,id=net{index},hubid={index}"),
            });
            let mut port = format!("virtio-net-pci,id=nic{index},netdev=net{index}");
            match &self.netboot {
                Some((directory, file)) if *nic == Nic::User => {
                    network.push(prefixed(",tftp=", directory));
                    network.push(format!(",bootfile={file}"));
                    port.push_str(&format!(",bootindex={index}"));
                }
                _ => {}
            }
            // The option ROM would try to boot from the network first, and stand in for UEFI's own way.
            if self.netboot.is_none() || self.firmware != Firmware::SeaBios {
                port.push_str(",romfile=");
            }
            qemu.arg("-netdev").arg(network).args(["-device", &port]);
        }
    }
}

pub(crate) fn prefixed(prefix: &str, path: &Path) -> OsString {
    let mut text = OsString::from(prefix);
    text.push(path);
    text
}
