//! `orchestrate resume` and `orchestrate recover`: goes on with a run, or only brings back what it touched.

use crate::access;
use crate::args::{ResumeArgs, TextOrJson};
use crate::commands::run::{Continued, Nights, claim, continued, in_its_window, keep_access};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed, actor};
use crate::people::Told;
use crate::plan_file;
use crate::runs::{self, Found};
use crate::stage::Stage;
use crate::terminal::live::Manner;
use crate::terminal::output;
use futures::future::join_all;
use jiff::SignedDuration;
use orchestrate_display::clean;
use orchestrate_display::taking_up::{self, For};
use orchestrate_engine::look::AskBalancer;
use orchestrate_engine::record::Attended;
use orchestrate_engine::{Look, RunOutcome, Start, WorkState};
use orchestrate_executor::look;
use orchestrate_model::observe::Part;
use orchestrate_model::{Answer, Ask, LeaseState, PoolName};
use std::collections::{BTreeMap, BTreeSet};

/// What is done with the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// All that is left of it.
    Resume,
    /// Only what brings servers back.
    Recover,
}

/// Returns whether there is anything to do.
fn is_left(found: &Found, way: Way) -> bool {
    match way {
        Way::Resume => found.state.is_unfinished(),
        Way::Recover => {
            let differs = |work: &WorkState| work.swept.as_ref().is_some_and(|found| !found.is_empty());
            let out = found.state.work.iter().any(|work| work.is_out() || differs(work));
            found.state.started.is_some() && (found.state.ended.is_none() || out)
        }
    }
}

/// Says why nothing is done, and what the records leave open. That nothing was left out is said where every server that was
/// touched was compared with its record and the pools were seen at the end.
fn over(home: &Home, found: &Found) -> Exit {
    let run = found.folder.id();
    if found.state.started.is_none() {
        output::talk(&format!(
            "run {run} was broken off before its first record: nothing was done, there is nothing to do"
        ));
        return Exit::Done;
    }
    let open = left_open(found);
    if open.is_empty() {
        output::talk(&format!("run {run} has ended and left nothing out: there is nothing to do"));
        return Exit::Done;
    }
    let (program, all) = (&home.program, open.join("\n  "));
    let next = if is_left(found, Way::Recover) {
        format!("`{program} recover {run}` brings back what it has touched")
    } else {
        "look at these by hand".to_owned()
    };
    output::talk(&format!(
        "run {run} has ended, and this command has nothing more to do; its records leave open:\n  {all}\n{next}; \
         `{program} status {run}` says more"
    ));
    Exit::SomeServers
}

/// Returns what the records of a run that has ended leave for a person to look at.
fn left_open(found: &Found) -> Vec<String> {
    let Found { plan, state, .. } = found;
    let mut open = Vec::new();
    let mut touched: BTreeSet<&PoolName> = BTreeSet::new();
    for (work, each) in plan.work().iter().zip(&state.work) {
        let server = &work.server;
        let recorded = each.as_recorded().is_some();
        if recorded {
            touched.insert(&plan.pool_of(work).name);
        }
        if each.is_out() {
            open.push(format!("{server}: it may be out of service"));
        }
        match (&each.swept, &each.unseen) {
            (None, _) if recorded => open.push(format!("{server}: it was not compared with how it was before")),
            (Some(_), Some(why)) => open.push(format!("{server}: {}", clean(why))),
            (Some(found), None) if !found.is_empty() => {
                open.push(format!("{server}: it differs from before: {}", clean(&found.join("; "))));
            }
            (Some(_) | None, _) => {}
        }
        open.extend(each.left_over.iter().map(|text| format!("{server}: {}", clean(text))));
    }
    let unseen = touched.into_iter().filter(|pool| !state.pools_seen.contains_key(*pool));
    open.extend(unseen.map(|pool| format!("{pool}: whether its servers serve was not seen at the end")));
    for (server, why) in state.pools_seen.values().flatten() {
        open.push(format!("{server}: it was not seen to serve at the end: {}", clean(why)));
    }
    for (pool, faults) in &state.pool_faults {
        open.extend(faults.iter().map(|fault| format!("{pool}: {}", clean(fault))));
    }
    // What a pool's servers are at, and whatever else made the run end like this.
    if open.is_empty() && matches!(state.ended, Some(RunOutcome::ToBeLookedAt | RunOutcome::Bug)) {
        open.push("it ended with something to be looked at".to_owned());
    }
    open
}

/// Says of each server in hand how the records leave it, and what is done with it.
pub(crate) fn tell_of(found: &Found, way: Way) {
    let what_for = match way {
        Way::Resume => For::Resume,
        Way::Recover => For::Recover,
    };
    for line in taking_up::found(&found.plan, &found.state, what_for) {
        output::talk(&line);
    }
}

/// Everything that may still keep a run from going on, once its servers can be reached.
fn may_go_on(found: &Found, stage: &Stage, way: Way) -> Result<(), Failure> {
    match way {
        Way::Resume => in_its_window(found, stage, &Typed::of_run(stage.place, &found.folder)),
        Way::Recover => Ok(()),
    }
}

/// How long the servers in hand are asked whose they are. Why 15 s: one short answer; whoever stays silent is asked again by
/// the run itself, before each change.
const WHOSE: SignedDuration = SignedDuration::from_secs(15);

/// Refuses a run whose servers another control host has in hand (promise P12): nothing could be done to them, and waiting
/// for that would take the whole deadline of a step. A server that does not answer speaks against nothing.
pub(crate) async fn in_our_hands(found: &Found, stage: &Stage) -> Result<(), Failure> {
    let mut looks: BTreeMap<&PoolName, Look> = BTreeMap::new();
    for (work, _) in found.plan.work().iter().zip(&found.state.work).filter(|(_, state)| state.is_out()) {
        let pool = &found.plan.pool_of(work).name;
        let look = looks.entry(pool).or_insert_with(|| Look {
            pool: pool.clone(),
            servers: BTreeMap::new(),
            names: None,
            balancer: AskBalancer::Leave,
            within: Some(WHOSE),
            lease: None,
        });
        look.servers.insert(work.server.clone(), Ask { parts: [Part::Lease].into(), ..Ask::default() });
    }
    let eyes = stage.readers.eyes();
    let seen = join_all(looks.values().map(|asked| look(&stage.crew, &eyes, asked, &stage.clock))).await;
    let servers = seen.iter().flat_map(|pool| pool.servers.values());
    let reasons: Vec<_> = servers
        .filter_map(|server| match &server.lease {
            Answer::Known(LeaseState::Held(lease)) => Some(format!("{}: {lease}", server.server)),
            Answer::Known(LeaseState::Free | LeaseState::Ours | LeaseState::RanOut(_)) | Answer::Unknown(_) => None,
        })
        .collect();
    if reasons.is_empty() { Ok(()) } else { Err(Failure::Leased { reasons }) }
}

pub(crate) async fn run(home: &Home, args: &ResumeArgs, way: Way) -> Result<Exit, Failure> {
    let (place, folder) = home.run(&args.run)?;
    let found = runs::read(folder)?;
    let run = found.folder.id().clone();
    if !is_left(&found, way) {
        return Ok(over(home, &found));
    }
    let state = home.open(place)?;
    let claim = claim(&state, &found.plan, &run)?;
    // Somebody else may have ended it until the claim was ours.
    let found = runs::read(found.folder)?;
    if !is_left(&found, way) {
        return Ok(over(home, &found));
    }
    let file = args.access_from.as_deref().map(plan_file::read).transpose()?;
    let change = file.as_ref().map(|file| access::taken_from(found.plan.change(), &file.change));
    let change = change.as_ref().unwrap_or(found.plan.change());
    // A lab that was named when the run began is found by that name.
    let recorded = Typed::lab_of(&found.folder).filter(|_| place == Place::Lab && args.lab_at.is_none());
    let lab_at = args.lab_at.as_deref().or(recorded.as_deref());
    let stage = Stage::reopen(home, place, change, lab_at).await;
    let typed = Typed::of_run(place, &found.folder);
    let stage = stage.map_err(|failure| match failure {
        Failure::LabGone { .. } => {
            let out = found.state.work.iter().filter(|work| work.is_out()).count();
            Failure::LabGone { run: run.to_string(), out, start: typed.start(&home.program) }
        }
        other => other,
    })?;
    let kept = || file.as_ref().map_or(Ok(()), |file| keep_access(&found, file));
    let may = match may_go_on(&found, &stage, way) {
        Ok(()) => in_our_hands(&found, &stage).await,
        refused => refused,
    };
    if let Err(failure) = may.and_then(|()| kept()) {
        let failure = stage.abandon(failure).await;
        state.not_begun()?;
        return Err(failure);
    }
    if args.output == TextOrJson::Text {
        tell_of(&found, way);
    }
    let attended = if args.unattended { Attended::No } else { Attended::Yes };
    // A recovery that nobody watches comes to an end and says what is out, whoever could be asked.
    let watched = if output::can_ask() { attended } else { Attended::No };
    let start = match way {
        Way::Resume => Start::Resume { by: actor(), attended },
        Way::Recover => Start::Recover { by: actor(), attended: watched },
    };
    let manner = match args.output {
        TextOrJson::Text => Manner::Text,
        TextOrJson::Json => Manner::Json,
    };
    // Who is told is who the plan file names now, where one was given.
    let told = Told::at(stage.place, file.as_ref().map_or(found.plan.change(), |file| &file.change));
    continued(home, stage, Continued { found, claim, manner, nights: Nights::One, typed, told }, start).await
}
