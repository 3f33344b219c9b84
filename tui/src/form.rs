//! Forms: fields that check what is typed, one after the other.

pub(crate) mod farm;
pub(crate) mod media;

use crossterm::event::{KeyCode, KeyEvent};
use directory::wire::Farm;

use crate::input::Input;

/// Checks what was typed.
type Check = fn(&str) -> Result<(), String>;

/// A field of a form.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub label: &'static str,
    pub hint: &'static str,
    pub input: Input,
    /// What it can be; empty if anything may be typed.
    pub choices: &'static [&'static str],
    check: Check,
    before: String,
}

impl Field {
    fn new(label: &'static str, hint: &'static str, text: &str, check: Check) -> Self {
        Self {
            label,
            hint,
            input: Input::new(text),
            choices: &[],
            check,
            before: text.to_owned(),
        }
    }

    /// One of some words.
    fn choice(
        label: &'static str,
        hint: &'static str,
        text: &str,
        choices: &'static [&'static str],
    ) -> Self {
        Self {
            choices,
            ..Self::new(label, hint, text, |_| Ok(()))
        }
    }

    /// What is wrong with it. What was there before is not for this form to judge.
    pub fn error(&self) -> Option<String> {
        if self.changed().is_none() && !self.value().is_empty() {
            return None;
        }
        (self.check)(self.value()).err()
    }

    fn value(&self) -> &str {
        self.input.text().trim()
    }

    /// What it says now, if that is something else than before.
    fn changed(&self) -> Option<&str> {
        (self.value() != self.before.trim()).then(|| self.value())
    }

    fn turn(&mut self, step: isize) {
        let count = self.choices.len();
        let at = self.choices.iter().position(|word| *word == self.value());
        let next = match at {
            Some(at) => (at + count).saturating_add_signed(step) % count.max(1),
            None => 0,
        };
        if let Some(word) = self.choices.get(next) {
            self.input = Input::new(word);
        }
    }
}

/// What a form is for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// To change this farm.
    Farm(Box<Farm>),
    /// To build a medium.
    Build,
    /// To give a finished medium to another farm.
    Customize,
}

/// A form.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub title: &'static str,
    pub purpose: Purpose,
    pub fields: Vec<Field>,
    pub focus: usize,
    /// What stood in the way when it was sent.
    pub note: Option<String>,
    /// Number of the question whether its order can be carried out.
    pub asked: Option<u64>,
}

impl Form {
    fn new(title: &'static str, purpose: Purpose, fields: Vec<Field>) -> Self {
        Self {
            title,
            purpose,
            fields,
            focus: 0,
            note: None,
            asked: None,
        }
    }

    pub fn move_focus(&mut self, step: isize) {
        let count = isize::try_from(self.fields.len()).unwrap_or(1).max(1);
        let next = (isize::try_from(self.focus).unwrap_or(0) + step).rem_euclid(count);
        self.focus = usize::try_from(next).unwrap_or(0);
    }

    /// Takes a key that edits the field with the focus.
    pub fn key(&mut self, key: KeyEvent) {
        let Some(field) = self.fields.get_mut(self.focus) else {
            return;
        };
        let label = field.label;
        if field.choices.is_empty() {
            field.input.key(key);
        } else {
            match key.code {
                KeyCode::Right | KeyCode::Char(' ') => field.turn(1),
                KeyCode::Left => field.turn(-1),
                _ => {}
            }
        }
        match label {
            media::FORMAT => media::follow_format(self),
            media::FILE => media::follow_file(self),
            _ => {}
        }
        self.note = None;
        self.asked = None;
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(field) = self.fields.get_mut(self.focus)
            && field.choices.is_empty()
        {
            let label = field.label;
            field.input.paste(text);
            self.note = None;
            self.asked = None;
            if label == media::FILE {
                media::follow_file(self);
            }
        }
    }

    /// What there is to say about the form as a whole, and whether that is bad.
    pub fn told(&self) -> Option<(String, bool)> {
        match (&self.note, self.asked) {
            (Some(note), _) => {
                let note = hw_probe::text::Untrusted::from(note.as_str());
                Some((note.to_string(), true))
            }
            (None, Some(_)) => Some(("looking whether that can be done".to_owned(), false)),
            (None, None) => None,
        }
    }

    /// The keys that do something now, and what.
    pub fn keys(&self) -> &'static [(&'static str, &'static str)] {
        match (&self.purpose, self.fields.get(self.focus)) {
            (_, Some(field)) if !field.choices.is_empty() => &[
                ("Left/Right", "choose"),
                ("Tab", "next field"),
                ("Enter", "go on"),
                ("Esc", "cancel"),
            ],
            (Purpose::Farm(_), _) => &[("Enter", "save"), ("Tab", "next field"), ("Esc", "cancel")],
            (Purpose::Build | Purpose::Customize, _) => {
                &[("Enter", "go on"), ("Tab", "next field"), ("Esc", "cancel")]
            }
        }
    }

    /// The first field that is wrong.
    pub fn first_error(&self) -> Option<(usize, String)> {
        self.fields
            .iter()
            .enumerate()
            .find_map(|(at, field)| Some((at, field.error()?)))
    }

    /// Nothing if every field is right, else which is not, and why.
    fn check(&self) -> Result<(), String> {
        match self.first_error() {
            Some((at, why)) => {
                let label = self.fields.get(at).map_or("", |field| field.label);
                Err(format!("{label}: {why}"))
            }
            None => Ok(()),
        }
    }

    fn field(&self, label: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.label == label)
    }

    /// What the field of this name says.
    fn value(&self, label: &str) -> &str {
        self.field(label).map_or("", Field::value)
    }

    /// What the field of this name says, if that is something else than before.
    fn changed(&self, label: &str) -> Option<&str> {
        self.field(label).and_then(Field::changed)
    }
}
