//! `farm-node`: the node OS in one static binary. PID 1 of the machine, and everything else.
//!
//! - [`pid1`] never ends: it mounts, handles signals, and keeps a [`life`] going
//! - [`life`] runs the stages: [`hotplug`], [`medium`] and [`settings`], [`net`], [`wallclock`],
//!   [`identity`], [`measure`], [`register`], [`report`]
//! - the kernel calls the same binary as its module loader ([`modules`])

mod cli;
mod console;
mod farmcfg;
mod hotplug;
mod identity;
mod life;
mod measure;
mod medium;
mod modules;
mod mounts;
mod net;
mod newc;
mod payload;
mod pid1;
mod proof;
mod register;
mod release_note;
mod report;
mod settings;
mod stages;
mod stick;
mod system;
mod uevent;
mod wallclock;
mod words;

use std::process::ExitCode;

/// Name and version, as told to people and to the directory.
const VERSION_LINE: &str = concat!("farm-node ", env!("CARGO_PKG_VERSION"));
/// The node OS is honest about what it is.
const HOSTS_NOTHING: &str = "registers this machine with its farm; hosts no workloads";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let name = arguments.next().unwrap_or_default();
    if name.rsplit('/').next() == Some("modprobe") {
        let loaded = modules::helper(arguments);
        return if loaded {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    if std::process::id() == 1 {
        pid1::run();
    }
    cli::run(&arguments.collect::<Vec<_>>())
}
