//! The judgement of what people have signed.

use crate::request::{Request, Work};
use crate::signers::{NotTheirs, Signers, named};
use crate::{NAMESPACE, codes};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::text::quoted;
use ssh_key::{PublicKey, SshSig};
use std::fmt;

/// How far the clock of the machine that made a text may be ahead of ours.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// Most servers that are named where a plan is another one.
const MOST_NAMED: usize = 5;

/// A text and the signature beside it, as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name of the file with the text.
    pub name: String,
    /// The text, or why it cannot be read.
    pub text: Result<Vec<u8>, String>,
    /// The signature, or why it cannot be read. `None`: there is none.
    pub signature: Option<Result<Vec<u8>, String>>,
}

/// When an approval has to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Now: keys have to be good.
    pub now: Timestamp,
    /// When the run was begun that goes on: its approvals had to be good then. `None`: it would be begun now.
    pub begun: Option<Timestamp>,
}

/// What a plan needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Of how many people.
    pub required: u32,
    /// For how long an approval is good at most.
    pub expires: SignedDuration,
}

/// An approval that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    /// What was signed.
    pub request: Request,
    /// The key, as `ssh-keygen -l` prints it.
    pub key: String,
    /// The name of the file.
    pub name: String,
    /// The person.
    person: usize,
}

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The code, which has a page.
    pub code: &'static str,
    /// The file, and what is wrong.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Everything that lies beside a plan, judged one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// What counts, for whatever plan.
    pub good: Vec<Good>,
    /// What does not.
    pub refused: Vec<Reason>,
}

/// Enough people have approved a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// One approval of each person, the newest first.
    pub approvals: Vec<Good>,
    /// Since when they were enough.
    pub at: Timestamp,
}

/// Too few people have approved a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// How many are needed.
    pub required: u32,
    /// Who has approved it.
    pub have: Vec<String>,
    /// Why what else is there does not count.
    pub reasons: Vec<Reason>,
    /// Whether people have approved another plan, and nobody this one.
    pub is_other: bool,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let other = || self.reasons.iter().map(|reason| reason.code).find(|code| is_of_another(code));
        let code = match (self.have.is_empty(), self.is_other) {
            (true, true) => other().unwrap_or(codes::OTHER_PLAN),
            (true, false) => codes::UNSIGNED,
            (false, _) => codes::TOO_FEW,
        };
        let people = if self.required == 1 { "one person".to_owned() } else { format!("{} people", self.required) };
        write!(f, "{code}: the plan needs the signed approval of {people}, and ")?;
        match self.have.len() {
            0 if self.is_other => f.write_str("what was signed is of another one")?,
            0 => f.write_str("has none that counts")?,
            1 => write!(f, "has that of one: {}", self.have[0])?,
            count => write!(f, "has those of {count}: {}", self.have.join(", "))?,
        }
        self.reasons.iter().try_for_each(|reason| write!(f, "; {reason}"))
    }
}

fn is_of_another(code: &str) -> bool {
    code == codes::OTHER_PLAN || code == codes::OTHER_POOL
}

/// Judges what lies beside a plan.
#[must_use]
pub fn examine(found: &[Found], signers: &Signers, demand: Demand, times: Times) -> Examined {
    let mut examined = Examined::default();
    for one in found {
        match good(one, signers, demand, times) {
            Ok(good) => examined.good.push(good),
            Err((code, why)) => examined.refused.push(Reason { code, text: format!("{}: {why}", one.name) }),
        }
    }
    examined
}

fn good(found: &Found, signers: &Signers, demand: Demand, times: Times) -> Result<Good, (&'static str, String)> {
    let unreadable = |why: &str| (codes::UNREADABLE, why.to_owned());
    let text = found.text.as_ref().map_err(|why| unreadable(why))?;
    let request = Request::parse(text).map_err(|why| unreadable(&why))?;
    let signature = match &found.signature {
        None => return Err((codes::UNSIGNED, format!("{} has not signed it", request.approver))),
        Some(read) => read.as_ref().map_err(|why| unreadable(&format!("its signature: {why}")))?,
    };
    let signature = SshSig::from_pem(signature)
        .map_err(|error| unreadable(&format!("its signature is none that `ssh-keygen -Y sign` makes: {error}")))?;
    if signature.namespace() != NAMESPACE {
        let namespace = quoted(signature.namespace());
        return Err((codes::WRONG_NAMESPACE, format!("it is signed for {namespace}, and not for `{NAMESPACE}`")));
    }
    let key = named(signature.public_key());
    // The key is looked up before its signature counts for anything.
    let person = signers.person(&request.approver, signature.public_key(), times.now).map_err(|why| {
        let approver = &request.approver;
        match why {
            NotTheirs::UnknownKey => {
                (codes::WRONG_KEY, format!("the key {key} is that of no person who may sign, and not {approver}'s"))
            }
            NotTheirs::Others(names) => {
                (codes::WRONG_KEY, format!("the key {key} is not {approver}'s, but that of {}", names.join(", ")))
            }
            NotTheirs::NotNow(why) => (codes::EXPIRED, format!("{why} ({key}, {approver})")),
        }
    })?;
    PublicKey::from(signature.public_key().clone())
        .verify(NAMESPACE, text, &signature)
        .map_err(|_wrong| unreadable("the signature is not of this text: it was changed after it was signed"))?;
    in_time(&request, demand, times).map_err(|why| (codes::EXPIRED, why))?;
    Ok(Good { request, key, name: found.name.clone(), person })
}

fn in_time(request: &Request, demand: Demand, times: Times) -> Result<(), String> {
    let Request { given, expires, approver, .. } = request;
    let at = times.begun.unwrap_or(times.now);
    if expires.duration_since(*given) > demand.expires {
        return Err(format!("it is good from {given} to {expires}, which is longer than the plan allows"));
    }
    if at >= *expires {
        return Err(format!("the approval of {approver} expired at {expires}"));
    }
    if *given > times.now + CLOCKS_DIFFER {
        return Err(format!("the approval of {approver} is of {given}, which is still to come"));
    }
    Ok(())
}

impl Examined {
    /// Returns who has approved a plan, when those are enough people.
    ///
    /// # Errors
    /// Says who has, and why everything else does not count. `now`: the plan, as it would be signed now.
    pub fn counted(&self, demand: Demand, now: &Request) -> Result<Counted, Short> {
        let mut reasons = self.refused.clone();
        let (mut of_this, others): (Vec<&Good>, Vec<&Good>) =
            self.good.iter().partition(|good| good.request.fingerprint == now.fingerprint);
        of_this.sort_by_key(|good| std::cmp::Reverse(good.request.given));
        let mut approvals: Vec<Good> = Vec::new();
        for good in of_this {
            match approvals.iter().find(|counted| counted.person == good.person) {
                Some(counted) => reasons.push(twice(good, counted)),
                None => approvals.push(good.clone()),
            }
        }
        let required = usize::try_from(demand.required).unwrap_or(usize::MAX);
        if let Some(last) = required.checked_sub(1).and_then(|last| approvals.get(last)) {
            return Ok(Counted { at: last.request.given, approvals });
        }
        let is_other = approvals.is_empty() && !others.is_empty();
        reasons.extend(others.into_iter().map(|other| other_plan(other, now)));
        let have = approvals.iter().map(|good| good.request.approver.clone()).collect();
        Err(Short { required: demand.required, have, reasons, is_other })
    }

    /// Says how far the plan that most people have approved is from enough, where it is not known which one would be run.
    #[must_use]
    pub fn short(&self, demand: Demand) -> Short {
        let short = self.good.iter().filter_map(|good| self.counted(demand, &good.request).err());
        let most = short.max_by_key(|short| short.have.len());
        most.unwrap_or_else(|| Short {
            required: demand.required,
            have: Vec::new(),
            reasons: self.refused.clone(),
            is_other: false,
        })
    }

    /// Returns the fingerprint that enough people have approved, the newest where there are several.
    #[must_use]
    pub fn approved(&self, demand: Demand) -> Option<(Counted, String)> {
        let each = self.good.iter().filter_map(|good| {
            let counted = self.counted(demand, &good.request).ok()?;
            Some((counted, good.request.fingerprint.clone()))
        });
        each.max_by_key(|(counted, _)| counted.at)
    }
}

fn twice(good: &Good, counted: &Good) -> Reason {
    let (one, other) = (&good.request.approver, &counted.request.approver);
    let who = if one == other { format!("{one} has") } else { format!("{one} and {other} are one person, who has") };
    let text = format!("{}: {who} signed {} too, and counts once", good.name, counted.name);
    Reason { code: codes::TWICE, text }
}

/// Says that another plan was approved, and in what it differs as far as the text says.
fn other_plan(other: &Good, now: &Request) -> Reason {
    let was = &other.request;
    let short = was.fingerprint.get(..12).unwrap_or(&was.fingerprint);
    let differ = differences(was, now);
    let said = if differ.is_empty() { String::new() } else { format!(": {}", differ.join("; ")) };
    let (code, what) = if was.file == now.file {
        (codes::OTHER_POOL, "the servers need another plan since")
    } else {
        (codes::OTHER_PLAN, "the plan file was changed since")
    };
    Reason { code, text: format!("{}: {} has approved {short}, and {what}{said}", other.name, was.approver) }
}

fn differences(was: &Request, now: &Request) -> Vec<String> {
    let mut differ = Vec::new();
    if was.plan != now.plan {
        differ.push(format!("it was called {}", quoted(&was.plan)));
    }
    for (server, work) in &now.servers {
        let before = was.servers.iter().find(|(name, _)| name == server).map(|(_, work)| work);
        match (before, work) {
            (None, _) => differ.push(format!("{server} was not in it")),
            (Some(Work::Done), Work::PassedOver(why)) => differ.push(format!("{server} is passed over now ({why})")),
            (Some(Work::PassedOver(_)), Work::Done) => differ.push(format!("{server} is worked on now")),
            (Some(_), _) => {}
        }
    }
    let gone = was.servers.iter().filter(|(server, _)| now.servers.iter().all(|(name, _)| name != server));
    differ.extend(gone.map(|(server, _)| format!("{server} is not in it any more")));
    let names = |request: &Request| request.servers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if differ.is_empty() && names(was) != names(now) {
        differ.push("the servers come in another order".to_owned());
    }
    let more = differ.len().saturating_sub(MOST_NAMED);
    differ.truncate(MOST_NAMED);
    if more > 0 {
        differ.push(format!("and {more} more"));
    }
    differ
}
