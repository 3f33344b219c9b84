//! The first process: it must never end, whatever happens in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{WaitOptions, wait};
use rustix::system::{RebootCommand, reboot};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::console::Console;
use crate::life::Machine;
use crate::payload::PayloadFacts;
use crate::stages::Stage;
use crate::{hotplug, mounts, settings, system};

/// Kernel messages on the console only if they are critical: they would tear our lines apart.
pub const QUIET_KERNEL: &str = "3";
const KERNEL_COMMAND_LINE: &str = "/proc/cmdline";
/// After a life that ended: long enough to be read, short enough to be back soon.
const PAUSE: Duration = Duration::from_secs(5);
/// Before a machine that fetched another system than the expected one fetches again.
const FETCH_AGAIN: Duration = Duration::from_secs(60);
/// For the console threads to write what is waiting.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs the machine for ever.
pub fn run() -> ! {
    let failures = mounts::early();
    let console = Console::open(Path::new("/"));
    let hook_console = console.clone();
    std::panic::set_hook(Box::new(move |info| {
        hook_console.warn(Stage::Start, format_args!("internal error: {info}"));
    }));
    loop {
        // Nothing below is supposed to return or to panic; PID 1 outlives it if it does.
        let result = catch_unwind(AssertUnwindSafe(|| start(&console, &failures)));
        if let Ok(Err(error)) = result {
            console.warn(Stage::Start, crate::words::chain(&error));
        }
        std::thread::sleep(PAUSE);
    }
}

fn start(console: &Console, failures: &[mounts::MountError]) -> std::io::Result<()> {
    console.line(format_args!(
        "{}, {}",
        crate::VERSION_LINE,
        crate::HOSTS_NOTHING
    ));
    for failure in failures {
        console.warn(Stage::Start, crate::words::chain(failure));
    }
    let arguments = settings::kernel_arguments(Path::new(KERNEL_COMMAND_LINE));
    if arguments.layer.debug != Some(true) {
        let _ = std::fs::write("/proc/sys/kernel/printk", QUIET_KERNEL);
    }
    // The kernel would reboot at once; so the disks are written first.
    let _ = reboot(RebootCommand::CadOff);
    let facts = PayloadFacts::read(Path::new(PayloadFacts::PATH));
    let kernel = rustix::system::uname();
    let consoles = console.device_names().join(", ");
    let release = kernel.release().to_string_lossy().into_owned();
    console.say(
        Stage::Start,
        format_args!("Linux {release}, console on {consoles}"),
    );

    let other_kernel = !facts.kernel_version.is_empty() && facts.kernel_version != release;
    if other_kernel {
        let text = format!(
            "this image has modules for Linux {}, and Linux {release} runs: drivers will be missing",
            facts.kernel_version
        );
        console.warn(Stage::Start, text);
    }
    if let Some(expected) = &arguments.expect
        && !is_expected(console, expected, other_kernel)
    {
        std::thread::sleep(FETCH_AGAIN);
        leave(console, RebootCommand::Restart);
        return Ok(());
    }

    let devices = hotplug::start(console.clone(), facts.clone());
    if let Some(failure) = mounts::efivars() {
        console.say(Stage::Start, crate::words::chain(&failure));
    }
    let machine = Arc::new(Machine {
        console: console.clone(),
        facts,
        devices,
        arguments,
        identity: Mutex::new(None),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(supervise(console, machine))
}

/// Compares the system with the one that the medium expects; says what is wrong and what follows.
fn is_expected(console: &Console, expected: &str, other_kernel: bool) -> bool {
    let found = match system::digest(Path::new("/")) {
        Ok(found) if found == expected && !other_kernel => {
            console.say(Stage::Start, "this is the system that the medium expects");
            return true;
        }
        Ok(found) if found == expected => "this one with another kernel".to_owned(),
        Ok(found) => found,
        Err(error) => format!("unreadable ({error})"),
    };
    let seconds = FETCH_AGAIN.as_secs();
    console.warn(
        Stage::Start,
        format_args!(
            "the system that was fetched is not the one that the medium expects: {expected} is \
             expected, what came is {found}. Nothing is registered; fetching again in {seconds} s. \
             To do: serve the bundle that the medium was made for, or make the medium anew"
        ),
    );
    false
}

/// Handles signals and children, and keeps a life running in a thread of its own.
async fn supervise(console: &Console, machine: Arc<Machine>) -> std::io::Result<()> {
    let mut child = signal(SignalKind::child())?;
    // Ctrl-Alt-Del comes as SIGINT.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // As other init programs: USR2 switches off.
    let mut power_off = signal(SignalKind::user_defined2())?;
    let (ended, mut ends) = mpsc::channel(1);
    spawn_life(machine.clone(), ended.clone())?;
    loop {
        tokio::select! {
            _ = child.recv() => reap(),
            _ = interrupt.recv() => leave(console, RebootCommand::Restart),
            _ = terminate.recv() => leave(console, RebootCommand::Restart),
            _ = power_off.recv() => leave(console, RebootCommand::PowerOff),
            Some(why) = ends.recv() => {
                let text = format!("{why}; starting over in {} s", PAUSE.as_secs());
                console.warn(Stage::Start, text);
                tokio::time::sleep(PAUSE).await;
                spawn_life(machine.clone(), ended.clone())?;
            }
        }
    }
}

fn spawn_life(machine: Arc<Machine>, ended: mpsc::Sender<String>) -> std::io::Result<()> {
    let live = move || {
        let why = caught(|| live(&machine));
        let _ = ended.blocking_send(why);
    };
    std::thread::Builder::new()
        .name("life".to_owned())
        .spawn(live)
        .map(drop)
}

fn live(machine: &Machine) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build();
    match runtime {
        Ok(runtime) => {
            let why = runtime.block_on(machine.live());
            // A thread that hangs on a bad disk must not hold the next life.
            runtime.shutdown_background();
            why
        }
        Err(error) => error.to_string(),
    }
}

/// Runs a life; a panic is an end like any other.
fn caught(live: impl FnOnce() -> String) -> String {
    catch_unwind(AssertUnwindSafe(live)).unwrap_or_else(|_| "internal error".to_owned())
}

/// Orphans end up with PID 1, whoever started them.
fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

fn leave(console: &Console, how: RebootCommand) {
    let words = match how {
        RebootCommand::PowerOff => "switching off",
        _ => "restarting the machine",
    };
    console.line(words);
    rustix::fs::sync();
    std::thread::sleep(LAST_WORDS);
    if let Err(error) = reboot(how) {
        console.warn(Stage::Start, format_args!("the kernel refused: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_ends_a_life_and_nothing_else() {
        assert_eq!(
            caught(|| "the network stopped".to_owned()),
            "the network stopped"
        );
        let why = caught(|| {
            let empty: Vec<String> = Vec::new();
            empty[0].clone()
        });
        assert_eq!(why, "internal error");
    }
}
