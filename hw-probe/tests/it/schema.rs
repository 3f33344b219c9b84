//! The shape of the JSON report: scripts rely on these names. A name is never lost or renamed
//! without raising the schema version; new ones are fine.

#![cfg(feature = "cli")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hw_probe::report::{Report, ReportOptions};
use hw_probe::root::Root;
use hw_probe::{ProbeOptions, probe};
use serde_json::Value;

use super::{big_machine, fixtures};

/// Every path in the value with the kinds of what stands there.
fn paths(value: &Value, at: &str, found: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            items
                .iter()
                .for_each(|item| paths(item, &format!("{at}[]"), found));
            "list"
        }
        Value::Object(fields) => {
            let dot = if at.is_empty() { "" } else { "." };
            for (name, field) in fields {
                paths(field, &format!("{at}{dot}{name}"), found);
            }
            return;
        }
    };
    found.entry(at.to_owned()).or_default().insert(kind);
}

fn report(tree: &Path) -> Value {
    let inventory = probe(&Root::at(tree).unwrap(), &ProbeOptions::default());
    serde_json::to_value(Report::of(&inventory, &ReportOptions::default())).unwrap()
}

#[test]
fn names_in_the_report_stay() {
    let mut found = BTreeMap::new();
    let mut trees = 0;
    for entry in std::fs::read_dir(fixtures::dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "txt") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            paths(&report(fixtures::open(&name).path()), "", &mut found);
            trees += 1;
        }
    }
    assert!(trees >= 7, "{trees} fixtures");
    let big = tempfile::tempdir().unwrap();
    big_machine::write(big.path()).unwrap();
    paths(&report(big.path()), "", &mut found);
    let list: String = found
        .into_iter()
        .map(|(path, kinds)| {
            let kinds: Vec<&str> = kinds.into_iter().collect();
            format!("{path}: {}\n", kinds.join(" or "))
        })
        .collect();
    insta::assert_snapshot!("report_json", list);
}
