//! The selection file: groups of modules by purpose, each module with its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::modinfo::normalise;

/// The selection that comes with this program, `kernel-config/modules.toml`.
const DEFAULT: &str = include_str!("../../../../kernel-config/modules.toml");

/// A selection of kernel modules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Groups in the order of the file.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    /// What modules ask for at run time without declaring it, by module.
    #[serde(default)]
    pub requests: BTreeMap<String, Request>,
}

/// What one module asks the kernel for while it runs (`request_module()` of a name it computes).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// When it asks.
    pub reason: String,
    /// Modules or aliases; those the kernel does not have are left out.
    pub modules: Vec<String>,
}

/// Modules of one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Short name, unique in the file.
    pub name: String,
    /// What it is for.
    pub reason: String,
    /// Whether modules the kernel does not have go unmentioned.
    #[serde(default)]
    pub optional: bool,
    /// Module name to the reason it is there.
    pub modules: BTreeMap<String, String>,
}

/// A selection file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Not the expected TOML.
    #[error("module selection: {}", .0.message())]
    Syntax(#[from] toml::de::Error),
    /// A group or a module stands there twice.
    #[error("module selection: {0} is listed twice")]
    Twice(String),
    /// A module without a reason, or with a name that is none.
    #[error("module selection: {0}")]
    Invalid(String),
}

impl Selection {
    /// The built-in selection.
    ///
    /// # Errors
    /// None in a released program: a test parses the file.
    pub fn default_set() -> Result<Self, SelectionError> {
        Self::parse(DEFAULT)
    }

    /// Parses and checks a selection file.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let selection: Self = toml::from_str(text)?;
        let mut seen = BTreeSet::new();
        for group in &selection.groups {
            if !seen.insert(format!("group {}", group.name)) {
                return Err(SelectionError::Twice(format!("group {}", group.name)));
            }
            for (module, reason) in &group.modules {
                check_name(module)?;
                if reason.trim().is_empty() || group.reason.trim().is_empty() {
                    return Err(SelectionError::Invalid(format!("{module} has no reason")));
                }
                if !seen.insert(normalise(module)) {
                    return Err(SelectionError::Twice(module.clone()));
                }
            }
        }
        for (module, request) in &selection.requests {
            for name in [module].into_iter().chain(&request.modules) {
                check_name(name)?;
            }
        }
        Ok(selection)
    }

    /// Adds modules asked for by name (a command line's `--module`).
    pub fn add(&mut self, modules: &[String]) -> Result<(), SelectionError> {
        if modules.is_empty() {
            return Ok(());
        }
        let mut group = Group {
            name: "requested".into(),
            reason: "asked for by name".into(),
            optional: false,
            modules: BTreeMap::new(),
        };
        for module in modules {
            check_name(module)?;
            group
                .modules
                .insert(module.clone(), "asked for by name".into());
        }
        self.groups.push(group);
        Ok(())
    }

    /// Normalised module names, sorted, each with the group that asks for it first.
    pub fn names(&self) -> BTreeMap<String, &Group> {
        let mut names = BTreeMap::new();
        for group in &self.groups {
            for module in group.modules.keys() {
                names.entry(normalise(module)).or_insert(group);
            }
        }
        names
    }
}

fn check_name(name: &str) -> Result<(), SelectionError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(SelectionError::Invalid(format!(
            "{name:?} is no module name"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_selection_is_valid() {
        let selection = Selection::default_set().unwrap();
        assert!(selection.names().len() > 150);
    }

    #[test]
    fn mistakes_are_named() {
        let group = |modules: &str| {
            Selection::parse(&format!(
                "[[group]]\nname = 'g'\nreason = 'r'\n[group.modules]\n{modules}"
            ))
        };
        let message = |modules: &str| group(modules).unwrap_err().to_string();
        assert!(group("a-b = 'x'").is_ok());
        assert!(message("a-b = 'x'\na_b = 'y'").contains("twice"));
        assert!(message("a = ' '").contains("no reason"));
        assert!(message("'../a' = 'x'").contains("no module name"));
        assert!(Selection::parse("[[group]]\nname = 1").is_err());
    }
}
