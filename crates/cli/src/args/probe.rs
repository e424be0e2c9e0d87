//! What `probe` takes: a plan, or how a server is reached that no plan describes.

use super::{LabArgs, TextOrJson};
use clap::{Args, ValueEnum};
use std::num::NonZeroU16;
use std::path::PathBuf;

/// Reads a port.
fn port(text: &str) -> Result<NonZeroU16, String> {
    let number = super::whole(text, 1, 65_535)?;
    u16::try_from(number).ok().and_then(NonZeroU16::new).ok_or_else(|| "it is none".to_owned())
}

/// What `probe` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProbeArgs {
    /// A plan file, or the full name of a server
    #[arg(value_name = "PLAN|HOST")]
    pub(crate) target: PathBuf,
    /// With a plan: this server of it only, by its name or the first part of it
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Option<String>,
    /// Lists every counter set of the product that the server has
    #[arg(long)]
    pub(crate) counters: bool,
    /// How output looks
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) output: TextOrJson,
    #[command(flatten)]
    pub(crate) host: HostArgs,
    #[command(flatten)]
    pub(crate) lab: LabArgs,
}

/// How a server is reached that no plan describes.
#[derive(Debug, Clone, PartialEq, Args)]
pub(crate) struct HostArgs {
    /// The account: `DOMAIN\user`, `user@domain` or `user`; its password is asked for. Without an account only what can be
    /// seen from outside is looked at
    #[arg(long, value_name = "NAME", conflicts_with = "credentials_file", help_heading = "A server without a plan")]
    pub(crate) user: Option<String>,
    /// A file that only its owner can read: the account on the first line, its password on the second
    #[arg(long, value_name = "FILE", help_heading = "A server without a plan")]
    pub(crate) credentials_file: Option<PathBuf>,
    /// How the account is proven
    #[arg(long, value_enum, help_heading = "A server without a plan")]
    pub(crate) auth: Option<AuthWord>,
    /// How requests travel [default: https where a certificate is there that is trusted, else http with sealed messages]
    #[arg(long, value_enum, help_heading = "A server without a plan")]
    pub(crate) transport: Option<TransportWord>,
    /// Where the server is, when that is not what its name says
    #[arg(long, value_name = "ADDRESS", help_heading = "A server without a plan")]
    pub(crate) address: Option<std::net::IpAddr>,
    /// The port, when it is not the usual one of the transport
    #[arg(long, value_name = "PORT", value_parser = port, requires = "transport", help_heading = "A server without a plan")]
    pub(crate) port: Option<NonZeroU16>,
    /// The SHA-256 of the certificate to trust
    #[arg(long, value_name = "SHA256", help_heading = "A server without a plan")]
    pub(crate) pin: Option<String>,
    /// A file with the authorities to trust instead of those of this machine
    #[arg(long, value_name = "FILE", conflicts_with = "pin", help_heading = "A server without a plan")]
    pub(crate) ca: Option<PathBuf>,
}

impl HostArgs {
    /// Returns whether anything of this was given, which a plan says itself.
    pub(crate) fn is_given(&self) -> bool {
        let Self { user, credentials_file, auth, transport, address, port, pin, ca } = self;
        let words = [user.is_some(), pin.is_some(), auth.is_some(), address.is_some() || port.is_some()];
        words.contains(&true) || transport.is_some() || credentials_file.is_some() || ca.is_some()
    }
}

/// How an account is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthWord {
    /// Kerberos where the realm of the account and a KDC are known, else NTLM
    Negotiate,
    /// Kerberos and nothing else
    Kerberos,
    /// NTLM and nothing else
    Ntlm,
    /// The password in each request, over TLS
    Basic,
}

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportWord {
    /// Port 5985, each message sealed
    Http,
    /// Port 5986, TLS
    Https,
}
