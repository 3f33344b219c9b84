//! A second writing of the core's rules, in Rust, that the C core must agree with on anything.

use std::borrow::Cow;

use ipxe_rs_bindings::{Command, Problem, Read, Reader, Setting, Type, expand, find_label};
use proptest::prelude::*;

/// Lines as words, with labels still in front of them. `None`: unfinished.
fn lines(script: &str) -> Vec<Option<Vec<String>>> {
    let joined = script.replace("\\\r\n", "\u{1}").replace("\\\n", "\u{1}");
    // A join at the very end leaves a line that never ends.
    let unfinished = joined.ends_with('\u{1}');
    let joined = joined.replace('\u{1}', "");
    let mut all: Vec<Option<Vec<String>>> = joined
        .split('\n')
        .map(|line| {
            let blank = |c: char| c == ' ' || ('\t'..='\r').contains(&c);
            let words = line.split(blank).filter(|word| !word.is_empty());
            let words = words.take_while(|word| !word.starts_with('#'));
            Some(words.map(str::to_owned).collect())
        })
        .collect();
    if unfinished {
        all.pop();
        all.push(None);
    } else if joined.ends_with('\n') || script.is_empty() {
        all.pop();
    }
    all
}

fn read(script: &str) -> Vec<Option<Vec<String>>> {
    Reader::new(script)
        .map(|read| match read {
            Read::Unfinished { .. } => None,
            Read::Line(line) => {
                let label = line.label.map(|label| format!(":{}", label.text));
                Some(
                    label
                        .into_iter()
                        .chain(line.words.into_iter().map(|w| w.text))
                        .collect(),
                )
            }
        })
        .collect()
}

/// Expansion by recursion from the innermost braces outwards.
fn expanded(word: &str, settings: &[(&str, &str)]) -> Option<String> {
    let mut text = word.to_owned();
    for _ in 0..200 {
        let Some((open, close)) = text
            .match_indices('}')
            .find_map(|(close, _)| text[..close].rfind("${").map(|open| (open, close)))
        else {
            return Some(text);
        };
        let inside = &text[open + 2..close];
        let (name, type_name) = inside.split_once(':').unwrap_or((inside, "string"));
        let value = settings.iter().find(|(known, _)| *known == name);
        let value = value.map_or("", |(_, value)| value);
        let shown = match type_name {
            "string" => value.to_owned(),
            "hexraw" => value.bytes().map(|b| format!("{b:02x}")).collect(),
            "hex" => {
                let all: Vec<String> = value.bytes().map(|b| format!("{b:02x}")).collect();
                all.join(":")
            }
            _ => String::new(),
        };
        text.replace_range(open..=close, &shown);
    }
    None
}

fn script_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\\\n"),
        Just("\\\r\n"),
        Just("\n"),
        Just("\r\n"),
        Just(" "),
        Just("\t"),
        Just("#"),
        Just(":"),
        Just("||"),
        Just("&&"),
        Just(";"),
        Just("\\"),
        Just("echo"),
        Just("a"),
        Just("ä"),
        Just("${x}"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn word_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("${"),
        Just("}"),
        Just("a"),
        Just("b"),
        Just("c"),
        Just(":hex"),
        Just(":hexraw"),
        Just(":string"),
        Just(":nosuch"),
        Just("$"),
        Just("{"),
        Just("/"),
        Just("-"),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn lines_are_read_alike(script in script_text()) {
        prop_assert_eq!(read(&script), lines(&script));
    }

    #[test]
    fn labels_are_found_alike(script in script_text(), label in "[a:]{0,3}") {
        let ours = lines(&script).iter().flatten().position(|words| {
            words.first().is_some_and(|word| *word == format!(":{label}"))
        });
        let found = find_label(&script, label.as_bytes());
        if lines(&script).iter().all(Option::is_some) {
            prop_assert_eq!(found.is_some(), ours.is_some());
        }
        if let Some(at) = found.filter(|_| lines(&script).iter().all(Option::is_some)) {
            let mut reader = Reader::new(&script);
            reader.seek(at);
            let first = reader.next();
            let is_it = matches!(first, Some(Read::Line(line)) if line.label.as_ref().is_some_and(|l| l.text == label));
            prop_assert!(is_it);
        }
    }

    #[test]
    fn words_are_expanded_alike(word in word_text(), a in "[a-c${}]{0,3}", b in "[a-c]{0,3}") {
        let settings = [("a", a.as_str()), ("b", b.as_str())];
        if let Some(twin) = expanded(&word, &settings) {
            let stored: Vec<Setting> = settings
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| Setting {
                    name: (*name).to_owned(),
                    value: value.as_bytes().to_vec(),
                    r#type: Type::STRING,
                })
                .collect();
            let core = expand(&word, &stored, 1).unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&core), twin);
        }
    }

    #[test]
    fn values_come_back(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
        for name in ["hex", "hexhyp", "hexraw", "base64"] {
            let kind = Type::named(name).unwrap();
            let text = kind.format(&bytes).unwrap();
            prop_assert_eq!(kind.parse(&text, 1).unwrap(), bytes.clone());
        }
        let printable: Vec<u8> = bytes.iter().map(|b| b | 1).collect();
        let uri = Type::named("uristring").unwrap();
        prop_assert_eq!(uri.parse(&uri.format(&printable).unwrap(), 1).unwrap(), printable);
    }

    #[test]
    fn addresses_are_those_of_the_standard_library(v4 in any::<[u8; 4]>(), v6 in any::<[u16; 8]>(), zeros in any::<u8>()) {
        let kind = Type::named("ipv4").unwrap();
        let text = std::net::Ipv4Addr::from(v4).to_string();
        prop_assert_eq!(kind.format(&v4).unwrap(), text.as_bytes());
        prop_assert_eq!(kind.parse(text.as_bytes(), 1).unwrap(), v4);
        let mut groups = v6;
        for (index, group) in groups.iter_mut().enumerate() {
            if zeros >> index & 1 == 1 {
                *group = 0;
            }
        }
        let address = std::net::Ipv6Addr::from(groups);
        let kind = Type::named("ipv6").unwrap();
        let text = kind.format(&address.octets()).unwrap();
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(text.parse::<std::net::Ipv6Addr>().unwrap(), address);
        if let Ok(back) = kind.parse(text.as_bytes(), 1) {
            prop_assert_eq!(back, address.octets());
        }
    }

    #[test]
    fn numbers_wrap_like_rusts(number in any::<i32>()) {
        let text = number.to_string();
        for (name, width) in [("int8", 1), ("int16", 2), ("int32", 4)] {
            let kind = Type::named(name).unwrap();
            let bytes = kind.parse(text.as_bytes(), 1).unwrap();
            prop_assert_eq!(&bytes[..], &number.to_be_bytes()[4 - width..]);
            let shown = String::from_utf8(kind.format(&bytes).unwrap()).unwrap();
            let expected = match width {
                1 => i32::from(number as i8),
                2 => i32::from(number as i16),
                _ => number,
            };
            prop_assert_eq!(shown, expected.to_string());
        }
    }

    #[test]
    fn anything_is_survived(script in any::<String>(), word in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = Reader::new(&script).count();
        let _ = expand(&word, &[], 0);
        for name in ["string", "uristring", "ipv4", "ipv6", "int8", "uint32", "hex", "uuid", "busdevfn", "dnssl"] {
            let kind = Type::named(name).unwrap();
            let _ = kind.format(&bytes);
            let _ = kind.parse(&bytes, 1);
        }
    }

    #[test]
    fn options_are_read_alike(words in prop::collection::vec("(-|--)?(n|t|a|r|name|timeout|help|x|5|=)(5|=5|=|n|a)?", 0..5)) {
        let chain = Command::named(b"chain").unwrap();
        let spans: Vec<Cow<'_, [u8]>> = words.iter().map(|word| word.as_bytes().into()).collect();
        let problem = chain.arguments(&spans, 0).problem;
        prop_assert_eq!(problem.as_ref().map(kind_of), twin_arguments(&words));
    }
}

fn kind_of(problem: &Problem) -> &'static str {
    match problem {
        Problem::Help { .. } => "help",
        Problem::UnknownOption { .. } => "unknown",
        Problem::NoValue { .. } => "value",
        Problem::NotANumber { .. } => "number",
        Problem::Count { .. } => "count",
    }
}

/// The options of `chain`: -n TEXT, -t NUMBER, -a, -r; any number of words.
fn twin_arguments(words: &[String]) -> Option<&'static str> {
    let mut words = words.iter();
    while let Some(word) = words.next().filter(|word| word.starts_with('-')) {
        if word == "--" {
            return None;
        }
        let mut values: Vec<(char, Option<String>)> = Vec::new();
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            match name {
                "name" => values.push(('n', value)),
                "timeout" => values.push(('t', value)),
                "autofree" | "replace" => {}
                "help" => return Some("help"),
                _ => return Some("unknown"),
            }
        } else {
            if word == "-" {
                return Some("unknown");
            }
            for (at, letter) in word.char_indices().skip(1) {
                match letter {
                    'a' | 'r' => {}
                    'n' | 't' => {
                        let rest = &word[at + 1..];
                        values.push((letter, (!rest.is_empty()).then(|| rest.to_owned())));
                        break;
                    }
                    'h' => return Some("help"),
                    _ => return Some("unknown"),
                }
            }
        }
        for (letter, value) in values {
            let Some(value) = value.or_else(|| words.next().cloned()) else {
                return Some("value");
            };
            // One sign, as real iPXE has it: corpus, number-two-signs.
            let digits = value.strip_prefix(['-', '+']).unwrap_or(&value);
            if letter == 't' && !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Some("number");
            }
        }
    }
    None
}
