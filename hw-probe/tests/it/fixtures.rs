//! Machines as text: a snapshot's tree in one file that a person can read and a diff can show.
//!
//! Lines that begin an entry, by path:
//!
//! ```text
//! # anything
//! Directory sys/class/net
//! Link sys/block/sda -> ../devices/pci0000:00/...
//! Text proc/meminfo 2            as many lines follow; "2-": the last one does not end in newline
//! Hex sys/firmware/dmi/tables/DMI 40      as many bytes follow, 32 in a line
//! ```
//!
//! Directories that hold something are not listed.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const HEX_BYTES_PER_LINE: usize = 32;

/// Where the fixtures are.
pub fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The fixture of this name, unpacked.
pub fn open(name: &str) -> tempfile::TempDir {
    let path = dir().join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tree = tempfile::tempdir().unwrap();
    unpack(&text, tree.path());
    tree
}

/// Writes the tree that `text` describes below `into`.
pub fn unpack(text: &str, into: &Path) {
    let mut lines = text.split('\n');
    let mut links = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let place = |path: &str| {
            let place = into.join(path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            place
        };
        match word {
            "Directory" => std::fs::create_dir_all(into.join(rest)).unwrap(),
            "Link" => {
                let (path, target) = rest.split_once(" -> ").unwrap();
                links.push((place(path), target));
            }
            "Text" => {
                let (path, count) = rest.rsplit_once(' ').unwrap();
                let number: usize = count.trim_end_matches('-').parse().unwrap();
                let mut content: Vec<&str> = lines.by_ref().take(number).collect();
                assert_eq!(content.len(), number, "{path} is cut off");
                if !count.ends_with('-') && number > 0 {
                    content.push("");
                }
                std::fs::write(place(path), content.join("\n")).unwrap();
            }
            "Hex" => {
                let (path, count) = rest.rsplit_once(' ').unwrap();
                let number: usize = count.parse().unwrap();
                let hex: String = lines
                    .by_ref()
                    .take(number.div_ceil(HEX_BYTES_PER_LINE))
                    .collect();
                let content = hex::decode(&hex).unwrap();
                assert_eq!(content.len(), number, "{path} is cut off");
                std::fs::write(place(path), content).unwrap();
            }
            _ => panic!("no entry begins with {line:?}"),
        }
    }
    // Last, so that nothing is written through them.
    for (path, target) in links {
        symlink(target, path).unwrap();
    }
}

/// The tree below `root` as text. The same tree gives the same text.
pub fn pack(root: &Path) -> String {
    let mut text = String::new();
    pack_directory(root, Path::new(""), &mut text);
    text
}

fn pack_directory(root: &Path, path: &Path, text: &mut String) {
    let mut names: Vec<_> = std::fs::read_dir(root.join(path))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    if names.is_empty() && !path.as_os_str().is_empty() {
        text.push_str(&format!("Directory {}\n", path.display()));
    }
    for name in names {
        let path = path.join(name);
        let place = root.join(&path);
        let shown = path.display();
        let kind = std::fs::symlink_metadata(&place).unwrap().file_type();
        if kind.is_symlink() {
            let target = std::fs::read_link(&place).unwrap();
            text.push_str(&format!("Link {shown} -> {}\n", target.display()));
        } else if kind.is_dir() {
            pack_directory(root, &path, text);
        } else {
            pack_file(&shown.to_string(), &std::fs::read(&place).unwrap(), text);
        }
    }
}

fn pack_file(path: &str, content: &[u8], text: &mut String) {
    let printable = |b: &u8| matches!(b, b'\n' | b'\t' | b' '..=b'~');
    if content.iter().all(printable) {
        let content = std::str::from_utf8(content).unwrap();
        let number = content.lines().count();
        let open = !content.is_empty() && !content.ends_with('\n');
        text.push_str(&format!(
            "Text {path} {number}{}\n",
            if open { "-" } else { "" }
        ));
        text.push_str(content);
        if open {
            text.push('\n');
        }
    } else {
        text.push_str(&format!("Hex {path} {}\n", content.len()));
        for line in content.chunks(HEX_BYTES_PER_LINE) {
            text.push_str(&hex::encode(line));
            text.push('\n');
        }
    }
}

#[test]
fn what_is_packed_unpacks_to_the_same() {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    std::fs::create_dir_all(root.join("a/empty")).unwrap();
    for (name, content) in [
        ("a/lines", "one\n\n# three\n".as_bytes()),
        ("a/open end", b"one\ntwo"),
        ("a/nothing", b""),
        ("a/newline", b"\n"),
        ("a/binary", &[0; 70]),
        ("b", "\u{fc}\u{1b}".as_bytes()),
    ] {
        std::fs::write(root.join(name), content).unwrap();
    }
    symlink("../nowhere", root.join("a/link")).unwrap();
    let text = pack(root);
    let copy = tempfile::tempdir().unwrap();
    unpack(&text, copy.path());
    assert_eq!(pack(copy.path()), text);
    for name in ["a/open end", "a/newline", "a/nothing", "a/binary", "b"] {
        let read = |root: &Path| std::fs::read(root.join(name)).unwrap();
        assert_eq!(read(copy.path()), read(root), "{name}");
    }
}
