//! What is done with the boot medium: finding it, reading the settings and the key, leaving a log.
//!
//! Everything here may block for as long as a bad stick does, so it runs on threads of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use directory::clock::{Clock, SystemClock};
use directory::identity::IdentityError;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::console::Console;
use crate::farmcfg::{Farmcfg, LAST_BOOT};
use crate::hotplug::Devices;
use crate::identity::{self, NodeIdentity};
use crate::medium::{Found, Medium, find};
use crate::settings::{self, Source};
use crate::stages::Stage;

/// USB takes seconds to show its disks; no boot waits longer than this for them.
const MEDIUM_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What was read from FARMCFG in one go.
pub struct Contents {
    /// `farm.toml`, if there is one that can be read.
    pub farm_toml: Result<Option<Source>, String>,
    /// The node's key.
    pub identity: Result<NodeIdentity, IdentityError>,
    /// Whether the partition can be written.
    pub writable: bool,
}

/// Waits for the medium, as long as it makes sense.
pub async fn wait_for(medium: &Medium, mut devices: watch::Receiver<Devices>) -> Found {
    let deadline = Instant::now() + MEDIUM_PATIENCE;
    loop {
        devices.borrow_and_update();
        let wanted = medium.clone();
        let looked = tokio::task::spawn_blocking(move || find(Path::new("/"), &wanted)).await;
        let found = looked.unwrap_or(Found::Nothing);
        let may_come = match medium {
            Medium::Disk(_) => true,
            // Not promised by the loader: what the drivers show by themselves is enough.
            Medium::Unsaid => !devices.borrow().settled,
            Medium::Cd | Medium::Net => false,
        };
        let is_final = matches!(found, Found::Farmcfg { .. } | Found::OnCd { .. });
        if is_final || !may_come || Instant::now() >= deadline {
            return found;
        }
        // The disk's partitions are announced after the disk.
        let _ = timeout(LOOK_AGAIN, devices.changed()).await;
    }
}

/// Says what was found, and what follows from it.
pub fn say_found(console: &Console, medium: &Medium, found: &Found) {
    match found {
        Found::Farmcfg { device, disk } => {
            let text = format!("started from {disk}, FARMCFG is {}", device.display());
            console.say(Stage::Medium, text);
        }
        Found::OnCd { disk } => console.say(
            Stage::Medium,
            format_args!("started from the CD in {disk}: settings come from the image only"),
        ),
        Found::NoFarmcfg { disk } => console.warn(
            Stage::Medium,
            format_args!("started from {disk}, which has no FARMCFG partition"),
        ),
        Found::Nothing => match medium {
            Medium::Disk(guid) => console.warn(
                Stage::Medium,
                format_args!(
                    "the boot medium {guid} was not found within {} s: settings come from the image \
                     only",
                    MEDIUM_PATIENCE.as_secs()
                ),
            ),
            Medium::Cd => console.say(Stage::Medium, "started from a CD: settings come from the image only"),
            Medium::Net => console.say(Stage::Medium, "started over the network"),
            Medium::Unsaid => console.say(Stage::Medium, "no boot medium of ours"),
        },
    }
}

/// Reads everything from FARMCFG; makes the key if there is none.
pub async fn read(found: &Found, board_sha256: &str) -> Contents {
    let board_sha256 = board_sha256.to_owned();
    let found = found.clone();
    let read = move || match &found {
        Found::Farmcfg { device, .. } => match Farmcfg::mount(device) {
            Ok(farmcfg) => contents(&farmcfg, &board_sha256),
            Err(error) => {
                let why = crate::words::chain(&error);
                Contents {
                    farm_toml: Err(why.clone()),
                    identity: identity::in_memory(why),
                    writable: false,
                }
            }
        },
        Found::OnCd { .. } => without("a CD cannot be written to"),
        Found::NoFarmcfg { .. } => without("the boot medium has no FARMCFG partition"),
        Found::Nothing => without("there is no FARMCFG partition"),
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|error| without(&error.to_string()))
}

fn contents(farmcfg: &Farmcfg, board_sha256: &str) -> Contents {
    Contents {
        farm_toml: settings::farm_toml(farmcfg).map_err(|error| crate::words::chain(&error)),
        identity: identity::obtain(Ok(farmcfg), board_sha256, SystemClock.now()),
        writable: farmcfg.is_writable(),
    }
}

fn without(why: &str) -> Contents {
    Contents {
        farm_toml: Ok(None),
        identity: identity::in_memory(why.to_owned()),
        writable: false,
    }
}

/// Leaves the log of this boot on FARMCFG, where any laptop can read it. The key is never in it:
/// the log holds what the console showed.
pub async fn leave_log(device: Option<PathBuf>, console: &Console) {
    let Some(device) = device else { return };
    let log = console.log();
    let write = move || {
        let text = log_file(&log, &SystemClock.now().to_http_date());
        Farmcfg::mount(&device)?.write(LAST_BOOT, &text)
    };
    match tokio::task::spawn_blocking(write).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let text = format!("the log was not written: {}", crate::words::chain(&error));
            console.say(Stage::Medium, text);
        }
        Err(error) => console.say(
            Stage::Medium,
            format_args!("the log was not written: {error}"),
        ),
    }
}

/// Lines for Notepad too.
fn log_file(log: &str, date: &str) -> String {
    let head = format!(
        "What this node said since it was started, up to {date} ({}).\n\
         The number is seconds since power-on.\n\n",
        crate::VERSION_LINE
    );
    (head + log).replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_in_one_go_and_the_log_holds_no_key() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("farm.toml"), "farm_id = 5").unwrap();
        let farmcfg = Farmcfg::stand_in(directory.path());
        let contents = contents(&farmcfg, "board");
        assert_eq!(contents.farm_toml.unwrap().unwrap().text, "farm_id = 5");
        let identity = contents.identity.unwrap();

        let console = Console::silent();
        console.say(Stage::Identity, identity.words());
        farmcfg
            .write(LAST_BOOT, &log_file(&console.log(), "today"))
            .unwrap();
        let log = std::fs::read_to_string(directory.path().join(LAST_BOOT)).unwrap();
        assert!(log.contains(&identity.seed.node_id().to_string()));
        assert!(!log.contains(&hex::encode(identity.seed.expose())));
        assert!(log.lines().count() > 3 && log.contains("\r\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn network_boots_wait_for_nothing() {
        let (_sender, devices) = watch::channel(Devices::default());
        let begin = Instant::now();
        assert_eq!(
            wait_for(&Medium::Net, devices.clone()).await,
            Found::Nothing
        );
        assert_eq!(wait_for(&Medium::Cd, devices).await, Found::Nothing);
        assert!(begin.elapsed() < Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_named_medium_is_given_ten_seconds() {
        let (_sender, devices) = watch::channel(Devices::default());
        let medium = Medium::Disk("no such guid".to_owned());
        let begin = Instant::now();
        assert_eq!(wait_for(&medium, devices).await, Found::Nothing);
        let seconds = begin.elapsed().as_secs_f64();
        assert!((10.0..11.0).contains(&seconds), "{seconds}");
    }
}
