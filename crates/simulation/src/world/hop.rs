//! Hosts whose product does not answer in a remote shell, because the logon does not go on to a second machine; a
//! scheduled task answers there.

use super::{HOUR, MINUTE, Ms, World};
use crate::dice::Dice;
use crate::faults::Fault;
use orchestrate_model::observe::Part;
use orchestrate_model::pool::{
    Access, ChannelBinding, Cmdlets, CredentialSource, KerberosNames, TaskAccount, Transport, WinrmAccess, WinrmAuth,
};
use orchestrate_model::{Answer, Ask, Change, Product, ServerObservation};

/// Makes dice of their own, so that the nights of older seeds stay as they were.
const HOP: u64 = 0x686F_7000_0000_0000;

/// Has the product asked in tasks, in some nights in which a shell gets no answer.
pub(crate) fn draw_way(change: &mut Change, seed: u64) {
    if !Dice::new(seed ^ HOP).chance(0.4) {
        return;
    }
    for pool in &mut change.pools {
        pool.access = Access::Winrm(WinrmAccess {
            transport: Transport::Http,
            port: None,
            auth: WinrmAuth::Negotiate,
            credentials: CredentialSource::Env("MAINTENANCE".to_owned()),
            ca: None,
            pins: Vec::new(),
            channel_binding: ChannelBinding::Auto,
            kerberos: KerberosNames::default(),
            cmdlets: Cmdlets::Task(TaskAccount::System),
        });
    }
}

impl World {
    /// Draws from when to when the product does not answer in a shell: from the start, or from when somebody takes the
    /// delegation away.
    pub(crate) fn draw_hop(&mut self, seed: u64) {
        if self.faults.has(Fault::SecondHop) {
            let mut dice = Dice::new(seed ^ HOP ^ 1);
            let from = if dice.chance(0.4) { 0 } else { dice.between(0, 4 * HOUR) };
            self.hop = Some((from, from + dice.between(2 * MINUTE, 3 * HOUR)));
        }
    }

    /// Leaves out what the product does not answer in a shell.
    pub(super) fn without_product(&self, at: usize, ask: &Ask, value: &mut ServerObservation) {
        let now: Ms = self.now;
        let pool = &self.change.pools[self.machines[at].pool];
        let in_session = match &pool.access {
            Access::Winrm(access) => access.cmdlets == Cmdlets::Session,
            Access::Unstated => true,
        };
        let is_time = self.faulty && self.hop.is_some_and(|(from, until)| (from..until).contains(&now));
        if !is_time || !in_session || pool.product == Product::Generic {
            return;
        }
        let why = "the cmdlet was not let in at the directory";
        if ask.wants(Part::Readiness) {
            value.readiness = Answer::unknown(why);
        }
        if ask.wants(Part::Replication) {
            value.replication = Answer::unknown(why);
        }
        if ask.wants(Part::Fabric) {
            value.fabric = Answer::unknown(why);
        }
        if ask.wants(Part::CentralManagement) {
            value.central_management = Answer::unknown(why);
        }
    }
}
