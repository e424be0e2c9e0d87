//! Random changes and nights for the hunt: small pools of several kinds, every setting of a plan in turn.

use crate::dice::Dice;
use crate::drive::CrashAt;
use crate::faults::{Fault, Faults};
use crate::operator::Orders;
use crate::world::{
    HOUR, LEVELS, MINUTE, Ms, Pace, PausedFrontEnd, SECOND, Sessions, Setup, World, draw_alone, draw_entry, draw_way,
    service_names,
};
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::Command;
use orchestrate_model::change::{
    AtDeadline, Drain, HoldCause, HoldChoice, Maintenance, Patch, PendingRestart, PoolUnsafe, RestartPoint,
    RestartPolicy, Scope, SharedBudget, StartTypePolicy, StopWhen, WindowFit,
};
use orchestrate_model::pool::{
    Access, Away, AwayCounts, Balancer, DnsSettings, First, HaproxyBalancer, HaproxySite, LoadBalancing, SipBalancing,
    Then,
};
use orchestrate_model::window::{Freeze, Recurrence, Window};
use orchestrate_model::{
    Change, DnsName, Label, Level, Pool, PoolName, Product, Role, Server, ServerName, UpgradeDomain, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Everything about one simulated night.
pub(crate) struct Scenario {
    pub(crate) world: World,
    pub(crate) change: Arc<Change>,
    pub(crate) attended: bool,
    pub(crate) orders: Orders,
    /// Where the starts of orchestrate are killed, by start.
    pub(crate) crashes: Vec<CrashAt>,
    /// When somebody else takes the pools over.
    pub(crate) takeover: Option<Ms>,
    /// From when on the machine of orchestrate stands still, and for how long.
    pub(crate) sleeps: Vec<(Ms, Ms)>,
    pub(crate) dice: Dice,
}

/// When every simulated night begins.
pub(crate) fn origin() -> Timestamp {
    "2026-11-28T22:00:00Z".parse().expect("the origin is a time")
}

impl Scenario {
    pub(crate) fn by_seed(seed: u64, more: &[Fault]) -> Self {
        let mut dice = Dice::new(seed);
        let mut faults = Faults::by(&mut dice);
        // Dice of their own: what was added later leaves the nights of older seeds as they were.
        let mut later = Dice::new(seed ^ LATER);
        faults.more(&mut later);
        faults.alone(seed);
        let mut latest = Dice::new(seed ^ LATEST);
        faults.latest(&mut latest);
        let mut meanwhile = Dice::new(seed ^ MEANWHILE);
        faults.meanwhile(&mut meanwhile);
        faults.add(more);
        let mut balancers = Dice::new(seed ^ BALANCERS);
        faults.at_balancers(&mut balancers);
        let mut change = change(&mut dice);
        several_backends(&mut change, &mut balancers);
        change.maintenance.pool_unsafe = meanwhile.pick(&[PoolUnsafe::Stop, PoolUnsafe::Stop, PoolUnsafe::Wait]);
        crate::several::draw(&mut change, seed);
        let opens = restrict(&mut change, &mut later);
        if faults.has(Fault::SecondHop) {
            draw_way(&mut change, seed);
        }
        if faults.has(Fault::NoDrainingState) {
            draw_alone(&mut change, seed);
        }
        if faults.has(Fault::RefusedForHours) {
            draw_web(&mut change, seed);
        }
        let due = draw_restart_first(&mut change, seed);
        draw_fit(&mut change, seed);
        draw_entry(&mut change, seed);
        draw_ask(&mut change, seed);
        draw_on_hold(&mut change, seed);
        draw_away(&mut change, seed);
        draw_first(&mut change, seed);
        draw_only(&mut change, seed);
        let mut change = Arc::new(change);
        let heals = dice.chance(0.75).then(|| dice.between(20 * MINUTE, 7 * HOUR));
        let sessions = Sessions { most: dice.between(0, 8), mean: dice.between(2 * MINUTE, 25 * MINUTE) };
        let pace = if dice.chance(0.85) { Pace::Uneven } else { Pace::Smooth };
        let setup = Setup { origin: origin(), change: change.clone(), faults: faults.clone(), sessions, pace, heals };
        let mut world = World::new(setup, dice.fork());
        let beside = details(&mut world, &mut dice);
        if beside && !later.chance(0.15) {
            // The plan says how its sessions are counted. Where it does not, the run must not begin a server that has it.
            let measured = with_measure(&change, "BESIDE");
            (world.change, change) = (measured.clone(), measured);
        }
        if world.faults.has(Fault::ForeignLeftovers) {
            world.leave_something_behind();
        }
        odd_balancers(&mut world, &mut balancers);
        world.remember_originals();
        world.draw_refusals(&mut latest);
        world.draw_hop(seed);
        world.exchanges = seed;
        world.draw_stateless(seed);
        world.draw_narrow(seed);
        world.draw_lasting_refusals(seed);
        for (machine, due) in world.machines.iter_mut().zip(due) {
            machine.restart_due = due;
        }
        let sleeps = sleeps(&faults, &mut latest);
        world.paused_front_end = meanwhile.pick(&[PausedFrontEnd::Active, PausedFrontEnd::Inactive]);
        world.oracle.open = opens;
        let crashes = crashes(&faults, &mut dice);
        let takeover = dice.chance(faults.rate(Fault::Takeover) * 0.7).then(|| dice.between(MINUTE, 4 * HOUR));
        let attended = dice.chance(0.6);
        let servers: Vec<ServerName> = world.by_name.keys().cloned().collect();
        let orders = orders(&servers, &mut dice);
        Self { world, change, attended, orders, crashes, takeover, sleeps, dice }
    }
}

impl Scenario {
    /// A night of somebody's own change, with these faults.
    pub(crate) fn of(change: &Arc<Change>, faults: Faults, begins: (Timestamp, Sessions), seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (origin, sessions) = begins;
        let setup = Setup {
            origin,
            change: change.clone(),
            faults: faults.clone(),
            sessions,
            pace: Pace::Smooth,
            heals: Some(8 * HOUR),
        };
        let mut world = World::new(setup, dice.fork());
        let returning = faults.rate(Fault::ReturningSessions);
        for service in world.machines.iter_mut().flat_map(|machine| &mut machine.services) {
            service.returning = dice.chance(returning);
        }
        if world.faults.has(Fault::ForeignLeftovers) {
            world.leave_something_behind();
            world.remember_originals();
        }
        let mut latest = Dice::new(seed ^ LATEST);
        world.draw_refusals(&mut latest);
        world.draw_hop(seed);
        world.exchanges = seed;
        world.draw_stateless(seed);
        world.draw_narrow(seed);
        world.draw_lasting_refusals(seed);
        let sleeps = sleeps(&faults, &mut latest);
        let crashes = crashes(&faults, &mut dice);
        let takeover = faults.has(Fault::Takeover).then(|| dice.between(MINUTE, 4 * HOUR));
        let change = change.clone();
        Self { world, change, attended: false, orders: Vec::new(), crashes, takeover, sleeps, dice }
    }
}

/// When the machine of orchestrate stands still, and for how long.
fn sleeps(faults: &Faults, dice: &mut Dice) -> Vec<(Ms, Ms)> {
    let (rate, mut from, mut sleeps) = (faults.rate(Fault::Suspended), 0, Vec::new());
    while sleeps.len() < 4 && dice.chance(rate * 0.7) {
        from += dice.between(SECOND, 2 * HOUR);
        let long = dice.between(2 * MINUTE, 90 * MINUTE);
        sleeps.push((from, long));
        from += long;
    }
    sleeps
}

/// The same for what was added last.
const LATEST: u64 = 0x6C61_7465_7374_0000;

/// Makes the dice for what has to fit into a window others than those of the seed.
const FIT: u64 = 0x6669_7400_0000_0000;

/// In some nights the plan has what a server likely takes fit into its window.
fn draw_fit(change: &mut Change, seed: u64) {
    if Dice::new(seed ^ FIT).chance(0.15) {
        change.maintenance.fit = WindowFit::Likely;
    }
}

/// Makes the dice for choices by cause others than those of the seed.
const ON_HOLD: u64 = 0x686F_6C64_0000_0000;

/// In some nights the plan chooses for some causes of holds apart.
fn draw_on_hold(change: &mut Change, seed: u64) {
    let mut dice = Dice::new(seed ^ ON_HOLD);
    if !dice.chance(0.2) {
        return;
    }
    for cause in HoldCause::ALL {
        if dice.chance(0.4) {
            let choice = dice.pick(cause.choices());
            change.maintenance.on_hold.by_cause.insert(*cause, choice);
        }
    }
}

/// Makes the dice for deadlines at which a person is asked others than those of the seed.
const ASK: u64 = 0x61_736b;

/// In some nights a person decides at the deadline of a drain how long it goes on, and who is cut.
fn draw_ask(change: &mut Change, seed: u64) {
    if Dice::new(seed ^ ASK).chance(0.12) {
        change.maintenance.drain.at_deadline = AtDeadline::Ask;
    }
}

/// Makes the dice for servers that are away others than those of the seed.
const AWAY: u64 = 0x6177_6179;

/// In some nights the plan says of a server of a pool of three or more that it is dead.
fn draw_away(change: &mut Change, seed: u64) {
    let mut dice = Dice::new(seed ^ AWAY);
    for pool in &mut change.pools {
        if pool.servers.len() > 2 && dice.chance(0.12) {
            let counts = if dice.chance(0.8) { AwayCounts::BesideBudget } else { AwayCounts::InBudget };
            let at = dice.place(pool.servers.len());
            pool.servers[at].away = Some(Away { reason: "hardware, CHG2".to_owned(), counts });
        }
    }
}

/// Makes the dice for servers that go first others than those of the seed.
const FIRST: u64 = 0x6669_7273;

/// In some nights a server of a pool goes first.
fn draw_first(change: &mut Change, seed: u64) {
    let mut dice = Dice::new(seed ^ FIRST);
    for pool in &mut change.pools {
        if !dice.chance(0.15) {
            continue;
        }
        let at = dice.place(pool.servers.len());
        let then = match dice.place(3) {
            0 => Then::Usual,
            1 => Then::Soak(minutes(&mut dice, 0, 40)),
            _ => Then::Ask,
        };
        let server = &pool.servers[at];
        if dice.chance(0.3) {
            let mut names: Vec<ServerName> = pool.servers.iter().map(|server| server.name.clone()).collect();
            names.rotate_left(at);
            pool.order = names;
        }
        pool.first = server.away.is_none().then(|| First { server: server.name.clone(), then });
    }
}

/// Makes the dice for servers that are chosen others than those of the seed.
const ONLY: u64 = 0x6f6e_6c79;

/// Some nights work on some of the servers.
fn draw_only(change: &mut Change, seed: u64) {
    let mut dice = Dice::new(seed ^ ONLY);
    if !dice.chance(0.08) {
        return;
    }
    let present = change.pools.iter().flat_map(Pool::present).map(|server| server.name.clone());
    let present: Vec<ServerName> = present.collect();
    let only: BTreeSet<ServerName> = present.iter().filter(|_| dice.chance(0.5)).cloned().collect();
    if only.len() < present.len() {
        change.only = only;
    }
}

/// Makes the dice for restarts that are due others than those of the seed.
const DUE: u64 = 0x6475_6520_6675_6C6C;

/// In some nights with an installer has the plan make restarts that are due first, and returns on which servers one is.
fn draw_restart_first(change: &mut Change, seed: u64) -> Vec<bool> {
    let mut dice = Dice::new(seed ^ DUE);
    let whole = change.maintenance.scope == Scope::AllServices;
    let Some(patch) = change.maintenance.installers.first_mut().filter(|_| whole && dice.chance(0.15)) else {
        return Vec::new();
    };
    patch.pending_restart = PendingRestart::RestartFirst;
    change.pools.iter().flat_map(|pool| &pool.servers).map(|_| dice.chance(0.6)).collect()
}

/// Makes the dice for what was added later others than those of the seed.
const LATER: u64 = 0x6C61_7465_7200_0000;

/// The same, for what was added about balancers.
const BALANCERS: u64 = 0x6261_6C61_6E63_6572;

/// Makes the dice for the balancers of front ends others than those of the seed.
const WEB: u64 = 0x7765_6200_0000_0000;

/// Puts the HTTP(S) of most front ends behind a balancer, where whole servers go: chosen services do not concern it.
fn draw_web(change: &mut Change, seed: u64) {
    if change.maintenance.scope != Scope::AllServices {
        return;
    }
    let mut dice = Dice::new(seed ^ WEB);
    for pool in change.pools.iter_mut().filter(|pool| pool.role == Role::FrontEnd) {
        if dice.chance(0.7) {
            pool.load_balancing.balancer = Balancer::Haproxy(HaproxyBalancer::one("192.0.2.252:9999", "web"));
        }
    }
}

/// Lets some pools stand behind two backends, or two balancers, or both.
fn several_backends(change: &mut Change, dice: &mut Dice) {
    for pool in &mut change.pools {
        let Balancer::Haproxy(haproxy) = &mut pool.load_balancing.balancer else { continue };
        if dice.chance(0.3) {
            haproxy.sites[0].backends.push("app-ext".to_owned());
        }
        if dice.chance(0.3) {
            let backends = haproxy.sites[0].backends.clone();
            haproxy.sites.push(HaproxySite { address: "192.0.2.251:9999".to_owned(), moved_to: None, backends });
        }
    }
}

/// Makes some balancers odd from the beginning, and some between the preview and the run: a preview refuses what it sees.
fn odd_balancers(world: &mut World, dice: &mut Dice) {
    for pool in &mut world.pools {
        let swapped = dice.chance(world.faults.rate(Fault::BalancerSwapped));
        let (one, other) = (dice.place(pool.machines.len()), dice.place(pool.machines.len()));
        let swapped = (swapped && one != other).then(|| (pool.machines[one], pool.machines[other]));
        let unnamed = dice.chance(world.faults.rate(Fault::BackendUnnamed));
        if dice.chance(0.5) {
            (pool.balancer.swapped, pool.balancer.unnamed) = (swapped, unnamed);
        } else {
            pool.balancer.after_preview = Some((swapped, unnamed));
        }
    }
}
/// The same for what happens to a pool while a server of it is out.
const MEANWHILE: u64 = 0x6D65_616E_7768_696C;

/// Lets some windows open later, and freezes some nights from midnight on. Returns when work may be done.
fn restrict(change: &mut Change, dice: &mut Dice) -> Option<Vec<(Ms, Ms)>> {
    let (late, frozen) = (dice.chance(0.15), dice.chance(0.06));
    let by = dice.between(10, 80);
    let window = change.windows.first_mut();
    let mut open = window.map(|window| {
        let by = if late { by } else { 0 };
        window.start = window.start.wrapping_add(SignedDuration::from_mins(by));
        (by * MINUTE, by * MINUTE + ms(window.duration))
    });
    if !frozen {
        return open.map(|open| vec![open]);
    }
    let night = origin().to_zoned(jiff::tz::TimeZone::UTC).date();
    let tomorrow = night.tomorrow().expect("the night of the simulation is not the last of all");
    change.freezes = vec![Freeze::days(tomorrow, tomorrow, "stock-taking")];
    let midnight = 2 * HOUR;
    match &mut open {
        None => Some(vec![(0, midnight), (midnight + 24 * HOUR, Ms::MAX / 8)]),
        Some((_, closes)) => {
            *closes = midnight.min(*closes);
            open.map(|open| vec![open])
        }
    }
}

fn ms(length: SignedDuration) -> Ms {
    Ms::try_from(length.as_millis()).unwrap_or(Ms::MAX / 8)
}

/// Returns whether servers have a service that the catalogue does not know.
fn details(world: &mut World, dice: &mut Dice) -> bool {
    let returning = world.faults.rate(Fault::ReturningSessions);
    let dependent = dice.chance(0.4);
    let beside = dice.chance(0.2);
    for machine in &mut world.machines {
        for service in &mut machine.services {
            service.returning = dice.chance(returning);
        }
        let count = machine.services.len();
        let others: Vec<usize> = (1..count).filter(|place| machine.services[*place].scope).collect();
        if dependent && !others.is_empty() && machine.services[0].scope {
            let name = machine.services[dice.pick(&others)].name.clone();
            machine.services[0].dependents.push(name);
        }
        // A service that no catalogue knows: it depends on one in scope, as only the server itself says.
        if beside && machine.services[0].scope {
            let mut extra = machine.services[0].clone();
            extra.name = service_names(&["BESIDE"]).remove(0);
            (extra.serving, extra.says_draining, extra.dependents) = (false, false, Vec::new());
            machine.services[0].dependents.push(extra.name.clone());
            machine.services.push(extra);
        }
    }
    beside
}

fn with_measure(change: &Change, service: &str) -> Arc<Change> {
    let mut change = change.clone();
    for pool in &mut change.pools {
        pool.measures.insert(service_names(&[service]).remove(0), vec!["sessions".to_owned()]);
    }
    Arc::new(change)
}

fn crashes(faults: &Faults, dice: &mut Dice) -> Vec<CrashAt> {
    let rate = faults.rate(Fault::Crash);
    let mut crashes = Vec::new();
    while crashes.len() < 4 && dice.chance(rate * 0.4) {
        let record = u64::try_from(dice.between(1, 120)).unwrap_or(1);
        crashes.push(match dice.place(6) {
            0 => CrashAt::BeforeRecord(record),
            1 => CrashAt::TornRecord(record, dice.real()),
            2 | 3 => CrashAt::AfterRecord(record),
            4 => CrashAt::AfterAct(record / 2 + 1),
            _ => CrashAt::Time(dice.between(SECOND, 3 * HOUR)),
        });
    }
    crashes
}

fn orders(servers: &[ServerName], dice: &mut Dice) -> Orders {
    let mut orders = Vec::new();
    while orders.len() < 3 && dice.chance(0.2) {
        let by = "the operator".to_owned();
        let command = match dice.place(5) {
            0 | 1 => Command::Stop { by },
            2 => Command::StopNow { by },
            3 => Command::Hold { server: None, by },
            _ => Command::Hold { server: Some(servers[dice.place(servers.len())].clone()), by },
        };
        orders.push((dice.between(MINUTE, 4 * HOUR), command));
    }
    orders
}

/// Returns a change that patches a front end pool of so many servers: for benches, tests and trials of
/// [`crate::simulate`].
///
/// # Panics
/// Never for fewer than two hundred servers.
#[must_use]
pub fn example_change(servers: u32) -> Change {
    let mut dice = Dice::new(0);
    let pool = Pool { servers: self::servers("fe", 2, i64::from(servers), None), ..front_end(&mut dice) };
    let drain = Drain {
        deadline: SignedDuration::from_mins(120),
        at_deadline: AtDeadline::Hold,
        stuck_after: SignedDuration::from_mins(30),
        per_service: BTreeMap::new(),
        by_sessions_alone: BTreeSet::new(),
    };
    Change {
        name: "example".to_owned(),
        reason: "CHG1".to_owned(),
        pools: vec![pool],
        maintenance: Maintenance {
            start_type: StartTypePolicy::Manual,
            drain,
            installers: vec![patch(&mut dice)],
            restart: RestartPolicy::WhenNeeded,
            soak: SignedDuration::from_mins(5),
            on_hold: HoldChoice::Stop.into(),
            ..maintenance(&mut dice)
        },
        budgets: Vec::new(),
        stop_when: StopWhen { failed: 1 },
        windows: Vec::new(),
        freezes: Vec::new(),
        notify: Vec::new(),
        silences: Vec::new(),
        approvals: None,
        emergency: None,
        only: BTreeSet::new(),
        dns: DnsSettings::default(),
    }
}

/// A change that only blocks and returns the servers of a small pool with one service.
#[cfg(test)]
pub(crate) fn small_change(servers: usize, at_once: u32) -> Change {
    let service = service_names(&["APPSRV"]);
    let count = i64::try_from(servers).expect("a small number");
    let pool = Pool {
        name: PoolName::new("app.contoso.example").expect("a pool name"),
        load_balancing: by(SipBalancing::Hardware),
        servers: self::servers("app", 1, count, None),
        measures: BTreeMap::from([(service[0].clone(), vec!["sessions".to_owned()])]),
        extra_services: service,
        ..unstated()
    };
    let mut change = example_change(2);
    change.pools = vec![pool];
    change.maintenance.at_once = at_once;
    change.maintenance.installers = Vec::new();
    change.maintenance.restart = RestartPolicy::Never;
    change.maintenance.soak = SignedDuration::ZERO;
    change
}

fn minutes(dice: &mut Dice, low: i64, high: i64) -> SignedDuration {
    SignedDuration::from_mins(dice.between(low, high))
}

fn change(dice: &mut Dice) -> Change {
    let kind = dice.place(10);
    let (pools, scope) = match kind {
        0..=5 => (vec![generic("app", 1, dice)], Scope::AllServices),
        6 => {
            let mut pools = vec![generic("app", 1, dice), generic("web", 2, dice)];
            for pool in &mut pools {
                pool.labels.insert(Label::new("site").expect("a label"));
            }
            (pools, Scope::AllServices)
        }
        7 => (vec![front_end(dice)], Scope::Services(service_names(&["RTCRGS", "RTCCPS"]))),
        _ => (vec![front_end(dice)], Scope::AllServices),
    };
    let whole = scope == Scope::AllServices;
    let shared = pools.len() > 1;
    let smallest = pools.iter().map(|pool| pool.servers.len()).min().unwrap_or(2);
    let wide = smallest > 2 && dice.chance(0.3);
    let patch = (whole && dice.chance(0.8)).then(|| patch(dice));
    let budget = || SharedBudget { label: Label::new("site").expect("a label"), at_once: 1 };
    Change {
        name: "simulated".to_owned(),
        reason: "CHG1".to_owned(),
        maintenance: Maintenance {
            at_once: if wide { 2 } else { 1 },
            restart: restart(&scope, patch.as_ref(), dice),
            scope,
            installers: patch.into_iter().collect(),
            ..maintenance(dice)
        },
        pools,
        budgets: if shared { vec![budget()] } else { Vec::new() },
        stop_when: StopWhen { failed: u32::try_from(dice.between(1, 3)).unwrap_or(1) },
        windows: if dice.chance(0.4) { vec![window(dice)] } else { Vec::new() },
        freezes: Vec::new(),
        notify: Vec::new(),
        silences: Vec::new(),
        approvals: None,
        emergency: None,
        only: BTreeSet::new(),
        dns: DnsSettings::default(),
    }
}

fn maintenance(dice: &mut Dice) -> Maintenance {
    let at_deadline = dice.pick(&[AtDeadline::Hold, AtDeadline::Hold, AtDeadline::Return, AtDeadline::Cut]);
    let holds = [HoldChoice::Stop, HoldChoice::Stop, HoldChoice::Retry, HoldChoice::Return, HoldChoice::Abandon];
    Maintenance {
        scope: Scope::AllServices,
        at_once: 1,
        start_type: if dice.chance(0.9) { StartTypePolicy::Manual } else { StartTypePolicy::Keep },
        drain: Drain {
            deadline: minutes(dice, 15, 90),
            at_deadline,
            stuck_after: SignedDuration::from_mins(30),
            per_service: BTreeMap::new(),
            by_sessions_alone: BTreeSet::new(),
        },
        installers: Vec::new(),
        restart: RestartPolicy::Never,
        soak: minutes(dice, 0, 5),
        accept_loss: Vec::new(),
        unmeasured: BTreeMap::new(),
        on_hold: dice.pick(&holds).into(),
        pool_unsafe: PoolUnsafe::Stop,
        fit: WindowFit::Worst,
    }
}

fn restart(scope: &Scope, patch: Option<&Patch>, dice: &mut Dice) -> RestartPolicy {
    match (scope, patch) {
        (Scope::Services(_), _) => RestartPolicy::Never,
        (Scope::AllServices, Some(_)) => {
            dice.pick(&[RestartPolicy::WhenNeeded, RestartPolicy::WhenNeeded, RestartPolicy::Always])
        }
        (Scope::AllServices, None) => dice.pick(&[RestartPolicy::Never, RestartPolicy::Always]),
    }
}

fn patch(dice: &mut Dice) -> Patch {
    let level = Level::Highest(Version::parse(LEVELS[1]).expect("the levels of the simulation are versions"));
    Patch {
        installer: r"C:\CU\Installer.exe".to_owned(),
        arguments: vec!["/silentmode".to_owned()],
        sha256: "00".repeat(32),
        deadline: minutes(dice, 20, 45),
        level: dice.chance(0.7).then_some(level),
        exit_codes: BTreeMap::new(),
        needs_free: Some(1 << 30),
        pending_restart: PendingRestart::Refuse,
        restart: RestartPoint::AtEnd,
    }
}

fn window(dice: &mut Dice) -> Window {
    let begins = origin().to_zoned(jiff::tz::TimeZone::UTC);
    Window {
        every: Recurrence::Once(begins.date()),
        start: begins.time(),
        // Longer than what one server takes at worst, in some nights than what two do.
        duration: minutes(dice, 120, 480) + SignedDuration::from_mins(240),
        timezone: "UTC".to_owned(),
    }
}

fn servers(prefix: &str, net: u8, count: i64, domains: Option<i64>) -> Vec<Server> {
    let server = |number: i64| Server {
        name: ServerName::new(&format!("{prefix}{number}.contoso.example")).expect("a server name"),
        addresses: vec![IpAddr::from([192, 0, net, u8::try_from(number).unwrap_or(1)])],
        upgrade_domain: domains
            .map(|most| UpgradeDomain::new(&format!("UD{}", (number - 1) % most.max(1))).expect("an upgrade domain")),
        hosts: BTreeSet::new(),
        external: BTreeMap::new(),
        pins: Vec::new(),
        away: None,
    };
    (1..=count).map(server).collect()
}

fn generic(prefix: &str, net: u8, dice: &mut Dice) -> Pool {
    let services = service_names(&["APPSRV", "APPWEB", "APPMEDIA"][..dice.pick(&[1, 2, 2, 3])]);
    let haproxy = Balancer::Haproxy(HaproxyBalancer::one("192.0.2.250:9999", "app"));
    Pool {
        name: PoolName::new(&format!("{prefix}.contoso.example")).expect("a pool name"),
        product: Product::Generic,
        role: Role::Generic,
        load_balancing: LoadBalancing {
            balancer: if dice.chance(0.6) { haproxy } else { Balancer::None },
            ..by(SipBalancing::Hardware)
        },
        servers: servers(prefix, net, dice.between(2, 4), None),
        measures: services.iter().map(|name| (name.clone(), vec!["sessions".to_owned()])).collect(),
        extra_services: services,
        ..unstated()
    }
}

fn front_end(dice: &mut Dice) -> Pool {
    let count = dice.between(2, 4);
    let count = if count == 2 { 3 } else { count };
    let domains = dice.chance(0.5).then(|| dice.between(2, 3));
    Pool {
        name: PoolName::new("pool01.contoso.example").expect("a pool name"),
        product: Product::Lync2013,
        role: Role::FrontEnd,
        load_balancing: LoadBalancing { web: DnsName::new("webint.contoso.example").ok(), ..by(SipBalancing::Dns) },
        servers: servers("fe", 2, count, domains),
        ..unstated()
    }
}

fn by(sip: SipBalancing) -> LoadBalancing {
    LoadBalancing { sip, web: None, balancer: Balancer::None, external: BTreeMap::new(), entry: Vec::new() }
}

fn unstated() -> Pool {
    Pool {
        name: PoolName::new("pool.contoso.example").expect("a pool name"),
        product: Product::Generic,
        role: Role::Generic,
        load_balancing: by(SipBalancing::Dns),
        servers: Vec::new(),
        access: Access::Unstated,
        after: Vec::new(),
        labels: BTreeSet::new(),
        paired_with: None,
        next_hop: None,
        accept_outage: None,
        archiving: None,
        first: None,
        order: Vec::new(),
        extra_services: Vec::new(),
        database: None,
        measures: BTreeMap::new(),
    }
}
