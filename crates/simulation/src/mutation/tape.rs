//! Journals that do not keep what they are given.

use crate::drive::Tape;
use orchestrate_journal::Storage;
use std::io;

/// Throws intents away.
pub(super) struct WithoutIntents(pub(super) Tape);

impl Storage for WithoutIntents {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if String::from_utf8_lossy(line).contains("\"kind\":\"intent\"") { Ok(()) } else { self.0.append(line) }
    }

    fn is_strained(&self) -> bool {
        self.0.is_strained()
    }
}

/// Writes each line when the next one comes.
pub(super) struct Late {
    pub(super) tape: Tape,
    pub(super) line: Vec<u8>,
}

impl Storage for Late {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let before = std::mem::replace(&mut self.line, line.to_vec());
        if before.is_empty() { Ok(()) } else { self.tape.append(&before) }
    }
}
