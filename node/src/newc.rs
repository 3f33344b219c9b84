//! One file out of an uncompressed `newc` archive (Documentation/driver-api/early-userspace/
//! buffer-format.rst): how the settings come in where no kernel unpacks them.

const HEADER_BYTES: usize = 110;

/// The content of `path`, the last copy if there are several, as the kernel does it. `None` if there
/// is none or the archive is damaged before its end.
pub fn find<'a>(archive: &'a [u8], path: &str) -> Option<&'a [u8]> {
    let mut found = None;
    let mut at = 0_usize;
    loop {
        let header = archive.get(at..at.checked_add(HEADER_BYTES)?)?;
        if !matches!(header.get(..6)?, b"070701" | b"070702") {
            return None;
        }
        let field = |index: usize| {
            let text = header.get(6 + index * 8..14 + index * 8)?;
            usize::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
        };
        let (length, name_length) = (field(6)?, field(11)?);
        let name_at = at + HEADER_BYTES;
        let name = archive.get(name_at..name_at.checked_add(name_length)?)?;
        let name = name.strip_suffix(b"\0")?;
        let content_at = (name_at + name_length).next_multiple_of(4);
        let content = archive.get(content_at..content_at.checked_add(length)?)?;
        if name == b"TRAILER!!!" {
            return found;
        }
        if name == path.as_bytes() {
            found = Some(content);
        }
        at = (content_at + length).next_multiple_of(4);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An archive of these files.
    pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in files.iter().chain([&("TRAILER!!!", &b""[..])]) {
            let mut fields = [0_usize; 13];
            (fields[6], fields[11]) = (content.len(), name.len() + 1);
            out.extend_from_slice(b"070701");
            for field in fields {
                out.extend_from_slice(format!("{field:08X}").as_bytes());
            }
            out.extend_from_slice(name.as_bytes());
            out.push(0);
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend_from_slice(content);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn the_last_copy_counts() {
        let archive = archive(&[("a", b"first"), ("b", b"x"), ("a", b"second")]);
        assert_eq!(find(&archive, "a"), Some(&b"second"[..]));
        assert_eq!(find(&archive, "c"), None);
    }

    #[test]
    fn damaged_archives_hold_nothing() {
        let whole = archive(&[("a", b"content")]);
        for cut in 0..whole.len() - 1 {
            assert_eq!(find(&whole[..cut], "c"), None);
        }
        assert_eq!(find(&vec![0; 65536], "a"), None);
        let mut endless = whole.clone();
        endless[6 + 6 * 8..14 + 6 * 8].copy_from_slice(b"FFFFFFFF");
        assert_eq!(find(&endless, "a"), None);
    }
}
