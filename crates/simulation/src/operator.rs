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

/// A hold that waits for a decision.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    /// Since when.
    since: Ms,
    choices: Vec<HoldChoice>,
    /// The sessions that are left, where they are shown.
    left: Option<u64>,
}

/// Holds that wait for a decision.
pub(crate) type Held = Arc<Mutex<BTreeMap<ServerName, Open>>>;

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
                let open = Open { since, choices: hold.choices.clone(), left: None };
                let left = server.sessions_left.as_ref().and_then(|left| left.known().copied());
                held.entry(server.server.clone()).or_insert(open).left = left;
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
        let due: Vec<(ServerName, Open)> = {
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            let due = held.iter().filter(|(_, open)| now - open.since > 2 * MINUTE);
            due.map(|(name, open)| (name.clone(), open.clone())).collect()
        };
        for (server, open) in due {
            let tries = retried.entry(server.clone()).or_default();
            let (choice, terms) = if healed && *tries < 2 && open.choices.contains(&HoldChoice::Retry) {
                *tries += 1;
                (HoldChoice::Retry, Terms::default())
            } else {
                decision(&open, &mut dice)
            };
            said.push(Command::Decide { server, choice, since: None, by: "the operator".to_owned(), terms });
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

/// What the operator decides about a hold that is no matter of trying again.
fn decision(open: &Open, dice: &mut Dice) -> (HoldChoice, Terms) {
    let has = |choice: HoldChoice| open.choices.contains(&choice);
    if (has(HoldChoice::Extend) || has(HoldChoice::Cut)) && dice.chance(0.6) {
        // Somebody who types a wrong number is to cut nobody that was not counted.
        let typed = open.left.map(|left| if dice.chance(0.2) { left.saturating_sub(1) } else { left });
        return match typed.filter(|typed| *typed > 0 && has(HoldChoice::Cut) && dice.chance(0.5)) {
            Some(sessions) => (HoldChoice::Cut, Terms { sessions: Some(sessions), ..Terms::default() }),
            None if has(HoldChoice::Extend) => {
                let more = Some(SignedDuration::from_mins(dice.between(5, 60)));
                (HoldChoice::Extend, Terms { more, ..Terms::default() })
            }
            None => (HoldChoice::Stop, Terms::default()),
        };
    }
    let plain = |choice: &&HoldChoice| !matches!(choice, HoldChoice::Extend | HoldChoice::Cut);
    let plain: Vec<HoldChoice> = open.choices.iter().filter(plain).copied().collect();
    (dice.pick(&plain), Terms::default())
}
