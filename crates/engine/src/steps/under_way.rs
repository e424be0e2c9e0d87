//! What may still be under way on a server: an installer of which no end is known, or a restart that was asked for.
//!
//! Whoever brings a server back, or restarts it, waits for these first: an installer stops what it wants to replace, and
//! a server that goes down with people on it cuts them off (promises P4 and P8).

use super::patch::{called, meaning};
use super::{Case, Judgement, Ruling, Scratch};
use crate::constants::{BOOT_MOVES, INSTALLER_GRACE, RESTART_DEADLINE, RESTART_SHOWS, SLOW_LOOK};
use crate::look::Subject;
use crate::record::{Boot, Record, WhyKind};
use crate::state::WorkState;
use jiff::Timestamp;
use orchestrate_model::Answer;
use orchestrate_model::change::ExitMeaning;
use orchestrate_model::hold::HoldCause;
use orchestrate_model::observe::{HostFacts, InstallerState};
use orchestrate_model::time::after;

/// Whether nobody has written down how the installer ended that was started, or may have been.
pub(crate) fn is_installer_open(subject: &Subject<'_>) -> bool {
    subject.own.token.is_some() && subject.own.installer.is_none()
}

/// Returns what has to be waited for, or written down, before the server is touched.
pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Option<Ruling> {
    installer(case, scratch).or_else(|| restart(case).map(Into::into))
}

/// The same, for the installer alone.
pub(super) fn installer(case: &Case<'_>, scratch: &mut Scratch) -> Option<Ruling> {
    if !is_installer_open(&case.subject) {
        return None;
    }
    let own = case.subject.own;
    let patch = case.subject.plan.change().maintenance.installers.get(own.in_hand as usize)?;
    match &case.own.installer {
        Answer::Known(
            InstallerState::NotStarted
            | InstallerState::Vanished
            | InstallerState::Killed { .. }
            | InstallerState::NeverRan { .. },
        ) => None,
        Answer::Known(InstallerState::Finished { exit_code }) => {
            let meaning = meaning(patch, *exit_code);
            let record = Record::InstallerEnded { work: case.subject.id, exit_code: *exit_code, meaning };
            Some(Ruling { records: vec![record], next: Judgement::LookAgain })
        }
        Answer::Known(InstallerState::Running) => {
            let limit = patch.deadline + INSTALLER_GRACE;
            let since = own.token_since.unwrap_or(case.since);
            if case.is_over(since, limit) {
                let text = format!(
                    "{}: {} is still running; it is not touched before",
                    case.subject.work.server,
                    called(case)
                );
                return Some(Judgement::Hold(HoldCause::InstallerLate, text, case.choices()).into());
            }
            let what = ("the installer to end", "it is still running".to_owned());
            let wait = case.wait_from(since, what, (limit, "the server is held"));
            Some(Judgement::Wait(wait, SLOW_LOOK).into())
        }
        // Whoever has passed over an installer whose end nobody can read has looked at the server.
        Answer::Unknown(_) if own.passed_over.as_ref().is_some_and(|why| why.kind == WhyKind::Operator) => None,
        Answer::Unknown(why) => {
            let why = format!("whether the installer is still running is unknown: {why}");
            Some(case.unknown(scratch, &why).into())
        }
    }
}

/// A restart that was asked for comes within minutes or not at all. Once it is proven, that is written down: a clock that
/// is set later does not take it back.
pub(super) fn restart(case: &Case<'_>) -> Option<Judgement> {
    let own = case.subject.own;
    let (asked, before) = restart_asked(own)?;
    let limit = match &case.own.host {
        Answer::Known(host) if is_boot_since(case, host, (asked, before)) => return None,
        Answer::Known(_) => RESTART_SHOWS,
        Answer::Unknown(_) => RESTART_DEADLINE,
    };
    if case.is_over(asked, limit) {
        return None;
    }
    let why = match (&case.own.host, &own.restart_unknown) {
        (Answer::Unknown(why), _) => format!("it was asked to restart: {why}"),
        (Answer::Known(_), Some(why)) => {
            format!(
                "it was asked to restart and has not gone down yet, and whether it was accepted is not known: {why}"
            )
        }
        (Answer::Known(_), None) => "it was asked to restart and has not gone down yet".to_owned(),
    };
    let wait = case.wait_from(asked, ("the restart that was asked for", why), (limit, "the server is brought back"));
    Some(Judgement::Wait(wait, SLOW_LOOK))
}

/// Returns when the restart was asked for that is not proven yet, and the boot time that it is to change.
fn restart_asked(own: &WorkState) -> Option<(Timestamp, Timestamp)> {
    let ours =
        own.restarts_since_patch().last().filter(|_| own.restart_refused.is_none()).map(|last| (last.at, last.booted));
    // That the installer had begun a restart was read at some time, often only after the server was back.
    ours.max(begun_by_installer(own)).filter(|_| own.restart_proven.is_none())
}

/// Writes down that the restart that was asked for has happened, the first time that a look shows it.
pub(super) fn proven(case: &Case<'_>) -> Option<Record> {
    let host = case.own.host.known()?;
    let asked = restart_asked(case.subject.own)?;
    is_boot_since(case, host, asked).then(|| proof(case, host))
}

/// The record of a boot that proves the restart that was asked for.
pub(super) fn proof(case: &Case<'_>, host: &HostFacts) -> Record {
    Record::Booted { work: case.subject.id, booted: host.booted, was: Boot::Restarted }
}

/// Returns from when on a boot is the one that the installer in hand has begun, and the boot time before it, where it
/// has begun one.
pub(super) fn begun_by_installer(own: &WorkState) -> Option<(Timestamp, Timestamp)> {
    let begun = matches!(own.installer, Some((_, ExitMeaning::RestartStarted)));
    let started = own.token_since.filter(|_| begun)?;
    match (own.booted_before, &own.snapshot) {
        // Looked at right before it was started: however fast the server was, another boot is the installer's.
        (Some(before), _) => Some((started, before)),
        // One that came shortly before it was started is somebody else's, and the other one is still to come: twice the
        // slack of a boot time.
        (None, Some(snapshot)) => Some((after(started, BOOT_MOVES * 2), snapshot.booted)),
        (None, None) => None,
    }
}

/// Whether the server was booted since something was asked of it, at this time and while it showed this boot time.
///
/// The boot time is computed from the server's clock, which moves when it is corrected, so how long the server has been
/// up is the better witness: the boot time counts only where that does not speak against it, and where a clock that is
/// behind makes a new boot look like an old one, the time since the step was taken in hand does alone.
pub(super) fn is_boot_since(case: &Case<'_>, host: &HostFacts, (asked, before): (Timestamp, Timestamp)) -> bool {
    let up = host.local_time.duration_since(host.booted);
    let later = host.booted.duration_since(before) > BOOT_MOVES;
    let in_hand = case.subject.state.taken_up.map_or(case.since, |taken_up| taken_up.max(case.since));
    (later && up < case.now.duration_since(asked) + BOOT_MOVES)
        || up < case.own.taken.duration_since(asked.max(in_hand))
}
