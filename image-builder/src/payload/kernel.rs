//! Header of a Linux kernel image. Source: Documentation/arch/x86/boot.rst, "The real-mode kernel
//! header".

/// What a bzImage says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelInfo {
    /// Release, as `uname -r` prints it: the first word of the banner.
    pub release: String,
    /// The whole banner: release, builder, build number and date.
    pub banner: String,
    /// Boot protocol, major in the high byte (0x020f is 2.15).
    pub protocol: u16,
    /// Whether it has a 64-bit entry point (an x86-64 kernel).
    pub is_x86_64: bool,
    /// Whether it is an EFI program too (EFI stub).
    pub has_efi_stub: bool,
}

/// Bytes that are no usable kernel image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// No boot sector with a `HdrS` header.
    #[error("is not a Linux kernel image (bzImage)")]
    NotAKernel,
    /// Boot protocol below 2.06, Linux 2.6.22.
    #[error("speaks boot protocol {}.{:02}, at least 2.06 is needed", .0 >> 8, .0 & 0xff)]
    TooOld(u16),
    /// The version string lies outside of the file.
    #[error("carries no version string")]
    NoVersion,
}

/// Reads the header; the first 64 KiB of the file suffice.
pub fn inspect(image: &[u8]) -> Result<KernelInfo, KernelError> {
    let u16_at = |at: usize| {
        image
            .get(at..at + 2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]))
            .ok_or(KernelError::NotAKernel)
    };
    if u16_at(0x1fe)? != 0xaa55 || image.get(0x202..0x206) != Some(b"HdrS") {
        return Err(KernelError::NotAKernel);
    }
    let protocol = u16_at(0x206)?;
    if protocol < 0x0206 {
        return Err(KernelError::TooOld(protocol));
    }
    let banner_at = usize::from(u16_at(0x20e)?) + 0x200;
    let banner = image.get(banner_at..(banner_at + 512).min(image.len()));
    let banner = banner
        .and_then(|b| b.split(|&c| c == 0).next())
        .ok_or(KernelError::NoVersion)?;
    let banner = std::str::from_utf8(banner).map_err(|_| KernelError::NoVersion)?;
    let release = banner
        .split_whitespace()
        .next()
        .ok_or(KernelError::NoVersion)?;
    // The release becomes a directory name.
    if banner_at == 0x200
        || !release
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-~".contains(&b))
        || release.starts_with('.')
    {
        return Err(KernelError::NoVersion);
    }
    let loadflags = if protocol >= 0x020c {
        u16_at(0x236)?
    } else {
        0
    };
    Ok(KernelInfo {
        release: release.to_owned(),
        banner: banner.to_owned(),
        protocol,
        is_x86_64: loadflags & 1 != 0,
        has_efi_stub: image.starts_with(b"MZ"),
    })
}

/// Length that a bzImage's header announces: boot sectors and the protected-mode part. A signature
/// may follow.
#[must_use]
pub fn image_bytes(image: &[u8]) -> Option<u64> {
    // A zero stands for the four sectors of old.
    let sectors = match *image.get(0x1f1)? {
        0 => 4,
        sectors => u64::from(sectors),
    };
    let paragraphs = u32::from_le_bytes(image.get(0x1f4..0x1f8)?.try_into().ok()?);
    Some((sectors + 1) * 512 + u64::from(paragraphs) * 16)
}
