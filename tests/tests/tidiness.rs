//! What keeps the tree readable: the top level, the size of files, and pages for every code.

#![cfg(test)]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&root().join("crates"), &mut found);
    sources(&root().join("tests"), &mut found);
    assert!(found.len() > 50, "the tree was not read");
    found
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let agreed = ["Cargo.toml", "crates", "plans", "examples", "tests", "docs", "README.md"];
    let besides = [
        "Cargo.lock",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "clippy.toml",
        "justfile",
        "rustfmt.toml",
        "target",
    ];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_str().unwrap().to_owned();
        if !name.starts_with('.') {
            found.push(name);
        }
    }
    for name in agreed {
        assert!(found.iter().any(|found| found == name), "{name} is missing");
    }
    for name in &found {
        assert!(agreed.contains(&name.as_str()) || besides.contains(&name.as_str()), "{name} does not belong here");
    }
}

/// Files that were longer when the rule was made. They may only shrink.
const LONG: &[(&str, usize)] = &[];

#[test]
fn files_stay_short_enough_to_read() {
    for path in all_sources() {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let most = LONG.iter().find(|(long, _)| *long == name).map_or(700, |(_, most)| *most);
        assert!(lines <= most, "{name} has {lines} lines, at most {most}: split it at a seam");
    }
}

#[test]
fn every_crate_says_what_belongs_in_it() {
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let lib = path.join("src/lib.rs");
        let main = path.join("src/main.rs");
        let text = std::fs::read_to_string(if lib.exists() { &lib } else { &main }).unwrap();
        let opening: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        for words in ["Belongs here", "not belong here"] {
            assert!(opening.contains(words), "{} does not say {words:?}", path.display());
        }
    }
}

#[test]
fn pure_crates_carry_the_shared_lint_settings() {
    let settings = |path: PathBuf| -> toml::Table { std::fs::read_to_string(path).unwrap().parse().unwrap() };
    let shared = settings(root().join("clippy.toml"));
    for name in ["model", "config", "planner", "engine", "serve"] {
        let own = settings(root().join("crates").join(name).join("clippy.toml"));
        for (key, value) in &shared {
            assert_eq!(own.get(key), Some(value), "crates/{name}/clippy.toml differs in {key}");
        }
        assert!(own.contains_key("disallowed-methods"), "crates/{name}/clippy.toml bans nothing");
    }
}

#[test]
fn nothing_is_left_behind() {
    // Put together here, so that this file does not contain them.
    let words = [["to", "do!("].concat(), ["FIX", "ME"].concat(), ["unimplement", "ed!("].concat()];
    for path in all_sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} contains {word}", path.display());
        }
    }
}

/// The places that differ between operating systems, each with what differs there.
const SEAMS: &[(&str, &str)] = &[
    ("crates/cli/src/host.rs", "where state is kept, the shell at hand, processes that live by themselves"),
    ("crates/cli/src/terminal/keys.rs", "what is typed while a run is shown"),
    ("crates/cli/src/terminal/signals.rs", "what the terminal and the system tell us to stop with"),
    ("crates/commands/src/system.rs", "programs in groups, and lending them the terminal"),
    ("crates/driver-dns/src/tests/mod.rs", "tests with dnsmasq and NSD, which run on Unix"),
    ("crates/driver-haproxy/src/socket.rs", "sockets in the file system"),
    ("crates/driver-haproxy/src/tests/mod.rs", "tests with HAProxy, which runs on Unix"),
    ("crates/driver-winrm/src/lab_tests.rs", "tests with a host that is nearly Windows, made of Unix programs"),
    (
        "crates/driver-winrm/src/powershell_tests/mod.rs",
        "tests with a host that is nearly Windows, made of Unix programs",
    ),
    (
        "crates/driver-winrm/src/powershell_tests/probe.rs",
        "tests with a host that is nearly Windows, made of Unix programs",
    ),
    ("crates/driver-winrm/src/task_tests.rs", "tests with a host that is nearly Windows, made of Unix programs"),
    ("crates/files/src/system/mod.rs", "files: chooses between the next two"),
    ("crates/files/src/system/unix.rs", "files: owners and modes"),
    ("crates/files/src/system/windows.rs", "files: access lists"),
    ("crates/web/src/socket.rs", "sockets in the file system"),
    ("crates/wsman/src/auth/current/mod.rs", "the logon of the person: chooses between Windows, a ticket and none"),
    ("crates/wsman/tests/strangers/main.rs", "tests with hosts in a domain, which are Unix programs"),
    ("tests/src/signals.rs", "ending other programs"),
    ("tests/tests/cli_files.rs", "tests with pipes, links and modes"),
    ("tests/tests/cli_notify.rs", "tests with programs of Unix, and modes"),
    ("tests/tests/live_on_lab.rs", "tests with terminals and keys, which are read on Unix"),
    ("tests/tests/pool_of_strangers/main.rs", "tests with hosts in a domain, which are Unix programs"),
    ("tests/tests/real_haproxy.rs", "tests with HAProxy, which runs on Unix"),
    ("tests/tests/silences_on_lab.rs", "tests with an Alertmanager, and modes"),
    ("tests/tests/strangers.rs", "tests with hosts in a domain, which are Unix programs"),
];

/// Tests elsewhere that only run on Unix, each marked with its reason. They may only become fewer.
const ONLY_ON_UNIX: usize = 19;

#[test]
fn what_differs_between_systems_lies_in_few_places() {
    let differs = regex::Regex::new(
        r"\bcfg(_attr)?!?\(.*\b(unix|windows|target_os|target_family)\b|\bos::(unix|windows|linux)\b|signal::(unix|windows)\b",
    )
    .unwrap();
    let ignored = regex::Regex::new(r#"^\s*#\[cfg_attr\(not\(unix\), ignore = "[^"]{20,}"\)\]$"#).unwrap();
    let (mut used, mut only_on_unix) = (Vec::new(), 0);
    for path in all_sources() {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| differs.is_match(line)) {
            if SEAMS.iter().any(|(seam, _)| *seam == name) {
                used.push(name.clone());
            } else {
                assert!(ignored.is_match(line), "{name} differs between systems, which belongs in a seam: {line}");
                only_on_unix += 1;
            }
        }
    }
    for (seam, _) in SEAMS {
        assert!(used.iter().any(|name| name == seam), "{seam} is listed and differs in nothing");
    }
    assert_eq!(only_on_unix, ONLY_ON_UNIX, "tests that run on Unix only: the number is stated here");
}

/// Where calls stand that the compiler cannot check, each because the system has no safe one.
const UNCHECKED: [&str; 2] = ["crates/files/src/system/windows.rs", "crates/wsman/src/auth/current/windows.rs"];

#[test]
fn what_the_compiler_cannot_check_is_in_two_files() {
    // Put together here, so that this file does not contain them.
    let words = [["uns", "afe {"].concat(), ["uns", "afe_code"].concat()];
    for path in all_sources() {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let text = std::fs::read_to_string(&path).unwrap();
        let has = words.iter().any(|word| text.contains(word.as_str()));
        assert_eq!(has, UNCHECKED.contains(&name.as_str()), "{name}");
    }
}
