//! Readers of what servers say, given what no server should say: files of a corpus, and what becomes of them when they are
//! changed at random. A part of a second in every run of the tests, and as long as `ORCHESTRATE_FUZZ_SECONDS` says.
//!
//! A text that is answered as none before it is changed further, and with `ORCHESTRATE_FUZZ_KEEP` it is added to the corpus.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest text that is kept in the corpus, in bytes.
const LONGEST_KEPT: usize = 2_048;
/// Most texts of one corpus.
const MOST_KEPT: usize = 64;
/// Texts between two looks at the clock.
const ROUND: u32 = 256;
/// How long one text may take. Milliseconds are usual; a loaded machine takes longer.
const EACH: Duration = Duration::from_secs(5);

/// One change to a text: where, what, and with which bytes.
type Change = (u16, u8, Vec<u8>);

/// Texts, by the kind of answer that they were given.
struct Corpus {
    folder: PathBuf,
    texts: BTreeMap<String, Vec<u8>>,
}

/// Feeds a reader. It returns of what kind its answer is, in few words, or what is wrong with it.
pub(crate) fn feed(name: &str, read: impl Fn(&[u8]) -> Result<String, String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let mut corpus = Corpus { folder, texts: BTreeMap::new() };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&corpus.folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no corpus");
    for file in files {
        let text = std::fs::read(&file).unwrap();
        let kind = checked(&read, &text).unwrap_or_else(|wrong| panic!("{}: {wrong}", file.display()));
        corpus.texts.insert(kind, text);
    }
    let seconds = std::env::var("ORCHESTRATE_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let limit = seconds.map_or(Duration::from_millis(300), Duration::from_secs_f64);
    let seed = if seconds.is_some() { RngSeed::Random } else { RngSeed::Fixed(11) };
    let (began, mut texts) = (Instant::now(), 0_u64);
    let config = Config { cases: ROUND, rng_seed: seed, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    while texts == 0 || began.elapsed() < limit {
        texts += u64::from(ROUND);
        corpus.round(&mut runner, &read);
    }
    println!("{name}: {texts} texts in {:.1?}, {} kinds of answers", began.elapsed(), corpus.texts.len());
    if std::env::var_os("ORCHESTRATE_FUZZ_KEEP").is_some() {
        corpus.keep();
    }
}

/// Returns of what kind an answer is, where it came in time.
fn checked(read: &impl Fn(&[u8]) -> Result<String, String>, text: &[u8]) -> Result<String, String> {
    let began = Instant::now();
    let kind = read(text)?;
    let took = began.elapsed();
    if took > EACH {
        return Err(format!("took {took:?}"));
    }
    // Numbers and names of a text make no kinds.
    Ok(kind.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(60).collect())
}

impl Corpus {
    fn round(&mut self, runner: &mut TestRunner, read: &impl Fn(&[u8]) -> Result<String, String>) {
        let known: Vec<Vec<u8>> = self.texts.values().cloned().collect();
        let edits =
            proptest::collection::vec((any::<u16>(), 0_u8..8, proptest::collection::vec(any::<u8>(), 0..6)), 0..8);
        let strategy = (0..known.len(), 0..known.len(), edits);
        let new: RefCell<BTreeMap<String, Vec<u8>>> = RefCell::default();
        let outcome = runner.run(&strategy, |(from, other, edits)| {
            let text = changed(&known[from], &known[other], &edits);
            let kind = checked(read, &text)
                .map_err(|wrong| TestCaseError::fail(format!("{wrong}: {:?}", String::from_utf8_lossy(&text))))?;
            new.borrow_mut().entry(kind).or_insert(text);
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
        for (kind, text) in new.into_inner() {
            if text.len() <= LONGEST_KEPT && self.texts.len() < MOST_KEPT {
                self.texts.entry(kind).or_insert(text);
            }
        }
    }

    /// Writes what is new into the folder of the corpus, named by what it is answered with.
    fn keep(&self) {
        for (kind, text) in &self.texts {
            let name: String = kind.split_whitespace().take(8).collect::<Vec<_>>().join("-").to_lowercase();
            let path = self.folder.join(format!("{name}.bin"));
            let known = std::fs::read_dir(&self.folder)
                .unwrap()
                .any(|entry| std::fs::read(entry.unwrap().path()).unwrap() == *text);
            if !known && !path.exists() {
                std::fs::write(path, text).unwrap();
            }
        }
    }
}

fn changed(text: &[u8], other: &[u8], edits: &[Change]) -> Vec<u8> {
    let mut text = text.to_vec();
    for (at, how, bytes) in edits {
        let at = usize::from(*at) % (text.len() + 1);
        let end = (at + bytes.len()).min(text.len());
        match how {
            0 => drop(text.splice(at..at, bytes.iter().copied())),
            1 => drop(text.splice(at..end, bytes.iter().copied())),
            2 => drop(text.drain(at..end)),
            3 => text.truncate(at),
            // A part of it once more, and a part of another.
            4 => {
                let part = text[at..end.max((at + 40).min(text.len()))].to_vec();
                text.splice(at..at, part);
            }
            5 => {
                let from = at.min(other.len());
                text.splice(at..end, other[from..(from + 60).min(other.len())].iter().copied());
            }
            6 => {
                let part = text[at..end].repeat(200);
                text.splice(at..at, part);
            }
            _ => text.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (bytes.len() % 8)),
        }
        text.truncate(200_000);
    }
    text
}
