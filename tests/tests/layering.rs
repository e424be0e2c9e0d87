//! The arrows between crates are the ones that `docs/architecture.md` states, and no others.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The arrows that the architecture page allows.
fn stated() -> Arrows {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let block = page.split("```layers").nth(1).expect("the page has a block of layers").split("```").next().unwrap();
    block
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, needs)| (name.trim().to_owned(), needs.split_whitespace().map(str::to_owned).collect()))
        .collect()
}

/// The arrows that the manifests draw.
fn drawn() -> Arrows {
    let folder = root().join("crates");
    let mut arrows = Arrows::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let needs = manifest["dependencies"]
            .as_table()
            .unwrap()
            .keys()
            .filter_map(|name| name.strip_prefix("orchestrate-").map(str::to_owned))
            .collect();
        arrows.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), needs);
    }
    arrows
}

#[test]
fn crates_depend_only_on_what_the_architecture_page_states() {
    assert_eq!(stated(), drawn(), "docs/architecture.md (left) and the manifests (right) differ");
}

#[test]
fn pure_crates_need_no_runtime_and_no_disk() {
    let pure = ["model", "config", "planner", "engine", "display", "serve"];
    let shell = ["tokio", "hyper", "futures", "clap", "tracing-subscriber", "tempfile"];
    for name in pure {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        for dependency in manifest["dependencies"].as_table().unwrap().keys() {
            assert!(!shell.contains(&dependency.as_str()), "{name} depends on {dependency}");
        }
    }
}

#[test]
fn nothing_depends_on_the_command_line() {
    for (name, needs) in drawn() {
        assert!(!needs.contains("cli"), "{name} depends on the command line");
    }
}
