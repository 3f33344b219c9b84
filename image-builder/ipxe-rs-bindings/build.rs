//! Compiles the C core.
#![expect(
    clippy::disallowed_macros,
    reason = "cargo is spoken to on standard output"
)]

fn main() {
    let sources = ["words", "types", "format", "parse", "expand", "commands"];
    for source in sources {
        println!("cargo::rerun-if-changed=csrc/{source}.c");
    }
    for header in ["ipxs", "writer"] {
        println!("cargo::rerun-if-changed=csrc/{header}.h");
    }
    cc::Build::new()
        .std("c99")
        .flags(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion"])
        .flag_if_supported("-Wno-missing-field-initializers")
        .opt_level(2)
        .files(sources.map(|source| format!("csrc/{source}.c")))
        .compile("ipxs");
}
