//! Where in a file secrets stand that do not belong there, so that no message shows them.
//!
//! A plan never holds a secret. One that was written by mistake shall not be found in a log as well, however it was
//! written: on the next line, in a list, behind an alias, under an escaped key, in a file that is no YAML at all. The
//! rule goes by node: under `access` everything is taken for a secret that is not the value of a key known as harmless,
//! and elsewhere everything that stands beside a key whose name looks like that of a secret. Too much is masked rather
//! than too little: the place, the message and the author's own file are still there.

mod names;
mod walk;

pub(crate) use orchestrate_model::secret::looks_secret;

use crate::diagnostic::{Diagnostic, shown};
use names::{hidden_in, is_word, logons_in};
use orchestrate_model::secret::MASKED;
use serde_saphyr::granit_parser::{Event, Parser};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::OnceLock;
use walk::Walk;

/// Most texts that are kept; a hostile file holds very many.
const MOST_TEXTS: usize = 10_000;
/// From this length on a secret is masked wherever it stands in a message, and not only as a whole quotation.
const LONG: usize = 6;

/// The secrets of a file.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    ranges: Vec<Range<usize>>,
    texts: BTreeSet<String>,
    /// Where an access or a secret of several lines stands: comments on these lines are masked whatever they say.
    blocks: Vec<Range<usize>>,
    /// Whether the file is no plan, and may be one of credentials: no line of it is shown.
    whole: bool,
    /// The texts that are looked for inside others.
    inside: OnceLock<Inside>,
}

/// Texts that are looked for inside others, by how they begin: a hostile file has thousands.
#[derive(Debug, Default)]
struct Inside {
    long: BTreeMap<[u8; LONG], Vec<String>>,
    short: Vec<String>,
}

impl Inside {
    /// Returns where these texts are in another one, each with its place, also those that lie in each other.
    fn found_in<'a>(&'a self, text: &str) -> Vec<(Range<usize>, &'a str)> {
        let starts = text.as_bytes().windows(LONG).enumerate();
        let long = starts.filter_map(|(at, start)| Some((at, self.long.get(<&[u8; LONG]>::try_from(start).ok()?)?)));
        let long = long.flat_map(|(at, texts)| {
            let here = &text.as_bytes()[at..];
            let is_here = move |secret: &&String| here.starts_with(secret.as_bytes());
            texts.iter().filter(is_here).map(move |secret| (at..at + secret.len(), secret.as_str()))
        });
        let short = self.short.iter().flat_map(|secret| {
            text.match_indices(secret.as_str()).map(move |(at, found)| (at..at + found.len(), secret.as_str()))
        });
        long.chain(short).collect()
    }
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
        let again: Vec<Range<usize>> = self
            .inside()
            .found_in(text)
            .into_iter()
            .filter(|(_, secret)| secret.len() >= LONG && !secret.ends_with('@'))
            .map(|(range, _)| range)
            // Where the file cannot be parsed, only its lines tell of addresses.
            .chain(logons_in(text))
            .chain(hidden_in(text))
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
        let text = parts.join("`");
        let mut found = self.inside().found_in(&text);
        // Of secrets in each other the longest is taken out.
        found.sort_by_key(|(range, _)| (range.start, usize::MAX - range.end));
        let (mut out, mut at) = (String::new(), 0);
        for (range, secret) in found {
            if range.start < at {
                // The rest of one that begins in another.
                at = at.max(range.end);
                continue;
            }
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(if secret.ends_with('@') { "***@" } else { MASKED });
            at = range.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }

    /// Returns the texts that are looked for inside others.
    fn inside(&self) -> &Inside {
        self.inside.get_or_init(|| {
            let mut inside = Inside::default();
            for secret in &self.texts {
                if let Some(start) = secret.as_bytes().first_chunk::<LONG>() {
                    inside.long.entry(*start).or_default().push(secret.clone());
                } else if secret.contains('`') || secret.ends_with('@') {
                    inside.short.push(secret.clone());
                }
            }
            inside
        })
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
