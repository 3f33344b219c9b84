//! `farmer directory unit`

use std::path::Path;

use crate::args::UnitArgs;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};

const TEMPLATE: &str = include_str!("farmer-directory.service");
/// Ports below this one need a right.
const FIRST_FREE_PORT: u16 = 1024;

/// Prints the unit.
pub fn print(context: &Context<'_>, args: &UnitArgs) -> Outcome<ExitStatus> {
    let program = args.program.to_str().filter(|_| args.program.is_absolute());
    let program = program.filter(|path| is_plain(path)).ok_or_else(|| {
        Failure::new(
            ExitStatus::Usage,
            format!("{} cannot be the program", Path::display(&args.program)),
        )
        .with_hint("give its whole path, of letters, digits and ./_+-")
    })?;
    if let Some(name) = args.names.iter().find(|name| !is_plain(name)) {
        return Err(Failure::new(
            ExitStatus::Usage,
            format!("{name:?} is no name of a host"),
        ));
    }
    // %H is the machine's own name.
    let names: String = match args.names.as_slice() {
        [] => " --name %H".to_owned(),
        names => names.iter().map(|name| format!(" --name {name}")).collect(),
    };
    let capabilities = if (1..FIRST_FREE_PORT).contains(&args.listen.port()) {
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE"
    } else {
        "CapabilityBoundingSet=\nAmbientCapabilities=\nPrivateUsers=yes"
    };
    let unit = TEMPLATE
        .replace("@PROGRAM@", program)
        .replace("@LISTEN@", &args.listen.to_string())
        .replace("@NAMES@", &names)
        .replace("@CAPABILITIES@", capabilities);
    context.printer.raw(unit.as_bytes())?;
    Ok(ExitStatus::Ok)
}

/// Nothing that systemd would read as more than a word.
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./_+-:".contains(&byte);
    !word.is_empty() && !word.starts_with('-') && word.bytes().all(plain)
}
