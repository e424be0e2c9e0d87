//! `orchestrate stop`, `hold` and `decide`: what an operator says to a run that goes on elsewhere.

use crate::args::DecideArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, actor};
use crate::runs::{self, Found};
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_engine::Command;
use orchestrate_model::hold::{HoldChoice, Terms};
use orchestrate_model::{Answer, ServerName};
use orchestrate_planner::Plan;

/// Says what was passed on.
pub(crate) fn told(passed: Result<String, Failure>) -> Result<Exit, Failure> {
    output::talk(&passed?);
    Ok(Exit::Done)
}

pub(crate) fn stop(home: &Home, run: &str) -> Result<String, Failure> {
    send(home, run, |_found| Ok((Command::Stop { by: by() }, "stop".to_owned())))
}

pub(crate) fn hold(home: &Home, run: &str, server: Option<&str>) -> Result<String, Failure> {
    send(home, run, |found| {
        let server = server.map(|text| server_of(&found.plan, text)).transpose()?;
        in_work(found, server.as_ref())?;
        let said = server.as_ref().map_or_else(|| "hold".to_owned(), |server| format!("hold {server}"));
        Ok((Command::Hold { server, by: by() }, said))
    })
}

pub(crate) fn decide(home: &Home, args: &DecideArgs) -> Result<String, Failure> {
    decide_as(home, args, (by(), None))
}

/// Decides as somebody, about the hold that has lasted since then. Without a time it is about the hold that there is.
pub(crate) fn decide_as(
    home: &Home,
    args: &DecideArgs,
    (by, read): (String, Option<Timestamp>),
) -> Result<String, Failure> {
    let (terms, choice) = (args.terms()?, args.choice.meant());
    send(home, &args.run, |found| {
        let server = server_of(&found.plan, &args.server)?;
        let (since, choice) = offered(found, &server, choice)?;
        if read.is_some_and(|read| read != since) {
            return Err(nothing(
                found,
                format!("{server} was decided about meanwhile, and is held anew: read why first"),
            ));
        }
        counted(found, &server, &terms)?;
        let (since, said) = (Some(since), format!("{} {server}", choice.word()));
        Ok((Command::Decide { server, choice, since, by, terms }, said))
    })
}

/// Refuses to cut another number of sessions than there is: whoever cuts them has to have counted them.
fn counted(found: &Found, server: &ServerName, terms: &Terms) -> Result<(), Failure> {
    let Some(typed) = terms.sessions else { return Ok(()) };
    let view = found.folder.view();
    let left = view.iter().flat_map(|view| &view.servers).find(|own| own.server == *server);
    match left.and_then(|own| own.sessions_left.as_ref()) {
        // The run itself compares once more, with what it knows then.
        None | Some(Answer::Unknown(_)) => Ok(()),
        Some(Answer::Known(left)) if *left == typed => Ok(()),
        Some(Answer::Known(left)) => {
            Err(nothing(found, format!("{typed} sessions of {server} were to be cut, and {left} are left")))
        }
    }
}

/// Returns a command as it is given.
pub(crate) fn said(command: &Command) -> String {
    match command {
        Command::Stop { by } => format!("stop, by {by}"),
        Command::StopNow { by } => format!("stop now, by {by}"),
        Command::Signalled { by, .. } => format!("the end of the process of {by}"),
        Command::Told { text } => text.clone(),
        Command::StopForRoom { .. } => "stop, for want of room".to_owned(),
        Command::Hold { server: Some(server), by } => format!("hold {server}, by {by}"),
        Command::Hold { server: None, by } => format!("hold, by {by}"),
        Command::Decide { server, choice, by, .. } => format!("{} {server}, by {by}", choice.word()),
    }
}

pub(crate) fn by() -> String {
    let actor = actor();
    format!("{}@{}", actor.user, actor.host)
}

/// Returns the server that `text` names: in full, or by its first label when only one server has it.
fn server_of(plan: &Plan, text: &str) -> Result<ServerName, Failure> {
    let servers = || plan.work().iter().map(|work| &work.server);
    let exact = servers().find(|server| server.as_str().eq_ignore_ascii_case(text));
    let mut short = servers().filter(|server| server.short().eq_ignore_ascii_case(text));
    match (exact, short.next(), short.next()) {
        (Some(server), ..) | (None, Some(server), None) => Ok(server.clone()),
        (None, ..) => {
            let known: Vec<&str> = servers().map(ServerName::as_str).collect();
            Err(Failure::Usage(format!("the run has no server {text}; it has {}", known.join(", "))))
        }
    }
}

/// Returns the failure of an order that the run would pass over in silence.
fn nothing(found: &Found, why: String) -> Failure {
    Failure::NothingToDecide { run: found.folder.id().to_string(), why }
}

/// Refuses to hold what the run would pass over in silence: only servers in work can be held.
fn in_work(found: &Found, server: Option<&ServerName>) -> Result<(), Failure> {
    let works = || found.plan.work().iter().zip(&found.state.work);
    let active: Vec<&ServerName> = works().filter(|(_, each)| each.is_active()).map(|(work, _)| &work.server).collect();
    let names: Vec<&str> = active.iter().map(|server| server.as_str()).collect();
    let now = if names.is_empty() { "no server is".to_owned() } else { format!("now: {}", names.join(", ")) };
    let named = |name: &ServerName| server.is_none_or(|server| server == name);
    if !active.iter().any(|name| named(name)) {
        let what =
            server.map_or_else(|| "no server is in work".to_owned(), |server| format!("{server} is not in work"));
        return Err(nothing(found, format!("{what}; only servers in work can be held; {now}")));
    }
    if works().all(|(work, each)| !each.is_active() || !named(&work.server) || each.held.is_some()) {
        return Err(nothing(found, format!("held already; servers in work, {now}")));
    }
    Ok(())
}

/// Refuses a decision that the run would pass over in silence, and returns since when the server has been held, with the
/// decision in the words of the hold: it is for this hold and not for the next one. A hold is in the journal before anybody is told of it, so what is
/// not there has not been asked.
fn offered(found: &Found, server: &ServerName, choice: HoldChoice) -> Result<(Timestamp, HoldChoice), Failure> {
    let works = || found.plan.work().iter().zip(&found.state.work);
    let held = works().find(|(work, _)| work.server == *server).and_then(|(_, each)| each.held.as_ref());
    let Some(hold) = held else {
        let held: Vec<&str> =
            works().filter(|(_, each)| each.held.is_some()).map(|(work, _)| work.server.as_str()).collect();
        let others = if held.is_empty() { "no server is".to_owned() } else { format!("held now: {}", held.join(", ")) };
        return Err(nothing(found, format!("{server} is not held, so there is nothing to decide; {others}")));
    };
    // To pass over what a person was asked to do is to say that it is done.
    let confirms = choice == HoldChoice::Skip && !hold.choices.contains(&choice);
    let choice = if confirms { HoldChoice::Confirm } else { choice };
    if hold.choices.contains(&choice) {
        return Ok((hold.since, choice));
    }
    let choice = if confirms { HoldChoice::Skip } else { choice };
    let choices: Vec<&str> = hold.choices.iter().map(|choice| choice.word()).collect();
    let (word, choices) = (choice.word(), choices.join(", "));
    Err(nothing(found, format!("{server} is held, and {word} is not offered there; the choices are {choices}")))
}

/// Leaves a command for whoever works on the run. With nobody there, nobody would read it.
fn send(
    home: &Home,
    run: &str,
    command: impl FnOnce(&Found) -> Result<(Command, String), Failure>,
) -> Result<String, Failure> {
    let (place, folder) = home.run(run)?;
    let found = runs::read(folder)?;
    let state = home.open_if_there(place)?.ok_or_else(|| home.no_run(run))?;
    let Some(holder) = found.holder(&state)? else {
        let run = found.folder.id().to_string();
        return Err(Failure::NobodyThere { run, program: home.program.clone(), over: !found.is_unfinished() });
    };
    let (command, said) = command(&found)?;
    found.folder.send(Timestamp::now(), &command)?;
    let holder = runs::said(&holder);
    Ok(format!("{said}: passed on to run {}, worked on by {holder}", found.folder.id()))
}
