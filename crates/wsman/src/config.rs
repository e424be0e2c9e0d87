//! Where a server is, and the limits of what it may cost us.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What comes of asking for addresses, one day.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, String>> + Send + 'a>>;

/// Looks up the addresses of hosts, in the place of the machine.
pub trait Names: fmt::Debug + Send + Sync {
    /// Returns the addresses of a host, or why there are none.
    fn addresses<'a>(&'a self, host: &'a str) -> Looking<'a>;
}

/// A server as its certificate names it, and where it is reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The name that the certificate is checked against, and that requests are addressed to.
    pub name: String,
    /// Where to connect to: a host name or address, and a port.
    pub connect_to: String,
    /// Who is asked for the addresses of that host. `None`: the machine.
    pub names: Option<Arc<dyn Names>>,
}

impl Endpoint {
    /// The port of WinRM over HTTPS.
    pub const HTTPS_PORT: u16 = 5986;
    /// The port of WinRM over HTTP.
    pub const HTTP_PORT: u16 = 5985;

    /// Returns the endpoint of a server that is reached by its own name on the usual port.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::at(name, format!("{name}:{}", Self::HTTPS_PORT))
    }

    /// Returns the endpoint of a server that is reached at a host and port, by the addresses that the machine has for it.
    #[must_use]
    pub fn at(name: &str, connect_to: String) -> Self {
        Self { name: name.to_owned(), connect_to, names: None }
    }

    /// Returns the port that requests are addressed to.
    fn port(&self) -> &str {
        self.connect_to.rsplit_once(':').map_or("5986", |(_, port)| port)
    }

    /// Returns name and port, for the `Host` header.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.name, self.port())
    }

    /// Returns the address that requests carry.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/wsman", self.authority())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// How long each level may take. Real time: a scaled clock does not apply to a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the TCP connection stands.
    pub connect: Duration,
    /// Until TLS stands.
    pub handshake: Duration,
    /// What the server is told: the longest it may keep a request before it says that it timed out.
    pub operation: Duration,
    /// How much longer than `operation` we wait for the answer.
    pub answer_margin: Duration,
    /// How long a login that never worked is left alone after it was refused for the first time. The servers of a pool are
    /// asked at once, and answer at different speeds: one wrong password is one failed logon, not one for each of them.
    pub refused_once: Duration,
    /// How long an account that was refused twice in a row is left alone, so that we do not lock it out. Most domains
    /// forget refusals after ten to thirty minutes.
    pub refused_account: Duration,
    /// The same for a server that is being restarted, which refuses everybody until it reaches its domain.
    pub refused_in_restart: Duration,
}

impl Timeouts {
    /// Returns the longest wait for one answer.
    #[must_use]
    pub fn answer(&self) -> Duration {
        self.operation + self.answer_margin
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(15),
            operation: Duration::from_secs(20),
            answer_margin: Duration::from_secs(15),
            refused_once: Duration::from_secs(30),
            refused_account: Duration::from_secs(1800),
            refused_in_restart: Duration::from_secs(300),
        }
    }
}

/// How much an answer may be. Answers are not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What the server is told, in its own units. 153,600 is what the oldest releases allow; a server that allows
    /// more still answers within it.
    pub envelope_bytes: usize,
    /// Most pages of one enumeration.
    pub pages: usize,
    /// Most items of one enumeration.
    pub items: usize,
    /// Most text of one enumeration, over all its pages: a thousand pages of the largest size would be 600 MB. Every
    /// service of a server with every property is some 500 KB.
    pub enumeration_bytes: usize,
    /// Most output of one command.
    pub output_bytes: usize,
}

impl Limits {
    /// Returns the largest body that is read: the server counts UTF-16 units and may be generous, a factor of four
    /// covers both.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.envelope_bytes.saturating_mul(4)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            envelope_bytes: 153_600,
            pages: 1_000,
            items: 50_000,
            enumeration_bytes: 16 << 20,
            output_bytes: 4 << 20,
        }
    }
}
