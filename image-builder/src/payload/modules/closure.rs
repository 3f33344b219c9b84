//! From a selection to every module it needs.
//!
//! `depends=` gives hard dependencies; soft and weak ones may name aliases (`crct10dif` is an alias
//! of two modules) and may be absent. What request_module() asks for at run time without declaring
//! it (nls tables, for one) stands in the selection's table of requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Selection;
use super::modinfo::normalise;
use crate::bootkit::{ModuleEntry, PackIndex};

/// The modules of an image and what was noticed on the way.
#[derive(Debug, Clone, Default)]
pub struct ModulePlan<'i> {
    /// Modules to include, sorted by path.
    pub modules: Vec<&'i ModuleEntry>,
    /// Selected modules this kernel does not have, as `group/module`.
    pub unknown: Vec<String>,
    /// Selected modules that are compiled into the kernel.
    pub builtin: Vec<String>,
    /// Hard dependencies that exist neither as module nor built in, as `module: dependency`.
    pub unresolved: Vec<String>,
    /// Firmware each included module may ask for, by module.
    pub firmware: BTreeMap<String, Vec<String>>,
}

/// Computes the closure of a selection.
pub fn plan<'i>(index: &'i PackIndex, selection: &Selection) -> ModulePlan<'i> {
    let lookup = Lookup::new(index);
    let mut plan = ModulePlan::default();
    let mut todo: Vec<&'i ModuleEntry> = Vec::new();
    for (name, group) in selection.names() {
        if let Some(module) = lookup.modules.get(name.as_str()) {
            todo.push(module);
        } else if index.builtin.contains_key(&name) {
            plan.builtin.push(name);
        } else if !group.optional {
            plan.unknown.push(format!("{}/{name}", group.name));
        }
    }
    let mut included: BTreeMap<&str, &'i ModuleEntry> = BTreeMap::new();
    while let Some(module) = todo.pop() {
        if included.insert(&module.path, module).is_some() {
            continue;
        }
        for name in &module.info.depends {
            match lookup.modules.get(name.as_str()) {
                Some(dependency) => todo.push(dependency),
                None if index.builtin.contains_key(name) => {}
                None => plan.unresolved.push(format!("{}: {name}", module.name)),
            }
        }
        let info = &module.info;
        let requests = selection.requests.get(&module.name);
        for name in info
            .soft_pre
            .iter()
            .chain(&info.soft_post)
            .chain(&info.weak)
            .chain(requests.into_iter().flat_map(|request| &request.modules))
        {
            todo.extend(lookup.soft(name));
        }
    }
    plan.modules = included.into_values().collect();
    plan.unresolved.sort_unstable();
    for module in &plan.modules {
        let mut files = module.info.firmware.clone();
        if !files.is_empty() {
            files.sort_unstable();
            files.dedup();
            plan.firmware.insert(module.name.clone(), files);
        }
    }
    plan
}

/// Modules by name and by literal alias.
struct Lookup<'i> {
    modules: HashMap<&'i str, &'i ModuleEntry>,
    aliases: HashMap<String, Vec<&'i ModuleEntry>>,
}

impl<'i> Lookup<'i> {
    fn new(index: &'i PackIndex) -> Self {
        let mut aliases = HashMap::<String, Vec<_>>::new();
        for module in &index.modules {
            // Soft dependencies name services (`crct10dif`), never device patterns.
            let literal = |a: &&String| !a.contains(['*', '?', '[', ':']);
            for alias in module.info.aliases.iter().filter(literal) {
                aliases.entry(normalise(alias)).or_default().push(module);
            }
        }
        Self {
            modules: index.modules.iter().map(|m| (m.name.as_str(), m)).collect(),
            aliases,
        }
    }

    /// What modprobe would load for a name: the module of that name, else all with that alias.
    fn soft(&self, name: &str) -> Vec<&'i ModuleEntry> {
        let name = normalise(name);
        match self.modules.get(name.as_str()) {
            Some(module) => vec![module],
            None => self.aliases.get(&name).cloned().unwrap_or_default(),
        }
    }
}

/// Modules that must be loaded before `module`, first one first, hard dependencies only.
pub(super) fn load_order<'i>(
    module: &'i ModuleEntry,
    modules: &HashMap<&str, &'i ModuleEntry>,
) -> Vec<&'i ModuleEntry> {
    fn visit<'i>(
        module: &'i ModuleEntry,
        modules: &HashMap<&str, &'i ModuleEntry>,
        seen: &mut BTreeSet<&'i str>,
        order: &mut Vec<&'i ModuleEntry>,
    ) {
        for name in &module.info.depends {
            if let Some(&dependency) = modules.get(name.as_str())
                && seen.insert(&dependency.name)
            {
                visit(dependency, modules, seen, order);
                order.push(dependency);
            }
        }
    }
    let mut order = Vec::new();
    visit(
        module,
        modules,
        &mut BTreeSet::from([module.name.as_str()]),
        &mut order,
    );
    order
}

#[cfg(test)]
mod tests {
    use super::super::modinfo::ModInfo;
    use super::*;
    use crate::bootkit::Digest;

    fn entry(name: &str, fields: &[(&str, &str)]) -> ModuleEntry {
        let mut info = ModInfo::default();
        for (key, value) in fields {
            info.add(key, value);
        }
        ModuleEntry {
            name: normalise(name),
            path: format!("kernel/{name}.ko"),
            sha256: Digest::of(name.as_bytes()),
            size_bytes: 1,
            offset: 0,
            stored_bytes: 1,
            info,
        }
    }

    fn index() -> PackIndex {
        let mut index = PackIndex {
            modules: vec![
                entry(
                    "sd_mod",
                    &[
                        ("depends", "scsi-mod,t10"),
                        ("firmware", "b"),
                        ("firmware", "a"),
                    ],
                ),
                entry("scsi_mod", &[("depends", "scsi_common")]),
                entry("scsi_common", &[]),
                entry("t10", &[("softdep", "pre: crct10dif post: gone")]),
                entry(
                    "fast-crc",
                    &[("alias", "crct10dif"), ("alias", "cpu:type:x86*")],
                ),
                entry("slow_crc", &[("alias", "crct10dif")]),
                entry("loop_a", &[("depends", "loop_b,core")]),
                entry("loop_b", &[("depends", "loop_a,nowhere")]),
                entry("unrelated", &[]),
            ],
            builtin: BTreeMap::new(),
        };
        index.add_builtin("kernel/core/core.ko\n");
        index
    }

    fn selection(names: &[&str]) -> Selection {
        let mut selection = Selection::default();
        let names: Vec<_> = names.iter().map(|&n| n.to_owned()).collect();
        selection.add(&names).unwrap();
        selection
    }

    #[test]
    fn closure_follows_hard_soft_and_alias() {
        let index = index();
        let plan = plan(&index, &selection(&["sd-mod", "core", "missing"]));
        let names: Vec<_> = plan.modules.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "fast_crc",
                "scsi_common",
                "scsi_mod",
                "sd_mod",
                "slow_crc",
                "t10"
            ]
        );
        assert_eq!(plan.builtin, ["core"]);
        assert_eq!(plan.unknown, ["requested/missing"]);
        assert!(plan.unresolved.is_empty());
        assert_eq!(plan.firmware["sd_mod"], ["a", "b"]);
    }

    #[test]
    fn requests_come_along_as_far_as_there_are_any() {
        let index = index();
        let mut selection = selection(&["scsi_common"]);
        let request = super::super::Request {
            reason: "at run time".to_owned(),
            modules: vec!["crct10dif".to_owned(), "not-there".to_owned()],
        };
        selection.requests.insert("scsi_common".to_owned(), request);
        let plan = plan(&index, &selection);
        let names: Vec<_> = plan.modules.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["fast_crc", "scsi_common", "slow_crc"]);
        assert!(plan.unknown.is_empty() && plan.unresolved.is_empty());
    }

    #[test]
    fn circles_end_and_gaps_are_reported() {
        let index = index();
        let plan = plan(&index, &selection(&["loop_a"]));
        assert_eq!(plan.modules.len(), 2);
        assert_eq!(plan.unresolved, ["loop_b: nowhere"]);
        let by_name: HashMap<_, _> = index.modules.iter().map(|m| (m.name.as_str(), m)).collect();
        let order = load_order(by_name["sd_mod"], &by_name);
        let names: Vec<_> = order.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["scsi_common", "scsi_mod", "t10"]);
        assert_eq!(load_order(by_name["loop_a"], &by_name).len(), 1);
    }
}
