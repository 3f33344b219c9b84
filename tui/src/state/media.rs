//! Boot media: what is ordered, how the work on it goes on, what came of it.

use super::{Confirm, Consent, Deed, Prompt, State};
use crate::command::{Command, Unavailable, View};
use crate::event::Effect;
use crate::form::{self, Form};
use crate::jobs::{Job, Medium};
use crate::media::{Checked, Made, Order, Progress};

impl State {
    /// The medium that is being made.
    pub(crate) fn medium_under_way(&self) -> Option<(&Job, &Medium)> {
        let running = self.jobs.iter().filter(|job| job.outcome.is_none());
        running
            .filter_map(|job| Some((job, job.medium.as_deref()?)))
            .next()
    }

    /// Whether a command about media can be given now.
    pub(crate) fn may_make(&self, command: Command) -> Result<(), Unavailable> {
        let because = |why: String| Err(Unavailable::Because(why));
        let under_way = self.medium_under_way();
        if command == Command::CancelWork {
            return match under_way {
                Some((_, medium)) if medium.is_cancelled => {
                    because("it is being stopped already".to_owned())
                }
                Some(_) => Ok(()),
                None => Err(Unavailable::Elsewhere),
            };
        }
        if self.settings.read_only {
            return because("started with --read-only".to_owned());
        }
        if let Some((_, medium)) = under_way {
            let file = medium.order.target().display();
            return because(format!("one at a time: {file} is being made; X stops it"));
        }
        match (command, &self.survey) {
            (Command::BuildMedium, None) => because("not known yet what there is".to_owned()),
            (Command::BuildMedium, Some(Err(why))) => because(why.clone()),
            (Command::BuildMedium, Some(Ok(survey))) => match &survey.no_build {
                Some(lack) => because(format!("{}; {}", lack.why, lack.advice)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    pub(super) fn survey(&mut self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Survey { place: self.at });
    }

    pub(super) fn order_medium(&mut self, form: Form) {
        self.prompt = Some(Prompt::Form(Box::new(form)));
    }

    /// The form about the image that was made last, if one was.
    pub(super) fn customize_form(&self) -> Form {
        let made = self.jobs.iter().rev().find_map(|job| {
            let made = job.medium.as_ref()?.made.as_ref()?;
            Some(made.file.display().to_string())
        });
        form::media::customize(self.settings.farm_id, &made.unwrap_or_default())
    }

    /// Asks whether an order can be carried out.
    pub(super) fn check_order(&mut self, order: Order, effects: &mut Vec<Effect>) -> u64 {
        self.last_check += 1;
        effects.push(Effect::Check {
            asked: self.last_check,
            order,
        });
        self.last_check
    }

    pub(super) fn take_checked(
        &mut self,
        asked: u64,
        answer: Result<Checked, String>,
        effects: &mut Vec<Effect>,
    ) {
        // A form that was left or changed since waits for no answer.
        let Some(Prompt::Form(form)) = &mut self.prompt else {
            return;
        };
        if form.asked != Some(asked) {
            return;
        }
        form.asked = None;
        match answer {
            Ok(checked) => {
                let form = form.clone();
                self.prompt = None;
                self.propose_medium(checked, form, effects);
            }
            Err(why) => form.note = Some(why),
        }
    }

    /// Begins at once, or asks first if something would be lost.
    fn propose_medium(&mut self, checked: Checked, form: Box<Form>, effects: &mut Vec<Effect>) {
        let order = checked.order;
        let changes_itself = matches!(&order, Order::Customize(change) if change.file.is_none());
        if !checked.replaces && checked.changes.is_empty() {
            if changes_itself {
                let text = "nothing changes: the image has these values already";
                return self.say(text.to_owned(), false, None);
            }
            return self.make(order, effects);
        }
        let file = order.target().display().to_string();
        let mut lines = checked.changes;
        let title = if checked.replaces {
            lines.insert(0, format!("{file} is there already and would be lost."));
            format!("Replace {file}?")
        } else if changes_itself {
            format!("Change {file}?")
        } else {
            format!("Write {file}?")
        };
        lines.push(order.command_line());
        self.prompt = Some(Prompt::Confirm(Confirm {
            title,
            lines,
            what: order.what(),
            deed: Deed::Make(order.overwriting()),
            consent: Consent::Button { focused: false },
            form: Some(form),
        }));
    }

    pub(super) fn make(&mut self, order: Order, effects: &mut Vec<Effect>) {
        let number = self.begin_job(order.what(), None);
        if let Some(job) = self.jobs.back_mut() {
            job.medium = Some(Box::new(Medium {
                order: order.clone(),
                stage: "beginning".to_owned(),
                bytes: None,
                warnings: Vec::new(),
                made: None,
                begun: self.now,
                ended: None,
                is_cancelled: false,
            }));
        }
        self.view = View::Media;
        self.top = 0;
        effects.push(Effect::Make { job: number, order });
    }

    pub(super) fn take_working(&mut self, number: u64, progress: Progress) {
        let mut warning = None;
        let job = self.jobs.iter_mut().find(|job| job.number == number);
        let Some(medium) = job.and_then(|job| job.medium.as_mut()) else {
            return;
        };
        match progress {
            Progress::Stage(stage) => {
                medium.stage = stage;
                medium.bytes = None;
            }
            Progress::Bytes { done, total } => medium.bytes = Some((done, total)),
            Progress::Warning(text) => {
                medium.warnings.push(text.clone());
                warning = Some(text);
            }
        }
        if let Some(text) = warning {
            self.note(text, true);
        }
    }

    pub(super) fn take_made(
        &mut self,
        number: u64,
        answer: Result<Made, String>,
        effects: &mut Vec<Effect>,
    ) {
        let now = self.now;
        let Some(job) = self.jobs.iter_mut().find(|job| job.number == number) else {
            return;
        };
        let what = job.what.clone();
        let outcome = answer.as_ref().map(Made::text).map_err(Clone::clone);
        job.outcome = Some(outcome.clone());
        if let Some(medium) = job.medium.as_mut() {
            medium.ended = Some(now);
            medium.made = answer.ok();
        }
        match outcome {
            Ok(text) => {
                self.note(format!("{what}: {text}"), false);
                self.say(text, false, None);
            }
            Err(error) => {
                self.note(format!("{what}: {error}"), true);
                self.say(format!("cannot {what}: {error}"), true, None);
            }
        }
        // A bootkit may have been fetched on the way.
        self.survey(effects);
    }

    pub(super) fn cancel_work(&mut self, effects: &mut Vec<Effect>) {
        let mut running = self.jobs.iter_mut().filter(|job| job.outcome.is_none());
        let Some((number, medium)) =
            running.find_map(|job| Some((job.number, job.medium.as_mut()?)))
        else {
            return;
        };
        medium.is_cancelled = true;
        effects.push(Effect::Cancel { job: number });
    }
}
