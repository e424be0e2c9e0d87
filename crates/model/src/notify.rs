//! Who is told what of a run, and by which way.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// One way by which people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Where to.
    pub to: Target,
    /// Of what. Never empty.
    pub on: BTreeSet<Occasion>,
}

/// Where people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A JSON object is posted.
    Webhook(AddressSource),
    /// An incoming webhook of Slack, or of what understands its messages.
    Slack(AddressSource),
    /// A workflow of Teams that takes an adaptive card.
    Teams(AddressSource),
    /// A program and its arguments. It gets the JSON object on its standard input.
    Command(Vec<String>),
    /// A mail.
    Mail(Mail),
}

/// A mail to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Where the URL of the mail server is, which may hold a password.
    pub server: AddressSource,
    /// Whose mail it is: `name@host`.
    pub from: String,
    /// Whom it goes to. Never empty.
    pub to: Vec<String>,
}

impl Target {
    /// Returns the word for it, as it stands in a plan.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Command(_) => "command",
            Self::Mail(_) => "mail",
        }
    }
}

/// How alerts about a server are silenced while it is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silencing {
    /// By which way.
    pub by: SilencedBy,
    /// How long a silence lasts when it is not extended.
    pub lasts: SignedDuration,
}

/// By which way alerts are silenced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilencedBy {
    /// An Alertmanager.
    Alertmanager {
        /// Where its address is.
        url: AddressSource,
        /// What the alerts of a server match. Never empty, and at least one names the server.
        matchers: Vec<Matcher>,
    },
    /// Two webhooks.
    Webhook {
        /// To which is posted when a silence begins or is extended.
        start: AddressSource,
        /// To which is posted when it ends.
        end: AddressSource,
    },
}

impl SilencedBy {
    /// Returns the word for it, as it stands in a plan.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Alertmanager { .. } => "alertmanager",
            Self::Webhook { .. } => "webhook",
        }
    }
}

/// What a label of an alert has to be. In the value `{server}`, `{short}` and `{pool}` stand for names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// The value, or a regular expression for it.
    pub value: String,
    /// Whether it is a regular expression.
    pub is_regex: bool,
    /// Whether the label has to match, and not the opposite.
    pub is_equal: bool,
}

/// The places for the name of a server.
const NAMES: [&str; 2] = ["{server}", "{short}"];

impl Matcher {
    /// Reads a matcher as Alertmanager writes it: `label="value"`, with `=`, `!=`, `=~` or `!~`.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || "write it as `instance=~\"{server}(:.*)?\"`, with =, !=, =~ or !~".to_owned();
        let at = text.find(['=', '!']).ok_or_else(form)?;
        let (label, rest) = text.split_at(at);
        let (operator, value) = ["=~", "!~", "!=", "="]
            .into_iter()
            .find_map(|operator| Some((operator, rest.strip_prefix(operator)?)))
            .ok_or_else(form)?;
        let (label, value) = (label.trim(), value.trim());
        let first = label.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first || !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(form());
        }
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        let (is_regex, is_equal) = (operator.ends_with('~'), !operator.starts_with('!'));
        if value.is_empty() || value.contains('"') {
            return Err(form());
        }
        Ok(Self { label: label.to_owned(), value: value.to_owned(), is_regex, is_equal })
    }

    /// Returns whether it holds for one server alone.
    #[must_use]
    pub fn names_server(&self) -> bool {
        self.is_equal && NAMES.iter().any(|name| self.value.contains(name))
    }
}

/// Where the address of a webhook is. Whoever knows it can post there, so it is as secret as a password, and no plan has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressSource {
    /// In an environment variable.
    Env(String),
    /// On the first line of a file that only its owner can read.
    File(String),
}

/// What people are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// A run begins, or is taken up again.
    Begun,
    /// A server is out of service: its sessions are waited for.
    Out,
    /// A server is back in service, and that is proven.
    Back,
    /// A server waits for a decision.
    Held,
    /// A pool cannot do without a server that is out.
    PoolUnsafe,
    /// A start without a person there ended before anything was changed.
    Refused,
    /// A run has ended.
    Ended,
}

impl Occasion {
    /// Every one, in the order in which they come.
    pub const ALL: [Self; 7] =
        [Self::Begun, Self::Out, Self::Back, Self::Held, Self::PoolUnsafe, Self::Refused, Self::Ended];

    /// What people are told of where the plan does not say: what they have to act upon, and how it ended.
    pub const USUAL: [Self; 4] = [Self::Held, Self::PoolUnsafe, Self::Refused, Self::Ended];

    /// Returns the word used in plans and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Out => "out",
            Self::Back => "back",
            Self::Held => "held",
            Self::PoolUnsafe => "pool-unsafe",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
