//! All initramfs archives as one file, for whatever loads a kernel and one file (`qemu -initrd`,
//! kexec, a loader of somebody else).

use super::universal::InitramfsFile;
use crate::content::Content;
use crate::error::LayoutError;
use crate::rope::{Layout, LayoutBuilder, Source};

/// Archives begin on multiples of this: the kernel wants 4 bytes before an uncompressed one
/// (`init/initramfs.c`) and skips zeros; a page lets file systems share the blocks.
pub const ALIGN_BYTES: u64 = 4096;

/// One after the other, `config` last.
///
/// # Errors
/// [`LayoutError`] only if a source is shorter than it says.
pub fn concatenate(archives: &[InitramfsFile], config: &Content) -> Result<Layout, LayoutError> {
    let mut builder = LayoutBuilder::new();
    let mut at = 0;
    for content in archives
        .iter()
        .map(|archive| &archive.content)
        .chain([config])
    {
        builder.place(at, content.length(), content.source().clone());
        let end = at + content.length();
        at = end.next_multiple_of(ALIGN_BYTES);
        builder.place(end, at - end, Source::Zero);
    }
    builder.finish(at)
}

/// One archive, padded so that whatever a loader puts behind it begins where the kernel looks.
///
/// # Errors
/// [`LayoutError`] only if the source is shorter than it says.
pub fn padded(archive: &Content) -> Result<Layout, LayoutError> {
    concatenate(&[], archive)
}
