//! Driving a run from a start of the engine to its end: signals and commands in, records and views out.

use crate::bug;
use crate::commands;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed, actor, quoted};
use crate::people::{About, People, Speaker, Told};
use crate::runs;
use crate::silences::Quieting;
use crate::terminal::live::{Manner, Screen};
use crate::terminal::{output, signals};
use futures::FutureExt as _;
use jiff::Timestamp;
use orchestrate_display::events;
use orchestrate_display::log::Log;
use orchestrate_display::summary::{Context, summary};
use orchestrate_driver::{Clock, Eyes, Hands};
use orchestrate_engine::record::{Attended, RunOutcome, StopWhy};
use orchestrate_engine::{Command, Engine, Record, RunState, Signal, Start, View};
use orchestrate_executor::{Crew, Event, Events, Finished, Heard, Listener, Pulse, Run};
use orchestrate_journal::{Claim, Entries, Journal, JournalError, Kept, RunFolder, StateDir, Taken};
use orchestrate_planner::Plan;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the inbox of a run is looked into. Real time: people write into it.
const INBOX_EVERY: Duration = Duration::from_millis(200);

/// A run that can be driven: claimed, with its journal open.
pub(crate) struct Drive<'a> {
    pub(crate) home: &'a Home,
    pub(crate) place: Place,
    pub(crate) folder: RunFolder,
    pub(crate) plan: Arc<Plan>,
    pub(crate) entries: Entries,
    pub(crate) journal: Journal,
    pub(crate) claim: Claim,
    pub(crate) eyes: Eyes,
    pub(crate) hands: Hands,
    pub(crate) clock: Clock,
    pub(crate) crew: Crew,
    pub(crate) manner: Manner,
    /// How its plan is started.
    pub(crate) typed: Typed,
    /// Who is told of it.
    pub(crate) told: Told,
}

/// How a run ended for this process.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) state: RunState,
}

impl Ended {
    /// Returns whether everything that was touched is back, so that nothing has to be gone on with.
    pub(crate) fn is_over(&self) -> bool {
        self.state.ended.is_some() && !self.state.work.iter().any(orchestrate_engine::WorkState::is_out)
    }
}

/// Drives a run to its end, shows it, and says how it ended.
pub(crate) async fn drive(drive: Drive<'_>, start: Start) -> Result<Ended, Failure> {
    let Drive { home, place, folder, plan, entries, journal, claim, eyes, hands, clock, crew, manner, typed, told } =
        drive;
    let mut engine = Engine::new(plan.clone());
    for entry in &entries.entries {
        engine
            .replay(entry.at, &entry.record)
            .map_err(|why| Failure::Corrupt { path: folder.journal_path(), why: why.to_string() })?;
    }
    let mut kept = Kept {
        identity: folder.identity(),
        plan_file: folder.plan_file().unwrap_or_default(),
        records: entries.entries.into_iter().map(|entry| (entry.at, entry.record)).collect(),
    };
    folder.open_inbox()?;
    // What was said to an earlier start is no order to this one.
    let earlier = folder.take_commands()?;
    for command in &earlier.commands {
        let said = commands::order::said(command);
        output::talk(&format!("passed over, since it was said to an earlier start of the run: {said}"));
    }
    let (commands, received) = mpsc::unbounded_channel();
    let attended = attended(&start);
    let about = About { plan: plan.clone(), run: folder.id().clone(), program: home.program.clone(), attended };
    let quieting = Quieting::begin_or_say(&told, (&plan, folder.id()), &kept.records, commands.clone());
    let people = People::begin_or_say(told, about, commands.clone());
    let mut telling = Tee { shown: None, told: [people.records(), quieting.records()] };
    let listening = tokio::spawn(listen_always(commands, folder.clone()));
    bug::during(format!("{} resume {}", home.program, folder.id()));
    let (events, heard) = Events::channel();
    telling.shown = Some(events);
    let run = Run { engine, journal, eyes, hands, clock, fence: Arc::new(claim), pulse: Pulse::beating(), crew };
    let mut log = Log::new(&plan).with_command(&home.program, folder.id());
    for (_, record) in &kept.records {
        log.pass(record);
    }
    let mut screen = Screen::new((&plan, place), log, manner, clock);
    if attended == Attended::Yes {
        screen = screen.answering(folder.clone());
    }
    let ending = Ending { people, folder: folder.clone(), plan: plan.clone() };
    let running = async move {
        let ran = AssertUnwindSafe(run.execute(start, received, &mut telling)).catch_unwind().await;
        drop(telling);
        // Whatever has become of the run: nobody extends its silences any more.
        let ended = tokio::join!(AssertUnwindSafe(ending.told(ran)).catch_unwind(), quieting.close());
        ended.0.unwrap_or_else(|mistake| std::panic::resume_unwind(mistake))
    };
    // The run has a task of its own: a terminal that is held, or a pipe that nobody reads, stops what is shown and neither
    // the run nor the word of its end.
    let running = tokio::spawn(running);
    // A mistake in what is shown is told where it happens, and ends no run.
    let shown = AssertUnwindSafe(show(&mut screen, heard, &folder, &mut kept.records)).catch_unwind().await;
    let (finished, known) = match running.await {
        Ok(ended) => ended,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    };
    listening.abort();
    if shown.is_ok() {
        screen.close();
    }
    let ended = tell(&Telling { home, folder: &folder, plan: &plan, kept, manner, typed }, finished);
    known.close().await;
    Ok(ended)
}

/// What it takes to tell people of the end of a run, whatever becomes of the terminal.
struct Ending {
    people: People,
    folder: RunFolder,
    plan: Arc<Plan>,
}

impl Ending {
    /// Tells people how the run ended. One that a mistake of this program has broken off is told as far as its journal goes,
    /// and the mistake goes on.
    async fn told(self, ran: std::thread::Result<Finished>) -> (Finished, Speaker) {
        let Self { people, folder, plan } = self;
        match ran {
            Ok(finished) => {
                let broken = finished.outcome.as_ref().err().map(ToString::to_string);
                let known = people.ended(&finished.state, broken.as_deref()).await;
                (finished, known)
            }
            Err(mistake) => {
                let entries = folder.entries().ok();
                let state = entries.and_then(|entries| runs::fold(&plan, &entries).ok());
                let state = state.unwrap_or_else(|| RunState::new(&plan));
                let text = "a mistake of orchestrate itself ended it (exit code 70); nothing goes on by itself";
                people.ended(&state, Some(text)).await.close().await;
                std::panic::resume_unwind(mistake)
            }
        }
    }
}

/// Whether a person decides about the holds of a start.
fn attended(start: &Start) -> Attended {
    match start {
        Start::New(header) => header.attended,
        Start::Resume { attended, .. } | Start::Recover { attended, .. } => *attended,
    }
}

/// Passes what happens on to the screen, and records to people too: a terminal that is held keeps no one from being told.
struct Tee {
    shown: Option<Events>,
    /// People, and whoever silences alerts.
    told: [mpsc::UnboundedSender<(Timestamp, Record)>; 2],
}

impl Listener for Tee {
    fn recorded(&mut self, seq: u64, at: Timestamp, record: &Record) {
        for told in &self.told {
            // Where the plan names nobody, nobody listens.
            told.send((at, record.clone())).unwrap_or_default();
        }
        if let Some(shown) = &mut self.shown {
            shown.recorded(seq, at, record);
        }
    }

    fn progressed(&mut self, engine: &Engine, now: Timestamp) {
        if let Some(shown) = &mut self.shown {
            shown.progressed(engine, now);
        }
    }
}

/// Shows events until no more come.
async fn show(screen: &mut Screen<'_>, mut heard: Heard, folder: &RunFolder, kept: &mut Vec<(Timestamp, Record)>) {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            event = heard.next() => match event {
                None => return,
                Some(Event::Recorded { seq, at, record }) => {
                    screen.recorded(seq, at, &record);
                    kept.push((at, *record));
                }
                Some(Event::Progress(view)) => screen.progressed(*view),
            },
            _ = tick.tick() => leave(screen.refresh(), folder),
        }
    }
}

/// Leaves the view for other processes.
fn leave(view: Option<&View>, folder: &RunFolder) {
    if let Some(view) = view
        && let Err(error) = folder.write_view(view)
    {
        tracing::debug!(%error, "the view cannot be left for others");
    }
}

/// Listens, and begins anew when that fails by a mistake of this program: a run that nobody can stop must not go on.
async fn listen_always(commands: mpsc::UnboundedSender<Command>, folder: RunFolder) {
    while !commands.is_closed() {
        let listening = tokio::spawn(listen(commands.clone(), folder.clone()));
        if listening.await.is_ok() {
            return;
        }
        let by = "orchestrate itself, after a mistake of its own".to_owned();
        if commands.send(Command::Stop { by }).is_err() {
            return;
        }
    }
}

/// Passes on what the terminal, the system and other processes say, until nobody listens.
async fn listen(commands: mpsc::UnboundedSender<Command>, folder: RunFolder) {
    let by = || {
        let actor = actor();
        format!("{}@{}", actor.user, actor.host)
    };
    let (mut asked, mut ear) = (false, Ear::default());
    let mut inbox = tokio::time::interval(INBOX_EVERY);
    let signal = signals::any();
    tokio::pin!(signal);
    loop {
        let heard = tokio::select! {
            told = &mut signal => {
                signal.set(signals::any());
                let again = std::mem::replace(&mut asked, true);
                match (again, told) {
                    (false, signal) => vec![Command::Signalled { by: by(), signal }],
                    // A closed terminal says so more than once, and is no person in a hurry.
                    (true, Signal::Closed) => Vec::new(),
                    (true, Signal::Keys | Signal::System) => vec![Command::StopNow { by: by() }],
                }
            }
            _ = inbox.tick() => ear.heard(folder.take_commands()),
        };
        for command in heard {
            if commands.send(command).is_err() {
                return;
            }
        }
    }
}

/// Most things in an inbox that are told of: more of them say nothing new.
const MOST_PASSED_OVER: usize = 20;

/// What was told of the inbox already.
#[derive(Default)]
struct Ear {
    /// No order could be taken.
    deaf: bool,
    /// What lies there and is no order.
    passed_over: BTreeSet<String>,
}

impl Ear {
    /// Returns the orders of other terminals. What is none is told once, with its name and why; that none can be taken is told
    /// once, and once that they can again.
    fn heard(&mut self, taken: Result<Taken, JournalError>) -> Vec<Command> {
        let taken = match taken {
            Ok(taken) => taken,
            Err(_) if self.deaf => return Vec::new(),
            Err(error) => {
                self.deaf = true;
                let text =
                    format!("no orders of other terminals can be taken ({error}); Ctrl-C in this one works as always");
                return vec![Command::Told { text }];
            }
        };
        let again = std::mem::take(&mut self.deaf).then(|| "orders of other terminals are taken again".to_owned());
        let odd = taken.passed_over.into_iter().filter_map(|(name, why)| self.passed_over(name, &why));
        let texts: Vec<String> = again.into_iter().chain(odd).collect();
        texts.into_iter().map(|text| Command::Told { text }).chain(taken.commands).collect()
    }

    fn passed_over(&mut self, name: String, why: &str) -> Option<String> {
        let told = self.passed_over.len();
        if told > MOST_PASSED_OVER || !self.passed_over.insert(name.clone()) {
            return None;
        }
        Some(if told < MOST_PASSED_OVER {
            format!("{name} in the inbox of the run is no order, and was passed over: {why}")
        } else {
            "more lies in the inbox of the run that is no order: it is passed over without a word".to_owned()
        })
    }
}

/// What it takes to say how a run ended.
struct Telling<'a> {
    home: &'a Home,
    folder: &'a RunFolder,
    plan: &'a Plan,
    kept: Kept,
    manner: Manner,
    typed: Typed,
}

/// Says how the run ended: to people a summary and what the journal proves, to programs one last event.
fn tell(told: &Telling<'_>, finished: Finished) -> Ended {
    let Telling { home, folder, plan, manner, typed, .. } = told;
    let Finished { outcome, state } = finished;
    let (mut exit, failure) = match outcome {
        Ok(outcome) => (exit_of_run(outcome, &state), None),
        Err(error) => {
            let failure = Failure::from(error);
            (failure.exit(), Some(failure))
        }
    };
    // What is out comes first and always; only then what else went wrong.
    let saved = if failure.is_some() { saved(told) } else { Saved::Whole };
    if !matches!(saved, Saved::Whole) {
        exit = Exit::Temporary;
    }
    let program = match &saved {
        Saved::Elsewhere(folder) => format!("orchestrate --state-dir {}", quoted(folder)),
        Saved::Whole | Saved::Again | Saved::Lost(_) => home.program.clone(),
    };
    let text = match manner {
        Manner::Json => format!("{}\n", events::summary(folder.id(), plan, &state, Some(exit.code()))),
        Manner::Text => {
            let start = typed.start(&program);
            let context = Context { run: folder.id(), plan, program: &program, start: &start };
            format!("\n{}", summary(context, &state, &output::look()))
        }
    };
    say(&text);
    match &failure {
        None if *manner == Manner::Text => match verified(folder, plan, &state) {
            Ok(text) => say(&format!("{text}\n")),
            Err(failure) => exit = exit.and_then(failure.tell(&program)),
        },
        None => {}
        Some(failure) => {
            failure.tell(&program);
            if let Some(text) = saved.text(folder) {
                output::talk(&text);
            }
        }
    }
    Ended { exit, state }
}

/// Says something about a run that is over. A terminal that was closed or a reader that has gone changes nothing about
/// how it ended.
pub(crate) fn say(text: &str) {
    match output::data(text) {
        Ok(()) | Err(Failure::ClosedPipe) => {}
        Err(failure) => {
            failure.tell("orchestrate");
        }
    }
}

/// What became of the run's folder when the run could not go on.
enum Saved {
    /// The records on disk are all there.
    Whole,
    /// The folder was gone, and was written again.
    Again,
    /// The journal is damaged. A whole one is in this state folder.
    Elsewhere(PathBuf),
    /// It could not be written anywhere.
    Lost(JournalError),
}

impl Saved {
    fn text(&self, folder: &RunFolder) -> Option<String> {
        let path = folder.path().display();
        match self {
            Self::Whole => None,
            Self::Again => {
                Some(format!("{path} was gone; it was written again from memory, so that `recover` can read it"))
            }
            Self::Elsewhere(there) => {
                Some(format!("{path} was changed by something else; a whole copy is in {}", there.display()))
            }
            Self::Lost(why) => Some(format!("{path} is gone or damaged, and could not be written again: {why}")),
        }
    }
}

/// Writes the run down once more when its folder is gone or damaged: without its records nobody could bring its servers
/// back as they were.
fn saved(told: &Telling<'_>) -> Saved {
    let Telling { folder, plan, kept, .. } = told;
    if folder.entries().is_ok_and(|entries| entries.entries.len() >= kept.records.len()) {
        return Saved::Whole;
    }
    let gone = !folder.path().exists();
    let Some(root) = folder.path().ancestors().nth(2) else { return Saved::Whole };
    let elsewhere = std::env::temp_dir().join(format!("orchestrate-{}", folder.id()));
    let place = match root.file_name() {
        _ if gone => root.to_owned(),
        // Runs on labs are kept apart here too.
        Some(name) if name == Home::LABS => elsewhere.join(name),
        Some(_) | None => elsewhere.clone(),
    };
    let written = StateDir::open(&place).and_then(|state| state.restore_run(folder.id(), plan, kept));
    match written {
        Ok(_) if gone => Saved::Again,
        Ok(_) => Saved::Elsewhere(elsewhere),
        Err(why) => Saved::Lost(why),
    }
}

/// Reads the journal once more from disk and says whether it proves the state that the run ended in.
fn verified(folder: &RunFolder, plan: &Plan, state: &RunState) -> Result<String, Failure> {
    let entries = folder.entries()?;
    let folded = runs::fold(plan, &entries)
        .map_err(|why| Failure::Corrupt { path: folder.journal_path(), why: why.to_string() })?;
    let path = folder.journal_path();
    if folded == *state {
        let records = orchestrate_model::readable::count(entries.entries.len(), "record");
        Ok(format!("journal verified: {records}, chain intact, {}", path.display()))
    } else {
        Err(Failure::Corrupt { path, why: "its records do not amount to the state that the run ended in".to_owned() })
    }
}

/// Returns the exit code of a run that ended like this, in this state.
pub(crate) fn exit_of_run(outcome: RunOutcome, state: &RunState) -> Exit {
    // Making room and going on is the same as after any other trouble with the disk.
    if matches!(state.stop, Some(StopWhy::Storage(_))) { Exit::Temporary } else { exit_of(outcome) }
}

/// Returns the exit code of a run that ended like this.
pub(crate) fn exit_of(outcome: RunOutcome) -> Exit {
    match outcome {
        RunOutcome::Done | RunOutcome::Recovered => Exit::Done,
        RunOutcome::ToBeLookedAt | RunOutcome::PartlyDone => Exit::SomeServers,
        RunOutcome::StoppedByPolicy => Exit::StoppedByPolicy,
        RunOutcome::StoppedByWindow => Exit::StoppedByWindow,
        RunOutcome::HeldElsewhere => Exit::PoolHeld,
        RunOutcome::Interrupted => Exit::Interrupted,
        RunOutcome::Bug => Exit::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Planned;
    use orchestrate_model::RunId;
    use orchestrate_model::notify::{AddressSource, Channel, Occasion, Target};

    #[tokio::test]
    async fn a_mistake_of_our_own_that_ends_a_run_is_told_to_people() {
        let folder = tempfile::TempDir::new().unwrap();
        let listener = wiremock::MockServer::start().await;
        wiremock::Mock::given(wiremock::matchers::method("POST"))
            .respond_with(wiremock::ResponseTemplate::new(204))
            .mount(&listener)
            .await;
        let address = folder.path().join("address");
        orchestrate_files::replace(&address, listener.uri().as_bytes()).unwrap();
        let plans = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/contoso-front-end.yaml");
        let mut change = crate::plan_file::read(&plans).unwrap().change;
        let to = Target::Webhook(AddressSource::File(address.display().to_string()));
        change.notify = vec![Channel { to, on: Occasion::USUAL.into() }];
        let plan = Arc::new(Planned::offline(&change).unwrap().plan);
        let run = RunId::new("20261127-220000-0001").unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let about =
            About { plan: plan.clone(), run: run.clone(), program: "orchestrate".to_owned(), attended: Attended::No };
        let (commands, _received) = mpsc::unbounded_channel();
        let people = People::begin_or_say(Told::at(Place::Real, &change), about, commands);
        let ending = Ending { people, folder: state.create_run(&run, &plan, b"").unwrap(), plan };
        let mistake: Box<dyn std::any::Any + Send> = Box::new("index out of bounds");
        let went_on = AssertUnwindSafe(ending.told(Err(mistake))).catch_unwind().await;
        assert!(went_on.is_err(), "the mistake is one all the same");
        let notice: Vec<String> = listener
            .received_requests()
            .await
            .unwrap()
            .iter()
            .map(|request| String::from_utf8_lossy(&request.body).into_owned())
            .collect();
        let notice = notice.join("\n");
        assert!(notice.contains("a mistake of orchestrate itself ended it (exit code 70)"), "{notice}");
        assert!(
            notice.contains("broke off") && notice.contains("orchestrate recover 20261127-220000-0001"),
            "{notice}"
        );
    }

    #[test]
    fn what_is_no_order_is_told_once_and_not_without_end() {
        let taken = |names: &[String]| {
            let passed_over = names.iter().map(|name| (name.clone(), "it is a folder".to_owned())).collect();
            Ok(Taken { commands: vec![Command::Told { text: "x".to_owned() }], passed_over })
        };
        let mut ear = Ear::default();
        let first = ear.heard(taken(&["d.json".to_owned()]));
        assert_eq!(first.len(), 2);
        assert!(format!("{first:?}").contains("d.json in the inbox of the run is no order"), "{first:?}");
        assert_eq!(ear.heard(taken(&["d.json".to_owned()])).len(), 1, "it lies there still");
        let many: Vec<String> = (0..100).map(|number| format!("{number}.txt")).collect();
        assert_eq!(ear.heard(taken(&many)).len(), MOST_PASSED_OVER + 1);
        assert_eq!(ear.heard(taken(&many)).len(), 1);
    }
}
