//! The text that a person reads and signs.

use jiff::Timestamp;
use orchestrate_model::text::quoted;
use std::fmt::Write as _;

/// The first line: what the signature says.
const HEAD: &str = "orchestrate approval, version 1: I approve the plan with this fingerprint, as its preview shows it";

/// Most characters of a value.
pub const MOST_CHARACTERS: usize = 300;

/// What is approved, by whom, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What people call the plan.
    pub plan: String,
    /// What the plan file says, as a digest. The same file can need another plan when its servers are other than they were.
    pub file: String,
    /// The fingerprint of the plan.
    pub fingerprint: String,
    /// What is done to each server.
    pub servers: Vec<(String, Work)>,
    /// The person: one of the principals of the `allowed_signers` file.
    pub approver: String,
    /// As what.
    pub role: String,
    /// The number of the change, or the reason.
    pub ticket: String,
    /// When the text was made.
    pub given: Timestamp,
    /// Until when a run may be begun with it.
    pub expires: Timestamp,
}

/// What is done to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// It is taken out of service, worked on and brought back.
    Done,
    /// Nothing, for this reason.
    PassedOver(String),
}

impl Request {
    /// Returns the text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        let mut line = |key: &str, value: &str| writeln!(text, "{key}: {}", one_line(value)).unwrap_or_default();
        line("plan", &self.plan);
        line("plan-file", &self.file);
        line("fingerprint", &self.fingerprint);
        line("ticket", &self.ticket);
        for (server, work) in &self.servers {
            match work {
                Work::Done => line("server", server),
                Work::PassedOver(why) => line("passed-over", &format!("{server}: {why}")),
            }
        }
        line("approver", &self.approver);
        line("role", &self.role);
        line("given", &self.given.to_string());
        line("expires", &self.expires.to_string());
        text
    }

    /// Reads such a text. Nothing else may stand in it: what was signed is what was understood.
    ///
    /// # Errors
    /// Says what is wrong, with the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_not_text| "it is no text".to_owned())?;
        let mut lines = text.lines().enumerate().map(|(position, line)| (position + 1, line.trim_end()));
        if lines.next().is_none_or(|(_, head)| head != HEAD) {
            return Err("it does not begin as the text of an approval does".to_owned());
        }
        let mut found = Fields::default();
        for (number, line) in lines {
            let (key, value) = line.split_once(": ").ok_or_else(|| format!("line {number} has no value"))?;
            if value.is_empty() || value.chars().any(char::is_control) {
                return Err(format!("line {number} holds nothing, or what cannot be seen"));
            }
            found.take(key, value).map_err(|why| format!("line {number}: {why}"))?;
        }
        found.request()
    }
}

/// Returns a value as it stands in a line.
fn one_line(value: &str) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).take(MOST_CHARACTERS).collect();
    if line.is_empty() { "-".to_owned() } else { line }
}

/// The lines that stand once.
const ONCE: [&str; 8] = ["plan", "plan-file", "fingerprint", "ticket", "approver", "role", "given", "expires"];

#[derive(Default)]
struct Fields {
    once: [Option<String>; ONCE.len()],
    servers: Vec<(String, Work)>,
}

impl Fields {
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "server" => self.servers.push((value.to_owned(), Work::Done)),
            "passed-over" => {
                let (server, why) = value.split_once(": ").ok_or("it does not say why")?;
                self.servers.push((server.to_owned(), Work::PassedOver(why.to_owned())));
            }
            _ => {
                let place = ONCE.iter().position(|known| *known == key);
                let place = place.ok_or_else(|| format!("{} is not known", quoted(key)))?;
                if self.once[place].replace(value.to_owned()).is_some() {
                    return Err(format!("{} stands twice", quoted(key)));
                }
            }
        }
        Ok(())
    }

    fn request(self) -> Result<Request, String> {
        let Self { once, servers } = self;
        let missing = once.iter().zip(ONCE).find(|(value, _)| value.is_none());
        if let Some((_, key)) = missing {
            return Err(format!("the line {} is missing", quoted(key)));
        }
        let [plan, file, fingerprint, ticket, approver, role, given, expires] = once.map(Option::unwrap_or_default);
        let time = |text: &str| text.parse::<Timestamp>().map_err(|_no_time| format!("{} is no time", quoted(text)));
        let (given, expires) = (time(&given)?, time(&expires)?);
        Ok(Request { plan, file, fingerprint, servers, approver, role, ticket, given, expires })
    }
}
