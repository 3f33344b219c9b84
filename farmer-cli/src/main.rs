//! `farmer`: parses the command line, calls the libraries, prints. Only `main` ends the process.

mod args;
mod blocking;
mod commands;
mod download;
mod environment;
mod exit;
mod failure;
mod logging;
mod page;
mod printer;
mod progress;
mod settings;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::printer::Printer;

fn main() -> ExitCode {
    Environment::name_database_user();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap knows whether this is help (standard output) or a complaint (standard error).
            let _ = error.print();
            return if error.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Ok
            }
            .into();
        }
    };
    let environment = Environment::capture();
    let global = cli.global.clone();
    let printer = Printer::new(global.output, global.color, global.out, global.quiet);
    logging::start(global.verbose, environment.log_filter(), &printer);
    // One provider for the whole program; a second one linked in by accident must not be chosen.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed before");
    }
    match commands::run(cli, &environment, &printer) {
        Ok(status) => status.into(),
        Err(failure) => {
            printer.failure(&failure);
            failure.status.into()
        }
    }
}
