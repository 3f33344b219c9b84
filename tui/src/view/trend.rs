//! How totals went on: a row of bars for each.

use directory::cache::Sample;
use hw_probe::cloud_units::CloudUnits;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::overlay::wrap;
use super::{cut, section};
use crate::columns::tft_text;
use crate::history::cells;
use crate::node::{brief_duration_text, duration_text};
use crate::state::State;
use crate::theme::Theme;

/// Most cells of a row.
const CELLS: usize = 72;
/// Room for the figures behind them.
const FIGURES: usize = 28;

pub(super) fn lines(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let samples = &state.samples;
    let room = usize::from(width).saturating_sub(15 + FIGURES).min(CELLS);
    let row = cells(samples, state.wall, room);
    let (Some(first), Some(last), true) = (samples.first(), samples.last(), samples.len() > 1)
    else {
        let text = "kept from now on, every 10 minutes that this runs; `farmer dash --once` in a \
                    crontab fills the gaps";
        let text = wrap(text, usize::from(width));
        let text = text.into_iter().map(|part| Line::styled(part, theme.dim()));
        return std::iter::once(section(theme, "over time", width))
            .chain(text)
            .collect();
    };
    let title = format!(
        "the last {}, {} a bar",
        duration_text(state.wall.secs.saturating_sub(first.at)),
        brief_duration_text(row.seconds)
    );
    let mut lines = vec![section(theme, &title, width)];
    let most = samples.iter().map(|sample| sample.nodes).max();
    let mut add = |label: &str, value: fn(&Sample) -> u64, scale: (u64, u64), text: String| {
        let bars: String = row
            .cells
            .iter()
            .map(|cell| match cell {
                Some(sample) => theme.glyphs.level(level(value(sample), scale)),
                None => " ",
            })
            .collect();
        lines.push(trend(theme, label, &bars, &text, width));
    };
    add(
        "nodes up",
        |sample| sample.up,
        (0, most.unwrap_or(0)),
        format!("{} of {}", last.up, last.nodes),
    );
    let range = |value: fn(&Sample) -> u64| {
        let values = samples.iter().map(value);
        (values.clone().min().unwrap_or(0), values.max().unwrap_or(0))
    };
    // The bars begin at the lowest value, so it is told.
    let figures = |now: String, low: String, unit: &str| match now == low {
        true => format!("{now} {unit}"),
        false => format!("{now} {unit} (lowest {low})"),
    };
    let units = |cu_micro| CloudUnits {
        cu_micro,
        ..CloudUnits::default()
    };
    let (low, high) = range(|sample| sample.cu_micro);
    let text = figures(
        units(last.cu_micro).cu().to_string(),
        units(low).cu().to_string(),
        "CU",
    );
    add("capacity", |sample| sample.cu_micro, (low, high), text);
    let (low, high) = range(|sample| sample.reward);
    let text = figures(tft_text(last.reward), tft_text(low), "TFT");
    add("reward", |sample| sample.reward, (low, high), text);
    lines
}

/// From 0 to 7: where a value is between the lowest and the highest. What never changed is full.
fn level(value: u64, (low, high): (u64, u64)) -> usize {
    let (value, span) = (value.saturating_sub(low), high.saturating_sub(low));
    if span == 0 {
        return if high == 0 { 0 } else { 7 };
    }
    let level = u128::from(value) * 7 / u128::from(span);
    usize::try_from(level).unwrap_or(7).min(7)
}

fn trend(theme: Theme, label: &str, bars: &str, text: &str, width: u16) -> Line<'static> {
    let room = usize::from(width).saturating_sub(16 + bars.chars().count());
    Line::from(vec![
        Span::styled(format!("{label:<13} "), theme.dim()),
        Span::styled(bars.to_owned(), theme.good()),
        Span::styled(format!("  {}", cut(text, room, theme.glyphs)), Style::new()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_from_the_lowest_to_the_highest() {
        assert_eq!([5, 6, 12].map(|value| level(value, (5, 12))), [0, 1, 7]);
        assert_eq!((level(3, (3, 3)), level(0, (0, 0))), (7, 0));
    }
}
