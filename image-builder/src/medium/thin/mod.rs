//! Thin media: iPXE with a farm's script that fetches the system over the network.
//!
//! One script serves both kinds of firmware. On a [`ThinMedium`] (the same disk as the universal
//! medium) ISOLINUX hands it to `ipxe.lkrn` as its initrd, and iPXE's EFI program finds it beside
//! itself as `autoexec.ipxe`; [`efi_files`] and [`krn_files`] are the same as files for a stick or boot
//! loader of somebody else's.

mod facts;
mod files;
mod medium;
mod script;

use ipxe_rs_bindings::{BinaryError, Capabilities, Delivery, DeliveryError};

use crate::content::Content;
use crate::error::ReadError;

pub use facts::ScriptFacts;
pub use files::{README, efi_files, krn_files};
pub use medium::ThinMedium;
pub use script::{Fixed, Source, ThinBoot};

/// An iPXE program.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file.
    pub content: Content,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// A file that cannot be used as iPXE.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is none.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// No script on a medium reaches it.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}

impl Program {
    /// Reads what the program can do.
    ///
    /// # Errors
    /// [`ProgramError`]; [`ProgramError::Delivery`] for one that no script on a medium reaches.
    pub fn new(content: Content) -> Result<Self, ProgramError> {
        let capabilities = match content.in_memory() {
            Some(bytes) => Capabilities::of(bytes)?,
            None => Capabilities::of(&content.read()?)?,
        };
        Self::known(content, capabilities)
    }

    /// The program of which is known already what it can do.
    ///
    /// # Errors
    /// [`ProgramError::Delivery`] if no script on a medium reaches it.
    pub fn known(content: Content, capabilities: Capabilities) -> Result<Self, ProgramError> {
        Delivery::on_medium(&capabilities)?;
        Ok(Self {
            content,
            capabilities,
        })
    }
}
