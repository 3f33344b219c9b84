//! Changing the regions of a finished image: the settings of its farm, the kernel arguments of both
//! boot paths, `farm.toml`. [`plan`] reads a medium and decides, purely; [`in_place`] writes the
//! result into it, [`Edit::layout`] makes a changed copy of it, [`reset`] restores what was built.

mod arguments;
mod error;
pub mod in_place;
mod settings;

use std::io::{Read, Seek};
use std::sync::Arc;

use node_config::{Effective, FarmId, Layer, Origin, cmdline};

use crate::content::sha256;
use crate::inspect::contained::Contained;
use crate::inspect::qcow2::Location;
use crate::inspect::{Probe, farmcfg};
use crate::regions::{self, Flavour, PayloadKind, Region, RegionTable, Span};
use crate::rope::{Layout, LayoutBuilder, Source, SourceFile};

pub use arguments::{ARGUMENTS_LIMIT, ArgumentChange};
pub use error::CustomizeError;
pub use settings::{SettingsChange, check_known, read as read_settings};

/// What is to change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Settings in the `config` region.
    pub settings: SettingsChange,
    /// Kernel arguments, for BIOS and UEFI at once.
    pub arguments: ArgumentChange,
    /// New content of `farm.toml`.
    pub farm_toml: Option<String>,
    /// Go on where the copies disagree (the BIOS one counts), and leave a replaced `farm.toml` alone.
    pub force: bool,
}

/// The new content of one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionWrite {
    /// The region.
    pub name: String,
    /// First byte on the medium.
    pub offset: u64,
    /// What stands there.
    pub before: Vec<u8>,
    /// What is to stand there; of the same length.
    pub after: Vec<u8>,
    /// Where these bytes lie in the file or on the device, in order: on a medium in a container they
    /// may be in pieces, and zeros that stay need not lie anywhere.
    parts: Vec<Part>,
}

/// Bytes of a region that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// First byte, in the region.
    start: usize,
    /// Where they lie in the file or on the device.
    span: Span,
}

impl Part {
    fn of<'a>(&self, region: &'a [u8]) -> &'a [u8] {
        &region[self.start..][..self.span.length as usize]
    }
}

/// Bytes of a [`RegionWrite`] that lie together.
struct Piece<'a> {
    offset: u64,
    before: &'a [u8],
    after: &'a [u8],
}

impl RegionWrite {
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.parts.iter().map(|part| Piece {
            offset: part.span.offset,
            before: part.of(&self.before),
            after: part.of(&self.after),
        })
    }

    /// Both contents as people read them: settings as TOML, arguments as a line; `None` for content
    /// that cannot be read.
    #[must_use]
    pub fn texts(&self) -> (Option<String>, Option<String>) {
        (
            text_of(&self.name, &self.before),
            text_of(&self.name, &self.after),
        )
    }
}

/// A region's content as people read it.
#[must_use]
pub fn text_of(name: &str, content: &[u8]) -> Option<String> {
    match name {
        regions::CONFIG => settings::read(content).ok().flatten(),
        regions::KARGS_BIOS | regions::KARGS_UEFI | regions::KARGS_UKI => {
            regions::decode_kargs(content).ok()
        }
        _ => {
            let text = std::str::from_utf8(content).ok()?;
            Some(text.trim_end().to_owned() + "\n")
        }
    }
}

/// What the user should know of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A setting that was asked for and that something on the medium overrules.
    Overruled {
        /// The setting.
        key: String,
        /// The value that will count.
        value: String,
        /// Where that comes from.
        origin: Origin,
    },
    /// An argument the node will not follow, with the reason.
    IgnoredArgument(String),
    /// `farm.toml` was replaced by its owner and was left alone.
    FarmTomlKept,
}

/// A planned change of a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The medium's regions.
    pub table: RegionTable,
    /// Regions that change, in the order they are to be written; empty when nothing changes.
    pub writes: Vec<RegionWrite>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    is_contained: bool,
}

impl Edit {
    /// The changed medium as a layout over `source`: all of a file or container, or as much of a device
    /// as the image takes.
    ///
    /// # Errors
    /// [`CustomizeError::Layout`].
    pub fn layout(&self, source: &Arc<SourceFile>) -> Result<Layout, CustomizeError> {
        let is_file = source.file().metadata().is_ok_and(|found| found.is_file());
        let length = if is_file || self.is_contained {
            source.length()
        } else {
            source.length().min(self.table.total_bytes)
        };
        let mut builder = LayoutBuilder::new();
        builder.place(0, length, Source::file(Arc::clone(source)));
        let pieces = self.writes.iter().flat_map(RegionWrite::pieces);
        let patches = pieces.map(|piece| (piece.offset, piece.after.to_vec()));
        Ok(builder.finish(length)?.patched(patches.collect())?)
    }
}

/// Plans a change. Reads the regions first and refuses what does not fit them.
///
/// # Errors
/// [`CustomizeError`]; nothing was written.
pub fn plan<R: Read + Seek>(reader: &mut R, request: &Request) -> Result<Edit, CustomizeError> {
    let mut contained = Contained::open(reader)?;
    let edit = planned(Medium::read(&mut contained)?, request)?;
    placed(edit, &mut contained)
}

fn planned(mut medium: Medium<'_>, request: &Request) -> Result<Edit, CustomizeError> {
    if medium.table.flavour == Flavour::Thin {
        return Err(CustomizeError::Thin);
    }
    let payload = medium.table.payload.clone();
    if payload.kind == PayloadKind::ZeroOs {
        let farm = zero_os_farm(request)?;
        medium.change_arguments(request, farm)?;
        return Ok(medium.finish());
    }
    if !request.settings.is_empty() {
        let before = medium.content(regions::CONFIG)?;
        let after = settings::change(&before, &request.settings, &payload)?;
        medium.write_over(regions::CONFIG, before, after)?;
    }
    medium.change_arguments(request, None)?;
    if let Some(text) = &request.farm_toml {
        if medium.farm_toml_moved {
            return Err(CustomizeError::FarmTomlMoved);
        }
        check_known(&Layer::from_toml(text, "farm.toml")?, &payload)?;
        medium.write(
            regions::FARM_TOML,
            encoded(regions::encode_farm_toml(text))?,
        )?;
        medium.farm_toml = Some(text.clone());
    }
    medium.warn_of_overruled(request);
    Ok(medium.finish())
}

/// The only setting of Zero-OS; what else was asked for is refused.
fn zero_os_farm(request: &Request) -> Result<Option<FarmId>, CustomizeError> {
    let mut others = request.settings.set.clone();
    let farm = others.farm_id.take();
    let refused = if request.settings.replace.is_some() {
        Some("a settings file".to_owned())
    } else if request.farm_toml.is_some() {
        Some("farm.toml".to_owned())
    } else {
        others.keys().into_iter().next()
    };
    match refused {
        Some(setting) => Err(CustomizeError::ZeroOs { setting }),
        None => Ok(farm),
    }
}

/// The arguments with this farm, where the old one stood or in front of them.
fn with_farm(arguments: &str, farm: FarmId) -> String {
    let ours = format!("farmer_id={farm}");
    let is_farm = |word: &str| word.starts_with("farmer_id=");
    let words: Vec<&str> = arguments.split_ascii_whitespace().collect();
    let at = words.iter().position(|word| is_farm(word)).unwrap_or(0);
    let mut changed: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !is_farm(word))
        .collect();
    changed.insert(at, &ours);
    changed.join(" ")
}

/// Plans to restore what every region was built with.
///
/// # Errors
/// [`CustomizeError::DefaultsDamaged`] when it is not there any more,
/// [`CustomizeError::FarmTomlMoved`] unless forced, and those of reading.
pub fn reset<R: Read + Seek>(reader: &mut R, force: bool) -> Result<Edit, CustomizeError> {
    let mut contained = Contained::open(reader)?;
    let edit = planned_reset(Medium::read(&mut contained)?, force)?;
    placed(edit, &mut contained)
}

fn planned_reset(mut medium: Medium<'_>, force: bool) -> Result<Edit, CustomizeError> {
    for region in medium.table.regions.clone() {
        let default = medium.bytes(region.default_offset, region.span.length)?;
        if sha256(&default) != region.default_sha256 {
            return Err(CustomizeError::DefaultsDamaged { name: region.name });
        }
        if region.name == regions::FARM_TOML && medium.farm_toml_moved {
            if !force {
                return Err(CustomizeError::FarmTomlMoved);
            }
            medium.warnings.push(Warning::FarmTomlKept);
            continue;
        }
        let before = medium.bytes(region.span.offset, region.span.length)?;
        medium.push(&region, before, default);
    }
    Ok(medium.finish())
}

/// Finds where the writes go in the file that the medium is in.
fn placed<R: Read + Seek>(
    mut edit: Edit,
    contained: &mut Contained<'_, R>,
) -> Result<Edit, CustomizeError> {
    edit.is_contained = contained.is_contained();
    for write in &mut edit.writes {
        let span = Span {
            offset: write.offset,
            length: write.after.len() as u64,
        };
        let mut start = 0;
        for place in contained.places(span)? {
            let bytes = start..start + place.length as usize;
            start = bytes.end;
            match place.location {
                Location::At {
                    offset,
                    may_be_written: true,
                } => write.parts.push(Part {
                    start: bytes.start,
                    span: Span {
                        offset,
                        length: place.length,
                    },
                }),
                // What stays need not be written.
                _ if write.before[bytes.clone()] == write.after[bytes] => {}
                _ => {
                    return Err(CustomizeError::NotWritable {
                        name: write.name.clone(),
                    });
                }
            }
        }
    }
    // Nobody but a damaged table puts two pieces into one place.
    let parts = edit.writes.iter().flat_map(|write| &write.parts);
    let mut spans: Vec<Span> = parts.map(|part| part.span).collect();
    spans.sort_by_key(|span| span.offset);
    let overlap = |pair: &[Span]| pair[0].end() > pair[1].offset;
    if let (true, Some(write)) = (spans.windows(2).any(overlap), edit.writes.first()) {
        return Err(CustomizeError::NotWritable {
            name: write.name.clone(),
        });
    }
    Ok(edit)
}

/// A medium that is being changed.
struct Medium<'a> {
    probe: Probe<'a>,
    table: RegionTable,
    /// What `farm.toml` says, wherever it lies.
    farm_toml: Option<String>,
    /// Whether `farm.toml` is not the region any more.
    farm_toml_moved: bool,
    writes: Vec<RegionWrite>,
    warnings: Vec<Warning>,
}

impl<'a> Medium<'a> {
    fn read<R: Read + Seek>(reader: &'a mut R) -> Result<Self, CustomizeError> {
        let table = regions::find_on(reader)?.ok_or(CustomizeError::NotOurs)?;
        let mut probe = Probe::new(reader)?;
        if probe.size() < table.total_bytes {
            return Err(CustomizeError::Truncated {
                found: probe.size(),
                wanted: table.total_bytes,
            });
        }
        let found = match farmcfg::volume(&mut probe)? {
            Some(volume) => farmcfg::farm_toml(&mut probe, &volume)?,
            None => None,
        };
        let farm_toml_moved = match (&found, table.get(regions::FARM_TOML)) {
            (Some(file), Some(region)) => !file.is_region(region),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        Ok(Self {
            probe,
            table,
            farm_toml: found.map(|file| file.text),
            farm_toml_moved,
            writes: Vec::new(),
            warnings: Vec::new(),
        })
    }

    fn region(&self, name: &'static str) -> Result<Region, CustomizeError> {
        let region = self.table.get(name).cloned();
        region.ok_or(CustomizeError::NoRegion { name })
    }

    fn content(&mut self, name: &'static str) -> Result<Vec<u8>, CustomizeError> {
        let span = self.region(name)?.span;
        self.bytes(span.offset, span.length)
    }

    fn bytes(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, CustomizeError> {
        let bytes = self.probe.bytes(offset, length)?;
        bytes.ok_or_else(|| {
            crate::error::RegionError::Read {
                offset,
                source: std::io::ErrorKind::UnexpectedEof.into(),
            }
            .into()
        })
    }

    fn write(&mut self, name: &'static str, after: Vec<u8>) -> Result<(), CustomizeError> {
        let before = self.content(name)?;
        self.write_over(name, before, after)
    }

    fn write_over(
        &mut self,
        name: &'static str,
        before: Vec<u8>,
        after: Vec<u8>,
    ) -> Result<(), CustomizeError> {
        let region = self.region(name)?;
        if after.len() as u64 != region.span.length {
            return Err(CustomizeError::TooLong {
                name,
                length: after.len() as u64,
                limit: region.span.length.min(after.len() as u64),
            });
        }
        self.push(&region, before, after);
        Ok(())
    }

    fn push(&mut self, region: &Region, before: Vec<u8>, after: Vec<u8>) {
        if before != after {
            self.writes.push(RegionWrite {
                name: region.name.clone(),
                offset: region.span.offset,
                before,
                after,
                parts: Vec::new(),
            });
        }
    }

    /// `farm` is written as an argument.
    fn change_arguments(
        &mut self,
        request: &Request,
        farm: Option<FarmId>,
    ) -> Result<(), CustomizeError> {
        let bios = regions::decode_kargs(&self.content(regions::KARGS_BIOS)?).ok();
        let uefi_region = match self.table.flavour {
            Flavour::Stock => regions::KARGS_UEFI,
            Flavour::Uki => regions::KARGS_UKI,
            Flavour::UkiSigned if request.arguments.is_empty() && farm.is_none() => return Ok(()),
            Flavour::UkiSigned => return Err(CustomizeError::Signed),
            Flavour::Thin => return Err(CustomizeError::Thin),
        };
        let uefi = regions::decode_kargs(&self.content(uefi_region)?).ok();
        let named = request.arguments.replace.is_some();
        let agree = bios.is_some() && bios == uefi;
        if !agree && !named && !request.force {
            return Err(CustomizeError::Disagree { bios, uefi });
        }
        if agree && request.arguments.is_empty() && farm.is_none() {
            return Ok(());
        }
        let present = bios.or(uefi).unwrap_or_default();
        let mut arguments = request.arguments.apply(&present)?;
        if let Some(farm) = farm {
            let replace = Some(with_farm(&arguments, farm));
            let change = ArgumentChange {
                replace,
                ..ArgumentChange::default()
            };
            // Once more, for the limit.
            arguments = change.apply("")?;
        }
        self.write(
            regions::KARGS_BIOS,
            encoded(regions::encode_kargs_bios(&arguments))?,
        )?;
        let uefi = match uefi_region {
            regions::KARGS_UKI => regions::encode_kargs_uki(&arguments),
            _ => regions::encode_kargs_uefi(&arguments),
        };
        self.write(uefi_region, encoded(uefi)?)?;
        if self.table.payload.kind == PayloadKind::ZeroOs {
            // What farm-node would ignore, Zero-OS reads.
            return Ok(());
        }
        let ignored = cmdline::parse(&arguments).ignored;
        self.warnings
            .extend(ignored.into_iter().map(Warning::IgnoredArgument));
        Ok(())
    }

    /// Compares what was asked for with what the node will do.
    fn warn_of_overruled(&mut self, request: &Request) {
        let wanted = request.settings.set.keys();
        if wanted.is_empty() {
            return;
        }
        let region = |name: &'static str, me: &mut Self| {
            let write = me.writes.iter().find(|write| write.name == name);
            let content = match write {
                Some(write) => Ok(write.after.clone()),
                None => me.content(name),
            };
            content.ok().and_then(|content| text_of(name, &content))
        };
        let mut layers = Vec::new();
        let texts = [
            (Origin::Image, region(regions::CONFIG, self)),
            (Origin::FarmToml, self.farm_toml.clone()),
        ];
        for (origin, text) in texts {
            let layer = text.and_then(|text| Layer::from_toml(&text, "settings").ok());
            layers.extend(layer.map(|layer| (origin, layer)));
        }
        if let Some(line) = region(regions::KARGS_BIOS, self) {
            layers.push((Origin::KernelArgument, cmdline::parse(&line).layer));
        }
        let Ok(effective) = Effective::of(layers) else {
            return;
        };
        for setting in effective.settings {
            let asked = wanted
                .iter()
                .any(|key| key.split('.').next() == setting.key.split('.').next());
            if asked && setting.origin > Origin::Image {
                self.warnings.push(Warning::Overruled {
                    key: setting.key.to_owned(),
                    value: setting.value,
                    origin: setting.origin,
                });
            }
        }
    }

    fn finish(self) -> Edit {
        Edit {
            table: self.table,
            writes: self.writes,
            warnings: self.warnings,
            is_contained: false,
        }
    }
}

fn encoded(result: Result<Vec<u8>, crate::error::RegionError>) -> Result<Vec<u8>, CustomizeError> {
    result.map_err(|error| match error {
        crate::error::RegionError::TooLong {
            name,
            length,
            limit,
        } => CustomizeError::TooLong {
            name,
            length,
            limit,
        },
        other => other.into(),
    })
}
