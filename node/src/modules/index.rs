//! The tables `depmod` writes: which module serves which device, and what it needs first.
//!
//! Text formats of modules.dep(5): `modules.dep`, `modules.alias`, `modules.softdep`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::glob;

/// The modules in the image.
#[derive(Debug, Default)]
pub struct Index {
    directory: PathBuf,
    modules: HashMap<String, Module>,
    /// Patterns by the text before their first `:` or special character, so that a device is
    /// compared with the patterns of its own bus only.
    aliases: HashMap<String, Vec<(String, String)>>,
    softdeps: HashMap<String, Softdep>,
}

#[derive(Debug, Default)]
struct Module {
    path: String,
    dependencies: Vec<String>,
}

#[derive(Debug, Default)]
struct Softdep {
    before: Vec<String>,
    after: Vec<String>,
}

/// A step of loading: a module's name and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Module name with `_`, as in `/proc/modules`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Soft dependencies may fail, hard ones may not.
    pub required: bool,
}

impl Index {
    /// Reads the tables of one kernel version. Tables that are missing are taken as empty: a kernel
    /// may have everything built in.
    pub fn read(directory: &Path) -> Self {
        let text = |name: &str| {
            let bytes = std::fs::read(directory.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self::parse(
            directory,
            &text("modules.dep"),
            &text("modules.alias"),
            &text("modules.softdep"),
        )
    }

    fn parse(directory: &Path, dep: &str, alias: &str, softdep: &str) -> Self {
        let mut index = Self {
            directory: directory.to_owned(),
            ..Self::default()
        };
        for line in lines(dep) {
            let Some((path, dependencies)) = line.split_once(':') else {
                continue;
            };
            index.modules.insert(
                name_of(path),
                Module {
                    path: path.to_owned(),
                    dependencies: dependencies.split_whitespace().map(name_of).collect(),
                },
            );
        }
        for line in lines(alias) {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(pattern), Some(module)) =
                (words.next(), words.next(), words.next())
            {
                index
                    .aliases
                    .entry(bus(pattern).to_owned())
                    .or_default()
                    .push((pattern.to_owned(), normal(module)));
            }
        }
        for line in lines(softdep) {
            let mut words = line.split_whitespace();
            let (Some("softdep"), Some(module)) = (words.next(), words.next()) else {
                continue;
            };
            let entry = index.softdeps.entry(normal(module)).or_default();
            let mut before = None;
            for word in words {
                match (word, before) {
                    ("pre:", _) => before = Some(true),
                    ("post:", _) => before = Some(false),
                    (name, Some(true)) => entry.before.push(normal(name)),
                    (name, Some(false)) => entry.after.push(normal(name)),
                    (_, None) => {}
                }
            }
        }
        index
    }

    /// How many modules the image carries.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Modules that serve a device (`pci:v00008086…`) or a name the kernel asks for
    /// (`fs-vfat`, `nls_cp437`, `vfat`).
    pub fn resolve(&self, name: &str) -> Vec<&str> {
        let wanted = normal(name);
        if let Some((module, _)) = self.modules.get_key_value(&wanted) {
            return vec![module];
        }
        let mut found = Vec::new();
        // Patterns that start with a wildcard are under the empty key.
        for key in [bus(name), ""] {
            for (pattern, module) in self.aliases.get(key).into_iter().flatten() {
                // `-` and `_` are the same to modprobe in names, but not in device aliases.
                let fits = glob::matches(pattern, name)
                    || (!name.contains(':') && normal(pattern) == wanted);
                if fits
                    && !found.contains(&module.as_str())
                    && self.modules.contains_key(module.as_str())
                {
                    found.push(module);
                }
            }
            if bus(name).is_empty() {
                break;
            }
        }
        found
    }

    /// Modules that serve nothing but PCI devices, which are all there at power-on. NVMe is not
    /// among them: servers let people plug such disks in while they run.
    pub fn pci_only(&self) -> impl Iterator<Item = &str> {
        const PLUGGABLE: [&str; 1] = ["nvme"];
        let served_by = |bus: &str| -> HashSet<&str> {
            let patterns = self.aliases.get(bus).into_iter().flatten();
            patterns.map(|(_, module)| module.as_str()).collect()
        };
        let others: HashSet<&str> = self
            .aliases
            .iter()
            .filter(|(bus, _)| *bus != "pci")
            .flat_map(|(_, patterns)| patterns.iter().map(|(_, module)| module.as_str()))
            .collect();
        served_by("pci")
            .into_iter()
            .filter(move |module| !others.contains(module) && !PLUGGABLE.contains(module))
    }

    /// The file of a module.
    pub fn path(&self, module: &str) -> Option<PathBuf> {
        let module = self.modules.get(module)?;
        Some(self.directory.join(&module.path))
    }

    /// What has to be loaded, in order, to have `module`: soft dependencies before, hard
    /// dependencies, the module, soft dependencies after.
    pub fn plan(&self, module: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        self.plan_into(module, true, &mut Vec::new(), &mut steps);
        steps
    }

    fn plan_into(
        &self,
        name: &str,
        required: bool,
        visiting: &mut Vec<String>,
        steps: &mut Vec<Step>,
    ) {
        // Soft dependencies may form circles.
        if visiting.iter().any(|v| v == name) {
            return;
        }
        if let Some(step) = steps.iter_mut().find(|step| step.name == name) {
            step.required |= required;
            return;
        }
        let Some(module) = self.modules.get(name) else {
            return;
        };
        visiting.push(name.to_owned());
        let softdep = self.softdeps.get(name);
        for before in softdep.iter().flat_map(|soft| &soft.before) {
            self.plan_soft(before, visiting, steps);
        }
        // depmod lists what must be loaded first last.
        for dependency in module.dependencies.iter().rev() {
            self.plan_into(dependency, required, visiting, steps);
        }
        steps.push(Step {
            name: name.to_owned(),
            path: self.directory.join(&module.path),
            required,
        });
        for after in softdep.iter().flat_map(|soft| &soft.after) {
            self.plan_soft(after, visiting, steps);
        }
        visiting.pop();
    }

    fn plan_soft(&self, name: &str, visiting: &mut Vec<String>, steps: &mut Vec<Step>) {
        for module in self.resolve(name) {
            self.plan_into(module, false, visiting, steps);
        }
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Module name of a file: without directory and `.ko`, `.ko.xz`, ….
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normal(file.split('.').next().unwrap_or(file))
}

/// Module names are written with `-` or `_`; the kernel knows `_` only.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// The literal text in front of the first `:`, `*`, `?` or `[`.
fn bus(pattern: &str) -> &str {
    let end = pattern.find([':', '*', '?', '[', '\\']);
    match end {
        Some(end) if pattern.as_bytes()[end] == b':' => &pattern[..end],
        Some(_) => "",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko
kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko
kernel/net/core/failover.ko:
kernel/fs/fat/vfat.ko: kernel/fs/fat/fat.ko
kernel/fs/fat/fat.ko:
kernel/fs/nls/nls_cp437.ko.xz:
kernel/drivers/scsi/sd_mod.ko: kernel/lib/crc-t10dif.ko
kernel/lib/crc-t10dif.ko:
kernel/drivers/usb/host/ohci-hcd.ko:
kernel/drivers/usb/host/ehci-hcd.ko:
";
    const ALIAS: &str = "\
# Aliases extracted from modules themselves.
alias virtio:d00000001v* virtio_net
alias fs-vfat vfat
alias scsi:t-0x00* sd_mod
alias crypto-crct10dif-pclmul crct10dif_pclmul
alias pci:v*d*sv*sd*bc0Csc03i10* ohci_hcd
";
    const SOFTDEP: &str = "\
softdep ohci_hcd pre: ehci_hcd
softdep ehci_hcd post: ohci-hcd
softdep sd_mod post: missing crct10dif-pclmul
";

    fn index() -> Index {
        Index::parse(Path::new("/m"), DEP, ALIAS, SOFTDEP)
    }

    fn names(module: &str) -> Vec<String> {
        index().plan(module).into_iter().map(|s| s.name).collect()
    }

    #[test]
    fn dependencies_come_first() {
        assert_eq!(
            names("virtio_net"),
            ["failover", "net_failover", "virtio_net"]
        );
        assert_eq!(names("sd_mod"), ["crc_t10dif", "sd_mod"]);
    }

    #[test]
    fn soft_dependencies_are_followed_and_may_form_circles() {
        assert_eq!(names("ohci_hcd"), ["ehci_hcd", "ohci_hcd"]);
        let plan = index().plan("ohci_hcd");
        assert!(!plan[0].required && plan[1].required);
    }

    #[test]
    fn devices_names_and_file_systems_resolve() {
        let index = index();
        let resolve = |name| index.resolve(name);
        assert_eq!(resolve("virtio:d00000001v00001AF4"), ["virtio_net"]);
        assert_eq!(resolve("scsi:t-0x00"), ["sd_mod"]);
        assert_eq!(resolve("fs-vfat"), ["vfat"]);
        assert_eq!(resolve("nls_cp437"), ["nls_cp437"]);
        assert_eq!(resolve("ohci-hcd"), ["ohci_hcd"]);
        assert_eq!(
            resolve("pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i10"),
            ["ohci_hcd"]
        );
        assert!(
            resolve("crypto-crct10dif-pclmul").is_empty(),
            "not in the image"
        );
        assert!(resolve("pci:v00008086d00001237sv0sd0bc06sc00i00").is_empty());
        assert!(resolve("").is_empty());
    }

    #[test]
    fn pci_only_modules_are_those_without_another_use() {
        let alias = "alias pci:v1d* a\nalias pci:v2d* b\nalias usb:v2* b\nalias pci:v3* nvme\n\
                     alias fs-x a_fs\nalias pci:v4d* c\nalias rtnl-link-c c\n";
        let index = Index::parse(Path::new("/m"), "", alias, "");
        assert_eq!(index.pci_only().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn paths_are_as_listed() {
        assert_eq!(
            index().plan("nls_cp437")[0].path,
            Path::new("/m/kernel/fs/nls/nls_cp437.ko.xz")
        );
    }

    #[test]
    fn broken_tables_are_no_tables() {
        let index = Index::parse(
            Path::new("/m"),
            "no colon\n:\n",
            "alias x\nfoo",
            "softdep\nx",
        );
        assert!(index.resolve("x").is_empty());
        assert_eq!(index.plan("x"), []);
    }
}
