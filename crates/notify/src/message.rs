//! What is told, and the forms in which chats take it.

use jiff::Timestamp;
use orchestrate_model::notify::Occasion;
use orchestrate_model::{PoolName, RunId, ServerName};
use serde::Serialize;
use serde_json::{Value, json};

/// The version of the JSON object. It rises when a key changes its meaning or goes away; new keys may come at any time.
const VERSION: u32 = 1;

/// The JSON Schema of the object.
pub const NOTICE_SCHEMA: &str = include_str!("../schemas/notice.json");

/// Something that people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What has happened.
    #[serde(rename = "event")]
    pub occasion: Occasion,
    /// When, by the clock of the run.
    pub at: Timestamp,
    /// The run, once there is one.
    pub run: Option<RunId>,
    /// What people call the change.
    pub change: String,
    /// Why it is done, with its number.
    pub reason: String,
    /// The pool that it is about.
    pub pool: Option<PoolName>,
    /// The server that it is about.
    pub server: Option<ServerName>,
    /// Everything in one line.
    pub title: String,
    /// What is known, and what follows.
    pub text: String,
    /// What can be typed next, one command each.
    pub commands: Vec<String>,
    /// Whether nothing of it is real.
    pub lab: bool,
}

impl Notice {
    /// Returns the JSON object for webhooks and commands.
    pub(crate) fn plain(&self) -> Value {
        let mut object = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(keys) = &mut object {
            keys.insert("version".to_owned(), VERSION.into());
        }
        object
    }

    /// Returns the text of a mail.
    pub(crate) fn text_of_mail(&self) -> String {
        let mut text = format!("{}\n\n{}\n", self.title, self.text);
        if !self.commands.is_empty() {
            text.push('\n');
        }
        for command in &self.commands {
            text.push_str("    ");
            text.push_str(command);
            text.push('\n');
        }
        let about = [
            Some(("change", self.change.clone())),
            Some(("reason", self.reason.clone())),
            self.run.as_ref().map(|run| ("run", run.to_string())),
            self.pool.as_ref().map(|pool| ("pool", pool.to_string())),
            self.server.as_ref().map(|server| ("server", server.to_string())),
            Some(("at", self.at.to_string())),
        ];
        text.push('\n');
        for (what, value) in about.into_iter().flatten() {
            text.extend([what, ": ", value.as_str(), "\n"]);
        }
        text
    }

    /// Returns the message for Slack.
    pub(crate) fn slack(&self) -> Value {
        // Its text has three signs of its own.
        let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let mut text = format!("*{}*\n{}", plain(&self.title), plain(&self.text));
        for command in &self.commands {
            text.push_str("\n`");
            text.push_str(&plain(command));
            text.push('`');
        }
        json!({ "text": text })
    }

    /// Returns the adaptive card for a workflow of Teams.
    pub(crate) fn card(&self) -> Value {
        let mut body = vec![
            json!({ "type": "TextBlock", "text": self.title, "weight": "bolder", "size": "medium", "wrap": true }),
            json!({ "type": "TextBlock", "text": self.text, "wrap": true }),
        ];
        let command =
            |text: &String| json!({ "type": "TextBlock", "text": text, "fontType": "monospace", "wrap": true });
        body.extend(self.commands.iter().map(command));
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": body,
        });
        let content = "application/vnd.microsoft.card.adaptive";
        json!({ "type": "message", "attachments": [{ "contentType": content, "contentUrl": null, "content": card }] })
    }
}
