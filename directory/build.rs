//! Rebuilds when a migration is added: they are compiled in.

#![expect(clippy::disallowed_macros, reason = "how a build script speaks")]

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
