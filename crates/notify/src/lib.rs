//! Tells people what happens in a run: webhooks, chats, commands, mail. Silences alerts about servers while they are out.
//!
//! Belongs here: what is sent by which way, trying again, giving up, and what was not delivered. Does not belong here: what
//! a run is, when something is worth telling, the terminal, and where addresses are kept. A notice that cannot be delivered
//! stops nothing: it is tried again for some minutes, and then its failure is told.

mod channel;
mod mail;
mod message;
mod silence;
#[cfg(test)]
mod silence_tests;
mod silences;
mod smtp;
#[cfg(test)]
mod tests;

pub use channel::{Channel, Way};
pub use mail::{Mail, Unusable};
pub use message::{NOTICE_SCHEMA, Notice};
pub use silence::{SILENCE_SCHEMA, SilenceWay, Silenced, Silencer};
pub use silences::Silences;

use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Notices that wait for one channel. A run has a few for each server; more than this is a channel that is dead.
const WAITING: usize = 1_000;

/// Tells notices by every channel that wants them. Each channel has a task of its own, so that a dead one delays no other.
#[derive(Debug)]
pub struct Notifier {
    channels: Vec<(Channel, mpsc::Sender<Notice>)>,
    /// Each ends with the name of its channel.
    tasks: JoinSet<String>,
    failures: mpsc::UnboundedSender<String>,
}

impl Notifier {
    /// Begins to listen for notices. What cannot be delivered is said to `failures`, one line each.
    ///
    /// # Errors
    /// Says why nothing can be sent from this machine.
    pub fn begin(channels: Vec<Channel>, failures: &mpsc::UnboundedSender<String>) -> Result<Self, SetupError> {
        let client = channel::client()?;
        let mut tasks = JoinSet::new();
        let channels = channels.into_iter().map(|channel| {
            let (sender, mut waiting) = mpsc::channel::<Notice>(WAITING);
            let (own, client, failures) = (channel.clone(), client.clone(), failures.clone());
            tasks.spawn(async move {
                while let Some(notice) = waiting.recv().await {
                    if let Err(why) = own.tell(&client, &notice).await {
                        // Whoever has gone does not want to hear it.
                        failures
                            .send(format!("{} was not told: {}: {why}", own.name, notice.title))
                            .unwrap_or_default();
                    }
                }
                own.name
            });
            (channel, sender)
        });
        let channels = channels.collect();
        Ok(Self { channels, tasks, failures: failures.clone() })
    }

    /// Returns what the channels are called.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.channels.iter().map(|(channel, _)| channel.name.clone()).collect()
    }

    /// Hands a notice to every channel that wants it. Returns at once.
    pub fn tell(&self, notice: &Notice) {
        for (channel, sender) in self.channels.iter().filter(|(channel, _)| channel.on.contains(&notice.occasion)) {
            if sender.try_send(notice.clone()).is_err() {
                let text = format!("{} was not told: {}: too many notices wait for it", channel.name, notice.title);
                self.failures.send(text).unwrap_or_default();
            }
        }
    }

    /// Waits until everything is delivered or given up, for so long at most. Returns the channels that still tried then.
    pub async fn close(mut self, within: Duration) -> Vec<String> {
        let mut open: Vec<String> = self.channels.drain(..).map(|(channel, _)| channel.name).collect();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                open.retain(|name| !ended.as_ref().is_ok_and(|ended| ended == name));
            }
        };
        // Whichever way that ends, what is still open is told.
        tokio::time::timeout(within, all).await.unwrap_or_default();
        open
    }
}

/// Tries one notice by one channel, once. For a person who wants to know whether it works.
///
/// # Errors
/// Says what came back instead.
pub async fn try_once(channel: &Channel, notice: &Notice) -> Result<(), String> {
    let client = channel::client().map_err(|error| error.to_string())?;
    channel.once(&client, notice).await.map_err(|error| error.to_string())
}

/// Why nothing can be sent from this machine.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The authorities of the machine cannot be read.
    #[error("the certificate authorities of this machine cannot be used: {0}")]
    Authorities(#[from] rustls::Error),
    /// The client cannot be made.
    #[error("no connection can be made: {0}")]
    Client(#[from] reqwest::Error),
}
