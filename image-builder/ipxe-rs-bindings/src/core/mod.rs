//! The C core (`csrc/`), made safe. The only `unsafe` code of the crate.

mod commands;
mod ffi;
mod settings;
mod types;
mod words;

pub use commands::{Arguments, Command, Effect, Problem};
pub use settings::{ExpandError, Setting, expand, find_setting};
pub use types::{Type, ValueError, integer};
pub use words::{Line, Operator, Read, Reader, Word, find_label, operator, runs};

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        let names: Vec<_> = Command::all().map(Command::name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.len() > 60);
        for name in names {
            assert_eq!(
                Command::named(name.as_bytes()).map(Command::name),
                Some(name)
            );
        }
    }

    #[test]
    fn structures_have_the_layout_of_the_header() {
        // Read through the C side: the last fields of the structures arrive where they belong.
        let chain = Command::named(b"chain").expect("chain is a command");
        assert_eq!(chain.effect(), Effect::Handover);
        let options = chain.options(2);
        assert_eq!(options.last().map(String::as_str), Some("--replace"));
        let words: Vec<Cow<'_, [u8]>> = ["-t", "5", "-r", "x"].map(|w| w.as_bytes().into()).into();
        let arguments = chain.arguments(&words, 0);
        assert_eq!(arguments.first, 3);
        assert_eq!(arguments.options[0], ("timeout", b"5".to_vec()));
        assert_eq!(arguments.options[1].0, "replace");
    }

    #[test]
    fn an_endless_setting_is_an_error() {
        let settings = [Setting {
            name: "x".into(),
            value: b"${x}".to_vec(),
            r#type: Type::STRING,
        }];
        assert_eq!(expand("${x}", &settings, 0), Err(ExpandError::Endless));
        let grows = [Setting {
            name: "x".into(),
            value:
                b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa${x}${x}"
                    .to_vec(),
            r#type: Type::STRING,
        }];
        assert_eq!(expand("${x}", &grows, 0), Err(ExpandError::TooLong));
    }
}
