//! The machines of the quick set. Together they have every transport, verdict, topology feature and
//! firmware once, and all of them are fixtures.

use qemu_lab::Firmware;

use super::{Drive, PARTITIONED, Shape};

pub const MIB: u64 = 1024;

pub const fn drive(
    device: &'static str,
    image: &'static str,
    kib: u64,
    found: &'static str,
) -> Drive {
    Drive {
        device,
        image,
        kib,
        options: "",
        found,
    }
}

pub const fn with(options: &'static str, drive: Drive) -> Drive {
    Drive { options, ..drive }
}

/// Names of a server whose maker has filled everything in.
const SERVER_NAMES: &[&str] = &[
    "-smbios type=0,vendor=Maker BIOS,version=1.2.3,date=02/29/2024,release=4.5",
    "-smbios type=1,manufacturer=Maker Inc.,product=Server 9000,version=rev B,serial=SYS-0042,\
     uuid=11223344-5566-7788-99aa-bbccddeeff00,sku=SKU-7,family=Rack",
    "-smbios type=2,manufacturer=Board Maker,product=B550,version=1,serial=BRD-77,asset=A1,location=L1",
    "-smbios type=3,manufacturer=Case Maker,version=2,serial=CHS-5,asset=A2,sku=C9",
    "-smbios type=4,sock_pfx=CPU,manufacturer=Chip Maker,version=Chip 1,max-speed=3000,current-speed=2000",
    "-smbios type=17,loc_pfx=DIMM_A,bank=BANK 0,manufacturer=Dimm Maker,serial=D-1,asset=A3,\
     part=PN-2400,speed=2400",
];

/// Names of a board whose maker has left the fillers in.
const FILLER_NAMES: &[&str] = &[
    "-smbios type=0,vendor=American Megatrends Inc.,version=P1.00,date=01/02/2020",
    "-smbios type=1,manufacturer=To Be Filled By O.E.M.,product=To Be Filled By O.E.M.,\
     version=To Be Filled By O.E.M.,serial=To Be Filled By O.E.M.,sku=Default string,\
     family=Default string,uuid=03000200-0400-0500-0006-000700080009",
    "-smbios type=2,manufacturer=ASRock,product=X570D4U,version= ,serial=None",
    "-smbios type=3,manufacturer=Default string,version=Default string,serial=123456789",
    "-smbios type=17,loc_pfx=DIMM,bank=Not Specified,manufacturer=Unknown,serial=00000000,\
     part=Undefined         ,speed=0",
];

pub const QUICK: &[Shape] = &[
    Shape {
        name: "q35-sata-named",
        arguments: &[
            SERVER_NAMES[0],
            SERVER_NAMES[1],
            SERVER_NAMES[2],
            SERVER_NAMES[3],
            SERVER_NAMES[4],
            SERVER_NAMES[5],
            "-device virtio-scsi-pci,id=vs",
            "-device isa-fdc",
            "-device ipmi-bmc-sim,id=bmc",
            "-device isa-ipmi-kcs,bmc=bmc",
        ],
        drives: &[
            drive(
                "ide-hd,bus=ide.0,rotation_rate=7200,serial=HDD-7200,wwn=0x5000c50000000001",
                PARTITIONED,
                64 * MIB,
                "sd ata hdd counted serial=HDD-7200 wwn=naa.5000c50000000001 rpm=7200",
            ),
            drive(
                "ide-hd,bus=ide.1,rotation_rate=1,serial=SSD-1,wwn=0x5000c50000000002",
                "ssd",
                65 * MIB,
                "sd ata ssd counted serial=SSD-1 wwn=naa.5000c50000000002",
            ),
            drive(
                "ide-hd,bus=ide.2,serial=MUTE-1",
                "mute",
                66 * MIB,
                "sd ata unknown-vm counted serial=MUTE-1 wwn=t10.ATA~QEMU~HARDDISK~MUTE-1",
            ),
            with(
                "media=cdrom,readonly=on",
                drive(
                    "ide-cd,bus=ide.3,serial=CD-1",
                    "cd",
                    2 * MIB,
                    "sr ata optical optical",
                ),
            ),
            drive(
                "ide-cd,bus=ide.4,serial=CD-2",
                "",
                0,
                "sr=1073741312 ata optical optical",
            ),
            drive(
                "scsi-hd,bus=vs.0,serial=VS-1,wwn=0x5000c50000000003,rotation_rate=10000",
                "scsi",
                67 * MIB,
                "sd virtio hdd counted serial=VS-1 wwn=naa.5000c50000000003 rpm=10000",
            ),
            drive(
                "scsi-hd,bus=vs.0,serial=VS-4K,wwn=0x5000c50000000004,logical_block_size=4096,\
                 physical_block_size=4096,rotation_rate=1",
                "scsi4k",
                68 * MIB,
                "sd virtio ssd counted serial=VS-4K wwn=naa.5000c50000000004",
            ),
            drive(
                "virtio-blk-pci,serial=VB-1",
                "vblk",
                69 * MIB,
                "vd virtio unknown-vm counted serial=VB-1",
            ),
            with(
                "readonly=on",
                drive(
                    "virtio-blk-pci,serial=VB-RO,logical_block_size=4096,physical_block_size=4096",
                    "vblkro",
                    70 * MIB,
                    "vd virtio unknown-vm read-only serial=VB-RO",
                ),
            ),
            // Not known before somebody opens it.
            drive("floppy", "floppy", 1440, "fd=0 - optical optical"),
        ],
        prepare: "modprobe floppy; mkswap -L spare /dev/vda >/dev/null",
        bmc: Some("kcs"),
        signatures: &[(PARTITIONED, "gpt"), ("vblk", "swap")],
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-numa-nvme",
        arguments: &[
            "-cpu Nehalem",
            "-smp cpus=8,sockets=2,dies=1,cores=2,threads=2",
            "-m 3072",
            "-object memory-backend-ram,id=m0,size=1G",
            "-object memory-backend-ram,id=m1,size=1536M",
            "-object memory-backend-ram,id=m2,size=512M",
            "-numa node,nodeid=0,cpus=0-3,memdev=m0",
            "-numa node,nodeid=1,cpus=4-7,memdev=m1",
            "-numa node,nodeid=2,memdev=m2",
            "-numa dist,src=0,dst=1,val=21",
            "-numa dist,src=0,dst=2,val=17",
            "-numa dist,src=1,dst=2,val=28",
            "-device nvme-subsys,id=shared,nqn=shared",
            "-device nvme,id=one,serial=NVME-ONE",
            "-device nvme,id=two,serial=NVME-TWO",
            "-device nvme,id=pathA,serial=NVME-SHARED,subsys=shared",
            "-device nvme,id=pathB,serial=NVME-SHARED,subsys=shared",
        ],
        // The kernel does not believe QEMU's unique ids and makes its own of serial and model.
        drives: &[
            drive(
                "nvme-ns,bus=one,nsid=1",
                "n1",
                71 * MIB,
                "nvme nvme ssd counted serial=NVME-ONE wwn=nvme.1b36-4e564d452d4f4e45-51454d55204e564d65204374726c-00000001",
            ),
            drive(
                "nvme-ns,bus=two,nsid=1",
                "n2",
                72 * MIB,
                "nvme nvme ssd counted serial=NVME-TWO wwn=nvme.1b36-4e564d452d54574f-51454d55204e564d65204374726c-00000001",
            ),
            drive(
                "nvme-ns,bus=two,nsid=2,logical_block_size=4096,\
                 physical_block_size=4096",
                "n3",
                73 * MIB,
                "nvme nvme ssd counted serial=NVME-TWO wwn=nvme.1b36-4e564d452d54574f-51454d55204e564d65204374726c-00000002",
            ),
            drive(
                "nvme-ns,bus=pathA,nsid=1,shared=on",
                "n4",
                74 * MIB,
                "nvme nvme ssd counted serial=NVME-SHARED wwn=nvme.1b36-4e564d452d534841524544-51454d55204e564d65204374726c-00000001",
            ),
        ],
        // The kernel's nodes for the two paths below the shared disk.
        made: &[
            (
                74 * MIB,
                "nvme-path nvme ssd duplicate-path serial=NVME-SHARED wwn=nvme.1b36-4e564d452d534841524544-51454d55204e564d65204374726c-00000001",
            ),
            (
                74 * MIB,
                "nvme-path nvme ssd duplicate-path serial=NVME-SHARED wwn=nvme.1b36-4e564d452d534841524544-51454d55204e564d65204374726c-00000001",
            ),
        ],
        logical: 8,
        cores: 4,
        sockets: 2,
        dies: 2,
        distances: &[&[10, 21, 17], &[21, 10, 28], &[17, 28, 10]],
        node_mib: &[1024, 1536, 512],
        ..Shape::PLAIN
    },
    Shape {
        name: "uefi-usb-made",
        firmware: Firmware::Ovmf,
        setup_mode: Some(true),
        arguments: &[
            "-smp cpus=3,sockets=1,cores=3,threads=1",
            "-device qemu-xhci,id=xhci",
            "-device usb-uas,id=uas,bus=xhci.0",
            "-device sdhci-pci",
        ],
        drives: &[
            drive(
                "usb-storage,bus=xhci.0,removable=on,serial=USB-R",
                "stick",
                75 * MIB,
                "sd usb unknown-vm removable serial=USB-R",
            ),
            drive(
                "usb-storage,bus=xhci.0,removable=off,serial=USB-F",
                "case",
                76 * MIB,
                "sd usb unknown-vm usb serial=USB-F",
            ),
            drive(
                "scsi-hd,bus=uas.0,serial=UAS-1",
                "uas",
                77 * MIB,
                "sd usb unknown-vm usb serial=UAS-1",
            ),
            drive(
                "sd-card",
                "card",
                64 * MIB,
                "mmcblk mmc mmc mmc serial=0xdeadbeef",
            ),
        ],
        prepare: "modprobe loop max_loop=1
modprobe brd rd_nr=1 rd_size=4096
modprobe zram num_devices=1
echo 8M >/sys/block/zram0/disksize
modprobe null_blk nr_devices=1 gb=1
modprobe scsi_debug dev_size_mb=16
dd if=/dev/zero of=/tmp/file bs=1024 count=5120 2>/dev/null
losetup /dev/loop0 /tmp/file
modprobe dm-mod
DM_DISABLE_UDEV=1 dmsetup create plain --table '0 2048 linear /dev/ram0 0'
disks 10",
        made: &[
            (5 * MIB, "loop virtual virtual virtual"),
            (4 * MIB, "ram virtual virtual virtual"),
            (8 * MIB, "zram virtual virtual virtual"),
            (1024 * MIB, "nullb virtual virtual virtual"),
            (MIB, "dm- virtual virtual virtual"),
            (
                16 * MIB,
                "sd scsi ssd test-device serial=20000 wwn=naa.3333333000004e20",
            ),
        ],
        logical: 3,
        cores: 3,
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-scsi-paths",
        arguments: &[
            "-cpu Nehalem",
            "-smp cpus=4,sockets=2,cores=2,threads=1",
            "-device virtio-scsi-pci,id=left",
            "-device virtio-scsi-pci,id=right",
            "-device megasas,id=mega",
            "-device mptsas1068,id=mpt",
            "-device lsi53c895a,id=sym",
            "-device pvscsi,id=pv",
        ],
        drives: &[
            with(
                "file.locking=off",
                drive(
                    "scsi-hd,bus=left.0,serial=MP-1,wwn=0x5000c500000000aa,share-rw=on,rotation_rate=7200",
                    "paths",
                    80 * MIB,
                    "sd virtio hdd counted serial=MP-1 wwn=naa.5000c500000000aa rpm=7200",
                ),
            ),
            with(
                "file.locking=off",
                drive(
                    "scsi-hd,bus=right.0,serial=MP-1,wwn=0x5000c500000000aa,share-rw=on,rotation_rate=7200",
                    "paths",
                    80 * MIB,
                    "sd virtio hdd duplicate-path serial=MP-1 wwn=naa.5000c500000000aa rpm=7200",
                ),
            ),
            drive(
                "scsi-hd,bus=mega.0,serial=MEGA-1,wwn=0x5000c500000000ab,rotation_rate=1",
                "mega",
                81 * MIB,
                "sd scsi ssd counted serial=MEGA-1 wwn=naa.5000c500000000ab",
            ),
            drive(
                "scsi-hd,bus=mpt.0,serial=MPT-1,wwn=0x5000c500000000ac,rotation_rate=15000",
                "mpt",
                82 * MIB,
                "sd sas hdd counted serial=MPT-1 wwn=naa.5000c500000000ac rpm=15000",
            ),
            drive(
                "scsi-hd,bus=sym.0,serial=SYM-1",
                "sym",
                83 * MIB,
                "sd scsi unknown-vm counted serial=SYM-1",
            ),
            drive(
                "scsi-hd,bus=pv.0,serial=PV-1",
                "pv",
                84 * MIB,
                "sd vmware-pvscsi unknown-vm counted serial=PV-1",
            ),
        ],
        command_line: "maxcpus=3",
        prepare: "modprobe dm-multipath
modprobe dm-round-robin
paths=$(grep -l 5000c500000000aa /sys/block/sd*/device/wwid | cut -d/ -f4)
set -- $(for path in $paths; do cat /sys/block/$path/dev; done)
DM_DISABLE_UDEV=1 dmsetup create mpatha --table \
    \"0 163840 multipath 0 0 1 1 round-robin 0 2 1 $1 1000 $2 1000\"",
        made: &[(80 * MIB, "dm- virtual virtual virtual")],
        logical: 3,
        cores: 3,
        sockets: 2,
        dies: 2,
        ..Shape::PLAIN
    },
    Shape {
        name: "uefi-secure-nics",
        firmware: Firmware::OvmfSecureBoot,
        arguments: &[
            FILLER_NAMES[0],
            FILLER_NAMES[1],
            FILLER_NAMES[2],
            FILLER_NAMES[3],
            FILLER_NAMES[4],
            "-netdev hubport,id=n0,hubid=0",
            "-netdev hubport,id=n1,hubid=1",
            "-netdev hubport,id=n2,hubid=2",
            "-netdev hubport,id=n3,hubid=3",
            "-device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01,addr=0x10,romfile=",
            "-device e1000e,netdev=n1,mac=52:54:00:00:00:02,addr=0x11,romfile=",
            "-device e1000,netdev=n2,mac=52:54:00:00:00:03,addr=0x12,romfile=",
            "-device vmxnet3,netdev=n3,mac=52:54:00:00:00:04,addr=0x13,romfile=",
        ],
        drives: &[drive(
            "nvme,serial=NVME-SB",
            "n",
            85 * MIB,
            "nvme nvme ssd counted serial=NVME-SB wwn=nvme.1b36-4e564d452d5342-51454d55204e564d65204374726c-00000001",
        )],
        secure_boot: true,
        setup_mode: Some(false),
        nics: &[
            ("virtio_net", "52:54:00:00:00:01", "0000:00:10.0"),
            ("e1000e", "52:54:00:00:00:02", "0000:00:11.0"),
            ("e1000", "52:54:00:00:00:03", "0000:00:12.0"),
            ("vmxnet3", "52:54:00:00:00:04", "0000:00:13.0"),
        ],
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-dimm-pmem",
        machine_type: "q35,nvdimm=on",
        arguments: &[
            "-cpu Nehalem",
            "-smp cpus=4,sockets=1,dies=2,cores=2,threads=1",
            "-m 1024,slots=4,maxmem=4G",
            "-object memory-backend-ram,id=m1,size=512M",
            "-device pc-dimm,memdev=m1",
            "-object memory-backend-ram,id=nv1,size=64M",
            "-device nvdimm,memdev=nv1",
        ],
        command_line: "memhp_default_state=online",
        made: &[(64 * MIB, "pmem - pmem pmem")],
        logical: 4,
        cores: 4,
        dies: 2,
        plugged_mib: 512,
        ..Shape::PLAIN
    },
];
