//! What the mouse does, if it is on: it is off at first, because terminals select text with it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{Prompt, State};
use crate::event::Effect;
use crate::view::{self, Place};

/// Lines that a turn of the wheel moves.
const WHEEL: isize = 3;

impl State {
    pub(super) fn toggle_mouse(&mut self, effects: &mut Vec<Effect>) {
        self.mouse = !self.mouse;
        effects.push(Effect::Mouse(self.mouse));
        effects.push(Effect::Remember(Box::new(self.preferences())));
        let text = if self.mouse {
            "the mouse is on: click rows, views and headings; Shift selects text; m turns it off"
        } else {
            "the mouse is off: it selects text again"
        };
        self.say(text.to_owned(), false, None);
    }

    pub(super) fn mouse(&mut self, event: MouseEvent, effects: &mut Vec<Effect>) {
        // A click that was on its way when it was turned off.
        if !self.mouse {
            return;
        }
        match event.kind {
            MouseEventKind::ScrollDown => self.wheel(WHEEL, effects),
            MouseEventKind::ScrollUp => self.wheel(-WHEEL, effects),
            MouseEventKind::Down(MouseButton::Left) if self.prompt.is_none() => {
                self.click(event.column, event.row, effects);
            }
            _ => {}
        }
    }

    fn wheel(&mut self, step: isize, effects: &mut Vec<Effect>) {
        match &mut self.prompt {
            Some(Prompt::Help(top)) => {
                let moved = top.saturating_add_signed(step);
                let last = view::help_length(self).saturating_sub(1);
                self.prompt = Some(Prompt::Help(moved.min(last)));
            }
            Some(_) => {}
            None => self.move_by(step, effects),
        }
    }

    fn click(&mut self, x: u16, y: u16, effects: &mut Vec<Effect>) {
        match view::place(self, x, y) {
            Some(Place::Tab(view)) => self.go(view, effects),
            Some(Place::Heading(column)) => self.resort(
                |table| {
                    if table.sort == column {
                        table.descending = !table.descending;
                    } else {
                        table.sort = column;
                        table.descending = column.begins_big();
                    }
                },
                effects,
            ),
            // Another listing is on its way: nobody knows who is meant.
            Some(Place::Row(_)) if self.is_arranging() => {}
            Some(Place::Row(line)) => {
                let before = self.table_shown().map(|table| table.selected_line());
                let Self { rows, .. } = self;
                let table = match self.view {
                    crate::command::View::Registrations => &mut self.registrations,
                    crate::command::View::Rewards => &mut self.rewards,
                    _ => &mut self.nodes,
                };
                table.select_line(line, rows);
                // A second click goes further.
                if before == Some(line)
                    && let Some(id) = self.node_at_hand().map(|row| row.node_id)
                {
                    self.open(id, effects);
                }
            }
            None => {}
        }
    }
}
