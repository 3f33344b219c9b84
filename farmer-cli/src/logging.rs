//! Logs go to standard error. They are for finding faults; what a user should read is printed.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::printer::Printer;

/// Starts logging: warnings by default, more with `-v`, errors only with `-q`; `FARMER_LOG` beats
/// all of them.
pub fn start(verbose: u8, filter: Option<&str>, printer: &Printer) {
    let ours = |level: &str| {
        format!("warn,farmer={level},directory={level},hw_probe={level},image_builder={level}")
    };
    let by_flags = match (printer.is_quiet(), verbose) {
        (true, _) => "error".to_owned(),
        (false, 0) => "warn".to_owned(),
        (false, 1) => ours("info"),
        (false, 2) => ours("debug"),
        (false, _) => "trace".to_owned(),
    };
    let filter = filter
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(by_flags));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(printer.stderr_has_color())
        .with_target(verbose > 1)
        .finish();
    // A second start would be a defect of ours and costs only logs.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
