//! Changes of the directory: who is meant, and how much agreement each needs.
//!
//! What can be taken back is done at once, with an offer to undo it; what disturbs asks first; what
//! cannot be taken back, or is about many nodes, wants a name typed.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};
use directory::desired::DesiredFarm;
use directory::identity::NodeId;
use directory::wire::{Farm, NodeState};

use super::{Confirm, Consent, Deed, Prompt, State};
use crate::event::{Action, Effect};
use crate::form::Form;
use crate::form::farm::differences;
use crate::input::Input;
use crate::jobs::{Job, Toast, keep};
use crate::node::duration_text;
use crate::row::NodeRow;

/// From this many nodes on, a name has to be typed.
const MANY: usize = 10;
/// How long a message stays.
const TOAST: Duration = Duration::from_secs(5);
/// How long something can be taken back.
const UNDO: Duration = Duration::from_secs(10);

impl State {
    /// The nodes an action is about: the open one, else the marked ones, else the selected one.
    fn targets(&self) -> Vec<&NodeRow> {
        if self.open.is_some() || self.marks.is_empty() {
            return self.node_at_hand().into_iter().collect();
        }
        self.marks
            .iter()
            .filter_map(|at| self.rows.get(at as usize))
            .collect()
    }

    /// `node-3`, `12 nodes, 3 of them not listed`
    fn targets_text(&self, targets: &[&NodeRow]) -> String {
        if let [one] = targets {
            return one.name();
        }
        let listed = self.table_shown().map_or(0, |table| {
            let order = table.order();
            order.iter().filter(|row| self.marks.has(**row)).count()
        });
        let hidden = targets.len().saturating_sub(listed);
        match hidden {
            0 => format!("{} nodes", targets.len()),
            hidden => format!("{} nodes, {hidden} of them not listed", targets.len()),
        }
    }

    /// What has to be typed for something about these nodes.
    fn name_to_type(&self, targets: &[&NodeRow]) -> String {
        match (targets, &self.farm) {
            ([one], _) => one.name(),
            (_, Some(farm)) => farm.name.to_string(),
            (many, None) => format!("{} nodes", many.len()),
        }
    }

    pub(super) fn decide(&mut self, to: NodeState, effects: &mut Vec<Effect>) {
        let targets = self.targets();
        let changing: Vec<&NodeRow> = targets
            .iter()
            .copied()
            // Approving again ends what was noticed of two machines.
            .filter(|row| row.decision != to || (row.two_boards && to == NodeState::Approved))
            .collect();
        let whom = self.targets_text(&targets);
        if changing.is_empty() {
            let verb = if targets.len() == 1 { "is" } else { "are" };
            return self.say(format!("{whom} {verb} {to} already"), false, None);
        }
        let action = Action::Decide(changing.iter().map(|row| (row.node_id, to)).collect());
        let before: Vec<_> = changing
            .iter()
            .filter(|row| row.decision != to)
            .map(|row| (row.node_id, row.decision))
            .collect();
        let undo = (!before.is_empty()).then_some(Action::Decide(before));
        let verb = if to == NodeState::Blocked {
            "block"
        } else {
            "approve"
        };
        let what = format!("{verb} {whom}");
        let many = changing.len() > MANY;
        if to == NodeState::Approved && !many {
            return self.act(action, what, undo, effects);
        }
        let lines = if to == NodeState::Blocked {
            vec![
                "It can then neither register with the farm nor report, and is".to_owned(),
                "offered to nobody. Approving it lets it back in.".to_owned(),
            ]
        } else {
            vec!["Approved nodes are offered to users and can be rewarded.".to_owned()]
        };
        let consent = if many {
            Consent::Typed {
                expected: self.name_to_type(&changing),
                input: Input::default(),
            }
        } else {
            Consent::Button { focused: false }
        };
        self.prompt = Some(Prompt::Confirm(Confirm {
            title: format!("{}?", capitalised(&what)),
            lines,
            deed: Deed::Change(action, undo),
            what,
            consent,
            form: None,
        }));
    }

    pub(super) fn delete(&mut self) {
        let targets = self.targets();
        let Some(first) = targets.first() else { return };
        let alive = targets
            .iter()
            .filter(|row| row.age_seconds(self.wall).is_some_and(|age| age < 3600))
            .count();
        let what = format!("delete {}", self.targets_text(&targets));
        let mut lines = vec![format!(
            "This cannot be undone. {} forgotten by the directory.",
            if targets.len() == 1 {
                "The node is"
            } else {
                "The nodes are"
            },
        )];
        match (alive, targets.len()) {
            (0, 1) => lines.push(match first.age_seconds(self.wall) {
                Some(age) => format!("It last reported {} ago.", duration_text(age)),
                None => "It never reported.".to_owned(),
            }),
            (0, _) => {}
            (_, 1) => lines.push(format!(
                "{} is alive: it will register again as pending. Block it instead?",
                first.name()
            )),
            (alive, _) => lines.push(format!(
                "{alive} of them are alive: they will register again as pending."
            )),
        }
        self.prompt = Some(Prompt::Confirm(Confirm {
            title: format!("{}?", capitalised(&what)),
            lines,
            deed: Deed::Change(
                Action::Delete(targets.iter().map(|r| (r.farm_id, r.node_id)).collect()),
                None,
            ),
            consent: Consent::Typed {
                expected: self.name_to_type(&targets),
                input: Input::default(),
            },
            what,
            form: None,
        }));
    }

    pub(super) fn toggle_free(&mut self, effects: &mut Vec<Effect>) {
        let targets = self.targets();
        let Some(first) = targets.first() else { return };
        let to = !first.free_to_use;
        let whom = self.targets_text(&targets);
        let action = Action::FreeToUse(targets.iter().map(|r| (r.node_id, to)).collect());
        let undo = Action::FreeToUse(
            targets
                .iter()
                .map(|row| (row.node_id, row.free_to_use))
                .collect(),
        );
        let what = if to {
            format!("accept FreeTFT on {whom}")
        } else {
            format!("no longer accept FreeTFT on {whom}")
        };
        if targets.len() <= MANY {
            return self.act(action, what, Some(undo), effects);
        }
        let expected = self.name_to_type(&targets);
        self.prompt = Some(Prompt::Confirm(Confirm {
            title: format!("{}?", capitalised(&what)),
            lines: Vec::new(),
            deed: Deed::Change(action, Some(undo)),
            what,
            consent: Consent::Typed {
                expected,
                input: Input::default(),
            },
            form: None,
        }));
    }

    pub(super) fn ask_where_to(&mut self) {
        // The marked one, if it is only one.
        let id = self.targets().first().map(|row| row.node_id);
        self.prompt = id.map(|id| Prompt::Move {
            input: Input::default(),
            id,
        });
    }

    pub(super) fn move_key(&mut self, mut input: Input, id: NodeId, key: KeyEvent) {
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Enter => {
                let from = self.row_of(id).map(|row| (row.name(), row.farm_id));
                match (input.text().trim().parse::<u64>(), from) {
                    (Ok(to), Some((name, from))) if to > 0 && to != from => {
                        return self.propose_move(id, &name, to);
                    }
                    (Ok(to), Some((name, from))) if to == from => {
                        self.say(format!("{name} is in farm {to} already"), true, None);
                    }
                    (_, None) => return self.say("the node is gone".to_owned(), true, None),
                    _ => self.say("the number of a farm, such as 2".to_owned(), true, None),
                }
            }
            _ => {
                input.key(key);
            }
        }
        self.prompt = Some(Prompt::Move { input, id });
    }

    fn propose_move(&mut self, id: NodeId, name: &str, to: u64) {
        let farm = self.farms.iter().find(|farm| farm.id == to);
        let farm = farm.map_or(format!("farm {to}"), |farm| {
            format!("farm {to} {}", farm.name)
        });
        self.prompt = Some(Prompt::Confirm(Confirm {
            title: format!("Prepare the move of {name} to {farm}?"),
            lines: vec![
                "The node moves itself when it boots with the new farm id: only its key can sign"
                    .to_owned(),
                "that. If the farm is yours a token for it is made, good for 7 days, and what the"
                    .to_owned(),
                "farm.toml of its stick has to say is copied to your clipboard.".to_owned(),
            ],
            deed: Deed::Change(Action::Move(id, to), None),
            what: format!("prepare the move of {name} to {farm}"),
            consent: Consent::Button { focused: false },
            form: None,
        }));
    }

    /// Asks whether a farm is to be changed: rewards go to its wallets.
    pub(super) fn propose_farm(
        &mut self,
        farm: &Farm,
        (wish, back): (DesiredFarm, DesiredFarm),
        form: Box<Form>,
    ) {
        let lines = differences(farm, &wish);
        if lines.is_empty() {
            self.prompt = None;
            return self.say("nothing was changed".to_owned(), false, None);
        }
        self.prompt = Some(Prompt::Confirm(Confirm {
            title: format!("Change farm {}?", farm.name),
            what: format!("change farm {}: {}", farm.name, lines.join("; ")),
            lines,
            deed: Deed::Change(
                Action::ChangeFarm(Box::new(wish)),
                Some(Action::ChangeFarm(Box::new(back))),
            ),
            consent: Consent::Button { focused: false },
            form: Some(form),
        }));
    }

    /// Does what was agreed to.
    pub(super) fn carry_out(&mut self, confirm: Confirm, effects: &mut Vec<Effect>) {
        match confirm.deed {
            Deed::Change(action, undo) => self.act(action, confirm.what, undo, effects),
            Deed::Make(order) => self.make(order, effects),
        }
    }

    pub(super) fn act(
        &mut self,
        action: Action,
        what: String,
        undo: Option<Action>,
        effects: &mut Vec<Effect>,
    ) {
        let job = self.begin_job(what, undo);
        if let (Action::Move(..), Some(begun)) = (&action, self.jobs.back_mut()) {
            begun.is_copied = true;
        }
        effects.push(Effect::Act { job, action });
    }

    pub(super) fn begin_job(&mut self, what: String, undo: Option<Action>) -> u64 {
        self.last_job += 1;
        let job = Job {
            number: self.last_job,
            what,
            begun: self.wall.secs,
            outcome: None,
            undo,
            medium: None,
            is_copied: false,
        };
        keep(&mut self.jobs, job);
        self.last_job
    }

    pub(super) fn take_done(
        &mut self,
        number: u64,
        answer: Result<String, String>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(job) = self.jobs.iter_mut().find(|job| job.number == number) else {
            return;
        };
        // On one line of the list.
        let shown = |text: &String| text.trim_end().replace('\n', "   ");
        job.outcome = Some(answer.as_ref().map(shown).map_err(Clone::clone));
        let (what, undo) = (job.what.clone(), job.undo.take());
        match answer {
            Ok(text) if job.is_copied => {
                self.note(format!("{what}: done"), false);
                let text_of_toast =
                    "copied what goes into the farm.toml of its stick; Jobs shows it";
                self.say(text_of_toast.to_owned(), false, None);
                effects.push(Effect::Copy(text));
            }
            Ok(text) => {
                self.note(format!("{what}: {text}"), false);
                self.say(text, false, undo);
            }
            Err(error) => {
                self.note(format!("{what}: {error}"), true);
                self.say(format!("cannot {what}: {error}"), true, None);
            }
        }
        self.refresh_now = true;
        self.is_awaited = true;
        self.ask_if_due(effects);
    }

    /// What can be taken back now.
    pub(crate) fn undo(&self) -> Option<&Action> {
        self.toast.as_ref()?.undo.as_ref()
    }

    pub(super) fn take_back(&mut self, effects: &mut Vec<Effect>) {
        if let Some(action) = self.toast.take().and_then(|toast| toast.undo) {
            self.act(action, "undo".to_owned(), None, effects);
        }
    }

    /// Puts a message at the bottom for a while.
    pub(super) fn say(&mut self, text: String, is_bad: bool, undo: Option<Action>) {
        let stays = if undo.is_some() { UNDO } else { TOAST };
        self.toast = Some(Toast {
            text,
            is_bad,
            undo,
            until: self.now + stays,
        });
    }
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next()
        .map(|first| first.to_uppercase().chain(rest).collect())
        .unwrap_or_default()
}
