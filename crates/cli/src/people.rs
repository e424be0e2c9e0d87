//! People who are told what happens in a run: where the addresses are that the plan names, and when something is told.

use crate::args::LabArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Place;
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_display::notice::{self, Teller};
use orchestrate_engine::{Command, Record, RunState};
use orchestrate_files::{Limit, Whose};
use orchestrate_model::notify::{AddressSource, Occasion, Target};
use orchestrate_model::{Change, RunId};
use orchestrate_notify::{Channel, Notice, Notifier, Way};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use url::Url;

/// How long the end of the program waits until people were told: a few attempts of a chat that answers slowly.
const AT_THE_END: Duration = Duration::from_secs(30);

/// Whether what happens is real, and whether people are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// It is real.
    Real,
    /// It happens on a lab, and people are told all the same, who asked for it.
    Lab,
    /// It happens on a lab.
    Nobody,
}

impl Audience {
    /// Returns who is told of what happens at a place, where nothing else was asked for.
    pub(crate) fn at(place: Place) -> Self {
        match place {
            Place::Real => Self::Real,
            Place::Lab => Self::Nobody,
        }
    }

    /// Returns who is told of a start with these options.
    pub(crate) fn of(args: &LabArgs) -> Self {
        match (args.is_wanted(), args.lab_notify) {
            (false, _) => Self::Real,
            (true, true) => Self::Lab,
            (true, false) => Self::Nobody,
        }
    }
}

/// Returns the channels of a change, with their addresses.
pub(crate) fn channels(change: &Change) -> Result<Vec<Channel>, Failure> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let each = change.notify.iter().map(|channel| {
        let word = channel.to.word();
        let number = counts.entry(word).and_modify(|count| *count += 1).or_insert(1);
        let name = if *number == 1 { word.to_owned() } else { format!("{word} {number}") };
        let address = |source| address(source).map_err(|why| Failure::NoChannel { name: name.clone(), why });
        let way = match &channel.to {
            Target::Webhook(source) => Way::Webhook(address(source)?),
            Target::Slack(source) => Way::Slack(address(source)?),
            Target::Teams(source) => Way::Teams(address(source)?),
            Target::Command(words) => Way::Command(words.clone()),
        };
        Ok(Channel { name, way, on: channel.on.clone() })
    });
    each.collect()
}

/// Returns the address of a webhook. No message shows it: whoever has it can post there.
fn address(source: &AddressSource) -> Result<Url, String> {
    let (text, place) = match source {
        AddressSource::Stated(text) => (text.clone(), "the plan".to_owned()),
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
    let url = Url::parse(text.trim()).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.ok_or_else(|| format!("what {place} has is not the address of a webhook (https://...)"))
}

/// Tells people of one run.
pub(crate) struct People {
    notifier: Option<Notifier>,
    change: (String, String),
    run: Option<RunId>,
    lab: bool,
}

impl People {
    /// Begins to tell people of a run. What cannot be delivered becomes part of its record, as long as it goes on.
    pub(crate) fn begin(
        change: &Change,
        run: Option<&RunId>,
        audience: Audience,
        record: Option<mpsc::UnboundedSender<Command>>,
    ) -> Result<Self, Failure> {
        let channels = if audience == Audience::Nobody { Vec::new() } else { channels(change)? };
        let notifier = if channels.is_empty() {
            None
        } else {
            let (failures, mut failed) = mpsc::unbounded_channel::<String>();
            tokio::spawn(async move {
                while let Some(text) = failed.recv().await {
                    let unheard = match &record {
                        Some(record) => record.send(Command::Told { text: text.clone() }).is_err(),
                        None => true,
                    };
                    if unheard {
                        output::talk(&text);
                    }
                }
            });
            let began = Notifier::begin(channels, &failures);
            Some(began.map_err(|error| Failure::NoChannel { name: "notify".to_owned(), why: error.to_string() })?)
        };
        let change = (change.name.clone(), change.reason.clone());
        Ok(Self { notifier, change, run: run.cloned(), lab: audience == Audience::Lab })
    }

    /// Tells a record, where it is worth telling.
    pub(crate) fn recorded(&self, teller: Teller<'_>, at: Timestamp, record: &Record) {
        if self.notifier.is_some()
            && let Some(notice) = teller.of(record)
        {
            self.tell(at, notice);
        }
    }

    /// Tells how a run ended.
    pub(crate) fn ended(&self, teller: Teller<'_>, state: &RunState, broken: Option<&str>) {
        if self.notifier.is_some() {
            self.tell(state.last.unwrap_or_else(Timestamp::now), teller.end(state, broken));
        }
    }

    fn tell(&self, at: Timestamp, notice: notice::Notice) {
        let Some(notifier) = &self.notifier else { return };
        let notice::Notice { occasion, pool, server, title, text, commands } = notice;
        let title = if self.lab { format!("LAB: {title}") } else { title };
        let (change, reason) = self.change.clone();
        let run = self.run.clone();
        notifier.tell(&Notice {
            occasion,
            at,
            run,
            change,
            reason,
            pool,
            server,
            title,
            text,
            commands,
            lab: self.lab,
        });
    }

    /// Waits until everybody was told, within a limit.
    pub(crate) async fn close(self) {
        let Some(notifier) = self.notifier else { return };
        for name in notifier.close(AT_THE_END).await {
            output::talk(&format!(
                "{name} did not answer: it may not have been told of the end, and of what was before it"
            ));
        }
    }
}

/// Tells people that a start which no person watches ended before anything was changed.
pub(crate) async fn refused(change: &Change, audience: Audience, failure: &Failure) {
    // Who has ended it knows.
    if matches!(failure, Failure::Interrupted(_) | Failure::WaitEnded | Failure::ClosedPipe) {
        return;
    }
    match People::begin(change, None, audience, None) {
        Ok(people) => {
            let (title, text) = (format!("{}: not begun", change.name), failure.in_one_line());
            let (pool, server, commands) = (None, None, Vec::new());
            let occasion = Occasion::Refused;
            people.tell(Timestamp::now(), notice::Notice { occasion, pool, server, title, text, commands });
            people.close().await;
        }
        // That is what the start was refused for, or it stands beside it.
        Err(other) => output::talk(&format!("nobody was told: {}", other.in_one_line())),
    }
}

/// Tries each way that a plan names, once, and says which of them works.
pub(crate) async fn tried(change: &Change) -> Result<Exit, Failure> {
    let channels = channels(change)?;
    if channels.is_empty() {
        output::data("the plan names nobody who is told (`notify`)\n")?;
        return Ok(Exit::Done);
    }
    let mut exit = Exit::Done;
    for channel in channels {
        let on: Vec<&str> = channel.on.iter().map(|occasion| occasion.word()).collect();
        let notice = Notice {
            occasion: channel.on.iter().next().copied().unwrap_or(Occasion::Ended),
            at: Timestamp::now(),
            run: None,
            change: change.name.clone(),
            reason: change.reason.clone(),
            pool: None,
            server: None,
            title: format!("TEST: {}", change.name),
            text: format!("This way is told of: {}. Nothing has happened.", on.join(", ")),
            commands: Vec::new(),
            lab: true,
        };
        let said = match orchestrate_notify::try_once(&channel, &notice).await {
            Ok(()) => "told".to_owned(),
            Err(why) => {
                exit = Exit::Unreachable;
                format!("NOT told: {why}")
            }
        };
        output::data(&format!("{}: {said}; of {}\n", channel.name, on.join(", ")))?;
    }
    Ok(exit)
}
