//! What `farm-node` does when it is not the first process of a machine: explain itself.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use node_config::{NodeConfig, SCHEMA_VERSION};

use crate::register::client_for;
use crate::settings;
use crate::words::chain;

const HELP: &str = "\
farm-node is the first process of the ThreeFold farmer's node OS. It is meant to be /init of a boot
image (`farmer image build` makes one) and does nothing on a running system.

Usage: farm-node [--help | --version | --check-config FILE | --check-directory FILE]

  --check-config FILE     read FILE as a node would read the settings in its image, and say what is
                          wrong
  --check-directory FILE  the same, then ask the directory it names for the farm, as a node would
  --version               version, and the version of the settings' schema it accepts
  --help                  this text
";

/// Follows the arguments without touching the machine.
pub fn run(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (text, is_error) = match words.as_slice() {
        [] | ["--help" | "-h"] => (HELP.to_owned(), false),
        ["--version" | "-V"] => {
            let text = format!("{}\nconfig schema {SCHEMA_VERSION}\n", crate::VERSION_LINE);
            (text, false)
        }
        ["--check-config", file] => match check(Path::new(file)) {
            Ok(text) => (text, false),
            Err(text) => (text, true),
        },
        ["--check-directory", file] => match ask(Path::new(file)) {
            Ok(text) => (text, false),
            Err(text) => (text, true),
        },
        other => {
            let text = format!("error: unknown arguments: {}\n\n{HELP}", other.join(" "));
            (text, true)
        }
    };
    // No printing macros: they panic when the reader has gone away.
    let written = if is_error {
        std::io::stderr().write_all(text.as_bytes())
    } else {
        std::io::stdout().write_all(text.as_bytes())
    };
    if is_error {
        ExitCode::from(2)
    } else if written.is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn check(path: &Path) -> Result<String, String> {
    read(path).map(|config| config.to_toml())
}

/// Name look-up, trust and answer in one: what a node needs of its directory.
fn ask(path: &Path) -> Result<String, String> {
    let config = read(path)?;
    let farm_id = config.farm_id;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("error: {error}\n"))?;
    let answer = runtime.block_on(async {
        client_for(&config.directory)?
            .farm(u64::from(farm_id.get()), None)
            .await
    });
    match answer {
        Ok(farm) => {
            let name = farm.value.name.shown();
            Ok(format!(
                "farm {farm_id} is {name} at {}\n",
                config.directory.url
            ))
        }
        Err(error) => Err(format!("error: {}\n", chain(&error))),
    }
}

fn read(path: &Path) -> Result<NodeConfig, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("error: {}: {error}\n", path.display()))?;
    let origin = path.display().to_string();
    NodeConfig::from_toml(&text, &origin)
        .map_err(|error| format!("error: {}\n", settings::words(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_as_a_node_reads_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.toml");
        assert!(check(&path).is_err());
        std::fs::write(
            &path,
            "farm_id = 12\n[directory]\nurl = \"https://d.example\"\n",
        )
        .unwrap();
        assert!(check(&path).unwrap().contains("farm_id = 12"));
        std::fs::write(&path, "farm_id = 0\n").unwrap();
        assert!(check(&path).unwrap_err().contains("To do:"));
    }
}
