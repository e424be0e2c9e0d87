//! The examples: each script is run as it stands, and what it says is compared with the file beside it.

use orchestrate_tests::cli::{Said, Sandbox, repository};

/// Returns what a script says: its comments and commands, and after each command its output and exit code.
fn transcript(script: &str) -> String {
    let sandbox = Sandbox::default();
    let folder = repository().join("examples");
    let text = std::fs::read_to_string(folder.join(script)).expect("the script is there");
    let mut said = Vec::new();
    for line in text.lines() {
        let Some(arguments) = line.strip_prefix("orchestrate ") else {
            said.push(line.to_owned());
            continue;
        };
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let output = Said::from(sandbox.command(&arguments).current_dir(&folder).output().expect("the binary starts"));
        let code = output.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        said.push(format!("$ {line}\n{}{}(exit code {code})", output.out, output.err));
    }
    sandbox.redacted(&said.join("\n"))
}

#[test]
fn the_walk_through_says_what_its_transcript_says() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(repository().join("examples"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("walk-through", transcript("walk-through.txt")));
}
