//! Handing modules to the kernel.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::system::finit_module;

use super::index::Index;

/// `MODULE_INIT_COMPRESSED_FILE` of linux/module.h: the kernel decompresses the file itself.
const COMPRESSED_FILE: i32 = 4;

/// A module the kernel did not take.
#[derive(Debug, thiserror::Error)]
#[error("module {name} was not loaded")]
pub struct LoadError {
    /// Its name.
    pub name: String,
    #[source]
    source: std::io::Error,
}

/// The modules of the running kernel, and which of them were loaded by this process.
pub struct Loader {
    index: Index,
    loaded: HashSet<String>,
    failed: HashSet<String>,
}

impl Loader {
    /// A loader for the running kernel's modules below `/lib/modules`.
    pub fn of_running_kernel() -> Self {
        Self {
            index: Index::read(&modules_directory()),
            loaded: HashSet::new(),
            failed: HashSet::new(),
        }
    }

    /// The tables.
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// How many modules were loaded so far.
    pub fn loaded(&self) -> usize {
        self.loaded.len()
    }

    /// Whether a module is in the kernel because of this loader.
    pub fn has(&self, module: &str) -> bool {
        self.loaded.contains(module)
    }

    /// Takes files off the root file system, which is memory, that nobody will ask for again:
    /// modules that are loaded, and drivers of PCI cards this machine does not have.
    pub fn prune(&self) {
        let loaded = self.loaded.iter().map(String::as_str);
        for module in loaded.chain(self.index.pci_only()) {
            if let Some(path) = self.index.path(module) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Loads what serves a device or a name, with everything that needs first. A module that the
    /// kernel refused is not tried again by this loader.
    pub fn load(&mut self, alias: &str) -> Vec<LoadError> {
        let modules: Vec<String> = self
            .index
            .resolve(alias)
            .into_iter()
            .map(str::to_owned)
            .collect();
        modules
            .iter()
            .flat_map(|module| self.load_module(module))
            .collect()
    }

    fn load_module(&mut self, module: &str) -> Vec<LoadError> {
        let mut errors = Vec::new();
        if self.loaded.contains(module) || self.failed.contains(module) {
            return errors;
        }
        for step in self.index.plan(module) {
            if self.loaded.contains(&step.name) {
                continue;
            }
            match insert(&step.path) {
                Ok(()) => {
                    self.loaded.insert(step.name);
                }
                Err(source) => {
                    self.failed.insert(step.name.clone());
                    if step.required {
                        self.failed.insert(module.to_owned());
                        errors.push(LoadError {
                            name: step.name,
                            source,
                        });
                        break;
                    }
                }
            }
        }
        errors
    }
}

fn insert(path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    let is_plain = path.extension().is_some_and(|suffix| suffix == "ko");
    let flags = if is_plain { 0 } else { COMPRESSED_FILE };
    match finit_module(&file, c"", flags) {
        // Exists: another process (the kernel's own helper) was faster.
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// `/lib/modules/<release of the running kernel>`.
pub fn modules_directory() -> PathBuf {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    Path::new("/lib/modules").join(release)
}

/// What the kernel runs as `/sbin/modprobe -q -- NAME`: loads the module or alias and answers
/// whether all went well.
pub fn helper(arguments: impl Iterator<Item = String>) -> bool {
    let mut loader = Loader::of_running_kernel();
    let names: Vec<String> = arguments.filter(|word| !word.starts_with('-')).collect();
    let known = names
        .iter()
        .all(|name| !loader.index().resolve(name).is_empty());
    known && names.iter().all(|name| loader.load(name).is_empty())
}
