//! Tables are put in order elsewhere: what is asked for, what comes back, and which keys wait for it.
//!
//! The picture never waits. Until the new order is there the old one is shown, with a word about
//! what is going on; keys that are about the listing wait for the listing they were meant for.

use crossterm::event::KeyEvent;

use super::{Prompt, State};
use crate::arrange::{Arrange, Arranged, Find};
use crate::command::{Binding, View};
use crate::event::{Effect, Snapshot};
use crate::rows::Marks;
use crate::table::Table;

/// Keys kept for a listing that is on its way.
const HELD: usize = 256;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arranging {
    /// The tables.
    views: Vec<View>,
    sums_up: bool,
    /// Rows that are shown when they are in order.
    incoming: Option<Box<Snapshot>>,
    /// What somebody waits for, if anybody does.
    word: Option<&'static str>,
}

impl State {
    /// What is being done to the listing, in words.
    pub(crate) fn at_work(&self) -> Option<String> {
        let word = match &self.finding {
            Some(_) => "finding",
            None => self.arranging.as_ref()?.word?,
        };
        Some(match self.held.len() {
            0 => word.to_owned(),
            1 => format!("{word}, 1 key waits"),
            keys => format!("{word}, {keys} keys wait"),
        })
    }

    /// Whether the picture will soon be another without anybody doing anything: the first rows are
    /// on their way, or those shown are being put in order.
    pub(crate) fn changes_soon(&self) -> bool {
        self.is_arranging() || (self.is_loading && self.rows.is_empty())
    }

    /// Whether a table is being put in order, or a node looked for.
    pub(crate) fn is_arranging(&self) -> bool {
        self.arranging.is_some() || self.finding.is_some()
    }

    /// Asks for the table shown to be filtered and sorted anew; `word` is for who waits for it.
    pub(super) fn arrange_shown(&mut self, word: &'static str, effects: &mut Vec<Effect>) {
        let shown = self.view_of_table();
        self.arrange(
            Arranging {
                views: vec![shown],
                word: Some(word),
                ..Arranging::default()
            },
            effects,
        );
    }

    /// The same because time has passed.
    pub(super) fn arrange_later(&mut self, sums_up: bool, effects: &mut Vec<Effect>) {
        let views = vec![self.view_of_table()];
        self.arrange(
            Arranging {
                views,
                sums_up,
                ..Arranging::default()
            },
            effects,
        );
    }

    /// Rows that are to take the place of those shown.
    pub(super) fn arrange_incoming(&mut self, snapshot: Snapshot, effects: &mut Vec<Effect>) {
        self.arrange(
            Arranging {
                views: vec![View::Nodes, View::Registrations, View::Rewards],
                sums_up: true,
                incoming: Some(Box::new(snapshot)),
                word: None,
            },
            effects,
        );
    }

    fn view_of_table(&self) -> View {
        if self.view.is_table() {
            self.view
        } else {
            View::Nodes
        }
    }

    /// A new request takes the place of one without an answer, and asks for what that one did too.
    fn arrange(&mut self, mut wanted: Arranging, effects: &mut Vec<Effect>) {
        if let Some(before) = self.arranging.take() {
            wanted.sums_up |= before.sums_up;
            wanted.word = wanted.word.or(before.word);
            for view in before.views {
                if !wanted.views.contains(&view) {
                    wanted.views.push(view);
                }
            }
            match (before.incoming, &wanted.incoming) {
                (Some(old), Some(_)) => effects.push(Effect::Release(old.rows)),
                (old, None) => wanted.incoming = old,
                (None, Some(_)) => {}
            }
        }
        self.last_arrange += 1;
        let (rows, marks, missing) = match &wanted.incoming {
            Some(new) => (&new.rows, self.marks_in(new), &new.missing),
            None => (&self.rows, self.marks.clone(), &self.missing),
        };
        effects.push(Effect::Arrange(Box::new(Arrange {
            generation: self.last_arrange,
            rows: rows.clone(),
            wall: self.wall,
            marks,
            missing: missing.clone(),
            tables: wanted
                .views
                .iter()
                .filter_map(|view| Some((*view, self.table_of(*view)?.query())))
                .collect(),
            sums_up: wanted.sums_up,
        })));
        self.arranging = Some(wanted);
    }

    /// Drops what was asked for, also when the answer comes.
    pub(super) fn forget_arranging(&mut self, effects: &mut Vec<Effect>) {
        let incoming = self.arranging.take().and_then(|asked| asked.incoming);
        effects.extend(incoming.map(|snapshot| Effect::Release(snapshot.rows)));
        self.last_arrange += 1;
        self.stop_finding();
        self.held.clear();
    }

    fn marks_in(&self, snapshot: &Snapshot) -> Marks {
        if self.marks.is_empty() {
            return Marks::default();
        }
        self.marks.moved(&self.rows, &snapshot.rows)
    }

    pub(super) fn take_arranged(
        &mut self,
        generation: u64,
        arranged: Arranged,
        effects: &mut Vec<Effect>,
    ) {
        if generation != self.last_arrange {
            return;
        }
        let Some(done) = self.arranging.take() else {
            return;
        };
        if let Some(snapshot) = done.incoming {
            self.show(*snapshot, effects);
        }
        if let Some(summary) = arranged.summary {
            self.summary = *summary;
        }
        let (rows, now) = (self.rows.clone(), self.now);
        for (view, order) in arranged.orders {
            if let Some(table) = self.table_of_mut(view) {
                table.arrange(order, &rows, now);
            }
        }
        // What was looked for in the old listing is looked for in the new one.
        if let Some(letters) = self.finding.take() {
            self.find(letters, effects);
        }
        if self.is_partial() && !self.is_loading {
            self.load(None, effects);
        }
        self.press_held(effects);
    }

    /// Takes the place of what is shown.
    fn show(&mut self, snapshot: Snapshot, effects: &mut Vec<Effect>) {
        self.marks = self.marks_in(&snapshot);
        let before = std::mem::replace(&mut self.rows, snapshot.rows);
        if !before.is_empty() {
            effects.push(Effect::Release(before));
        }
        self.total = snapshot.total;
        self.farm = snapshot.farm.or(self.farm.take());
        self.farms = snapshot.farms;
        self.missing = snapshot.missing;
        self.as_of = self.as_of.max(snapshot.as_of);
        self.counted_at = self.now;
    }

    /// Looks for the node these letters fit best, now or when the listing is there.
    pub(super) fn find(&mut self, letters: String, effects: &mut Vec<Effect>) {
        self.last_find += 1;
        if self.arranging.is_none()
            && let Some(table) = self.table_shown()
        {
            effects.push(Effect::Find(Find {
                generation: self.last_find,
                rows: self.rows.clone(),
                order: table.order(),
                letters: letters.clone(),
            }));
        }
        self.finding = Some(letters);
    }

    /// An answer that comes later is dropped.
    pub(super) fn stop_finding(&mut self) {
        self.last_find += 1;
        self.finding = None;
    }

    pub(super) fn take_found(
        &mut self,
        generation: u64,
        line: Option<usize>,
        effects: &mut Vec<Effect>,
    ) {
        if generation != self.last_find || self.finding.take().is_none() {
            return;
        }
        if let Some(Prompt::Find { found, .. }) = &mut self.prompt {
            *found = line.is_some();
        }
        let rows = self.rows.clone();
        if let (Some(line), Some(table)) = (line, self.table_mut()) {
            table.select_line(line, &rows);
        }
        self.press_held(effects);
    }

    /// Keeps a key that is about a listing which is still on its way.
    pub(super) fn holds(&mut self, key: KeyEvent) -> bool {
        let somebody_waits = self.at_work().is_some();
        let needs_listing = self.prompt.is_none()
            && Binding::of(key).is_some_and(|binding| binding.command.is_about_listing());
        let must_wait = somebody_waits && (needs_listing || !self.held.is_empty());
        if must_wait && self.held.len() < HELD {
            self.held.push_back(key);
        }
        must_wait
    }

    fn press_held(&mut self, effects: &mut Vec<Effect>) {
        for key in std::mem::take(&mut self.held) {
            self.key(key, effects);
        }
    }

    fn table_of(&self, view: View) -> Option<&Table> {
        match view {
            View::Nodes => Some(&self.nodes),
            View::Registrations => Some(&self.registrations),
            View::Rewards => Some(&self.rewards),
            _ => None,
        }
    }

    fn table_of_mut(&mut self, view: View) -> Option<&mut Table> {
        match view {
            View::Nodes => Some(&mut self.nodes),
            View::Registrations => Some(&mut self.registrations),
            View::Rewards => Some(&mut self.rewards),
            _ => None,
        }
    }

    /// The table that is shown, if the view has one.
    pub(crate) fn table_shown(&self) -> Option<&Table> {
        self.table_of(self.view)
    }

    pub(super) fn table_mut(&mut self) -> Option<&mut Table> {
        self.table_of_mut(self.view)
    }
}
