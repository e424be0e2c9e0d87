//! The answers to the safety questions as a matrix: questions by groups of servers, with the exceptions in words.

use super::Preview;
use super::alike::{Called, alike_in_safety};
use super::doing::ANY;
use super::page::class;
use super::said::{alike_asked, not_asked, together};
use crate::text::{clean, count, list};
use crate::words;
use orchestrate_model::Verdict;
use orchestrate_planner::report::ServerSafety;
use orchestrate_planner::safety::{Asked, Question};
use serde::Serialize;
use std::collections::BTreeSet;

/// Most groups that have a column. More than these have their answers one below the other.
const MOST_COLUMNS: usize = 3;
/// Most groups in the matrix. What speaks against the servers of further groups is told in words.
const MOST_GROUPS: usize = 8;
/// Most exceptions in words.
const MOST_EXCEPTIONS: usize = 60;
/// What the groups are called.
const LETTERS: [&str; MOST_GROUPS] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// How the answers of several groups stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// A column for each group.
    Columns,
    /// One below the other, the same ones once.
    Below,
}

#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    /// Why there is none.
    not_asked: Option<&'static str>,
    groups: Vec<Group>,
    questions: Vec<Row>,
    /// Whether each group has a column.
    columns: bool,
    exceptions: Vec<Exception>,
    more: Option<String>,
}

#[derive(Debug, Serialize)]
struct Group {
    /// Empty where there is one group alone.
    letter: &'static str,
    names: String,
    /// The server whose evidence stands for all of the group. Empty where it is one alone.
    speaks: String,
    said: String,
    tone: &'static str,
}

#[derive(Debug, Serialize)]
struct Row {
    question: String,
    /// What it was asked about, where several questions have the same answers.
    about: String,
    answers: Vec<Cell>,
}

/// The same answer of one group, or of several where these have no columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Cell {
    letters: String,
    mark: &'static str,
    word: &'static str,
    tone: &'static str,
    evidence: String,
    advice: String,
}

/// What speaks against the servers of a group.
#[derive(Debug, Serialize)]
struct Exception {
    names: String,
    question: String,
    answer: Cell,
}

/// Returns the matrix of a preview.
pub(super) fn of(preview: &Preview<'_>, called: &Called) -> Matrix {
    let groups = alike_in_safety(&preview.report.safety);
    if groups.is_empty() {
        return Matrix {
            not_asked: Some(not_asked(preview)),
            groups: Vec::new(),
            questions: Vec::new(),
            columns: false,
            exceptions: Vec::new(),
            more: None,
        };
    }
    let shown = &groups[..groups.len().min(MOST_GROUPS)];
    let layout = if shown.len() <= MOST_COLUMNS { Layout::Columns } else { Layout::Below };
    let mut exceptions: Vec<Exception> = groups.iter().flat_map(|group| exceptions(group, called)).collect();
    let further = groups.len() - shown.len();
    let untold = exceptions.len().saturating_sub(MOST_EXCEPTIONS);
    exceptions.truncate(MOST_EXCEPTIONS);
    let more = [
        (further > 0).then(|| format!("{} more than the matrix shows", count(further as u64, "group"))),
        (untold > 0).then(|| format!("{} more than are named", count(untold as u64, "exception"))),
    ];
    let more: Vec<String> = more.into_iter().flatten().collect();
    Matrix {
        not_asked: None,
        groups: shown
            .iter()
            .enumerate()
            .map(|(place, group)| self::group((place, shown.len()), group, called))
            .collect(),
        questions: questions(shown, layout),
        columns: layout == Layout::Columns,
        exceptions,
        more: (!more.is_empty()).then(|| format!("{}: -o json has all", list(&more))),
    }
}

fn group((place, all): (usize, usize), servers: &[&ServerSafety], called: &Called) -> Group {
    let asked = &servers[0].asked;
    let yes = asked.iter().filter(|asked| asked.verdict.is_yes()).count();
    let (tone, said) = if servers[0].silent {
        (
            "bad",
            format!("✗ no answer to anything (O2018): {} of {} questions stay open", asked.len() - yes, asked.len()),
        )
    } else if yes == asked.len() {
        ("good", format!("✓ all {} questions answered with yes", asked.len()))
    } else {
        ("bad", format!("✗ {} of {} questions not answered with yes", asked.len() - yes, asked.len()))
    };
    Group {
        letter: if all > 1 { LETTERS[place] } else { "" },
        names: called.list(servers.iter().map(|safety| &safety.server)),
        speaks: if servers.len() > 1 { servers[0].server.to_string() } else { String::new() },
        said,
        tone,
    }
}

/// Returns a row for each question that any group was asked; features with the same answers share one.
fn questions(groups: &[Vec<&ServerSafety>], layout: Layout) -> Vec<Row> {
    let asked: BTreeSet<Question> =
        groups.iter().flat_map(|group| &group[0].asked).map(|asked| asked.question).collect();
    let each = |question: Question| -> Vec<Option<&Asked>> {
        groups.iter().map(|group| group[0].asked.iter().find(|asked| asked.question == question)).collect()
    };
    let all: Vec<(Question, Vec<Option<&Asked>>)> =
        asked.into_iter().map(|question| (question, each(question))).collect();
    let rows = all.chunk_by(|(_, one), (_, other)| {
        one.iter().zip(other).all(|pair| match pair {
            (Some(one), Some(other)) => alike_asked(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        })
    });
    rows.map(|rows| row(rows, (layout, groups))).collect()
}

fn row(rows: &[(Question, Vec<Option<&Asked>>)], (layout, groups): (Layout, &[Vec<&ServerSafety>])) -> Row {
    let speakers: Vec<&ServerSafety> = groups.iter().map(|group| group[0]).collect();
    let (question, answers) = &rows[0];
    let cells = answers.iter().enumerate().map(|(place, asked)| {
        let letters = if answers.len() > 1 { LETTERS[place] } else { "" };
        asked.map_or_else(|| not_put(letters), |asked| cell(letters, asked))
    });
    let mut answers: Vec<Cell> = cells.collect();
    if layout == Layout::Below {
        answers = merged(answers, &speakers);
    }
    let (question, about) = match rows.len() {
        1 => (question.to_string(), String::new()),
        _ => together(rows.iter().map(|(question, _)| *question)),
    };
    Row { question, about, answers }
}

/// Returns answers that are the same but for the server that they name once, with the letters of all their groups.
fn merged(cells: Vec<Cell>, speakers: &[&ServerSafety]) -> Vec<Cell> {
    let mut told: Vec<(Cell, Cell)> = Vec::new();
    for (cell, speaker) in cells.into_iter().zip(speakers) {
        let any = |text: &str| {
            let text = text.replace(speaker.server.as_str(), ANY).replace(speaker.server.short(), ANY);
            text.replace(speaker.pool.as_str(), "its pool")
        };
        let (evidence, advice) = (any(&cell.evidence), any(&cell.advice));
        let key = Cell { letters: String::new(), evidence, advice, ..cell.clone() };
        match told.iter_mut().find(|(known, _)| *known == key) {
            Some((_, first)) => {
                let letters = format!("{}, {}", first.letters, cell.letters);
                *first = Cell { letters, ..key };
            }
            None => told.push((key, cell)),
        }
    }
    told.into_iter().map(|(_, cell)| cell).collect()
}

fn not_put(letters: &str) -> Cell {
    Cell {
        letters: letters.to_owned(),
        mark: "–",
        word: "does not apply",
        tone: "quiet",
        evidence: String::new(),
        advice: String::new(),
    }
}

fn cell(letters: &str, asked: &Asked) -> Cell {
    let mark = match &asked.verdict {
        Verdict::Yes(_) => "✓",
        Verdict::No(_) => "✗",
        Verdict::Unknown(_) => "?",
    };
    Cell {
        letters: letters.to_owned(),
        mark,
        word: asked.verdict.word(),
        tone: class(words::verdict_tone(&asked.verdict)),
        evidence: clean(asked.verdict.text()),
        advice: clean(&asked.advice),
    }
}

/// Returns what speaks against the servers of a group; features with one answer are told once.
fn exceptions(group: &[&ServerSafety], called: &Called) -> Vec<Exception> {
    let names = called.list(group.iter().map(|safety| &safety.server));
    let asked = group[0].asked.chunk_by(alike_asked).filter(|alike| !alike[0].verdict.is_yes());
    let exception = |alike: &[Asked]| {
        let question = match alike.len() {
            1 => alike[0].question.to_string(),
            _ => together(alike.iter().map(|asked| asked.question)).1,
        };
        Exception { names: names.clone(), question, answer: cell("", &alike[0]) }
    };
    // Of servers that answer nothing one exception says it all.
    let most = if group[0].silent { 1 } else { usize::MAX };
    asked.take(most).map(exception).collect()
}
