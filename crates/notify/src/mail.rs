//! Notices as mail.

use crate::channel::{causes, short};
use crate::message::Notice;
use crate::smtp::{Failure, Security, Server};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Mailboxes};
use lettre::{Address, Message};
use orchestrate_model::secret::MASKED;
use percent_encoding::percent_decode_str;
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// Shorter passwords are not searched for in what a server answers: they are words.
const SHORTEST_SECRET: usize = 4;

/// The ports of mail servers: TLS from the begin, submission with STARTTLS, and relays (RFC 8314, 6409, 5321).
const TLS_PORT: u16 = 465;
const SUBMISSION_PORT: u16 = 587;
const RELAY_PORT: u16 = 25;

/// A mail server, whose mail it is, and whom it goes to.
#[derive(Clone)]
pub struct Mail {
    server: Server,
    from: Address,
    to: Vec<Address>,
    /// What no message shows: the password as it is sent, and as it stands in the URL.
    secrets: Vec<String>,
}

/// The URL of a mail server may hold a password.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

/// Why no mail can be sent as the plan says. None shows the URL.
#[derive(Debug, Error)]
pub enum Unusable {
    /// It is no URL of a mail server.
    #[error("it is not the URL of a mail server: smtps://HOST, or smtp://HOST:PORT?tls=required")]
    NoServer,
    /// The password would be readable on its way.
    #[error("the password would cross the network in plain text: use smtps://, or add ?tls=required for STARTTLS")]
    PlainPassword,
    /// It is no address of mail.
    #[error("{address} is no address of mail: {why}")]
    NoAddress {
        /// The text.
        address: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Why a mail was not taken.
#[derive(Debug, Error)]
#[error("{text}")]
pub(crate) struct Trouble {
    text: String,
    may_pass: bool,
}

impl Trouble {
    pub(crate) fn may_pass(&self) -> bool {
        self.may_pass
    }
}

impl Mail {
    /// Takes a mail server by its URL: `smtps://` for TLS from the start (port 465), `smtp://` with `?tls=required` for
    /// STARTTLS (port 587 where none stands), and `smtp://` alone for a relay that wants neither TLS nor a logon. User and
    /// password stand before the host.
    ///
    /// # Errors
    /// Says what cannot be used, without the URL.
    pub fn new(server: &str, from: &str, to: &[String]) -> Result<Self, Unusable> {
        let url = Url::parse(server).ok().filter(|url| ["smtp", "smtps"].contains(&url.scheme()) && url.has_host());
        let url = url.ok_or(Unusable::NoServer)?;
        let tls = url.query_pairs().find(|(key, _)| key == "tls").map(|(_, value)| value.into_owned());
        let security = match (url.scheme(), tls.as_deref()) {
            ("smtps", None) => Security::Tls,
            (_, Some("required")) => Security::StartTls,
            (_, Some("opportunistic")) => Security::IfThere,
            (_, None) => Security::Plain,
            (_, Some(_)) => return Err(Unusable::NoServer),
        };
        let secured = matches!(security, Security::Tls | Security::StartTls);
        if url.password().is_some() && !secured {
            return Err(Unusable::PlainPassword);
        }
        let address = |text: &str| {
            let why = |error: lettre::address::AddressError| error.to_string();
            text.parse().map_err(|error| Unusable::NoAddress { address: text.to_owned(), why: why(error) })
        };
        let to: Vec<Address> = to.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let written = url.password().unwrap_or_default();
        let sent = plain(written);
        let logon = url.password().map(|_| (plain(url.username()), sent.clone()));
        let secrets = [sent, written.to_owned()].into_iter().filter(|text| text.len() >= SHORTEST_SECRET);
        let usual = match security {
            Security::Tls => TLS_PORT,
            Security::StartTls => SUBMISSION_PORT,
            Security::IfThere | Security::Plain => RELAY_PORT,
        };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let server = Server { host, port: url.port().unwrap_or(usual), security, logon };
        Ok(Self { server, from: address(from)?, to, secrets: secrets.collect() })
    }

    /// Returns whom it goes to.
    #[must_use]
    pub fn receivers(&self) -> String {
        let to: Vec<String> = self.to.iter().map(ToString::to_string).collect();
        to.join(", ")
    }

    /// Has another server take the mail, with the secrets of this one.
    #[cfg(test)]
    pub(crate) fn answered_by(&mut self, other: Self) {
        self.server = other.server;
    }

    /// Sends a notice once.
    pub(crate) async fn send(&self, notice: &Notice, within: Duration) -> Result<(), Trouble> {
        let message = self.message(notice).map_err(|error| Trouble { text: causes(&error), may_pass: false })?;
        let conversation = async {
            let mut talk = self.server.open().await?;
            talk.send(message.envelope(), &message.formatted()).await?;
            // It is taken: how the conversation ends changes nothing.
            talk.abort().await;
            Ok(())
        };
        match tokio::time::timeout(within, conversation).await {
            Ok(said) => said.map_err(|failure| self.trouble(&failure)),
            // It may have been taken all the same: people are not paged twice for that.
            Err(_elapsed) => Err(Trouble {
                text: format!("the mail server did not answer within {} s", within.as_secs()),
                may_pass: false,
            }),
        }
    }

    fn message(&self, notice: &Notice) -> Result<Message, lettre::error::Error> {
        let to: Mailboxes = self.to.iter().map(|address| Mailbox::new(None, address.clone())).collect();
        let mail = Message::builder()
            .from(Mailbox::new(Some("orchestrate".to_owned()), self.from.clone()))
            .mailbox(lettre::message::header::To::from(to))
            .subject(notice.title.clone())
            // No machine is to answer it: an absence notice would go to whoever reads that mailbox (RFC 3834).
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN);
        mail.body(notice.text_of_mail())
    }

    /// What a server says may repeat what it was sent.
    fn trouble(&self, failure: &Failure) -> Trouble {
        let mut text = causes(failure);
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), MASKED);
        }
        let text = short(&text).trim_start_matches(": ").to_owned();
        let may_pass = match failure {
            Failure::Said(error) => !error.is_permanent() && !error.is_client(),
            Failure::Connection(_) => true,
            Failure::Name(_) => false,
        };
        Trouble { text, may_pass }
    }
}

/// Says that no person wrote the mail.
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
