//! The way through the events of a file on which its secrets are found.

use super::Secrets;
use super::names::{
    HARMLESS, NESTED, SINGLE, TOP, begins_with_key_of_plan, first_of_secret, hidden_in, is_fingerprint, is_of_form,
    is_word, logons_in, resembles_access,
};
use crate::events::{end_of, start_of};
use orchestrate_model::secret::{hides, option_value};
use serde_saphyr::granit_parser::{Event, Parser, Span as Place, options};
use std::collections::{BTreeMap, BTreeSet};

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
pub(super) struct Walk<'s> {
    source: &'s str,
    /// Anchors whose values are secrets because an alias to them stands where secrets do.
    known: &'s BTreeSet<usize>,
    frames: Vec<Frame>,
    found: Secrets,
    pub(super) aliased: BTreeSet<usize>,
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
    pub(super) fn new(source: &'s str, known: &'s BTreeSet<usize>) -> Self {
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

    pub(super) fn finish(self) -> Secrets {
        Secrets { whole: self.seen == Seen::Something, ..self.found }
    }

    pub(super) fn run(&mut self) {
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
            (Inside::Access, None) => {
                let owner = self.frames.iter().rev().nth(1).and_then(|frame| frame.key.as_deref());
                return match text {
                    // Words for what people are told of.
                    Some(text) if owner == Some("on") && is_of_form("on", text) => Inside::Open,
                    Some(_) => Inside::Secret,
                    None => Inside::Access,
                };
            }
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
            (_, text) if SINGLE.contains(&key.trim().to_lowercase().as_str()) => {
                if text.is_some_and(|text| !text.is_empty()) { Inside::Secret } else { Inside::Access }
            }
            // Addresses that are as secret as passwords belong there by name only.
            (_, text) if self.frames.len() == 1 && key.trim().eq_ignore_ascii_case("notify") => {
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
        let (hidden, typed_hidden) = (hidden_in(text), hidden_in(typed));
        for part in hidden.iter().filter_map(|part| text.get(part.clone())) {
            self.found.keep(part);
            self.found.keep(text);
        }
        let value_of = |text: &str| if is_key { None } else { option_value(text) };
        let (value, typed_value) = (value_of(text), value_of(typed));
        let rest = value.map(|from| text.get(from..).unwrap_or_default().trim());
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            self.found.keep(rest);
            self.found.keep(text);
        }
        let differs = logons.len() != typed_logons.len() || hidden.len() != typed_hidden.len();
        if differs || value.is_some() != typed_value.is_some() {
            // It was written with escapes, or stands behind an alias.
            self.hide(start, end);
            return rest.is_some_and(str::is_empty);
        }
        let most = typed_value.unwrap_or(typed.len());
        let mut parts: Vec<_> = typed_logons.into_iter().chain(typed_hidden).filter(|part| part.end <= most).collect();
        parts.sort_by_key(|part| part.start);
        for part in parts {
            self.found.add(start + part.start..start + part.end);
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
