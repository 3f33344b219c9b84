//! The overview: its alerts, and what passed, read when somebody looks and added to while this runs.

use directory::cache::{NodeEvent, Sample};

use super::State;
use crate::command::View;
use crate::event::Effect;
use crate::health::Freshness;
use crate::history;
use crate::summary::Alert;

impl State {
    /// What deserves attention; nothing before all nodes are known.
    pub(crate) fn alerts(&self) -> Vec<Alert> {
        if self.is_partial() || (self.as_of.is_none() && self.rows.is_empty()) {
            return Vec::new();
        }
        self.summary.alerts()
    }

    /// Lists the nodes that the selected alert is about.
    pub(super) fn follow_alert(&mut self, effects: &mut Vec<Effect>) {
        let alerts = self.alerts();
        let Some(alert) = alerts.get(self.alert.min(alerts.len().saturating_sub(1))) else {
            return;
        };
        let (view, filter) = match alert.filter {
            // They have a view of their own.
            "state:pending" => (View::Registrations, ""),
            filter => (View::Nodes, filter),
        };
        self.go(view, effects);
        if let Some(table) = self.table_mut() {
            // Our own filters can be read.
            let _ = table.set_filter(filter);
        }
        self.arrange_shown("filtering", effects);
        effects.push(Effect::Remember(Box::new(self.preferences())));
    }

    /// Asks for what passed when the overview is shown, and keeps what is true now.
    pub(super) fn look_back(&mut self, effects: &mut Vec<Effect>) {
        if self.view == View::Overview && !self.has_history {
            self.has_history = true;
            effects.push(Effect::History { place: self.at });
        }
        let at = history::sample_time(self.wall);
        let is_kept = self.samples.last().is_some_and(|last| last.at >= at);
        // What an earlier session saw is no news, and a part of the nodes not the whole.
        let freshness = self.health.freshness(self.now, self.settings.interval);
        let is_true_now = matches!(freshness, Freshness::Live(_))
            && self.health.failures == 0
            && self.shown_load > 0
            && !(self.is_loading || self.is_behind || self.is_arranging())
            && !self.is_partial();
        if is_true_now && !is_kept && self.summary.nodes > 0 {
            let sample = history::sample(&self.summary, self.wall);
            history::add(&mut self.samples, sample);
            effects.push(Effect::Record(sample));
        }
    }

    pub(super) fn take_history(&mut self, answer: Result<Vec<Sample>, String>) {
        match answer {
            // What was seen since it was asked for is newer.
            Ok(mut samples) => {
                for sample in std::mem::take(&mut self.samples) {
                    history::add(&mut samples, sample);
                }
                self.samples = samples;
            }
            Err(error) => self.note(format!("the cache: {error}"), true),
        }
    }

    pub(super) fn take_node_history(
        &mut self,
        generation: u64,
        answer: Result<Vec<NodeEvent>, String>,
    ) {
        let open = self.open.as_mut();
        let Some(open) = open.filter(|open| open.generation == generation) else {
            return;
        };
        match answer {
            Ok(events) => open.events = events,
            Err(error) => self.note(format!("the cache: {error}"), true),
        }
    }
}
