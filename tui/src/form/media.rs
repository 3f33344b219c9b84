//! The forms in which boot media are ordered.

use std::path::PathBuf;

use super::{Field, Form, Purpose};
use crate::input::Input;
use crate::media::{Build, Customize, FORMATS, Order};

/// The field that the ending of the file's name follows.
pub(super) const FORMAT: &str = "format";
/// The field whose ending the format follows.
pub(super) const FILE: &str = "file";
const FORMAT_NAMES: [&str; FORMATS.len()] = {
    let mut names = [""; FORMATS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = FORMATS[at].0;
        at += 1;
    }
    names
};

/// The form for a new medium of this farm.
pub(crate) fn build(farm_id: Option<u64>) -> Form {
    let farm = farm_id.map_or(String::new(), |id| id.to_string());
    let fields = vec![
        Field::new(
            "farm",
            "number of the farm the nodes join",
            &farm,
            farm_number,
        ),
        Field::choice(FORMAT, FORMATS[0].2, FORMATS[0].0, &FORMAT_NAMES),
        Field::new(FILE, "where to write it", "node.iso", given),
        Field::new(
            "address",
            "ADDR/LEN[,gw=..][,dns=..]; empty: DHCP",
            "",
            |_| Ok(()),
        ),
        Field::new(
            "token file",
            "file with an enrolment token; empty: you approve each node",
            "",
            |_| Ok(()),
        ),
        Field::new(
            "arguments",
            "further kernel arguments, such as console=ttyS1,115200",
            "",
            |_| Ok(()),
        ),
    ];
    Form::new("build a boot medium", Purpose::Build, fields)
}

/// The form for a finished medium that shall be another farm's.
pub(crate) fn customize(farm_id: Option<u64>, image: &str) -> Form {
    let farm = farm_id.map_or(String::new(), |id| id.to_string());
    let fields = vec![
        Field::new("image", "the medium, or a stick's device", image, given),
        Field::new(
            "farm",
            "number of the farm the nodes join",
            &farm,
            farm_number,
        ),
        Field::new(
            "address",
            "ADDR/LEN[,gw=..], or dhcp; empty: as it is",
            "",
            |_| Ok(()),
        ),
        Field::new(
            "token file",
            "file with an enrolment token; empty: as it is",
            "",
            |_| Ok(()),
        ),
        Field::new("arguments", "kernel arguments to add", "", |_| Ok(())),
        Field::new(
            "write to",
            "a changed copy; empty: the image itself is changed",
            "",
            |_| Ok(()),
        ),
    ];
    Form::new("customize a boot medium", Purpose::Customize, fields)
}

/// What the form orders.
pub(crate) fn order(form: &Form) -> Result<Order, String> {
    form.check()?;
    let farm_id = form.value("farm").parse().unwrap_or_default();
    let text = |label| form.value(label).to_owned();
    let kernel_arguments = form
        .value("arguments")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    Ok(match form.purpose {
        Purpose::Customize => Order::Customize(Customize {
            image: PathBuf::from(form.value("image")),
            farm_id,
            address: text("address"),
            token_file: text("token file"),
            kernel_arguments,
            file: Some(form.value("write to"))
                .filter(|file| !file.is_empty())
                .map(PathBuf::from),
            overwrite: false,
        }),
        Purpose::Build | Purpose::Farm(_) => Order::Build(Build {
            farm_id,
            format: text(FORMAT),
            file: PathBuf::from(form.value(FILE)),
            address: text("address"),
            token_file: text("token file"),
            kernel_arguments,
            overwrite: false,
        }),
    })
}

/// Gives the file the ending of the format, if it has that of another one.
pub(super) fn follow_format(form: &mut Form) {
    let format = form.value(FORMAT).to_owned();
    let Some((_, ending, meaning)) = FORMATS.into_iter().find(|(name, ..)| *name == format) else {
        return;
    };
    for field in &mut form.fields {
        if field.label == FORMAT {
            field.hint = meaning;
        }
        if field.label == FILE {
            let name = field.value().to_owned();
            let stem = FORMATS
                .into_iter()
                .find_map(|(_, other, _)| name.strip_suffix(other));
            if let Some(stem) = stem {
                field.input = Input::new(&format!("{stem}{ending}"));
            }
        }
    }
}

/// Takes the format that the ending of the file's name means.
pub(super) fn follow_file(form: &mut Form) {
    let name = form.value(FILE).to_owned();
    let meant = FORMATS
        .into_iter()
        .find(|(_, ending, _)| name.ends_with(ending));
    let field = form.fields.iter_mut().find(|field| field.label == FORMAT);
    if let (Some((format, _, meaning)), Some(field)) = (meant, field) {
        field.input = Input::new(format);
        field.hint = meaning;
    }
}

fn farm_number(text: &str) -> Result<(), String> {
    let number: Result<u32, _> = text.parse();
    number
        .ok()
        .filter(|number| *number > 0)
        .map(drop)
        .ok_or_else(|| "a number from 1".to_owned())
}

fn given(text: &str) -> Result<(), String> {
    (!text.is_empty())
        .then_some(())
        .ok_or_else(|| "a file has to be named".to_owned())
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;

    #[test]
    fn the_file_follows_the_format() {
        let mut form = build(Some(1));
        form.focus = 1;
        form.key(KeyEvent::new(KeyCode::Right, KeyModifiers::NONE));
        assert_eq!(form.value("file"), "node.qcow2");
        form.key(KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
        form.key(KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
        assert_eq!(
            (form.value(FORMAT), form.value("file")),
            ("uki", "node.efi")
        );
        // A name of somebody's own stays.
        form.fields[2].input = Input::new("/srv/boot");
        form.key(KeyEvent::new(KeyCode::Right, KeyModifiers::NONE));
        assert_eq!(form.value("file"), "/srv/boot");
    }

    #[test]
    fn the_format_follows_the_file() {
        let mut form = build(Some(1));
        form.focus = 2;
        form.fields[2].input = Input::new("node.vh");
        form.key(KeyEvent::new(KeyCode::Char('d'), KeyModifiers::NONE));
        assert_eq!(form.value(FORMAT), "vhd");
        form.key(KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE));
        assert_eq!(form.value(FORMAT), "vhd", "half a name means nothing");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = order(&build(None)).unwrap_err();
        assert_eq!(error, "farm: a number from 1");
        let error = order(&customize(Some(1), "")).unwrap_err();
        assert_eq!(error, "image: a file has to be named");
    }
}
