//! The command line. Belongs here: arguments, wiring, signals and exit codes. It alone prints, reads the environment and
//! exits.
//!
//! Does not belong here: rules of the domain. What a plan means, what is safe and what a run does next is decided by
//! the crates below.

mod access;
mod args;
mod before;
mod bug;
mod commands;
mod credentials;
mod drive;
mod exit;
mod failure;
mod home;
mod host;
mod lab;
mod only;
mod people;
mod plan_file;
mod runs;
mod saved;
mod serve;
mod signed;
mod silences;
mod stage;
mod terminal;
mod wiring;

use args::{Cli, Command};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use commands::resume::Way;
use exit::Exit;
use failure::Failure;
use home::Home;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use terminal::output;

fn main() -> ExitCode {
    bug::caught(program).into()
}

fn program() -> Exit {
    if let Some(slip) = args::printed::found(std::env::args_os()) {
        return Failure::Usage(slip).tell("orchestrate");
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let cli = Cli { common: cli.common.with_environment(), ..cli };
    let program = home::program(&cli.common);
    let ended = terminal::tracing::start(cli.common.log.as_deref()).and_then(|()| dispatch(cli));
    ended.unwrap_or_else(|failure| failure.tell(&program))
}

/// Prints what the argument parser has to say: help and version are data, all else is a mistake.
fn usage(error: &clap::Error) -> Exit {
    // A closed pipe is an ordinary end here too.
    error.print().unwrap_or_default();
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(word) =
            std::env::args_os().nth(1).and_then(|word| word.into_string().ok()).filter(|word| is_no_command(word))
    {
        let text = "`orchestrate help` lists the commands, a run is started with: orchestrate PLAN";
        output::talk(&format!("  tip: there is no command {word}; {text}"));
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}

/// Returns whether a first word was probably meant for a command that there is not.
fn is_no_command(word: &str) -> bool {
    let command = Cli::command();
    !word.starts_with('-') && command.find_subcommand(word).is_none() && !Path::new(word).exists()
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let Cli { common, run, command } = cli;
    let Some(command) = command else {
        let home = Home::find(&common)?;
        return wait(commands::run::run(&home, &run));
    };
    if run.is_given() {
        let text = "a plan and the options of a run do not go with a command; options of the command stand after it";
        return Err(Failure::Usage(text.to_owned()));
    }
    match command {
        Command::Check { plan, output } => commands::check::run(&plan, output),
        Command::Explain { code, output } => commands::explain::run(code.as_deref(), output),
        Command::Schema { list: true, .. } => commands::schema::list(),
        Command::Schema { document, list: false } => commands::schema::run(document),
        Command::Diff(args) => commands::diff::run(&args),
        Command::Windows { plan, next, output } => commands::windows::run(&plan, next, output),
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Man { command } => commands::man::run(command.as_deref()),
        Command::LabProcess { plan, directory, speed, scenario, origin, idle_end } => {
            let idle = Duration::from_secs(idle_end);
            let serving = lab::Serving { plan, directory, speed, scenario, origin, idle };
            wait(lab::serve(&serving)).map(|()| Exit::Done)
        }
        others => with_home(&Home::find(&common)?, others),
    }
}

/// The commands that know of runs.
fn with_home(home: &Home, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Status { run, output } => commands::status::run(home, run.as_deref(), output),
        Command::Report { run, output } => commands::report::run(home, &run, output),
        Command::Stop { run } => commands::order::told(commands::order::stop(home, &run)),
        Command::Hold { run, server } => commands::order::told(commands::order::hold(home, &run, server.as_deref())),
        Command::Decide(args) => commands::order::told(commands::order::decide(home, &args)),
        Command::Resume(args) => wait(commands::resume::run(home, &args, Way::Resume)),
        Command::Recover(args) => wait(commands::resume::run(home, &args, Way::Recover)),
        Command::Watch { run, output } => wait(commands::watch::run(home, &run, output)),
        Command::Probe(args) => wait(commands::probe::run(home, &args)),
        Command::Notify { plan } => wait(commands::notify::run(&plan)),
        Command::Apply(args) => wait(commands::run::run(home, &args.into_run())),
        Command::Approve(args) => wait(commands::approve::run(home, &args)),
        Command::Serve(args) => wait(serve::run(home, &args)),
        Command::Lab { list: true, .. } => wait(commands::lab::list()),
        Command::Lab { plan: Some(plan), stop: true, .. } => wait(commands::lab::stop(home, &plan)),
        Command::Lab { plan: None, stop: true, .. } => wait(commands::lab::stop_all()),
        Command::Lab { plan: Some(plan), lab_speed, lab_scenario, .. } => {
            wait(commands::lab::run(home, &plan, lab_speed, lab_scenario.as_deref()))
        }
        Command::Lab { plan: None, .. } => Err(Failure::Usage("a plan file is needed, or --list".to_owned())),
        Command::Check { .. }
        | Command::Explain { .. }
        | Command::Schema { .. }
        | Command::Diff(_)
        | Command::Windows { .. }
        | Command::Simulate(_)
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::LabProcess { .. } => unreachable!("these commands need no state folder"),
    }
}

/// How long what still goes on in the background may take at the end.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(2);

/// Runs what waits. Commands that do not wait start faster without a runtime.
fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    open_enough_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
    let done = runtime.block_on(work);
    // A thread that waits for a terminal or a file system would be waited for without end.
    runtime.shutdown_timeout(LAST_WORDS);
    orchestrate_commands::end_all();
    done
}

/// Files and connections that may be open at once: two connections for each of a thousand servers are more than the
/// usual limit of 1,024, and the lab at the other end of them is a process of ours too. Why not more: whoever sets the
/// hard limit may have reasons, and nothing here needs more.
const OPEN_FILES: u64 = 65_536;

/// Raises the soft limit of open files, as far as the hard one lets us.
fn open_enough_files() {
    match rlimit::increase_nofile_limit(OPEN_FILES) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::debug!(%error, "the limit of open files cannot be raised"),
    }
}
