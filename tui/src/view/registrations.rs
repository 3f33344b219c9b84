//! Below the table of registrations: what is the matter with the selected node, and what to do.

use ratatui::text::{Line, Span};

use super::{cut, section};
use crate::state::State;

pub(super) fn lines(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let Some(row) = state.node_at_hand() else {
        return vec![section(theme, "registrations", width)];
    };
    let at = state.rows.position(row.node_id);
    let trouble = at.and_then(|at| state.trouble(at));
    let [what, advice] = match trouble {
        Some(trouble) => trouble.advice(&state.rows, row, state.wall),
        None => [
            match row.mac {
                0 => "nothing is known against it".to_owned(),
                _ => "no other node has its network card".to_owned(),
            },
            "a approves it, b blocks it".to_owned(),
        ],
    };
    let cut = |text: &str| cut(text, usize::from(width), theme.glyphs);
    let style = if trouble.is_some() {
        theme.caution()
    } else {
        theme.dim()
    };
    vec![
        section(theme, &format!("about {}", row.name()), width),
        Line::from(Span::styled(cut(&what), style)),
        Line::raw(cut(&advice)),
    ]
}
