//! What is said when a run has ended, or when its orchestrator stops (promise P8).

use crate::counted::Uncounted;
use crate::style::{Look, Tone};
use crate::text::{clean, count, duration, list, pad, width};
use crate::{watch, words};
use jiff::Timestamp;
use orchestrate_engine::levels::Seen;
use orchestrate_engine::record::{RunOutcome, ServerEnd, StepEnd};
use orchestrate_engine::state::WorkState;
use orchestrate_engine::{RunState, levels, state};
use orchestrate_model::change::{ExitMeaning, Maintenance};
use orchestrate_model::version::Level;
use orchestrate_model::{Change, PoolName, RunId, exit_code};
use orchestrate_planner::windows::Calendar;
use orchestrate_planner::{Plan, ServerWork, StepKind, StepTarget};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a summary needs to know besides the state.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The plan.
    pub plan: &'a Plan,
    /// How to call this program again for the same runs: `orchestrate`, with the state folder when it is not the usual.
    pub program: &'a str,
    /// How the plan of the run is started again, on the servers that it ran on: a command that is copied after a run on a lab
    /// must not come to real ones.
    pub start: &'a str,
}

/// Returns the summary. Each line ends with a newline.
#[must_use]
pub fn summary(context: Context<'_>, state: &RunState, look: &Look) -> String {
    let mut lines = vec![head(context, state, look)];
    lines.extend(words::emergency(context.plan.change()).map(|text| format!("  {text}")));
    lines.extend(words::only(context.plan.change()).map(|text| format!("  {text}")));
    lines.extend(state.header.as_ref().and_then(words::approved_by).map(|text| format!("  {text}")));
    let works = context.plan.work().iter().zip(&state.work);
    let names = works.clone().map(|(work, _)| width(work.server.as_str())).max().unwrap_or(0);
    for (work, each) in works.clone() {
        let word = word(context.plan, work, each, state);
        let tone = each.end.as_ref().map_or(Tone::Warn, words::end_tone);
        let word_column = pad(word, 14);
        let lead = format!("  {}  {}  ", pad(work.server.as_str(), names), word_column);
        let rows = look.hang(&" ".repeat(width(&lead)), Tone::Plain, &facts(context.plan, work, each, state));
        let painted = format!("  {}  {}  ", pad(work.server.as_str(), names), look.paint(tone, &word_column));
        for (row, line) in rows.into_iter().enumerate() {
            let line = if row == 0 { format!("{painted}{}", line.trim_start()) } else { line };
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.extend(left(context, state, look));
    lines.push(String::new());
    lines.join("\n")
}

/// Returns how the work on a server ended, or that it has not.
pub(crate) fn word(plan: &Plan, work: &ServerWork, each: &WorkState, state: &RunState) -> &'static str {
    match &each.end {
        Some(ServerEnd::Out { .. }) if serves(plan, work, state) => "NOT AS BEFORE",
        Some(end) => words::end(end),
        None => unfinished(each),
    }
}

/// Returns whether a server was seen to serve at the end of the run, whatever else of it is not as it was.
fn serves(plan: &Plan, work: &ServerWork, state: &RunState) -> bool {
    state.pools_seen.get(&plan.pool_of(work).name).is_some_and(|absent| !absent.contains_key(&work.server))
}

/// Returns what is left to do and to look at.
pub(crate) fn left(context: Context<'_>, state: &RunState, look: &Look) -> Vec<String> {
    let mut lines = out(context, state, look);
    lines.extend(absent(state, look));
    lines.extend(half_way(context, state, look));
    lines.extend(components(context, state, look));
    lines.extend(left_for_you(context, state, look));
    lines
}

fn head(context: Context<'_>, state: &RunState, look: &Look) -> String {
    let name = clean(&context.plan.change().name);
    let (tone, how) = match state.ended {
        Some(outcome) => (words::outcome_tone(outcome), words::outcome(outcome)),
        None => (Tone::Warn, "not ended"),
    };
    let took = match (state.started, state.last) {
        (Some(started), Some(last)) => format!(" in {}", duration(last.duration_since(started))),
        _ => String::new(),
    };
    let why = match &state.stop {
        Some(why) if is_told_below(state, why.text()) => String::new(),
        Some(why) => format!(" ({})", clean(why.text())),
        None => String::new(),
    };
    format!("{} {}{took}{why}", look.paint(Tone::Strong, &format!("{name}:")), look.paint(tone, how))
}

/// Whether a reason is the one that is told of a server that is out.
fn is_told_below(state: &RunState, why: &str) -> bool {
    state.work.iter().any(|each| each.is_out() && out_why(each).is_some_and(|told| told == why))
}

/// Why a server is out, where that was written down.
fn out_why(each: &WorkState) -> Option<&str> {
    match (&each.end, &each.held) {
        (Some(ServerEnd::Out { why }), _) => Some(why),
        (_, Some(hold)) => Some(&hold.reason),
        (Some(_) | None, None) => None,
    }
}

fn unfinished(work: &WorkState) -> &'static str {
    match (work.touched, work.started.is_some(), work.held.is_some()) {
        (_, _, true) => "HELD",
        (true, ..) => "IN WORK",
        (false, true, false) => "looked at",
        (false, false, false) => "not begun",
    }
}

fn facts(plan: &Plan, work: &ServerWork, each: &WorkState, state: &RunState) -> String {
    let took = each.started.zip(ended(plan, work, each, state)).map(|(from, to)| duration(to.duration_since(from)));
    took.into_iter().chain(seen(plan, work, each, state)).collect::<Vec<_>>().join(", ")
}

/// Returns when the work on a server ended, or when it was last heard of.
pub(crate) fn ended(plan: &Plan, work: &ServerWork, each: &WorkState, state: &RunState) -> Option<Timestamp> {
    if is_closed(each) { last_step(plan, work, state) } else { state.last }
}

/// Returns what was seen of a server.
pub(crate) fn seen(plan: &Plan, work: &ServerWork, each: &WorkState, state: &RunState) -> Vec<String> {
    let mut said = Vec::new();
    if each.touched {
        said.push(cut(plan, work, each));
        said.push(restarts(each));
        said.push(match (&each.swept, &each.unseen) {
            (Some(differences), _) if differences.is_empty() => "start types as before".to_owned(),
            (Some(_), Some(why)) => format!("NOT SEEN at the end: {}", clean(why)),
            (Some(differences), None) => {
                format!("DIFFERS from before: {}", clean(&words::differences(work, differences)))
            }
            (None, _) => "not compared with before".to_owned(),
        });
        said.extend(level(plan, work, each, state));
    }
    let ended: u64 = each.ended_by_restart.values().sum();
    if ended > 0 {
        said.push(format!("{} ended by a restart that was not this run's", count(ended, "session")));
    }
    let ended: u64 = each.ended_by_stop.values().sum();
    if ended > 0 {
        let names: Vec<&str> = each.ended_by_stop.keys().map(orchestrate_model::ServiceName::as_str).collect();
        let were = if names.len() == 1 { "was" } else { "were" };
        let (ended, names) = (count(ended, "session"), names.join(", "));
        said.push(format!("{ended} ended because {names} {were} stopped, and not by this run"));
    }
    if !each.stopped_uncounted.is_empty() {
        let names: Vec<&str> = each.stopped_uncounted.iter().map(orchestrate_model::ServiceName::as_str).collect();
        let (names, were) = (names.join(", "), if names.len() == 1 { "was" } else { "were" });
        said.push(format!("{names} {were} stopped, and not by this run, with sessions that were not counted"));
    }
    if each.has(state::Mark::UncountedRestart) {
        said.push("sessions that had not been counted ended by a restart that was not this run's".to_owned());
    }
    if each.balancer_undone_in_all > 0 {
        let times = count(each.balancer_undone_in_all.into(), "time");
        said.push(format!("put back into the balancer {times} by another hand while it was out"));
    }
    said.extend(each.alarms.iter().map(|why| format!("the pool could not do without it: {}", clean(why))));
    said.extend(each.taken_over.as_ref().map(words::taken_over));
    said.extend(each.left_over.iter().map(|text| format!("left to look at: {}", clean(text))));
    // Why a server is out stands below, beside the commands that bring it back.
    if !each.is_out() {
        said.extend(each.held.as_ref().map(|held| clean(&held.reason)));
        let told = |why: &&str| !each.alarms.iter().any(|alarm| alarm == why);
        let lead = format!("{}: ", work.server);
        // The name stands in front already.
        let once = |why: &str| clean(why.strip_prefix(lead.as_str()).unwrap_or(why));
        said.extend(each.end.as_ref().and_then(words::end_why).filter(told).map(once));
    }
    said
}

/// Returns how often a server was proven to be restarted, and how often it was asked to, where that is more.
fn restarts(each: &WorkState) -> String {
    let (proven, asked) = (each.restarted(), each.restarts_asked());
    let said = count(proven as u64, "restart");
    if asked > proven { format!("{said} of {asked} that were asked for") } else { said }
}

/// Returns how many sessions were cut, as far as they were counted.
fn cut(plan: &Plan, work: &ServerWork, each: &WorkState) -> String {
    let uncounted = Uncounted::of(plan, work, each);
    let cut = each.cut.values().sum();
    // Between the last count and the stop some end by themselves, and some begin.
    let counted = if cut == 0 { "" } else { " as last counted" };
    let mut said = format!("{} cut{counted}", count(cut, "session"));
    if !uncounted.serving.is_empty() {
        said.push_str(" of the services that were blocked");
    }
    if !uncounted.by_time.is_empty() {
        write!(said, ", those of {} not counted", list(&uncounted.by_time)).unwrap_or_default();
    }
    if !uncounted.serving.is_empty() {
        let names = list(&uncounted.serving);
        write!(said, ", those of {names} not counted, which were not blocked while the installer ran")
            .unwrap_or_default();
    }
    said
}

/// Returns what a server on which an installer was started was seen to be at when the run ended.
fn level(plan: &Plan, work: &ServerWork, each: &WorkState, run: &RunState) -> Option<String> {
    let maintenance = &plan.change().maintenance;
    if !maintenance.installs() || !each.patch_started() {
        return None;
    }
    let finished = matches!(each.end, Some(ServerEnd::Finished));
    let mut said: Vec<String> = Vec::new();
    for level in maintenance.levels() {
        let text = seen_level(level, (plan, work), each, run);
        if !said.contains(&text) {
            said.push(text);
        }
    }
    // Without a level its exit code is all that says what was done to a server that did not come to its end, and of several
    // installers some may have run.
    if !finished && (said.is_empty() || maintenance.installers.len() > 1) {
        said.push(ran(maintenance, each));
    }
    let said = (!said.is_empty()).then(|| said.join(", "));
    match (said, lower(plan, each)) {
        (Some(said), Some(lower)) => Some(format!("{said}; {lower}")),
        (said, lower) => said.or(lower),
    }
}

fn seen_level(level: &Level, (plan, work): (&Plan, &ServerWork), each: &WorkState, run: &RunState) -> String {
    match levels::seen(level, each) {
        Seen::At(found) => clean(&found),
        Seen::Below(found) => format!("BELOW the level: at {}", clean(&found)),
        Seen::Unknown(why) => format!("its level is not known: {}", clean(&why)),
        Seen::NotAsked if is_verified(plan, work, run) => {
            "verified to be at the level after the installer, not looked at again".to_owned()
        }
        Seen::NotAsked => "not looked at for its level".to_owned(),
    }
}

/// Says what is older on a server than it was before the run.
fn lower(plan: &Plan, each: &WorkState) -> Option<String> {
    let fell: Vec<String> = levels::fell_at_end(plan, each).iter().map(|fell| clean(&fell.to_string())).collect();
    (!fell.is_empty()).then(|| format!("NOT PATCHED: {}", list(&fell)))
}

/// Says how the installers of a server ended.
fn ran(maintenance: &Maintenance, each: &WorkState) -> String {
    let told = |code: i64, meaning: ExitMeaning| {
        format!("ended with {}: {}", exit_code::text(code), words::exit_meaning(meaning))
    };
    if maintenance.installers.len() == 1 {
        return each.installer.map_or_else(
            || "how its installer ended is not known".to_owned(),
            |(code, meaning)| format!("its installer {}", told(code, meaning)),
        );
    }
    let known: BTreeMap<u32, String> =
        each.results().map(|(number, code, meaning)| (number, told(code, meaning))).collect();
    let numbers = (0..).take(maintenance.installers.len());
    let lines = numbers.map(|number: u32| {
        let what = clean(&maintenance.called(number as usize));
        match known.get(&number) {
            Some(told) => format!("{what} {told}"),
            None if number == each.in_hand && each.token.is_some() => format!("how {what} ended is not known"),
            None => format!("{what} was not run"),
        }
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// Returns whether the verify step of a server has read its level, and found it there.
fn is_verified(plan: &Plan, work: &ServerWork, run: &RunState) -> bool {
    let Some(position) = plan.work().iter().position(|other| other.server == work.server) else { return false };
    let mut steps = state::steps_of(plan, state::work_id(position)).filter(|step| step.kind == StepKind::Verify);
    let done = |state: &state::StepState| matches!(state, state::StepState::Ended { how: StepEnd::Done, .. });
    steps.any(|step| run.steps.get(step.id.0 as usize).is_some_and(done))
}

/// Returns whether the last step of a server that ended is the end of the work on it. What is unfinished or was left out
/// took until the last news of the run.
fn is_closed(each: &WorkState) -> bool {
    match each.end {
        None | Some(ServerEnd::Out { .. }) => false,
        Some(
            ServerEnd::Finished
            | ServerEnd::NothingToDo { .. }
            | ServerEnd::LeftOut { .. }
            | ServerEnd::Untouched { .. }
            | ServerEnd::Returned { .. },
        ) => true,
    }
}

/// Returns when the last step of a server ended.
fn last_step(plan: &Plan, work: &ServerWork, state: &RunState) -> Option<Timestamp> {
    let position = plan.work().iter().position(|other| other.server == work.server)?;
    let steps = state::steps_of(plan, state::work_id(position));
    let ends = steps.filter_map(|step| match state.steps.get(step.id.0 as usize)? {
        state::StepState::Ended { at, .. } => Some(*at),
        state::StepState::Pending | state::StepState::Running { .. } => None,
    });
    ends.max()
}

/// Says which pools were left with some servers at the level and some not, as they were seen when the run ended: all
/// servers of a pool belong on one.
fn half_way(context: Context<'_>, state: &RunState, look: &Look) -> Vec<String> {
    let change = context.plan.change();
    if !change.maintenance.installs() || state.ended.is_none() {
        return Vec::new();
    }
    let mut levels = change.maintenance.levels().peekable();
    if levels.peek().is_none() {
        return half_installed(context, state, look);
    }
    levels.flat_map(|level| half_way_to(level, context, state, look)).collect()
}

/// The same for one level.
fn half_way_to(level: &Level, context: Context<'_>, state: &RunState, look: &Look) -> Vec<String> {
    let change = context.plan.change();
    let mut lines = Vec::new();
    // What is said of pools whose servers are all done is said component by component.
    let told: Vec<&PoolName> = levels::of(context.plan, state).iter().map(|levels| &levels.pool.name).collect();
    for pool in change.pools.iter().filter(|pool| !told.contains(&&pool.name)) {
        let works = context.plan.work().iter().zip(&state.work);
        let own = works.filter(|(work, _)| context.plan.pool_of(work).name == pool.name);
        let (mut at, mut below, mut open) = (0, Vec::new(), Vec::new());
        for (work, each) in own {
            match levels::seen(level, each) {
                Seen::At(_) => at += 1,
                Seen::NotAsked if is_verified(context.plan, work, state) => at += 1,
                Seen::Below(_) => below.push(work.server.short()),
                Seen::Unknown(_) | Seen::NotAsked => open.push(work.server.short()),
            }
        }
        if at == 0 || (below.is_empty() && open.is_empty()) {
            continue;
        }
        let head = if below.is_empty() { "may be" } else { "is" };
        let servers = count(pool.servers.len() as u64, "server");
        let mut text = format!("{} {head} at mixed levels: {at} of {servers} at {level}", pool.name);
        for (said, names) in [("not", below), ("not known of", open)] {
            if !names.is_empty() {
                write!(text, ", {said} {}", list(&names)).unwrap_or_default();
            }
        }
        lines.extend(look.hang("", Tone::Warn, &text));
    }
    lines
}

/// The same for a plan without a level: what is known is on which servers the installer ended well.
fn half_installed(context: Context<'_>, state: &RunState, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    for pool in &context.plan.change().pools {
        let works = context.plan.work().iter().zip(&state.work);
        let own = works.filter(|(work, _)| context.plan.pool_of(work).name == pool.name);
        let all = context.plan.change().maintenance.installers.len();
        let good = |each: &WorkState| each.results().filter(|(_, _, meaning)| meaning.is_good()).count() == all;
        let (installed, not): (Vec<_>, Vec<_>) = own.partition(|(_, each)| good(each));
        if installed.is_empty() || not.is_empty() {
            continue;
        }
        let names = |some: &[(&ServerWork, &WorkState)]| {
            let names: Vec<&str> = some.iter().map(|(work, _)| work.server.short()).collect();
            list(&names)
        };
        let text = format!(
            "{}: the installer ended well on {} and not on {}; what they are at is not known, since the plan states no level",
            pool.name,
            names(&installed),
            names(&not)
        );
        lines.extend(look.hang("", Tone::Warn, &text));
    }
    lines
}

/// Says which components of a pool whose servers are all done are not at one version, and on which servers that is not
/// known.
fn components(context: Context<'_>, state: &RunState, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    for levels in levels::of(context.plan, state) {
        let pool = &levels.pool.name;
        for mixed in &levels.mixed {
            let each = mixed.versions.iter().map(|(version, servers)| {
                let servers: Vec<&str> = servers.iter().map(|server| server.short()).collect();
                format!("{} at {version}", list(&servers))
            });
            let text = format!(
                "{pool} is not at one level: {} is {}",
                clean(mixed.component),
                list(&each.collect::<Vec<_>>())
            );
            lines.extend(look.hang("", Tone::Bad, &text));
        }
        lines.extend(older(&levels, look));
        if !levels.fell.is_empty() {
            let servers: Vec<&str> = levels.fell.iter().map(|(server, _)| server.short()).collect();
            let text = format!(
                "{pool}, older than before the installer: {} on {}. Whatever the installer said, that is no patch: see what it \
                 wrote on the servers, and whether it is the right file (its version, its product)",
                if servers.len() == 1 { "a component" } else { "components" },
                list(&servers)
            );
            lines.extend(look.hang("", Tone::Bad, &text));
        }
        for (server, why) in &levels.unknown {
            let text = format!("whether {server} is at the level of {pool} is not known: {}", clean(why));
            lines.extend(look.hang("", Tone::Bad, &text));
        }
        if !levels.is_one() {
            let text = "all servers of a pool belong on one level: look at what the installer wrote on the servers named, \
                        and install it there again";
            lines.extend(look.hang("", Tone::Plain, text));
        }
    }
    lines
}

/// Says which components are below the level on servers that are at it.
fn older(levels: &levels::PoolLevels<'_>, look: &Look) -> Vec<String> {
    let each = levels.older.iter().map(|((component, version), servers)| {
        let servers: Vec<&str> = servers.iter().map(|server| server.short()).collect();
        format!("{} is at {version} on {}", clean(component), list(&servers))
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() {
        return Vec::new();
    }
    let text = format!("{}, below the level: {}", levels.pool.name, each.join("; "));
    let advice = "either the update does not touch this, or it broke off: compare with the page of the update, and say in the \
                  plan which components it touches, each with its version (patch: level: {COMPONENT: VERSION})";
    let mut lines = look.hang("", Tone::Bad, &text);
    lines.extend(look.hang("", Tone::Plain, advice));
    lines
}

/// Returns what is out, why, and the command that brings it back.
fn out(context: Context<'_>, state: &RunState, look: &Look) -> Vec<String> {
    let works = context.plan.work().iter().zip(&state.work);
    let out: Vec<(&ServerWork, &WorkState)> = works.filter(|(_, each)| each.is_out()).collect();
    let differing = state.work.iter().any(|each| each.swept.as_ref().is_some_and(|found| !found.is_empty()));
    let mut lines = Vec::new();
    let (serving, not): (Vec<_>, Vec<_>) = out.iter().copied().partition(|(work, _)| serves(context.plan, work, state));
    for (servers, tone, how) in
        [(not, Tone::Bad, "may be out of service:"), (serving, Tone::Warn, "seen to serve, but not as recorded:")]
    {
        if servers.is_empty() {
            continue;
        }
        let title = format!("{} {how}", count(servers.len() as u64, "server"));
        lines.push(look.paint(tone, &title));
        for (work, each) in &servers {
            let why = out_why(each).map_or_else(|| "its steps were not finished".to_owned(), clean);
            // The name stands in front already.
            let beside = why.strip_prefix(work.server.as_str()).map(|rest| rest.trim_start_matches([':', ' ']));
            let beside = beside.map_or(why.as_str(), |rest| rest.strip_prefix("is ").unwrap_or(rest));
            lines.extend(look.hang(&format!("  {}: ", work.server), Tone::Plain, beside));
        }
    }
    if !out.is_empty() || differing {
        lines.push(format!("bring everything back as it was:  {} recover {}", context.program, context.run));
    }
    if !out.is_empty() || (state.ended.is_none() && state.started.is_some()) {
        lines.push(format!("go on with the run:               {} resume {}", context.program, context.run));
    }
    lines.extend(again(context, state, look));
    lines
}

/// Says which servers were not seen to serve at the end, whoever took them down.
fn absent(state: &RunState, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    for (pool, absent) in state.pools_seen.iter().filter(|(_, absent)| !absent.is_empty()) {
        lines.extend(look.hang("", Tone::Bad, &format!("{pool} at the end: {}", watch::absences(absent))));
    }
    for (pool, faults) in state.pool_faults.iter().filter(|(_, faults)| !faults.is_empty()) {
        lines.extend(look.hang("", Tone::Bad, &format!("{pool} at the end: {}", clean(&faults.join("; ")))));
    }
    lines
}

/// Returns whether every server of every pool that the run had to do with was seen to serve at the end.
fn all_were_seen(context: Context<'_>, state: &RunState) -> bool {
    let works = context.plan.work().iter().zip(&state.work);
    let begun = works.filter(|(_, each)| each.started.is_some() || each.as_recorded().is_some());
    let mut pools = begun.map(|(work, _)| &context.plan.pool_of(work).name);
    let reached = |pool: &PoolName| state.pool_faults.get(pool).is_none_or(Vec::is_empty);
    let all_serve = state.pools_seen.values().all(std::collections::BTreeMap::is_empty);
    all_serve && pools.all(|pool| state.pools_seen.contains_key(pool)) && state.pools_seen.keys().all(reached)
}

/// Returns how the rest of a run that left nothing out is done: by the same plan once more.
fn again(context: Context<'_>, state: &RunState, look: &Look) -> Option<String> {
    let outcome = state.ended.filter(|_| !state.work.iter().any(WorkState::is_out))?;
    let done = |each: &WorkState| each.end.as_ref().is_some_and(ServerEnd::is_done);
    let lead = match outcome {
        _ if state.work.iter().all(done) => return None,
        RunOutcome::Done | RunOutcome::ToBeLookedAt | RunOutcome::Recovered | RunOutcome::Bug => return None,
        RunOutcome::StoppedByPolicy if waits_for_a_yes(context.plan, state) => {
            let (program, run) = (context.program, context.run);
            return Some(format!(
                "whether the others follow the server that goes first is yours to say; to take the run up again is the yes:  \
                 {program} resume {run}"
            ));
        }
        RunOutcome::Interrupted => "to go on with the rest, start the plan again",
        RunOutcome::PartlyDone | RunOutcome::StoppedByPolicy => "when the cause is mended, start the plan again",
        RunOutcome::StoppedByWindow if next_opening(context.plan.change(), state).is_none() => {
            let text = "no window of the plan opens again: what is left waits for other windows, or for another plan";
            return Some(if all_were_seen(context, state) {
                format!("nothing is out; {text}")
            } else {
                text.to_owned()
            });
        }
        RunOutcome::StoppedByWindow => "in the next window, start the plan again",
        RunOutcome::HeldElsewhere => "when the other control host is done, start the plan again",
    };
    // That nothing is out is said where every server was seen to serve.
    let lead = if all_were_seen(context, state) { format!("nothing is out; {lead}") } else { lead.to_owned() };
    let change = context.plan.change();
    let opening = match outcome {
        RunOutcome::StoppedByWindow => next_opening(change, state).map(|at| format!(" (opens {})", look.date_time(at))),
        RunOutcome::Done
        | RunOutcome::ToBeLookedAt
        | RunOutcome::PartlyDone
        | RunOutcome::StoppedByPolicy
        | RunOutcome::HeldElsewhere
        | RunOutcome::Interrupted
        | RunOutcome::Recovered
        | RunOutcome::Bug => None,
    };
    Some(format!("{lead}:  {}{}", context.start, opening.unwrap_or_default()))
}

/// Whether a server that goes first in its pool is done, and the plan leaves it to a person whether the others follow.
fn waits_for_a_yes(plan: &Plan, state: &RunState) -> bool {
    let mut works = plan.work().iter().zip(&state.work);
    works.any(|(work, own)| {
        let asks = plan.pool_of(work).asks_after(&work.server) && own.end == Some(ServerEnd::Finished);
        asks && !own.has(state::Mark::Followed)
    })
}

/// Returns when the first window opens after the last news of a run.
fn next_opening(change: &Change, state: &RunState) -> Option<Timestamp> {
    let last = state.last?;
    let calendar = Calendar::new(&change.windows, &change.freezes).ok()?;
    calendar.openings(last, 2).into_iter().map(|opening| opening.starts).find(|starts| *starts > last)
}

/// Returns the work that the plan leaves to people once its servers are done.
fn left_for_you(context: Context<'_>, state: &RunState, look: &Look) -> Vec<String> {
    let plan = context.plan;
    let mut lines = Vec::new();
    for step in plan.steps().iter().filter(|step| step.kind == StepKind::Database) {
        let StepTarget::Pool(pool) = step.target else { continue };
        let reached = state.steps.get(step.id.0 as usize).is_some_and(state::StepState::is_ended);
        if let (true, Some(work)) = (reached, &plan.change().pools[pool as usize].database) {
            let text = format!("the database work on {}: {}", work.primary, clean(&work.instructions));
            lines.extend(look.hang("left for you:  ", Tone::Warn, &text));
        }
    }
    lines
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
