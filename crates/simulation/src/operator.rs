//! The people of the simulation: one who watches a run and decides about its holds, and one who gives orders.

use crate::dice::Dice;
use crate::drive::Link;
use crate::world::{MINUTE, Ms};
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::view::{Phase, View};
use orchestrate_engine::{Command, Engine, Record};
use orchestrate_executor::Listener;
use orchestrate_model::ServerName;
use orchestrate_model::change::HoldChoice;
use orchestrate_model::hold::Terms;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// How long a server may be in work without a word about what is waited for.
const SILENCE: Ms = 10 * MINUTE;

/// How long after its end a wait may still be shown: an answer may be that late.
const OVERDUE: Ms = 6 * MINUTE;

/// Holds that wait for a decision, with since when.
pub(crate) type Held = Arc<Mutex<BTreeMap<ServerName, (Ms, Vec<HoldChoice>)>>>;

/// Watches a run through its views, and the views themselves (promise P11).
pub(crate) struct Watcher {
    pub(crate) link: Link,
    pub(crate) held: Held,
    pub(crate) dirty: bool,
    pub(crate) calls: u32,
    /// When each server in work last said what it waits for, or moved on.
    pub(crate) heard: BTreeMap<ServerName, (Ms, Phase)>,
    /// Whether waits are robbed of their words: a mutation.
    pub(crate) mute: bool,
}

impl Listener for Watcher {
    fn recorded(&mut self, seq: u64, at: Timestamp, record: &Record) {
        self.dirty = true;
        let mut world = self.link.world.lock();
        let at = world.moment(at);
        let epoch = self.link.epoch;
        world.log.say(at, || format!("    record {seq} [{epoch}] {}", shown(record)));
    }

    fn progressed(&mut self, engine: &Engine, now: Timestamp) {
        self.calls += 1;
        if std::mem::take(&mut self.dirty) || self.calls.is_multiple_of(24) {
            let mut view = engine.view(now);
            if self.mute {
                view.servers.iter_mut().filter_map(|server| server.wait.as_mut()).for_each(|wait| wait.then.clear());
            }
            self.check(&view);
        }
    }
}

fn shown(record: &Record) -> String {
    let text = serde_json::to_string(record).unwrap_or_default();
    if text.len() > 600 { format!("{}…", text.chars().take(600).collect::<String>()) } else { text }
}

impl Watcher {
    fn check(&mut self, view: &View) {
        let mut world = self.link.world.lock();
        let now = world.moment(view.at);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for server in &view.servers {
            if let Phase::Held(hold) = &server.phase {
                let since = world.moment(hold.since);
                held.entry(server.server.clone()).or_insert((since, hold.choices.clone()));
                if hold.reason.is_empty() || hold.choices.is_empty() {
                    world.oracle.breach("P11", now, format!("{} is held without a word", server.server));
                }
            } else {
                held.remove(&server.server);
            }
            if let Some(wait) = &server.wait {
                let late = wait.until.is_some_and(|until| world.moment(until) < now - OVERDUE);
                let silent = wait.what.is_empty() || wait.why.is_empty() || wait.then.is_empty();
                if silent || late || world.moment(wait.since) > now {
                    let text = format!("{}: a wait that does not say it all or is over: {wait:?}", server.server);
                    world.oracle.breach("P11", now, text);
                }
            }
            let quiet = matches!(server.phase, Phase::Step { .. }) && server.wait.is_none() && view.ended.is_none();
            let heard = self.heard.entry(server.server.clone()).or_insert((now, server.phase.clone()));
            if !quiet || heard.1 != server.phase {
                *heard = (now, server.phase.clone());
            } else if now - heard.0 - world.oracle.slept_since(heard.0) > SILENCE {
                let text = format!("{} is in work and has not said for long what it waits for", server.server);
                heard.0 = now;
                world.oracle.breach("P11", now, text);
            }
        }
    }
}

/// An order, by its time.
pub(crate) type Orders = Vec<(Ms, Command)>;

/// Decides about holds after a while, and gives the orders when their time has come.
pub(crate) async fn operate(
    link: Link,
    held: Held,
    commands: mpsc::UnboundedSender<Command>,
    mut orders: Orders,
    mut dice: Dice,
) {
    let mut retried: BTreeMap<ServerName, u32> = BTreeMap::new();
    orders.sort_by_key(|(at, _)| *at);
    let mut orders = orders.into_iter().peekable();
    loop {
        link.clock.sleep(SignedDuration::from_secs(150)).await;
        let (now, healed) = {
            let mut world = link.world.lock();
            (world.at(link.clock.now()), world.heals.is_some_and(|heals| heals < world.now))
        };
        let mut said = Vec::new();
        while let Some((_, command)) = orders.next_if(|(at, _)| *at <= now) {
            said.push(command);
        }
        let due: Vec<(ServerName, Vec<HoldChoice>)> = {
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            let due = held.iter().filter(|(_, (since, _))| now - since > 2 * MINUTE);
            due.map(|(name, (_, choices))| (name.clone(), choices.clone())).collect()
        };
        for (server, choices) in due {
            let tries = retried.entry(server.clone()).or_default();
            let choice = if healed && *tries < 2 && choices.contains(&HoldChoice::Retry) {
                *tries += 1;
                HoldChoice::Retry
            } else {
                // What says a number besides is a person's: it is tried where the number is known.
                let plain = |choice: &HoldChoice| !matches!(choice, HoldChoice::Extend | HoldChoice::Cut);
                dice.pick(&choices.into_iter().filter(plain).collect::<Vec<_>>())
            };
            said.push(Command::Decide {
                server,
                choice,
                since: None,
                by: "the operator".to_owned(),
                terms: Terms::default(),
            });
        }
        for command in said {
            {
                let mut world = link.world.lock();
                let now = world.now;
                world.log.say(now, || format!("the operator says {command:?}"));
            }
            if commands.send(command).is_err() {
                return std::future::pending().await;
            }
        }
    }
}
