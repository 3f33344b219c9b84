//! Digests of everything on a medium that never changes, for its region table.

use sha2::{Digest as _, Sha256};

use super::universal::PlacedFile;
use crate::content::{Content, sha256};
use crate::error::PlanError;
use crate::regions::{Area, RegionTable, Span};
use crate::rope::{Layout, Source};

/// Collects the areas. Bytes that regions and GUID texts occupy count as zero.
pub(super) struct AreaList<'a> {
    table: &'a RegionTable,
    areas: Vec<Area>,
}

impl<'a> AreaList<'a> {
    /// An empty list for a medium with these regions.
    pub(super) fn new(table: &'a RegionTable) -> Self {
        Self {
            table,
            areas: Vec::new(),
        }
    }

    /// An area whose bytes are at hand.
    pub(super) fn bytes(&mut self, name: &str, offset: u64, bytes: &[u8]) {
        let mut masked = bytes.to_vec();
        self.table.mask(offset, &mut masked);
        self.push(name, offset, bytes.len() as u64, sha256(&masked));
    }

    /// A file that no region touches.
    pub(super) fn content(&mut self, name: &str, offset: u64, content: &Content) {
        self.push(name, offset, content.length(), *content.sha256());
    }

    /// A file of many pieces, in which regions may lie.
    pub(super) fn layout(
        &mut self,
        name: &str,
        offset: u64,
        layout: &Layout,
    ) -> Result<(), PlanError> {
        const STEP_BYTES: u64 = 1 << 20;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; STEP_BYTES as usize];
        let mut at = 0;
        while at < layout.total() {
            let length = STEP_BYTES.min(layout.total() - at) as usize;
            let bytes = &mut buffer[..length];
            let mut filled = 0;
            while filled < length {
                let read = layout
                    .read_at(at + filled as u64, &mut bytes[filled..])
                    .map_err(PlanError::Metadata)?;
                if read == 0 {
                    break;
                }
                filled += read;
            }
            self.table.mask(offset + at, bytes);
            hasher.update(bytes);
            at += length as u64;
        }
        self.push(name, offset, layout.total(), hasher.finalize().into());
        Ok(())
    }

    /// Boot sector, tables and directories of a volume at byte `offset`: all that comes before its
    /// first file.
    pub(super) fn volume(
        &mut self,
        name: &str,
        offset: u64,
        layout: &Layout,
        files: &[PlacedFile],
    ) -> Result<(), PlanError> {
        let first_file = files.iter().map(|file| file.span.offset - offset).min();
        let limit = first_file.unwrap_or(layout.total());
        let end = layout
            .extents()
            .iter()
            .take_while(|e| e.offset < limit && !matches!(e.source, Source::Unused))
            .last()
            .map_or(0, |extent| extent.end().min(limit));
        let mut bytes = vec![0; end as usize];
        // Metadata are rendered in memory.
        layout.read_at(0, &mut bytes).map_err(PlanError::Metadata)?;
        self.bytes(name, offset, &bytes);
        Ok(())
    }

    /// The boot sector of a volume that is written to, without the byte where FAT12 notes whether it
    /// is mounted.
    pub(super) fn boot_sector(
        &mut self,
        name: &str,
        offset: u64,
        layout: &Layout,
    ) -> Result<(), PlanError> {
        const MOUNTED_AT: usize = 37;
        let mut bytes = [0; 512];
        layout.read_at(0, &mut bytes).map_err(PlanError::Metadata)?;
        self.bytes(name, offset, &bytes[..MOUNTED_AT]);
        let rest = MOUNTED_AT + 1;
        self.bytes(name, offset + rest as u64, &bytes[rest..]);
        Ok(())
    }

    /// The finished list, in the order of the medium.
    pub(super) fn finish(mut self) -> Vec<Area> {
        self.areas.sort_by_key(|area| area.span.offset);
        self.areas
    }

    fn push(&mut self, name: &str, offset: u64, length: u64, sha256: [u8; 32]) {
        if length > 0 {
            self.areas.push(Area {
                name: name.to_owned(),
                span: Span { offset, length },
                sha256,
            });
        }
    }
}
