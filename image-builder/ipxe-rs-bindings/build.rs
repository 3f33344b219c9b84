//! Compiles the C core.
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "cargo speaks through the environment and is spoken to on standard output"
)]

fn main() {
    let sources = ["words", "types", "format", "parse", "expand", "commands"];
    for source in sources {
        println!("cargo::rerun-if-changed=csrc/{source}.c");
    }
    for header in ["ipxs", "writer"] {
        println!("cargo::rerun-if-changed=csrc/{header}.h");
    }
    let mut build = cc::Build::new();
    // The fuzzer (scripts/fuzz): what the C part reads and compares is watched like the rest.
    if std::env::var_os("CARGO_CFG_SANITIZE").is_some_and(|kinds| kinds == "address") {
        build.flags(["-fsanitize=address", "-fsanitize-coverage=trace-cmp"]);
    }
    build
        .std("c99")
        .flags(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion"])
        .flag_if_supported("-Wno-missing-field-initializers")
        .opt_level(2)
        .files(sources.map(|source| format!("csrc/{source}.c")))
        .compile("ipxs");
}
