//! Whether an image is whole: partition tables, FAT, ISO 9660, El Torito, boot information table,
//! and on media of ours every file and structure by its digest and every region by its form. Says
//! what is damaged and where.

mod digests;
mod structures;

use std::io::{Read, Seek};

use serde::Serialize;

use crate::error::{RegionError, ShowError};
use crate::formats::SECTOR_BYTES;
use crate::inspect::contained::{Contained, vhd_footer};
use crate::inspect::{Probe, gpt};
use crate::regions::{self, RegionTable};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; the medium works.
    Note,
    /// The medium is not what it was built as, or contradicts itself.
    Damage,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Region, file or structure.
    pub place: String,
    /// First byte of it, or of what is wrong in it.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
    /// What to do, where that is known.
    pub advice: Option<String>,
}

/// The result of looking at a whole medium.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Size of the medium in bytes.
    pub size_bytes: u64,
    /// Whether it is one of ours.
    pub is_ours: bool,
    /// Bytes whose digests were right.
    pub verified_bytes: u64,
    /// What was looked at and found right.
    pub sound: Vec<String>,
    /// What was found, by place.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether anything is damaged.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Damage)
    }

    /// Whether there was nothing in it that could be looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_ours && !self.is_damaged() && self.sound.is_empty()
    }

    fn damage(&mut self, place: &str, offset: u64, what: impl Into<String>) -> &mut Finding {
        self.find(Severity::Damage, place, offset, what)
    }

    fn note(&mut self, place: &str, offset: u64, what: impl Into<String>) -> &mut Finding {
        self.find(Severity::Note, place, offset, what)
    }

    fn find(
        &mut self,
        severity: Severity,
        place: &str,
        offset: u64,
        what: impl Into<String>,
    ) -> &mut Finding {
        let at = self.findings.len();
        self.findings.push(Finding {
            severity,
            place: place.to_owned(),
            offset,
            what: what.into(),
            advice: None,
        });
        &mut self.findings[at]
    }

    /// Notes that a structure was looked at, unless `before` findings have become more.
    fn sound_since(&mut self, before: usize, what: &str) {
        if self.findings.len() == before {
            self.sound.push(what.to_owned());
        }
    }
}

/// Verifies a medium of any origin; `progress` gets the bytes hashed so far and in all.
///
/// # Errors
/// [`ShowError::Read`] when the reader fails, [`ShowError::Container`] for a container that is not
/// read here; whatever the bytes of a medium are is a report.
pub fn verify<R: Read + Seek>(
    reader: &mut R,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, ShowError> {
    let mut medium = Contained::open(reader)?;
    let table = regions::find_on(&mut medium);
    let mut probe = Probe::new(&mut medium)?;
    let mut report = Report {
        size_bytes: probe.size(),
        ..Report::default()
    };
    let table = match table {
        Ok(table) => table,
        Err(RegionError::Read { offset, source })
            if !matches!(
                source.kind(),
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidInput
            ) =>
        {
            return Err(ShowError::Read { offset, source });
        }
        Err(error) => {
            report.is_ours = true;
            let offset = digests::table_offset(&mut probe)?;
            report.damage("region table", offset, error.to_string());
            None
        }
    };
    let has_vhd_footer = vhd_footer(&mut probe)?.is_some();
    length(&mut report, table.as_ref(), has_vhd_footer);
    structures::partition_tables(&mut probe, &mut report, table.as_ref())?;
    structures::boot_sector(&mut probe, &mut report, table.as_ref())?;
    let volumes = structures::fat_volumes(&mut probe, &mut report)?;
    structures::iso(&mut probe, &mut report, &volumes)?;
    match &table {
        Some(table) => {
            report.is_ours = true;
            digests::table(&mut probe, &mut report, table)?;
            digests::regions(&mut probe, &mut report, table)?;
            digests::areas(&mut probe, &mut report, table, progress)?;
            digests::unused(&mut probe, &mut report, table)?;
        }
        None => lost_locator(&mut probe, &mut report)?,
    }
    report.findings.sort_by_key(|finding| finding.offset);
    Ok(report)
}

/// Whether the file is as long as it should be.
fn length(report: &mut Report, table: Option<&RegionTable>, has_vhd_footer: bool) {
    let Some(table) = table else {
        return;
    };
    let (found, wanted) = (report.size_bytes, table.total_bytes);
    if found < wanted {
        let what = format!("{} of {wanted} bytes are missing", wanted - found);
        report.damage("file", found, what).advice =
            Some("copy or download the image again".to_owned());
    } else if found > wanted && !has_vhd_footer {
        let what = format!("{} bytes follow the image", found - wanted);
        report.note("medium", wanted, what).advice =
            Some("nothing to do: the medium is larger than the image".to_owned());
    }
}

/// A medium of ours without a locator is recognised by what else only ours have.
fn lost_locator(probe: &mut Probe<'_>, report: &mut Report) -> Result<(), ShowError> {
    const APPLICATION: &[u8] = b"FARM NODE BOOT MEDIUM";
    let descriptor = probe.bytes(16 * 2048 + 574, APPLICATION.len() as u64)?;
    let partitions = gpt::read(probe, SECTOR_BYTES)?.map(|table| table.partitions);
    let named = partitions
        .unwrap_or_default()
        .iter()
        .any(|p| p.name == node_config::medium::FARMCFG_LABEL);
    if descriptor.as_deref() == Some(APPLICATION) || named {
        report.is_ours = true;
        let what = "it is damaged: regions and digests cannot be found";
        report
            .damage("locator", node_config::medium::LOCATOR_OFFSET, what)
            .advice = Some("write the medium again from a good image".to_owned());
    } else if report.is_empty() {
        report.note("medium", 0, "nothing that could be verified was found");
    }
    Ok(())
}
