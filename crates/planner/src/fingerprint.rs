//! What a plan will do, in 32 bytes: what an approval is bound to.

use crate::plan::{Edge, Plan, ServerWork, StepId, StepKind, StepTarget};
use orchestrate_model::Change;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use thiserror::Error;

/// The SHA-256 of what a plan will do. Two plans with one fingerprint do the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

/// The text is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} is not a fingerprint: 64 hexadecimal digits are needed", orchestrate_model::text::quoted(.0))]
pub struct FingerprintError(String);

/// What the fingerprint covers: the change and the work, not what was seen of the world while planning. Findings and
/// certainties are left out, so that a preview without the network has the fingerprint of the run that it previews,
/// as long as the servers need the same work.
#[derive(Serialize)]
struct Covered<'a> {
    schema: u32,
    change: &'a Change,
    work: &'a [ServerWork],
    steps: Vec<(StepId, StepTarget, StepKind)>,
    edges: &'a [Edge],
}

struct Hasher(Sha256);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Plan {
    /// Returns the SHA-256 over the canonical JSON of the change, the work, the steps and the edges: fields in the
    /// order of their declaration, maps in the order of their keys, no spaces.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let covered = Covered {
            schema: self.schema,
            change: &self.change,
            work: &self.work,
            steps: self.steps.iter().map(|step| (step.id, step.target, step.kind)).collect(),
            edges: &self.edges,
        };
        let mut hasher = Hasher(Sha256::new());
        serde_json::to_writer(&mut hasher, &covered).expect("every key of a plan is a string and hashing cannot fail");
        Fingerprint(hasher.0.finalize().into())
    }
}

impl Fingerprint {
    /// Returns the first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }

    /// Returns the fingerprint that `text` spells.
    ///
    /// # Errors
    /// When the text is not 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, FingerprintError> {
        let wrong = || FingerprintError(text.to_owned());
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(0..32) {
            *byte = u8::from_str_radix(&text[digits * 2..digits * 2 + 2], 16).map_err(|_not_hex| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        Self::parse(&text)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}
