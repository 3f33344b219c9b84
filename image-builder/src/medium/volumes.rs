//! The two FAT volumes of a medium.

use node_config::medium::FARMCFG_LABEL;

use super::universal::PlacedFile;
use crate::content::Content;
use crate::error::{FormatError, PlanError};
use crate::formats::fat::{self, FatFile, FatKind, VolumeSize, VolumeSpec};
use crate::formats::gpt::serial;
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::regions::Span;
use crate::rope::{Layout, LayoutBuilder, Source};

/// A file to store, by path.
pub(super) struct TreeFile {
    pub path: String,
    pub body: Body,
}

/// What a file holds.
pub(super) enum Body {
    Content(Content),
    /// A file made of many pieces.
    Layout(Layout),
}

impl Body {
    fn length(&self) -> u64 {
        match self {
            Self::Content(content) => content.length(),
            Self::Layout(layout) => layout.total(),
        }
    }
}

/// A planned volume whose extents are relative to its own start.
pub(super) struct Volume {
    pub layout: Layout,
    pub kind: FatKind,
    pub span: Span,
    /// The files and where they lie in the image.
    pub files: Vec<PlacedFile>,
}

/// Where a volume lies and who it is.
pub(super) struct Place {
    pub disk_guid: Guid,
    pub timestamp: Timestamp,
    /// First byte in the image.
    pub offset: u64,
}

impl Place {
    /// The EFI partition, as large as its files need in steps of `step` bytes.
    pub(super) fn esp(&self, files: &[TreeFile], step: u64) -> Result<Volume, PlanError> {
        let size = VolumeSize::SmallestMultipleOf(step);
        self.volume("EFI partition", "FARMBOOT", size, files)
    }

    /// FARMCFG. `farm.toml`, its first file, is for a node that reads it.
    pub(super) fn farmcfg(
        &self,
        length: u64,
        farm_toml: Option<&[u8]>,
        readme: &str,
    ) -> Result<Volume, PlanError> {
        let file = |path: &str, bytes: &[u8]| TreeFile {
            path: path.to_owned(),
            body: Body::Content(Content::bytes(bytes)),
        };
        let mut files = Vec::new();
        files.extend(farm_toml.map(|text| file("farm.toml", text)));
        files.push(file("README.TXT", readme.replace('\n', "\r\n").as_bytes()));
        let size = VolumeSize::Exact(length);
        self.volume("FARMCFG partition", FARMCFG_LABEL, size, &files)
    }

    fn volume(
        &self,
        part: &'static str,
        label: &str,
        size: VolumeSize,
        files: &[TreeFile],
    ) -> Result<Volume, PlanError> {
        let spec = VolumeSpec {
            label: label.to_owned(),
            serial: serial(self.disk_guid, label),
            disk_offset: self.offset,
            timestamp: self.timestamp,
            size,
        };
        let sizes: Vec<FatFile> = files
            .iter()
            .map(|file| FatFile {
                path: file.path.clone(),
                length: file.body.length(),
            })
            .collect();
        let volume = fat::plan(&spec, &sizes).map_err(format_error(part))?;
        let mut builder = LayoutBuilder::new();
        for extent in volume.metadata {
            builder.place(extent.offset, extent.length, extent.source);
        }
        let mut placed = Vec::with_capacity(files.len());
        for (file, offset) in files.iter().zip(&volume.file_offsets) {
            match &file.body {
                Body::Content(content) => place_content(&mut builder, *offset, content),
                Body::Layout(layout) => place_layout(&mut builder, *offset, layout),
            }
            placed.push(PlacedFile {
                path: file.path.clone(),
                span: Span {
                    offset: self.offset + offset,
                    length: file.body.length(),
                },
            });
        }
        Ok(Volume {
            layout: builder.finish(volume.length)?,
            kind: volume.kind,
            span: Span {
                offset: self.offset,
                length: volume.length,
            },
            files: placed,
        })
    }
}

pub(super) fn place_content(builder: &mut LayoutBuilder, offset: u64, content: &Content) {
    builder.place(offset, content.length(), content.source().clone());
}

/// Places a whole layout at `offset`.
pub(super) fn place_layout(builder: &mut LayoutBuilder, offset: u64, layout: &Layout) {
    for extent in layout.extents() {
        builder.place(offset + extent.offset, extent.length, extent.source.clone());
    }
}

/// Places a whole layout at `offset`, its unused parts as zeros.
pub(super) fn place_zeroed(builder: &mut LayoutBuilder, offset: u64, layout: &Layout) {
    for extent in layout.extents() {
        let source = match &extent.source {
            Source::Unused => Source::Zero,
            other => other.clone(),
        };
        builder.place(offset + extent.offset, extent.length, source);
    }
}

pub(super) fn format_error(part: &'static str) -> impl Fn(FormatError) -> PlanError {
    move |source| PlanError::Format { part, source }
}
