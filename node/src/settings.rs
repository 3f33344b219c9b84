//! The node's settings from all their places, with the origin of every value.

use std::path::Path;

use node_config::cmdline::CommandLine;
use node_config::medium::{CREDENTIAL_DIRECTORY, CREDENTIAL_NAME};
use node_config::system::SETTINGS_FILE;
use node_config::{ConfigError, Effective, Layer, Origin, SCHEMA_VERSION, cmdline};

use crate::console::Console;
use crate::farmcfg::{Farmcfg, FarmcfgError};
use crate::newc;
use crate::stages::Stage;

/// Names of the farmer's file; editors on Windows add a suffix and hide it.
pub const FARM_TOML: [&str; 2] = ["farm.toml", "farm.toml.txt"];

/// A text with settings, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Which place it is from.
    pub origin: Origin,
    /// Name for messages.
    pub name: String,
    /// The TOML text.
    pub text: String,
}

/// Reads the image's settings; `None` if the image has none. `root` is `/` but for tests.
///
/// A unified kernel image carries none that differ between farms: the firmware's loader hands them
/// over as a credential. One of its own inside the image is what is left without a credential.
pub fn image(root: &Path) -> Option<Source> {
    let credential = root.join(CREDENTIAL_DIRECTORY).join(CREDENTIAL_NAME);
    let archive = std::fs::read(credential).ok();
    archive
        .and_then(|archive| settings_in(newc::find(&archive, SETTINGS_FILE)?))
        .or_else(|| settings_in(&std::fs::read(root.join(SETTINGS_FILE)).ok()?))
}

fn settings_in(bytes: &[u8]) -> Option<Source> {
    let text = String::from_utf8_lossy(bytes);
    // The reserved region may be padded.
    let text = text.trim_end_matches(['\0', ' ']);
    (!text.trim().is_empty()).then(|| Source {
        origin: Origin::Image,
        name: "settings in the image".to_owned(),
        text: text.to_owned(),
    })
}

/// Reads the farmer's file on the stick; `None` if there is none.
pub fn farm_toml(farmcfg: &Farmcfg) -> Result<Option<Source>, FarmcfgError> {
    Ok(farmcfg.read(&FARM_TOML)?.map(|(name, text)| Source {
        origin: Origin::FarmToml,
        name: format!("{name} on FARMCFG"),
        text,
    }))
}

/// Puts all layers together. A text that cannot be read makes the whole fail: going on with the
/// other layers would register the machine somewhere the farmer did not ask for.
pub fn effective(sources: &[Source], arguments: &CommandLine) -> Result<Effective, ConfigError> {
    let mut layers = sources
        .iter()
        .map(|source| Ok((source.origin, Layer::from_toml(&source.text, &source.name)?)))
        .collect::<Result<Vec<_>, ConfigError>>()?;
    // Behind the image's own settings, which it stands for.
    layers.push((Origin::Image, arguments.medium_layer.clone()));
    layers.push((Origin::KernelArgument, arguments.layer.clone()));
    Effective::of(layers)
}

/// Reads the kernel command line.
pub fn kernel_arguments(path: &Path) -> cmdline::CommandLine {
    cmdline::parse(&std::fs::read_to_string(path).unwrap_or_default())
}

/// Prints every value with its origin, and what is dangerous in red.
pub fn show(console: &Console, effective: &Effective) {
    for setting in &effective.settings {
        let text = format!("{} = {} ({})", setting.key, setting.value, setting.origin);
        console.say(Stage::Config, text);
    }
    let directory = &effective.config.directory;
    if !directory.url.is_encrypted() {
        console.warn(
            Stage::Config,
            format_args!(
                "WARNING: {} is not encrypted: anyone on the way can read and change what this \
                 node says",
                directory.url
            ),
        );
    }
}

/// What is wrong and what to do, in one line.
pub fn words(error: &ConfigError) -> String {
    let what = crate::words::chain(error);
    let hint = match error {
        ConfigError::Missing { key: "farm_id" } => {
            "put `farm_id = N` into farm.toml on the stick's FARMCFG partition, or boot with \
             farmer_id=N"
                .to_owned()
        }
        ConfigError::Missing {
            key: "directory.url",
        } => "put `[directory]` and `url = \"https://…\"` into farm.toml on the stick's FARMCFG \
              partition"
            .to_owned(),
        ConfigError::InsecureHttp { .. } => {
            "use https://, or put `insecure_http = true` under `[directory]`".to_owned()
        }
        ConfigError::NewerSchema { .. } => format!(
            "this node knows schema {SCHEMA_VERSION}; use a newer image or remove what it does not \
             know"
        ),
        ConfigError::Syntax { .. } | ConfigError::Value { .. } | ConfigError::Missing { .. } => {
            "correct it in farm.toml on the stick's FARMCFG partition, or in the image".to_owned()
        }
    };
    format!("{what}. To do: {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(origin: Origin, text: &str) -> Source {
        Source {
            origin,
            name: origin.to_string(),
            text: text.to_owned(),
        }
    }

    const IMAGE: &str = "farm_id = 12\n[directory]\nurl = \"https://directory.example\"\n";

    #[test]
    fn the_stick_beats_the_image_and_arguments_beat_both() {
        let directory = tempfile::tempdir().unwrap();
        let text = "\u{feff}farm_id = 13\r\n[network]\r\ndhcp = true\r\n";
        std::fs::write(directory.path().join("FARM.TOML.txt"), text).unwrap();
        let stick = farm_toml(&Farmcfg::stand_in(directory.path()))
            .unwrap()
            .unwrap();
        let sources = [source(Origin::Image, IMAGE), stick];
        let result = effective(&sources, &CommandLine::default()).unwrap();
        assert_eq!(result.config.farm_id.get(), 13);

        // What a thin medium says of its farm is above the system's own word, and below the stick's.
        let thin = cmdline::parse("farm.farmer_id=15");
        let result = effective(&sources[..1], &thin).unwrap();
        assert_eq!(result.config.farm_id.get(), 15);
        let result = effective(&sources, &thin).unwrap();
        assert_eq!(result.config.farm_id.get(), 13);

        let arguments = cmdline::parse("quiet farmer_id=14");
        let result = effective(&sources, &arguments).unwrap();
        assert_eq!(result.config.farm_id.get(), 14);

        let console = Console::silent();
        show(&console, &result);
        let log = console.log();
        assert!(
            log.contains("config: farm_id = 14 (kernel argument)"),
            "{log}"
        );
        assert!(
            log.contains("directory.url = https://directory.example (image)"),
            "{log}"
        );
        assert!(log.contains("network = dhcp (farm.toml)"), "{log}");
    }

    #[test]
    fn a_bad_file_on_the_stick_is_not_silently_left_out() {
        let sources = [
            source(Origin::Image, IMAGE),
            source(Origin::FarmToml, "farm_id = \"x"),
        ];
        let error = effective(&sources, &CommandLine::default()).unwrap_err();
        let words = words(&error);
        assert!(
            words.contains("farm.toml") && words.contains("To do:"),
            "{words}"
        );
    }

    #[test]
    fn nothing_set_says_what_to_do() {
        let error = effective(&[], &CommandLine::default()).unwrap_err();
        assert!(words(&error).contains("farmer_id=N"));
    }

    #[test]
    fn unencrypted_traffic_is_shouted_about() {
        let text = "farm_id = 1\n[directory]\nurl = \"http://192.0.2.1\"\ninsecure_http = true\n";
        let sources = [source(Origin::Image, text)];
        let result = effective(&sources, &CommandLine::default()).unwrap();
        let console = Console::silent();
        show(&console, &result);
        assert!(
            console
                .log()
                .contains("WARNING: http://192.0.2.1 is not encrypted")
        );
    }

    #[test]
    fn a_padded_region_is_read_and_an_empty_one_is_none() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(SETTINGS_FILE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(image(root.path()), None);
        std::fs::write(&path, "\0\0\0").unwrap();
        assert_eq!(image(root.path()), None);
        std::fs::write(&path, format!("{IMAGE}\0\0")).unwrap();
        assert_eq!(image(root.path()).unwrap().text, IMAGE);
    }

    #[test]
    fn a_credential_beats_the_image_and_a_damaged_one_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["etc/farmer", CREDENTIAL_DIRECTORY] {
            std::fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let credential = root.path().join(CREDENTIAL_DIRECTORY).join(CREDENTIAL_NAME);
        std::fs::write(root.path().join(SETTINGS_FILE), "farm_id = 1").unwrap();
        let mut archive = newc::tests::archive(&[("etc/farmer/node.toml", b"farm_id = 2")]);
        archive.resize(4096, 0);
        std::fs::write(&credential, archive).unwrap();
        assert_eq!(image(root.path()).unwrap().text, "farm_id = 2");
        std::fs::write(&credential, "070701 is not enough").unwrap();
        assert_eq!(image(root.path()).unwrap().text, "farm_id = 1");
    }
}
