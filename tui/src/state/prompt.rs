//! What lies over the view and takes the keys.

use directory::identity::NodeId;

use crate::columns::Column;
use crate::command::{BINDINGS, Binding};
use crate::event::Action;
use crate::filter::fuzzy;
use crate::form::Form;
use crate::input::Input;
use crate::media::Order;

/// What lies over the view.
#[derive(Debug, Clone)]
pub(crate) enum Prompt {
    /// All keys, and lines scrolled.
    Help(usize),
    /// A filter is being typed.
    Filter {
        input: Input,
        /// What was in force before, for Esc.
        before: String,
        error: Option<String>,
    },
    /// A name is being typed to jump to.
    Find {
        input: Input,
        /// The line selected before, for Esc.
        before: usize,
        found: bool,
    },
    /// A command is being typed.
    Palette(Palette),
    /// One of several farms and directories is being chosen.
    Places(usize),
    /// Columns are being chosen.
    Columns(usize),
    /// The number of the farm a node is to move to is being typed.
    Move { input: Input, id: NodeId },
    /// The name of a file is being typed.
    Export { input: Input },
    /// Something has to be agreed to.
    Confirm(Confirm),
    /// A form is being filled in.
    Form(Box<Form>),
}

/// A command being typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Palette {
    pub input: Input,
    pub selected: usize,
}

impl Palette {
    /// The commands that fit what was typed, best first.
    pub fn matches(&self) -> Vec<&'static Binding> {
        let letters = self.input.text().trim().to_lowercase();
        let mut found: Vec<(usize, usize, &'static Binding)> = BINDINGS
            .iter()
            .enumerate()
            .filter_map(|(at, binding)| {
                let label = fuzzy(&letters, binding.label);
                let help = fuzzy(&letters, binding.help).map(|score| score + 50);
                Some((label.into_iter().chain(help).min()?, at, binding))
            })
            .collect();
        found.sort_by_key(|(score, at, _)| (*score, *at));
        found.into_iter().map(|(_, _, binding)| binding).collect()
    }
}

/// Something has to be agreed to.
#[derive(Debug, Clone)]
pub(crate) struct Confirm {
    pub title: String,
    pub lines: Vec<String>,
    pub deed: Deed,
    /// What the job is called.
    pub what: String,
    pub consent: Consent,
    /// The form it came from, to go on with when nothing is agreed to.
    pub form: Option<Box<Form>>,
}

/// What is agreed to.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A change of the directory, and what takes it back.
    Change(Action, Option<Action>),
    /// A medium.
    Make(Order),
}

/// How to agree. The key that asked for it never does.
#[derive(Debug, Clone)]
pub(crate) enum Consent {
    /// Two buttons; whether the one that does it has the focus. At first it has not.
    Button { focused: bool },
    /// A name has to be typed.
    Typed { expected: String, input: Input },
}

impl Consent {
    pub fn is_given(&self) -> bool {
        match self {
            Self::Button { focused } => *focused,
            Self::Typed { expected, input } => input.text().trim() == expected,
        }
    }
}

/// Columns in the order of the chooser.
pub(crate) const CHOOSER: [Column; 20] = Column::ALL;
