//! The people who may sign: an `allowed_signers` file, as `ssh-keygen(1)` describes it.

use crate::NAMESPACE;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use orchestrate_model::text::quoted;
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey};
use thiserror::Error;

/// Most lines of such a file.
const MOST_LINES: usize = 10_000;

/// The people who may sign.
#[derive(Debug, Clone)]
pub struct Signers {
    entries: Vec<Entry>,
}

/// A key of a person.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    principals: Vec<String>,
    key: KeyData,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Entries with the same number are one person's.
    person: usize,
}

/// The file cannot be used: what it allows is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {why}")]
pub struct BadSigners {
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// Why a key does not speak for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotTheirs {
    /// The key stands nowhere.
    UnknownKey,
    /// It is another person's.
    Others(Vec<String>),
    /// It is not good now.
    NotNow(String),
}

impl Signers {
    /// Reads such a file. Times without `Z` are those of `zone`. Lines that are for other uses alone are passed over; one
    /// that is not understood makes the file useless.
    ///
    /// # Errors
    /// Says which line cannot be used, and why.
    pub fn parse(bytes: &[u8], zone: &TimeZone) -> Result<Self, BadSigners> {
        let text = std::str::from_utf8(bytes).map_err(|error| BadSigners {
            line: 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count(),
            why: "it is no text (UTF-8)".to_owned(),
        })?;
        let mut entries = Vec::new();
        for (position, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |why: String| BadSigners { line: position + 1, why };
            if position >= MOST_LINES {
                return Err(bad(format!("more than {MOST_LINES} lines are not read")));
            }
            entries.extend(entry(line, zone).map_err(bad)?);
        }
        Ok(Self { entries: of_people(entries) })
    }

    /// Returns whose key it is, as a number for each person, when it speaks for this approver now.
    pub(crate) fn person(&self, approver: &str, key: &KeyData, now: Timestamp) -> Result<usize, NotTheirs> {
        let with_key: Vec<&Entry> = self.entries.iter().filter(|entry| entry.key == *key).collect();
        if with_key.is_empty() {
            return Err(NotTheirs::UnknownKey);
        }
        let theirs: Vec<&&Entry> =
            with_key.iter().filter(|entry| entry.principals.iter().any(|name| name == approver)).collect();
        if theirs.is_empty() {
            return Err(NotTheirs::Others(with_key.iter().flat_map(|entry| entry.principals.clone()).collect()));
        }
        let mut why = String::new();
        for entry in theirs {
            match (entry.from, entry.until) {
                (Some(from), _) if now < from => why = format!("the key is not good before {from}"),
                (_, Some(until)) if now >= until => why = format!("the key is not good after {until}"),
                _ => return Ok(entry.person),
            }
        }
        Err(NotTheirs::NotNow(why))
    }

    /// Returns the names of those who may sign.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.entries.iter().flat_map(|entry| entry.principals.iter().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns how many people may sign: names of one line, and names with one key, are one person's.
    #[must_use]
    pub fn people(&self) -> usize {
        let mut people: Vec<usize> = self.entries.iter().map(|entry| entry.person).collect();
        people.sort_unstable();
        people.dedup();
        people.len()
    }
}

/// Returns the name of a key, as `ssh-keygen -l` prints it.
pub(crate) fn named(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Puts the entries of one person together: those with a name in common, and those with one key.
fn of_people(mut entries: Vec<Entry>) -> Vec<Entry> {
    for at in 0..entries.len() {
        let (earlier, rest) = entries.split_at(at);
        let this = &rest[0];
        let same =
            |one: &Entry| one.key == this.key || one.principals.iter().any(|name| this.principals.contains(name));
        let joined: Vec<usize> = earlier.iter().filter(|one| same(one)).map(|one| one.person).collect();
        let person = joined.iter().copied().min().unwrap_or(at);
        for entry in &mut entries[..at] {
            if joined.contains(&entry.person) {
                entry.person = person;
            }
        }
        entries[at].person = person;
    }
    entries
}

/// Returns what a line says. `None`: it is not for approvals.
fn entry(line: &str, zone: &TimeZone) -> Result<Option<Entry>, String> {
    let (principals, rest) = word(line)?;
    let (second, after) = word(rest)?;
    let (options, key) = if is_key_type(&second) { (String::new(), rest) } else { (second, after) };
    let options = Options::parse(&options, zone)?;
    if !options.is_for_approvals() {
        return Ok(None);
    }
    if options.is_authority {
        return Err("`cert-authority` is not understood here: write the key of each person".to_owned());
    }
    let principals: Vec<String> = principals
        .trim_matches('"')
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if principals.is_empty() {
        return Err("it names no person".to_owned());
    }
    if let Some(pattern) = principals.iter().find(|name| name.contains(['*', '?', '!'])) {
        let pattern = quoted(pattern);
        return Err(format!("{pattern} stands for any number of people, who are counted: write the name of each"));
    }
    let key = PublicKey::from_openssh(key.trim()).map_err(|error| format!("its key cannot be used: {error}"))?;
    let (from, until) = (options.from, options.until);
    Ok(Some(Entry { principals, key: key.key_data().clone(), from, until, person: 0 }))
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| word.starts_with(start))
}

/// Splits a line behind its first word. Blanks in double quotes are part of it.
fn word(line: &str) -> Result<(String, &str), String> {
    let line = line.trim_start();
    let (mut in_quotes, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            ' ' | '\t' if !in_quotes => return Ok((line[..at].to_owned(), &line[at..])),
            _ => {}
        }
    }
    match (in_quotes, line.is_empty()) {
        (true, _) => Err("a quotation mark is not closed".to_owned()),
        (false, true) => Err("it ends before its key".to_owned()),
        (false, false) => Ok((line.to_owned(), "")),
    }
}

#[derive(Default)]
struct Options {
    is_authority: bool,
    namespaces: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Options {
    fn parse(text: &str, zone: &TimeZone) -> Result<Self, String> {
        let mut options = Self::default();
        for option in split(text) {
            let (name, value) = option.split_once('=').unwrap_or((option.as_str(), ""));
            let value = value.trim_matches('"');
            match name.to_ascii_lowercase().as_str() {
                "cert-authority" => options.is_authority = true,
                "namespaces" => options.namespaces = Some(value.to_owned()),
                "valid-after" => options.from = Some(time(value, zone)?),
                "valid-before" => options.until = Some(time(value, zone)?),
                _ => return Err(format!("the option {} is not understood", quoted(name))),
            }
        }
        Ok(options)
    }

    fn is_for_approvals(&self) -> bool {
        self.namespaces.as_ref().is_none_or(|list| is_in(list, NAMESPACE))
    }
}

/// Splits at commas that are not in double quotes.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut in_quotes) = (vec![String::new()], false);
    for c in text.chars() {
        in_quotes ^= c == '"';
        if c == ',' && !in_quotes {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether a list of patterns has a text: one that matches, and none with `!` before it that does.
fn is_in(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

/// Whether a text is what a pattern with `*` and `?` means.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Where the last `*` stands, and how far it has been taken to reach.
    let mut star: Option<(usize, usize)> = None;
    while of < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, of));
            at += 1;
        } else if pattern.get(at).is_some_and(|c| *c == b'?' || *c == text[of]) {
            (at, of) = (at + 1, of + 1);
        } else if let Some((back, reached)) = star {
            star = Some((back, reached + 1));
            (at, of) = (back + 1, reached + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}

/// Reads a time of `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with `Z` behind it for UTC.
fn time(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let wrong = || format!("{} is no time: YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with `Z` for UTC", quoted(text));
    let (digits, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, &TimeZone::UTC),
        None => (text, zone),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let form = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(wrong()),
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", &form).map_err(|_no_time| wrong())?;
    zone.to_timestamp(at).map_err(|_no_time| wrong())
}
