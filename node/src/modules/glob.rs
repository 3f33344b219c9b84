//! Module alias patterns, as `fnmatch(3)` without flags reads them.

/// Whether `text` matches `pattern` (`*`, `?`, `[a-z]`, `[!a-z]`, `\x`).
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last `*` did not fit: after the star, one byte later.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(_) => one(pattern, p, text[t]),
            None => None,
        };
        match (step, retry) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((after_star, start))) => {
                p = after_star;
                t = start + 1;
                retry = Some((after_star, t));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Length of the pattern element at `at` if it matches `byte`.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern[at] {
        b'?' => Some(1),
        b'[' => match class(&pattern[at..], byte) {
            Some((length, matched)) => matched.then_some(length),
            None => (byte == b'[').then_some(1),
        },
        b'\\' if at + 1 < pattern.len() => (pattern[at + 1] == byte).then_some(2),
        other => (other == byte).then_some(1),
    }
}

/// Length of a bracket expression and whether it holds `byte`; `None` if it is not closed.
fn class(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let mut at = first;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, found != negated));
        }
        let (high, length) = match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(high)) if *high != b']' => (*high, 3),
            _ => (low, 1),
        };
        found |= (low..=high).contains(&byte);
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;

    #[test]
    fn aliases_as_the_kernel_writes_them() {
        let virtio_net = "virtio:d00000001v*";
        assert!(matches(virtio_net, "virtio:d00000001v00001AF4"));
        assert!(!matches(virtio_net, "virtio:d00000002v00001AF4"));
        assert!(matches(
            "pci:v00008086d0000100Esv*sd*bc*sc*i*",
            "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00"
        ));
        assert!(matches(
            "usb:v0421p0485d*dc*dsc*dp*ic08isc06ip50in*",
            "usb:v0421p0485d0100dc00dsc00dp00ic08isc06ip50in00"
        ));
        assert!(matches(
            "cpu:type:x86,ven0000fam*mod*:feature:*00C0*",
            "cpu:type:x86,ven0000fam0006mod00CF:feature:,0000,00C0,00C5"
        ));
    }

    #[test]
    fn bracket_expressions() {
        let pattern = "usb:v0BDAp8153d3[0-9]*dc*";
        assert!(matches(pattern, "usb:v0BDAp8153d3100dc00"));
        assert!(!matches(pattern, "usb:v0BDAp8153d4100dc00"));
        assert!(matches("[!a]x", "bx") && !matches("[!a]x", "ax"));
        assert!(matches("[]x]", "]") && matches("[a", "[a"));
        assert!(matches(r"\*", "*") && !matches(r"\*", "x"));
    }

    #[test]
    fn stars_back_off() {
        assert!(matches("*a*b*c", "xxaxxbxxbxxc"));
        assert!(!matches("*a*b*c", "xxaxxcxxb"));
        assert!(matches("", "") && matches("***", "") && !matches("", "a"));
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "[*?\\[\\]!^\\\\a-c-]{0,12}", text in "[a-c\\[\\]*-]{0,12}") {
            matches(&pattern, &text);
        }

        #[test]
        fn text_without_special_characters_matches_itself_only(a in "[a-d]{0,6}", b in "[a-d]{0,6}") {
            prop_assert_eq!(matches(&a, &b), a == b);
        }
    }
}
