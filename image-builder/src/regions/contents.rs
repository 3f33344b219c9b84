//! What stands in each region: encoded to its full length, and read back.

use super::{
    ARGUMENTS_BYTES, CONFIG, CONFIG_BYTES, FARM_TOML, FARM_TOML_BYTES, KARGS_BIOS, KARGS_UEFI,
    KARGS_UKI, SCRIPT, SCRIPT_BYTES,
};
use crate::error::RegionError;

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
    pad_text(FARM_TOML, text, FARM_TOML_BYTES)
}

/// Pads a thin medium's script with blank lines: what comes after `before` bytes of the file.
///
/// # Errors
/// [`RegionError::TooLong`].
pub fn encode_script(text: &str, before: usize) -> Result<Vec<u8>, RegionError> {
    pad_text(SCRIPT, text, SCRIPT_BYTES.saturating_sub(before))
}

/// Lines of blanks rather than thousands of empty ones: an editor shows one short page.
fn pad_text(name: &'static str, text: &str, length: usize) -> Result<Vec<u8>, RegionError> {
    let mut bytes = text.as_bytes().to_vec();
    if !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    pad(name, bytes, length, |left| {
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
}
