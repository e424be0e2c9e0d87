//! Values that can be read and can never be right, or are read otherwise than they were meant: refused where nothing else can be
//! meant, and warned about where a rare plan may mean it.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span, quoted};
use crate::reader::{At, Reader};
use crate::texts::{Argument, Line};
use crate::written::{Drain, Patch, Plan, Pool, Window, Winrm};
use orchestrate_model::pool::Transport;
use orchestrate_model::{ServerName, look_alike, secret};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    for (name, pool) in plan.pools.iter().flat_map(|pools| pools.value.good()) {
        reserved(reader, name.value.as_str(), name.span);
        servers(reader, &pool.value);
        if let Some(winrm) = pool.value.access.as_ref().and_then(|access| access.value.winrm.as_ref()) {
            port(reader, &winrm.value);
            variable(reader, &winrm.value);
        }
    }
    if let Some(maintenance) = &plan.maintenance {
        for patch in plan.installers() {
            installer(reader, patch);
            arguments(reader, patch);
        }
        if let Some(drain) = &maintenance.value.drain {
            stuck(reader, &drain.value);
        }
    }
    for window in plan.windows.iter().flat_map(|windows| &windows.value.0) {
        zone(reader, &window.value);
    }
}

fn doubt(span: Span, text: impl Into<String>) -> Diagnostic {
    Diagnostic::warning(codes::HARDLY_MEANT, span, text)
}

/// Names that lead to no other machine, whatever a name server says (RFC 6761).
fn reserved(reader: &mut Reader, name: &str, span: Span) {
    let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let why = match last.as_str() {
        "localhost" => "always the machine that asks",
        "invalid" => "never the name of a machine",
        _ => return,
    };
    let text = format!("{} is not the name of a server: a name that ends with `.{last}` is {why}", quoted(name));
    reader
        .report(Diagnostic::error(codes::BAD_NAME, span, text).label("expected the name as the other servers know it"));
}

fn servers(reader: &mut Reader, pool: &Pool) {
    let servers = pool.servers.iter().flat_map(|servers| servers.value.good());
    for (name, server) in servers {
        reserved(reader, name.value.as_str(), name.span);
        for address in server.value.address.iter().flat_map(|addresses| &addresses.value.0) {
            own_machine(reader, &name.value, address);
        }
    }
}

/// An address of the machine that the program runs on: another server would be asked than the one that is meant.
fn own_machine(reader: &mut Reader, server: &ServerName, address: &At<IpAddr>) {
    let canonical = address.value.to_canonical();
    let form = match (address.value, canonical) {
        (_, own) if own.is_loopback() => {
            format!("{own} is the machine that orchestrate runs on, and not {}", server.short())
        }
        // `::192.0.2.1`, which no system uses any more.
        (IpAddr::V6(v6), _) if v6.segments()[..6] == [0; 6] => {
            format!("{v6} is a form of an IPv4 address that is out of use")
        }
        _ => return,
    };
    reader.report(
        doubt(address.span, form)
            .label("hardly the address of this server")
            .help("write the address that the pool's name has for it, or leave it out: DNS is asked then"),
    );
}

fn port(reader: &mut Reader, winrm: &Winrm) {
    let Some(port) = &winrm.port else { return };
    let transport = winrm.transport.as_ref().map_or(Transport::Https, |transport| transport.value);
    let what = match (port.value.0, transport) {
        (5985, Transport::Https) => "5985 is the port of WinRM over http, and the transport is https",
        (5986, Transport::Http) => "5986 is the port of WinRM over https, and the transport is http",
        (22, _) => "22 is the port of SSH",
        (53, _) => "53 is the port of name servers",
        (135, _) => "135 is the port of remote procedure calls, which WinRM does not use",
        (139 | 445, _) => "139 and 445 are the ports of shares",
        (3389, _) => "3389 is the port of Remote Desktop",
        _ => return,
    };
    reader.report(
        doubt(port.span, what)
            .label("hardly the port of WinRM here")
            .help("leave `port` out: it is 5986 for https and 5985 for http"),
    );
}

/// `env` is the first part of two names.
fn variable(reader: &mut Reader, winrm: &Winrm) {
    let Some(env) = winrm.credentials.as_ref().and_then(|credentials| credentials.value.0.env.as_ref()) else { return };
    let name = env.value.0.as_str();
    let ending = ["_PASSWORD", "_USER", "_USERNAME", "_PASS", "_"].into_iter().find(|ending| name.ends_with(ending));
    let Some(first) = ending.and_then(|ending| name.strip_suffix(ending)).filter(|first| !first.is_empty()) else {
        return;
    };
    reader.report(
        doubt(env.span, format!("with `{name}` the variables are `{name}_USER` and `{name}_PASSWORD`"))
            .label("expected the first part of both names")
            .help(format!("for `{first}_USER` and `{first}_PASSWORD` write `env: {first}`")),
    );
}

/// A path that was copied from elsewhere. What else is wrong with a path is a finding about the installer.
fn installer(reader: &mut Reader, patch: &Patch) {
    let Some(installer) = &patch.installer else { return };
    let path = installer.value.0.as_str();
    let bare = path.trim_matches(|c| matches!(c, '"' | '\'') || look_alike::is_quote(c));
    if bare != path {
        reader.report(
            wrong(installer, "is in quotes that are part of it")
                .label("Windows has no such file: the quotes belong to the name")
                .help(format!("write {}, without quotes", quoted(&secret::shown_address(bare)))),
        );
    } else if let Some(rest) = [r"\\?\", r"\\.\", "//?/", "//./"].iter().find_map(|prefix| path.strip_prefix(prefix)) {
        reader.report(
            wrong(installer, "begins with a prefix for programs, which turns the rules of paths off")
                .label("expected a drive, such as `C:`")
                .help(format!("write {}", quoted(&secret::shown_address(rest)))),
        );
    } else if let Some((file, rest)) = with_arguments(path) {
        reader.report(
            wrong(installer, "has arguments behind it")
                .label("the whole text is the name of the file")
                .help(format!("write `installer: {file}` and `arguments: [{}]`", shown_words(rest).join(", "))),
        );
    } else if let Some(typed) = look_alike::typed_blanks(path) {
        reader.report(odd(installer.span, path, &typed));
    }
}

fn wrong(installer: &At<Line>, why: &str) -> Diagnostic {
    Diagnostic::error(codes::BAD_TEXT, installer.span, format!("the path of the installer {why}"))
}

fn shown_words(text: &str) -> Vec<String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    secret::shown_arguments(&words).0
}

/// Parts a path from arguments that were written behind it.
fn with_arguments(path: &str) -> Option<(&str, &str)> {
    let lower = path.to_ascii_lowercase();
    let ends = [".exe ", ".msi ", ".msp ", ".msu ", ".cmd ", ".bat ", ".com "];
    let at = ends.iter().filter_map(|end| lower.find(end)).min()? + 4;
    let (file, rest) = path.split_at_checked(at)?;
    let rest = rest.trim_start();
    (rest.starts_with(['/', '-']) || rest.contains('=')).then_some((file, rest))
}

/// Says that a text holds characters that look like others.
fn odd(span: Span, text: &str, typed: &str) -> Diagnostic {
    let other = text.chars().find(|c| !typed.contains(*c)).map_or(0, u32::from);
    doubt(span, format!("U+{other:04X} stands here, which looks like another character and is not the same"))
        .label("a word processor or a web page may have replaced what was typed")
        .help(format!("if it is not meant, write {}", quoted(&secret::shown_text(typed))))
}

fn arguments(reader: &mut Reader, patch: &Patch) {
    let Some(arguments) = &patch.arguments else { return };
    // The interpreter of a script puts values in the place of variables.
    let is_script = patch.installer.as_ref().is_some_and(|installer| {
        let lower = installer.value.0.to_ascii_lowercase();
        lower.ends_with(".cmd") || lower.ends_with(".bat")
    });
    let mut known: BTreeMap<String, Span> = BTreeMap::new();
    for argument in &arguments.value {
        let text = argument.value.0.as_str();
        if text.trim() != text {
            reader.report(
                Diagnostic::error(
                    codes::BAD_TEXT,
                    argument.span,
                    "an argument of the installer begins or ends with a blank",
                )
                .label("it would be put in quotes with its blank, and be another argument")
                .help("a blank at an end is not seen: leave it out"),
            );
        } else if let Some(typed) = look_alike::typed_blanks(text) {
            reader.report(odd(argument.span, text, &typed));
        } else if let Some(name) = variable_in(text).filter(|_| !is_script && secret::value_in(text).is_none()) {
            reader.report(
                doubt(
                    argument.span,
                    format!("`%{name}%` is passed on as it is: no shell of a server puts its value there"),
                )
                .label("the installer gets these letters")
                .help(r"write what it stands for on the servers, such as C:\Windows\Temp"),
            );
        }
        again(reader, &mut known, argument);
    }
    contrary(reader, &arguments.value);
}

/// A variable of Windows in a text, such as `%TEMP%`.
fn variable_in(text: &str) -> Option<&str> {
    let parts: Vec<&str> = text.split('%').collect();
    let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    inner.iter().copied().find(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

fn again(reader: &mut Reader, known: &mut BTreeMap<String, Span>, argument: &At<Argument>) {
    let text = argument.value.0.as_str();
    if !text.starts_with(['/', '-']) {
        return;
    }
    if let Some(first) = known.insert(text.to_lowercase(), argument.span) {
        reader.report(
            doubt(argument.span, "this argument is given twice")
                .label("the second time")
                .note(format!("the first one is in line {}, column {}", first.line, first.column)),
        );
    }
}

/// Switches of which one says the opposite of the other.
fn contrary(reader: &mut Reader, arguments: &[At<Argument>]) {
    let is = |argument: &&At<Argument>, names: &[&str]| {
        let name = argument.value.0.strip_prefix(['/', '-']).unwrap_or_default();
        names.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let never = arguments.iter().find(|argument| is(argument, &["norestart", "noreboot"]));
    let always = arguments.iter().find(|argument| is(argument, &["forcerestart", "promptrestart", "forcereboot"]));
    if let (Some(never), Some(always)) = (never, always) {
        reader.report(
            doubt(always.span, format!("`{}` and `{}` contradict each other", never.value.0, always.value.0))
                .label("which of them counts is up to the installer")
                .help(
                    "keep the one that keeps the server up: orchestrate restarts it when the installer asks for that",
                ),
        );
    }
}

/// A drain ends before it can be called stuck.
fn stuck(reader: &mut Reader, drain: &Drain) {
    let Some(stuck) = &drain.stuck_after else { return };
    let services = drain.services.iter().flat_map(|services| services.value.good());
    let own = services.filter_map(|(_, service)| service.value.deadline.as_ref()).map(|at| at.value.0);
    let whole = drain.deadline.as_ref().map_or(crate::merged::DRAIN_DEADLINE, |at| at.value.0);
    let longest = own.fold(whole, std::cmp::max);
    if stuck.value.0 >= longest {
        reader.report(
            doubt(stuck.span, format!("a drain ends after {longest:#} at the latest, before it can be called stuck"))
                .label("nothing comes of it")
                .help("leave it out, or write less than the deadline of the drain"),
        );
    }
}

/// Zones whose names say something else than they are.
fn zone(reader: &mut Reader, window: &Window) {
    let Some(zone) = &window.timezone else { return };
    let name = zone.value.0.as_str();
    let (text, help) = match name.to_ascii_uppercase().as_str() {
        "EST" | "EST5" => {
            (format!("`{name}` has no summer time: it is five hours behind UTC all year"), "America/New_York")
        }
        "MST" => (format!("`{name}` has no summer time: it is seven hours behind UTC all year"), "America/Denver"),
        "HST" => (format!("`{name}` is ten hours behind UTC all year"), "Pacific/Honolulu"),
        upper => {
            let Some(hours) = upper.strip_prefix("ETC/GMT").filter(|rest| rest.len() > 1) else { return };
            let Ok(offset) = hours.parse::<i8>() else { return };
            let side = match offset {
                0 => return,
                1.. => "behind",
                _ => "ahead of",
            };
            let count = offset.unsigned_abs();
            let text = format!(
                "`{name}` is {count} h {side} UTC: the signs of these names are turned around, and they have no summer time"
            );
            (text, "Europe/Paris")
        }
    };
    reader.report(
        doubt(zone.span, text)
            .label("hardly the zone that is meant")
            .help(format!("write the zone of the place, such as {help}")),
    );
}
