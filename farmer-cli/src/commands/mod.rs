//! One module per family of commands: each takes parsed arguments, calls a library, and hands the
//! answer to the printer.

mod bootkit;
mod capacity;
mod change;
mod check;
mod config;
mod connect;
mod directory;
mod docs;
mod farm;
mod fleet;
mod hardware;
mod identity;
mod image;
mod ipxe;
mod kernel;
mod node;
mod tui;

use tokio::runtime::Builder;

use self::node::decide::Decision;
use crate::args::{
    BootkitCommand, CapacityCommand, Cli, Command, ConfigCommand, ConnectionArgs, Deferred,
    DirectoryCommand, FarmCommand, FarmIpCommand, FarmTokenCommand, GlobalArgs, IdentityCommand,
    ImageCommand, IpxeCommand, KernelCommand, KeysCommand, NodeCommand,
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
    /// Settings that are known already, whatever the flags say.
    fixed: Option<Settings>,
}

impl Context<'_> {
    fn settings(&self, flags: &ConnectionArgs) -> Outcome<Settings> {
        if let Some(settings) = &self.fixed {
            return Ok(settings.clone());
        }
        Settings::load(self.environment, self.global.config.as_deref(), flags)
    }
}

/// Runs the command that was asked for.
pub fn run(cli: Cli, environment: &Environment, printer: &Printer) -> Outcome<ExitStatus> {
    let context = Context {
        environment,
        printer,
        global: cli.global,
        fixed: None,
    };
    match cli.command {
        Command::Probe(args) => hardware::probe(&context, &args),
        Command::Estimate(args) => hardware::estimate(&context, &args),
        Command::Config(Deferred(ConfigCommand::Show(flags))) => config::show(&context, &flags),
        Command::Completions(args) => docs::completions(&context, &args),
        Command::Man(args) => docs::man(&args),
        Command::Help(args) => docs::help(&context, &args),
        Command::Bootkit(Deferred(command)) => match command {
            BootkitCommand::Fetch(args) => bootkit::fetch(&context, args),
            BootkitCommand::Show(args) => bootkit::show(&context, args),
            BootkitCommand::Export(args) => bootkit::export(&context, args),
            BootkitCommand::Import(args) => bootkit::import(&context, args),
            BootkitCommand::Verify(args) => bootkit::verify(&context, args),
        },
        Command::Identity(Deferred(command)) => match command {
            IdentityCommand::New(args) => identity::new(&context, &args),
            IdentityCommand::Show(args) => identity::show(&context, &args),
            IdentityCommand::Import(args) => identity::import(&context, &args),
            IdentityCommand::Export(args) => identity::export(&context, &args),
            IdentityCommand::BackupCheck(args) => identity::backup_check(&context, &args),
        },
        Command::Farm(Deferred(FarmCommand::Create(args))) => {
            block_on(farm::create(&context, args))
        }
        Command::Farm(Deferred(FarmCommand::List(args))) => block_on(farm::list(&context, args)),
        Command::Farm(Deferred(FarmCommand::Show(args))) => block_on(farm::show(&context, args)),
        Command::Farm(Deferred(FarmCommand::Update(args))) => {
            block_on(farm::update::update(&context, *args))
        }
        Command::Farm(Deferred(FarmCommand::Ip(command))) => block_on(async {
            match command {
                FarmIpCommand::List(args) => farm::update::list_addresses(&context, args).await,
                FarmIpCommand::Add(args) => farm::update::add_addresses(&context, args).await,
                FarmIpCommand::Remove(args) => farm::update::remove_addresses(&context, args).await,
            }
        }),
        Command::Farm(Deferred(FarmCommand::Token(command))) => block_on(async {
            match command {
                FarmTokenCommand::New(args) => farm::token::new(&context, args).await,
                FarmTokenCommand::List(args) => farm::token::list(&context, args).await,
                FarmTokenCommand::Revoke(args) => farm::token::revoke(&context, args).await,
            }
        }),
        Command::Apply(args) => block_on(fleet::apply(&context, args)),
        Command::Export(args) => block_on(fleet::export(&context, args)),
        Command::Check(args) => block_on(check::check(&context, args)),
        Command::Capacity(Deferred(CapacityCommand::Find(args))) => {
            block_on(capacity::find(&context, args))
        }
        Command::Node(Deferred(NodeCommand::List(args))) => block_on(node::list(&context, args)),
        Command::Node(Deferred(NodeCommand::Show(args))) => block_on(node::show(&context, args)),
        Command::Node(Deferred(NodeCommand::Approve(args))) => {
            block_on(node::decide::decide(&context, args, Decision::Approved))
        }
        Command::Node(Deferred(NodeCommand::Block(args))) => {
            block_on(node::decide::decide(&context, args, Decision::Blocked))
        }
        Command::Node(Deferred(NodeCommand::Delete(args))) => {
            block_on(node::decide::decide(&context, args, Decision::Deleted))
        }
        Command::Node(Deferred(NodeCommand::Move(args))) => {
            block_on(node::configure::prepare_move(&context, args))
        }
        Command::Node(Deferred(NodeCommand::ConfigurePublic(args))) => {
            block_on(node::configure::configure_public(&context, args))
        }
        Command::Node(Deferred(NodeCommand::FreeToUse(args))) => {
            block_on(node::configure::free_to_use(&context, args))
        }
        Command::Node(Deferred(NodeCommand::Wait(args))) => block_on(node::wait(&context, args)),
        Command::Image(Deferred(ImageCommand::Show(args))) => image::show(&context, &args),
        Command::Ipxe(Deferred(IpxeCommand::Lint(args))) => ipxe::lint(&context, &args),
        Command::Ipxe(Deferred(IpxeCommand::Trace(args))) => ipxe::trace(&context, &args),
        Command::Ipxe(Deferred(IpxeCommand::Show(args))) => ipxe::show(&context, &args),
        Command::Kernel(Deferred(KernelCommand::Check(args))) => kernel::check(&context, args),
        Command::Image(Deferred(ImageCommand::Keys(KeysCommand::New(args)))) => {
            image::keys::new(&context, args)
        }
        Command::Image(Deferred(ImageCommand::Keys(KeysCommand::Show(args)))) => {
            image::keys::show(&context, &args)
        }
        Command::Image(Deferred(ImageCommand::Sources(args))) => image::sources(&context, args),
        Command::Image(Deferred(ImageCommand::Serve(args))) => {
            run_on_all_processors(image::serve(&context, args))
        }
        Command::Image(Deferred(ImageCommand::Build(args))) => image::build(&context, *args),
        Command::Image(Deferred(ImageCommand::Customize(args))) => {
            image::customize(&context, *args)
        }
        Command::Image(Deferred(ImageCommand::Verify(args))) => image::verify(&context, args),
        Command::Image(Deferred(ImageCommand::Extract(args))) => image::extract(&context, args),
        Command::Image(Deferred(ImageCommand::Reset(args))) => image::reset(&context, args),
        Command::Directory(Deferred(DirectoryCommand::Serve(args))) => {
            run_on_all_processors(directory::serve(&context, args))
        }
        Command::Tui(args) => run_itself(tui::run(&context, args)),
        Command::Dash(args) => run_itself(tui::dash(&context, args)),
        Command::Directory(Deferred(DirectoryCommand::Backup(args))) => {
            block_on(directory::data::backup(&context, args))
        }
        Command::Directory(Deferred(DirectoryCommand::Restore(args))) => {
            block_on(directory::data::restore(&context, args))
        }
        Command::Directory(Deferred(DirectoryCommand::Check(args))) => {
            block_on(directory::data::check(&context, args))
        }
        Command::Directory(Deferred(DirectoryCommand::Unit(args))) => {
            directory::unit::print(&context, &args)
        }
    }
}

/// Runs a command until it is done or the process is asked to stop.
fn block_on<T>(command: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    run_itself(signals::or_stopped(command))
}

/// Runs a command that looks after signals itself. It waits more than it works, and one thread is
/// started faster than one for each processor.
fn run_itself<T>(command: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    run_on(Builder::new_current_thread(), command)
}

/// Runs a command that serves many at once and looks after signals itself.
fn run_on_all_processors(
    command: impl Future<Output = Outcome<ExitStatus>>,
) -> Outcome<ExitStatus> {
    run_on(Builder::new_multi_thread(), command)
}

fn run_on<T>(mut runtime: Builder, command: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::io("starting", std::path::Path::new("threads"), error))?;
    let outcome = runtime.block_on(command);
    // Blocking work that did not listen to the signal must not keep the process.
    runtime.shutdown_background();
    outcome
}
