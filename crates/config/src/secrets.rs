//! Where in a file secrets stand that do not belong there, so that no message shows them.
//!
//! A plan never holds a secret. One that was written by mistake shall not be found in a log as well, however it was
//! written: on the next line, in a list, behind an alias, under an escaped key, in a file that is no YAML at all. The
//! rule goes by node: under `access` everything is taken for a secret that is not the value of a key known as harmless,
//! and elsewhere everything that stands beside a key whose name looks like that of a secret. Too much is masked rather
//! than too little: the place, the message and the author's own file are still there.

use crate::diagnostic::{Diagnostic, shown};
use crate::events::{end_of, start_of};
use serde_saphyr::granit_parser::{Event, Parser, Span as Place, options};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Keys under `access` that hold further keys.
const NESTED: [&str; 4] = ["winrm", "credentials", "cmdlets", "task"];
/// Keys under `access` whose single values are no secrets, as long as they have the form that the key expects.
const HARMLESS: [&str; 15] = [
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
const TOP: [&str; 10] =
    ["version", "name", "reason", "dns", "pools", "maintenance", "budgets", "stop_when", "windows", "freezes"];
/// What stands in the place of a secret in a message.
const MASKED: &str = "***";
/// Most texts that are kept; a hostile file holds very many.
const MOST_TEXTS: usize = 10_000;
/// From this length on a secret is masked wherever it stands in a message, and not only as a whole quotation.
const LONG: usize = 6;

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
fn hides(key: &str) -> bool {
    // Names of servers and pools are keys as well, and may be called `login`.
    let is_name = key.contains('.');
    let is_one = |word: &str| WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()));
    let mut words = key.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    looks_secret(key) || (!is_name && words.any(|word| is_one(&word)))
}

/// Returns whether a key is probably a mistyped `access`.
fn resembles_access(key: &str) -> bool {
    let key = key.trim();
    // A distance costs much more than this, and a file may hold half a million words.
    let alike = key.bytes().filter(|byte| b"aces".contains(&byte.to_ascii_lowercase())).count();
    (4..=8).contains(&key.len()) && alike >= 4 && strsim::damerau_levenshtein(&key.to_lowercase(), "access") <= 2
}

/// What a value stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Nothing in particular.
    Open,
    /// The access of a pool: what is not known to be harmless is masked.
    Access,
    /// Beside the key of a secret: everything is masked.
    Secret,
}

/// What kind of collection is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Map,
    /// The `external` of a pool or a server, whose `access` is a name or an address.
    External,
}

/// A list or a mapping that is being read.
#[derive(Debug)]
struct Frame {
    inside: Inside,
    kind: Kind,
    /// In a mapping: the key whose value comes next.
    key: Option<String>,
    /// Where it begins, when the whole is a key of the mapping around it.
    key_from: Option<usize>,
    /// In a mapping: the single value of a key such as `name`, when it has the name of a secret.
    named: bool,
}

impl Frame {
    fn is_map(&self) -> bool {
        self.kind != Kind::List
    }
}

/// The secrets of a file.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    ranges: Vec<Range<usize>>,
    texts: BTreeSet<String>,
    /// Where an access or a secret of several lines stands: comments on these lines are masked whatever they say.
    blocks: Vec<Range<usize>>,
    /// Whether the file is no plan, and may be one of credentials: no line of it is shown.
    whole: bool,
}

impl Secrets {
    /// Finds the secrets of a file, whether it can be parsed or not.
    pub(crate) fn of(source: &str) -> Self {
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        let mut found = Self::found_in(source);
        if found.whole {
            for (event, _) in Parser::new_from_str(source).map_while(Result::ok) {
                if let Event::Scalar(text, ..) = event
                    && !is_word(&text)
                {
                    found.keep(&text);
                }
            }
        }
        found
    }

    fn found_in(source: &str) -> Self {
        let mut known = BTreeSet::new();
        // A value may be anchored before the alias to it shows that it is a secret.
        for _again in 0..3 {
            let mut walk = Walk::new(source, &known);
            walk.run();
            if walk.aliased.is_subset(&known) {
                return walk.finish();
            }
            let Walk { aliased, .. } = walk;
            known.extend(aliased);
        }
        let mut walk = Walk::new(source, &known);
        walk.run();
        walk.finish()
    }

    /// Returns whether no line of the file may be shown.
    pub(crate) fn is_whole_file(&self) -> bool {
        self.whole
    }

    /// Returns a line, or any part of the file that begins at `start`, with every secret replaced byte by byte, so that
    /// places still fit.
    pub(crate) fn masked(&self, text: &str, start: usize) -> String {
        let mut bytes: Vec<(usize, char)> = text.char_indices().collect();
        let in_block = self.blocks.iter().any(|block| block.start < start + text.len() && start < block.end);
        let comment = comment_to_mask(text, in_block);
        // The same text once more, such as behind an anchor that was given twice.
        let again = self.texts.iter().filter(|secret| secret.len() >= LONG && !secret.ends_with('@'));
        let again: Vec<Range<usize>> = again
            .flat_map(|secret| text.match_indices(secret.as_str()))
            .map(|(at, secret)| at..at + secret.len())
            // Where the file cannot be parsed, only its lines tell of addresses.
            .chain(logons_in(text))
            .collect();
        for (at, c) in &mut bytes {
            let place = start + *at;
            let secret = self.hides(place)
                || comment.is_some_and(|from| *at >= from)
                || again.iter().any(|range| range.contains(at));
            if secret && !matches!(c, '\n' | '\r') {
                *at = usize::MAX;
            }
        }
        bytes.into_iter().fold(String::new(), |mut out, (at, c)| {
            if at == usize::MAX {
                out.extend(std::iter::repeat_n('*', c.len_utf8()));
            } else {
                out.push(c);
            }
            out
        })
    }

    /// The ranges are in the order of the file and do not overlap.
    fn hides(&self, place: usize) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= place);
        after.checked_sub(1).and_then(|last| self.ranges.get(last)).is_some_and(|range| range.contains(&place))
    }

    /// Takes the secrets out of what a diagnostic says.
    pub(crate) fn taken_out_of(&self, diagnostic: &mut Diagnostic) {
        if self.texts.is_empty() {
            return;
        }
        let Diagnostic { message, label, help, notes, .. } = diagnostic;
        for text in [message, label].into_iter().chain(help).chain(notes) {
            *text = self.without(text);
        }
    }

    fn without(&self, text: &str) -> String {
        let mut parts: Vec<String> = text.split('`').map(str::to_owned).collect();
        for part in parts.iter_mut().skip(1).step_by(2) {
            if self.texts.contains(part.as_str()) {
                MASKED.clone_into(part);
            }
        }
        let mut text = parts.join("`");
        for secret in &self.texts {
            let logon = secret.ends_with('@');
            if (secret.len() >= LONG || secret.contains('`') || logon) && text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), if logon { "***@" } else { MASKED });
            }
        }
        text
    }

    fn add(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end >= range.start && last.start <= range.start => last.end = last.end.max(range.end),
            Some(_) | None => self.ranges.push(range),
        }
    }

    /// Keeps name and password of an address, with the sign behind them.
    fn keep_logon(&mut self, logon: &str, whole: &str) {
        if self.texts.len() < MOST_TEXTS {
            self.texts.insert(format!("{logon}@"));
            self.texts.insert(format!("{}@", shown(logon)));
        }
        // A message shows the beginning of a long text, and perhaps not as far as the sign.
        if shown(whole).ends_with('…') {
            self.keep(whole);
        }
    }

    fn keep(&mut self, text: &str) {
        if self.texts.len() >= MOST_TEXTS || text.trim().is_empty() {
            return;
        }
        self.texts.insert(shown(text));
        // Parsers and name rules quote parts of it.
        if text.len() >= LONG {
            self.texts.insert(text.to_owned());
        }
    }
}

/// Returns from where on a line's comment is masked, if there is one that speaks of a secret, or `whatever` it says.
#[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
fn comment_to_mask(line: &str, whatever: bool) -> Option<usize> {
    let begins = |at: &usize| *at == 0 || line[..*at].ends_with([' ', '\t']);
    let from = line.match_indices('#').map(|(at, _)| at).find(begins)?;
    let speaks = || line[from..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').any(looks_secret);
    (whatever || speaks()).then_some(from + 1)
}

/// What was read of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// Nothing but comments.
    Nothing,
    /// Something, and no key of a plan at the top.
    Something,
    /// A key of a plan at the top.
    Plan,
}

/// One way through the events of a file.
struct Walk<'s> {
    source: &'s str,
    /// Anchors whose values are secrets because an alias to them stands where secrets do.
    known: &'s BTreeSet<usize>,
    frames: Vec<Frame>,
    found: Secrets,
    aliased: BTreeSet<usize>,
    /// The texts of anchored scalars, for aliases as keys.
    anchored: BTreeMap<usize, String>,
    /// The end of the last event.
    last: usize,
    /// Its start.
    began: usize,
    /// Whether the last key was one of an access, or of a secret.
    near: bool,
    /// Where the last key began.
    key_at: usize,
    /// Whether the last item of a list was an option of a command, such as `-password`, whose value comes next.
    option: bool,
    /// What was read so far.
    seen: Seen,
}

impl<'s> Walk<'s> {
    fn new(source: &'s str, known: &'s BTreeSet<usize>) -> Self {
        Self {
            source,
            known,
            frames: Vec::new(),
            found: Secrets::default(),
            aliased: BTreeSet::new(),
            anchored: BTreeMap::new(),
            last: 0,
            began: 0,
            near: false,
            key_at: 0,
            option: false,
            seen: Seen::Nothing,
        }
    }

    fn finish(self) -> Secrets {
        Secrets { whole: self.seen == Seen::Something, ..self.found }
    }

    fn run(&mut self) {
        let options = options! { emit_unresolved_aliases: true };
        for event in Parser::new_from_str_with_options(self.source, options) {
            let Ok((event, place)) = event else {
                let is_plan = self.source.lines().any(begins_with_key_of_plan);
                self.seen = self.seen.max(if is_plan { Seen::Plan } else { Seen::Something });
                self.broken();
                return;
            };
            self.event(&event, &place);
            let end = end_of(&place).min(self.source.len());
            self.last = self.last.max(end);
            self.began = start_of(&place).min(self.last);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's events are not ours, and may grow")]
    fn event(&mut self, event: &Event<'_>, place: &Place) {
        match event {
            Event::Scalar(text, _, anchor, _) => {
                if *anchor > 0 {
                    self.anchored.insert(*anchor, text.to_string());
                }
                if let Some(tag) = event.tag()
                    && self.child(Some(text), *anchor) == Inside::Secret
                {
                    let tag = tag.original();
                    self.found.keep(&tag);
                    self.found.keep(tag.trim_start_matches('!'));
                }
                self.scalar(text, *anchor, place);
            }
            Event::Alias(anchor) => {
                let text = self.anchored.get(anchor).cloned();
                if self.child(text.as_deref(), 0) == Inside::Secret {
                    self.aliased.insert(*anchor);
                }
                self.scalar(&text.unwrap_or_default(), 0, place);
            }
            Event::UnresolvedAlias(name) => self.scalar(name, 0, place),
            Event::SequenceStart(_, anchor, _) => self.open(place, *anchor, Kind::List),
            Event::MappingStart(_, anchor, _) => self.open(place, *anchor, Kind::Map),
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
            _ => {}
        }
    }

    /// Returns whether the next node is a key.
    fn at_key(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.is_map() && frame.key.is_none())
    }

    /// Returns what the next node stands in; `text` is there for single values.
    fn child(&self, text: Option<&str>, anchor: usize) -> Inside {
        let Some(frame) = self.frames.last() else { return Inside::Open };
        if self.known.contains(&anchor) {
            return Inside::Secret;
        }
        let key = match (frame.inside, &frame.key) {
            (Inside::Secret, _) => return Inside::Secret,
            // A key. A text that is no word may be a secret whose colon is the next one.
            (Inside::Access, None) if frame.is_map() => {
                return if text.is_none_or(is_word) { Inside::Access } else { Inside::Secret };
            }
            (Inside::Access, None) => return if text.is_some() { Inside::Secret } else { Inside::Access },
            (Inside::Open, None) => return Inside::Open,
            (_, Some(key)) => key.as_str(),
        };
        if frame.named && text.is_some() {
            return Inside::Secret;
        }
        match (frame.inside, text) {
            (Inside::Access, Some(text))
                if (HARMLESS.contains(&key) && is_of_form(key, text)) || (key == "pin" && is_fingerprint(text)) =>
            {
                Inside::Open
            }
            (Inside::Access, None) if NESTED.contains(&key) => Inside::Access,
            (Inside::Access, _) => Inside::Secret,
            _ if frame.kind == Kind::External => Inside::Open,
            // A single value is for nothing there but a secret.
            (_, text) if ["access", "credentials"].contains(&key.trim().to_lowercase().as_str()) => {
                if text.is_some_and(|text| !text.is_empty()) { Inside::Secret } else { Inside::Access }
            }
            // A key that is nothing: a value that has slipped out of its place.
            (_, _) if ["", "~", "null"].contains(&key.trim()) => Inside::Secret,
            (_, _) if hides(key) || key.to_lowercase().contains("credential") => Inside::Secret,
            (_, _) if resembles_access(key) => Inside::Secret,
            (_, _) => Inside::Open,
        }
    }

    fn scalar(&mut self, text: &str, anchor: usize, place: &Place) {
        let is_key = self.at_key();
        let follows = std::mem::take(&mut self.option) && self.frames.last().is_some_and(|frame| !frame.is_map());
        let inside = if follows { Inside::Secret } else { self.child(Some(text), anchor) };
        if inside == Inside::Secret {
            self.hide(start_of(place), end_of(place));
            self.found.keep(text);
        } else {
            self.option = self.parts(text, place, is_key);
        }
        let at_top = self.frames.iter().filter(|frame| frame.is_map()).count() == 1;
        let is_plan = is_key && at_top && TOP.contains(&text);
        self.seen = self.seen.max(if is_plan { Seen::Plan } else { Seen::Something });
        let Some(frame) = self.frames.last_mut().filter(|frame| frame.is_map()) else { return };
        if is_key {
            self.key_at = start_of(place);
            frame.key = Some(text.to_owned());
            self.near = inside != Inside::Open || self.child(None, 0) != Inside::Open;
            return;
        }
        let names = frame.key.take().is_some_and(|key| ["name", "key", "variable"].contains(&key.as_str()));
        // `{name: PASSWORD, value: ...}`, as other tools write variables. A plan's own `name` stands at the top.
        let own = self.frames.len() == 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.named |= names && !own && hides(text);
        }
    }

    /// Masks the parts of a value that are secrets wherever it stands: name and password in an address, and the value
    /// of an option of a command. Returns whether that value comes next.
    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    fn parts(&mut self, text: &str, place: &Place, is_key: bool) -> bool {
        let end = end_of(place).min(self.source.len());
        let start = start_of(place).min(end);
        let typed = self.source.get(start..end).unwrap_or_default();
        let (logons, typed_logons) = (logons_in(text), logons_in(typed));
        for logon in logons.iter().filter_map(|logon| text.get(logon.clone())) {
            self.found.keep_logon(logon, text);
        }
        let value_of = |text: &str| if is_key { None } else { option_value(text) };
        let (value, typed_value) = (value_of(text), value_of(typed));
        let rest = value.map(|from| text.get(from..).unwrap_or_default().trim());
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            self.found.keep(rest);
            self.found.keep(text);
        }
        if logons.len() != typed_logons.len() || value.is_some() != typed_value.is_some() {
            // It was written with escapes, or stands behind an alias.
            self.hide(start, end);
            return rest.is_some_and(str::is_empty);
        }
        let most = typed_value.unwrap_or(typed.len());
        for logon in typed_logons.into_iter().filter(|logon| logon.end <= most) {
            self.found.add(start + logon.start..start + logon.end);
        }
        self.found.add(start + most..end);
        rest.is_some_and(str::is_empty)
    }

    fn open(&mut self, place: &Place, anchor: usize, kind: Kind) {
        let inside = self.child(None, anchor);
        if inside == Inside::Secret {
            self.hide(start_of(place), end_of(place));
        }
        self.option = false;
        let key_from = self.at_key().then(|| start_of(place));
        let around = self.frames.last();
        if inside != Inside::Open && around.is_some_and(|frame| frame.inside == Inside::Open) {
            // With its key, and up to the end of the file until its own end is known.
            let has_key = around.is_some_and(|frame| frame.key.is_some());
            let start = if has_key { self.key_at } else { start_of(place) };
            self.found.blocks.push(start..self.source.len());
        }
        let owner = self.frames.last().and_then(|frame| frame.key.as_deref());
        let kind = if kind == Kind::Map && owner == Some("external") { Kind::External } else { kind };
        self.frames.push(Frame { inside, kind, key: None, key_from, named: false });
    }

    fn close(&mut self, place: &Place) {
        let Some(done) = self.frames.pop() else { return };
        self.option = false;
        let end = end_of(place).min(self.source.len());
        if done.inside == Inside::Secret {
            self.hide(start_of(place), end);
        }
        let outermost = self.frames.last().is_some_and(|frame| frame.inside == Inside::Open);
        if let Some(block) = self.found.blocks.last_mut().filter(|_| done.inside != Inside::Open && outermost) {
            // A collection without brackets ends with its last value, and not where the next key begins.
            let brackets = self.source.get(..end).is_some_and(|read| read.ends_with(['}', ']']));
            let read = self.source.get(..self.last).unwrap_or_default();
            block.end = if brackets { end } else { read.trim_end().len() };
        }
        let Some(around) = self.frames.last_mut().filter(|frame| frame.is_map()) else { return };
        let key = done.key_from.map(|start| self.source.get(start..end).unwrap_or_default());
        around.key = key.map(str::to_owned);
    }

    /// Masks a value, with the properties and comments before it and a comment behind it.
    fn hide(&mut self, start: usize, end: usize) {
        let (start, end) = (start.min(self.source.len()), end.min(self.source.len()));
        let gap = self.source.get(self.last..start).unwrap_or_default();
        let punctuation =
            gap.len() - gap.trim_start_matches([' ', ':', '\n', '\r', '\t', ',', '[', '{', '-', '?']).len();
        let from = (self.last + punctuation).min(start);
        let rest = self.source.get(end..).unwrap_or_default().split('\n').next().unwrap_or_default();
        let comment = rest.trim_start().starts_with('#');
        self.found.add(from..if comment { end + rest.len() } else { end });
    }

    /// Masks what comes after a mistake: there are no nodes any more to go by.
    fn broken(&mut self) {
        let within = self.frames.iter().any(|frame| frame.inside != Inside::Open);
        let pending = self.child(None, 0) != Inside::Open && !self.at_key();
        if within || pending || self.near {
            self.found.add(self.last..self.source.len());
            return;
        }
        // The last value may have swallowed a key: it is looked at again.
        let tail = self.source.get(self.began..).unwrap_or_default();
        if let Some(from) = first_of_secret(tail) {
            self.found.add(self.began + from..self.source.len());
        }
    }
}

/// Returns whether a value under `access` plainly has the form that its key expects. One that has not may be a secret
/// that was written in the wrong place.
fn is_of_form(key: &str, text: &str) -> bool {
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
fn logons_in(text: &str) -> Vec<Range<usize>> {
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
fn option_value(text: &str) -> Option<usize> {
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
fn begins_with_key_of_plan(line: &str) -> bool {
    let line = line.trim_start_matches(['{', '-', '?', ' ', '\t', '"', '\'']);
    let rest = TOP.iter().find_map(|key| line.strip_prefix(key));
    rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
}

/// Returns whether a text can be the name of a key.
fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'))
}

/// Returns whether a text can be the fingerprint of a certificate: digits enough, and nothing but them.
fn is_fingerprint(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    (digits >= 32 || (digits >= 8 && text.contains(':')))
        && text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ' ' | ':' | '-'))
}

/// Returns where in a text that cannot be parsed the first value of a secret may begin: behind a word that looks like
/// one, behind `access` or `credentials`, or at an escape, which may hide such a word.
fn first_of_secret(text: &str) -> Option<usize> {
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
