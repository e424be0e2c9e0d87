//! Running the installer once, by token, and proving the level it leads to.

use super::block::{manual_again, paused_services, still_stopped};
use super::under_way::is_boot_since;
use super::{Case, Judgement, Ruling, Scratch, restart, support, under_way};
use crate::constants::{
    BOOT_MOVES, INSTALLER_ATTEMPTS, INSTALLER_BUSY, INSTALLER_BUSY_WAIT, INSTALLER_GRACE, RESTART_DEADLINE, SELF_START,
    SLOW_LOOK,
};
use crate::levels;
use crate::look::Subject;
use crate::record::{Boot, Record, StepEnd};
use crate::state::{Mark, steps_of};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::{Act, InstallerRun, InstallerToken};
use orchestrate_model::change::{ExitMeaning, Patch, Scope, StartTypePolicy};
use orchestrate_model::exit_code;
use orchestrate_model::hold::HoldCause;
use orchestrate_model::observe::InstallerState;
use orchestrate_model::version::{ComponentVersion, Level, Reached};
use orchestrate_model::{Answer, RunState, ServiceName, StartMode};
use orchestrate_planner::{Step, StepKind, limits};
use std::collections::{BTreeMap, BTreeSet};

/// How long supporting services are stopped anew before a later installer, which is run all the same then.
const SUPPORT_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// Returns the token under which the installer is asked about, or started next.
///
/// A token stands for one start at most. A new one is taken only when the start under the last one is known to have
/// ended, so that a crash in between never leads to a second start.
pub(crate) fn token_in_hand(subject: &Subject<'_>) -> Option<InstallerToken> {
    if !subject.plan.change().maintenance.installs() {
        return None;
    }
    match (&subject.own.token, &subject.own.installer) {
        (Some(token), None) => Some(token.clone()),
        (Some(_), Some(_)) | (None, _) => next_token(subject),
    }
}

/// Returns the token of a start that is not one of those before.
fn next_token(subject: &Subject<'_>) -> Option<InstallerToken> {
    let run = &subject.state.header.as_ref()?.run;
    let number = subject.own.tokens.len() + 1;
    Some(InstallerToken(format!("{run}-{}-{number}", subject.work.server.short())))
}

/// Returns what an exit code usually means (Windows Installer error codes, also as the HRESULTs that bootstrappers make of
/// them; the `wusa` codes are those of the Windows Update Agent).
pub(crate) fn usual_meaning(code: i64) -> ExitMeaning {
    match exit_code::win32(code) {
        0 | 2_359_302 => ExitMeaning::Done,
        3010 | 2_359_301 => ExitMeaning::RestartNeeded,
        1641 => ExitMeaning::RestartStarted,
        1618 => ExitMeaning::Busy,
        _ => ExitMeaning::Failed,
    }
}

/// Returns what an exit code means for this plan.
pub(super) fn meaning(patch: &Patch, code: i64) -> ExitMeaning {
    patch.meaning_of(code).unwrap_or_else(|| usual_meaning(code))
}

pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    let (plan, step) = (case.subject.plan, &case.subject.plan.steps()[case.step.0 as usize]);
    let (Some(patch), Some(token)) = (plan.installer_of(step), token_in_hand(&case.subject)) else {
        return Judgement::Done(StepEnd::Skipped, "the plan names no patch".to_owned()).into();
    };
    if let Some((how, why)) = not_now(case, step, patch) {
        return Judgement::Done(how, why).into();
    }
    let what = called(case);
    match &case.subject.own.installer {
        Some((code, ExitMeaning::Done)) => {
            Judgement::Done(StepEnd::Done, format!("{what} ended with {}", exit_code::text(*code))).into()
        }
        Some((code, ExitMeaning::RestartNeeded)) => {
            let proof = format!("{what} ended with {}: a restart is needed", exit_code::text(*code));
            Judgement::Done(StepEnd::Done, proof).into()
        }
        Some((code, ExitMeaning::RestartStarted)) => {
            let proof = format!("{what} ended with {}: it has started a restart", exit_code::text(*code));
            before_next(case, proof)
        }
        Some((code, ExitMeaning::Failed)) => {
            hold(case, HoldCause::InstallerFailed, &format!("{what} ended with {}", exit_code::text(*code)))
        }
        Some((code, ExitMeaning::Busy)) => busy(case, scratch, *code, (patch, token)),
        None => match restart::first(case, scratch) {
            Some(ruling) => ruling,
            None => running(case, scratch, patch, token),
        },
    }
}

/// What the installer in hand is called.
pub(super) fn called(case: &Case<'_>) -> String {
    case.subject.plan.change().maintenance.called(case.subject.own.in_hand as usize)
}

/// Why an installer is not run, or not again, where there are several.
fn not_now(case: &Case<'_>, step: &Step, patch: &Patch) -> Option<(StepEnd, String)> {
    let own = case.subject.own;
    let called = |number: u32| case.subject.plan.change().maintenance.called(number as usize);
    if step.installer > own.in_hand {
        // The one before it has not ended well, and somebody has passed it over.
        let why = own.passed_over.as_ref().map_or("the installer before it did not end well", |why| why.text.as_str());
        return Some((StepEnd::Skipped, format!("not run: {why}")));
    }
    if step.installer < own.in_hand {
        let text = own.installed_before.get(&step.installer).map_or_else(
            || "it was at its level in an earlier pass".to_owned(),
            |(code, _)| format!("{} ended with {} in an earlier pass", called(step.installer), exit_code::text(*code)),
        );
        return Some((StepEnd::AlreadyDone, text));
    }
    // The level of a single one is asked before the server is drained.
    let several = case.subject.plan.change().maintenance.installers.len() > 1;
    if !several || own.token.is_some() || own.has(Mark::HalfDone) {
        return None;
    }
    let (level, snapshot) = (patch.level.as_ref()?, own.snapshot.as_ref()?);
    match level.reached(&snapshot.versions) {
        Reached::Yes(found) if level.older(&snapshot.versions).next().is_none() => {
            Some((StepEnd::AlreadyDone, format!("at {found} already; {level} is wanted")))
        }
        Reached::Yes(_) | Reached::No(_) | Reached::NothingInstalled => None,
    }
}

/// Ends the step of an installer that has begun a restart. Nothing else is installed on a server that is going down, so that
/// another installer waits until it is back, where the plan has no step for that.
fn before_next(case: &Case<'_>, proof: String) -> Ruling {
    let (plan, own) = (case.subject.plan, case.subject.own);
    let step = &plan.steps()[case.step.0 as usize];
    let next = plan.steps().get(case.step.0 as usize + 1);
    if !plan.is_followed(step) || next.is_none_or(|next| next.kind != StepKind::Patch) || own.restart_proven.is_some() {
        return Judgement::Done(StepEnd::Done, proof).into();
    }
    if let Some(waits) = under_way::restart(case) {
        return waits.into();
    }
    match &case.own.host {
        Answer::Known(_) => {
            let records = under_way::proven(case).into_iter().collect();
            Ruling { records, next: Judgement::Done(StepEnd::Done, proof) }
        }
        Answer::Unknown(why) => {
            let text =
                format!("it has not come back {RESTART_DEADLINE:#} after the installer had begun a restart: {why}");
            hold(case, HoldCause::RestartNotBack, &text)
        }
    }
}

/// Starts the installer, if nothing that it stops is in use.
fn start(case: &Case<'_>, scratch: &mut Scratch, (patch, token): (&Patch, InstallerToken)) -> Ruling {
    match still_stopped(case) {
        Err(why) => return case.unknown(scratch, &why).into(),
        Ok(Some(again)) => return again.into(),
        Ok(None) => {}
    }
    if let Some(wait) = starting_themselves(case, scratch) {
        return wait.into();
    }
    // A restart between two installers has brought back what supports the services that are stopped.
    if case.subject.own.in_hand > 0 && !case.is_late(SUPPORT_AGAIN) {
        match support::stop(case, scratch, String::new()) {
            Ok(Judgement::Done(..)) => {}
            Ok(next) => return next.into(),
            Err(why) => return case.unknown(scratch, &why).into(),
        }
    }
    // An installer may restart the server by itself.
    match manual_again(case, scratch) {
        Err(why) => return case.unknown(scratch, &why).into(),
        Ok(Some(ruling)) => return ruling,
        Ok(None) => {}
    }
    let run = InstallerRun {
        token,
        installer: patch.installer.clone(),
        arguments: patch.arguments.clone(),
        sha256: patch.sha256.clone(),
        deadline: patch.deadline,
    };
    Ruling { records: boot_before(case), next: Judgement::Act(vec![Act::StartInstaller(run)]) }
}

/// Waits after a boot for services whose start type is kept: what comes up while an installer runs is in use when the installer
/// restarts the server.
fn starting_themselves(case: &Case<'_>, scratch: &mut Scratch) -> Option<Judgement> {
    if case.subject.plan.change().maintenance.start_type != StartTypePolicy::Keep {
        return None;
    }
    let recorded = &case.subject.own.snapshot.as_ref()?.services;
    let automatic =
        |name: &ServiceName| recorded.get(name).is_some_and(|recorded| recorded.start.mode == StartMode::Automatic);
    let first = paused_services(&case.subject).into_iter().find(automatic)?;
    let host = match case.own.host.as_result() {
        Ok(host) => host,
        Err(why) => return Some(case.unknown(scratch, &format!("when it was booted: {why}"))),
    };
    let rest = SELF_START - host.local_time.duration_since(host.booted);
    if !rest.is_positive() {
        return None;
    }
    let why = format!("its start types are kept, and {first} starts by itself after a boot");
    let wait = case.wait_on("services that start by themselves", why, (rest, "the installer is run"));
    Some(Judgement::Wait(wait, SLOW_LOOK))
}

/// Writes down the boot time before the installer, which may restart the server by itself, and within a minute: only a
/// boot after this one is its doing.
fn boot_before(case: &Case<'_>) -> Vec<Record> {
    let own = case.subject.own;
    let same =
        |booted: Timestamp| own.booted_before.is_some_and(|before| booted.duration_since(before).abs() <= BOOT_MOVES);
    let host = case.own.host.known().filter(|host| !same(host.booted));
    let was = Boot::BeforeInstaller;
    host.map(|host| Record::Booted { work: case.subject.id, booted: host.booted, was }).into_iter().collect()
}

fn running(case: &Case<'_>, scratch: &mut Scratch, patch: &Patch, token: InstallerToken) -> Ruling {
    // Each start of the installer has its full time.
    let used = case.subject.own.token_since.filter(|_| case.subject.own.token.is_some());
    let since = used.unwrap_or(case.since);
    // What a restart before it may take does not count.
    let first = case.subject.plan.change().maintenance.installers.first();
    let before = first.filter(|_| used.is_none()).map_or(SignedDuration::ZERO, limits::restart_first);
    let limit = patch.deadline + INSTALLER_GRACE + before;
    let late = case.is_over(since, limit);
    // Nothing has begun: what is refused is asked for as long as an installation that is in the way is waited for.
    let asked_since = case.subject.own.installer_ended.map_or(case.since, |ended| ended.max(case.since));
    let unstarted_late = case.is_over(asked_since, INSTALLER_BUSY + INSTALLER_BUSY_WAIT + before);
    let in_use = note_use(case, scratch);
    let what = called(case);
    let text = match &case.own.installer {
        Answer::Known(InstallerState::Finished { exit_code }) => {
            let meaning = meaning(patch, *exit_code);
            let mut records = vec![Record::InstallerEnded { work: case.subject.id, exit_code: *exit_code, meaning }];
            // Nothing asks before it any more; what runs on before another restart is blocked and drained once more.
            if meaning == ExitMeaning::RestartStarted {
                let uncounted: BTreeSet<ServiceName> = std::mem::take(&mut scratch.last_counts).into_keys().collect();
                records.extend(ended_uncounted(case, uncounted));
            }
            return Ruling { records, next: Judgement::LookAgain };
        }
        Answer::Known(InstallerState::NotStarted) if case.is_proven_unstarted() && case.is_stopping() => {
            return case.stopped().into();
        }
        // Starting under this token is safe however often: the server starts it once.
        Answer::Known(InstallerState::NotStarted) if !unstarted_late => return start(case, scratch, (patch, token)),
        Answer::Known(InstallerState::NotStarted) => {
            let why = scratch.tries.why().map_or(String::new(), |why| format!(": {why}"));
            return case.give_up(format!("{}: {what} could not be started{why}", case.subject.work.server)).into();
        }
        Answer::Known(InstallerState::Running) if in_use.is_empty() => format!("{what} is running"),
        Answer::Known(InstallerState::Running) => format!(
            "{what} is running, and meanwhile {} as well, started by it or by another hand: sessions there are not \
             counted",
            in_use.join(", ")
        ),
        Answer::Known(InstallerState::Vanished | InstallerState::Killed { .. } | InstallerState::NeverRan { .. })
            if case.subject.own.has(Mark::StartAnew) && !case.is_stopping() =>
        {
            let next = next_token(&case.subject).unwrap_or(token);
            return start(case, scratch, (patch, next));
        }
        Answer::Known(InstallerState::Vanished) => {
            let why = format!("{what} was started, is not running, and left no result{}", booted_meanwhile(case));
            return hold(case, HoldCause::InstallerLost, &why);
        }
        Answer::Known(InstallerState::Killed { note }) => {
            return hold(
                case,
                HoldCause::InstallerLost,
                &format!("{what} did not end by its deadline, and how far it came is not known: {note}"),
            );
        }
        Answer::Known(InstallerState::NeverRan { why }) => {
            return hold(case, HoldCause::InstallerLost, &format!("the server could not run {what}: {why}"));
        }
        Answer::Unknown(why) if !case.subject.own.patch_started() => return case.unknown(scratch, why).into(),
        Answer::Unknown(why) => format!("what {what} does is unknown: {why}"),
    };
    if late {
        return hold(case, HoldCause::InstallerLate, &format!("{text} after {limit:#}"));
    }
    if let Some(record) = stopped_meanwhile(case, scratch) {
        return Ruling { records: vec![record], next: Judgement::LookAgain };
    }
    let wait = case.wait_from(since, ("the installer", text), (limit, "the server is held out of service"));
    Judgement::Wait(wait, SLOW_LOOK).into()
}

/// Notes which services that were stopped for the installer run while it does, and returns them: nothing counts what people
/// do on them.
fn note_use(case: &Case<'_>, scratch: &mut Scratch) -> Vec<String> {
    let starts = case.subject.own.token.is_none();
    let runs = |name: &ServiceName| case.state(name).is_ok_and(|state| state != RunState::Stopped);
    let services = paused_services(&case.subject).into_iter().filter(|name| !starts && runs(name));
    let services: Vec<ServiceName> = services.collect();
    scratch.last_counts.extend(services.iter().map(|name| (name.clone(), None)));
    services.iter().map(ToString::to_string).collect()
}

/// Says so when what ran beside the installer does not run any more.
fn stopped_meanwhile(case: &Case<'_>, scratch: &mut Scratch) -> Option<Record> {
    let is_stopped = |name: &ServiceName| matches!(case.state(name), Ok(RunState::Stopped));
    let gone: BTreeSet<ServiceName> = scratch.last_counts.keys().filter(|name| is_stopped(name)).cloned().collect();
    scratch.last_counts.retain(|name, _| !gone.contains(name));
    ended_uncounted(case, gone)
}

fn ended_uncounted(case: &Case<'_>, uncounted: BTreeSet<ServiceName>) -> Option<Record> {
    let sessions = BTreeMap::new();
    let noticed = !uncounted.is_empty();
    noticed.then_some(Record::StoppedByOthers { work: case.subject.id, sessions, uncounted })
}

/// Says when the server was booted, if it was since the installer in hand was started.
fn booted_meanwhile(case: &Case<'_>) -> String {
    let own = case.subject.own;
    let since = own.token_since.zip(own.booted_before);
    match (case.own.host.known(), since) {
        (Some(host), Some(since)) if is_boot_since(case, host, since) => {
            format!("; the server was booted {} since then", host.booted.strftime("%Y-%m-%d %H:%M:%SZ"))
        }
        (Some(_) | None, Some(_) | None) => String::new(),
    }
}

fn busy(case: &Case<'_>, scratch: &mut Scratch, code: i64, next: (&Patch, InstallerToken)) -> Ruling {
    let code = exit_code::text(code);
    // What begins later ends later than was stated.
    if case.subject.own.attempts() >= INSTALLER_ATTEMPTS || case.is_late(INSTALLER_BUSY) {
        let times = match case.subject.own.attempts() {
            1 => "once, and another attempt could end later than was stated".to_owned(),
            times => format!("{times} times"),
        };
        return hold(
            case,
            HoldCause::InstallerBusy,
            &format!("another installation runs on it; the installer ended with {code} {times}"),
        );
    }
    if case.is_stopping() {
        return hold(
            case,
            HoldCause::InstallerBusy,
            &format!("the run stops, and the installer ended with {code}: another one was running"),
        );
    }
    // Counted from when it gave up, whoever takes the run up again.
    let since = case.subject.own.installer_ended.unwrap_or(case.since);
    if case.is_over(since, INSTALLER_BUSY_WAIT) {
        return start(case, scratch, next);
    }
    let why = format!("the installer ended with {code}: another installation is running");
    let limit = (INSTALLER_BUSY_WAIT, "the installer is tried again");
    let wait = case.wait_from(since, ("the other installation to end", why), limit);
    Judgement::Wait(wait, SLOW_LOOK).into()
}

fn hold(case: &Case<'_>, cause: HoldCause, why: &str) -> Ruling {
    let text = format!("{}: {why}. Nothing is guessed", case.subject.work.server);
    Judgement::Hold(cause, text, case.choices()).into()
}

pub(super) fn verify(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    let installers = &case.subject.plan.change().maintenance.installers;
    let levels: Vec<&Level> = installers.iter().filter_map(|patch| patch.level.as_ref()).collect();
    let server = &case.subject.work.server;
    // Where the plan has no restart step the installer may have begun one all the same.
    let restarts = steps_of(case.subject.plan, case.subject.id).any(|step| step.kind == StepKind::Restart);
    if let Some(waits) = under_way::restart(case).filter(|_| !restarts) {
        return waits.into();
    }
    let maintenance = &case.subject.plan.change().maintenance;
    // Where something was installed before, a server that has only just come back may not say it yet, and a list without anything
    // is no answer.
    let had = case.subject.own.snapshot.as_ref().is_some_and(|snapshot| !snapshot.versions.is_empty());
    let nothing = || "it lists nothing that is installed, and did before".to_owned();
    let said = case.own.versions.as_result().map_err(ToOwned::to_owned);
    let said = said.and_then(|versions| if versions.is_empty() && had { Err(nothing()) } else { Ok(versions) });
    let versions = match said {
        Ok(versions) => versions,
        Err(why) if had || !levels.is_empty() => return case.unknown(scratch, &why).into(),
        Err(_) => {
            let records = if restarts { Vec::new() } else { unmade(case) };
            return Ruling { records, next: Judgement::Done(StepEnd::Skipped, BY_EXIT_CODE.to_owned()) };
        }
    };
    let fell = levels::fell(case.subject.own, maintenance, versions);
    if !levels::states_all(maintenance) && !fell.is_empty() {
        // Nothing else says what the update is to reach, and the other servers would follow.
        let text = format!("{server}: the installer says that it is done, but {}", words(&fell));
        return case.give_up(text).into();
    }
    let mut proofs = Vec::new();
    for level in &levels {
        match reached(level, versions) {
            Ok(proof) => proofs.push(proof),
            Err(why) => return case.give_up(format!("{server}: {why}")).into(),
        }
    }
    let (end, proof) = if levels.is_empty() {
        (StepEnd::Skipped, BY_EXIT_CODE.to_owned())
    } else {
        let by_code = installers.len() - levels.len();
        proofs.extend(
            (by_code > 0)
                .then(|| format!("for {by_code} of the {} installers the exit code is the proof", installers.len())),
        );
        proofs.extend((!fell.is_empty()).then(|| format!("LOWER than before the installer: {}", words(&fell))));
        (StepEnd::Done, proofs.join("; "))
    };
    if let Some(text) = left_out(case, versions) {
        return case.give_up(format!("{server}: the installer says that it is done, but {text}")).into();
    }
    let mut records = if restarts { Vec::new() } else { unmade(case) };
    records.push(Record::Installed { work: case.subject.id, versions: versions.clone() });
    Ruling { records, next: Judgement::Done(end, proof) }
}

fn words(fell: &[levels::Fell<'_>]) -> String {
    fell.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns what proves that a level is reached, or why it is not.
fn reached(level: &Level, versions: &[ComponentVersion]) -> Result<String, String> {
    match level.reached(versions) {
        Reached::Yes(found) => {
            let below = levels::below(level, versions).map(|below| format!("; BELOW it, all the same: {below}"));
            let found = level.above(versions).unwrap_or_else(|| format!("at {found}, {level} is wanted"));
            Ok(format!("{found}{}", below.unwrap_or_default()))
        }
        Reached::No(found) => {
            Err(format!("the installer says that it is done, but the level is {found}; {level} is wanted"))
        }
        Reached::NothingInstalled => Err(format!("no installed component is one of the level {level}")),
    }
}

/// How what is left to a person begins where a restart is owed.
pub(crate) const NEEDS_RESTART: &str = "it needs a restart";

/// What a patch leaves to a person where the plan restarts nothing.
fn unmade(case: &Case<'_>) -> Vec<Record> {
    let own = case.subject.own;
    let owed = match own.asks_for_restart() {
        Some((code, ExitMeaning::RestartNeeded, _)) => Some(format!(
            "{NEEDS_RESTART}: the installer ended with {}, and the plan makes none; restart it in a change of its own",
            exit_code::text(code)
        )),
        Some((_, ExitMeaning::RestartStarted | ExitMeaning::Done | ExitMeaning::Busy | ExitMeaning::Failed, _))
        | None => None,
    };
    let chosen = matches!(case.subject.plan.change().maintenance.scope, Scope::Services(_));
    let restarted = own.results().filter(|(_, _, meaning)| chosen && *meaning == ExitMeaning::RestartStarted);
    let cut = restarted.map(|(_, code, _)| {
        format!(
            "the installer restarted the server ({code}): the sessions of the services that were not blocked were cut, \
             and nobody counted them"
        )
    });
    owed.into_iter().chain(cut).map(|text| Record::LeftOver { work: case.subject.id, text }).collect()
}

/// What proves the level where the plan names none.
const BY_EXIT_CODE: &str = "the plan names no level; the installer's exit code is the proof";

/// Says which components the same installer has raised on other servers of the pool and not on this one. Users must not
/// meet a half-updated server, and the level alone does not show one.
fn left_out(case: &Case<'_>, versions: &[ComponentVersion]) -> Option<String> {
    let found = levels::left_out(case.subject.plan, case.subject.state, case.subject.id.0 as usize, versions);
    let each = found.iter().map(|(own, there, who)| {
        let who: Vec<&str> = who.iter().map(|server| server.short()).collect();
        format!(
            "{} is still at {}, which it raised to {} on {}",
            own.component,
            own.version,
            there.version,
            who.join(", ")
        )
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_means_the_same_in_every_spelling() {
        for (code, means) in [
            (3010, ExitMeaning::RestartNeeded),
            (0x8007_0bc2, ExitMeaning::RestartNeeded),
            (-2_147_021_886, ExitMeaning::RestartNeeded),
            (0x8007_0669, ExitMeaning::RestartStarted),
            (0x8007_0652, ExitMeaning::Busy),
            (0x8007_0643, ExitMeaning::Failed),
            (0x0024_0005, ExitMeaning::RestartNeeded),
            (-1, ExitMeaning::Failed),
        ] {
            assert_eq!(usual_meaning(code), means, "{code}");
        }
    }
}
