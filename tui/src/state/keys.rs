//! What keys do: those of a prompt first, then those of the view.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use directory::wire::NodeState;

use super::prompt::CHOOSER;
use super::{Consent, Palette, Prompt, RECOUNT, State};
use crate::command::{Binding, Command, Unavailable, View};
use crate::event::Effect;
use crate::export::{self, Export};
use crate::form::{self, Form, Purpose};
use crate::input::Input;
use crate::table::Table;

impl State {
    pub(super) fn key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        let is_global = key.modifiers.contains(KeyModifiers::CONTROL)
            && matches!(key.code, KeyCode::Char('c' | 'l' | 'z'));
        if !is_global && self.holds(key) {
            return;
        }
        if let (false, Some(prompt)) = (is_global, self.prompt.take()) {
            return self.prompt_key(prompt, key, effects);
        }
        if is_global && key.code == KeyCode::Char('c') {
            return effects.push(Effect::Quit);
        }
        if key.modifiers.contains(KeyModifiers::ALT) && Binding::of(key).is_none() {
            // Esc and the next key, when they come in one packet over a slow line.
            self.run(Command::Back, effects);
            let rest = key.modifiers - KeyModifiers::ALT;
            return self.key(KeyEvent::new(key.code, rest), effects);
        }
        if let Some(binding) = Binding::of(key) {
            self.run(binding.command, effects);
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        let input = match &mut self.prompt {
            Some(Prompt::Filter { input, .. } | Prompt::Find { input, .. }) => input,
            Some(Prompt::Export { input } | Prompt::Move { input, .. }) => input,
            Some(Prompt::Palette(palette)) => &mut palette.input,
            Some(Prompt::Form(form)) => return form.paste(text),
            // A name that has to be typed is typed.
            _ => return,
        };
        input.paste(text);
    }

    /// Keys of a prompt; it stays when it is put back.
    fn prompt_key(&mut self, prompt: Prompt, key: KeyEvent, effects: &mut Vec<Effect>) {
        match prompt {
            Prompt::Help(top) => self.help_key(top, key),
            Prompt::Filter {
                input,
                before,
                error,
            } => self.filter_key(input, before, error, key, effects),
            Prompt::Find {
                input,
                before,
                found,
            } => self.find_key(input, before, found, key, effects),
            Prompt::Palette(palette) => self.palette_key(palette, key, effects),
            Prompt::Places(at) => self.places_key(at, key, effects),
            Prompt::Columns(at) => self.columns_key(at, key, effects),
            Prompt::Move { input, id } => self.move_key(input, id, key),
            Prompt::Export { input } => self.export_key(input, key, effects),
            Prompt::Confirm(mut confirm) => match (&mut confirm.consent, key.code) {
                (_, KeyCode::Esc) | (Consent::Button { .. }, KeyCode::Char('n' | 'q')) => {
                    self.prompt = confirm.form.map(Prompt::Form);
                }
                (Consent::Button { .. }, KeyCode::Char('y')) => self.carry_out(confirm, effects),
                (consent, KeyCode::Enter) if consent.is_given() => {
                    self.carry_out(confirm, effects);
                }
                // The focus is on Cancel.
                (Consent::Button { .. }, KeyCode::Enter) => {
                    self.prompt = confirm.form.map(Prompt::Form);
                }
                (consent, _) => {
                    match consent {
                        Consent::Button { focused } => {
                            let moves = matches!(
                                key.code,
                                KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right
                            );
                            *focused ^= moves;
                        }
                        Consent::Typed { input, .. } => {
                            input.key(key);
                        }
                    }
                    self.prompt = Some(Prompt::Confirm(confirm));
                }
            },
            Prompt::Form(form) => self.form_key(form, key, effects),
        }
    }

    fn help_key(&mut self, top: usize, key: KeyEvent) {
        let top = match key.code {
            KeyCode::Down | KeyCode::Char('j') => top.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => top.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => top.saturating_add(10),
            KeyCode::PageUp => top.saturating_sub(10),
            KeyCode::Home => 0,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | '?') => return,
            _ => top,
        };
        let last = crate::view::help_length(self).saturating_sub(1);
        self.prompt = Some(Prompt::Help(top.min(last)));
    }

    fn filter_key(
        &mut self,
        mut input: Input,
        before: String,
        error: Option<String>,
        key: KeyEvent,
        effects: &mut Vec<Effect>,
    ) {
        match key.code {
            KeyCode::Esc => {
                // It was in force before, so it can be read.
                let _ = self.table_mut().map(|table| table.set_filter(&before));
                self.arrange_shown("filtering", effects);
            }
            KeyCode::Enter if error.is_none() => {
                effects.push(Effect::Remember(Box::new(self.preferences())));
            }
            _ => {
                let text_before = input.text().to_owned();
                input.key(key);
                let error = if input.text() == text_before {
                    error
                } else {
                    let outcome = self.table_mut().map(|table| table.set_filter(input.text()));
                    self.arrange_shown("filtering", effects);
                    outcome.and_then(Result::err)
                };
                self.prompt = Some(Prompt::Filter {
                    input,
                    before,
                    error,
                });
            }
        }
    }

    fn find_key(
        &mut self,
        mut input: Input,
        before: usize,
        found: bool,
        key: KeyEvent,
        effects: &mut Vec<Effect>,
    ) {
        match key.code {
            KeyCode::Esc => {
                self.stop_finding();
                let rows = self.rows.clone();
                if let Some(table) = self.table_mut() {
                    table.select_line(before, &rows);
                }
            }
            KeyCode::Enter => {}
            _ => {
                let text_before = input.text().to_owned();
                input.key(key);
                let letters = input.text().to_owned();
                let mut found = found;
                if letters.is_empty() {
                    self.stop_finding();
                    found = true;
                } else if letters != text_before {
                    self.find(letters, effects);
                }
                self.prompt = Some(Prompt::Find {
                    input,
                    before,
                    found,
                });
            }
        }
    }

    fn palette_key(&mut self, mut palette: Palette, key: KeyEvent, effects: &mut Vec<Effect>) {
        let count = palette.matches().len();
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Enter => {
                if let Some(binding) = palette.matches().get(palette.selected) {
                    return self.run(binding.command, effects);
                }
            }
            KeyCode::Down | KeyCode::Tab => {
                palette.selected = (palette.selected + 1).min(count.saturating_sub(1));
            }
            KeyCode::Up | KeyCode::BackTab => {
                palette.selected = palette.selected.saturating_sub(1);
            }
            _ => {
                if palette.input.key(key) {
                    palette.selected = 0;
                }
            }
        }
        self.prompt = Some(Prompt::Palette(palette));
    }

    fn columns_key(&mut self, at: usize, key: KeyEvent, effects: &mut Vec<Effect>) {
        let last = CHOOSER.len() - 1;
        let at = match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'C') => {
                self.arrange_shown("sorting", effects);
                return effects.push(Effect::Remember(Box::new(self.preferences())));
            }
            KeyCode::Down | KeyCode::Char('j') => (at + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::Char(' ' | 'x') => {
                if let (Some(column), Some(table)) = (CHOOSER.get(at), self.table_mut()) {
                    table.toggle(*column);
                }
                at
            }
            _ => at,
        };
        self.prompt = Some(Prompt::Columns(at));
    }

    fn export_key(&mut self, mut input: Input, key: KeyEvent, effects: &mut Vec<Effect>) {
        match key.code {
            KeyCode::Esc => {}
            KeyCode::Enter if !input.text().trim().is_empty() => {
                let Some(table) = self.table_shown() else {
                    return;
                };
                let path = PathBuf::from(input.text().trim());
                let noun = if table.len() == 1 { "node" } else { "nodes" };
                let what = format!("write {} {noun} to {}", table.len(), path.display());
                let export = Box::new(Export {
                    path,
                    rows: self.rows.clone(),
                    order: table.order(),
                    columns: table.columns.clone(),
                    wall: self.wall,
                    missing: self.missing.clone(),
                });
                let job = self.begin_job(what, None);
                effects.push(Effect::Export { job, export });
            }
            _ => {
                input.key(key);
                self.prompt = Some(Prompt::Export { input });
            }
        }
    }

    fn form_key(&mut self, mut form: Box<Form>, key: KeyEvent, effects: &mut Vec<Effect>) {
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Tab | KeyCode::Down => form.move_focus(1),
            KeyCode::BackTab | KeyCode::Up => form.move_focus(-1),
            KeyCode::Enter => {
                let sent = match form.purpose.clone() {
                    Purpose::Farm(farm) => match form::farm::wish(&form, &farm) {
                        Ok(wishes) => return self.propose_farm(&farm, wishes, form),
                        Err(why) => Err(why),
                    },
                    Purpose::Build | Purpose::Customize => {
                        form::media::order(&form).map(|order| self.check_order(order, effects))
                    }
                };
                match sent {
                    Ok(asked) => form.asked = Some(asked),
                    Err(why) => {
                        if let Some((at, _)) = form.first_error() {
                            form.focus = at;
                        }
                        form.note = Some(why);
                    }
                }
            }
            _ => form.key(key),
        }
        self.prompt = Some(Prompt::Form(form));
    }

    /// Does what a command says, or says why not.
    pub(super) fn run(&mut self, command: Command, effects: &mut Vec<Effect>) {
        match command.check(self) {
            Ok(()) => {}
            Err(Unavailable::Elsewhere) => return,
            Err(Unavailable::Because(why)) => return self.say(why, true, None),
        }
        match command {
            Command::Open if self.view == View::Overview => self.follow_alert(effects),
            Command::Open => {
                if let Some(id) = self.node_at_hand().map(|row| row.node_id) {
                    self.open(id, effects);
                }
            }
            Command::Filter => {
                let before = self.table_shown().map(|t| t.filter_text.clone());
                let before = before.unwrap_or_default();
                self.prompt = Some(Prompt::Filter {
                    input: Input::new(&before),
                    before,
                    error: None,
                });
            }
            Command::Find => {
                self.prompt = Some(Prompt::Find {
                    input: Input::default(),
                    before: self.table_shown().map_or(0, |table| table.selected_line()),
                    found: true,
                });
            }
            Command::Approve => self.decide(NodeState::Approved, effects),
            Command::Block => self.decide(NodeState::Blocked, effects),
            Command::Delete => self.delete(),
            Command::Move => self.ask_where_to(),
            Command::FreeToUse => self.toggle_free(effects),
            Command::Undo => self.take_back(effects),
            Command::EditFarm => {
                let form = self.farm.as_ref().map(|farm| form::farm::form(farm));
                self.prompt = form.map(|form| Prompt::Form(Box::new(form)));
            }
            Command::BuildMedium => self.order_medium(form::media::build(self.settings.farm_id)),
            Command::CustomizeMedium => self.order_medium(self.customize_form()),
            Command::CancelWork => self.cancel_work(effects),
            Command::Mark => self.mark(effects),
            Command::MarkAll => {
                if let Some(table) = self.table_shown() {
                    for row in &*table.order() {
                        self.marks.set(*row, true);
                    }
                }
            }
            Command::ClearMarks => self.marks.clear(),
            Command::SortNext => self.resort(|table| table.sort_by_neighbour(1), effects),
            Command::SortPrevious => self.resort(|table| table.sort_by_neighbour(-1), effects),
            Command::Reverse => {
                self.resort(|table| table.descending = !table.descending, effects);
            }
            Command::Columns => self.prompt = Some(Prompt::Columns(0)),
            Command::CopyId => {
                if let Some(id) = self.node_at_hand().map(|row| row.node_id.to_string()) {
                    self.say(format!("copied {id}"), false, None);
                    effects.push(Effect::Copy(id));
                }
            }
            Command::CopyJson => {
                if let Some(row) = self.node_at_hand() {
                    let text = export::value(row, self.wall).to_string();
                    self.say("copied the node as JSON".to_owned(), false, None);
                    effects.push(Effect::Copy(text));
                }
            }
            Command::Export => {
                self.prompt = Some(Prompt::Export {
                    input: Input::new("nodes.csv"),
                });
            }
            Command::Go(view) => self.go(view, effects),
            Command::NextView => self.go_by(1, effects),
            Command::PreviousView => self.go_by(-1, effects),
            Command::Down => self.move_by(1, effects),
            Command::Up => self.move_by(-1, effects),
            Command::PageDown => self.move_by(self.page(), effects),
            Command::PageUp => self.move_by(-self.page(), effects),
            Command::First => self.move_by(isize::MIN, effects),
            Command::Last => self.move_by(isize::MAX, effects),
            Command::Places => self.prompt = Some(Prompt::Places(self.at)),
            Command::Palette => self.prompt = Some(Prompt::Palette(Palette::default())),
            Command::Help => self.prompt = Some(Prompt::Help(0)),
            Command::Refresh => {
                self.refresh_now = true;
                self.ask_if_due(effects);
                if self.view == View::Media {
                    self.survey(effects);
                }
            }
            Command::Mouse => self.toggle_mouse(effects),
            Command::Repaint => effects.push(Effect::Repaint),
            Command::Suspend => effects.push(Effect::Suspend),
            Command::Back => self.back(effects),
            Command::Quit => {
                if self.open.take().is_none() {
                    self.quit(effects);
                }
            }
        }
    }

    /// Changes that are on their way may be lost: the first time that is said instead.
    fn quit(&mut self, effects: &mut Vec<Effect>) {
        let running = self.jobs.iter().any(|job| job.outcome.is_none());
        if running && !self.quit_asked {
            self.quit_asked = true;
            let text = if self.medium_under_way().is_some() {
                "a medium is being made (6 shows it); q again leaves it unfinished and quits"
            } else {
                "a change is still on its way (7 shows it); q again quits"
            };
            return self.say(text.to_owned(), true, None);
        }
        effects.push(Effect::Quit);
    }

    fn back(&mut self, effects: &mut Vec<Effect>) {
        if self.open.take().is_some() {
            return;
        }
        if let Some(table) = self.table_mut() {
            // An empty filter can always be read.
            let _ = table.set_filter("");
            self.arrange_shown("filtering", effects);
            effects.push(Effect::Remember(Box::new(self.preferences())));
        }
    }

    fn mark(&mut self, effects: &mut Vec<Effect>) {
        let row = self.node_at_hand().map(|row| row.node_id);
        let Some(row) = row.and_then(|id| self.rows.position(id)) else {
            return;
        };
        self.marks.set(row, !self.marks.has(row));
        if self.open.is_none() {
            self.move_by(1, effects);
        }
    }

    pub(super) fn resort(
        &mut self,
        change: impl FnOnce(&mut crate::table::Table),
        effects: &mut Vec<Effect>,
    ) {
        if let Some(table) = self.table_mut() {
            change(table);
        }
        self.arrange_shown("sorting", effects);
        effects.push(Effect::Remember(Box::new(self.preferences())));
    }

    pub(super) fn go(&mut self, view: View, effects: &mut Vec<Effect>) {
        self.view = view;
        self.open = None;
        self.top = 0;
        // What was looked for is a line of the table that is left.
        self.stop_finding();
        match view {
            View::Media => self.survey(effects),
            View::Overview => self.look_back(effects),
            _ => {}
        }
        let now = self.now;
        let is_old = |table: &Table| now.saturating_sub(table.arranged) >= RECOUNT;
        if self.table_shown().is_some_and(is_old) {
            self.arrange_later(false, effects);
        }
    }

    fn go_by(&mut self, step: isize, effects: &mut Vec<Effect>) {
        let at = View::ALL.iter().position(|view| *view == self.view);
        let count = isize::try_from(View::ALL.len()).unwrap_or(1);
        let next = (isize::try_from(at.unwrap_or(0)).unwrap_or(0) + step).rem_euclid(count);
        if let Some(view) = usize::try_from(next)
            .ok()
            .and_then(|next| View::ALL.get(next))
        {
            self.go(*view, effects);
        }
    }

    fn page(&self) -> isize {
        let height = crate::view::areas(self).body.saturating_sub(2).max(1);
        isize::try_from(height).unwrap_or(1)
    }

    pub(super) fn move_by(&mut self, step: isize, effects: &mut Vec<Effect>) {
        let is_page = step.unsigned_abs() > 1;
        if self.open.is_some() && is_page {
            let last = crate::view::detail_length(self).saturating_sub(1);
            if let Some(open) = self.open.as_mut() {
                open.top = open.top.saturating_add_signed(step).min(last);
            }
            return;
        }
        let Self { rows, .. } = self;
        let table = match self.view {
            View::Nodes => &mut self.nodes,
            View::Registrations => &mut self.registrations,
            View::Rewards => &mut self.rewards,
            View::Overview if !is_page => {
                let last = self.alerts().len().saturating_sub(1);
                self.alert = self.alert.saturating_add_signed(step).min(last);
                return;
            }
            _ => {
                let last = crate::view::lines_length(self).saturating_sub(1);
                self.top = self.top.saturating_add_signed(step).min(last);
                return;
            }
        };
        let before = table.selected_id();
        table.select_by(step, rows);
        let after = table.selected_id();
        if let (true, Some(id)) = (self.open.is_some() && before != after, after) {
            self.open(id, effects);
        }
    }
}
