//! Whether a scenario is about the servers and services of a plan: nothing would become of what it says of others.

use crate::scenario::{FaultEffect, Scenario};
use crate::world::service_names_of;
use orchestrate_model::{Change, ServiceName};

impl Scenario {
    /// Says what the scenario names that the lab of a plan does not have, or what it leaves open.
    ///
    /// # Errors
    /// The key and the name.
    pub fn fits(&self, change: &Change) -> Result<(), String> {
        let faulty = self.faults.iter().filter_map(|fault| fault.server.as_ref());
        let mut servers = self.servers.keys().chain(self.installer.leaves_out.keys()).chain(faulty);
        if let Some(name) = servers.find(|name| !change.pools.iter().any(|pool| pool.server(name).is_some())) {
            return Err(format!("the plan has no server {name}"));
        }
        let mut pools = self.balancers.keys().chain(self.readiness.keys()).chain(self.load.pools.keys());
        if let Some(name) = pools.find(|name| change.pool(name).is_none()) {
            return Err(format!("the plan has no pool {name}"));
        }
        let have = service_names_of(change, self);
        if let Some((key, name)) = self.services_named().into_iter().find(|(_, name)| !have.contains(*name)) {
            return Err(format!(
                "no server of the plan has the service {name} (`{key}`); `services.also` gives it to those of its role"
            ));
        }
        if self.faults.iter().any(|fault| fault.effect == FaultEffect::ReturnValue && fault.value.is_none()) {
            return Err("a fault with `effect: return-value` needs `value`, which the method returns".to_owned());
        }
        Ok(())
    }

    /// The services that the scenario says something of, each with the key that does.
    fn services_named(&self) -> Vec<(String, &ServiceName)> {
        let services = &self.services;
        let depends = services.depends_on.iter().flat_map(|(name, on)| std::iter::once(name).chain(on));
        let common: [(&str, Vec<&ServiceName>); 11] = [
            ("services.depends_on", depends.collect()),
            ("services.display", services.display.keys().collect()),
            ("services.start_types", services.start_types.keys().collect()),
            ("services.start_s", services.start_s.keys().collect()),
            ("services.pause_s", services.pause_s.keys().collect()),
            ("services.refuse_pause", services.refuse_pause.keys().collect()),
            ("services.refuse_stop", services.refuse_stop.keys().collect()),
            ("services.refuse_start", services.refuse_start.keys().collect()),
            ("services.refuse_continue", services.refuse_continue.keys().collect()),
            ("services.refuse_automatic", services.refuse_automatic.keys().collect()),
            ("load.services", self.load.services.keys().collect()),
        ];
        let common =
            common.into_iter().flat_map(|(key, names)| names.into_iter().map(move |name| (key.to_owned(), name)));
        let own = self.servers.iter().flat_map(|(server, own)| {
            let states = own.states.keys().map(|name| ("states", name));
            let starts = own.start_types.keys().map(|name| ("start_types", name));
            let endless = own.endless.keys().map(|name| ("endless", name));
            let without = own.without.iter().map(|name| ("without", name));
            let all = states.chain(starts).chain(endless).chain(without);
            all.map(move |(key, name)| (format!("servers.{server}.{key}"), name))
        });
        common.chain(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(scenario: &str) -> String {
        let change = crate::world::tests::a_change();
        let scenario: Scenario = serde_json::from_str(scenario).unwrap();
        scenario.fits(&change).expect_err("it does not fit")
    }

    #[test]
    fn a_scenario_of_what_the_plan_does_not_have_is_refused_with_its_key() {
        for key in ["start_s", "pause_s", "refuse_pause", "refuse_stop", "refuse_start", "refuse_continue"] {
            let why = refused(&format!(r#"{{"services": {{"{key}": {{"RTCSRVV": 5}}}}}}"#));
            assert!(why.contains("RTCSRVV") && why.contains(&format!("`services.{key}`")), "{why}");
        }
        let why = refused(r#"{"load": {"services": {"NOSUCH": {"sessions": 1, "mean_min": 1, "longest_min": 1}}}}"#);
        assert!(why.contains("NOSUCH") && why.contains("`load.services`"), "{why}");
        assert!(refused(r#"{"load": {"pools": {"no.such.example": 1.0}}}"#).contains("no pool no.such.example"));
        assert!(refused(r#"{"servers": {"no.such.example": {}}}"#).contains("no server no.such.example"));
    }

    #[test]
    fn a_method_that_returns_a_value_says_which() {
        let why = refused(r#"{"faults": [{"operation": "PauseService", "effect": "return-value"}]}"#);
        assert!(why.contains("`value`"), "{why}");
    }

    #[test]
    fn what_the_lab_gives_to_its_servers_may_be_named() {
        let change = crate::world::tests::a_change();
        let scenario = r#"{"services": {"also": ["APPBESIDE"], "pause_s": {"APPBESIDE": 5, "rtcsrv": 3}}}"#;
        let scenario: Scenario = serde_json::from_str(scenario).unwrap();
        scenario.fits(&change).unwrap();
    }
}
