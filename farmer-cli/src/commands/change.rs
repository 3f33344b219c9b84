//! Changing something: show the difference, ask, do it, tell what was done.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use directory::client::Client;
use directory::desired::Step;
use directory::sign::Signer;
use hw_probe::text::Untrusted;
use serde::Serialize;

use super::Context;
use crate::args::ChangeArgs;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

/// What was, or would be, changed.
#[derive(Serialize)]
struct Report {
    /// Whether all of it was done.
    done: bool,
    steps: Vec<Reported>,
}

#[derive(Serialize)]
struct Reported {
    #[serde(flatten)]
    step: Step,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_id: Option<u64>,
    error: Option<String>,
}

impl Show for Report {
    fn show(&self, page: &mut Page) {
        if self.steps.is_empty() {
            page.line("nothing to do");
            return;
        }
        let mut rows = Vec::new();
        for reported in &self.steps {
            let outcome = match (&reported.error, reported.created_id, reported.done) {
                (Some(error), ..) => format!("failed: {}", Untrusted::from(error.as_str())),
                (None, Some(id), true) => format!("created as farm {id}"),
                (None, None, true) => "done".to_owned(),
                (None, _, false) => "not done".to_owned(),
            };
            let text = |value: &Option<Untrusted>| {
                value.as_ref().map_or("-".to_owned(), Untrusted::to_string)
            };
            for change in &reported.step.changes {
                rows.push(vec![
                    reported.step.subject.to_string(),
                    change.field.to_owned(),
                    text(&change.from),
                    text(&change.to),
                    outcome.clone(),
                ]);
            }
        }
        page.table(
            &[
                ("WHAT", Align::Left),
                ("FIELD", Align::Left),
                ("NOW", Align::Left),
                ("THEN", Align::Left),
                ("", Align::Left),
            ],
            &rows,
        );
    }
}

/// Carries steps out, after asking if nobody said yes.
pub async fn carry_out(
    context: &Context<'_>,
    steps: Vec<Step>,
    client: &Client,
    owner: &Signer,
    args: &ChangeArgs,
) -> Outcome<ExitStatus> {
    let steps = steps.into_iter().map(|step| Reported {
        step,
        done: false,
        created_id: None,
        error: None,
    });
    let mut report = Report {
        done: false,
        steps: steps.collect(),
    };
    if report.steps.is_empty() || args.dry_run {
        report.done = report.steps.is_empty();
        context.printer.data(&report)?;
        return Ok(ExitStatus::Ok);
    }
    if !args.yes {
        let mut page = Page::default();
        report.show(&mut page);
        let verb = "change this";
        confirm(context, verb, &page.finish())?;
    }
    let mut failure = None;
    for reported in &mut report.steps {
        match reported.step.run(client, owner).await {
            Ok(created) => {
                reported.done = true;
                reported.created_id = created;
            }
            Err(error) => {
                let error =
                    Failure::from(error).context(format!("changing {}", reported.step.subject));
                reported.error = Some(error.chain().join(": "));
                failure = Some(error);
                // What comes behind may depend on it.
                break;
            }
        }
    }
    let Some(failure) = failure else {
        report.done = true;
        context.printer.data(&report)?;
        return Ok(ExitStatus::Ok);
    };
    if !report.steps.iter().any(|reported| reported.done) {
        return Err(failure);
    }
    context.printer.data(&report)?;
    context.printer.failure(&failure);
    Ok(ExitStatus::Partial)
}

/// Shows what it is about and asks on the terminal; the default is no. `verb` completes "to …".
pub fn confirm(context: &Context<'_>, verb: &str, what: &str) -> Outcome<()> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::new(ExitStatus::Usage, "nobody is there to confirm").with_hint(format!(
                "add `--yes` to {verb} without being asked, `--dry-run` to see it"
            )),
        );
    }
    context.printer.prompt(what);
    context.printer.prompt("go ahead? [y/N] ");
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::io("reading", Path::new("your answer"), error))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(ExitStatus::Interrupted, "nothing was changed"))
}
