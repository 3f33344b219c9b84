//! Colours and shapes. No state is told by colour alone.

use directory::wire::NodeState;
use ratatui::style::{Color, Modifier, Style};

use crate::node::Liveness;

/// Characters a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Glyphs {
    /// Unicode shapes.
    #[default]
    Unicode,
    /// ASCII only.
    Ascii,
}

impl Glyphs {
    /// Shape of a liveness.
    #[must_use]
    pub const fn liveness(self, liveness: Liveness) -> &'static str {
        match (self, liveness) {
            (Self::Unicode, Liveness::Up) => "●",
            (Self::Unicode, Liveness::Late) => "◐",
            (Self::Unicode, Liveness::Down) => "○",
            (_, Liveness::New) => "?",
            (Self::Ascii, Liveness::Up) => "+",
            (Self::Ascii, Liveness::Late) => "~",
            (Self::Ascii, Liveness::Down) => "-",
        }
    }

    /// Shape of a blocked node.
    #[must_use]
    pub const fn blocked(self) -> &'static str {
        match self {
            Self::Unicode => "✕",
            Self::Ascii => "x",
        }
    }

    /// Marks what was left out.
    #[must_use]
    pub const fn ellipsis(self) -> &'static str {
        match self {
            Self::Unicode => "…",
            Self::Ascii => "..",
        }
    }

    /// Marks the sorted column.
    #[must_use]
    pub const fn sorted(self, descending: bool) -> &'static str {
        match (self, descending) {
            (Self::Unicode, false) => "▲",
            (Self::Unicode, true) => "▼",
            (Self::Ascii, false) => "^",
            (Self::Ascii, true) => "v",
        }
    }

    /// Marks what is marked.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Unicode => "▸",
            Self::Ascii => "*",
        }
    }

    /// Stands where typed text goes.
    #[must_use]
    pub const fn caret(self) -> &'static str {
        match self {
            Self::Unicode => "▏",
            Self::Ascii => "_",
        }
    }

    /// Marks what went wrong or needs a look.
    #[must_use]
    pub const fn alarm(self) -> &'static str {
        "!"
    }

    /// Marks what is done.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Unicode => "✓",
            Self::Ascii => "ok",
        }
    }

    /// Marks what is being done.
    #[must_use]
    pub const fn busy(self) -> &'static str {
        match self {
            Self::Unicode => "…",
            Self::Ascii => "..",
        }
    }

    /// The full part of a bar.
    #[must_use]
    pub const fn full(self) -> &'static str {
        match self {
            Self::Unicode => "█",
            Self::Ascii => "#",
        }
    }

    /// The empty part of a bar.
    #[must_use]
    pub const fn hollow(self) -> &'static str {
        match self {
            Self::Unicode => "░",
            Self::Ascii => ".",
        }
    }

    /// A bar of one of eight heights, 0 to 7.
    #[must_use]
    pub fn level(self, level: usize) -> &'static str {
        const UNICODE: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
        const ASCII: [&str; 8] = ["_", ".", ":", "-", "=", "+", "*", "#"];
        let levels = match self {
            Self::Unicode => UNICODE,
            Self::Ascii => ASCII,
        };
        levels.get(level).copied().unwrap_or_else(|| self.full())
    }

    /// A horizontal rule's character.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Unicode => "─",
            Self::Ascii => "-",
        }
    }
}

/// Styles by meaning. Only the terminal's own sixteen colours, which follow its light or dark theme.
///
/// Without colour every colour is `Reset`: crossterm 0.29 answers NO_COLOR by sending a full reset
/// for any other colour, which would also take reverse and bold away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether colours are used at all.
    pub color: bool,
    /// Shapes.
    pub glyphs: Glyphs,
}

impl Theme {
    fn fg(self, color: Color) -> Style {
        if self.color {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    /// The title line.
    #[must_use]
    pub fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Column headings.
    #[must_use]
    pub fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }

    /// The selected row.
    #[must_use]
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Less important text.
    #[must_use]
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The name of a key.
    #[must_use]
    pub fn key(self) -> Style {
        self.fg(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// Good news.
    #[must_use]
    pub fn good(self) -> Style {
        self.fg(Color::Green)
    }

    /// Needs a look.
    #[must_use]
    pub fn caution(self) -> Style {
        self.fg(Color::Yellow)
    }

    /// Bad news.
    #[must_use]
    pub fn bad(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// A node's state.
    #[must_use]
    pub fn state(self, decision: NodeState, liveness: Liveness) -> Style {
        match (decision, liveness) {
            (NodeState::Blocked, _) => self.dim(),
            (NodeState::Pending, _) => self.caution(),
            (NodeState::Approved, Liveness::Up) => self.good(),
            (NodeState::Approved, Liveness::Late | Liveness::New) => self.caution(),
            (NodeState::Approved, Liveness::Down) => self.bad(),
        }
    }
}
