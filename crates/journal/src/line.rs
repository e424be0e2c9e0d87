//! The form of the journal: one JSON object a line, each with the hash of the one before.
//!
//! `{"v":1,"seq":7,"at":"…","prev":"…","record":{…},"hash":"…"}`. The hash is the SHA-256 of the object without its last
//! member, so a line that was changed, left out or moved does not fit the next one.

use crate::error::JournalError;
use jiff::Timestamp;
use orchestrate_engine::Record;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// The version of the form. Writers write this one; readers refuse any other.
const VERSION: u32 = 1;

/// What the first record has for the hash of the one before.
pub(crate) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const HASH_MEMBER: &str = ",\"hash\":\"";
const HASH_DIGITS: usize = 64;

/// One record of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The record.
    pub record: Record,
}

/// What a journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// Its records.
    pub entries: Vec<Entry>,
    /// Bytes that hold them.
    pub length: u64,
    /// Bytes after them: the beginning of a record whose writing was interrupted. Nothing depends on it.
    pub torn: u64,
    /// The hash of the last record.
    pub last_hash: String,
}

#[derive(Serialize)]
struct Body<'a> {
    v: u32,
    seq: u64,
    at: Timestamp,
    prev: &'a str,
    record: &'a Record,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnedBody {
    v: u32,
    seq: u64,
    at: Timestamp,
    prev: String,
    record: Record,
}

/// Returns the line of a record, ending included, and its hash.
pub(crate) fn write(seq: u64, at: Timestamp, prev: &str, record: &Record) -> (String, String) {
    let body = serde_json::to_string(&Body { v: VERSION, seq, at, prev, record })
        .expect("records have text keys only and serialise");
    let hash = hash(&body);
    let open = body.strip_suffix('}').unwrap_or(&body);
    (format!("{open}{HASH_MEMBER}{hash}\"}}\n"), hash)
}

fn hash(body: &str) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digest = Sha256::digest(body.as_bytes());
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| DIGITS[usize::from(half)]).collect()
}

/// Reads a journal.
///
/// A last line without its ending was being written when the tool stopped: it is reported as torn and left out. Every
/// other line must be exactly as it was written, and nothing but the ending may follow a hash.
///
/// # Errors
/// Names the record that does not fit.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Entries, JournalError> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut entries = Vec::new();
    let mut prev = FIRST.to_owned();
    for line in bytes[..end].split_inclusive(|byte| *byte == b'\n') {
        let number = entries.len() as u64 + 1;
        let damaged = |why: String| JournalError::Damaged { path: path.to_owned(), number, why };
        let (entry, hash) = entry(line, number, &prev).map_err(damaged)?;
        entries.push(entry);
        prev = hash;
    }
    if is_more_than_a_line(&bytes[end..]) {
        let number = entries.len() as u64 + 1;
        let why = "something else follows it where its line ends".to_owned();
        return Err(JournalError::Damaged { path: path.to_owned(), number, why });
    }
    Ok(Entries { entries, length: end as u64, torn: (bytes.len() - end) as u64, last_hash: prev })
}

/// Whether the end of a journal holds a whole record and then something that is not the end of its line. Writing that
/// was interrupted leaves less than a line, never more.
fn is_more_than_a_line(tail: &[u8]) -> bool {
    let member = HASH_MEMBER.as_bytes();
    let ends = |place: usize| tail.get(place + member.len() + HASH_DIGITS..).is_some_and(|rest| rest.len() > 2);
    let found = tail.windows(member.len()).rposition(|window| window == member);
    found.is_some_and(ends)
}

fn entry(line: &[u8], number: u64, prev: &str) -> Result<(Entry, String), String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("it is not text: {error}"))?;
    let text = text.trim_end_matches('\n');
    let (open, tail) = text.rsplit_once(HASH_MEMBER).ok_or_else(|| "it has no hash".to_owned())?;
    let stated = tail.strip_suffix("\"}").ok_or_else(|| "it does not end with its hash".to_owned())?;
    let body = format!("{open}}}");
    let found = hash(&body);
    if stated != found {
        return Err(format!("its hash is {found}, it states {stated}"));
    }
    let body: OwnedBody = serde_json::from_str(&body).map_err(|error| format!("it is not a record: {error}"))?;
    if body.v != VERSION {
        return Err(format!("it has version {}, this release reads version {VERSION}", body.v));
    }
    if body.seq != number {
        return Err(format!("it has number {}", body.seq));
    }
    if body.prev != prev {
        return Err("it does not follow the record before it".to_owned());
    }
    Ok((Entry { seq: body.seq, at: body.at, record: body.record }, found))
}
