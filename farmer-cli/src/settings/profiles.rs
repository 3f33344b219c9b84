//! Farms and directories that have a name in the settings file.

use std::path::Path;

use node_config::FarmId;

use super::{Settings, find_file};
use crate::args::ConnectionArgs;
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};

/// A farm or directory that has a name in the settings file.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The farm; all of the directory if none is named.
    pub farm: Option<FarmId>,
    /// The settings in force for it.
    pub settings: Settings,
}

impl Settings {
    /// The profiles of these names, or every one if a name is `all`.
    pub fn load_profiles(
        environment: &Environment,
        config: Option<&Path>,
        names: &[String],
    ) -> Outcome<Vec<Profile>> {
        let (file, path) = find_file(environment, config)?;
        let known: Vec<String> = file.profiles.keys().cloned().collect();
        let mut wanted: Vec<String> = Vec::new();
        for name in names {
            let found: &[String] = match known.iter().position(|other| other == name) {
                Some(at) => std::slice::from_ref(&known[at]),
                None if name == "all" && !known.is_empty() => &known,
                None => return Err(no_profile(name, &known, &path)),
            };
            let new: Vec<String> = found
                .iter()
                .filter(|name| !wanted.contains(name))
                .cloned()
                .collect();
            wanted.extend(new);
        }
        let profile = |name: String| {
            let table = file.profiles.get(&name).cloned().unwrap_or_default();
            let farm = table.farm;
            let settings = Self::resolve(
                environment,
                &ConnectionArgs::default(),
                file.clone(),
                &path,
                Some(table),
                || Ok(environment.config_dir()?.join("identity.seed")),
            )?;
            Ok(Profile {
                name,
                farm,
                settings,
            })
        };
        wanted.into_iter().map(profile).collect()
    }
}

fn no_profile(name: &str, known: &[String], path: &Path) -> Failure {
    let hint = match known {
        [] => format!(
            "write one into {}: [profiles.NAME] with farm = NUMBER, directory.url = \"URL\", directory.pin \
             = \"PIN\", identity = \"FILE\"",
            path.display()
        ),
        known => format!("there are {}; or say all", known.join(", ")),
    };
    Failure::new(ExitStatus::Usage, format!("there is no profile {name:?}")).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    #[test]
    fn a_profile_keeps_what_it_names_to_itself() {
        let file = format!(
            "identity = \"id\"\n[directory]\nurl = \"https://file\"\npin = \"{PIN}\"\n\
             [profiles.here]\nfarm = 3\n[profiles.there]\nidentity = \"other\"\n\
             directory.url = \"https://there\""
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        let environment = Environment::of(&[("FARMER_PIN", PIN), ("HOME", "/nowhere")]);
        let load = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Settings::load_profiles(&environment, Some(&path), &names)
        };
        let all = load(&["all", "here"]).unwrap();
        let [here, there] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!(here.farm.map(u64::from), Some(3));
        let directory = here.settings.directory().unwrap();
        assert_eq!(directory.url.as_str(), "https://file");
        assert!(directory.pin.is_some());
        assert_eq!(here.settings.identity(), dir.path().join("id"));
        let directory = there.settings.directory().unwrap();
        assert_eq!(directory.url.as_str(), "https://there");
        assert!(directory.pin.is_none(), "a pin for another directory");
        assert_eq!(there.settings.identity(), dir.path().join("other"));
        let failure = load(&["her"]).unwrap_err();
        assert!(failure.hint.unwrap().contains("here, there"));
    }
}
