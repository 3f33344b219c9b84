//! Structures that any medium has: partition tables, boot sector, FAT, ISO 9660.

use super::Report;
use crate::error::ShowError;
use crate::formats::SECTOR_BYTES;
use crate::formats::gpt::{TYPE_BASIC_DATA, TYPE_ESP, serial};
use crate::formats::iso9660::{BLOCK_BYTES, PVD_BLOCK};
use crate::inspect::fat::{self, FatVolume};
use crate::inspect::gpt::GptCopy;
use crate::inspect::{FileEntry, Probe, gpt, iso, mbr, u32_at};
use crate::regions::{RegionTable, Span};

const PRIMARY: &str = "GPT, primary";
const BACKUP: &str = "GPT, backup";

/// Both copies of the partition table, and whether they agree.
pub(super) fn partition_tables(
    probe: &mut Probe<'_>,
    report: &mut Report,
    table: Option<&RegionTable>,
) -> Result<(), ShowError> {
    let before = report.findings.len();
    let size = probe.size();
    let last_sector = (size / SECTOR_BYTES).saturating_sub(1) * SECTOR_BYTES;
    let primary = gpt::read(probe, SECTOR_BYTES)?;
    let Some(primary) = primary else {
        // No table at all, or one whose first copy is gone.
        let ours = table.map(|t| t.total_bytes.saturating_sub(SECTOR_BYTES));
        for at in [Some(last_sector), ours].into_iter().flatten() {
            if gpt::read(probe, at)?.is_some() {
                let advice = "`sgdisk -e` or gdisk's recovery menu restores it from the backup";
                let finding = report.damage(PRIMARY, SECTOR_BYTES, "it is missing");
                finding.advice = Some(advice.to_owned());
                return Ok(());
            }
        }
        if table.is_some() {
            report.damage(PRIMARY, SECTOR_BYTES, "both copies are missing");
        }
        return Ok(());
    };
    copy_is_sound(report, PRIMARY, &primary, 1);
    let backup_at = primary.other_lba.saturating_mul(SECTOR_BYTES);
    let mut backup = gpt::read(probe, backup_at)?;
    let mut place = backup_at;
    if backup.is_none() && last_sector != backup_at {
        // A tool may have moved it and not told the primary.
        backup = gpt::read(probe, last_sector)?;
        place = last_sector;
    }
    let Some(backup) = backup else {
        let what = if backup_at >= size {
            format!("it should be at byte {backup_at}, which is beyond the end")
        } else {
            "it is missing".to_owned()
        };
        report.damage(BACKUP, backup_at.min(size), what).advice =
            Some("`sgdisk -e` writes it again".to_owned());
        return Ok(());
    };
    copy_is_sound(report, BACKUP, &backup, place / SECTOR_BYTES);
    let same = primary.disk_guid == backup.disk_guid
        && primary.entries == backup.entries
        && primary.own_lba == backup.other_lba
        && primary.other_lba == backup.own_lba
        && primary.first_usable_lba == backup.first_usable_lba
        && primary.last_usable_lba == backup.last_usable_lba;
    let both_sound = [&primary, &backup]
        .iter()
        .all(|copy| copy.header_is_sound && copy.entries_are_sound);
    if both_sound && !same {
        report.damage(
            BACKUP,
            place,
            "it says something else than the primary table",
        );
    }
    if place != last_sector {
        let what = format!(
            "it ends {} bytes before the end of the medium",
            size.saturating_sub(place + SECTOR_BYTES)
        );
        report.note(BACKUP, place, what).advice = Some(
            "nothing to do: firmware and Linux do not mind; `sgdisk -e` moves it to the end"
                .to_owned(),
        );
    }
    for partition in &primary.partitions {
        if partition.span.end() > size {
            let what = format!("partition {} ends beyond the medium", partition.number);
            report.damage(PRIMARY, partition.span.offset, what);
        }
    }
    report.sound_since(before, "partition tables");
    Ok(())
}

fn copy_is_sound(report: &mut Report, place: &str, copy: &GptCopy, lba: u64) {
    let advice = "`sgdisk -e` or gdisk's recovery menu restores it from the other copy";
    if !copy.header_is_sound {
        let what = "the header's checksum is wrong";
        report.damage(place, copy.offset, what).advice = Some(advice.to_owned());
    } else if copy.own_lba != lba {
        let what = format!("it says it lies in sector {}", copy.own_lba);
        report.damage(place, copy.offset, what);
    }
    if copy.header_is_sound && !copy.entries_are_sound {
        let what = "the checksum of the entries is wrong";
        report.damage(place, copy.entries_span.offset, what).advice = Some(advice.to_owned());
    }
    let length = u32_at(&copy.header, 12) as usize;
    let rest = copy.header.get(length.max(92)..).unwrap_or_default();
    if let Some(at) = rest.iter().position(|byte| *byte != 0) {
        let offset = copy.offset + (length.max(92) + at) as u64;
        report.note(place, offset, "bytes behind the header are not zero");
    }
}

/// The first sector's entries.
pub(super) fn boot_sector(
    probe: &mut Probe<'_>,
    report: &mut Report,
    table: Option<&RegionTable>,
) -> Result<(), ShowError> {
    const PLACE: &str = "MBR";
    let before = report.findings.len();
    let sector = mbr::read(probe)?;
    let has_gpt = gpt::read(probe, SECTOR_BYTES)?.is_some();
    let Some(sector) = sector else {
        if has_gpt || table.is_some() {
            report.damage(PLACE, 510, "the boot signature is missing");
        }
        return Ok(());
    };
    if has_gpt && !sector.protects() {
        report.damage(PLACE, 446, "no entry protects the partition table");
    } else if !has_gpt && sector.protects() {
        report.damage(
            PLACE,
            446,
            "the partition table that it protects is not there",
        );
    }
    for entry in sector.entries.iter().filter(|entry| entry.kind != 0) {
        if entry.span.offset >= probe.size() {
            let what = format!("partition {} lies behind the end", entry.number);
            report.damage(PLACE, 446, what);
        }
    }
    if let Some(table) = table
        && let Some(bytes) = probe.bytes(0, SECTOR_BYTES)?
    {
        // UEFI specification 5.2.3, and the active entry that some BIOSes look for.
        let entry = [0x00, 0x00, 0x02, 0x00, 0xEE, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0];
        let active = [0x80, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        if bytes[446..458] != entry {
            report.damage(
                PLACE,
                446,
                "the entry that protects the partition table was changed",
            );
        } else if bytes[462..478] != active {
            let what = "the active entry was changed: some BIOSes will not offer the stick";
            report.damage(PLACE, 462, what);
        } else if bytes[478..510].iter().any(|byte| *byte != 0) {
            report.note(PLACE, 478, "entries were added");
        }
        let (protected, built) = (
            u64::from(u32_at(&bytes, 458)),
            table.total_bytes / SECTOR_BYTES,
        );
        let grown = probe.size() / SECTOR_BYTES;
        if ![built, grown].contains(&(protected + 1)) && protected != u64::from(u32::MAX) {
            report.note(PLACE, 458, format!("it protects {protected} sectors"));
        }
        if u32_at(&bytes, 440) != serial(table.disk_guid, "mbr") || bytes[444..446] != [0, 0] {
            report.note(PLACE, 440, "the disk signature was changed");
        }
    }
    // Two bytes alone are no table: every kernel has them.
    if has_gpt || !sector.entries.is_empty() {
        report.sound_since(before, PLACE);
    }
    Ok(())
}

/// The FAT volumes of EFI and data partitions, of the boot catalog, or the medium itself.
pub(super) fn fat_volumes(
    probe: &mut Probe<'_>,
    report: &mut Report,
) -> Result<Vec<FatVolume>, ShowError> {
    let mut places: Vec<(String, u64, bool)> = Vec::new();
    match gpt::read(probe, SECTOR_BYTES)? {
        Some(table) => {
            for partition in table.partitions.iter().take(8) {
                let name = format!("partition {} ({})", partition.number, partition.name);
                let ours = partition.name == node_config::medium::FARMCFG_LABEL;
                let must = partition.type_guid == TYPE_ESP || ours;
                if must || partition.type_guid == TYPE_BASIC_DATA {
                    places.push((name, partition.span.offset, must));
                }
            }
        }
        None => {
            places.push(("medium".to_owned(), 0, false));
            let entries = mbr::read(probe)?
                .map(|sector| sector.entries)
                .unwrap_or_default();
            for entry in entries.iter().filter(|entry| entry.kind == 0xEF) {
                let name = format!("partition {}", entry.number);
                places.push((name, entry.span.offset, true));
            }
        }
    }
    let mut volumes = Vec::new();
    for (name, offset, must) in places {
        let before = report.findings.len();
        match fat::read(probe, offset)? {
            Some(volume) => {
                for (at, what) in volume.damage.iter().take(16) {
                    report.damage(&format!("FAT, {name}"), *at, what.clone());
                }
                let end = volume.offset.saturating_add(volume.length);
                if end > probe.size() {
                    let what = format!("it ends {} bytes beyond the medium", end - probe.size());
                    report.damage(&format!("FAT, {name}"), offset, what);
                }
                report.sound_since(before, &format!("FAT, {name}"));
                volumes.push(volume);
            }
            None if must => {
                report.damage(
                    &format!("FAT, {name}"),
                    offset,
                    "the boot sector is damaged",
                );
            }
            None => {}
        }
    }
    Ok(volumes)
}

/// The ISO 9660 tree, its boot catalog, ISOLINUX' own table, and whether files that both trees have
/// are the same bytes.
pub(super) fn iso(
    probe: &mut Probe<'_>,
    report: &mut Report,
    volumes: &[FatVolume],
) -> Result<(), ShowError> {
    const PLACE: &str = "ISO 9660";
    let before = report.findings.len();
    let Some(volume) = iso::read(probe)? else {
        return Ok(());
    };
    for (at, what) in volume.damage.iter().take(16) {
        report.damage(PLACE, *at, what.clone());
    }
    if volume.length > probe.size() {
        let what = format!(
            "the volume has {} bytes, {} are missing",
            volume.length,
            volume.length - probe.size()
        );
        report.damage(PLACE, u64::from(PVD_BLOCK) * BLOCK_BYTES + 80, what);
    }
    for file in &volume.files {
        let end = file.extents.first().map_or(0, |extent| extent.end());
        if end > probe.size() {
            let what = format!("{} ends beyond the medium", file.path);
            report.damage(PLACE, file.extents[0].offset, what);
        }
    }
    same_bytes(report, &volume, volumes);
    report.sound_since(before, PLACE);
    let before = report.findings.len();
    if let Some(catalog) = &volume.catalog {
        if !catalog.is_sound {
            report.damage("El Torito catalog", catalog.offset, "its checksum is wrong");
        }
        for (platform, offset, _) in &catalog.entries {
            match platform {
                0 => boot_information(probe, report, &volume, *offset)?,
                0xEF if fat::read(probe, *offset)?.is_none() => {
                    let what = "the image for UEFI is no FAT volume";
                    report.damage("El Torito catalog", *offset, what);
                }
                _ => {}
            }
        }
        report.sound_since(before, "El Torito catalog");
    }
    Ok(())
}

/// A file of the tree that lies inside a FAT volume must be that volume's file of the same name, or lie
/// inside one of its files: kernel and initramfs in a unified kernel image do.
fn same_bytes(report: &mut Report, iso: &iso::IsoVolume, volumes: &[FatVolume]) {
    for file in &iso.files {
        let Some(extent) = file.extents.first() else {
            continue;
        };
        let volume = volumes.iter().find(|volume| {
            let end = volume.offset.saturating_add(volume.length);
            (volume.offset..end).contains(&extent.offset)
        });
        let Some(volume) = volume else {
            continue;
        };
        let other = volume
            .files
            .iter()
            .find(|other| other.path.eq_ignore_ascii_case(&file.path));
        let place = format!("ISO 9660, {}", file.path);
        match other {
            // An image file that is the volume itself, as El Torito starts it.
            None if extent.offset == volume.offset => {}
            None if volume.files.iter().any(|other| holds(other, extent)) => {}
            None => {
                let what = "it points into a FAT volume that has no such file";
                report.damage(&place, extent.offset, what);
            }
            Some(other) if other.length > 0 && other.contiguous() != file.contiguous() => {
                let what = "ISO 9660 and FAT have it at different places";
                report.damage(&place, extent.offset, what);
            }
            Some(_) => {}
        }
    }
}

/// Whether a file in one piece covers all of `span`.
fn holds(file: &FileEntry, span: &Span) -> bool {
    let whole = file.contiguous();
    whole.is_some_and(|whole| whole.offset <= span.offset && span.end() <= whole.end())
}

/// The boot information table of ISOLINUX or GRUB: a checksum over the loader.
fn boot_information(
    probe: &mut Probe<'_>,
    report: &mut Report,
    volume: &iso::IsoVolume,
    offset: u64,
) -> Result<(), ShowError> {
    let Some(head) = probe.bytes(offset, 64)? else {
        report.damage(
            "El Torito catalog",
            offset,
            "the image for BIOS lies beyond the end",
        );
        return Ok(());
    };
    // Only loaders that asked for it have the table: it names the descriptor and the loader itself.
    let (descriptor, own, length) = (u32_at(&head, 8), u32_at(&head, 12), u32_at(&head, 16));
    let file = volume.files.iter().find(|file| {
        let first = file.extents.first();
        first.is_some_and(|extent| extent.offset == offset)
    });
    let claims = [
        descriptor == PVD_BLOCK,
        u64::from(own) * BLOCK_BYTES == offset,
        file.is_some_and(|file| file.length == u64::from(length)),
    ];
    // One of three may be damaged; a loader without a table has none of them.
    if claims.iter().filter(|claim| **claim).count() < 2 {
        return Ok(());
    }
    let Some(bytes) = probe.bytes(offset, u64::from(length))? else {
        report.damage("boot information table", offset + 16, "its length is wrong");
        return Ok(());
    };
    let sum = bytes.get(64..).unwrap_or_default().chunks(4);
    let sum = sum.fold(0_u32, |sum, word| {
        let mut padded = [0; 4];
        padded[..word.len()].copy_from_slice(word);
        sum.wrapping_add(u32::from_le_bytes(padded))
    });
    if sum != u32_at(&head, 20) || claims.contains(&false) {
        report.damage(
            "boot information table",
            offset + 8,
            "it does not fit the BIOS loader it lies in",
        );
    }
    Ok(())
}
