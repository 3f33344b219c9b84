//! The index files of the image, in depmod's text formats (modules.dep(5), depmod(8)), restricted to
//! the modules it carries.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::ModulePlan;
use super::closure::load_order;
use crate::bootkit::ModuleEntry;

/// `modules.dep`: `path: dependencies`, all of them, the one to load first last.
pub fn modules_dep(plan: &ModulePlan<'_>) -> String {
    let by_name: HashMap<&str, &ModuleEntry> =
        plan.modules.iter().map(|&m| (m.name.as_str(), m)).collect();
    let mut text = String::new();
    for module in &plan.modules {
        text.push_str(&module.path);
        text.push(':');
        for dependency in load_order(module, &by_name).into_iter().rev() {
            text.push(' ');
            text.push_str(&dependency.path);
        }
        text.push('\n');
    }
    text
}

/// `modules.alias`: `alias PATTERN module`.
pub fn modules_alias(plan: &ModulePlan<'_>) -> String {
    let mut text = String::from("# Aliases extracted from modules themselves.\n");
    for module in &plan.modules {
        for alias in &module.info.aliases {
            // The format is split at white space.
            if !alias.contains(char::is_whitespace) {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "alias {alias} {}", module.name);
            }
        }
    }
    text
}

/// `modules.softdep`: `softdep module pre: a post: b`.
pub fn modules_softdep(plan: &ModulePlan<'_>) -> String {
    let mut text = String::from("# Soft dependencies extracted from modules themselves.\n");
    for module in &plan.modules {
        let (pre, post) = (&module.info.soft_pre, &module.info.soft_post);
        if pre.is_empty() && post.is_empty() {
            continue;
        }
        text.push_str("softdep ");
        text.push_str(&module.name);
        for (word, names) in [(" pre:", pre), (" post:", post)] {
            if !names.is_empty() {
                text.push_str(word);
                for name in names {
                    text.push(' ');
                    text.push_str(name);
                }
            }
        }
        text.push('\n');
    }
    text
}
