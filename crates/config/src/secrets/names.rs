//! What looks like a secret: the names of keys and options, the forms of values, names and passwords in addresses.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Keys under `access` that hold further keys.
pub(super) const NESTED: [&str; 4] = ["winrm", "credentials", "cmdlets", "task"];
/// Keys under `access` whose single values are no secrets, as long as they have the form that the key expects.
pub(super) const HARMLESS: [&str; 15] = [
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
];
/// The keys at the top of a plan. A file without any of them is something else.
pub(super) const TOP: [&str; 10] =
    ["version", "name", "reason", "dns", "pools", "maintenance", "budgets", "stop_when", "windows", "freezes"];
/// Parts of names of secrets, in lower case without anything but letters and digits.
const PARTS: [&str; 21] = [
    "password",
    "passwd",
    "passwort",
    "kennwort",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "sshkey",
    "bearer",
    "authorization",
    "cookie",
    "sessionkey",
    "nthash",
    "motdepasse",
    "contraseña",
    "contrasena",
];

/// Whole words of names under which secrets are kept, and other things as well: what stands there is masked, and the
/// key is not refused as that of a secret.
const WORDS: [&str; 7] = ["cred", "creds", "authentication", "login", "psk", "key", "community"];

/// Returns whether a key has the name of a secret.
pub(crate) fn looks_secret(key: &str) -> bool {
    let key: String = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let short = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let harmless = ["bypass", "compass", "surpass"].iter().any(|word| short.ends_with(word));
    PARTS.iter().any(|part| key.contains(part))
        || short == "pw"
        || (short.ends_with("pass") && !harmless)
        || (short.ends_with("pw") && short.len() > 3)
}

/// Returns whether what stands beside a key is masked.
pub(super) fn hides(key: &str) -> bool {
    // Names of servers and pools are keys as well, and may be called `login`.
    let is_name = key.contains('.');
    let is_one = |word: &str| WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()));
    let mut words = key.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    looks_secret(key) || (!is_name && words.any(|word| is_one(&word)))
}

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

/// Returns from where on a text holds the value of an option of a command that has the name of a secret, such as
/// `/password:x`, `-password x`, `--token=x` and `PASSWORD=x`. The end of the text: the value is not in it.
pub(super) fn option_value(text: &str) -> Option<usize> {
    const QUOTES: [char; 2] = ['"', '\''];
    let mut at = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_start_matches(QUOTES);
        let body = word.trim_start_matches(['/', '-']);
        let sign = body.find([':', '=']);
        let name = body.get(..sign.unwrap_or(body.len())).unwrap_or_default();
        let name = name.trim_end().trim_end_matches(QUOTES);
        let is_option = body.len() < word.len();
        let is_name = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let is_secret = is_name && if is_option { hides(name) } else { sign.is_some() && looks_secret(name) };
        let body_at = at + piece.len() - body.len();
        at += piece.len();
        if is_secret {
            return Some(sign.map_or(at, |sign| body_at + sign + 1));
        }
    }
    None
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
        if hides(word) || resembles_access(last) || last.to_lowercase().contains("credential") {
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
