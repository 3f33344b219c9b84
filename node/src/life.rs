//! A node's life from power-on: the stages in their order, side by side where they can be.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use directory::clock::{Clock as _, SystemClock};
use node_config::cmdline::CommandLine;
use node_config::{Effective, NodeConfig};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::console::Console;
use crate::hotplug::Devices;
use crate::identity::{NodeIdentity, Store, board_sha256};
use crate::measure;
use crate::medium::{Found, Medium, find};
use crate::net::{Manager, NetState, Wanted};
use crate::payload::PayloadFacts;
use crate::register::Registrar;
use crate::settings::{self, Source};
use crate::stages::Stage;
use crate::stick;
use crate::wallclock::{self, Bounds};

/// How often settings that cannot be used are read again: the farmer may plug the stick back.
const READ_AGAIN: Duration = Duration::from_secs(10);
/// A node that is not registered by then leaves its log on the stick all the same.
const LOG_AFTER: Duration = Duration::from_secs(60);
/// A stick that is plugged in shows its disk first and its partitions later.
const STICK_BURST: Duration = Duration::from_secs(2);

/// What outlives a life that had to be started again.
pub struct Machine {
    /// The consoles.
    pub console: Console,
    /// What the image says about itself.
    pub facts: PayloadFacts,
    /// News of the hotplug thread.
    pub devices: watch::Receiver<Devices>,
    /// The kernel command line.
    pub arguments: CommandLine,
    /// The key, once there is one: a restart of the program must not make a new node.
    pub identity: Mutex<Option<NodeIdentity>>,
}

/// The settings in use and what they were made from.
struct Settings {
    effective: Effective,
    sources: Vec<Source>,
    /// Whether a log can be left on FARMCFG.
    writable: bool,
}

impl Machine {
    /// Lives until something breaks that only a new start can repair; says what.
    pub async fn live(&self) -> String {
        let bounds = Bounds::of(&self.facts);
        wallclock::start(&self.console, bounds, SystemClock.now());
        for text in &self.arguments.ignored {
            self.console.warn(
                Stage::Config,
                format_args!("kernel argument ignored: {text}"),
            );
        }

        // Ports are switched on and asked about before the stick is found: what the image says is
        // almost always what holds in the end.
        let (wanted, told_wanted) = watch::channel(self.network_of_image());
        let (state, net) = watch::channel(NetState::default());
        let manager = Manager::new(
            self.console.clone(),
            told_wanted,
            self.devices.clone(),
            state,
        );
        let (manager, told) = match manager {
            Ok(parts) => parts,
            Err(error) => return format!("the kernel has no network: {error}"),
        };
        tokio::select! {
            error = manager.run(told) => format!("the network stopped: {error}"),
            why = self.settle_in(bounds, &wanted, net), if !self.arguments.rescue => why,
            why = self.look_only(), if self.arguments.rescue => why,
        }
    }

    fn network_of_image(&self) -> Wanted {
        let image: Vec<Source> = settings::image(Path::new("/")).into_iter().collect();
        settings::effective(&image, &self.arguments).map_or_else(
            |_| Wanted::default(),
            |effective| Wanted::from(&effective.config),
        )
    }

    /// The rescue entry of the boot menu: hardware and network are shown. No medium is looked for,
    /// no key is made, nobody is told.
    async fn look_only(&self) -> String {
        self.console.warn(
            Stage::Start,
            "rescue: hardware and network are shown, nothing is registered and nothing is written",
        );
        let (results, mut measured) = watch::channel(None);
        let told = measure::Told::default();
        let measuring = measure::run(self.console.clone(), self.devices.clone(), told, results);
        let showing = async {
            while measured.changed().await.is_ok() {
                if let Some(known) = &*measured.borrow_and_update() {
                    measure::show_disks(&self.console, known);
                }
            }
        };
        tokio::join!(measuring, showing);
        "nothing measures the machine any more".to_owned()
    }

    async fn settle_in(
        &self,
        bounds: Bounds,
        wanted: &watch::Sender<Wanted>,
        net: watch::Receiver<NetState>,
    ) -> String {
        let medium = Medium::from_argument(self.arguments.medium.as_deref());
        let mut found = stick::wait_for(&medium, self.devices.clone()).await;
        stick::say_found(&self.console, &medium, &found);
        loop {
            let settings = self.load_settings(&medium, &mut found).await;
            let config = &settings.effective.config;
            wanted.send_if_modified(|known| {
                let new = Wanted::from(config);
                let changed = *known != new;
                *known = new;
                changed
            });
            let seed = match self.known_identity() {
                Some(identity) => identity.seed,
                None => return "there is no identity".to_owned(),
            };
            let (measured_sender, measured) = watch::channel(None);
            let (registered_sender, registered) = watch::channel(false);
            let registrar = Registrar {
                console: self.console.clone(),
                bounds,
                config: config.clone(),
                seed,
                net: net.clone(),
                measured,
                registered: registered_sender,
            };
            let log_device = device_of(&found).filter(|_| settings.writable);
            let measuring = measure::run(
                self.console.clone(),
                self.devices.clone(),
                measure::Told {
                    boot_disk: disk_of(&found),
                    disks: measure::overrides(&config.disks),
                },
                measured_sender,
            );
            tokio::select! {
                error = registrar.run() => {
                    let words = crate::words::chain(&error);
                    self.console.warn(Stage::Register, words);
                    sleep(READ_AGAIN).await;
                }
                () = measuring => return "nothing measures the machine any more".to_owned(),
                () = self.keep_log(log_device, registered) => {}
                () = self.settings_changed(&medium, &settings) => {
                    self.console.say(Stage::Config, "a stick with other settings: starting over with it");
                    found = look(&medium).await;
                    stick::say_found(&self.console, &medium, &found);
                }
            }
        }
    }

    /// Reads the settings until they can be used.
    async fn load_settings(&self, medium: &Medium, found: &mut Found) -> Settings {
        loop {
            let contents = stick::read(found, &board_sha256()).await;
            self.take_identity(contents.identity, found, contents.writable);
            match contents.farm_toml {
                Ok(farm_toml) => {
                    let sources = with_image(farm_toml);
                    match settings::effective(&sources, &self.arguments) {
                        Ok(effective) => {
                            settings::show(&self.console, &effective);
                            self.apply_debug(&effective.config);
                            return Settings {
                                effective,
                                sources,
                                writable: contents.writable,
                            };
                        }
                        Err(error) => self.console.warn(Stage::Config, settings::words(&error)),
                    }
                }
                Err(why) => self.console.warn(
                    Stage::Config,
                    format_args!("{why}. To do: use another stick"),
                ),
            }
            let device = device_of(found).filter(|_| contents.writable);
            stick::leave_log(device, &self.console).await;
            let _ = timeout(READ_AGAIN, self.a_disk_comes()).await;
            *found = look(medium).await;
        }
    }

    /// Keeps the first identity that was read, and replaces one in memory by one from the stick.
    fn take_identity(
        &self,
        identity: Result<NodeIdentity, directory::identity::IdentityError>,
        found: &Found,
        writable: bool,
    ) {
        let identity = match identity {
            Ok(identity) => identity,
            Err(error) => {
                self.console
                    .warn(Stage::Identity, crate::words::chain(&error));
                return;
            }
        };
        let mut known = self
            .identity
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_better = match &*known {
            None => true,
            Some(known) => {
                matches!(known.store, Store::Memory(_))
                    && !matches!(identity.store, Store::Memory(_))
            }
        };
        if is_better {
            match identity.store {
                Store::Farmcfg | Store::New => self.console.say(Stage::Identity, identity.words()),
                Store::Memory(_) | Store::OtherMachine => {
                    self.console.warn(Stage::Identity, identity.words());
                }
            }
            *known = Some(identity);
        }
        if matches!(found, Found::Farmcfg { .. }) && !writable {
            let text = "FARMCFG is write-protected: no log is left there";
            self.console.warn(Stage::Medium, text);
        }
    }

    fn known_identity(&self) -> Option<NodeIdentity> {
        let known = self
            .identity
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known.clone()
    }

    /// Unless asked for, the kernel's own messages would come between our lines.
    fn apply_debug(&self, config: &NodeConfig) {
        let level = if config.debug {
            "7"
        } else {
            crate::pid1::QUIET_KERNEL
        };
        let _ = std::fs::write("/proc/sys/kernel/printk", level);
    }

    /// Leaves the log when the node is registered, and once before if that takes long. Never ends.
    async fn keep_log(&self, device: Option<PathBuf>, mut registered: watch::Receiver<bool>) {
        if timeout(LOG_AFTER, registered.wait_for(|is| *is))
            .await
            .is_err()
        {
            stick::leave_log(device.clone(), &self.console).await;
            if registered.wait_for(|is| *is).await.is_err() {
                return std::future::pending().await;
            }
        }
        // The first report belongs to the log.
        sleep(Duration::from_secs(1)).await;
        stick::leave_log(device, &self.console).await;
        std::future::pending().await
    }

    /// Waits until a stick comes whose farm.toml differs from what is in use, or that can keep the
    /// key of a node that has it in memory only.
    async fn settings_changed(&self, medium: &Medium, settings: &Settings) {
        loop {
            self.a_disk_comes().await;
            let wanted = medium.clone();
            let read = tokio::task::spawn_blocking(move || read_sources(&wanted)).await;
            let Ok(Some(sources)) = read else { continue };
            let is_homeless = self
                .known_identity()
                .is_none_or(|identity| matches!(identity.store, Store::Memory(_)));
            if sources != settings.sources || is_homeless {
                return;
            }
        }
    }

    async fn a_disk_comes(&self) {
        let mut devices = self.devices.clone();
        let seen = devices.borrow_and_update().block_events;
        let news = devices.wait_for(|devices| devices.block_events != seen);
        if news.await.is_err() {
            return std::future::pending().await;
        }
        while let Ok(Ok(())) = timeout(STICK_BURST, devices.changed()).await {}
    }
}

/// The sources as they are now; `None` without a readable FARMCFG, which is no news: a farmer who
/// pulls the stick does not want another farm.
fn read_sources(medium: &Medium) -> Option<Vec<Source>> {
    let found = find(Path::new("/"), medium);
    let farmcfg = crate::farmcfg::Farmcfg::mount(&device_of(&found)?).ok()?;
    settings::farm_toml(&farmcfg).ok().map(with_image)
}

async fn look(medium: &Medium) -> Found {
    let wanted = medium.clone();
    let looked = tokio::task::spawn_blocking(move || find(Path::new("/"), &wanted)).await;
    looked.unwrap_or(Found::Nothing)
}

fn with_image(farm_toml: Option<Source>) -> Vec<Source> {
    let image = settings::image(Path::new("/"));
    image.into_iter().chain(farm_toml).collect()
}

fn device_of(found: &Found) -> Option<PathBuf> {
    match found {
        Found::Farmcfg { device, .. } => Some(device.clone()),
        Found::OnCd { .. } | Found::NoFarmcfg { .. } | Found::Nothing => None,
    }
}

fn disk_of(found: &Found) -> Option<String> {
    match found {
        Found::Farmcfg { disk, .. } | Found::OnCd { disk } | Found::NoFarmcfg { disk } => {
            Some(disk.clone())
        }
        Found::Nothing => None,
    }
}
