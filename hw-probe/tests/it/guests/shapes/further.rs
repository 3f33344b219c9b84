//! The machines beyond the quick set: variations.

use qemu_lab::Firmware;

use super::Shape;
use super::quick::{MIB, drive};

pub const FURTHER: &[Shape] = &[
    Shape {
        name: "pc-ide-usb",
        machine_type: "pc",
        arguments: &[
            "-device ahci,id=ahci",
            "-device piix3-usb-uhci,id=uhci",
            "-device virtio-scsi-pci,id=vs",
        ],
        drives: &[
            drive(
                "ide-hd,bus=ide.0,rotation_rate=5400,serial=PATA-1",
                "pata",
                64 * MIB,
                "sd ata hdd counted serial=PATA-1 wwn=t10.ATA~QEMU~HARDDISK~PATA-1 rpm=5400",
            ),
            drive(
                "ide-cd,bus=ide.1",
                "",
                0,
                "sr=1073741312 ata optical optical",
            ),
            drive(
                "ide-hd,bus=ahci.0,rotation_rate=1,serial=SATA-1",
                "sata",
                65 * MIB,
                "sd ata ssd counted serial=SATA-1 wwn=t10.ATA~QEMU~HARDDISK~SATA-1",
            ),
            drive(
                "scsi-hd,bus=vs.0,removable=on,serial=OUT-1",
                "out",
                67 * MIB,
                "sd virtio unknown-vm removable serial=OUT-1",
            ),
            drive(
                "scsi-cd,bus=vs.0,serial=SCD-1",
                "",
                0,
                "sr=1073741312 virtio optical optical",
            ),
            drive(
                "usb-storage,bus=uhci.0,serial=UHCI-1",
                "usb",
                66 * MIB,
                "sd usb unknown-vm usb serial=UHCI-1",
            ),
        ],
        logical: 1,
        cores: 1,
        node_mib: &[512],
        ..Shape::PLAIN
    },
    Shape {
        name: "pc-cpus-not-plugged",
        machine_type: "pc",
        arguments: &["-smp cpus=2,maxcpus=8,sockets=2,cores=4,threads=1"],
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-four-sockets",
        arguments: &[
            "-cpu Haswell",
            "-smp cpus=8,sockets=4,cores=2,threads=1",
            "-object memory-backend-ram,id=m0,size=512M",
            "-object memory-backend-ram,id=m1,size=512M",
            "-object memory-backend-ram,id=m2,size=512M",
            "-object memory-backend-ram,id=m3,size=512M",
            "-numa node,nodeid=0,cpus=0-1,memdev=m0",
            "-numa node,nodeid=1,cpus=2-3,memdev=m1",
            "-numa node,nodeid=2,cpus=4-5,memdev=m2",
            "-numa node,nodeid=3,cpus=6-7,memdev=m3",
            "-numa dist,src=0,dst=1,val=21",
            "-numa dist,src=0,dst=2,val=31",
            "-numa dist,src=0,dst=3,val=21",
            "-numa dist,src=1,dst=2,val=21",
            "-numa dist,src=1,dst=3,val=31",
            "-numa dist,src=2,dst=3,val=21",
        ],
        logical: 8,
        cores: 8,
        sockets: 4,
        dies: 4,
        distances: &[
            &[10, 21, 31, 21],
            &[21, 10, 21, 31],
            &[31, 21, 10, 21],
            &[21, 31, 21, 10],
        ],
        node_mib: &[512, 512, 512, 512],
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-several-modules",
        arguments: &["-smbios type=17,loc_pfx=SLOT,manufacturer=Maker,part=P-1,speed=3200"],
        node_mib: &[20 * 1024],
        ..Shape::PLAIN
    },
    Shape {
        name: "uefi-setup-mode",
        firmware: Firmware::OvmfSetupMode,
        drives: &[
            drive(
                "virtio-blk-pci",
                "ext",
                64 * MIB,
                "vd virtio unknown-vm counted",
            ),
            drive(
                "virtio-blk-pci",
                "parted",
                65 * MIB,
                "vd virtio unknown-vm counted",
            ),
        ],
        prepare: "mke2fs -F -L data /dev/vda >/dev/null
printf 'o\\nn\\np\\n1\\n\\n+16M\\nn\\np\\n2\\n\\n\\nw\\n' | fdisk /dev/vdb >/dev/null",
        signatures: &[("ext", "ext2"), ("parted", "dos")],
        setup_mode: Some(true),
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-threads-off",
        arguments: &["-cpu Haswell", "-smp cpus=8,sockets=1,cores=4,threads=2"],
        command_line: "nosmt",
        logical: 4,
        cores: 4,
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-threads-half-off",
        arguments: &["-cpu Haswell", "-smp cpus=8,sockets=2,cores=2,threads=2"],
        command_line: "maxcpus=5",
        logical: 5,
        cores: 3,
        sockets: 2,
        dies: 2,
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-amd",
        arguments: &["-cpu EPYC", "-smp cpus=4,sockets=2,cores=2,threads=1"],
        logical: 4,
        cores: 4,
        sockets: 2,
        dies: 2,
        ..Shape::PLAIN
    },
    Shape {
        name: "uefi-odd-cores",
        firmware: Firmware::Ovmf,
        setup_mode: Some(true),
        arguments: &["-cpu Nehalem", "-smp cpus=6,sockets=1,cores=3,threads=2"],
        logical: 6,
        cores: 3,
        node_mib: &[3072],
        ..Shape::PLAIN
    },
];
