//! The C core under AddressSanitizer and UndefinedBehaviorSanitizer, on many random inputs.

use std::path::Path;
use std::process::Command;

#[test]
fn the_core_is_clean_under_the_sanitizers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("storm");
    let sources = [
        "csrc/words.c",
        "csrc/types.c",
        "csrc/format.c",
        "csrc/parse.c",
        "csrc/expand.c",
        "csrc/commands.c",
        "tests/storm.c",
    ];
    let built = Command::new("cc")
        .current_dir(root)
        .args(["-std=c99", "-g", "-O1", "-fsanitize=address,undefined"])
        .args(["-fno-sanitize-recover=all", "-Wall", "-Wextra", "-Werror"])
        .args(["-Wno-missing-field-initializers", "-Icsrc"])
        .args(sources)
        .arg("-o")
        .arg(&program)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    for seed in 1..=4 {
        let run = Command::new(&program)
            .arg(seed.to_string())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "seed {seed}: {errors}");
        let done = String::from_utf8_lossy(&run.stdout);
        assert_eq!(done.trim(), "200000 rounds");
    }
}
