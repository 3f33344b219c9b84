//! What `image build` makes, and what it writes beside it.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

/// What to make.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Result")]
pub struct ResultArgs {
    /// What to make; else the ending of --out tells
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ImageFormat>,

    /// Also write papers: FILE.manifest.json, FILE.sbom.spdx.json, FILE.SHA256SUMS
    #[arg(long, value_name = "PAPER", value_delimiter = ',')]
    pub with: Vec<Paper>,

    /// Sign FILE.SHA256SUMS (minisign) with a key of the form of farmer's identity, or of 32 random
    /// bytes
    #[arg(long, value_name = "KEYFILE")]
    pub sign: Option<PathBuf>,

    /// Do not wait until the image is on stable storage
    #[arg(long)]
    pub no_sync: bool,

    /// Do not compute the image's SHA-256
    #[arg(long, conflicts_with_all = ["with", "sign"])]
    pub no_digest: bool,
}

/// Format of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImageFormat {
    /// One file for CD, USB stick and disk, BIOS and UEFI
    Iso,
    /// The same file
    Usb,
    /// The same file
    Disk,
    /// The same disk for QEMU
    Qcow2,
    /// The same disk for Hyper-V and Azure
    Vhd,
    /// What a boot server serves: a directory, or a .tar.gz
    Pxe,
    /// The whole initramfs as one file
    Initramfs,
    /// The whole system as one EFI program
    Uki,
    /// A few MB that fetch the system over the network: CD, USB stick and disk
    ThinIso,
    /// The same file
    ThinUsb,
    /// The same for any FAT stick with UEFI: a directory, or a .tar.gz
    ThinEfi,
    /// The same for boot loaders with BIOS: a directory, or a .tar.gz
    ThinKrn,
    /// An iPXE script that fetches the system over the network
    Script,
}

impl ImageFormat {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::Usb => "usb",
            Self::Disk => "disk",
            Self::Qcow2 => "qcow2",
            Self::Vhd => "vhd",
            Self::Pxe => "pxe",
            Self::Initramfs => "initramfs",
            Self::Uki => "uki",
            Self::ThinIso => "thin-iso",
            Self::ThinUsb => "thin-usb",
            Self::ThinEfi => "thin-efi",
            Self::ThinKrn => "thin-krn",
            Self::Script => "script",
        }
    }

    /// Whether the output is a disk with regions in it.
    pub const fn is_disk(self) -> bool {
        matches!(
            self,
            Self::Iso
                | Self::Usb
                | Self::Disk
                | Self::Qcow2
                | Self::Vhd
                | Self::ThinIso
                | Self::ThinUsb
        )
    }

    /// Whether it only fetches the system.
    pub const fn is_thin(self) -> bool {
        matches!(
            self,
            Self::ThinIso | Self::ThinUsb | Self::ThinEfi | Self::ThinKrn | Self::Script
        )
    }

    /// Whether it is several files.
    pub const fn is_bundle(self) -> bool {
        matches!(self, Self::Pxe | Self::ThinEfi | Self::ThinKrn)
    }

    /// The format that the ending of a file's name means, if it means one.
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let endings = [
            (".iso", Self::Iso),
            (".img", Self::Disk),
            (".raw", Self::Disk),
            (".qcow2", Self::Qcow2),
            (".vhd", Self::Vhd),
            (".tar.gz", Self::Pxe),
            (".tgz", Self::Pxe),
            (".initramfs", Self::Initramfs),
            (".initrd", Self::Initramfs),
            (".efi", Self::Uki),
            (".ipxe", Self::Script),
        ];
        endings
            .into_iter()
            .find_map(|(ending, format)| name.ends_with(ending).then_some(format))
    }

    /// Whether the ending of a name is that of something that is not made here.
    pub fn is_foreign_name(path: &Path) -> bool {
        let endings = [
            "7z", "bz2", "cpio", "gz", "ova", "ovf", "rar", "tar", "uki", "vdi", "vhdx", "vmdk",
            "wic", "xz", "zip", "zst",
        ];
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        Self::of_name(path).is_none()
            && ending.is_some_and(|ending| endings.iter().any(|foreign| ending == *foreign))
    }

    /// Whether a file of this format may have a name that means another one.
    pub fn goes_by(self, implied: Self) -> bool {
        let raw = |format| matches!(format, Self::Iso | Self::Usb | Self::Disk);
        let thin = matches!(self, Self::ThinIso | Self::ThinUsb);
        self == implied
            || (raw(self) || thin) && raw(implied)
            || self.is_bundle() && implied == Self::Pxe
    }
}

/// A file written beside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Paper {
    /// Every input, region and output with its digest
    Manifest,
    /// The parts and their licences (SPDX 2.3)
    Sbom,
    /// For sha256sum -c
    Sha256sums,
    /// All of them
    All,
}
