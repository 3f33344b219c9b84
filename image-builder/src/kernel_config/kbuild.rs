//! Which option builds which module, from the kernel's makefiles.

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, Value};
use crate::payload::modules::Selection;

/// Options by the module they build.
#[derive(Debug, Clone, Default)]
pub struct ModuleOptions(BTreeMap<String, BTreeSet<String>>);

impl ModuleOptions {
    /// Learns from a makefile: its lines `obj-$(CONFIG_E1000E) += e1000e/ e1000e.o`. Modules that
    /// are built in another way stay unknown.
    pub fn learn(&mut self, makefile: &str) {
        let joined = makefile.replace("\\\n", " ");
        for line in joined.lines() {
            let Some((option, rest)) = line
                .strip_prefix("obj-$(CONFIG_")
                .and_then(|rest| rest.split_once(')'))
            else {
                continue;
            };
            let Some((_, objects)) = rest.split_once('=') else {
                continue;
            };
            for object in objects.split_whitespace() {
                if let Some(module) = object.strip_suffix(".o") {
                    let options = self.0.entry(module.replace('-', "_")).or_default();
                    options.insert(option.to_owned());
                }
            }
        }
    }

    /// Modules of the selection that a kernel of this configuration would have neither as module nor
    /// built in, each with the options that build it. Those of optional groups may be missing where
    /// the source does not have them.
    pub fn not_built<'a>(
        &self,
        selection: &'a Selection,
        config: &Config,
    ) -> BTreeMap<String, Vec<&str>> {
        let names: BTreeMap<String, &'a _> = selection.names();
        let mut missing = BTreeMap::new();
        for (module, group) in names {
            let options = self.0.get(&module);
            let is_built = options
                .into_iter()
                .flatten()
                .any(|option| *config.get(option) != Value::Off);
            if is_built || (group.optional && options.is_none()) {
                continue;
            }
            let options = options.into_iter().flatten().map(String::as_str).collect();
            missing.insert(module, options);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makefiles_tell_which_option_builds_a_module() {
        let mut options = ModuleOptions::default();
        options.learn(
            "obj-$(CONFIG_E1000E) += e1000e/ e1000e.o\n\
             obj-$(CONFIG_SD) := sd-mod.o \\\n  other.o\nobj-y += a.o\nobj-$(CONFIG_X\n",
        );
        let selection = Selection::parse(
            "[[group]]\nname='g'\nreason='r'\n[group.modules]\ne1000e='x'\nsd_mod='x'\nnew='x'\n\
             [[group]]\nname='o'\nreason='r'\noptional=true\n[group.modules]\nnewer='x'\nother='x'\n",
        )
        .unwrap();
        let config = Config::from_bytes(b"CONFIG_E1000E=m\n").unwrap();
        let missing = options.not_built(&selection, &config);
        let names: Vec<&str> = missing.keys().map(String::as_str).collect();
        assert_eq!(names, ["new", "other", "sd_mod"]);
        assert_eq!(missing["sd_mod"], ["SD"]);
    }
}
