//! The table. The quick machines together have every transport, verdict, topology feature and
//! firmware once; the others vary them.

use qemu_lab::Firmware;

use super::{Drive, Shape};

const MIB: u64 = 1024;

const fn drive(device: &'static str, image: &'static str, kib: u64, found: &'static str) -> Drive {
    Drive {
        device,
        image,
        kib,
        options: "",
        found,
    }
}

const fn with(options: &'static str, drive: Drive) -> Drive {
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

pub const SHAPES: &[Shape] = &[
    Shape {
        name: "q35-sata-named",
        quick: true,
        fixture: true,
        arguments: &[
            SERVER_NAMES[0],
            SERVER_NAMES[1],
            SERVER_NAMES[2],
            SERVER_NAMES[3],
            SERVER_NAMES[4],
            SERVER_NAMES[5],
            "-device virtio-scsi-pci,id=vs",
            "-device isa-fdc",
        ],
        drives: &[
            drive(
                "ide-hd,bus=ide.0,rotation_rate=7200,serial=HDD-7200,wwn=0x5000c50000000001",
                "hdd",
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
                    "sr ata optical optical serial=CD-1",
                ),
            ),
            drive(
                "ide-cd,bus=ide.4,serial=CD-2",
                "",
                0,
                "sr ata optical optical serial=CD-2",
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
            drive("floppy", "floppy", 1440, "fd - optical optical"),
        ],
        prepare: "modprobe floppy; mkswap -L spare /dev/vda >/dev/null",
        signatures: &[("vblk", "swap")],
        ..Shape::PLAIN
    },
    Shape {
        name: "q35-numa-nvme",
        quick: true,
        fixture: true,
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
        drives: &[
            drive(
                "nvme-ns,bus=one,nsid=1,uuid=11111111-0000-4000-8000-000000000001",
                "n1",
                71 * MIB,
                "nvme nvme ssd counted serial=NVME-ONE wwn=uuid.11111111-0000-4000-8000-000000000001",
            ),
            drive(
                "nvme-ns,bus=two,nsid=1,eui64=0x0025385b00000001",
                "n2",
                72 * MIB,
                "nvme nvme ssd counted serial=NVME-TWO wwn=eui.0025385b00000001",
            ),
            drive(
                "nvme-ns,bus=two,nsid=2,eui64=0x0025385b00000002,logical_block_size=4096,\
                 physical_block_size=4096",
                "n3",
                73 * MIB,
                "nvme nvme ssd counted serial=NVME-TWO wwn=eui.0025385b00000002",
            ),
            drive(
                "nvme-ns,bus=pathA,nsid=1,shared=on,eui64=0x0025385b00000003",
                "n4",
                74 * MIB,
                "nvme nvme ssd counted serial=NVME-SHARED wwn=eui.0025385b00000003",
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
];

/// Kept until the table uses it.
const _: (&[&str], Firmware) = (FILLER_NAMES, Firmware::Ovmf);
