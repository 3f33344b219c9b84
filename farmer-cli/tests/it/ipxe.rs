//! `farmer ipxe`: scripts checked and followed, binaries explained.

use serde_json::{Value, json};

use crate::support::Home;

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON on standard output")
}

#[test]
fn a_script_is_held_to_the_binary_that_will_run_it() {
    let home = Home::new();
    let script = home.path().join("boot.ipxe");
    std::fs::write(&script, "#!ipxe\nconsole\nchain https://a/b ||\n").expect("script");
    let lint = || home.farmer(&["ipxe", "lint", "-o", "json"]).arg(&script);
    let output = lint().output();
    assert_eq!(output.status.code(), Some(7));
    let told = parsed(&output.stdout);
    let rules: Vec<(&Value, &Value)> = told["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| (&finding["line"], &finding["rule"]))
        .collect();
    assert_eq!(
        rules,
        [
            (&json!(2), &json!("command-missing")),
            (&json!(3), &json!("scheme"))
        ]
    );
    // The same of the package's binary, which is as old in Debian 12.
    let output = lint().args(&["--binary", "/boot/ipxe.lkrn"]).output();
    assert_eq!(output.status.code(), Some(7));

    std::fs::write(&script, "#!ipxe\ndhcp || exit 1\n").expect("script");
    let told = parsed(&lint().run().stdout);
    assert_eq!(told["findings"], json!([]));
}

#[test]
fn a_trace_says_what_runs_and_what_the_screen_shows() {
    let home = Home::new();
    let script = home.path().join("boot.ipxe");
    let text =
        "#!ipxe\nkernel http://a/${net0/mac:hexhyp} || goto no\nboot\n:no\necho No ${x}\nexit 3\n";
    std::fs::write(&script, text).expect("script");
    let trace = |more: &[&str]| {
        let mut farmer = home.farmer(&["ipxe", "trace", "-o", "json"]);
        farmer = farmer.arg(&script).args(more);
        parsed(&farmer.run().stdout)
    };
    let told = trace(&["--set", "net0/mac=52:54:00:12:34:56"]);
    assert_eq!(told["end"], "handed-over");
    assert_eq!(told["line"], 3);
    assert_eq!(told["steps"][0]["words"][1], "http://a/52-54-00-12-34-56");
    let told = trace(&["--fail", "kernel", "--set", "x:int8=5"]);
    assert_eq!(told["console"], "No 5\n");
    assert_eq!((&told["end"], &told["status"]), (&json!("exit"), &json!(3)));
    let wrong = home
        .farmer(&["ipxe", "trace", "--set", "x:ipv4=no"])
        .arg(&script)
        .output();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_binary_is_explained() {
    let home = Home::new();
    let told = parsed(
        &home
            .farmer(&["ipxe", "show", "/boot/ipxe.lkrn", "-o", "json"])
            .run()
            .stdout,
    );
    assert_eq!(told["kind"], "lkrn");
    assert_eq!(told["delivery"], "the script as its initrd");
    assert!(
        told["commands"]
            .as_array()
            .is_some_and(|all| all.len() > 40)
    );
    let other = home.farmer(&["ipxe", "show", "/bin/true"]).output();
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("no iPXE binary"));
}
