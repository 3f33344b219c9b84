//! Media that the terminal UI orders: its orders are command lines, parsed and carried out as those
//! of a shell.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::tui::media::{Cancel, Checked, Lack, Made, Maker, Order, Progress, Survey, Tell};
use ::tui::source::Answer;
use clap::Parser as _;
use image_builder::bootkit as kits;

use super::built::Built;
use super::{assemble, customize, find_node, prepare};
use crate::args::{
    Cli, Command, Deferred, GlobalArgs, ImageBuildArgs, ImageCommand, ImageCustomizeArgs,
};
use crate::blocking;
use crate::commands::Context;
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::failure::{Doing as _, Failure, Outcome};
use crate::printer::{Printer, Said};
use crate::settings::Settings;

/// Makes media with the settings of one farm of a session.
#[derive(Clone)]
pub struct MediaMaker {
    environment: Environment,
    printer: Printer,
    global: GlobalArgs,
    settings: Settings,
    /// `farm-node` to put in; else the one beside this program.
    node: Option<PathBuf>,
    /// Bootkit to use; else apt's.
    bootkit: Option<String>,
}

/// What an order parses to.
enum Parsed {
    Build(Box<ImageBuildArgs>),
    Customize(Box<ImageCustomizeArgs>),
}

impl MediaMaker {
    /// For nodes that go by these settings.
    pub fn new(
        context: &Context<'_>,
        settings: Settings,
        node: Option<PathBuf>,
        bootkit: Option<String>,
    ) -> Self {
        Self {
            environment: context.environment.clone(),
            printer: context.printer.clone(),
            global: context.global.clone(),
            settings,
            node,
            bootkit,
        }
    }

    /// The context of a command that is heard by `hear`.
    fn context<'a>(&'a self, printer: &'a Printer) -> Context<'a> {
        Context {
            environment: &self.environment,
            printer,
            global: self.global.clone(),
            fixed: Some(self.settings.clone()),
        }
    }

    fn parse(&self, order: &Order) -> Outcome<Parsed> {
        let words = std::iter::once("farmer".to_owned()).chain(order.arguments());
        let cli = Cli::try_parse_from(words).map_err(|error| {
            // What is wrong with a value, without the flag that nobody typed.
            let text = match std::error::Error::source(&error) {
                Some(cause) => cause.to_string(),
                None => error.to_string(),
            };
            let text = text.lines().next().unwrap_or_default();
            let text = text.strip_prefix("error: ").unwrap_or(text).to_owned();
            Failure::new(ExitStatus::Usage, text)
        })?;
        match cli.command {
            Command::Image(Deferred(ImageCommand::Build(mut args))) => {
                args.parts.node = self.node.clone();
                args.parts.bootkit = self.bootkit()?;
                Ok(Parsed::Build(args))
            }
            Command::Image(Deferred(ImageCommand::Customize(args))) => Ok(Parsed::Customize(args)),
            _ => Err(Failure::new(ExitStatus::Usage, "no order for a medium")),
        }
    }

    /// The bootkit to name: where there is no apt, the newest that is stored.
    fn bootkit(&self) -> Outcome<Option<String>> {
        if self.bootkit.is_some() || kits::apt_is_there() {
            return Ok(self.bootkit.clone());
        }
        let stored = kits::stored(&self.environment.cache_dir()?);
        Ok(stored.first().map(|kit| kit.id().to_string()))
    }

    fn look(&self) -> Outcome<Survey> {
        let mut survey = Survey::default();
        let mut part = |name: &str, text: String| survey.parts.push((name.to_owned(), text));
        let mut lack = None;
        let silent = self.printer.heard_by(|_| {});
        let directory = self.settings.directory()?;
        part("directory", directory.url.to_string());
        let stored = kits::stored(&self.environment.cache_dir()?);
        match (&self.bootkit, stored.first(), kits::apt_is_there()) {
            (Some(named), ..) => part("kernel", format!("of bootkit {named}")),
            (None, Some(kit), has_apt) => {
                let (version, id) = (kit.kernel_version(), kit.id().short());
                part(
                    "kernel",
                    match has_apt {
                        true => format!("the one apt has; newest in the cache: {version}"),
                        false => format!("{version} of bootkit {id}, in the cache"),
                    },
                );
            }
            (None, None, true) => part(
                "kernel",
                "the one apt has; some 100 MB are fetched first".to_owned(),
            ),
            (None, None, false) => {
                part("kernel", "none".to_owned());
                lack = Some(Lack {
                    why: "there is no kernel: no bootkit is in the cache, and this machine has no \
                          apt to fetch one"
                        .to_owned(),
                    advice: "`farmer bootkit export FILE` on a Debian machine and `farmer bootkit \
                             import FILE` here bring one"
                        .to_owned(),
                });
            }
        }
        match find_node(self.node.clone(), &silent) {
            Ok(path) => part("farm-node", path.display().to_string()),
            Err(failure) => {
                part("farm-node", "none".to_owned());
                lack = Some(Lack {
                    why: failure.chain().join(": "),
                    advice: "put it there, or start with `farmer tui --node FILE`".to_owned(),
                });
            }
        }
        survey.no_build = lack;
        Ok(survey)
    }

    /// The order with the paths that a shell would have understood.
    fn expanded(&self, mut order: Order) -> Outcome<Order> {
        let expand = |path: &mut PathBuf| -> Outcome<()> {
            if let (Ok(rest), Some(home)) = (path.strip_prefix("~"), self.environment.get("HOME")) {
                *path = Path::new(home).join(rest);
            }
            *path =
                std::path::absolute(&*path).map_err(|error| Failure::io("finding", path, error))?;
            Ok(())
        };
        let expand_text = |text: &mut String| -> Outcome<()> {
            if !text.is_empty() {
                let mut path = PathBuf::from(text.as_str());
                expand(&mut path)?;
                *text = path.display().to_string();
            }
            Ok(())
        };
        match &mut order {
            Order::Build(build) => {
                expand(&mut build.file)?;
                expand_text(&mut build.token_file)?;
            }
            Order::Customize(change) => {
                expand(&mut change.image)?;
                expand_text(&mut change.token_file)?;
                if let Some(file) = &mut change.file {
                    expand(file)?;
                }
            }
        }
        Ok(order)
    }

    fn check_now(&self, order: Order) -> Outcome<Checked> {
        let order = self.expanded(order)?;
        let silent = self.printer.heard_by(|_| {});
        let context = self.context(&silent);
        let mut checked = Checked {
            order: order.clone(),
            replaces: false,
            changes: Vec::new(),
        };
        // Whether something is in the way is asked, not refused.
        match self.parse(&order.overwriting())? {
            Parsed::Build(args) => {
                let job = prepare(&context, *args)?;
                let target = checked.order.target();
                checked.replaces = job.request.check_target(target, false).is_err();
            }
            Parsed::Customize(args) => {
                let plan = customize::planner(&args)?;
                if let Some(copy) = &args.target.out {
                    customize::copy_target(&args.target)?;
                    checked.replaces = copy.symlink_metadata().is_ok();
                }
                let cancel = blocking::Cancel::default();
                let would = customize::make(&args.image, None, false, plan, &silent, &cancel)
                    .doing(format!("reading {}", args.image.display()))?;
                let changes = would.changes.iter().flat_map(|change| {
                    let head = std::iter::once(format!("{}:", change.region));
                    head.chain(change.difference())
                });
                checked.changes = changes.chain(would.warnings).collect();
            }
        }
        Ok(checked)
    }

    fn make_now(&self, order: &Order, tell: &Tell, cancel: &blocking::Cancel) -> Outcome<Made> {
        let printer = {
            let tell = Arc::clone(tell);
            self.printer.heard_by(move |said| {
                tell(match said {
                    Said::Stage(text) | Said::Message(text) => Progress::Stage(text.to_owned()),
                    Said::Warning(text) => Progress::Warning(text.to_owned()),
                    Said::Bytes(done, total) => Progress::Bytes { done, total },
                });
            })
        };
        let context = self.context(&printer);
        match self.parse(order)? {
            Parsed::Build(args) => {
                let job = prepare(&context, *args)?;
                assemble::make(&job, cancel).map(made)
            }
            Parsed::Customize(args) => {
                let plan = customize::planner(&args)?;
                let target = customize::copy_target(&args.target)?;
                let is_copy = target.is_some();
                let in_place = args.target.in_place;
                let done = customize::make(&args.image, target, in_place, plan, &printer, cancel)?;
                for warning in &done.warnings {
                    printer.warning(warning);
                }
                let size = || order.target().metadata().ok().map(|file| file.len());
                Ok(Made {
                    file: order.target().clone(),
                    size_bytes: is_copy.then(size).flatten(),
                    sha256: None,
                    facts: done
                        .changes
                        .iter()
                        .map(|change| ("changed".to_owned(), change.region.clone()))
                        .collect(),
                })
            }
        }
    }
}

fn made(built: Built) -> Made {
    let mut facts = vec![
        ("kernel".to_owned(), built.kernel),
        ("UEFI".to_owned(), built.flavour.to_owned()),
        (
            "bootkit".to_owned(),
            built.bootkit.chars().take(16).collect(),
        ),
    ];
    if built.disk_guid.is_some() && matches!(built.format, "iso" | "usb" | "disk") {
        facts.push((
            "next".to_owned(),
            format!(
                "dd if={} of=/dev/disk/by-id/usb-... bs=4M conv=fsync, or a virtual drive",
                built.path
            ),
        ));
    }
    if let Some(directory) = built.directory {
        facts.insert(0, ("directory".to_owned(), directory));
    }
    if !built.missing_firmware.is_empty() {
        let drivers: Vec<&str> = built
            .missing_firmware
            .iter()
            .map(|missing| missing.driver.as_str())
            .collect();
        facts.push(("no firmware".to_owned(), drivers.join(" ")));
    }
    Made {
        file: PathBuf::from(built.path),
        size_bytes: Some(built.size_bytes),
        sha256: built.sha256,
        facts,
    }
}

impl Maker for MediaMaker {
    fn survey(&self) -> Answer<Survey> {
        let this = self.clone();
        Box::pin(answer(blocking::Cancel::default(), move |_| this.look()))
    }

    fn check(&self, order: Order) -> Answer<Checked> {
        let this = self.clone();
        Box::pin(answer(blocking::Cancel::default(), move |_| {
            this.check_now(order)
        }))
    }

    fn make(&self, order: Order, tell: Tell, cancel: Cancel) -> Answer<Made> {
        let this = self.clone();
        Box::pin(answer(blocking::Cancel::of(cancel), move |cancel| {
            this.make_now(&order, &tell, cancel)
        }))
    }
}

/// Runs the work on a thread of its own; an error is one line with the advice behind it.
async fn answer<T: Send + 'static>(
    cancel: blocking::Cancel,
    work: impl FnOnce(&blocking::Cancel) -> Outcome<T> + Send + 'static,
) -> Result<T, String> {
    blocking::run_until(cancel, work).await.map_err(|failure| {
        if failure.status == ExitStatus::Interrupted {
            return "stopped; nothing of it is left".to_owned();
        }
        let why = failure.chain().join(": ").replace('\n', " ");
        match failure.hint {
            Some(hint) => format!("{why}; {hint}"),
            None => why,
        }
    })
}

#[cfg(test)]
mod tests {
    use ::tui::media::{Build, Customize, FORMATS};

    use super::*;
    use crate::args::ImageFormat;

    #[test]
    fn orders_parse_to_what_they_say() {
        for (format, ending, _) in FORMATS {
            let order = Order::Build(Build {
                farm_id: 7,
                format: format.to_owned(),
                file: format!("node{ending}").into(),
                address: "192.0.2.5/24,gw=192.0.2.1".to_owned(),
                token_file: "token".to_owned(),
                kernel_arguments: vec!["debug".to_owned(), "-x".to_owned()],
                overwrite: true,
            });
            let words = std::iter::once("farmer".to_owned()).chain(order.arguments());
            let cli = Cli::try_parse_from(words).unwrap();
            let Command::Image(Deferred(ImageCommand::Build(args))) = cli.command else {
                panic!("{order:?}")
            };
            let named = args.result.format.unwrap();
            assert_eq!(named.name(), format);
            assert_eq!(
                ImageFormat::of_name(args.out.as_deref().unwrap()),
                Some(named)
            );
            assert!(args.force && args.static_address.is_some());
            assert_eq!(args.kernel_arg, ["debug", "-x"]);
        }
        let order = Order::Customize(Customize {
            image: "-odd name".into(),
            farm_id: 2,
            address: "dhcp".to_owned(),
            file: Some("copy".into()),
            ..Customize::default()
        });
        let words = std::iter::once("farmer".to_owned()).chain(order.arguments());
        // Paths are absolute by then; a bare one that begins with a dash would be taken for a flag.
        assert!(Cli::try_parse_from(words).is_err());
        let order = Order::Customize(Customize {
            image: "/odd name".into(),
            farm_id: 2,
            address: "dhcp".to_owned(),
            ..Customize::default()
        });
        let words = std::iter::once("farmer".to_owned()).chain(order.arguments());
        let cli = Cli::try_parse_from(words).unwrap();
        let Command::Image(Deferred(ImageCommand::Customize(args))) = cli.command else {
            panic!("{order:?}")
        };
        assert!(args.dhcp && args.target.in_place);
        assert_eq!(args.farm_id.map(u64::from), Some(2));
    }
}
