//! Several farms and directories in one session: one is looked at, the others are asked now and then,
//! so that it shows when one of them falls silent.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};

use super::{NOT_ANSWERED, Prompt, State, is_due};
use crate::command::View;
use crate::event::{Effect, Refreshed};
use crate::health::{Freshness, Health};
use crate::rows::{Marks, Rows};
use crate::summary::Summary;

/// Places that are not looked at are asked this many times more rarely.
const RARELY: u32 = 3;

/// A farm, or all farms of a directory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// What the user calls it; empty if it has no name.
    pub name: String,
    /// Name of the directory.
    pub directory: String,
    /// The farm, if it is one.
    pub farm_id: Option<u64>,
    /// Why nodes can be neither approved nor blocked in this directory, if they cannot.
    pub no_decisions: Option<String>,
    /// Whether it is asked also while another place is looked at.
    pub is_watched: bool,
}

impl Place {
    /// Its name, else what it is.
    pub(crate) fn title(&self) -> String {
        match (self.name.is_empty(), self.farm_id) {
            (false, _) => self.name.clone(),
            (true, Some(id)) => format!("farm {id}"),
            (true, None) => "all farms".to_owned(),
        }
    }
}

/// What is known of a place while another is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub place: Place,
    pub health: Health,
    /// When the directory last said what its cache has, Unix seconds.
    pub as_of: Option<i64>,
    no_changes: Option<String>,
    generation: u64,
}

impl Visit {
    pub fn new(place: Place) -> Self {
        Self {
            place,
            health: Health::default(),
            as_of: None,
            no_changes: Some(NOT_ANSWERED.to_owned()),
            generation: 0,
        }
    }
}

impl State {
    /// How fresh what is known of a place is.
    pub(crate) fn freshness_of(&self, at: usize) -> Freshness {
        if at == self.at {
            return self.freshness();
        }
        let health = self.places.get(at).map(|visit| &visit.health);
        let interval = self.settings.interval * RARELY;
        health.map_or(Freshness::Connecting, |h| h.freshness(self.now, interval))
    }

    /// The same of the place that is looked at.
    pub(crate) fn freshness(&self) -> Freshness {
        self.health.freshness(self.now, self.settings.interval)
    }

    /// Names of the other places that do not answer.
    pub(crate) fn silent_places(&self) -> Vec<String> {
        let others = self.places.iter().enumerate();
        others
            .filter(|(at, _)| *at != self.at)
            .filter(|(at, _)| matches!(self.freshness_of(*at), Freshness::NoResponse(_)))
            .map(|(_, visit)| visit.place.title())
            .collect()
    }

    /// Asks the places that are not looked at, each in its turn.
    pub(super) fn ask_others(&mut self, effects: &mut Vec<Effect>) {
        let (now, at, interval) = (self.now, self.at, self.settings.interval * RARELY);
        // The one that is looked at is asked first.
        if self.health.settled_at.is_none() {
            return;
        }
        for (place, visit) in self.places.iter_mut().enumerate() {
            let is_watched = visit.place.is_watched && place != at;
            if is_watched && is_due(&visit.health, now, interval) {
                self.last_refresh += 1;
                visit.generation = self.last_refresh;
                visit.health.ask(now);
                effects.push(Effect::RefreshOther {
                    generation: visit.generation,
                    place,
                });
            }
        }
    }

    /// The place, not looked at, that this question went to.
    fn other_asked(&mut self, generation: u64) -> Option<&mut Visit> {
        let at = self.at;
        let mut others = self.places.iter_mut().enumerate();
        let asked = |(place, visit): &(usize, &mut Visit)| {
            *place != at && visit.generation == generation && visit.health.asked.is_some()
        };
        others.find(asked).map(|(_, visit)| visit)
    }

    /// A long answer is on its way.
    pub(super) fn other_goes_on(&mut self, generation: u64) {
        let now = self.now;
        if let Some(visit) = self.other_asked(generation) {
            visit.health.ask(now);
        }
    }

    pub(super) fn take_refreshed_other(
        &mut self,
        generation: u64,
        answer: Result<Refreshed, String>,
    ) {
        let now = self.now;
        let Some(visit) = self.other_asked(generation) else {
            return;
        };
        let name = visit.place.title();
        match answer {
            Ok(refreshed) => {
                visit.as_of = Some(refreshed.as_of);
                visit.no_changes = refreshed.no_changes;
                let was_silent = visit.health.failures > 0;
                visit.health.succeed(now);
                if was_silent {
                    self.note(format!("{name} answers again"), false);
                }
            }
            Err(error) => {
                let is_new = visit.health.last_error.as_ref() != Some(&error);
                visit.health.fail(now, error.clone());
                if is_new {
                    self.note(format!("{name}: {error}"), true);
                }
            }
        }
    }

    pub(super) fn give_up_on_others(&mut self, patience: Duration) {
        let (now, at) = (self.now, self.at);
        for (place, visit) in self.places.iter_mut().enumerate() {
            let asked = visit.health.asked.filter(|_| place != at);
            if asked.is_some_and(|then| now.saturating_sub(then) > patience) {
                visit.health.fail(now, "no answer in time".to_owned());
            }
        }
    }

    pub(super) fn places_key(&mut self, at: usize, key: KeyEvent, effects: &mut Vec<Effect>) {
        let last = self.places.len().saturating_sub(1);
        let at = match key.code {
            KeyCode::Esc | KeyCode::Char('q' | 'P') => return,
            KeyCode::Enter => return self.visit(at, effects),
            KeyCode::Down | KeyCode::Char('j') => (at + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::Char(c) => match c.to_digit(10) {
                Some(number) if (1..=self.places.len()).contains(&(number as usize)) => {
                    return self.visit(number as usize - 1, effects);
                }
                _ => at,
            },
            _ => at,
        };
        self.prompt = Some(Prompt::Places(at));
    }

    /// Looks at another place. Sorting, columns and filters stay; marks, the open node and what could
    /// be undone belong to the place that is left.
    fn visit(&mut self, to: usize, effects: &mut Vec<Effect>) {
        let Some(next) = self.places.get(to).filter(|_| to != self.at).cloned() else {
            return;
        };
        if let Some(left) = self.places.get_mut(self.at) {
            left.health = std::mem::replace(&mut self.health, next.health);
            left.as_of = std::mem::replace(&mut self.as_of, next.as_of);
            left.no_changes = std::mem::replace(&mut self.no_changes, next.no_changes);
            left.generation = std::mem::replace(&mut self.generation, next.generation);
        }
        self.at = to;
        self.settings.directory = next.place.directory;
        self.settings.farm_id = next.place.farm_id;
        self.settings.no_decisions = next.place.no_decisions;
        effects.push(Effect::Switch(to));
        effects.push(Effect::Release(std::mem::take(&mut self.rows)));
        self.forget_arranging(effects);
        self.rows = Rows::default();
        self.marks = Marks::default();
        self.summary = Summary::default();
        self.total = 0;
        self.farm = None;
        self.farms = Vec::new();
        self.missing = Vec::new();
        self.progress = None;
        self.open = None;
        self.toast = None;
        self.top = 0;
        self.samples.clear();
        self.has_history = false;
        self.survey = None;
        self.alert = 0;
        for table in [&mut self.nodes, &mut self.registrations, &mut self.rewards] {
            table.empty();
        }
        // Answers about the place that was left are older than what will be shown.
        self.shown_load = self.asked_load;
        self.is_loading = false;
        self.load_took = Duration::ZERO;
        self.load_first(effects);
        self.ask_if_due(effects);
        self.look_back(effects);
        if self.view == View::Media {
            self.survey(effects);
        }
    }
}
