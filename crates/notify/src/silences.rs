//! Silences of a run: set before a server goes out, extended while it is out, ended when it is back.

use crate::SetupError;
use crate::channel::{self, Undelivered};
use crate::silence::{Silenced, Silencer};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::ServerName;
use reqwest::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The wait before the second attempt; twice as much before each next.
const FIRST_WAIT: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 2_000 });

/// The longest wait between attempts. A server is out for hours, and its alerts come all the time.
const LONGEST_WAIT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 60 });

/// What a run wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    /// The servers whose alerts are silenced.
    servers: BTreeSet<ServerName>,
    /// Nothing more comes: what is silenced is ended, and then there is nothing left to do.
    over: bool,
}

/// The silences of a run. Each silencer has a task of its own, so that a dead one delays no other; nothing waits for any.
#[derive(Debug)]
pub struct Silences {
    wanted: watch::Sender<Wanted>,
    /// Each ends with the name of its silencer.
    tasks: JoinSet<String>,
    names: Vec<String>,
}

impl Silences {
    /// Begins. `all`: every server of the run. `earlier`: those that an earlier start may have left silenced. What cannot be
    /// done is said to `failures`, one line each time that it begins to fail.
    ///
    /// # Errors
    /// Says why nothing can be sent from this machine.
    pub fn begin(
        silencers: Vec<Silencer>,
        all: Vec<Silenced>,
        earlier: &BTreeSet<ServerName>,
        failures: &mpsc::UnboundedSender<String>,
    ) -> Result<Self, SetupError> {
        let client = channel::client()?;
        let (wanted, _) = watch::channel(Wanted::default());
        let names = silencers.iter().map(|silencer| silencer.name.clone()).collect();
        let mut tasks = JoinSet::new();
        for silencer in silencers {
            let servers = all.iter().map(|what| {
                let held = if earlier.contains(&what.server) { Held::Perhaps } else { Held::No };
                (what.server.clone(), Server { what: what.clone(), held, again: None, wait: FIRST_WAIT, told: false })
            });
            let own = Own { silencer, client: client.clone(), servers: servers.collect(), failures: failures.clone() };
            tasks.spawn(own.work(wanted.subscribe()));
        }
        Ok(Self { wanted, tasks, names })
    }

    /// Returns what the silencers are called.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// Says whose alerts are to be silenced. Returns at once.
    pub fn want(&self, servers: &BTreeSet<ServerName>) {
        self.wanted.send_if_modified(|wanted| {
            let differs = wanted.servers != *servers;
            wanted.servers.clone_from(servers);
            differs
        });
    }

    /// Ends every silence, within a limit. Returns the silencers that still tried then.
    pub async fn close(mut self, within: Duration) -> Vec<String> {
        self.wanted.send_replace(Wanted { servers: BTreeSet::new(), over: true });
        let mut open = self.names.clone();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                open.retain(|name| !ended.as_ref().is_ok_and(|ended| ended == name));
            }
        };
        // Whichever way that ends, what is still open is told.
        tokio::time::timeout(within, all).await.unwrap_or_default();
        open
    }
}

/// What is wanted of the alerts about a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// That they are silenced.
    Silent,
    /// That they are heard.
    Heard,
}

impl Wanted {
    fn of(&self, server: &ServerName) -> Goal {
        if self.servers.contains(server) { Goal::Silent } else { Goal::Heard }
    }
}

/// What is known of the silence of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    /// There is none.
    No,
    /// There may be one: of an earlier start, or of an attempt whose answer did not come.
    Perhaps,
    /// There is one.
    Until { id: Option<String>, until: Timestamp },
}

struct Server {
    what: Silenced,
    held: Held,
    /// Before when nothing is tried again.
    again: Option<tokio::time::Instant>,
    wait: Duration,
    /// Whether it was said that it fails.
    told: bool,
}

/// The work of one silencer.
struct Own {
    silencer: Silencer,
    client: Client,
    servers: BTreeMap<ServerName, Server>,
    failures: mpsc::UnboundedSender<String>,
}

impl Own {
    async fn work(mut self, mut wanted: watch::Receiver<Wanted>) -> String {
        loop {
            let now = wanted.borrow_and_update().clone();
            for name in self.servers.keys().cloned().collect::<Vec<_>>() {
                self.one(&name, &now).await;
                // What is wanted may be something else by now: a server that goes out is not waited for.
                if wanted.has_changed().unwrap_or(false) {
                    break;
                }
            }
            if wanted.has_changed().unwrap_or(false) {
                continue;
            }
            let left = self.servers.values().any(|server| server.held != Held::No);
            if now.over && !left {
                return self.silencer.name;
            }
            let next = self.next(&now);
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return self.silencer.name },
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    /// Does what is due for a server.
    async fn one(&mut self, name: &ServerName, now: &Wanted) {
        let goal = now.of(name);
        let lasts = self.silencer.lasts;
        let Some(server) = self.servers.get_mut(name) else { return };
        if !is_due(server, goal, lasts)
            || (!now.over && server.again.is_some_and(|at| tokio::time::Instant::now() < at))
        {
            return;
        }
        let known = match &server.held {
            Held::Until { id, .. } => id.clone(),
            Held::No | Held::Perhaps => None,
        };
        let done = if goal == Goal::Silent {
            let until = Timestamp::now().checked_add(lasts).unwrap_or(Timestamp::MAX);
            let set = self.silencer.set(&self.client, &server.what, (known.as_deref(), until)).await;
            set.map(|id| Held::Until { id, until })
        } else {
            self.silencer.end(&self.client, &server.what, known.as_deref()).await.map(|()| Held::No)
        };
        match done {
            Ok(held) => (server.held, server.again, server.wait, server.told) = (held, None, FIRST_WAIT, false),
            Err(why) => self.failed(name, goal, &why),
        }
    }

    fn failed(&mut self, name: &ServerName, goal: Goal, why: &Undelivered) {
        let Some(server) = self.servers.get_mut(name) else { return };
        if server.held == Held::No {
            server.held = Held::Perhaps;
        }
        server.again = Some(tokio::time::Instant::now() + server.wait);
        server.wait = (server.wait * 2).min(LONGEST_WAIT);
        if !std::mem::replace(&mut server.told, true) {
            let (by, short) = (&self.silencer.name, name.short());
            let text = if goal == Goal::Silent {
                format!("the alerts of {short} are not silenced by {by}, or not any longer: {why}; it is tried again")
            } else {
                format!("the silence of {short} by {by} is not ended: {why}; it is tried again, and ends by itself")
            };
            // Whoever has gone does not want to hear it.
            self.failures.send(text).unwrap_or_default();
        }
    }

    /// Returns when something is due next.
    fn next(&self, now: &Wanted) -> Duration {
        let lasts = self.silencer.lasts;
        let each = self.servers.iter().filter_map(|(name, server)| {
            let goal = now.of(name);
            let retry = server.again.map(|at| at.saturating_duration_since(tokio::time::Instant::now()));
            match (&server.held, goal) {
                _ if is_due(server, goal, lasts) => {
                    Some(retry.unwrap_or(Duration::ZERO).max(Duration::from_millis(10)))
                }
                (Held::Until { until, .. }, Goal::Silent) => {
                    let half = until.duration_since(Timestamp::now()) - lasts / 2;
                    Some(Duration::try_from(half).unwrap_or(Duration::from_millis(10)))
                }
                (Held::No | Held::Perhaps | Held::Until { .. }, _) => None,
            }
        });
        // A clock that is set must not leave a silence to end.
        each.min().unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
    }
}

/// Whether something has to be done for a server.
fn is_due(server: &Server, goal: Goal, lasts: SignedDuration) -> bool {
    match (&server.held, goal) {
        (Held::No | Held::Perhaps, Goal::Silent) => true,
        (Held::Until { until, .. }, Goal::Silent) => until.duration_since(Timestamp::now()) <= lasts / 2,
        (Held::No, Goal::Heard) => false,
        (Held::Perhaps | Held::Until { .. }, Goal::Heard) => true,
    }
}
