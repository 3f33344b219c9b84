//! The help: every key, from the same table that gives them their meaning.

use directory::wire::NodeState;
use ratatui::text::{Line, Span};

use crate::command::{BINDINGS, Unavailable};
use crate::node::Liveness;
use crate::state::State;

pub(super) fn lines(state: &State) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let mut lines = vec![Line::styled("Keys", theme.title())];
    for binding in BINDINGS {
        let text = match binding.command.check(state) {
            Err(Unavailable::Because(why)) => format!("{} (not now: {why})", binding.help),
            _ => binding.help.to_owned(),
        };
        lines.push(Line::from(vec![
            Span::styled(format!("  {:<14}", binding.keys_text()), theme.key()),
            Span::raw(text),
        ]));
    }
    lines.push(Line::raw(""));
    lines.push(Line::styled("States", theme.title()));
    for (liveness, text) in [
        (Liveness::Up, "reports on time"),
        (Liveness::Late, "silent for more than 20 minutes"),
        (Liveness::Down, "silent for more than an hour"),
        (Liveness::New, "registered, has not reported yet"),
    ] {
        let shape = theme.glyphs.liveness(liveness);
        lines.push(Line::from(vec![
            Span::styled(
                format!("  {shape} {:<12}", liveness.word()),
                theme.state(NodeState::Approved, liveness),
            ),
            Span::raw(text),
        ]));
    }
    lines.push(Line::raw(
        "    pending     waits for your word: a approves it, b blocks it",
    ));
    lines.push(Line::raw(format!(
        "  {} blocked     may neither register nor report",
        theme.glyphs.blocked()
    )));
    lines.push(Line::raw(""));
    lines.push(Line::styled("Filter", theme.title()));
    for (example, text) in [
        (
            "country:BE",
            "texts: country, city, host, node, os, state, limit",
        ),
        (
            "state:down",
            "up, late, down, new, pending, approved, blocked",
        ),
        (
            "memory>=64GiB",
            "sizes: memory, ssd, hdd; without a unit GiB",
        ),
        ("seen>2h", "times: seen, uptime, age; s, m, h, d"),
        ("reward<100", "numbers: reward, cu, su, cru, disks, farm"),
        ("-disks>2", "not: - or ! in front"),
        ("ghent", "anywhere in host, id, place or system"),
        ("~gh1", "these letters in this order"),
        ("marked", "marked; also: problem, free, virtual"),
    ] {
        lines.push(Line::from(vec![
            Span::styled(format!("  {example:<14}"), theme.key()),
            Span::raw(text),
        ]));
    }
    lines
}
