//! Where a run or a preview happens: on the plan's servers by the machine's clock, or on a lab by the lab's.

use crate::args::LabArgs;
use crate::before::{self, Past};
use crate::failure::{Failure, first_of};
use crate::home::{Home, Place};
use crate::lab;
use crate::plan_file::PlanFile;
use crate::terminal::{output, signals};
use crate::wiring::{Readers, Wires};
use jiff::Timestamp;
use orchestrate_display::preview::{Instead, Preview};
use orchestrate_driver::Clock;
use orchestrate_driver::limits::LOOK_LIMIT;
use orchestrate_executor::{Crew, survey_of};
use orchestrate_lab::LabDirectory;
use orchestrate_model::{Change, PoolName, PoolObservation, ServerName};
use orchestrate_planner::windows::{Calendar, WindowState};
use orchestrate_planner::{ControlHost, Observations, Plan, Report, codes, make, tell_once};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where a run or a preview happens.
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) clock: Clock,
    pub(crate) readers: Readers,
    /// Where the drivers work.
    pub(crate) crew: Crew,
    /// The lab, and whether it was there before us.
    pub(crate) lab: Option<(LabDirectory, Owner)>,
    /// Keeps others from ending the lab.
    pub(crate) in_use: Option<lab::InUse>,
    /// What earlier runs say of the change.
    pub(crate) past: Past,
}

/// Whose a lab is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// We started it.
    Us,
    /// An earlier start for the same plan did; it ends with the run.
    Earlier,
    /// Somebody who named it to us, or who runs it in a terminal; we leave it alone.
    Other,
}

impl Owner {
    /// Returns whose a lab is that was there before us.
    pub(crate) fn of(lab: &LabDirectory) -> Self {
        if lab.foreground { Self::Other } else { Self::Earlier }
    }
}

impl Stage {
    /// Opens the stage that the arguments ask for, starting a lab where one is wanted and none is there.
    pub(crate) async fn open(home: &Home, plan: &Path, file: &PlanFile, args: &LabArgs) -> Result<Self, Failure> {
        let lab = match (&args.lab_at, args.lab) {
            (Some(directory), _) => Some((lab::attach(directory, &file.change).await?, Owner::Other, None)),
            (None, true) => {
                let scenario = lab::scenario_path(plan, args.lab_scenario.as_deref());
                if let Some(path) = &scenario {
                    // Mistakes are told here and not in the log of a process that nobody looks at.
                    lab::fits(&lab::scenario(path)?, path, &file.change)?;
                }
                let wanted = lab::Wanted {
                    home,
                    plan,
                    change: &file.change,
                    speed: args.speed(&file.change),
                    scenario: scenario.as_deref(),
                    given: lab::Given {
                        speed: args.lab_speed.filter(|_| !args.real_time),
                        scenario: args.lab_scenario.as_deref(),
                    },
                };
                let running = lab::ensure(&wanted).await?;
                let owner = if running.found { Owner::of(&running.directory) } else { Owner::Us };
                Some((running.directory, owner, Some(running.in_use)))
            }
            (None, false) => None,
        };
        let stage = Self::with(home, &file.change, lab)?;
        let past = before::past(home, stage.place, &file.change)?;
        Ok(Self { past, ..stage })
    }

    /// Opens the stage on which a run happened before.
    pub(crate) async fn reopen(home: &Home, place: Place, change: &Change, at: Option<&Path>) -> Result<Self, Failure> {
        let lab = match (place, at) {
            (Place::Real, None) => None,
            (Place::Real, Some(_)) => {
                let text = "the run happened on real servers; it does not go on in a lab";
                return Err(Failure::Usage(text.to_owned()));
            }
            (Place::Lab, Some(directory)) => Some((lab::attach(directory, change).await?, Owner::Other, None)),
            (Place::Lab, None) => {
                let found = lab::rejoin(home, change).await?;
                let gone = || Failure::LabGone { run: String::new(), out: 0, start: String::new() };
                let (found, in_use) = found.ok_or_else(gone)?;
                let owner = Owner::of(&found);
                Some((found, owner, Some(in_use)))
            }
        };
        Self::with(home, change, lab)
    }

    fn with(home: &Home, change: &Change, lab: Option<InLab>) -> Result<Self, Failure> {
        let (lab, in_use) = lab.map(|(directory, owner, in_use)| ((directory, owner), in_use)).unzip();
        let (place, clock) = match &lab {
            Some((directory, _)) => (Place::Lab, directory.clock()),
            None => (Place::Real, Clock::real()),
        };
        let wires = match &lab {
            Some((directory, _)) => Wires::Lab(directory),
            None => Wires::Plan,
        };
        let readers = Readers::new(change, &wires, clock, &home.keeper(place)?)?;
        let crew = Crew::apart().map_err(Failure::Runtime)?;
        Ok(Self { place, clock, readers, crew, lab, in_use: in_use.flatten(), past: Past::default() })
    }

    /// Looks at every pool and makes the plan. Looks again when the evidence was old by the time that it was there: this
    /// machine may have been busy for a moment.
    pub(crate) async fn plan(&self, change: &Change) -> Result<Planned, Failure> {
        let servers: usize = change.pools.iter().map(|pool| pool.servers.len()).sum();
        if output::is_live() {
            let servers = orchestrate_model::readable::count(servers, "server");
            output::talk(&format!("asking {servers}, the name servers and the balancers ..."));
        }
        let Past { owed, earlier } = self.past.clone();
        let mut seen = Observations { owed, earlier, ..Observations::default() };
        let all = change.pools.iter().map(|pool| pool.name.clone()).collect();
        let mut planned = self.looked_at(change, &mut seen, all).await?;
        let looks = match self.place {
            Place::Real => LOOKS,
            Place::Lab => LOOKS_ON_A_LAB,
        };
        for _again in 1..looks {
            // Only there: what the others said is of the moment of their own look.
            let stale = planned.stale();
            if stale.is_empty() {
                break;
            }
            output::talk(&format!("what {} said was too old when it was all there; asking once more ...", few(&stale)));
            planned = self.looked_at(change, &mut seen, stale).await?;
        }
        Ok(Planned { observations: seen, ..planned })
    }

    /// Looks once at these pools, and makes the plan with what was seen of the others before.
    async fn looked_at(
        &self,
        change: &Change,
        observations: &mut Observations,
        pools: BTreeSet<PoolName>,
    ) -> Result<Planned, Failure> {
        let open = Mutex::new(pools.clone());
        let open = || open.lock().unwrap_or_else(PoisonError::into_inner);
        let waits_for = || {
            let limit = LOOK_LIMIT.as_secs();
            format!("the answers of {}; a look at a server may take {limit} s", few(&open()))
        };
        let which = |pool: &PoolName| pools.contains(pool);
        let over = |pool: &PoolName| {
            open().remove(pool);
        };
        let eyes = self.readers.eyes();
        let looking = Box::pin(survey_of(&self.crew, &eyes, (change, &which), &self.clock, &over));
        let looked = tokio::select! {
            looked = output::patiently(waits_for, looking) => looked,
            _ = signals::any() => return Err(Failure::Interrupted("the servers were being looked at")),
        };
        observations.pools.extend(looked.pools);
        observations.looked.extend(looked.looked);
        observations.control_host = match self.place {
            Place::Real => ControlHost {
                names: BTreeSet::from([gethostname::gethostname().to_string_lossy().into_owned()]),
                addresses: BTreeSet::new(),
            },
            // The lab's servers are on this machine only in name.
            Place::Lab => ControlHost::default(),
        };
        Planned::made(change, observations, self.clock.now())
    }

    /// Says why nothing may be begun now, if it may not (promise P9).
    pub(crate) fn outside_window(&self, change: &Change) -> Result<Option<String>, Failure> {
        let now = self.clock.now();
        let state = Calendar::new(&change.windows, &change.freezes)?.state(now);
        let look = output::look();
        Ok(match state {
            WindowState::Inside { .. } => None,
            WindowState::Outside { next: None } => {
                Some("no window of the plan opens in the next four years".to_owned())
            }
            WindowState::Outside { next: Some(opening) } => Some(format!(
                "no window is open at {}; the next opens {} and ends {}",
                look.date_time(now),
                look.date_time(opening.starts),
                look.date_time(opening.ends)
            )),
        })
    }

    /// Closes what is open on the servers and ends a lab that we started, for a start that did not come to a run. That it
    /// could not be ended is said, and changes nothing about how the start ended.
    pub(crate) async fn leave(self) {
        if let Err(failure) = self.end().await {
            output::talk(&format!("the lab could not be ended: {}", failure.in_one_line()));
        }
    }

    async fn end(self) -> Result<(), Failure> {
        self.readers.close().await;
        end_lab(self.lab, self.in_use).await
    }

    /// The same for a start that failed. Returns why it failed; that the lab has gone meanwhile is no news beside it.
    pub(crate) async fn abandon(self, failure: Failure) -> Failure {
        self.readers.close().await;
        abandoned(self.lab, self.in_use, failure).await
    }
}

/// The same for a start whose remote shells are closed already.
pub(crate) async fn abandoned(
    lab: Option<(LabDirectory, Owner)>,
    in_use: Option<lab::InUse>,
    failure: Failure,
) -> Failure {
    if let Err(error) = end_lab(lab, in_use).await {
        tracing::debug!(%error, "the lab could not be ended");
    }
    failure
}

/// Ends a lab that we started, unless somebody else uses it by now.
async fn end_lab(lab: Option<(LabDirectory, Owner)>, in_use: Option<lab::InUse>) -> Result<(), Failure> {
    if let (Some((directory, Owner::Us)), Some(in_use)) = (&lab, in_use)
        && let Some(_alone) = in_use.last().await?
    {
        directory.stop().await?;
    }
    Ok(())
}

/// A lab with whose it is and what keeps others from ending it.
type InLab = (LabDirectory, Owner, Option<lab::InUse>);

/// Looks of a start before evidence that is too old is a refusal. A slow server takes minutes for three; on a lab a look is
/// short, and what makes it late is this machine, which may have something else to do for a moment.
const LOOKS: usize = 3;
const LOOKS_ON_A_LAB: usize = 20;

/// Most servers of one cause, and most pools, that are named.
const NAMED: usize = 4;

/// Names pools, the first few of many.
fn few(pools: &BTreeSet<PoolName>) -> String {
    let named: Vec<&str> = pools.iter().take(NAMED).map(PoolName::as_str).collect();
    match pools.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Says why servers do not answer: each cause once, with the first server that it was seen at.
fn causes(silent: &[(&ServerName, &str)]) -> String {
    let mut kinds: Vec<(String, String, Vec<&ServerName>)> = Vec::new();
    for (server, text) in silent {
        let text = text.strip_prefix(&format!("{server}: ")).unwrap_or(text);
        // The address is the server's own, and differs where the cause is one.
        let word = |word: &str| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            bare.parse::<std::net::SocketAddr>().is_ok() || bare.parse::<std::net::IpAddr>().is_ok()
        };
        let kind: Vec<&str> = text.split_whitespace().filter(|part| !word(part)).collect();
        let kind = kind.join(" ").replace(server.as_str(), "");
        match kinds.iter_mut().find(|(known, ..)| *known == kind) {
            Some((.., servers)) => servers.push(server),
            None => kinds.push((kind, text.to_owned(), vec![server])),
        }
    }
    // What names another of the servers as its cause follows from what that one says, which comes first.
    let follows = |(_, text, own): &(String, String, Vec<&ServerName>)| {
        let named = |server: &&ServerName| !own.contains(server) && text.contains(server.as_str());
        silent.iter().map(|(server, _)| *server).any(|server| named(&server))
    };
    let (following, mut kinds): (Vec<_>, Vec<_>) = kinds.into_iter().partition(follows);
    if kinds.is_empty() {
        kinds = following.clone();
    } else if !following.is_empty() {
        let servers: Vec<&str> = following.iter().flat_map(|(.., servers)| servers).map(|name| name.as_str()).collect();
        let more = servers.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = servers.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        if let Some((_, text, _)) = kinds.last_mut() {
            *text = format!("{text}; because of that {named}{more} were not asked");
        }
    }
    let said = kinds.iter().map(|(_, text, servers)| match servers.as_slice() {
        [only] => format!("{only}: {text}"),
        [first, others @ ..] => {
            let named: Vec<&str> = others.iter().take(NAMED).map(|server| server.as_str()).collect();
            let more = others.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{first}: {text} (the same at {}{more})", named.join(", "))
        }
        [] => String::new(),
    });
    said.take(NAMED).collect::<Vec<_>>().join("; ")
}

/// Returns why not a single server could be asked, if it was so.
fn unheard(seen: &BTreeMap<PoolName, PoolObservation>) -> Option<String> {
    let servers = seen.values().flat_map(|pool| pool.servers.values());
    let silent: Option<Vec<(&ServerName, &str)>> = servers
        .map(|server| Some((&server.server, server.host.why_unknown().and(server.services.why_unknown())?)))
        .collect();
    silent.filter(|silent| !silent.is_empty()).map(|silent| causes(&silent))
}

/// A plan with what it was made from.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) report: Report,
    /// What was seen, as it is told: a cause that leaves many questions without an answer once.
    pub(crate) seen: BTreeMap<PoolName, PoolObservation>,
    /// All that it was made from, at which time.
    pub(crate) observations: Observations,
    pub(crate) at: Timestamp,
    /// Why not a single server could be asked, where it was so.
    unheard: Option<String>,
}

impl Planned {
    /// Returns the plan for a change that nobody was asked about.
    pub(crate) fn offline(change: &Change) -> Result<Self, Failure> {
        Self::of(change, Observations::default(), Timestamp::now())
    }

    /// Returns the plan for a change as its servers were seen at a time.
    pub(crate) fn of(change: &Change, observations: Observations, at: Timestamp) -> Result<Self, Failure> {
        let made = Self::made(change, &observations, at)?;
        Ok(Self { observations, ..made })
    }

    fn made(change: &Change, observations: &Observations, at: Timestamp) -> Result<Self, Failure> {
        let (plan, report) = make(change, observations, at)?;
        let mut seen = observations.pools.clone();
        tell_once(&mut seen);
        let unheard = unheard(&observations.pools);
        Ok(Self { plan, report, seen, observations: Observations::default(), at, unheard })
    }

    /// Returns the same for all servers of the change.
    pub(crate) fn whole(&self) -> Result<Self, Failure> {
        Self::of(&self.plan.change().whole(), self.observations.clone(), self.at)
    }

    /// Returns the preview of the plan.
    pub(crate) fn preview<'a>(&'a self, fingerprint: &'a str, instead: Option<&'a Instead>) -> Preview<'a> {
        Preview { plan: &self.plan, fingerprint, seen: &self.seen, report: &self.report, instead }
    }

    /// Returns the failure of a plan that is refused.
    pub(crate) fn unrefused(&self) -> Result<(), Failure> {
        let said = |only: Option<&str>| {
            let refusals = self.plan.refusals().filter(|finding| only.is_none_or(|code| finding.code == code));
            folded(refusals.map(|finding| (finding.code.clone(), finding.message.as_str())))
        };
        // A start asks for a window before it looks at anything; and what else speaks against it may be another's doing.
        match (said(Some(codes::NEVER_OPEN)), said(Some(codes::LEASED)), said(None)) {
            (never, ..) if !never.is_empty() => Err(Failure::NeverOpen(first_of(&never))),
            (_, leased, _) if !leased.is_empty() => Err(Failure::Leased { reasons: leased }),
            (.., reasons) if !reasons.is_empty() => Err(Failure::Refused { reasons }),
            (..) => Ok(()),
        }
    }

    /// Returns the pools whose evidence was too old when it was there, if nothing else speaks against the plan.
    fn stale(&self) -> BTreeSet<PoolName> {
        if self.plan.refusals().any(|finding| finding.code != codes::STALE) {
            return BTreeSet::new();
        }
        self.plan.refusals().filter_map(|finding| finding.pool.clone()).collect()
    }

    /// Returns whether there is anything to do, or to look at anew: a component that is below the level is a question, and
    /// no success.
    pub(crate) fn has_work(&self) -> bool {
        let below = self.plan.findings().iter().any(|finding| finding.code == codes::BELOW_LEVEL);
        below || self.plan.work().iter().any(|work| work.skip.is_none())
    }

    /// Refuses to go on when not a single server could be asked: all else that is not known follows from that. `offline` is
    /// the command that shows the plan without them.
    pub(crate) fn heard(&self, offline: &str) -> Result<(), Failure> {
        match &self.unheard {
            None => Ok(()),
            Some(why) => Err(Failure::Unreachable { why: why.clone(), offline: offline.to_owned() }),
        }
    }
}

/// Refusals of different kinds that an error tells, and how much of each. The preview above it has them all.
const KINDS_TOLD: usize = 8;
const CHARACTERS_TOLD: usize = 300;

/// Returns refusals by their code, the first of each with how many more there are: one silent name server refuses the
/// servers of two hundred pools, each in its own words.
fn folded<'a>(refusals: impl IntoIterator<Item = (String, &'a str)>) -> Vec<String> {
    let mut kinds: Vec<(String, &str, usize)> = Vec::new();
    for (code, message) in refusals {
        match kinds.iter_mut().find(|(known, ..)| *known == code) {
            Some((.., times)) => *times += 1,
            None => kinds.push((code, message, 1)),
        }
    }
    let more = kinds.len().saturating_sub(KINDS_TOLD);
    let mut told: Vec<String> =
        kinds.iter().take(KINDS_TOLD).map(|(code, message, times)| one_of(code, message, *times)).collect();
    if more > 0 {
        told.push(format!("and {more} more kinds of refusals"));
    }
    told
}

fn one_of(code: &str, message: &str, times: usize) -> String {
    let cut = message.char_indices().nth(CHARACTERS_TOLD);
    let message = cut.map_or_else(|| message.to_owned(), |(end, _)| format!("{}…", &message[..end]));
    match times - 1 {
        0 => format!("{code}: {message}"),
        more => format!("{code}: {message} (and {more} more like it)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_at_many_servers_is_told_once() {
        let names: Vec<ServerName> =
            (1..=7).map(|number| ServerName::new(&format!("fe{number}.contoso.example")).unwrap()).collect();
        let texts: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| format!("{name}: not sent: cannot connect to 192.0.2.{at}:5986: no route to host"))
            .collect();
        let mut silent: Vec<(&ServerName, &str)> = names.iter().zip(texts.iter().map(String::as_str)).collect();
        silent[6].1 = "the user name or the password is wrong";
        let said = causes(&silent);
        assert_eq!(
            said,
            "fe1.contoso.example: not sent: cannot connect to 192.0.2.0:5986: no route to host (the same at \
             fe2.contoso.example, fe3.contoso.example, fe4.contoso.example, fe5.contoso.example and 1 more); \
             fe7.contoso.example: the user name or the password is wrong"
        );
    }

    #[test]
    fn what_was_not_asked_because_of_another_server_follows_it() {
        let [one, two, three] =
            [1, 2, 3].map(|number| ServerName::new(&format!("fe{number}.contoso.example")).unwrap());
        let later = "not tried: the account svc was just refused by fe2.contoso.example";
        let said = causes(&[(&one, later), (&two, "refused: HTTP 401"), (&three, later)]);
        assert_eq!(
            said,
            "fe2.contoso.example: refused: HTTP 401; because of that fe1.contoso.example, fe3.contoso.example were not asked"
        );
        assert!(
            causes(&[(&one, later)]).contains("just refused by fe2"),
            "of a server that is not among them it is said"
        );
    }

    #[test]
    fn the_refusals_of_a_thousand_servers_are_an_error_that_can_be_read() {
        let long = "x".repeat(5_000);
        let mut refusals: Vec<(String, &str)> =
            (0..1_000).map(|_| ("O2030".to_owned(), "the name servers did not answer")).collect();
        refusals.push(("O2031".to_owned(), &long));
        refusals.extend((0..20).map(|number| (format!("O20{}", 40 + number), "else")));
        let told = folded(refusals);
        assert_eq!(told[0], "O2030: the name servers did not answer (and 999 more like it)");
        assert!(told[1].chars().count() < 320, "{}", told[1]);
        assert_eq!(told.last().map(String::as_str), Some("and 14 more kinds of refusals"));
        assert_eq!(told.len(), KINDS_TOLD + 1);
        assert_eq!(folded([("O2030".to_owned(), "one")]), ["O2030: one"]);
    }
}
