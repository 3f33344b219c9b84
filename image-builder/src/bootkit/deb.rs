//! Reading `.deb` files: an `ar` archive of `debian-binary`, `control.tar.*` and `data.tar.*`
//! (deb(5)). `ar` is 60 bytes of header per member, so it is read here; compression and `tar` come
//! from crates. Everything streams and everything is limited: the file may come from anywhere.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::control::Stanza;

const AR_MAGIC: &[u8; 8] = b"!<arch>\n";
/// Debian's largest control archives are below 2 MiB.
const CONTROL_LIMIT_BYTES: u64 = 16 << 20;
/// A kernel with debug symbols is 6 GB; nothing the bootkit reads comes near.
const DATA_LIMIT_BYTES: u64 = 4 << 30;
/// Largest single member handed to a visitor.
const FILE_LIMIT_BYTES: u64 = 256 << 20;
const ENTRIES_LIMIT: u64 = 500_000;
/// `xz -9` needs 65 MiB to decompress.
const XZ_MEMORY_LIMIT_BYTES: u64 = 256 << 20;

/// A `.deb` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct DebError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub kind: DebErrorKind,
}

/// What is wrong with a `.deb`. Offsets are bytes from the start of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebErrorKind {
    /// It cannot be opened or read.
    #[error("cannot be read")]
    Io(#[source] io::Error),
    /// Another kind of file.
    #[error("is not a Debian package: {0}")]
    NotADeb(String),
    /// The file ends early.
    #[error(
        "is truncated: {member} needs {needed_bytes} bytes at offset {offset}, the file ends at {file_bytes}"
    )]
    Truncated {
        /// `ar` member or `member header`.
        member: String,
        /// Where the missing part starts.
        offset: u64,
        /// How long it should be.
        needed_bytes: u64,
        /// Size of the file.
        file_bytes: u64,
    },
    /// A member is missing altogether.
    #[error("has no {0} member")]
    MissingMember(&'static str),
    /// A member's content does not decode.
    #[error("{member} is damaged")]
    Damaged {
        /// `ar` member.
        member: String,
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
    /// The compression is none of xz, zstd, gzip or none.
    #[error("{0} uses a compression that is not supported (xz, zstd, gzip and none are)")]
    Compression(String),
    /// The control file lacks a mandatory field.
    #[error("control file has no {0} field")]
    MissingField(&'static str),
    /// A limit was exceeded.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// A path leads outside of the package.
    #[error("holds an unsafe path `{0}`")]
    UnsafePath(String),
    /// The visitor failed to store what it was given.
    #[error("cannot be unpacked")]
    Visitor(#[source] io::Error),
}

impl DebError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self.kind {
            DebErrorKind::Truncated { .. }
            | DebErrorKind::Damaged { .. }
            | DebErrorKind::MissingMember(_) => {
                "the download is incomplete or damaged: fetch the package again and compare its \
                 sha256 with the one `apt-cache show` prints"
            }
            DebErrorKind::NotADeb(_) => "give the path of a Debian binary package (.deb)",
            DebErrorKind::Compression(_) => {
                "repack it with `dpkg-deb -R` and `dpkg-deb -b -Zxz`, or use Debian's own package"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// The control fields a bootkit records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebInfo {
    /// `Package`
    pub package: String,
    /// `Version`
    pub version: String,
    /// `Architecture`
    pub architecture: String,
    /// `Source` with version; the package's own name and version if the field is absent.
    pub source: String,
    /// `Built-Using`
    pub built_using: Option<String>,
}

/// One regular file of the data archive.
pub struct DebEntry<'a> {
    /// Path from the root, without `./` or a leading `/`.
    pub path: &'a str,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time, seconds since 1970-01-01 UTC.
    pub mtime_unix_s: u64,
    /// The content.
    pub content: &'a mut dyn Read,
}

struct Member {
    name: String,
    offset: u64,
    size_bytes: u64,
}

/// Reads a `.deb`: `wanted` is asked for each regular file's path, `visit` gets the wanted ones in
/// archive order. Every regular file's modification time counts for the returned newest one.
/// The whole data archive is decoded to its end, so that its checksum is checked.
///
/// # Errors
/// [`DebError`], never a panic, whatever the bytes are.
pub fn read(
    path: &Path,
    wanted: &mut dyn FnMut(&str) -> bool,
    visit: &mut dyn FnMut(&DebInfo, DebEntry<'_>) -> io::Result<()>,
) -> Result<(DebInfo, u64), DebError> {
    read_kind(path, wanted, visit, &mut |_, _| {}).map_err(|kind| DebError {
        path: path.to_owned(),
        kind,
    })
}

/// The links of the data archive: path and where it points, as stored. The target of a hard link
/// starts with `/`. Links whose names are not UTF-8 are left out.
///
/// # Errors
/// As [`read`].
pub fn read_links(path: &Path) -> Result<Vec<(String, String)>, DebError> {
    let mut links = Vec::new();
    let mut on_link = |path: &str, target: String| links.push((path.to_owned(), target));
    read_kind(path, &mut |_| false, &mut |_, _| Ok(()), &mut on_link)
        .map(|_| ())
        .map_err(|kind| DebError {
            path: path.to_owned(),
            kind,
        })?;
    Ok(links)
}

/// Reads only the control fields.
///
/// # Errors
/// As [`read`]; a truncated data member is found, a damaged one is not.
pub fn read_info(path: &Path) -> Result<DebInfo, DebError> {
    let info = || {
        let (mut file, members) = open(path)?;
        read_control(&mut file, &members)
    };
    info().map_err(|kind| DebError {
        path: path.to_owned(),
        kind,
    })
}

fn read_kind(
    path: &Path,
    wanted: &mut dyn FnMut(&str) -> bool,
    visit: &mut dyn FnMut(&DebInfo, DebEntry<'_>) -> io::Result<()>,
    on_link: &mut dyn FnMut(&str, String),
) -> Result<(DebInfo, u64), DebErrorKind> {
    let (mut file, members) = open(path)?;
    let info = read_control(&mut file, &members)?;
    let data = find(&members, "data.tar").ok_or(DebErrorKind::MissingMember("data.tar"))?;
    let newest = read_data(&mut file, data, &info, wanted, visit, on_link)?;
    Ok((info, newest))
}

fn open(path: &Path) -> Result<(File, Vec<Member>), DebErrorKind> {
    // Not `open_regular`: a path the user typed may well be a symbolic link.
    let mut file = File::open(path).map_err(DebErrorKind::Io)?;
    if !file.metadata().map_err(DebErrorKind::Io)?.is_file() {
        return Err(DebErrorKind::NotADeb("it is not a regular file".into()));
    }
    let members = list_members(&mut file)?;
    if members.is_empty() {
        return Err(DebErrorKind::MissingMember("debian-binary"));
    }
    let version = members
        .first()
        .filter(|m| m.name == "debian-binary")
        .ok_or_else(|| DebErrorKind::NotADeb("its first member is not debian-binary".into()))?;
    let mut text = String::new();
    let mut reader = member_reader(&mut file, version)?.take(64);
    reader
        .read_to_string(&mut text)
        .map_err(|_| DebErrorKind::NotADeb("debian-binary is not text".into()))?;
    if !text.starts_with("2.") {
        return Err(DebErrorKind::NotADeb(format!(
            "format version {:?} is not 2.x",
            text.trim_end()
        )));
    }
    Ok((file, members))
}

fn list_members(file: &mut File) -> Result<Vec<Member>, DebErrorKind> {
    let file_bytes = file.metadata().map_err(DebErrorKind::Io)?.len();
    let mut magic = [0u8; 8];
    if file_bytes < 8 {
        return Err(DebErrorKind::Truncated {
            member: "archive header".into(),
            offset: 0,
            needed_bytes: 8,
            file_bytes,
        });
    }
    file.read_exact(&mut magic).map_err(DebErrorKind::Io)?;
    if &magic != AR_MAGIC {
        return Err(DebErrorKind::NotADeb(
            "it does not start with `!<arch>`".into(),
        ));
    }
    let mut members: Vec<Member> = Vec::new();
    let mut offset = 8u64;
    while offset < file_bytes {
        if members.len() >= 64 {
            return Err(DebErrorKind::NotADeb("it has more than 64 members".into()));
        }
        if file_bytes - offset < 60 {
            return Err(DebErrorKind::Truncated {
                member: "member header".into(),
                offset,
                needed_bytes: 60,
                file_bytes,
            });
        }
        let mut header = [0u8; 60];
        file.seek(SeekFrom::Start(offset))
            .map_err(DebErrorKind::Io)?;
        file.read_exact(&mut header).map_err(DebErrorKind::Io)?;
        let member = parse_member(&header, offset)?;
        // Odd members are padded by one byte, also at the end of the file.
        let needed_bytes = member.size_bytes + (member.size_bytes & 1);
        if needed_bytes > file_bytes - member.offset {
            return Err(DebErrorKind::Truncated {
                member: member.name,
                offset: member.offset,
                needed_bytes,
                file_bytes,
            });
        }
        offset = member.offset + needed_bytes;
        members.push(member);
    }
    Ok(members)
}

fn parse_member(header: &[u8; 60], offset: u64) -> Result<Member, DebErrorKind> {
    let bad = |what: &str| DebErrorKind::NotADeb(format!("{what} at offset {offset}"));
    if &header[58..] != b"`\n" {
        return Err(bad("bad member header"));
    }
    let text = std::str::from_utf8(header).map_err(|_| bad("member header is not text"))?;
    let name = text.get(..16).ok_or_else(|| bad("bad member name"))?;
    let size = text.get(48..58).ok_or_else(|| bad("bad member size"))?;
    Ok(Member {
        name: name.trim_end().trim_end_matches('/').to_owned(),
        offset: offset + 60,
        // Ten decimal digits: below 10 GB, so sums cannot overflow.
        size_bytes: size
            .trim_end()
            .parse()
            .map_err(|_| bad("bad member size"))?,
    })
}

fn find<'m>(members: &'m [Member], stem: &str) -> Option<&'m Member> {
    members.iter().find(|m| {
        m.name
            .strip_prefix(stem)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

fn member_reader<'f>(
    file: &'f mut File,
    member: &Member,
) -> Result<io::Take<&'f mut File>, DebErrorKind> {
    file.seek(SeekFrom::Start(member.offset))
        .map_err(DebErrorKind::Io)?;
    Ok(file.take(member.size_bytes))
}

/// Decoder of `name`'s suffix over `reader`.
fn decoder<'r>(name: &str, reader: impl Read + 'r) -> Result<Box<dyn Read + 'r>, DebErrorKind> {
    let damaged = |source| DebErrorKind::Damaged {
        member: name.to_owned(),
        source,
    };
    let reader = BufReader::with_capacity(256 * 1024, reader);
    Ok(match name.split_once(".tar").map(|(_, suffix)| suffix) {
        Some("") => Box::new(reader),
        Some(".gz") => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Some(".xz") => {
            let stream = liblzma::stream::Stream::new_stream_decoder(
                XZ_MEMORY_LIMIT_BYTES,
                liblzma::stream::CONCATENATED,
            )
            .map_err(|e| damaged(io::Error::other(e)))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
        }
        Some(".zst") => Box::new(zstd::Decoder::with_buffer(reader).map_err(damaged)?),
        _ => return Err(DebErrorKind::Compression(name.to_owned())),
    })
}

fn read_control(file: &mut File, members: &[Member]) -> Result<DebInfo, DebErrorKind> {
    let member = find(members, "control.tar").ok_or(DebErrorKind::MissingMember("control.tar"))?;
    // Asked for here so that a package without data is refused before anything is unpacked.
    find(members, "data.tar").ok_or(DebErrorKind::MissingMember("data.tar"))?;
    let damaged = |source| DebErrorKind::Damaged {
        member: member.name.clone(),
        source,
    };
    let reader = decoder(&member.name, member_reader(file, member)?)?;
    let mut archive = tar::Archive::new(reader.take(CONTROL_LIMIT_BYTES));
    let mut text = None;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let is_control = entry
            .path()
            .is_ok_and(|p| p == Path::new("./control") || p == Path::new("control"));
        if is_control && entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry
                .by_ref()
                .take(CONTROL_LIMIT_BYTES)
                .read_to_end(&mut bytes)
                .map_err(damaged)?;
            text = Some(String::from_utf8_lossy(&bytes).into_owned());
            break;
        }
    }
    drop(archive);
    let text = text.ok_or(DebErrorKind::MissingMember("control"))?;
    let stanza = Stanza::parse_all(&text)
        .into_iter()
        .next()
        .unwrap_or_default();
    let field = |name: &'static str| {
        stanza
            .get(name)
            .map(str::to_owned)
            .ok_or(DebErrorKind::MissingField(name))
    };
    let (package, version) = (field("Package")?, field("Version")?);
    let source = match stanza.get("Source") {
        Some(source) if source.contains('(') => source.to_owned(),
        Some(source) => format!("{source} ({version})"),
        None => format!("{package} ({version})"),
    };
    Ok(DebInfo {
        architecture: field("Architecture")?,
        built_using: stanza.get("Built-Using").map(str::to_owned),
        package,
        version,
        source,
    })
}

fn read_data(
    file: &mut File,
    member: &Member,
    info: &DebInfo,
    wanted: &mut dyn FnMut(&str) -> bool,
    visit: &mut dyn FnMut(&DebInfo, DebEntry<'_>) -> io::Result<()>,
    on_link: &mut dyn FnMut(&str, String),
) -> Result<u64, DebErrorKind> {
    let damaged = |source| DebErrorKind::Damaged {
        member: member.name.clone(),
        source,
    };
    let too_large = |what: &str, limit: String| DebErrorKind::TooLarge {
        what: what.into(),
        limit,
    };
    let mut reader = decoder(&member.name, member_reader(file, member)?)?.take(DATA_LIMIT_BYTES);
    let mut archive = tar::Archive::new(&mut reader);
    let mut newest = 0u64;
    let mut entries = 0u64;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        entries += 1;
        if entries > ENTRIES_LIMIT {
            return Err(too_large("the number of files", ENTRIES_LIMIT.to_string()));
        }
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name().map_err(damaged)?;
            let target = target.as_deref().and_then(Path::to_str);
            if let (Ok(path), Some(target)) = (entry.path(), target)
                && let Ok(path) = clean_path(&path)
            {
                let root = if kind.is_hard_link() { "/" } else { "" };
                on_link(&path, format!("{root}{target}"));
            }
            continue;
        }
        if !kind.is_file() {
            continue;
        }
        let raw = entry.path().map_err(damaged)?.into_owned();
        let path = clean_path(&raw)?;
        let mtime_unix_s = entry.header().mtime().map_err(damaged)?;
        newest = newest.max(mtime_unix_s);
        if !wanted(&path) {
            continue;
        }
        let size_bytes = entry.size();
        if size_bytes > FILE_LIMIT_BYTES {
            return Err(too_large(&path, format!("{FILE_LIMIT_BYTES} bytes")));
        }
        let mut content = CheckedRead {
            inner: &mut entry,
            failed: false,
        };
        let deb_entry = DebEntry {
            path: &path,
            size_bytes,
            mtime_unix_s,
            content: &mut content,
        };
        let outcome = visit(info, deb_entry);
        let failed = content.failed;
        outcome.map_err(|e| {
            if failed {
                damaged(e)
            } else {
                DebErrorKind::Visitor(e)
            }
        })?;
    }
    // The checksum of xz, zstd and gzip stands behind the end of the tar archive.
    io::copy(&mut reader, &mut io::sink()).map_err(damaged)?;
    if reader.limit() == 0 {
        return Err(too_large(
            &member.name,
            format!("{DATA_LIMIT_BYTES} bytes unpacked"),
        ));
    }
    Ok(newest)
}

/// Tells a failure to read the package from a failure to store what was read.
struct CheckedRead<R> {
    inner: R,
    failed: bool,
}

impl<R: Read> Read for CheckedRead<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf).inspect_err(|_| self.failed = true)
    }
}

fn clean_path(raw: &Path) -> Result<String, DebErrorKind> {
    let unsafe_path = || DebErrorKind::UnsafePath(raw.to_string_lossy().escape_debug().to_string());
    let mut parts = Vec::new();
    for component in raw.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(unsafe_path)?),
            _ => return Err(unsafe_path()),
        }
    }
    if parts.is_empty() {
        return Err(unsafe_path());
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(
            clean_path(Path::new("./boot/vmlinuz")).unwrap(),
            "boot/vmlinuz"
        );
        for bad in ["../etc/passwd", "a/../../b", "/etc/passwd", "."] {
            assert!(
                matches!(clean_path(Path::new(bad)), Err(DebErrorKind::UnsafePath(_))),
                "{bad}"
            );
        }
    }
}
