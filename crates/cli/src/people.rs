//! People who are told what happens in a run: where the addresses are that the plan names, and when something is told.

use crate::args::LabArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Place;
use crate::silences;
use crate::terminal::{output, signals};
use crate::wiring::trusted_files;
use jiff::Timestamp;
use orchestrate_display::notice::{self, Teller};
use orchestrate_engine::record::Attended;
use orchestrate_engine::{Command, Record, RunState};
use orchestrate_files::{Limit, Whose};
use orchestrate_model::notify::{self, AddressSource, Occasion, Target};
use orchestrate_model::{Change, RunId};
use orchestrate_notify::{Channel, Mail, Notice, Notifier, Silencer, Unusable, Way};
use orchestrate_planner::Plan;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;

/// How long that goes on without a word.
const WITHOUT_A_WORD: Duration = Duration::from_secs(2);

/// How long the end of the program waits until people were told: a few attempts of a chat that answers slowly.
const AT_THE_END: Duration = Duration::from_secs(30);

/// Whether what happens is real, and whether people are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// It is real.
    Real,
    /// It happens on a lab, and people are told all the same, who asked for it.
    Lab,
    /// It happens on a lab.
    Nobody,
}

/// Who is told of a start, and what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    audience: Audience,
    notify: Vec<notify::Channel>,
    silences: Vec<notify::Silencing>,
    name: String,
    reason: String,
}

impl Told {
    fn new(audience: Audience, change: &Change) -> Self {
        let (name, reason) = (change.name.clone(), change.reason.clone());
        Self { audience, notify: change.notify.clone(), silences: change.silences.clone(), name, reason }
    }

    /// Returns who is told of what happens at a place, where nothing else was asked for.
    pub(crate) fn at(place: Place, change: &Change) -> Self {
        let audience = match place {
            Place::Real => Audience::Real,
            Place::Lab => Audience::Nobody,
        };
        Self::new(audience, change)
    }

    /// Returns who is told of a start with these options.
    pub(crate) fn of(change: &Change, args: &LabArgs) -> Self {
        let audience = match (args.is_wanted(), args.lab_notify) {
            (false, _) => Audience::Real,
            (true, true) => Audience::Lab,
            (true, false) => Audience::Nobody,
        };
        Self::new(audience, change)
    }

    /// Refuses a start whose people could not be told of it, or whose alerts could not be silenced.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.channels()?;
        self.silencers().map(drop)
    }

    /// Returns by what alerts are silenced.
    pub(crate) fn silencers(&self) -> Result<Vec<Silencer>, Failure> {
        if self.audience == Audience::Nobody { Ok(Vec::new()) } else { silences::silencers(&self.silences) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn is_on_lab(&self) -> bool {
        self.audience == Audience::Lab
    }

    fn channels(&self) -> Result<Vec<Channel>, Failure> {
        if self.audience == Audience::Nobody {
            return Ok(Vec::new());
        }
        if !self.notify.is_empty() {
            trusted_files()?;
        }
        channels(&self.notify).into_iter().map(|(_, channel)| channel).collect()
    }
}

/// Returns the channels that a plan names, by name, each with its address or why there is none.
fn channels(notify: &[notify::Channel]) -> Vec<(String, Result<Channel, Failure>)> {
    let each = notify.iter().enumerate().map(|(entry, channel)| {
        let named = |what: &str| format!("notify entry {} ({what})", entry + 1);
        let word = channel.to.word();
        let name = named(word);
        let address = |source| address(source).map_err(|why| Failure::NoChannel { name: name.clone(), why });
        let way = match &channel.to {
            Target::Webhook(source) => address(source).map(Way::Webhook),
            Target::Slack(source) => address(source).map(Way::Slack),
            Target::Teams(source) => address(source).map(Way::Teams),
            Target::Command(words) => Ok(Way::Command(words.clone())),
            Target::Mail(written) => mail(written).map_err(|why| Failure::NoChannel { name: name.clone(), why }),
        };
        let name = way.as_ref().map_or(name.clone(), |way| named(&format!("{word} {}", to_whom(way))));
        let found = way.map(|way| Channel { name: name.clone(), way, on: channel.on.clone() });
        (name, found)
    });
    each.collect()
}

/// Says where a way leads, as far as that is no secret: of an address only the host.
fn to_whom(way: &Way) -> String {
    match way {
        Way::Webhook(url) | Way::Slack(url) | Way::Teams(url) => {
            let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
            format!("to {}{port}", url.host_str().unwrap_or_default())
        }
        Way::Command(words) => words.first().cloned().unwrap_or_default(),
        Way::Mail(mail) => format!("to {}", mail.receivers()),
    }
}

/// Returns the address of a webhook. No message shows it: a person who has it can post there.
pub(crate) fn address(source: &AddressSource) -> Result<Url, String> {
    let (text, place) = secret_of(source)?;
    let url = Url::parse(&text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.ok_or_else(|| format!("what {place} has is not the address of a webhook (https://...)"))
}

/// Returns a way by mail. No message shows the URL of the server, which may hold a password.
fn mail(written: &notify::Mail) -> Result<Way, String> {
    let (server, place) = secret_of(&written.server)?;
    let mail = Mail::new(&server, &written.from, &written.to);
    mail.map(|mail| Way::Mail(Box::new(mail))).map_err(|error| match error {
        Unusable::NoServer | Unusable::PlainPassword => format!("what {place} has cannot be used: {error}"),
        Unusable::NoAddress { .. } => error.to_string(),
    })
}

/// Returns the first line of what stands outside the plan, and where it stands.
fn secret_of(source: &AddressSource) -> Result<(String, String), String> {
    let (text, place) = match source {
        AddressSource::Env(name) => match std::env::var(name) {
            Ok(text) => (text, format!("the variable {name}")),
            Err(_) => return Err(format!("the variable {name} is not set")),
        },
        AddressSource::File(path) => {
            let bytes = orchestrate_files::read(Path::new(path), Limit::SMALL, Whose::Secret)
                .map_err(|error| format!("{path} cannot be used: {error}"))?;
            let text = String::from_utf8(bytes).map_err(|_not_text| format!("{path} is no text"))?;
            (text.lines().next().unwrap_or_default().trim().to_owned(), path.clone())
        }
    };
    Ok((text.trim().to_owned(), place))
}

/// The run that people are told of.
pub(crate) struct About {
    pub(crate) plan: Arc<Plan>,
    pub(crate) run: RunId,
    pub(crate) program: String,
    pub(crate) attended: Attended,
}

impl About {
    fn teller(&self) -> Teller<'_> {
        Teller { plan: &self.plan, run: &self.run, program: &self.program, attended: self.attended }
    }
}

/// Tells people of one run, in a task of its own: neither a terminal nor the run waits for it.
pub(crate) struct People {
    records: mpsc::UnboundedSender<(Timestamp, Record)>,
    telling: JoinHandle<Speaker>,
    about: About,
}

impl People {
    /// Begins to tell people of a run. What cannot be delivered becomes part of its record, as long as it goes on. That
    /// nobody can be told stops nothing that has begun: it is said.
    pub(crate) fn begin_or_say(told: Told, about: About, record: mpsc::UnboundedSender<Command>) -> Self {
        let speaker = Speaker::new(told, Some(&about.run), Some(record)).unwrap_or_else(|other| {
            let (silent, failure) = *other;
            output::talk(&format!("people are not told of this run: {}", failure.in_one_line()));
            silent
        });
        let (records, mut heard) = mpsc::unbounded_channel::<(Timestamp, Record)>();
        let own = About { plan: about.plan.clone(), run: about.run.clone(), program: about.program.clone(), ..about };
        let telling = tokio::spawn(async move {
            while let Some((at, record)) = heard.recv().await {
                if let Some(notice) = own.teller().of(&record) {
                    speaker.tell(at, notice);
                }
            }
            speaker
        });
        Self { records, telling, about }
    }

    /// Returns where records are handed in.
    pub(crate) fn records(&self) -> mpsc::UnboundedSender<(Timestamp, Record)> {
        self.records.clone()
    }

    /// Tells how the run ended, once everything before was handed on.
    pub(crate) async fn ended(self, state: &RunState, broken: Option<&str>) -> Speaker {
        let Self { records, telling, about } = self;
        drop(records);
        match telling.await {
            Ok(speaker) => {
                let notice = about.teller().end(state, broken);
                speaker.tell(state.last.unwrap_or_else(Timestamp::now), notice);
                speaker
            }
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        }
    }
}

/// Has notices told by the channels of a plan.
pub(crate) struct Speaker {
    notifier: Option<(Notifier, JoinHandle<()>)>,
    told: Told,
    run: Option<RunId>,
}

impl Speaker {
    /// Returns a speaker; or one that tells nobody, and why.
    fn new(
        told: Told,
        run: Option<&RunId>,
        record: Option<mpsc::UnboundedSender<Command>>,
    ) -> Result<Self, Box<(Self, Failure)>> {
        let silent = Self { notifier: None, told, run: run.cloned() };
        let channels = match silent.told.channels() {
            Ok(channels) if channels.is_empty() => return Ok(silent),
            Ok(channels) => channels,
            Err(failure) => return Err(Box::new((silent, failure))),
        };
        let (failures, mut failed) = mpsc::unbounded_channel::<String>();
        let notifier = match Notifier::begin(channels, &failures) {
            Ok(notifier) => notifier,
            Err(error) => {
                let failure = Failure::NoChannel { name: "notify".to_owned(), why: error.to_string() };
                return Err(Box::new((silent, failure)));
            }
        };
        let saying = tokio::spawn(async move {
            while let Some(text) = failed.recv().await {
                // The end of a run takes no more notes: what is said then is at least shown.
                if record.as_ref().is_none_or(|record| record.send(Command::Told { text: text.clone() }).is_err()) {
                    output::talk(&text);
                }
            }
        });
        Ok(Self { notifier: Some((notifier, saying)), ..silent })
    }

    fn tell(&self, at: Timestamp, notice: notice::Notice) {
        let Some((notifier, _)) = &self.notifier else { return };
        let notice::Notice { occasion, pool, server, title, text, commands } = notice;
        let lab = self.told.audience == Audience::Lab;
        let title = if lab { format!("LAB: {title}") } else { title };
        let (change, reason, run) = (self.told.name.clone(), self.told.reason.clone(), self.run.clone());
        notifier.tell(&Notice { occasion, at, run, change, reason, pool, server, title, text, commands, lab });
    }

    /// Waits until everybody was told, within a limit that a signal ends.
    pub(crate) async fn close(self) {
        let Some((notifier, saying)) = self.notifier else { return };
        let names = notifier.names();
        let mut closing = std::pin::pin!(notifier.close(AT_THE_END));
        let told = tokio::select! {
            open = &mut closing => Some(open),
            () = tokio::time::sleep(WITHOUT_A_WORD) => None,
        };
        let open = match told {
            Some(open) => open,
            None => {
                output::talk("waits for people to be told, 30 s at most; Ctrl-C ends that");
                tokio::select! {
                    open = closing => open,
                    _ = signals::any() => names,
                }
            }
        };
        for name in open {
            output::talk(&format!(
                "{name} did not answer: it may not have been told of the end, and of what was before it"
            ));
        }
        // What was not delivered is said before the program ends.
        if let Ok(Err(ended)) = tokio::time::timeout(WITHOUT_A_WORD, saying).await {
            std::panic::resume_unwind(ended.into_panic());
        }
    }
}

/// Tells people that a start which no person watches ended before anything was changed.
pub(crate) async fn refused(told: Told, failure: &Failure) {
    // Who has ended it knows.
    if matches!(failure, Failure::Interrupted(_) | Failure::WaitEnded | Failure::ClosedPipe) {
        return;
    }
    let (title, text) = (format!("{}: not begun, or not resumed", told.name), failure.in_one_line());
    tell_once(told, title, text).await;
}

/// Tells people that what earlier nights of a plan have left waits for another plan.
pub(crate) async fn no_further_window(told: Told, text: &str) {
    let title = format!("{}: no window opens any more", told.name);
    tell_once(told, title, text.to_owned()).await;
}

async fn tell_once(told: Told, title: String, text: String) {
    match Speaker::new(told, None, None) {
        Ok(speaker) => {
            let (pool, server, commands) = (None, None, Vec::new());
            let occasion = Occasion::Refused;
            speaker.tell(Timestamp::now(), notice::Notice { occasion, pool, server, title, text, commands });
            speaker.close().await;
        }
        // That is what the start was refused for, or it stands beside it.
        Err(other) => output::talk(&format!("people were not told: {}", other.1.in_one_line())),
    }
}

/// Tries each way that a plan names, once, and says which of them works.
pub(crate) async fn tried(change: &Change) -> Result<Exit, Failure> {
    if change.notify.is_empty() {
        output::data("the plan has no `notify`: people are told of nothing\n")?;
    }
    trusted_files()?;
    let mut exit = Exit::Done;
    for (name, channel) in channels(&change.notify) {
        let said = match channel {
            Ok(channel) => try_one(change, &channel).await,
            Err(Failure::NoChannel { why, .. }) => Err(why),
            Err(failure) => Err(failure.in_one_line()),
        };
        output::sentences(&match said {
            Ok(on) => format!("{name}: told; of {on}\n"),
            Err(why) => {
                exit = Exit::Unreachable;
                format!("{name}: NOT told: {why}\n")
            }
        })?;
    }
    Ok(exit)
}

async fn try_one(change: &Change, channel: &Channel) -> Result<String, String> {
    let on: Vec<&str> = channel.on.iter().map(|occasion| occasion.word()).collect();
    let on = on.join(", ");
    let notice = Notice {
        occasion: channel.on.iter().next().copied().unwrap_or(Occasion::Ended),
        at: Timestamp::now(),
        run: None,
        change: change.name.clone(),
        reason: change.reason.clone(),
        pool: None,
        server: None,
        title: format!("TEST: {}", change.name),
        text: format!("This way is told of: {on}. Nothing has happened."),
        commands: Vec::new(),
        lab: true,
    };
    orchestrate_notify::try_once(channel, &notice).await.map(|()| on)
}
