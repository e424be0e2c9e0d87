//! Signed approvals: the files beside a plan, and whether they suffice for a start.

use crate::failure::Failure;
use crate::home::{Place, quoted};
use crate::plan_file::{self, PlanFile, digest};
use crate::saved;
use crate::stage::Planned;
use crate::terminal::output;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use orchestrate_approvals::{Counted, Demand, Examined, Found, Good, Request, Short, Signers, Times, Work, examine};
use orchestrate_engine::record::Approved;
use orchestrate_files::{Limit, Whose};
use orchestrate_model::change::Approvals;
use orchestrate_planner::Plan;
use std::io;
use std::path::{Path, PathBuf};

/// How the name of a text ends that is signed: `PLAN.WHO.approval`.
pub(crate) const ENDING: &str = ".approval";

/// How the name of a signature ends, behind that of the text. `ssh-keygen` names it so.
pub(crate) const SIGNATURE: &str = ".sig";

/// How the name of the plan ends that a text was made from, behind that of the text.
pub(crate) const SHOWN: &str = ".plan";

/// Most texts beside one plan. Each is read and its signature checked.
const MOST_TEXTS: usize = 100;

/// What a plan demands.
pub(crate) fn demand(approvals: &Approvals) -> Demand {
    Demand { required: approvals.required, expires: approvals.expires }
}

/// Returns a path with more behind its name.
pub(crate) fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Returns the folder of a plan.
fn folder_of(plan: &Path) -> &Path {
    plan.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the people who may sign. Whoever can write the file can approve everything, so it has to be ours.
pub(crate) fn signers(plan: &Path, approvals: &Approvals) -> Result<Signers, Failure> {
    let path = plan.with_file_name(&approvals.from);
    let unusable = |why: String| {
        // Some of what is wrong with a file names it.
        let why =
            why.strip_prefix(&format!("{} ", path.display())).map_or_else(|| why.clone(), |rest| format!("it {rest}"));
        Failure::NoSigners { path: path.clone(), why }
    };
    let bytes =
        orchestrate_files::read(&path, Limit::TEXT, Whose::Ours).map_err(|error| unusable(error.to_string()))?;
    let signers = Signers::parse(&bytes, &TimeZone::system()).map_err(|error| unusable(error.to_string()))?;
    let (people, required) = (signers.people(), approvals.required as usize);
    if people < required {
        return Err(unusable(format!("it names {people} people, and the plan needs {required}")));
    }
    Ok(signers)
}

/// Returns the text that a person would sign.
pub(crate) fn request(plan: &Plan, approvals: &Approvals, (approver, role, ticket): (&str, &str, &str)) -> Request {
    let change = plan.change();
    let now = Timestamp::now();
    let given = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let servers = plan.work().iter().map(|work| {
        let done = work.skip.as_ref().map_or(Work::Done, |why| Work::PassedOver(why.clone()));
        (work.server.to_string(), done)
    });
    Request {
        plan: change.name.clone(),
        file: digest(&change.whole()),
        fingerprint: plan.fingerprint().to_string(),
        servers: servers.collect(),
        approver: approver.to_owned(),
        role: role.to_owned(),
        ticket: ticket.to_owned(),
        given,
        expires: given.checked_add(approvals.expires).unwrap_or(given),
    }
}

/// Reads and judges what lies beside a plan.
pub(crate) fn examined(plan: &Path, approvals: &Approvals, times: Times) -> Result<Examined, Failure> {
    let signers = signers(plan, approvals)?;
    let found = texts(plan).map_err(|error| Failure::NoSigners {
        path: folder_of(plan).to_owned(),
        why: format!("approvals cannot be looked for there: {error}"),
    })?;
    Ok(examine(&found, &signers, demand(approvals), times))
}

/// Returns the texts beside a plan, with their signatures.
fn texts(plan: &Path) -> io::Result<Vec<Found>> {
    let Some(name) = plan.file_name().map(|name| name.to_string_lossy().into_owned()) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder_of(plan))? {
        let Ok(other) = entry?.file_name().into_string() else { continue };
        let who = other.strip_prefix(&name).and_then(|rest| rest.strip_suffix(ENDING));
        if who.is_some_and(|who| who.starts_with('.')) {
            names.push(other);
        }
    }
    if names.len() > MOST_TEXTS {
        let text = format!("more than {MOST_TEXTS} files are named {name}.*{ENDING}: remove the old ones");
        return Err(io::Error::other(text));
    }
    names.sort();
    let read = |path: &Path| {
        orchestrate_files::read(path, Limit::TEXT, Whose::Anybodys).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => None,
            _ => Some(error.to_string()),
        })
    };
    let each = names.into_iter().filter_map(|name| {
        let path = folder_of(plan).join(&name);
        let text = match read(&path) {
            // It has gone meanwhile.
            Err(None) => return None,
            Err(Some(why)) => Err(why),
            Ok(bytes) => Ok(bytes),
        };
        let signature = match read(&with(&path, SIGNATURE)) {
            Err(None) => None,
            Err(Some(why)) => Some(Err(why)),
            Ok(bytes) => Some(Ok(bytes)),
        };
        Some(Found { name, text, signature })
    });
    Ok(each.collect())
}

/// Now, for a run that would be begun.
pub(crate) fn to_begin() -> Times {
    Times { now: Timestamp::now(), begun: None }
}

/// Who has approved a plan that is about to be begun. On a lab a start by hand is a rehearsal, which needs no one's
/// approval; what nobody watches is asked for it there too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    /// The signatures that the plan demands.
    Signatures,
    /// None.
    Rehearsal,
}

impl Needed {
    pub(crate) fn at(place: Place, approval: &crate::args::ApprovalArgs, process: &crate::args::ProcessArgs) -> Self {
        let watched = !approval.unattended && (approval.approve.is_none() || process.apart);
        match place {
            Place::Lab if watched => Self::Rehearsal,
            Place::Lab | Place::Real => Self::Signatures,
        }
    }
}

/// Refuses a plan before its window is waited for that nobody could begin then: too few have approved any state of it.
pub(crate) fn early((path, file): (&Path, &PlanFile), needed: Needed) -> Result<(), Failure> {
    let (Some(approvals), Needed::Signatures) = (&file.change.approvals, needed) else { return Ok(()) };
    let examined = examined(path, approvals, to_begin())?;
    if examined.approved(demand(approvals)).is_some() {
        return Ok(());
    }
    let plan = Planned::offline(&file.change)?.plan;
    match examined.counted(demand(approvals), &request(&plan, approvals, ("-", "-", "-"))) {
        Ok(_) => Ok(()),
        Err(short) => Err(not_signed(path, short)),
    }
}

/// Returns who has approved a plan, or refuses it.
pub(crate) fn checked(path: &Path, planned: &Planned, needed: Needed) -> Result<Vec<Approved>, Failure> {
    let Some(approvals) = &planned.plan.change().approvals else { return Ok(Vec::new()) };
    if needed == Needed::Rehearsal {
        output::talk("a rehearsal: the signed approvals that the plan needs on its servers are not asked for");
        return Ok(Vec::new());
    }
    let examined = examined(path, approvals, to_begin())?;
    let now = request(&planned.plan, approvals, ("-", "-", "-"));
    let counted = examined.counted(demand(approvals), &now).or_else(|short| {
        // Whoever has approved all of it has approved a part of it.
        let whole = planned.plan.whole().ok_or(short)?.to_string();
        examined.counted(demand(approvals), &Request { fingerprint: whole, ..now })
    });
    match counted {
        Ok(counted) => {
            output::talk(&format!("approved by {}", by(&counted)));
            Ok(counted.approvals.into_iter().map(record).collect())
        }
        Err(short) => {
            if let Some(differ) = differences(path, &examined, planned).filter(|_| short.is_other) {
                output::talk(&differ);
            }
            Err(not_signed(path, short))
        }
    }
}

fn not_signed(plan: &Path, short: Short) -> Failure {
    Failure::NotSigned { short: Box::new(short), plan: quoted(plan) }
}

/// Says in what a plan is another one than the newest that people have approved, from what was kept beside their text.
fn differences(path: &Path, examined: &Examined, now: &Planned) -> Option<String> {
    let newest = examined.good.iter().max_by_key(|good| good.request.given)?;
    let kept = with(&folder_of(path).join(&newest.name), SHOWN);
    let was = plan_file::read(&kept).ok()?;
    let saved = was.saved.as_ref().filter(|saved| saved.fingerprint == newest.request.fingerprint)?;
    saved::differences(saved, &was.change, now).ok()
}

/// Says who has approved a plan.
pub(crate) fn by(counted: &Counted) -> String {
    let each: Vec<String> = counted
        .approvals
        .iter()
        .map(|good| {
            let Request { approver, role, .. } = &good.request;
            format!("{} ({})", orchestrate_display::clean(approver), orchestrate_display::clean(role))
        })
        .collect();
    each.join(", ")
}

fn record(good: Good) -> Approved {
    let Good { request: Request { approver, role, ticket, given, expires, .. }, key, .. } = good;
    Approved { by: approver, role, ticket, key, given, expires }
}
