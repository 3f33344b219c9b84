//! The corpus: small scripts, one for each rule of the grammar and each error.

/// A script of the corpus.
pub struct Case {
    pub name: String,
    pub script: String,
    /// Commands that fail on the machine the corpus runs on.
    pub fails: Vec<String>,
}

const FILES: &[&str] = &[
    include_str!("../corpus/operators.txt"),
    include_str!("../corpus/settings.txt"),
    include_str!("../corpus/types.txt"),
    include_str!("../corpus/ends.txt"),
    include_str!("../corpus/more.txt"),
];

/// All of them. `%CR%` and `%TAB%` stand for what editors like to change.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for file in FILES {
        for part in format!("\n{file}").split("\n=== ").skip(1) {
            let (head, body) = part.split_once('\n').unwrap_or((part, ""));
            let mut head = head.split(" fails=");
            let name = head.next().unwrap_or_default().to_owned();
            let fails = head.next().map(|all| all.split(',').map(str::to_owned));
            let mut script = body.replace("%CR%", "\r").replace("%TAB%", "\t");
            // The newline before the next head belongs to the script, but for its last case.
            if !script.ends_with('\n') {
                script.push('\n');
            }
            cases.push(Case {
                name,
                script,
                fails: fails.into_iter().flatten().collect(),
            });
        }
    }
    cases
}

#[test]
fn every_script_has_a_name_of_its_own() {
    let mut names: Vec<String> = all().into_iter().map(|case| case.name).collect();
    assert!(names.len() >= 150, "{}", names.len());
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}
