//! Findings as lines of text, which is how a snapshot keeps them: four fields with tabs between,
//! `%XX` for what could be mistaken.

use super::GptEntry;
use crate::inventory::Signature;
use crate::text::Untrusted;

/// A scan finds a handful; a snapshot may hold anything.
const SIGNATURES_MAX: usize = 64;

/// The lines.
#[must_use]
pub fn encode(signatures: &[Signature]) -> String {
    let mut out = String::new();
    for signature in signatures {
        let offset = signature.offset_bytes.map(|n| n.to_string());
        let fields = [
            escape(&signature.kind),
            offset.unwrap_or_default(),
            escape(signature.label.as_ref().map_or("", Untrusted::raw)),
            escape(signature.uuid.as_ref().map_or("", Untrusted::raw)),
        ];
        out.push_str(&fields.join("\t"));
        out.push('\n');
    }
    out
}

/// The signatures in the lines of [`encode`]; what is no such line is left out.
#[must_use]
pub fn decode(text: &str) -> Vec<Signature> {
    text.lines()
        .take(SIGNATURES_MAX)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [kind, offset, label, uuid] = *fields.as_slice() else {
                return None;
            };
            let text = |field: &str| Some(unescape(field)).filter(|t| !t.is_empty());
            Some(Signature {
                kind: text(kind)?,
                offset_bytes: offset.parse().ok(),
                label: text(label).map(Into::into),
                uuid: text(uuid).map(Into::into),
            })
        })
        .collect()
}

/// The entries of a GPT as lines.
#[must_use]
pub fn encode_gpt(entries: &[GptEntry]) -> String {
    let lines = entries.iter().map(|entry| {
        let GptEntry {
            start_bytes,
            size_bytes,
            uuid,
            name,
        } = entry;
        let (uuid, name) = (escape(uuid), escape(name));
        format!("{start_bytes}\t{size_bytes}\t{uuid}\t{name}\n")
    });
    lines.collect()
}

/// The entries in the lines of [`encode_gpt`]; what is no such line is left out.
#[must_use]
pub fn decode_gpt(text: &str) -> Vec<GptEntry> {
    text.lines()
        .take(super::gpt::ENTRIES_MAX as usize)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [start, size, uuid, name] = *fields.as_slice() else {
                return None;
            };
            Some(GptEntry {
                start_bytes: start.parse().ok()?,
                size_bytes: size.parse().ok()?,
                uuid: unescape(uuid),
                name: unescape(name),
            })
        })
        .collect()
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '%' || c.is_ascii_control() {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => {
                out.push(char::from(code));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_keep_everything(
            kind in "[a-z0-9_]{1,12}", offset: Option<u64>, label in ".*", uuid in "[^\0]*",
        ) {
            let text = |t: String| Some(t).filter(|t| !t.is_empty()).map(Into::into);
            let signature = Signature {
                kind, offset_bytes: offset, label: text(label), uuid: text(uuid),
            };
            prop_assert_eq!(decode(&encode(std::slice::from_ref(&signature))), [signature]);
        }

        #[test]
        fn partitions_too(start_bytes: u64, size_bytes: u64, uuid in ".*", name in ".*") {
            let entry = GptEntry { start_bytes, size_bytes, uuid, name };
            prop_assert_eq!(decode_gpt(&encode_gpt(std::slice::from_ref(&entry))), [entry]);
        }

        #[test]
        fn any_text_is_survived(text in ".*") {
            let _ = (decode(&text), decode_gpt(&text));
        }
    }
}
