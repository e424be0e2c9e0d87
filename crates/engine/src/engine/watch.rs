//! The watch over a pool while some of its servers are out: are the others still able to do without them, and is what was
//! set outside of the servers still so? At the end of the run, whether every server of the pool serves.
//!
//! The steps of a server look at what they wait for. This looks at the rest, in every step alike, at a pace of its own.
//! Losing it loses nothing: it begins anew with the next look.

use super::{Effect, Engine, Position, Ticket};
use crate::constants::{
    LOOK_LIFETIME, POOL_GOOD_LOOKS, POOL_LOOK, POOL_LOOK_AGAIN, POOL_LOOK_SOAK, POOL_NOES, POOL_SHARED,
    POOL_SLOW_LOOKS, POOL_UNKNOWN, POOL_UNKNOWN_LOOKS, PRODUCT_LOOKS, PRODUCT_WORDLESS, SWEEP_LOOKS, UNKNOWN_LOOK,
};
use crate::look::Look;
use crate::record::{AlarmThen, Record, StopWhy, Why, WhyKind};
use crate::state::{Mark, work_id};
use crate::steps;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::Change;
use orchestrate_model::change::PoolUnsafe;
use orchestrate_model::observe::Part;
use orchestrate_model::pool::{Balancer, Pool};
use orchestrate_model::time::after;
use orchestrate_model::{PoolObservation, ServerName, Verdict};
use orchestrate_planner::StepKind;
use orchestrate_planner::safety::{Asked, Question, unreached};
use orchestrate_planner::scope::PoolScope;
use orchestrate_planner::standing::{Standing, standings};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The watch over one pool.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    at: At,
    /// Looks taken since the pool has servers out.
    looks: u32,
    /// Looks at the end of the run.
    last_looks: u32,
    /// Looks in a row that took too long to say anything.
    slow: u32,
    /// What speaks against each server that is out, by its position.
    doubts: BTreeMap<usize, Doubt>,
    /// Whether it rests for longer, since no server of the pool is out.
    calm: bool,
    /// Looks in a row in which another server was missing while one soaks.
    absent: BTreeMap<ServerName, u32>,
    /// Servers of other pools that the look in hand does not ask, since another look has just asked them.
    lent: Vec<ServerName>,
    /// The server that the look in hand asks for the product's word.
    asks_product: Option<ServerName>,
    /// Times in a row that the product was asked and gave no word.
    wordless: u32,
}

/// Where a watch is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum At {
    #[default]
    Idle,
    Looking {
        ticket: Ticket,
        asked: Timestamp,
    },
    Sleeping(Ticket),
}

/// What the last looks said against a server that is out.
#[derive(Debug, Clone, Default)]
struct Doubt {
    /// Since when not every answer was yes.
    since: Option<Timestamp>,
    /// Looks since then.
    looks: u32,
    /// Looks in a row in which an answer was no.
    noes: u32,
    /// Looks in a row in which every answer was yes.
    good: u32,
    /// Looks in which the product's word was no, since it last was yes. It is asked in few looks, and no look in between
    /// says anything about it.
    by_word: u32,
}

impl Doubt {
    /// Takes in the answers of one look, with whether the product gave its word in it. Returns whether they are to be acted
    /// on.
    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    fn hear(&mut self, bad: &[Asked], word: bool, now: Timestamp) -> bool {
        let against = bad.iter().any(|asked| asked.question == Question::Ready);
        self.by_word = match (word, against) {
            (true, true) => self.by_word + 1,
            (true, false) => 0,
            (false, _) => self.by_word,
        };
        if bad.is_empty() {
            let by_word = self.by_word;
            // What the product said last stands until it says otherwise: nothing is good before that.
            let good = if by_word == 0 { self.good.saturating_add(1) } else { 0 };
            *self = Self { good, by_word, ..Self::default() };
            return false;
        }
        let no = bad.iter().any(|asked| matches!(asked.verdict, Verdict::No(_)));
        self.good = 0;
        self.looks += 1;
        self.noes = if no { self.noes + 1 } else { 0 };
        let since = *self.since.get_or_insert(now);
        let silent = self.looks >= POOL_UNKNOWN_LOOKS && now.duration_since(since) >= POOL_UNKNOWN;
        self.noes >= POOL_NOES || self.by_word >= POOL_NOES || silent
    }
}

impl Engine {
    /// Returns the servers of a pool that are out and not proven back, by position.
    fn watched(&self, pool: usize) -> Vec<usize> {
        let out = |position: &usize| self.state.work[*position].is_out();
        self.of_pools[pool].iter().copied().filter(out).collect()
    }

    /// Returns the servers of a pool that are back and still watched, by position: the pool has all it had, and what goes
    /// wrong in it now is another server's.
    fn soaking(&self, pool: usize) -> Vec<usize> {
        let soaks = |position: &usize| {
            let work = &self.state.work[*position];
            work.is_active() && work.proven_back && work.back.is_none()
        };
        self.of_pools[pool].iter().copied().filter(soaks).collect()
    }

    /// Looks at every pool that has servers out, or one in its soak.
    pub(super) fn watch_pools(&mut self, now: Timestamp) {
        if self.broken || self.state.header.is_none() || self.state.ended.is_some() || self.is_over() {
            return;
        }
        for pool in 0..self.watches.len() {
            let watched = self.watched(pool);
            let Some(first) = watched.first().or(self.soaking(pool).first()).copied() else {
                self.watches[pool] = Watch::default();
                continue;
            };
            let watch = &mut self.watches[pool];
            // A server that goes out is not without a watch for the rest of a long sleep.
            if !watched.is_empty() && std::mem::take(&mut watch.calm) && matches!(watch.at, At::Sleeping(_)) {
                watch.at = At::Idle;
            }
            if watch.at != At::Idle {
                continue;
            }
            // Where the product's last word was no, the next one decides.
            let by_word = watch.doubts.values().any(|doubt| doubt.by_word > 0 && doubt.by_word < POOL_NOES);
            let number = if by_word { watch.looks.next_multiple_of(PRODUCT_LOOKS) } else { watch.looks };
            watch.looks = number + 1;
            if let Some(mut look) = Look::for_watch(&self.subject(first), number) {
                self.watches[pool].lent = self.lend(pool, &mut look, now);
                self.look_at_pool(pool, look, now);
            }
        }
        if self.watches.iter().all(|watch| watch.at == At::Idle) {
            self.heard.clear();
        }
    }

    /// Takes out of a look at a pool the servers of other pools that a look at another pool has just asked, and returns them.
    fn lend(&self, pool: usize, look: &mut Look, now: Timestamp) -> Vec<ServerName> {
        let own = &self.plan.change().pools[pool].servers;
        let fresh = SignedDuration::ZERO..=POOL_SHARED;
        let lends = |name: &ServerName| {
            let heard = self.heard.get(name).is_some_and(|heard| fresh.contains(&now.duration_since(heard.taken)));
            heard && !own.iter().any(|server| server.name == *name)
        };
        let mut lent = Vec::new();
        look.servers.retain(|name, _| {
            let asked = !lends(name);
            if !asked {
                lent.push(name.clone());
            }
            asked
        });
        lent
    }

    /// Keeps what the servers of a shared budget have said for the looks at its other pools, and adds what those have heard.
    fn share(&mut self, pool: usize, seen: &mut PoolObservation) {
        if self.plan.change().budgets.is_empty() {
            return;
        }
        let known = seen.servers.iter().filter(|(_, server)| server.services.known().is_some());
        self.heard.extend(known.map(|(name, server)| (name.clone(), server.clone())));
        for name in std::mem::take(&mut self.watches[pool].lent) {
            if let Some(heard) = self.heard.get(&name) {
                seen.servers.entry(name).or_insert_with(|| heard.clone());
            }
        }
    }

    fn look_at_pool(&mut self, pool: usize, look: Look, now: Timestamp) {
        let ticket = self.ticket();
        let product = look.servers.iter().find(|(_, ask)| ask.parts.contains(&Part::Readiness));
        self.watches[pool].asks_product = product.map(|(name, _)| name.clone());
        self.watches[pool].at = At::Looking { ticket, asked: now };
        self.effects.push(Effect::Look { ticket, look });
    }

    fn rest_from_pool(&mut self, pool: usize, rest: SignedDuration, now: Timestamp) {
        let ticket = self.ticket();
        self.watches[pool].at = At::Sleeping(ticket);
        self.effects.push(Effect::Wake { ticket, at: after(now, rest) });
    }

    /// Whether a ticket was a watch's, which has had its rest then.
    pub(super) fn watch_woke(&mut self, ticket: Ticket) -> bool {
        let Some(watch) = self.watches.iter_mut().find(|watch| watch.at == At::Sleeping(ticket)) else { return false };
        watch.at = At::Idle;
        true
    }

    /// Has every watch look at once: what it waited for is measured by a clock that was set.
    pub(super) fn wake_watches(&mut self) {
        self.heard.clear();
        for watch in &mut self.watches {
            watch.doubts.clear();
            if matches!(watch.at, At::Sleeping(_)) {
                watch.at = At::Idle;
            }
        }
    }

    /// Takes in the answer to a look of a watch. Returns whether it was one.
    pub(super) fn watch_saw(&mut self, ticket: Ticket, seen: &mut PoolObservation, now: Timestamp) -> bool {
        let looking = |watch: &Watch| matches!(watch.at, At::Looking { ticket: own, .. } if own == ticket);
        let Some(pool) = self.watches.iter().position(looking) else { return false };
        let At::Looking { asked, .. } = std::mem::take(&mut self.watches[pool].at) else { return true };
        // What took so long is old when it comes: it was this machine that slept, since a server has its limit.
        let slow = now.duration_since(asked) > LOOK_LIFETIME;
        self.watches[pool].slow = if slow { self.watches[pool].slow + 1 } else { 0 };
        if slow && self.watches[pool].slow < POOL_SLOW_LOOKS {
            self.rest_from_pool(pool, POOL_LOOK_AGAIN, now);
            return true;
        }
        super::forget_old_parts(seen, (asked, now));
        self.share(pool, seen);
        let seen = &*seen;
        if self.is_over() {
            self.saw_at_end(pool, seen, now);
            return true;
        }
        let mut rest = POOL_LOOK;
        self.tell_of_absent(pool, seen, now);
        self.tell_of_silence(pool, seen, now);
        let watched = self.watched(pool);
        for position in watched.iter().copied() {
            if !self.judge_pool(position, seen, now) {
                rest = POOL_LOOK_AGAIN;
            }
            // Where the pool may not be able to do without it, a server that may serve again is not taken away a second time.
            let missed = self.watches[pool].doubts.get(&position).is_none_or(|doubt| doubt.good == 0);
            let doubted = !doubt_is_over(&self.watches[pool], position) || self.state.work[position].alarm.is_some();
            // One that is seen not to serve takes nothing from its pool by being out of the balancer, which would send people to it.
            if self.seen_blocked[position] || (!doubted && !missed) {
                self.keep_out_of_balancer(position, seen, (asked, now));
            }
        }
        // Looks at pools of one budget that come one after another can share what they have heard.
        if rest == POOL_LOOK && self.watches[pool].looks == 1 && !self.plan.change().budgets.is_empty() {
            rest -= apart(pool);
        }
        // One that is missing is looked for again soon: the second look names it.
        let watch = &mut self.watches[pool];
        if watched.is_empty() && watch.absent.is_empty() {
            (rest, watch.calm) = (POOL_LOOK_SOAK, true);
        }
        self.rest_from_pool(pool, rest, now);
        true
    }

    /// Says once, when no server of a pool is out on account of the run, which others do not serve while one soaks: the soak
    /// of a good server starts over for them, and whoever reads that is to know why.
    fn tell_of_absent(&mut self, pool: usize, seen: &PoolObservation, now: Timestamp) {
        let soaking = self.soaking(pool);
        let (Some(first), true) = (soaking.first().copied(), self.watched(pool).is_empty()) else {
            self.watches[pool].absent.clear();
            return;
        };
        let ours: BTreeSet<ServerName> =
            soaking.iter().map(|position| self.plan.work()[*position].server.clone()).collect();
        let absent = absences(self.plan.change(), &self.plan.change().pools[pool], seen, &ours);
        self.watches[pool].absent.retain(|name, _| absent.contains_key(name));
        for (name, why) in absent {
            let looks = self.watches[pool].absent.entry(name.clone()).or_default();
            *looks = looks.saturating_add(1);
            if *looks == POOL_NOES {
                let server = self.plan.work()[first].server.short();
                let what = match why {
                    Absence::Out(why) => format!("does not serve: {why}"),
                    Absence::Unknown(why) => format!("is not known to serve: {why}"),
                };
                let text = format!("{} {what}; {server} is back and soaks, and this is not its fault", name.short());
                self.record(now, Record::Note { work: Some(work_id(first)), text });
            }
        }
    }

    /// Says once that the product gives no word on a pool of which a server is out. Nothing follows from that, since our own
    /// server may be why; whoever decides about the run is to know.
    fn tell_of_silence(&mut self, pool: usize, seen: &PoolObservation, now: Timestamp) {
        let watched = self.watched(pool);
        let watch = &mut self.watches[pool];
        let Some(asked) = watch.asks_product.take() else { return };
        watch.wordless = if has_word(seen) { 0 } else { watch.wordless.saturating_add(1) };
        let (Some(first), PRODUCT_WORDLESS) = (watched.first(), watch.wordless) else { return };
        let why = seen.servers.get(&asked).and_then(|own| own.readiness.why_unknown()).unwrap_or("no answer");
        let text = format!(
            "whether {} is ready is unknown: the product gave no word {PRODUCT_WORDLESS} times, last asked on {}: {why}. Nothing \
             is stopped for that alone: the servers, the names and the balancer are seen without it, and the next server waits \
             for the word",
            self.plan.change().pools[pool].name,
            asked.short()
        );
        self.record(now, Record::Note { work: Some(work_id(*first)), text });
    }

    /// Whether it is still to be seen that nothing was installed on a server since it was recorded.
    pub(super) fn is_to_be_seen(&self, position: usize) -> bool {
        let step = self.step_in_hand(position).map(|step| self.plan.steps()[step.0 as usize].kind);
        let early = step.is_some_and(|kind| kind < StepKind::Patch);
        early && steps::asks_versions(&self.subject(position), StepKind::Drain, &self.scratch[position])
    }

    /// Judges whether the pool can do without a server that is out. Returns whether that is settled for the moment.
    fn judge_pool(&mut self, position: usize, seen: &PoolObservation, now: Timestamp) -> bool {
        let bad = steps::against_absence(&self.subject(position), seen, now);
        let pool = self.plan.work()[position].pool as usize;
        let doubt = self.watches[pool].doubts.entry(position).or_default();
        let certain = doubt.hear(&bad, has_word(seen), now);
        let calm = doubt.good >= POOL_GOOD_LOOKS;
        let alarmed = self.state.work[position].alarm.is_some();
        if alarmed && calm {
            self.record(now, Record::AllClear { work: work_id(position) });
        }
        if certain && !alarmed {
            self.raise(position, bad, (seen, now));
        }
        self.state.work[position].alarm.is_some() || doubt_is_over(&self.watches[pool], position)
    }

    /// Says that the pool cannot do without a server any more, and gives it back if that can still be done.
    fn raise(&mut self, position: usize, asked: Vec<Asked>, (seen, now): (&PoolObservation, Timestamp)) {
        let work = &self.state.work[position];
        let undo = work.is_active() && work.back.is_none() && !self.is_past_undoing(position);
        let subject = self.subject(position);
        let then = match undo {
            true => AlarmThen::GoesBack,
            false if subject.is_patching() || subject.is_restarting() => AlarmThen::IsFinished,
            false => AlarmThen::IsOnItsWay,
        };
        let mut away = subject.others_out();
        away.insert(subject.work.server.clone());
        let culprits = absences(subject.plan.change(), subject.pool, seen, &away);
        let why = words(&subject.work.server, &asked, &culprits);
        self.record(now, Record::Alarm { work: work_id(position), asked, then, why: why.clone() });
        let waits = self.plan.change().maintenance.pool_unsafe == PoolUnsafe::Wait;
        let stops = matches!(self.state.stop, None | Some(StopWhy::Window(_))) && !self.state.recover;
        if undo && !waits && stops {
            self.record(now, Record::StopRequested { why: StopWhy::Policy(why) });
        }
        self.rouse(position);
    }

    /// Lets a server notice at once: what it sleeps for or looks at for its step is not what matters now.
    pub(super) fn rouse(&mut self, position: usize) {
        if matches!(self.positions[position], Position::Sleeping(_) | Position::Looking { .. }) {
            self.positions[position] = Position::Idle;
        }
    }

    /// Gives a server back to its pool, when the pool cannot do without it. Returns whether anything changed.
    pub(super) fn give_back(&mut self, position: usize, now: Timestamp) -> bool {
        let work = &self.state.work[position];
        let Some(alarm) = work.alarm.clone().filter(|_| work.back.is_none()) else { return false };
        if self.is_past_undoing(position) || self.state.work[position].proven_back {
            // It is finished as fast as it can be. The soak stays: the server serves in it, and it protects the next one.
            return false;
        }
        self.turn_back(work_id(position), Why { kind: WhyKind::Pool, text: alarm.why }, now);
        true
    }

    /// Puts a server off that is back because its pool could not do without it, when the plan has the run wait, or because
    /// of a stop that was taken back when the run was taken up again. Returns whether it did.
    pub(super) fn put_off(&mut self, position: usize, why: &Why, now: Timestamp) -> bool {
        // A server that was done, and is only brought back as it was recorded, does not begin again.
        if self.state.work[position].has(Mark::Finished) {
            return false;
        }
        let waits = self.plan.change().maintenance.pool_unsafe == PoolUnsafe::Wait;
        let stopping = self.state.stop.is_some() || self.state.recover;
        // Nothing but a stop gives a server back for these, and the run does not stop any more: what was left undone is
        // done, as it is when the stop had come to its end.
        let resumed = matches!(why.kind, WhyKind::Operator | WhyKind::Window);
        let again = resumed || why.kind == WhyKind::Changed || (why.kind == WhyKind::Pool && waits);
        if stopping || !again {
            return false;
        }
        if !resumed && self.state.work[position].put_off >= crate::constants::PUT_OFFS {
            let text = format!(
                "{} was given back to its pool {} times: {}",
                self.plan.work()[position].server,
                self.state.work[position].put_off + 1,
                why.text
            );
            self.record(now, Record::StopRequested { why: StopWhy::Policy(text) });
            return false;
        }
        self.record(now, Record::PutOff { work: work_id(position), why: why.clone() });
        self.scratch[position].forget();
        true
    }

    /// Looks at every server of the pools of a run that has begun with any of them, and after a recovery at those of the pools
    /// that it had to do with. Returns whether any is still to be seen.
    pub(super) fn see_pools(&mut self, now: Timestamp) -> bool {
        let mut going = false;
        // A pool that was passed over, or not come to, is one of the plan all the same: what does not serve there is told.
        let has_begun = !self.state.recover && self.state.work.iter().any(|work| work.started.is_some());
        for pool in 0..self.watches.len() {
            let begun = |position: &usize| {
                let work = &self.state.work[*position];
                has_begun || work.as_recorded().is_some() || work.started.is_some()
            };
            let mut works = self.of_pools[pool].iter().copied().filter(begun);
            let name = &self.plan.change().pools[pool].name;
            let Some(first) = works.next().filter(|_| !self.state.pools_seen.contains_key(name)) else { continue };
            going = true;
            // A look of the watch that is still on its way is one at fewer servers.
            let last = self.watches[pool].last_looks > 0;
            if last && self.watches[pool].at != At::Idle {
                continue;
            }
            self.watches[pool].last_looks += 1;
            let look = Look::for_end(&self.subject(first));
            self.look_at_pool(pool, look, now);
        }
        going
    }

    fn saw_at_end(&mut self, pool: usize, seen: &PoolObservation, now: Timestamp) {
        let described = &self.plan.change().pools[pool];
        if self.watches[pool].last_looks == 0 || self.state.pools_seen.contains_key(&described.name) {
            return;
        }
        let absent = absences(self.plan.change(), described, seen, &BTreeSet::new()).into_iter();
        let mut absent: BTreeMap<ServerName, String> = absent.map(|(name, why)| (name, why.to_string())).collect();
        // That everybody serves is said only where it was seen, at the balancer too.
        for server in described.present() {
            if let Some(why) = unknown_at_balancer(described, seen, &server.name) {
                absent.entry(server.name.clone()).or_insert(why);
            }
        }
        let works = self.of_pools[pool].iter().filter(|position| self.state.work[**position].is_out());
        let out = works.map(|position| self.plan.work()[*position].server.clone());
        let out: BTreeSet<ServerName> = out.chain(absent.keys().cloned()).collect();
        let faults = unreached(self.plan.change(), described, seen, &out);
        // What starts by itself, and what did not answer, gets its time.
        if !(absent.is_empty() && faults.is_empty()) && self.watches[pool].last_looks < SWEEP_LOOKS {
            self.rest_from_pool(pool, UNKNOWN_LOOK, now);
            return;
        }
        let name = described.name.clone();
        self.record(now, Record::PoolSeen { pool: name, absent, faults });
    }
}

/// Whether the product gave its word on a pool in a look, whatever it was.
fn has_word(seen: &PoolObservation) -> bool {
    seen.servers.values().any(|server| server.readiness.known().is_some())
}

/// How much earlier the second look at a pool comes, so that hundreds of pools are not looked at in the same moment: other
/// lengths for pools that follow one another, spread over the time for which answers are shared.
fn apart(pool: usize) -> SignedDuration {
    const PLACES: usize = 64;
    // Any odd number that is far from a half of the places spreads them.
    let place = i64::try_from((pool * 39) % PLACES).unwrap_or_default();
    SignedDuration::from_millis(place * (POOL_SHARED.as_secs() * 1000 / 64))
}

fn doubt_is_over(watch: &Watch, position: usize) -> bool {
    watch.doubts.get(&position).is_none_or(|doubt| doubt.since.is_none() && doubt.by_word == 0)
}

/// Why a server is not seen to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Absence {
    /// It does not.
    Out(String),
    /// It may, and nothing says so.
    Unknown(String),
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Out(why) => f.write_str(why),
            Self::Unknown(why) => write!(f, "whether it serves is not known: {why}"),
        }
    }
}

/// Returns the servers of a pool that are not seen to serve, besides `ours` and those that the plan says to be away, each with
/// the reason.
fn absences(
    change: &Change,
    pool: &Pool,
    seen: &PoolObservation,
    ours: &BTreeSet<ServerName>,
) -> BTreeMap<ServerName, Absence> {
    let all = standings(pool, &PoolScope::of(change, pool), seen, ours).into_iter();
    let is_away = |name: &ServerName| pool.server(name).is_some_and(|server| server.away.is_some());
    let absent =
        all.filter(|(name, _)| !ours.contains(name) && !is_away(name)).filter_map(|(name, standing)| match standing {
            Standing::Serving => None,
            Standing::Out(why) => Some((name, Absence::Out(brief(&why)))),
            Standing::Unknown(why) => Some((name, Absence::Unknown(brief(&why)))),
        });
    absent.collect()
}

/// Says why it is not known whether a balancer that the run talks to sends a server new connections.
fn unknown_at_balancer(pool: &Pool, seen: &PoolObservation, server: &ServerName) -> Option<String> {
    let Balancer::Haproxy(_) = &pool.load_balancing.balancer else { return None };
    let why = match seen.balancer.as_result().and_then(|balancer| balancer.servers.as_result()) {
        Ok(servers) if servers.contains_key(server) => return None,
        Ok(_) => "the balancer has no entry of it",
        Err(why) => why,
    };
    Some(format!("whether the balancer sends it anything is not known: {}", brief(why)))
}

/// Characters of a reason that name the cause. What a question looked like on the wire stands in the records.
const CAUSE: usize = 120;

/// Returns the end of a long reason, where the cause is.
fn brief(why: &str) -> String {
    if why.chars().count() <= CAUSE {
        return why.to_owned();
    }
    let parts: Vec<&str> = why.rsplitn(3, ": ").take(2).collect();
    let cause: Vec<&str> = parts.into_iter().rev().collect();
    cause.join(": ").chars().take(2 * CAUSE).collect()
}

/// Returns the reasons as one text: the servers that are the cause, or else the first answer in full, and what is not
/// answered with yes any more.
fn words(server: &ServerName, asked: &[Asked], culprits: &BTreeMap<ServerName, Absence>) -> String {
    if !culprits.is_empty() {
        return culprits_in_words(culprits);
    }
    let lead = format!("{} may not go: ", server.short());
    let Some((first, others)) = asked.split_first() else { return String::new() };
    let text = first.verdict.text();
    let text = text.strip_prefix(lead.as_str()).unwrap_or(text).to_owned();
    let others: Vec<String> = others.iter().map(|asked| asked.question.to_string()).collect();
    if others.is_empty() { text } else { format!("{text} (not yes either: {})", others.join(", ")) }
}

/// Names the servers that are out, each with its reason, and those of which nothing says whether they serve, once for each
/// reason.
fn culprits_in_words(culprits: &BTreeMap<ServerName, Absence>) -> String {
    let (mut out, mut silent) = (Vec::new(), BTreeMap::<&str, Vec<&str>>::new());
    for (name, absence) in culprits {
        match absence {
            Absence::Out(why) => out.push(format!("{} ({why})", name.short())),
            Absence::Unknown(why) => silent.entry(why).or_default().push(name.short()),
        }
    }
    let silent: Vec<String> = silent.iter().map(|(why, names)| format!("{} ({why})", names.join(", "))).collect();
    let parts = [("not in service", out), ("not known to serve", silent)].into_iter();
    let parts = parts.filter(|(_, each)| !each.is_empty());
    let parts: Vec<String> = parts.map(|(what, each)| format!("{what}: {}", each.join(", "))).collect();
    parts.join("; ")
}
