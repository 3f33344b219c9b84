//! Taking an image apart: which files are in it, and where their bytes lie. What a node keeps for
//! itself on FARMCFG (its identity, its log) is never among them.

use std::collections::BTreeSet;
use std::io::{Read, Seek};
use std::sync::Arc;

use crate::error::{LayoutError, ShowError};
use crate::formats::SECTOR_BYTES;
use crate::formats::gpt::TYPE_ESP;
use crate::inspect::contained::{Contained, Place};
use crate::inspect::qcow2::Location;
use crate::inspect::{FileEntry, Probe, farmcfg, fat, gpt, iso, mbr, pe};
use crate::payload::kernel;
use crate::regions::{self, Span};
use crate::rope::{Layout, LayoutBuilder, Source, SourceFile};

/// What to take out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Kernels.
    Kernel,
    /// Initramfs archives, without the config region.
    Initramfs,
    /// The config region as it stands, and the settings in it.
    Config,
    /// `farm.toml`.
    FarmToml,
    /// EFI programs and their configuration.
    Efi,
    /// All of these.
    All,
}

/// A file to take out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Relative path: only letters, digits and `._+-`, and `/` between names.
    pub path: String,
    /// Length in bytes.
    pub length: u64,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// Of the file that the medium is in.
    File(Vec<Place>),
    Bytes(Vec<u8>),
}

/// A file that was found.
struct Found {
    path: String,
    length: u64,
    /// Where it lies on the medium.
    spans: Vec<Span>,
}

impl Item {
    /// The file's bytes as a layout over the image it was found in.
    ///
    /// # Errors
    /// [`LayoutError`] when the image became shorter.
    pub fn layout(&self, image: &Arc<SourceFile>) -> Result<Layout, LayoutError> {
        let mut builder = LayoutBuilder::new();
        match &self.content {
            Content::Bytes(bytes) => builder.place_bytes(0, bytes.as_slice()),
            Content::File(places) => {
                let mut at = 0;
                for place in places {
                    let length = place.length.min(self.length - at);
                    let source = match place.location {
                        Location::Hole => Source::Zero,
                        Location::At { offset, .. } => Source::File {
                            file: Arc::clone(image),
                            offset,
                        },
                    };
                    builder.place(at, length, source);
                    at += length;
                }
            }
        }
        builder.finish(self.length)
    }
}

/// Lists what can be taken out of an image of any origin.
///
/// # Errors
/// [`ShowError::Read`].
pub fn list<R: Read + Seek>(reader: &mut R, what: What) -> Result<Vec<Item>, ShowError> {
    let mut medium = Contained::open(reader)?;
    let table = regions::find_on(&mut medium).ok().flatten();
    let mut probe = Probe::new(&mut medium)?;
    let mut found = Vec::new();
    let mut items = Vec::new();
    let wants = |one: What| what == one || what == What::All;
    for file in files(&mut probe)? {
        let class = classify(&mut probe, &file)?;
        let is_region = table
            .as_ref()
            .and_then(|table| table.get(regions::CONFIG))
            .is_some_and(|region| file.contiguous() == Some(region.span));
        match class {
            _ if is_region => {}
            Class::Kernel if wants(What::Kernel) => found.push(whole(&file)),
            Class::Initramfs if wants(What::Initramfs) => found.push(whole(&file)),
            Class::Efi if wants(What::Efi) => found.push(whole(&file)),
            Class::Uki(parts) => {
                if wants(What::Efi) {
                    found.push(whole(&file));
                }
                let named = [(What::Kernel, ".linux"), (What::Initramfs, ".initrd")];
                for (what, section) in named {
                    let span = parts.iter().find(|(name, _)| name == section);
                    if let (true, Some((_, span))) = (wants(what), span) {
                        found.extend(section_of(&file, section, *span));
                    }
                }
            }
            _ => {}
        }
    }
    if wants(What::Config)
        && let Some(region) = table.as_ref().and_then(|table| table.get(regions::CONFIG))
        && let Some(bytes) = probe.bytes(region.span.offset, region.span.length)?
    {
        if let Ok(Some(toml)) = crate::customize::read_settings(&bytes) {
            items.push(item("node.toml", toml.into_bytes()));
        }
        items.push(item("config.img", bytes));
    }
    if wants(What::FarmToml)
        && let Some(volume) = farmcfg::volume(&mut probe)?
        && let Some(toml) = farmcfg::farm_toml(&mut probe, &volume)?
        && let Some(bytes) = toml.file.read(&mut probe, 0, toml.file.length)?
    {
        items.push(item("farm.toml", bytes));
    }
    // A file whose extents are too short for it is damaged.
    let held = |file: &Found| {
        let lengths = file.spans.iter().map(|span| span.length);
        lengths.fold(0_u64, u64::saturating_add)
    };
    found.retain(|file| held(file) >= file.length);
    let mut all = Vec::new();
    for file in found {
        let mut places = Vec::new();
        for span in file.spans {
            let length = span.length.min(file.length);
            places.extend(medium.places(Span { length, ..span })?);
        }
        all.push(Item {
            path: file.path,
            length: file.length,
            content: Content::File(places),
        });
    }
    all.append(&mut items);
    Ok(unique(all))
}

/// Files of EFI partitions and boot images, else of a FAT volume without partitions, and of the ISO
/// tree; the image itself when there are no volumes.
fn files(probe: &mut Probe<'_>) -> Result<Vec<FileEntry>, ShowError> {
    let mut files = Vec::new();
    let mut any = false;
    let table = gpt::read(probe, SECTOR_BYTES)?;
    let systems = table.iter().flat_map(|table| &table.partitions);
    let mut places: Vec<u64> = systems
        .filter(|partition| partition.type_guid == TYPE_ESP)
        .map(|partition| partition.span.offset)
        .collect();
    if table.is_none() {
        places.push(0);
        let entries = mbr::read(probe)?
            .map(|sector| sector.entries)
            .unwrap_or_default();
        places.extend(
            entries
                .iter()
                .filter(|e| e.kind == 0xEF)
                .map(|e| e.span.offset),
        );
    }
    let tree = iso::read(probe)?;
    let catalog = tree.iter().filter_map(|tree| tree.catalog.as_ref());
    for (platform, offset, _) in catalog.flat_map(|catalog| &catalog.entries) {
        if *platform == 0xEF && !places.contains(offset) {
            places.push(*offset);
        }
    }
    for offset in places {
        if let Some(volume) = fat::read(probe, offset)? {
            any = true;
            files.extend(volume.files);
        }
    }
    if let Some(volume) = tree {
        any = true;
        files.extend(volume.files);
    }
    if !any {
        files.push(FileEntry {
            path: "image".to_owned(),
            length: probe.size(),
            extents: vec![Span {
                offset: 0,
                length: probe.size(),
            }],
        });
    }
    // The ISO tree of our media shows the files of the EFI partition again.
    let mut seen = BTreeSet::new();
    files.retain(|file| {
        let first = file.extents.first().map_or(0, |extent| extent.offset);
        file.length > 0 && seen.insert((first, file.length))
    });
    Ok(files)
}

enum Class {
    Kernel,
    Initramfs,
    Efi,
    /// A unified kernel image with its sections.
    Uki(Vec<(String, Span)>),
    Other,
}

fn classify(probe: &mut Probe<'_>, file: &FileEntry) -> Result<Class, ShowError> {
    let path = file.path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let in_efi = path.starts_with("efi/");
    let by_name = ["initrd", "initramfs"]
        .iter()
        .any(|word| name.starts_with(word));
    if by_name || (path.starts_with("boot/") && name.ends_with(".img")) {
        return Ok(Class::Initramfs);
    }
    let head = file.read(probe, 0, file.length.min(64 * 1024))?;
    let Some(head) = head else {
        return Ok(Class::Other);
    };
    if kernel::inspect(&head).is_ok() {
        return Ok(Class::Kernel);
    }
    match pe::read(probe, file)? {
        Some(program) if program.is_uki() => Ok(Class::Uki(program.sections)),
        Some(_) => Ok(Class::Efi),
        None if in_efi => Ok(Class::Efi),
        None => Ok(Class::Other),
    }
}

fn whole(file: &FileEntry) -> Found {
    Found {
        path: safe_path(&file.path),
        length: file.length,
        spans: file.extents.clone(),
    }
}

fn section_of(file: &FileEntry, name: &str, span: Span) -> Option<Found> {
    let lies = file.contiguous()?;
    (span.end() <= lies.length).then(|| Found {
        path: safe_path(&format!("{}{name}", file.path)),
        length: span.length,
        spans: vec![Span {
            offset: lies.offset + span.offset,
            length: span.length,
        }],
    })
}

fn item(path: &str, bytes: Vec<u8>) -> Item {
    Item {
        path: path.to_owned(),
        length: bytes.len() as u64,
        content: Content::Bytes(bytes),
    }
}

/// A path that stays below the directory it is put into, whatever an image calls its files.
fn safe_path(path: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "._+-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let names = path.split('/').filter(|name| !name.is_empty());
    let names: Vec<String> = names
        .map(|name| {
            let name: String = name.chars().take(100).map(safe).collect();
            // No `.`, no `..`, nothing hidden.
            name.strip_prefix('.')
                .map_or(name.clone(), |rest| format!("_{rest}"))
        })
        .collect();
    if names.is_empty() {
        "unnamed".to_owned()
    } else {
        names.join("/")
    }
}

/// Drops files whose cleaned names are taken.
fn unique(mut items: Vec<Item>) -> Vec<Item> {
    let mut taken = BTreeSet::new();
    items.retain(|item| taken.insert(item.path.to_lowercase()));
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for (path, expected) in [
            ("EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTX64.EFI"),
            ("../../etc/passwd", "_./_./etc/passwd"),
            ("/a//b", "a/b"),
            ("a\u{202e}b c", "a_b_c"),
            ("", "unnamed"),
        ] {
            assert_eq!(safe_path(path), expected);
        }
    }
}
