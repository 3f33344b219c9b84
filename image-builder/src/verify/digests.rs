//! What only media of ours record: digests of files and structures, forms of regions.

use node_config::medium::{LOCATOR_LEN, LOCATOR_OFFSET, Locator};
use sha2::{Digest as _, Sha256};

use super::{Report, Severity};
use crate::content::sha256;
use crate::customize::text_of;
use crate::error::ShowError;
use crate::formats::SECTOR_BYTES;
use crate::formats::gpt::PRIMARY_BYTES;
use crate::inspect::{Probe, gpt};
use crate::regions::{self, RegionTable, Span};

const CHUNK_BYTES: u64 = 1 << 20;
const WRITE_AGAIN: &str = "write the medium again from a good image";

/// Where the region table is said to lie.
pub(super) fn table_offset(probe: &mut Probe<'_>) -> Result<u64, ShowError> {
    Ok(locator(probe)?.map_or(LOCATOR_OFFSET, |locator| locator.table_offset))
}

fn locator(probe: &mut Probe<'_>) -> Result<Option<Locator>, ShowError> {
    let mut raw = [0; LOCATOR_LEN];
    let read = probe.fill(LOCATOR_OFFSET, &mut raw)?;
    Ok(read.then(|| Locator::decode(&raw)).flatten())
}

/// The table against its digest, the disk GUID against its copies.
pub(super) fn table(
    probe: &mut Probe<'_>,
    report: &mut Report,
    table: &RegionTable,
) -> Result<(), ShowError> {
    let before = report.findings.len();
    if table.areas.is_empty() {
        report.note(
            "region table",
            LOCATOR_OFFSET,
            "no digests are recorded on this medium",
        );
        return Ok(());
    }
    if let Some(locator) = locator(probe)?
        && let Some(json) = probe.bytes(locator.table_offset, u64::from(locator.table_length))?
    {
        let recorded = probe.bytes(table.table_digest_offset(), 32)?;
        if recorded.as_deref() != Some(&sha256(&json)[..]) {
            report
                .damage("region table", locator.table_offset, "its digest is wrong")
                .advice = Some(WRITE_AGAIN.to_owned());
        }
    }
    if let Some(primary) = gpt::read(probe, SECTOR_BYTES)?
        && primary.disk_guid != table.disk_guid
    {
        let what = format!(
            "the partition table says {}, the locator {}",
            primary.disk_guid, table.disk_guid
        );
        report.damage("disk GUID", SECTOR_BYTES + 56, what);
    }
    let text = table.disk_guid.to_string();
    for offset in &table.guid_texts {
        let found = probe.bytes(*offset, text.len() as u64)?;
        if found.as_deref() != Some(text.as_bytes()) {
            let what = "the loader's configuration has another one";
            report.damage("disk GUID", *offset, what);
        }
    }
    report.sound_since(before, "region table");
    Ok(())
}

/// Regions, and what they can be reset to.
pub(super) fn regions(
    probe: &mut Probe<'_>,
    report: &mut Report,
    table: &RegionTable,
) -> Result<(), ShowError> {
    let before = report.findings.len();
    let mut arguments: Vec<Option<String>> = Vec::new();
    for region in &table.regions {
        let span = region.span;
        let place = format!("region {}", region.name);
        let default = probe.bytes(region.default_offset, span.length)?;
        if default.is_none_or(|default| sha256(&default) != region.default_sha256) {
            let what = "the copy to reset it to, or that copy's digest, is damaged";
            report.damage(&place, region.default_offset, what);
        }
        let Some(content) = probe.bytes(span.offset, span.length)? else {
            report.damage(&place, span.offset, "it lies beyond the end");
            continue;
        };
        let text = text_of(&region.name, &content);
        let reset = || Some("`farmer image reset` restores what it was built with".to_owned());
        if text.is_none() {
            report
                .damage(&place, span.offset, "its content is damaged")
                .advice = reset();
        } else if sha256(&content) != region.default_sha256 {
            report
                .note(&place, span.offset, "it was changed after the build")
                .advice = reset();
        }
        if matches!(
            region.name.as_str(),
            regions::KARGS_BIOS | regions::KARGS_UEFI | regions::KARGS_UKI
        ) {
            arguments.push(text);
        }
    }
    if arguments.windows(2).any(|pair| pair[0] != pair[1]) {
        let offset = table.get(regions::KARGS_BIOS).map_or(0, |r| r.span.offset);
        let what = "the kernel arguments for BIOS and UEFI differ";
        report.damage("kernel arguments", offset, what);
    }
    report.sound_since(before, "regions and their defaults");
    Ok(())
}

/// Files and structures against their digests.
pub(super) fn areas(
    probe: &mut Probe<'_>,
    report: &mut Report,
    table: &RegionTable,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ShowError> {
    let total: u64 = table.areas.iter().map(|area| area.span.length).sum();
    let mut done = 0;
    for area in &table.areas {
        let found = digest(probe, table, area.span, &mut |step| {
            done += step;
            progress(done, total);
        })?;
        if found == Some(area.sha256) {
            report.verified_bytes += area.span.length;
            if report.sound.last() != Some(&area.name) {
                report.sound.push(area.name.clone());
            }
            continue;
        }
        let what = match found {
            Some(_) => format!(
                "its {} bytes are not those it was built with",
                area.span.length
            ),
            None => "it lies beyond the end".to_owned(),
        };
        // The owner may make FARMCFG's file system anew.
        let severity = if area.name == regions::FARMCFG_BOOT_SECTOR {
            Severity::Note
        } else {
            Severity::Damage
        };
        report
            .find(severity, &area.name, area.span.offset, what)
            .advice = Some(WRITE_AGAIN.to_owned());
    }
    Ok(())
}

fn digest(
    probe: &mut Probe<'_>,
    table: &RegionTable,
    span: Span,
    step: &mut dyn FnMut(u64),
) -> Result<Option<[u8; 32]>, ShowError> {
    let mut hasher = Sha256::new();
    let mut buf = vec![0; CHUNK_BYTES.min(span.length) as usize];
    let mut at = span.offset;
    while at < span.end() {
        let length = CHUNK_BYTES.min(span.end() - at);
        let part = &mut buf[..length as usize];
        if !probe.fill(at, part)? {
            return Ok(None);
        }
        table.mask(at, part);
        hasher.update(&*part);
        at += length;
        step(length);
    }
    Ok(Some(hasher.finalize().into()))
}

/// What belongs to nothing below the EFI partition and behind FARMCFG is zero.
pub(super) fn unused(
    probe: &mut Probe<'_>,
    report: &mut Report,
    table: &RegionTable,
) -> Result<(), ShowError> {
    let Some(primary) = gpt::read(probe, SECTOR_BYTES)? else {
        return Ok(());
    };
    let Some(first) = primary.partitions.iter().map(|p| p.span.offset).min() else {
        return Ok(());
    };
    let last = primary.partitions.iter().map(|p| p.span.end()).max();
    let mut used: Vec<Span> = table.areas.iter().map(|area| area.span).collect();
    used.push(Span {
        offset: 0,
        length: SECTOR_BYTES + PRIMARY_BYTES,
    });
    used.push(Span {
        offset: LOCATOR_OFFSET,
        length: LOCATOR_LEN as u64,
    });
    if let Some(locator) = locator(probe)? {
        used.push(Span {
            offset: locator.table_offset,
            length: u64::from(locator.table_length),
        });
    }
    let digests = 32 * table.regions.len() as u64;
    used.push(Span {
        offset: table.defaults.offset,
        length: digests,
    });
    used.push(Span {
        offset: table.table_digest_offset(),
        length: 32,
    });
    used.extend(table.regions.iter().map(|region| Span {
        offset: region.default_offset,
        length: region.span.length,
    }));
    used.sort_by_key(|span| span.offset);
    let mut gaps = Vec::new();
    let mut at = 0;
    // The image ends where a stick goes on.
    let ends = [
        Span {
            offset: first.min(table.total_bytes),
            length: last.unwrap_or(first).saturating_sub(first),
        },
        Span {
            offset: table.total_bytes.saturating_sub(PRIMARY_BYTES),
            length: PRIMARY_BYTES,
        },
    ];
    for span in used
        .into_iter()
        .filter(|span| span.offset < first)
        .chain(ends)
    {
        if span.offset > at {
            gaps.push((at, span.offset - at));
        }
        at = at.max(span.end());
    }
    for (offset, length) in gaps {
        let Some(bytes) = probe.bytes(offset, length)? else {
            continue;
        };
        if let Some(found) = bytes.iter().position(|byte| *byte != 0) {
            let what = "bytes that are not ours, in space that nothing uses";
            report.note("unused space", offset + found as u64, what);
        }
    }
    Ok(())
}
