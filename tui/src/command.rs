//! Everything the user can ask for: one table feeds keys, hints, help and palette.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::{Deserialize, Serialize};

use crate::state::State;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum View {
    /// Totals and alerts.
    Overview,
    /// The table of nodes.
    Nodes,
    /// Nodes to decide about.
    Registrations,
    /// What nodes earn.
    Rewards,
    /// The farm.
    Farm,
    /// Boot media.
    Media,
    /// What was asked for and what came of it.
    Jobs,
    /// What happened.
    Log,
}

impl View {
    /// In the order of their keys.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Nodes,
        Self::Registrations,
        Self::Rewards,
        Self::Farm,
        Self::Media,
        Self::Jobs,
        Self::Log,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Nodes => "Nodes",
            Self::Registrations => "Registrations",
            Self::Rewards => "Rewards",
            Self::Farm => "Farm",
            Self::Media => "Media",
            Self::Jobs => "Jobs",
            Self::Log => "Log",
        }
    }

    /// Whether it is a table of nodes.
    #[must_use]
    pub const fn is_table(self) -> bool {
        matches!(self, Self::Nodes | Self::Registrations | Self::Rewards)
    }
}

/// Something to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says what it does in `help`")]
pub enum Command {
    Open,
    Filter,
    Find,
    Approve,
    Block,
    Delete,
    Move,
    FreeToUse,
    Undo,
    EditFarm,
    BuildMedium,
    CustomizeMedium,
    CancelWork,
    Mark,
    MarkAll,
    ClearMarks,
    SortNext,
    SortPrevious,
    Reverse,
    Columns,
    CopyId,
    CopyJson,
    Export,
    Go(View),
    NextView,
    PreviousView,
    Down,
    Up,
    PageDown,
    PageUp,
    First,
    Last,
    Places,
    Palette,
    Help,
    Refresh,
    Mouse,
    Repaint,
    Suspend,
    Back,
    Quit,
}

/// A command with its keys and words.
pub(crate) struct Binding {
    pub command: Command,
    /// The first one is shown in hints.
    keys: &'static [(KeyCode, KeyModifiers)],
    /// Shown in hints; short.
    pub label: &'static str,
    /// Shown in help and palette.
    pub help: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

macro_rules! key {
    ($c:literal) => {
        (KeyCode::Char($c), NONE)
    };
    (ctrl $c:literal) => {
        (KeyCode::Char($c), CONTROL)
    };
    ($code:ident) => {
        (KeyCode::$code, NONE)
    };
}

/// Most useful first: that is the order of the hints.
pub(crate) const BINDINGS: &[Binding] = &[
    bind(
        Command::Undo,
        &[key!('u')],
        "undo",
        "undo what was just done, as long as the message says so",
    ),
    bind(
        Command::Open,
        &[key!(Enter)],
        "open",
        "all about the selected node; in the overview, the nodes behind an alert",
    ),
    bind(
        Command::Filter,
        &[key!('/')],
        "filter",
        "filter: country:BE state:down -disks>2 text ~fuzzy",
    ),
    bind(
        Command::Approve,
        &[key!('a')],
        "approve",
        "approve the node: it is yours",
    ),
    bind(
        Command::EditFarm,
        &[key!('e')],
        "edit",
        "edit the farm: name, e-mail, wallets, place, addresses, prices",
    ),
    bind(
        Command::BuildMedium,
        &[key!('n')],
        "new medium",
        "build a boot medium for the farm's nodes",
    ),
    bind(
        Command::CustomizeMedium,
        &[key!('t')],
        "customize",
        "give a finished boot medium to another farm or address",
    ),
    bind(
        Command::CancelWork,
        &[key!('X')],
        "cancel",
        "stop the medium that is being made",
    ),
    bind(
        Command::Mark,
        &[key!(' ')],
        "mark",
        "mark the node for an action on several",
    ),
    bind(
        Command::Block,
        &[key!('b')],
        "block",
        "block the node: it can neither register nor report",
    ),
    bind(
        Command::Delete,
        &[key!('D')],
        "delete",
        "remove the node from its farm",
    ),
    bind(
        Command::SortNext,
        &[key!('s'), key!('>'), key!(Right)],
        "sort",
        "sort by the next column",
    ),
    bind(
        Command::SortPrevious,
        &[key!('<'), key!(Left)],
        "sort back",
        "sort by the previous column",
    ),
    bind(
        Command::Reverse,
        &[key!('r')],
        "reverse",
        "reverse the order",
    ),
    bind(
        Command::Find,
        &[key!('f')],
        "find",
        "jump to the node whose name fits best as you type",
    ),
    bind(
        Command::Columns,
        &[key!('C')],
        "columns",
        "choose the columns",
    ),
    bind(
        Command::FreeToUse,
        &[key!('F')],
        "FreeTFT",
        "accept FreeTFT on the node, or no longer",
    ),
    bind(
        Command::Move,
        &[key!('M')],
        "move",
        "prepare the node's move to another farm",
    ),
    bind(
        Command::MarkAll,
        &[key!('*')],
        "mark all",
        "mark every node that is listed",
    ),
    bind(
        Command::ClearMarks,
        &[key!('\\')],
        "clear marks",
        "take all marks away",
    ),
    bind(
        Command::CopyId,
        &[key!('c')],
        "copy id",
        "copy the node's id (OSC 52, also over ssh)",
    ),
    bind(
        Command::CopyJson,
        &[key!('y')],
        "copy JSON",
        "copy the node's line as JSON",
    ),
    bind(
        Command::Export,
        &[key!('x')],
        "export",
        "write what is listed to a CSV or JSON file",
    ),
    bind(
        Command::Down,
        &[key!('j'), key!(Down)],
        "down",
        "next node or line",
    ),
    bind(
        Command::Up,
        &[key!('k'), key!(Up)],
        "up",
        "previous node or line",
    ),
    bind(
        Command::PageDown,
        &[key!(PageDown), key!(ctrl 'f')],
        "page on",
        "a page on",
    ),
    bind(
        Command::PageUp,
        &[key!(PageUp), key!(ctrl 'b')],
        "page back",
        "a page back",
    ),
    bind(
        Command::First,
        &[key!('g'), key!(Home)],
        "first",
        "first node or line",
    ),
    bind(
        Command::Last,
        &[key!('G'), key!(End)],
        "last",
        "last node or line",
    ),
    bind(
        Command::Go(View::Overview),
        &[key!('1')],
        "overview",
        "the farm at a glance",
    ),
    bind(Command::Go(View::Nodes), &[key!('2')], "nodes", "all nodes"),
    bind(
        Command::Go(View::Registrations),
        &[key!('3')],
        "registrations",
        "nodes that wait for your word, or were refused",
    ),
    bind(
        Command::Go(View::Rewards),
        &[key!('4')],
        "rewards",
        "what each node earns, and what limits it",
    ),
    bind(
        Command::Go(View::Farm),
        &[key!('5')],
        "farm",
        "the farm: name, wallets, place, addresses",
    ),
    bind(
        Command::Go(View::Media),
        &[key!('6')],
        "media",
        "boot media",
    ),
    bind(
        Command::Go(View::Jobs),
        &[key!('7')],
        "jobs",
        "what was asked for, and what came of it",
    ),
    bind(
        Command::Go(View::Log),
        &[key!('8')],
        "log",
        "what happened in this session",
    ),
    bind(Command::NextView, &[key!(Tab)], "next view", "next view"),
    bind(
        Command::PreviousView,
        &[key!(BackTab)],
        "previous view",
        "previous view",
    ),
    bind(
        Command::Places,
        &[key!('P')],
        "places",
        "look at another farm or directory: those of --profile",
    ),
    bind(
        Command::Palette,
        &[key!(':')],
        "palette",
        "type what you want",
    ),
    bind(
        Command::Refresh,
        &[key!('R')],
        "refresh",
        "ask the directory now",
    ),
    bind(
        Command::Mouse,
        &[key!('m')],
        "mouse",
        "click rows, views and headings with the mouse, or no longer",
    ),
    bind(
        Command::Repaint,
        &[key!(ctrl 'l')],
        "repaint",
        "draw the screen anew",
    ),
    bind(
        Command::Suspend,
        &[key!(ctrl 'z')],
        "suspend",
        "suspend; `fg` comes back",
    ),
    bind(Command::Help, &[key!('?')], "help", "this help"),
    bind(Command::Back, &[key!(Esc)], "back", "back"),
    bind(
        Command::Quit,
        &[key!('q'), key!(ctrl 'c')],
        "quit",
        "quit; q first leaves an open node",
    ),
];

const fn bind(
    command: Command,
    keys: &'static [(KeyCode, KeyModifiers)],
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        command,
        keys,
        label,
        help,
    }
}

impl Binding {
    pub fn of(key: KeyEvent) -> Option<&'static Self> {
        let modifiers = key.modifiers & (CONTROL | KeyModifiers::ALT);
        BINDINGS.iter().find(|binding| {
            binding
                .keys
                .iter()
                .any(|(code, with)| *code == key.code && *with == modifiers)
        })
    }

    /// The first key of a command.
    pub fn key_of(command: Command) -> String {
        let binding = BINDINGS.iter().find(|binding| binding.command == command);
        binding.map(Self::key_text).unwrap_or_default()
    }

    /// All its keys, as they are shown.
    pub fn keys_text(&self) -> String {
        let names: Vec<String> = self.keys.iter().map(|key| key_name(*key)).collect();
        names.join(" ")
    }

    /// Its first key.
    pub fn key_text(&self) -> String {
        self.keys
            .first()
            .map(|key| key_name(*key))
            .unwrap_or_default()
    }
}

fn key_name((code, modifiers): (KeyCode, KeyModifiers)) -> String {
    let name = match code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(c) if modifiers.contains(CONTROL) => {
            return format!("Ctrl-{}", c.to_ascii_uppercase());
        }
        KeyCode::Char(c) => c.to_string(),
        KeyCode::PageDown => "PgDn".to_owned(),
        KeyCode::PageUp => "PgUp".to_owned(),
        KeyCode::BackTab => "Shift-Tab".to_owned(),
        other => format!("{other:?}"),
    };
    if modifiers.contains(CONTROL) {
        format!("Ctrl-{name}")
    } else {
        name
    }
}

/// Why a command does nothing now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// It belongs to another view: not worth a hint.
    Elsewhere,
    /// It would be there if not for this reason.
    Because(String),
}

impl Command {
    /// Whether it can be asked for now.
    pub(crate) fn check(self, state: &State) -> Result<(), Unavailable> {
        let table = state.table_shown().is_some();
        let node = state.node_at_hand().is_some();
        let because = |why: &str| Err(Unavailable::Because(why.to_owned()));
        match self {
            Self::Open if table && state.open.is_none() => {
                if node {
                    Ok(())
                } else {
                    because("no node is selected")
                }
            }
            Self::Open if state.view == View::Overview && !state.alerts().is_empty() => Ok(()),
            Self::Filter
            | Self::Find
            | Self::SortNext
            | Self::SortPrevious
            | Self::Reverse
            | Self::Columns
            | Self::MarkAll
            | Self::Export
                if table && state.open.is_none() =>
            {
                Ok(())
            }
            Self::Mark if table && node => Ok(()),
            Self::ClearMarks if table => {
                if state.marks.is_empty() {
                    because("nothing is marked")
                } else {
                    Ok(())
                }
            }
            Self::CopyId | Self::CopyJson if node => Ok(()),
            Self::Approve | Self::Block | Self::Delete | Self::Move | Self::FreeToUse if table => {
                if !node {
                    return because("no node is selected");
                }
                let decides = matches!(self, Self::Approve | Self::Block);
                let several = state.open.is_none() && state.marks.len() > 1;
                if self == Self::Move && several {
                    return because("one node at a time: each gets a token of its own");
                }
                match &state.settings.no_decisions {
                    Some(why) if decides => because(why),
                    _ => state.may_change().map_err(Unavailable::Because),
                }
            }
            Self::EditFarm if state.view == View::Farm => {
                if state.farm.is_none() {
                    return because("no farm is shown; start with --farm ID");
                }
                state.may_change().map_err(Unavailable::Because)
            }
            Self::BuildMedium | Self::CustomizeMedium | Self::CancelWork
                if state.view == View::Media =>
            {
                state.may_make(self)
            }
            Self::Places if state.places.len() < 2 => because(
                "this session has one; profiles are in config.toml, `farmer tui --profile all`",
            ),
            Self::Undo if state.undo().is_some() => Ok(()),
            Self::Back
                if state.open.is_some() || state.table_shown().is_some_and(|t| t.is_filtered()) =>
            {
                Ok(())
            }
            Self::Open
            | Self::Filter
            | Self::Find
            | Self::SortNext
            | Self::SortPrevious
            | Self::Reverse
            | Self::Columns
            | Self::MarkAll
            | Self::Export
            | Self::Mark
            | Self::ClearMarks
            | Self::CopyId
            | Self::CopyJson
            | Self::Approve
            | Self::Block
            | Self::Delete
            | Self::Move
            | Self::FreeToUse
            | Self::EditFarm
            | Self::BuildMedium
            | Self::CustomizeMedium
            | Self::CancelWork
            | Self::Undo
            | Self::Back => Err(Unavailable::Elsewhere),
            Self::Go(_)
            | Self::NextView
            | Self::PreviousView
            | Self::Down
            | Self::Up
            | Self::PageDown
            | Self::PageUp
            | Self::First
            | Self::Last
            | Self::Places
            | Self::Palette
            | Self::Help
            | Self::Refresh
            | Self::Mouse
            | Self::Repaint
            | Self::Suspend
            | Self::Quit => Ok(()),
        }
    }

    /// Whether it is about what is listed: it waits until the listing asked for is there.
    pub(crate) const fn is_about_listing(self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Find
                | Self::Approve
                | Self::Block
                | Self::Delete
                | Self::Move
                | Self::FreeToUse
                | Self::Mark
                | Self::MarkAll
                | Self::CopyId
                | Self::CopyJson
                | Self::Export
                | Self::Down
                | Self::Up
                | Self::PageDown
                | Self::PageUp
                | Self::First
                | Self::Last
        )
    }

    /// Whether the hints bar offers it: what everybody guesses stays in the help.
    pub(crate) const fn is_hinted(self) -> bool {
        !matches!(
            self,
            Self::Go(_)
                | Self::Down
                | Self::Up
                | Self::PageDown
                | Self::PageUp
                | Self::First
                | Self::Last
                | Self::SortPrevious
                | Self::Mouse
                | Self::Places
                | Self::Repaint
                | Self::Suspend
                | Self::PreviousView
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        let mut seen = std::collections::HashSet::new();
        for binding in BINDINGS {
            for key in binding.keys {
                assert!(seen.insert(*key), "{key:?}");
            }
        }
    }
}
