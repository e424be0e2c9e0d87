//! Two control hosts never work on one pool at once (promise P12), whatever leases say.

use super::Oracle;
use crate::world::{MINUTE, Ms, World};
use orchestrate_model::Act;
use orchestrate_model::observe::BalancerState;
use serde_json::Value;
use std::collections::BTreeMap;

/// How long after its last act a control host counts as at work, lease or not. Less than a lease lasts: one that was
/// killed has left nothing else behind.
const AT_WORK: Ms = 25 * MINUTE;

/// Which control host has which machine in hand, with the time of its last act.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    in_hand: BTreeMap<usize, (u32, Ms)>,
}

impl World {
    /// A control host asks for a change of a machine.
    pub(crate) fn oracle_host(&mut self, at: usize, act: &Act, host: u32) {
        let now = self.now;
        let pool = self.machines[at].pool;
        // What is out already is brought to its end, or back, wherever else in the pool another works meanwhile.
        let begins = self.machines[at].serves() && takes_away(act);
        let another = self.oracle.hosts.in_hand.iter().find(|(other, (of, last))| {
            let machine = &self.machines[**other];
            let holds = machine.lease.is_some_and(|(keeper, until)| keeper == *of && until > now);
            let concerns = **other == at || (begins && machine.pool == pool);
            *of != host && concerns && (holds || now - last < AT_WORK)
        });
        if let Some((other, (of, _))) = another {
            let (name, theirs) = (&self.machines[at].name, &self.machines[*other].name);
            let text = format!("control host {host}: {act} on {name}, while control host {of} works on {theirs}");
            self.oracle.breach("P12", now, text);
        }
        self.oracle.hosts.in_hand.insert(at, (host, now));
    }

    /// A line of the journal of a control host is on disk: its work on a machine may be over.
    pub(crate) fn read_host_line(&mut self, line: &[u8], host: u32) {
        let text = String::from_utf8_lossy(line);
        if !text.contains("\"kind\":\"server_ended\"") {
            return;
        }
        let Ok(entry) = serde_json::from_str::<Value>(&text) else { return };
        let record = &entry["record"];
        let work = record["work"].as_u64().and_then(|work| usize::try_from(work).ok());
        let Some(at) = work.and_then(|work| self.oracle.work.get(work)).copied() else { return };
        self.oracle.hosts.part(at, host, record["end"]["as"] == "out");
    }
}

fn takes_away(act: &Act) -> bool {
    match act {
        Act::Pause { .. } | Act::Stop { .. } | Act::StartInstaller(_) | Act::Restart { .. } => true,
        Act::SetBalancer { to, .. } => *to != BalancerState::Ready,
        Act::SetStartType { .. } | Act::Continue { .. } | Act::Start { .. } => false,
    }
}

impl Hosts {
    /// A server that was left out stays in hand until its lease has run out.
    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    fn part(&mut self, at: usize, host: u32, out: bool) {
        if !out && self.in_hand.get(&at).is_some_and(|(of, _)| *of == host) {
            self.in_hand.remove(&at);
        }
    }
}

impl Oracle {
    /// A machine is in the hands of a control host from now on.
    pub(crate) fn in_hand(&mut self, at: usize, host: u32, now: Ms) {
        self.hosts.in_hand.insert(at, (host, now));
    }

    /// The work of a control host on a machine is over.
    pub(crate) fn out_of_hand(&mut self, at: usize, host: u32) {
        self.hosts.part(at, host, false);
    }
}
