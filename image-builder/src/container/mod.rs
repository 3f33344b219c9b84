//! The same image in the file format of a virtual machine. A container is a layout of its own whose
//! data extents point at the very sources of the image inside: nothing is copied before it is
//! written, and every consumer of a [`Layout`] can have it.

pub mod qcow2;
pub mod vhd;

use crate::rope::{Extent, Layout, LayoutBuilder, Source};

/// Whether nothing but zeros would be read from this range of the image.
fn reads_as_zero(layout: &Layout, offset: u64, length: u64) -> bool {
    layout
        .range(offset, length)
        .all(|extent| matches!(extent.source, Source::Zero | Source::Unused))
}

/// Places `length` bytes of `layout` from `from` at `to`. What lies behind the end of `layout` stays
/// a hole.
fn place_range(builder: &mut LayoutBuilder, to: u64, layout: &Layout, from: u64, length: u64) {
    for Extent {
        offset,
        length,
        source,
    } in layout.range(from, length)
    {
        builder.place(to + (offset - from), length, source);
    }
}
