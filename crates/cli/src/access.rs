//! How servers are reached, apart from what is done to them: it may change while a run is unfinished.

use orchestrate_model::pool::Balancer;
use orchestrate_model::{Change, Pool};

/// Returns a change with the access of another one: transport, port, logon, authorities and pins of its pools, addresses
/// and pins of its servers, where its balancers listen, who is told, and how alerts are silenced. What is not in the other one stays.
pub(crate) fn taken_from(change: &Change, other: &Change) -> Change {
    let mut taken = change.clone();
    // Which of the servers a start has chosen is no part of how they are reached, nor of what is done to each.
    taken.only.clone_from(&other.only);
    taken.notify = other.notify.clone();
    taken.silences = other.silences.clone();
    for pool in &mut taken.pools {
        let Some(from) = other.pools.iter().find(|from| from.name == pool.name) else { continue };
        pool.access = from.access.clone();
        if let (Balancer::Haproxy(ours), Balancer::Haproxy(theirs)) =
            (&mut pool.load_balancing.balancer, &from.load_balancing.balancer)
        {
            // An HAProxy that was not there before is another balancer, and no other way to the same one.
            if ours.sites.len() == theirs.sites.len() {
                for (ours, theirs) in ours.sites.iter_mut().zip(&theirs.sites) {
                    // What is recorded of it goes by its first address.
                    let now = theirs.reached_at();
                    ours.moved_to = (now != ours.address).then(|| now.to_owned());
                }
            }
        }
        for server in &mut pool.servers {
            if let Some(from) = from.servers.iter().find(|from| from.name == server.name) {
                server.addresses = from.addresses.clone();
                server.pins = from.pins.clone();
            }
        }
    }
    taken
}

/// Returns whether both are the same work, however the servers are reached.
pub(crate) fn is_same_work(change: &Change, other: &Change) -> bool {
    by_now(taken_from(change, other)) == by_now(other.clone())
}

/// Returns a change whose balancers go by where they listen by now.
fn by_now(mut change: Change) -> Change {
    for pool in &mut change.pools {
        if let Balancer::Haproxy(haproxy) = &mut pool.load_balancing.balancer {
            for site in &mut haproxy.sites {
                site.address = site.moved_to.take().unwrap_or_else(|| std::mem::take(&mut site.address));
            }
        }
    }
    change
}

/// Returns the pools that another change reaches in another way.
pub(crate) fn differences<'a>(change: &'a Change, other: &Change) -> Vec<&'a Pool> {
    let taken = taken_from(change, other);
    change.pools.iter().zip(&taken.pools).filter(|(before, now)| before != now).map(|(before, _)| before).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = include_str!("../../../plans/contoso-front-end.yaml");

    fn change(text: &str) -> Change {
        orchestrate_config::parse("plan.yaml", text.as_bytes()).unwrap().change
    }

    #[test]
    fn how_servers_are_reached_may_change_and_what_is_done_may_not() {
        let before = change(PLAN);
        let access = "winrm: {transport: http, credentials: {env: MAINTENANCE}}";
        assert!(PLAN.contains(access), "the plan reaches its servers in another way");
        let pin = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff".repeat(2).replace("ff00", "ff:00");
        let pinned = format!("winrm: {{auth: basic, pin: \"{pin}\", credentials: {{file: /etc/maintenance}}}}");
        let reached = change(&PLAN.replace(access, &pinned));
        assert!(reached != before && is_same_work(&before, &reached));
        assert_eq!(taken_from(&before, &reached), reached);
        let names: Vec<String> = differences(&before, &reached).iter().map(|pool| pool.name.to_string()).collect();
        assert_eq!(names, ["pool01.contoso.example"]);
        let moved = change(&PLAN.replace("192.0.2.10:9999", "192.0.2.19:9999"));
        assert!(moved != before && is_same_work(&before, &moved) && is_same_work(&taken_from(&before, &moved), &moved));
        let Balancer::Haproxy(haproxy) = &taken_from(&before, &moved).pools[0].load_balancing.balancer else {
            panic!("the plan has an HAProxy")
        };
        assert_eq!(haproxy.sites[0].address, "192.0.2.10:9999", "what is recorded of it goes by its first address");
        assert_eq!(haproxy.sites[0].reached_at(), "192.0.2.19:9999");
        let back = taken_from(&taken_from(&before, &moved), &before);
        assert_eq!(back, before, "it has moved back");
        let other = change(&PLAN.replace("scope: all-services", "scope: {services: [RTCSRV]}"));
        assert!(!is_same_work(&before, &other));
        assert!(differences(&before, &before).is_empty());
    }
}
