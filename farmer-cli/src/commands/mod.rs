//! One module per family of commands: each takes parsed arguments, calls a library, and hands the
//! answer to the printer.

mod bootkit;
mod config;
mod connect;
mod directory;
mod docs;
mod farm;
mod hardware;
mod image;
mod ipxe;
mod kernel;
mod node;
mod tui;

use tokio::runtime::Builder;

use crate::args::{
    BootkitCommand, Cli, Command, ConfigCommand, ConnectionArgs, DirectoryCommand, FarmCommand,
    GlobalArgs, ImageCommand, IpxeCommand, KernelCommand, KeysCommand, NodeCommand,
};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::signals;

/// What every command may use.
pub struct Context<'a> {
    environment: &'a Environment,
    printer: &'a Printer,
    global: GlobalArgs,
}

impl Context<'_> {
    fn settings(&self, flags: &ConnectionArgs) -> Outcome<Settings> {
        Settings::load(self.environment, self.global.config.as_deref(), flags)
    }
}

/// Runs the command that was asked for.
pub fn run(cli: Cli, environment: &Environment, printer: &Printer) -> Outcome<ExitStatus> {
    let context = Context {
        environment,
        printer,
        global: cli.global,
    };
    match cli.command {
        Command::Probe(args) => hardware::probe(&context, &args),
        Command::Estimate(args) => hardware::estimate(&context, &args),
        Command::Config(ConfigCommand::Show(flags)) => config::show(&context, &flags),
        Command::Completions(args) => docs::completions(&context, &args),
        Command::Man(args) => docs::man(&args),
        Command::Help(args) => docs::help(&context, &args),
        Command::Bootkit(command) => run_itself(async {
            match command {
                BootkitCommand::Fetch(args) => bootkit::fetch(&context, args).await,
                BootkitCommand::Show(args) => bootkit::show(&context, args).await,
                BootkitCommand::Export(args) => bootkit::export(&context, args).await,
                BootkitCommand::Import(args) => bootkit::import(&context, args).await,
                BootkitCommand::Verify(args) => bootkit::verify(&context, args).await,
            }
        }),
        Command::Farm(FarmCommand::Create(args)) => block_on(farm::create(&context, args)),
        Command::Farm(FarmCommand::List(args)) => block_on(farm::list(&context, args)),
        Command::Farm(FarmCommand::Show(args)) => block_on(farm::show(&context, args)),
        Command::Node(NodeCommand::List(args)) => block_on(node::list(&context, args)),
        Command::Node(NodeCommand::Show(args)) => block_on(node::show(&context, args)),
        Command::Node(NodeCommand::Approve(args)) => block_on(node::decide(
            &context,
            args,
            ::directory::wire::NodeState::Approved,
        )),
        Command::Node(NodeCommand::Block(args)) => block_on(node::decide(
            &context,
            args,
            ::directory::wire::NodeState::Blocked,
        )),
        Command::Node(NodeCommand::Wait(args)) => block_on(node::wait(&context, args)),
        Command::Image(ImageCommand::Show(args)) => image::show(&context, &args),
        Command::Ipxe(IpxeCommand::Lint(args)) => ipxe::lint(&context, &args),
        Command::Ipxe(IpxeCommand::Trace(args)) => ipxe::trace(&context, &args),
        Command::Ipxe(IpxeCommand::Show(args)) => ipxe::show(&context, &args),
        Command::Kernel(KernelCommand::Check(args)) => run_itself(kernel::check(&context, args)),
        Command::Image(ImageCommand::Keys(KeysCommand::New(args))) => {
            run_itself(image::keys::new(&context, args))
        }
        Command::Image(ImageCommand::Keys(KeysCommand::Show(args))) => {
            image::keys::show(&context, &args)
        }
        // These end by themselves when they are asked to stop.
        Command::Image(ImageCommand::Sources(args)) => run_itself(image::sources(&context, args)),
        Command::Image(ImageCommand::Serve(args)) => {
            run_on_all_processors(image::serve(&context, args))
        }
        Command::Image(ImageCommand::Build(args)) => run_itself(image::build(&context, *args)),
        Command::Image(ImageCommand::Customize(args)) => {
            run_itself(image::customize(&context, *args))
        }
        Command::Image(ImageCommand::Verify(args)) => run_itself(image::verify(&context, args)),
        Command::Image(ImageCommand::Extract(args)) => run_itself(image::extract(&context, args)),
        Command::Image(ImageCommand::Reset(args)) => run_itself(image::reset(&context, args)),
        Command::Directory(DirectoryCommand::Serve(args)) => {
            run_on_all_processors(directory::serve(&context, args))
        }
        Command::Tui(args) => run_on_all_processors(tui::run(&context, args)),
    }
}

/// Runs a command until it is done or the process is asked to stop.
fn block_on(command: impl Future<Output = Outcome<ExitStatus>>) -> Outcome<ExitStatus> {
    run_itself(signals::or_stopped(command))
}

/// Runs a command that looks after signals itself. It waits more than it works: one thread and those
/// for blocking work are started faster than one for each processor.
fn run_itself(command: impl Future<Output = Outcome<ExitStatus>>) -> Outcome<ExitStatus> {
    run_on(Builder::new_current_thread(), command)
}

/// Runs a command that serves many at once and looks after signals itself.
fn run_on_all_processors(
    command: impl Future<Output = Outcome<ExitStatus>>,
) -> Outcome<ExitStatus> {
    run_on(Builder::new_multi_thread(), command)
}

fn run_on(
    mut runtime: Builder,
    command: impl Future<Output = Outcome<ExitStatus>>,
) -> Outcome<ExitStatus> {
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::io("starting", std::path::Path::new("threads"), error))?;
    let outcome = runtime.block_on(command);
    // Blocking work that did not listen to the signal must not keep the process.
    runtime.shutdown_background();
    outcome
}
