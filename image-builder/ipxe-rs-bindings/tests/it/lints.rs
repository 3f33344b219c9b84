//! What the linter says, and that it is silent where nothing is wrong.

use ipxe_rs_bindings::{Capabilities, Kind, Script, Severity, WordError, lint};

const DEBIAN_12: &str = "1.0.0+git-20190125.36a4c85-5.1";
const DEBIAN_13: &str = "1.21.1+git20250501.dad20602+dfsg-1";

fn findings(script: &str, version: &str) -> Vec<String> {
    lint(script, &Capabilities::of_version(Kind::Lkrn, version))
        .iter()
        .map(|f| {
            let level = if f.severity == Severity::Error {
                "E"
            } else {
                "W"
            };
            format!("{level} {}:{} {}", f.place.line, f.place.column, f.rule)
        })
        .collect()
}

#[test]
fn each_rule_has_a_place() {
    let cases: &[(&str, &[&str])] = &[
        ("echo no magic\n", &["E 1:1 magic"]),
        ("#!ipxe\nfrobnicate\n", &["E 2:1 command"]),
        ("#!ipxe\nconsole\n", &["E 2:1 command-missing"]),
        ("#!ipxe\nconsole ||\n", &["W 2:1 command-missing"]),
        ("#!ipxe\nset x 1 && iseq a\n", &["E 2:12 count"]),
        ("#!ipxe\necho -x\n", &["E 2:6 option"]),
        (
            "#!ipxe\nimgfetch -q http://a/b ||\n",
            &["E 2:10 option-missing"],
        ),
        (
            "#!ipxe\nimgfetch -t soon http://a/b ||\n",
            &["E 2:13 number"],
        ),
        ("#!ipxe\nimgfetch -t ${t} http://a/b ||\n", &[]),
        ("#!ipxe\nimgfetch --name ||\n", &["E 2:10 option-value"]),
        ("#!ipxe\nsleep soon\n", &["E 2:7 number"]),
        ("#!ipxe\ngoto nowhere\n", &["E 2:6 label"]),
        ("#!ipxe\ngoto ${where}\n", &[]),
        ("#!ipxe\n:a\n:a\n", &["W 3:1 label-twice"]),
        ("#!ipxe\n: a\n", &["W 2:1 label-empty", "E 2:3 command"]),
        ("#!ipxe\nchain https://a/b ||\n", &["E 2:7 scheme"]),
        (
            "#!ipxe\nchain http://a/b?s=${serial} ||\n",
            &["W 2:7 escape"],
        ),
        ("#!ipxe\nchain http://a/b?s=${serial:uristring} ||\n", &[]),
        ("#!ipxe\nchain http://a/b\n", &["W 2:1 unguarded"]),
        ("#!ipxe\necho a||b\n", &["W 2:6 operator-attached"]),
        ("#!ipxe\necho \"a b\"\n", &["W 2:6 quote"]),
        ("#!ipxe\necho ${x\n", &["W 2:6 brace"]),
        ("#!ipxe\necho ${x:nosuch}\n", &["E 2:6 type"]),
        ("#!ipxe\nset x:hex zz\n", &["E 2:11 value"]),
        ("#!ipxe\nexit\necho a\n", &["W 3:1 unreachable"]),
        ("#!ipxe\nexit\n:l echo a\n", &[]),
        ("#!ipxe\necho a \\\n", &["E 2:1 unfinished"]),
        (
            "#!ipxe\necho a \\\n  -x && \\\n  nosuch\n",
            &["E 4:3 command"],
        ),
        ("#!ipxe\necho ä\n", &["W 2:6 ascii"]),
        ("#!ipxe\niseq --help a\n", &["E 2:6 help"]),
    ];
    for (script, expected) in cases {
        assert_eq!(findings(script, DEBIAN_12), *expected, "{script}");
    }
}

#[test]
fn newer_builds_can_more() {
    let script = "#!ipxe\nconsole && dhcp -t 5 || chain https://a/b || poweroff ||\n";
    assert_eq!(findings(script, DEBIAN_12).len(), 4);
    assert_eq!(findings(script, DEBIAN_13), Vec::<String>::new());
}

#[test]
fn a_finding_says_what_to_do() {
    let capabilities = Capabilities::of_version(Kind::Lkrn, DEBIAN_12);
    let all = lint("#!ipxe\nconsole\nech a\n", &capabilities);
    let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "line 2, column 1: console is not in this iPXE (Debian 12's); use the package of \
             Debian 13, or do without",
            "line 3, column 1: ech is no command of iPXE; echo is meant?"
        ]
    );
}

#[test]
fn a_built_script_has_no_findings() {
    let mut script = Script::new();
    let build = |script: &mut Script| -> Result<(), WordError> {
        script.comment("a # b")?.label("again")?;
        script.command(&["dhcp"])?.or_goto("failed")?;
        script
            .command(&["chain", "http://192.0.2.1/boot.ipxe"])?
            .or_go_on();
        script.label("failed")?.say("Not booted: no answer.")?;
        script
            .command(&["sleep", "10"])?
            .command(&["goto", "again"])?;
        Ok(())
    };
    build(&mut script).unwrap();
    assert_eq!(findings(script.as_str(), DEBIAN_12), Vec::<String>::new());
}

#[test]
fn words_that_would_be_something_else_are_refused() {
    for word in ["", "a b", "a\n", "#x", "||", ";", "ä", "x\\", "\u{7f}"] {
        assert!(Script::new().command(&["echo", word]).is_err(), "{word:?}");
    }
    assert!(Script::new().command(&[":label"]).is_err());
    assert!(Script::new().say("-n").is_err());
    assert!(Script::new().comment("a\nreboot").is_err());
}
