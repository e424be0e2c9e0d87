//! Rows about the way to a server: name, listeners, TLS, logon and clock.

use super::{Expected, green, is_without_scripts, length, red, yellow};
use jiff::SignedDuration;
use orchestrate_model::Answer;
use orchestrate_model::pool::Transport;
use orchestrate_model::probe::{
    Answering, Light, Listener, LogonFacts, LogonMechanism, NamesOf, Probe, Protection, Row, Silence, Topic,
};
use std::net::{IpAddr, SocketAddr};

/// Kerberos refuses tickets when clocks differ by more, unless a domain says otherwise.
const KERBEROS: SignedDuration = SignedDuration::from_mins(5);
/// Clocks of machines that take their time from a domain differ by less. More grows, as a rule.
const NOTABLE: SignedDuration = SignedDuration::from_secs(60);
/// How long before its end a certificate is worth a look: renewing one takes people days.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) fn rows(probe: &Probe, expected: &Expected<'_>) -> Vec<Row> {
    let mut rows = vec![name(probe, expected), listeners(probe), transport(probe)];
    rows.extend(tls(probe));
    rows.extend(logon(probe));
    rows.extend(clock(probe));
    rows
}

fn name(probe: &Probe, expected: &Expected<'_>) -> Row {
    let dialled = &probe.way.connect_to;
    let planned = expected.pool.and_then(|pool| pool.server(&probe.server)).map_or(&[][..], |server| &server.addresses);
    let said = |addresses: &[IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let by_address = dialled.parse::<SocketAddr>().is_ok();
    let (has, have, todo) = match probe.addresses_by {
        NamesOf::Machine => (
            "this machine has",
            "of this machine",
            "check the name, or state where the server is: `servers: {NAME: {address: IP}}` in the plan, or `--address`; where other name servers \
             know it, name them in the plan (`dns: resolvers`)",
        ),
        NamesOf::Plan => (
            "the name servers of the plan have",
            "of the plan's name servers",
            "check the name and `dns: resolvers` in the plan, or state where the server is: `address`",
        ),
    };
    match &probe.addresses {
        Answer::Known(found) if !found.is_empty() => {
            let is_one = |address: &IpAddr| planned.contains(address) || address.is_loopback();
            if planned.is_empty() || found.iter().any(is_one) {
                return green(Topic::Name, format!("{}, by the word {have}; reached at {dialled}", said(found)));
            }
            yellow(
                Topic::Name,
                format!("{has} {} for the name, and the plan says {}", said(found), said(planned)),
                "correct `address` in the plan, or the record in DNS; requests go to the address of the plan",
            )
        }
        Answer::Unknown(why) if by_address && why == "not asked" => green(Topic::Name, format!("reached at {dialled}")),
        Answer::Known(_) | Answer::Unknown(_) if by_address => {
            green(Topic::Name, format!("reached at {dialled}; {has} no address for the name"))
        }
        Answer::Known(_) => red(Topic::Name, format!("{has} no address for the name"), todo),
        Answer::Unknown(why) => red(Topic::Name, format!("{has} no address for the name: {why}"), todo),
    }
}

fn port_in_use(probe: &Probe) -> u16 {
    probe.way.connect_to.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default()
}

fn in_use(probe: &Probe) -> Option<&Listener> {
    let port = port_in_use(probe);
    probe.listeners.iter().find(|listener| listener.port == port)
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Https => "https",
        Transport::Http => "http",
    }
}

/// Whether an answer without an account is one that WinRM gives.
fn is_winrm(answering: &Answering) -> bool {
    answering.status == 401 || !answering.offers.is_empty()
}

fn has_negotiate(answering: &Answering) -> bool {
    answering
        .offers
        .iter()
        .any(|offer| offer.eq_ignore_ascii_case("Negotiate") || offer.eq_ignore_ascii_case("Kerberos"))
}

/// Whether this program could log on there.
fn is_usable(listener: &Listener) -> bool {
    let Answer::Known(answering) = &listener.found else { return false };
    is_winrm(answering) && (has_negotiate(answering) || listener.transport == Transport::Https)
}

fn said(listener: &Listener, is_used: Used) -> String {
    let start = format!("{} ({})", listener.port, word(listener.transport));
    match (&listener.found, is_used) {
        (Answer::Known(found), _) if is_winrm(found) => {
            let offers = if found.offers.is_empty() { "nothing".to_owned() } else { found.offers.join(", ") };
            let not = if is_usable(listener) { "" } else { ", none of which this program uses without TLS" };
            format!("{start}: offers {offers}{not}")
        }
        (Answer::Known(found), _) => format!("{start}: HTTP {}, which is not how WinRM answers", found.status),
        // Of the one that is not used it is enough to know that it is not there, unless TLS is what fails.
        (Answer::Unknown(why), Used::No) if !why.contains("TLS") => format!("{start}: does not answer"),
        (Answer::Unknown(why), _) => format!("{start}: {why}"),
    }
}

/// Whether a listener is the one that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Used {
    Yes,
    No,
}

fn listeners(probe: &Probe) -> Row {
    let port = port_in_use(probe);
    let each = probe.listeners.iter().map(|listener| {
        let used = if listener.port == port { Used::Yes } else { Used::No };
        said(listener, used)
    });
    let found = each.collect::<Vec<_>>().join("; ");
    let Some(used) = in_use(probe) else { return yellow(Topic::Listeners, found, "state which port is to be used") };
    if is_usable(used) {
        return green(Topic::Listeners, found);
    }
    let other = probe.listeners.iter().find(|listener| listener.port != port && is_usable(listener));
    let todo = match (other, &used.found) {
        (Some(other), _) => {
            format!("use the one that answers: `access: {{winrm: {{transport: {}}}}}`", word(other.transport))
        }
        (None, Answer::Known(answering)) if is_winrm(answering) => {
            "allow it on the server: `winrm set winrm/config/service/auth @{Negotiate=\"true\"}`".to_owned()
        }
        (None, _) => open_up(used, &probe.addresses),
    };
    red(Topic::Listeners, found, todo)
}

/// Returns what makes a port answer: another thing for each kind of silence.
fn open_up(used: &Listener, addresses: &Answer<Vec<IpAddr>>) -> String {
    let make_listen = match used.transport {
        Transport::Http => {
            "on the server, as an administrator: `winrm quickconfig`, which listens on port 5985".to_owned()
        }
        Transport::Https => {
            "on the server, as an administrator: `winrm quickconfig -transport:https`, which listens on \
                             port 5986 and needs a certificate for the server's name in its store"
                .to_owned()
        }
    };
    // The port stands with what was found; here it would make one advice for several servers several.
    match used.silence {
        Some(Silence::Unreachable) if addresses.why_unknown().is_some_and(|why| why != "not asked") => {
            "mend the name first, see above".to_owned()
        }
        Some(Silence::Unreachable) => {
            "see whether the server is up and this is its address; then let the port through the firewalls on the way".to_owned()
        }
        Some(Silence::Tls) => "look at the certificate and the TLS versions of the server; `winrm enumerate \
                               winrm/config/listener` there shows what listens. Over http (`transport: http`) messages are \
                               sealed without a certificate"
            .to_owned(),
        Some(Silence::Odd) => "see what listens on the port: `netstat -ano` on the server; WinRM is shown by `winrm enumerate \
                               winrm/config/listener`"
            .to_owned(),
        Some(Silence::Closed) | None => format!("{make_listen}; and let the port through the firewalls on the way"),
    }
}

fn transport(probe: &Probe) -> Row {
    let kept = match probe.way.transport {
        Transport::Http => "each message is sealed, which needs no certificate",
        Transport::Https => "TLS, which needs a certificate on the server",
    };
    let (kind, port) = (word(probe.way.transport), port_in_use(probe));
    green(Topic::Transport, format!("{kind}, port {port}: {kept} ({})", probe.way.why))
}

fn tls(probe: &Probe) -> Option<Row> {
    let port = port_in_use(probe);
    let (listener, shown) = probe.listeners.iter().find_map(|listener| {
        let shown = listener.found.known()?.tls.as_ref()?;
        Some((listener, shown))
    })?;
    let is_used = listener.port == port;
    let leaf = shown.chain.first()?;
    let names = if leaf.names.is_empty() { "no host name".to_owned() } else { leaf.names.join(", ") };
    let date = |at: jiff::Timestamp| at.strftime("%Y-%m-%d").to_string();
    let chain = shown.chain.len();
    let mut found = format!(
        "{}, for {names}, signed by {}, {} to {}, {chain} in the chain; {}; pin: {}",
        leaf.subject,
        leaf.issuer,
        date(leaf.from),
        date(leaf.until),
        shown.agreed,
        leaf.sha256
    );
    if !is_used {
        found = format!("not used; {found}");
    }
    let left = leaf.until.duration_since(probe.asked);
    let row = match &shown.distrust {
        Some(why) if is_used => red(
            Topic::Tls,
            format!("not trusted: {why}; {found}"),
            format!(
                "under `access: winrm:`, trust the authority that signed it (`ca: FILE`), or this certificate (`pin: {}`)",
                leaf.sha256
            ),
        ),
        Some(_) | None if is_used && left < SOON => {
            let soon = if left.is_negative() { "it has ended".to_owned() } else { format!("ends in {}", length(left)) };
            yellow(Topic::Tls, format!("{soon}; {found}"), "have it renewed, and correct the pin where there is one")
        }
        Some(_) | None => green(Topic::Tls, found),
    };
    Some(row)
}

fn logon(probe: &Probe) -> Option<Row> {
    let is_silent = in_use(probe).is_some_and(|used| matches!(used.found, Answer::Unknown(_)));
    let row = match &probe.logon {
        // The row of the listeners says why.
        Some(Answer::Unknown(_)) if is_silent => return None,
        None => match in_use(probe).is_some_and(is_usable) {
            true => yellow(
                Topic::Logon,
                "not tried: no account was given",
                "give one: `--user NAME` asks for its password, `--credentials-file FILE` reads both",
            ),
            false => yellow(Topic::Logon, "not tried: no account was given", "mend the way to the server first"),
        },
        Some(Answer::Unknown(why)) => red(
            Topic::Logon,
            why,
            "correct the account or its password (`access: {winrm: {credentials: ...}}`), or what is named here; nothing else can \
             be asked before the account is let in",
        ),
        Some(Answer::Known(facts)) => let_in(probe, facts),
    };
    Some(row)
}

fn let_in(probe: &Probe, facts: &LogonFacts) -> Row {
    let offered = in_use(probe).and_then(|listener| listener.found.known());
    let offered = offered.map(|answering| format!("; offered: {}", answering.offers.join(", "))).unwrap_or_default();
    let kept = match (facts.sealing, facts.binding, probe.way.transport) {
        (Protection::Used, ..) => "messages are sealed",
        (Protection::Unused, Protection::Used, _) => "bound to the TLS connection",
        (Protection::Unused, Protection::Unused, Transport::Https) => "not bound to the TLS connection",
        (Protection::Unused, Protection::Unused, Transport::Http) => "not sealed",
    };
    let found = format!("let in by {}, {kept}{offered}", facts.mechanism.name());
    // Where no script runs, nothing is said about cmdlets.
    let goes_on = probe.seen.replication.known().is_some() || is_without_scripts(probe);
    match facts.mechanism {
        LogonMechanism::Basic | LogonMechanism::Certificate
            if !goes_on && probe.product != orchestrate_model::Product::Generic =>
        {
            yellow(
                Topic::Logon,
                found,
                "such an account is local to the server, and cmdlets of the product need one of the domain: \
                 `auth: negotiate` with a domain account",
            )
        }
        LogonMechanism::Basic | LogonMechanism::Certificate | LogonMechanism::Ntlm | LogonMechanism::Kerberos => {
            green(Topic::Logon, found)
        }
    }
}

fn clock(probe: &Probe) -> Option<Row> {
    let clock = probe.clock.known()?;
    let apart = clock.ahead.abs();
    let side = if clock.ahead.is_negative() { "behind" } else { "ahead of" };
    let found = match apart.as_secs() {
        0..=2 => format!("the same as here, to 2 s ({})", clock.source),
        _ => format!("{} {side} this machine ({})", length(apart), clock.source),
    };
    let set = "set the clock that is wrong: `w32tm /query /status` on the server, `timedatectl` here";
    let by_kerberos = match &probe.logon {
        Some(Answer::Known(facts)) => facts.mechanism == LogonMechanism::Kerberos,
        Some(Answer::Unknown(_)) | None => true,
    };
    let row = if apart > KERBEROS {
        let light = if by_kerberos { Light::Red } else { Light::Yellow };
        let found = format!("{found}: more than the {} that Kerberos allows", length(KERBEROS));
        Row { topic: Topic::Clock, light, found, todo: Some(set.to_owned()), code: None }
    } else if apart > NOTABLE {
        yellow(Topic::Clock, found, set)
    } else {
        green(Topic::Clock, found)
    };
    Some(row)
}
