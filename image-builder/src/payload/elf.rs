//! The three questions asked of ELF files: a module's `.modinfo` section, whether a program is
//! static, and what a note in it says. Source: System V ABI, chapters 4 and 5; only 64-bit little-endian x86-64 is accepted, so
//! little code do what would else be a dependency.

const ET_REL: u16 = 1;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const SHT_NOBITS: u32 = 8;

/// Why bytes are not the ELF file that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// No ELF magic, or the header is cut.
    #[error("is not an ELF file")]
    NotElf,
    /// 32-bit, big-endian or another processor.
    #[error("is not built for x86-64")]
    NotX86_64,
    /// An object where a program is needed or the reverse.
    #[error("is of the wrong ELF type ({0})")]
    WrongType(u16),
    /// It asks for a dynamic loader.
    #[error("is dynamically linked (it asks for `{0}`)")]
    Dynamic(String),
    /// A table points outside of the file.
    #[error("is damaged: a header points outside of the file")]
    Damaged,
}

/// An ELF file in memory, header checked.
pub struct Elf<'a> {
    bytes: &'a [u8],
}

impl<'a> Elf<'a> {
    /// Checks magic, class, byte order and processor.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        if bytes.len() < 64 || &bytes[..4] != b"\x7fELF" {
            return Err(ElfError::NotElf);
        }
        let elf = Self { bytes };
        // Class 2 is 64 bits, data 1 is little-endian.
        if bytes[4] != 2 || bytes[5] != 1 || elf.u16(18)? != EM_X86_64 {
            return Err(ElfError::NotX86_64);
        }
        Ok(elf)
    }

    /// Content of a named section of a relocatable object (a kernel module); `None` if it has no
    /// such section.
    pub fn object_section(&self, name: &str) -> Result<Option<&'a [u8]>, ElfError> {
        let kind = self.u16(16)?;
        if kind != ET_REL {
            return Err(ElfError::WrongType(kind));
        }
        let table = self.u64(40)?;
        let entry_bytes = u64::from(self.u16(58)?);
        let header = |index: u64| self.entry(table, index, entry_bytes);
        let (mut count, mut names_index) = (u64::from(self.u16(60)?), u64::from(self.u16(62)?));
        if table == 0 {
            return Ok(None);
        }
        // Extended numbering: the real values stand in section 0.
        if count == 0 {
            count = self.u64(header(0)? + 32)?;
        }
        if names_index == 0xffff {
            names_index = u64::from(self.u32(header(0)? + 40)?);
        }
        let names = self.section_bytes(header(names_index)?)?;
        // Each header is at least as long as the part read here, so a count that is too large runs
        // out of the file and ends the loop with an error.
        for index in 0..count {
            let at = header(index)?;
            let name_at = self.u32(at)? as usize;
            let rest = names.get(name_at..).ok_or(ElfError::Damaged)?;
            if rest
                .strip_prefix(name.as_bytes())
                .is_some_and(|r| r.first() == Some(&0))
            {
                return self.section_bytes(at).map(Some);
            }
            if entry_bytes == 0 {
                return Err(ElfError::Damaged);
            }
        }
        Ok(None)
    }

    /// Fails unless this is a program without a dynamic loader (static or static-pie).
    pub fn require_static_program(&self) -> Result<(), ElfError> {
        let kind = self.u16(16)?;
        if kind != ET_EXEC && kind != ET_DYN {
            return Err(ElfError::WrongType(kind));
        }
        let (table, entry_bytes, count) = (self.u64(32)?, self.u16(54)?, self.u16(56)?);
        // A shared library has program headers but no entry point.
        if count == 0 || self.u64(24)? == 0 {
            return Err(ElfError::WrongType(kind));
        }
        for index in 0..u64::from(count) {
            let at = self.entry(table, index, u64::from(entry_bytes))?;
            if self.u32(at)? == PT_INTERP {
                let loader = self.range(self.u64(at + 8)?, self.u64(at + 32)?)?;
                let name = String::from_utf8_lossy(loader);
                return Err(ElfError::Dynamic(
                    name.trim_end_matches('\0').escape_debug().to_string(),
                ));
            }
        }
        Ok(())
    }

    /// Description of the first note of that owner and type; `None` if a program has none.
    pub fn note(&self, owner: &str, kind: u32) -> Result<Option<&'a [u8]>, ElfError> {
        let (table, entry_bytes, count) = (self.u64(32)?, self.u16(54)?, self.u16(56)?);
        for index in 0..u64::from(count) {
            let at = self.entry(table, index, u64::from(entry_bytes))?;
            if self.u32(at)? != PT_NOTE {
                continue;
            }
            let mut notes = self.range(self.u64(at + 8)?, self.u64(at + 32)?)?;
            while let Some((found, description, rest)) = split_note(notes) {
                if found == (owner.as_bytes(), kind) {
                    return Ok(Some(description));
                }
                notes = rest;
            }
        }
        Ok(None)
    }

    /// Where an entry of a table begins: within the file, so that a field's offset can be added.
    fn entry(&self, table: u64, index: u64, entry_bytes: u64) -> Result<u64, ElfError> {
        index
            .checked_mul(entry_bytes)
            .and_then(|offset| offset.checked_add(table))
            .filter(|at| *at < self.bytes.len() as u64)
            .ok_or(ElfError::Damaged)
    }

    fn section_bytes(&self, header: u64) -> Result<&'a [u8], ElfError> {
        if self.u32(header + 4)? == SHT_NOBITS {
            return Ok(&[]);
        }
        self.range(self.u64(header + 24)?, self.u64(header + 32)?)
    }

    fn range(&self, offset: u64, len: u64) -> Result<&'a [u8], ElfError> {
        let range = || {
            let start = usize::try_from(offset).ok()?;
            self.bytes
                .get(start..start.checked_add(usize::try_from(len).ok()?)?)
        };
        range().ok_or(ElfError::Damaged)
    }

    fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], ElfError> {
        self.range(offset, N as u64)?
            .try_into()
            .map_err(|_| ElfError::Damaged)
    }

    fn u16(&self, offset: u64) -> Result<u16, ElfError> {
        self.array(offset).map(u16::from_le_bytes)
    }

    fn u32(&self, offset: u64) -> Result<u32, ElfError> {
        self.array(offset).map(u32::from_le_bytes)
    }

    fn u64(&self, offset: u64) -> Result<u64, ElfError> {
        self.array(offset).map(u64::from_le_bytes)
    }
}

/// Splits the first note off: owner and type, description, what follows.
#[expect(clippy::type_complexity, reason = "three things of one record")]
fn split_note(notes: &[u8]) -> Option<((&[u8], u32), &[u8], &[u8])> {
    let word = |at: usize| Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?));
    let (owner_bytes, description_bytes) = (word(0)? as usize, word(4)? as usize);
    let owner = notes.get(12..12_usize.checked_add(owner_bytes)?)?;
    let description_at = (12 + owner_bytes).checked_next_multiple_of(4)?;
    let description_end = description_at.checked_add(description_bytes)?;
    let description = notes.get(description_at..description_end)?;
    let rest = notes
        .get(description_end.checked_next_multiple_of(4)?..)
        .unwrap_or_default();
    let owner = owner.strip_suffix(&[0]).unwrap_or(owner);
    Some(((owner, word(8)?), description, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_and_foreign_files_are_refused() {
        assert_eq!(Elf::parse(b"#!/bin/sh\n").err(), Some(ElfError::NotElf));
        let own = std::fs::read("/proc/self/exe").unwrap();
        // The test itself is built static, as everything here (.cargo/config.toml).
        Elf::parse(&own).unwrap().require_static_program().unwrap();
        for len in (0..2048).step_by(7) {
            if let Ok(elf) = Elf::parse(&own[..len]) {
                let _ = elf.require_static_program();
                assert!(elf.object_section(".modinfo").is_err());
            }
        }
        // A section table at the end of the address space, of as many sections as section 0 says.
        let mut far = [0; 64];
        far[..20].copy_from_slice(b"\x7fELF\x02\x01\0\0\0\0\0\0\0\0\0\0\x01\0\x3e\0");
        far[40..48].copy_from_slice(&[0xff; 8]);
        let found = Elf::parse(&far).unwrap().object_section(".modinfo");
        assert_eq!(found.err(), Some(ElfError::Damaged));
        let mut other = own[..128].to_vec();
        other[18] = 183; // AArch64
        assert_eq!(Elf::parse(&other).err(), Some(ElfError::NotX86_64));
        let shell = std::fs::read("/bin/sh").unwrap();
        let error = Elf::parse(&shell)
            .unwrap()
            .require_static_program()
            .unwrap_err();
        assert!(matches!(error, ElfError::Dynamic(loader) if loader.contains("ld-linux")));
    }
}
