//! The parts of a finished medium that may be rewritten in place, and how they are found.
//!
//! On the medium:
//!
//! - Byte 32704, 64 bytes: the locator ([`node_config::medium::Locator`]), with the disk GUID and the
//!   place of the region table.
//! - The region table: JSON, at most 16 KiB, the same on every farm's medium of one payload:
//!   `{"version":1,"total_bytes":N,"defaults":{"offset":O,"length":L},"guid_texts":[O,...],`
//!   `"regions":[{"name":S,"offset":O,"length":L,"digest_offset":O,"default_offset":O},...]}`.
//!   Offsets and lengths are bytes of the image. `guid_texts` are the places where the disk GUID
//!   stands as 36 lower-case characters in loader configurations.
//! - The defaults area: for each region the SHA-256 (32 raw bytes) and a copy of the content it was
//!   built with, at `digest_offset` and `default_offset`. It differs between farms as the regions do.
//!
//! Two media of one payload differ in the regions and the defaults area and nowhere else.
//!
//! | region | content |
//! |---|---|
//! | `config` | uncompressed newc cpio, zero padded; the last initramfs file |
//! | `kargs-bios` | kernel arguments, newline, `#` padding; inside `isolinux.cfg` |
//! | `kargs-uefi` | the same in single quotes; inside `grub.cfg`; stock flavour only |
//! | `kargs-uki` | kernel arguments, NUL padded; inside an unsigned unified kernel image |
//! | `farm-toml` | `farm.toml` on FARMCFG, padded with blank lines |

use std::io::{self, Read, Seek, SeekFrom};

use node_config::medium::{LOCATOR_LEN, LOCATOR_OFFSET, Locator};
use serde::{Deserialize, Serialize};

use crate::content::Sha256Digest;
use crate::error::RegionError;
use crate::formats::guid::Guid;

/// Length of the `config` region in bytes.
pub const CONFIG_BYTES: usize = crate::payload::CONFIG_REGION_BYTES;
/// Length of each kernel-argument region in bytes.
pub const ARGUMENTS_BYTES: usize = 2048;
/// Length of the `farm-toml` region in bytes.
pub const FARM_TOML_BYTES: usize = 4096;

/// The last initramfs file.
pub const CONFIG: &str = "config";
/// Kernel arguments in `isolinux.cfg`.
pub const KARGS_BIOS: &str = "kargs-bios";
/// Kernel arguments in `grub.cfg`.
pub const KARGS_UEFI: &str = "kargs-uefi";
/// Kernel arguments in the `.cmdline` section of an unsigned unified kernel image. A signed one has
/// no such region: its arguments are part of what is signed.
pub const KARGS_UKI: &str = "kargs-uki";
/// `farm.toml` on FARMCFG.
pub const FARM_TOML: &str = "farm-toml";

/// Longest region table that is read.
const MOST_TABLE_BYTES: u32 = 16 * 1024;
/// Most regions a table may list.
const MOST_REGIONS: usize = 32;
const TABLE_VERSION: u32 = 1;

/// How a medium starts on UEFI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// Signed shim and GRUB of a distribution.
    #[default]
    Stock,
    /// A unified kernel image without a signature.
    Uki,
    /// A unified kernel image signed with the farmer's key: kernel arguments and the disk GUID inside
    /// it can no longer be changed.
    UkiSigned,
}

impl Flavour {
    fn is_stock(&self) -> bool {
        *self == Self::Stock
    }
}

/// A range of the image in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub offset: u64,
    /// Length.
    pub length: u64,
}

impl Span {
    /// Whether the byte at `offset` lies inside.
    #[must_use]
    pub fn contains(&self, offset: u64) -> bool {
        offset
            .checked_sub(self.offset)
            .is_some_and(|at| at < self.length)
    }
}

/// One region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name; the constants of this module are the known ones.
    pub name: String,
    /// Where it lies.
    pub span: Span,
    /// Where the copy of the content it was built with begins; as long as the region.
    pub default_offset: u64,
    /// SHA-256 of that content.
    pub default_sha256: Sha256Digest,
}

/// All regions of a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionTable {
    /// The medium's identity.
    pub disk_guid: Guid,
    /// Size of the image in bytes; a stick is larger.
    pub total_bytes: u64,
    /// How it starts on UEFI.
    pub flavour: Flavour,
    /// The regions in the order of the table.
    pub regions: Vec<Region>,
    /// Digests and contents to reset the regions to.
    pub defaults: Span,
    /// Offsets of the 36-character texts of the disk GUID.
    pub guid_texts: Vec<u64>,
}

impl RegionTable {
    /// The region of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// Everything that may differ between two farms' media of one payload.
    pub fn mutable_spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.regions
            .iter()
            .map(|region| region.span)
            .chain([self.defaults])
    }
}

/// Reads the region table of a medium: `None` when it is none of ours.
///
/// # Errors
/// [`RegionError::Table`] when it is ours but damaged, [`RegionError::Read`].
pub fn find_on<R: Read + Seek>(reader: &mut R) -> Result<Option<RegionTable>, RegionError> {
    let mut bytes = [0; LOCATOR_LEN];
    match read_at(reader, LOCATOR_OFFSET, &mut bytes) {
        Err(RegionError::Read { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(None);
        }
        other => other?,
    }
    let Some(locator) = Locator::decode(&bytes) else {
        return Ok(None);
    };
    if locator.table_length > MOST_TABLE_BYTES {
        return Err(damaged("it claims to be too long"));
    }
    let mut json = vec![0; locator.table_length as usize];
    read_at(reader, locator.table_offset, &mut json)?;
    let record: TableRecord = serde_json::from_slice(&json).map_err(|e| damaged(&e.to_string()))?;
    record.check()?;
    let mut regions = Vec::with_capacity(record.regions.len());
    for region in record.regions {
        let mut default_sha256 = [0; 32];
        read_at(reader, region.digest_offset, &mut default_sha256)?;
        regions.push(Region {
            name: region.name,
            span: region.span,
            default_offset: region.default_offset,
            default_sha256,
        });
    }
    Ok(Some(RegionTable {
        disk_guid: Guid(locator.disk_guid),
        total_bytes: record.total_bytes,
        flavour: record.flavour,
        regions,
        defaults: record.defaults,
        guid_texts: record.guid_texts,
    }))
}

fn read_at<R: Read + Seek>(reader: &mut R, offset: u64, buf: &mut [u8]) -> Result<(), RegionError> {
    reader
        .seek(SeekFrom::Start(offset))
        .and_then(|_| reader.read_exact(buf))
        .map_err(|source| RegionError::Read { offset, source })
}

fn damaged(reason: &str) -> RegionError {
    RegionError::Table {
        reason: reason.to_owned(),
    }
}

/// The JSON form.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TableRecord {
    pub version: u32,
    pub total_bytes: u64,
    #[serde(default, skip_serializing_if = "Flavour::is_stock")]
    pub flavour: Flavour,
    pub defaults: Span,
    pub guid_texts: Vec<u64>,
    pub regions: Vec<RegionRecord>,
}

/// One row of the JSON form.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RegionRecord {
    pub name: String,
    #[serde(flatten)]
    pub span: Span,
    pub digest_offset: u64,
    pub default_offset: u64,
}

impl TableRecord {
    pub(crate) fn new(
        total_bytes: u64,
        defaults: Span,
        guid_texts: Vec<u64>,
        regions: Vec<RegionRecord>,
    ) -> Self {
        Self {
            version: TABLE_VERSION,
            total_bytes,
            flavour: Flavour::Stock,
            defaults,
            guid_texts,
            regions,
        }
    }

    /// Everything a table claims must lie inside the image, and regions may not overlap: a damaged
    /// or hostile table must not lead a rewrite astray.
    fn check(&self) -> Result<(), RegionError> {
        if self.version != TABLE_VERSION {
            return Err(damaged(&format!(
                "version {} is not known here",
                self.version
            )));
        }
        if self.regions.len() > MOST_REGIONS || self.guid_texts.len() > MOST_REGIONS {
            return Err(damaged("it lists too many regions"));
        }
        let end = |span: Span, within: Span| {
            let end = span.offset.checked_add(span.length)?;
            let limit = within.offset.checked_add(within.length)?;
            (span.offset >= within.offset && end <= limit).then_some(end)
        };
        let image = Span {
            offset: 0,
            length: self.total_bytes,
        };
        let mut used = vec![self.defaults];
        for region in &self.regions {
            let digest = Span {
                offset: region.digest_offset,
                length: 32,
            };
            let default = Span {
                offset: region.default_offset,
                length: region.span.length,
            };
            if end(digest, self.defaults).is_none() || end(default, self.defaults).is_none() {
                return Err(damaged("a default lies outside its area"));
            }
            used.push(region.span);
        }
        used.extend(self.guid_texts.iter().map(|offset| Span {
            offset: *offset,
            length: 36,
        }));
        used.sort_by_key(|span| span.offset);
        let mut at = LOCATOR_OFFSET + LOCATOR_LEN as u64;
        for span in used {
            match end(span, image) {
                Some(end) if span.offset >= at => at = end,
                Some(_) => return Err(damaged("regions overlap")),
                None => return Err(damaged("a region lies outside the image")),
            }
        }
        Ok(())
    }
}

/// Pads a cpio archive to the `config` region. Empty content gives an empty region.
///
/// # Errors
/// [`RegionError::TooLong`], [`RegionError::NotCpio`].
pub fn encode_config(cpio: &[u8]) -> Result<Vec<u8>, RegionError> {
    if !cpio.is_empty() && !cpio.starts_with(b"070701") {
        return Err(RegionError::NotCpio { name: CONFIG });
    }
    pad(CONFIG, cpio.to_vec(), CONFIG_BYTES, |_| 0)
}

/// Pads `farm.toml` to its region with blank lines.
///
/// # Errors
/// [`RegionError::TooLong`], [`RegionError::NotText`].
pub fn encode_farm_toml(text: &str) -> Result<Vec<u8>, RegionError> {
    if text.contains('\0') {
        return Err(RegionError::NotText { name: FARM_TOML });
    }
    let mut bytes = text.as_bytes().to_vec();
    if !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    // Lines of blanks rather than thousands of empty ones: an editor shows one short page.
    pad(FARM_TOML, bytes, FARM_TOML_BYTES, |left| {
        if left % 80 == 1 || left == 1 {
            b'\n'
        } else {
            b' '
        }
    })
}

/// Kernel arguments as they stand in `isolinux.cfg`: text, newline, a comment of `#` to the end.
///
/// # Errors
/// [`RegionError::Argument`], [`RegionError::TooLong`].
pub fn encode_kargs_bios(arguments: &str) -> Result<Vec<u8>, RegionError> {
    encode_arguments(KARGS_BIOS, arguments, "")
}

/// Kernel arguments as they stand in `grub.cfg`: the same, in single quotes.
///
/// # Errors
/// [`RegionError::Argument`], [`RegionError::TooLong`].
pub fn encode_kargs_uefi(arguments: &str) -> Result<Vec<u8>, RegionError> {
    encode_arguments(KARGS_UEFI, arguments, "'")
}

/// Kernel arguments as they stand in a unified kernel image: text, NUL padding.
///
/// # Errors
/// [`RegionError::Argument`], [`RegionError::TooLong`].
pub fn encode_kargs_uki(arguments: &str) -> Result<Vec<u8>, RegionError> {
    let normal = normal_arguments(arguments)?;
    pad(KARGS_UKI, normal.into_bytes(), ARGUMENTS_BYTES, |_| 0)
}

/// Reads the kernel arguments back from any of the forms.
///
/// # Errors
/// [`RegionError::ArgumentArea`] when the area does not look as written here.
pub fn decode_kargs(area: &[u8]) -> Result<String, RegionError> {
    let end = area
        .iter()
        .position(|b| matches!(b, b'\n' | 0))
        .ok_or(RegionError::ArgumentArea)?;
    let (line, rest) = (&area[..end], &area[end + 1..]);
    let filler = if area[end] == 0 { 0 } else { b'#' };
    let line = line
        .strip_prefix(b"'")
        .and_then(|line| line.strip_suffix(b"'"))
        .unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| RegionError::ArgumentArea)?;
    if !rest.iter().all(|b| *b == filler) || check_arguments(text).is_err() {
        return Err(RegionError::ArgumentArea);
    }
    Ok(text.to_owned())
}

fn encode_arguments(
    name: &'static str,
    arguments: &str,
    quote: &str,
) -> Result<Vec<u8>, RegionError> {
    let normal = normal_arguments(arguments)?;
    let line = format!("{quote}{normal}{quote}\n");
    pad(name, line.into_bytes(), ARGUMENTS_BYTES, |_| b'#')
}

/// Single blanks between arguments that no loader misreads.
pub(crate) fn normal_arguments(arguments: &str) -> Result<String, RegionError> {
    let words: Vec<&str> = arguments.split_ascii_whitespace().collect();
    let normal = words.join(" ");
    check_arguments(&normal)?;
    Ok(normal)
}

/// Only characters that neither ISOLINUX, GRUB nor the kernel's own parser interprets.
fn check_arguments(arguments: &str) -> Result<(), RegionError> {
    for argument in arguments.split(' ') {
        let good = |c: char| c.is_ascii_alphanumeric() || "._:/,=@+%~-[]".contains(c);
        if let Some(character) = argument.chars().find(|c| !good(*c)) {
            return Err(RegionError::Argument {
                argument: argument.to_owned(),
                character,
            });
        }
    }
    Ok(())
}

/// Fills up to `length`; `filler` gets the number of bytes still missing.
fn pad(
    name: &'static str,
    mut bytes: Vec<u8>,
    length: usize,
    filler: impl Fn(usize) -> u8,
) -> Result<Vec<u8>, RegionError> {
    if bytes.len() > length {
        return Err(RegionError::TooLong {
            name,
            length: bytes.len() as u64,
            limit: length as u64,
        });
    }
    bytes.reserve_exact(length - bytes.len());
    while bytes.len() < length {
        bytes.push(filler(length - bytes.len()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_round_trip_to_the_last_byte() {
        for text in [
            "",
            "farmer_id=7",
            "ip=[2001:db8::1]:eth0 vlan=12 console=ttyS1,115200",
        ] {
            let bios = encode_kargs_bios(text).expect("encoded");
            let uefi = encode_kargs_uefi(text).expect("encoded");
            assert_eq!((bios.len(), uefi.len()), (ARGUMENTS_BYTES, ARGUMENTS_BYTES));
            assert_eq!(decode_kargs(&bios).expect("decoded"), text);
            assert_eq!(decode_kargs(&uefi).expect("decoded"), text);
            let uki = encode_kargs_uki(text).expect("encoded");
            assert_eq!(uki.len(), ARGUMENTS_BYTES);
            assert_eq!(decode_kargs(&uki).expect("decoded"), text);
        }
        let longest = "x".repeat(ARGUMENTS_BYTES - 1);
        assert_eq!(
            decode_kargs(&encode_kargs_bios(&longest).expect("fits")).expect("ok"),
            longest
        );
        assert!(matches!(
            encode_kargs_bios(&"x".repeat(ARGUMENTS_BYTES)),
            Err(RegionError::TooLong { .. })
        ));
        assert!(encode_kargs_uefi(&"x".repeat(ARGUMENTS_BYTES - 3)).is_ok());
        assert!(encode_kargs_uefi(&longest).is_err());
        assert_eq!(
            decode_kargs(&encode_kargs_bios(" a=1 \n b ").expect("encoded")).expect("ok"),
            "a=1 b"
        );
    }

    #[test]
    fn characters_a_loader_interprets_are_refused() {
        for bad in [
            "a'b", "a\"b", "$x", "a;b", "a#b", "a\\b", "ä", "a\u{7}", "`id`", "{x}", "a*",
        ] {
            assert!(
                matches!(encode_kargs_bios(bad), Err(RegionError::Argument { .. })),
                "{bad:?}"
            );
        }
        let mut area = encode_kargs_bios("a=1").expect("encoded");
        area[100] = b'x';
        assert!(decode_kargs(&area).is_err());
    }

    #[test]
    fn text_and_config_are_padded() {
        let toml = encode_farm_toml("a = 1").expect("encoded");
        assert_eq!(toml.len(), FARM_TOML_BYTES);
        let text = String::from_utf8(toml).expect("text");
        assert_eq!(text.trim_end(), "a = 1");
        assert!(text.ends_with('\n') && text.lines().count() < 60);
        assert!(encode_farm_toml(&"#".repeat(FARM_TOML_BYTES)).is_err());
        assert!(encode_farm_toml("\0").is_err());
        assert!(encode_config(b"").expect("empty").iter().all(|b| *b == 0));
        assert!(matches!(
            encode_config(b"\x1f\x8b"),
            Err(RegionError::NotCpio { .. })
        ));
    }

    #[test]
    fn hostile_tables_are_refused() {
        let record = |offset, length, defaults: Span| {
            TableRecord::new(
                1 << 20,
                defaults,
                vec![],
                vec![RegionRecord {
                    name: "r".to_owned(),
                    span: Span { offset, length },
                    digest_offset: defaults.offset,
                    default_offset: defaults.offset + 32,
                }],
            )
        };
        let defaults = Span {
            offset: 100_000,
            length: 4096,
        };
        assert!(record(200_000, 64, defaults).check().is_ok());
        for (offset, length) in [
            (0, 64),
            (32_704, 64),
            (1 << 20, 1),
            (u64::MAX, 2),
            (100_000, 64),
            (200_000, 1 << 20),
        ] {
            assert!(
                record(offset, length, defaults).check().is_err(),
                "{offset}+{length}"
            );
        }
        assert!(
            record(200_000, 4096, defaults).check().is_err(),
            "default too long"
        );
    }
}
