//! How a script reaches a binary that was built without it.

use crate::capabilities::{Capabilities, Generation, Kind};

/// A way for a script into a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The script is the initrd of `ipxe.lkrn`: any loader of Linux kernels hands it over.
    Initrd,
    /// `autoexec.ipxe` in the directory of the EFI program, or in the root of its file system.
    Autoexec,
    /// The file that DHCP names; the server must tell iPXE from firmware.
    Dhcp,
}

/// Why a binary cannot be given a script on a medium.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It looks for no file.
    #[error(
        "{build} EFI program does not look for autoexec.ipxe, so no script on a medium reaches it; use \
         the package of Debian 13 (--ipxe-package FILE), or boot with BIOS"
    )]
    NoAutoexec {
        /// Which build.
        build: &'static str,
    },
}

impl Delivery {
    /// How a script on a medium reaches this binary.
    ///
    /// # Errors
    /// [`DeliveryError`] when there is no way.
    pub fn on_medium(capabilities: &Capabilities) -> Result<Self, DeliveryError> {
        match capabilities.kind {
            Kind::Lkrn => Ok(Self::Initrd),
            Kind::Pxe => Ok(Self::Dhcp),
            Kind::EfiX64 if capabilities.autoexec => Ok(Self::Autoexec),
            Kind::EfiX64 => Err(DeliveryError::NoAutoexec {
                build: Generation::name(capabilities.generation),
            }),
        }
    }

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initrd => "the script as its initrd",
            Self::Autoexec => "autoexec.ipxe beside it",
            Self::Dhcp => "the file that DHCP names",
        }
    }
}
