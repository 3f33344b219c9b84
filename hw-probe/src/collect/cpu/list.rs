//! The kernel's ways to write sets of processors.

use std::collections::BTreeSet;

/// More hardware threads than any kernel is built for.
const CPUS_MAX: u32 = 65_536;

/// The list format: `0-3,8,10-11`, sorted. Nonsense gives what was understood before it, and what
/// is said twice counts once: a snapshot may repeat itself until memory ends.
pub(super) fn parse(text: &str) -> Vec<u32> {
    let mut list = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
            break;
        };
        if last >= CPUS_MAX || list.len() > usize::try_from(CPUS_MAX).unwrap_or(usize::MAX) {
            break;
        }
        list.extend(first..=last);
    }
    list.sort_unstable();
    list.dedup();
    list
}

/// The mask format: hexadecimal words of 32 bits with commas between them, the highest first
/// (`00000001,80000003`). Nonsense gives none.
pub(super) fn parse_mask(text: &str) -> Vec<u32> {
    let mut list = Vec::new();
    for (word, base) in text.trim().rsplit(',').zip((0..CPUS_MAX).step_by(32)) {
        let Ok(bits) = u32::from_str_radix(word.trim(), 16) else {
            return Vec::new();
        };
        list.extend((0..32).filter(|bit| bits >> bit & 1 == 1).map(|b| base + b));
    }
    list
}

/// The list format again.
pub(super) fn format(cpus: impl IntoIterator<Item = u32>) -> String {
    let sorted: BTreeSet<u32> = cpus.into_iter().collect();
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for cpu in sorted {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => runs.push((cpu, cpu)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    runs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(parse("0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11]);
        assert!(parse("").is_empty());
        assert!(parse("5-2").is_empty());
        assert_eq!(parse("1,x,3"), [1]);
        assert!(parse("0-4294967295").is_empty());
    }

    #[test]
    fn masks() {
        assert_eq!(parse_mask("00000001,80000003\n"), [0, 1, 31, 32]);
        assert!(parse_mask("0").is_empty());
        assert!(parse_mask("0-3,8").is_empty() && parse_mask("").is_empty());
    }

    #[test]
    fn lists_are_written_as_the_kernel_does() {
        for text in ["", "0", "0-3,8,10-11", "0-31,64-95"] {
            assert_eq!(format(parse(text)), text);
        }
        assert_eq!(format([3, 1, 2, 1]), "1-3");
    }
}
