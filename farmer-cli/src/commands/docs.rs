//! `farmer help`, `farmer man`, `farmer completions`: all made of the argument definitions.

use clap::CommandFactory as _;
use serde::Serialize;

use super::Context;
use crate::args::{Cli, CompletionsArgs, HelpArgs, ManArgs};
use crate::environment::VARIABLES;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

/// `farmer completions`
pub fn completions(context: &Context<'_>, args: &CompletionsArgs) -> Outcome<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "farmer", &mut script);
    context.printer.raw(&script)?;
    Ok(ExitStatus::Ok)
}

/// `farmer man`
pub fn man(args: &ManArgs) -> Outcome<ExitStatus> {
    let Some(dir) = &args.out else {
        return Err(Failure::new(ExitStatus::Usage, "no directory is named"));
    };
    std::fs::create_dir_all(dir).map_err(|error| Failure::io("creating", dir, error))?;
    clap_mangen::generate_to(Cli::command(), dir)
        .map_err(|error| Failure::io("writing manual pages into", dir, error))?;
    Ok(ExitStatus::Ok)
}

#[derive(Serialize)]
struct ExitCodeRow {
    code: u8,
    name: &'static str,
    meaning: &'static str,
}

#[derive(Serialize)]
#[serde(transparent)]
struct ExitCodes(Vec<ExitCodeRow>);

impl Show for ExitCodes {
    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self
            .0
            .iter()
            .map(|row| {
                vec![
                    row.code.to_string(),
                    row.name.to_owned(),
                    row.meaning.to_owned(),
                ]
            })
            .collect();
        page.table(
            &[
                ("CODE", Align::Right),
                ("NAME", Align::Left),
                ("MEANING", Align::Left),
            ],
            &rows,
        );
    }
}

#[derive(Serialize)]
struct VariableRow {
    name: &'static str,
    meaning: &'static str,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Variables(Vec<VariableRow>);

impl Show for Variables {
    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self
            .0
            .iter()
            .map(|row| vec![row.name.to_owned(), row.meaning.to_owned()])
            .collect();
        page.table(
            &[("VARIABLE", Align::Left), ("MEANING", Align::Left)],
            &rows,
        );
    }
}

/// `farmer help`
pub fn help(context: &Context<'_>, args: &HelpArgs) -> Outcome<ExitStatus> {
    match args.words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["exit-codes"] => context.printer.data(&ExitCodes(
            ExitStatus::ALL
                .into_iter()
                .map(|status| ExitCodeRow {
                    code: status.code(),
                    name: status.name(),
                    meaning: status.meaning(),
                })
                .collect(),
        ))?,
        ["environment"] => context.printer.data(&Variables(
            VARIABLES
                .into_iter()
                .map(|(name, meaning)| VariableRow { name, meaning })
                .collect(),
        ))?,
        ref words => context.printer.raw(command_help(words)?.as_bytes())?,
    }
    Ok(ExitStatus::Ok)
}

fn command_help(words: &[&str]) -> Outcome<String> {
    let mut root = Cli::command();
    root.build();
    let mut command = &mut root;
    for word in words {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            Failure::new(
                ExitStatus::Usage,
                format!("there is no command or topic {word:?}"),
            )
            .with_hint("`farmer --help` lists the commands; topics: exit-codes, environment")
        })?;
    }
    Ok(command.render_long_help().to_string())
}
