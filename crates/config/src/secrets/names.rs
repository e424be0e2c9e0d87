//! What looks like a secret in a plan: the keys under `access`, the forms of values, names and passwords in addresses.

use orchestrate_model::secret::hides;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Keys under `access` that hold further keys.
pub(super) const NESTED: [&str; 8] = ["winrm", "credentials", "cmdlets", "task", "webhook", "slack", "teams", "on"];
/// Keys anywhere that hold keys like those of an access: a single value there is a secret, such as the address of a webhook.
pub(super) const SINGLE: [&str; 11] =
    ["access", "credentials", "winrm", "ssh", "logon", "user", "username", "account", "webhook", "slack", "teams"];
/// Keys under `access` whose single values are no secrets, as long as they have the form that the key expects.
pub(super) const HARMLESS: [&str; 16] = [
    "transport",
    "port",
    "auth",
    "env",
    "file",
    "ca",
    "channel_binding",
    "realm",
    "kdc",
    "spn",
    "cmdlets",
    "as",
    "keytab",
    "principal",
    "certificate",
    "on",
];
/// The keys at the top of a plan. A file without any of them is something else.
pub(super) const TOP: [&str; 13] = [
    "version",
    "name",
    "reason",
    "dns",
    "pools",
    "maintenance",
    "budgets",
    "stop_when",
    "windows",
    "freezes",
    "notify",
    "silences",
    "approvals",
];
/// Returns whether a key is probably a mistyped `access`.
pub(super) fn resembles_access(key: &str) -> bool {
    let key = key.trim();
    // A distance costs much more than this, and a file may hold half a million words.
    let alike = key.bytes().filter(|byte| b"aces".contains(&byte.to_ascii_lowercase())).count();
    (4..=8).contains(&key.len()) && alike >= 4 && strsim::damerau_levenshtein(&key.to_lowercase(), "access") <= 2
}

/// Returns whether a value under `access` plainly has the form that its key expects. One that has not may be a secret
/// that was written in the wrong place.
pub(super) fn is_of_form(key: &str, text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_word = |text: &str| !text.is_empty() && text.chars().all(is_plain);
    match key {
        "kdc" => {
            let parts = text.rsplit_once(':');
            let with_port = parts.is_some_and(|(host, port)| is_word(host) && port.parse::<u16>().is_ok());
            is_word(text) || with_port || text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok()
        }
        // Only an account of that kind ends so; what else looks like one may be a password.
        "as" => text.strip_suffix('$').unwrap_or(text).split('\\').all(is_word),
        "principal" => text.split(['@', '/', '\\']).all(is_word),
        "file" | "ca" | "keytab" | "certificate" => {
            let drive = matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
            let path = if drive { text.get(2..).unwrap_or_default() } else { text };
            !path.is_empty() && path.chars().all(|c| is_plain(c) || matches!(c, '/' | '\\' | '~'))
        }
        _ => is_word(text),
    }
}

/// Returns where in a text names and passwords of addresses stand, as in `http://svc:PASSWORD@host`, without the sign
/// behind them.
pub(super) fn logons_in(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        found.extend(logon_of(word).map(|logon| at + logon.start..at + logon.end));
        at += word.len();
    }
    found
}

fn logon_of(word: &str) -> Option<Range<usize>> {
    let (before, _) = word.rsplit_once('@')?;
    let scheme = before.find("://").map(|at| at + 3);
    let quotes = before.len() - before.trim_start_matches(['"', '\'', '[', '{', '(', ',']).len();
    let start = scheme.unwrap_or(quotes);
    let logon = before.get(start..)?;
    // Addresses of people have a name before the sign, and no password.
    let of_person = ["sip:", "sips:", "mailto:"].iter().any(|scheme| logon.starts_with(scheme));
    let is_logon = !logon.is_empty() && (scheme.is_some() || (logon.contains(':') && !of_person));
    is_logon.then_some(start..before.len())
}

/// Returns where in a text the other parts of it stand that may be secrets wherever it is: what follows the host of an address
/// (webhooks and calendars have their password there), the value beside the name of a secret, as in `Password=x;`, and the
/// password of a logon that a command is given, as in `curl -u svc:x`.
pub(super) fn hidden_in(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut at, mut logon) = (0, false);
    for word in text.split_inclusive(char::is_whitespace) {
        let whole = word.trim_end_matches(|c: char| c.is_whitespace() || "\"'`)]},".contains(c));
        let parts = [behind_host(whole), if logon { behind_colon(whole) } else { None }];
        let parts = parts.into_iter().flatten().chain(values_in(whole));
        found.extend(parts.map(|part| at + part.start..at + part.end));
        logon = ["-u", "--user"].contains(&whole);
        at += word.len();
    }
    found
}

/// What follows the host of an address, without the stroke before it.
fn behind_host(word: &str) -> Option<Range<usize>> {
    let host = word.find("://")? + 3;
    let path = host + word.get(host..)?.find(['/', '?', '#'])? + 1;
    (path < word.len()).then_some(path..word.len())
}

fn behind_colon(word: &str) -> Option<Range<usize>> {
    let from = word.find(':')? + 1;
    (from < word.len()).then_some(from..word.len())
}

/// The values beside names of secrets in a text such as `Server=x;User=y;Password=z`.
fn values_in(word: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for part in word.split_inclusive([';', '&', ',']) {
        let end = part.trim_end_matches([';', '&', ',']).len();
        if let Some(sign) = part.find('=').filter(|sign| *sign + 1 < end && hides(part[..*sign].trim())) {
            found.push(at + sign + 1..at + end);
        }
        at += part.len();
    }
    found
}

/// Returns whether a line of a file that cannot be parsed begins with a key of a plan.
pub(super) fn begins_with_key_of_plan(line: &str) -> bool {
    let line = line.trim_start_matches(['{', '-', '?', ' ', '\t', '"', '\'']);
    let rest = TOP.iter().find_map(|key| line.strip_prefix(key));
    rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
}

/// Returns whether a text can be the name of a key.
pub(super) fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'))
}

/// Returns whether a text can be the fingerprint of a certificate: digits enough, and nothing but them.
pub(super) fn is_fingerprint(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    (digits >= 32 || (digits >= 8 && text.contains(':')))
        && text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ' ' | ':' | '-'))
}

/// Returns where in a text that cannot be parsed the first value of a secret may begin: behind a word that looks like
/// one, behind `access` or `credentials`, or at an escape, which may hide such a word.
pub(super) fn first_of_secret(text: &str) -> Option<usize> {
    let escape = ["\\u", "\\U", "\\x"].iter().filter_map(|escape| text.find(escape)).min();
    let mut at = 0;
    let mut word_end = None;
    for piece in text.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != '-' && c != ' ') {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let last = word.rsplit(' ').next().unwrap_or_default();
        let is_single = SINGLE.contains(&last.to_lowercase().as_str());
        if hides(word) || is_single || resembles_access(last) || last.to_lowercase().contains("credential") {
            word_end = Some(at + word.len());
            break;
        }
        at += piece.len();
    }
    match (escape, word_end) {
        (Some(escape), Some(word)) => Some(escape.min(word)),
        (one, other) => one.or(other),
    }
}
