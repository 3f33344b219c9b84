//! The list that `sha256sum -c` reads.

use crate::bootkit::Digest;

/// One line for each file, in the order given. Names are relative to the list's own directory.
///
/// A name with a line break or a backslash is written as coreutils does: escaped, with a backslash in
/// front of the line.
#[must_use]
pub fn sha256sums<'a>(files: impl IntoIterator<Item = (&'a str, Digest)>) -> String {
    let mut out = String::new();
    for (name, digest) in files {
        let escaped = name
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r");
        if escaped != name {
            out.push('\\');
        }
        out.push_str(&format!("{digest}  {escaped}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_escaped() {
        let digest = Digest::of(b"");
        assert_eq!(
            sha256sums([("a b", digest), ("c\\\nd", digest)]),
            format!("{digest}  a b\n\\{digest}  c\\\\\\nd\n")
        );
    }
}
