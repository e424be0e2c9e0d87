//! Where the KDCs of a realm are, how they are asked, and what their errors say.

use crate::auth::der;
use crate::auth::failure::LogonReason;
use crate::auth::krb5_conf::Krb5Conf;
use crate::text::plain;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use jiff::Timestamp;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a KDC may take to let us connect, and to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest answer that is read: tickets with many groups have some ten thousand bytes.
const MOST_BYTES: u32 = 1 << 20;
const PORT: u16 = 88;

/// What is stated about realms, outside names of accounts.
#[derive(Debug, Clone, Default)]
pub struct Realms {
    /// The realm that accounts are in.
    pub realm: Option<String>,
    /// Its KDCs, `host` or `host:port`.
    pub kdcs: Vec<String>,
    /// The system's configuration.
    pub krb5_conf: Krb5Conf,
    /// Name servers to ask for KDCs. None: those of the machine.
    pub resolvers: Vec<SocketAddr>,
}

impl Realms {
    /// Returns the KDCs of a realm, from what is stated before what name servers say.
    pub(crate) async fn kdcs_of(&self, realm: &str) -> Result<Vec<String>, LogonReason> {
        let own = self.realm.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(realm));
        if own && !self.kdcs.is_empty() {
            return self.stated(realm).await;
        }
        let stated = self.krb5_conf.kdcs(realm);
        if !stated.is_empty() {
            return Ok(stated.iter().map(|kdc| with_port(kdc)).collect());
        }
        let question = format!("_kerberos._tcp.{}.", realm.to_ascii_lowercase());
        let nowhere = |looked: String| LogonReason::NoKdc { realm: plain(realm), looked };
        match self.ask(&question).await {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(nowhere(format!("neither krb5.conf nor the name {question} says where"))),
            Err(why) => Err(nowhere(format!("krb5.conf says nothing, and asking for {question} failed: {why}"))),
        }
    }

    /// Returns the KDCs that the plan states. Where it names name servers, those are asked for the addresses: the machine may
    /// not know the domain.
    async fn stated(&self, realm: &str) -> Result<Vec<String>, LogonReason> {
        let stated: Vec<String> = self.kdcs.iter().map(|kdc| with_port(kdc)).collect();
        if self.resolvers.is_empty() {
            return Ok(stated);
        }
        let unknown = |looked: String| LogonReason::NoKdc { realm: plain(realm), looked };
        let resolver = self.resolver().map_err(unknown)?;
        let (mut found, mut lost) = (Vec::new(), Vec::new());
        for kdc in stated {
            let named = kdc.rsplit_once(':').filter(|_| kdc.parse::<SocketAddr>().is_err());
            let Some((host, port)) = named.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?))) else {
                found.push(kdc);
                continue;
            };
            // A name from a plan is a whole one.
            match timeout(LIMIT, resolver.lookup_ip(format!("{host}."))).await {
                Ok(Ok(addresses)) => found.extend(addresses.iter().map(|at| SocketAddr::new(at, port).to_string())),
                Ok(Err(error)) => lost.push(format!("{host}: {}", plain(&error.to_string()))),
                Err(_elapsed) => lost.push(format!("{host}: no answer within {} s", LIMIT.as_secs())),
            }
        }
        if found.is_empty() {
            return Err(unknown(format!(
                "the plan names one, whose address its name servers do not say: {}",
                lost.join("; ")
            )));
        }
        Ok(found)
    }

    async fn ask(&self, question: &str) -> Result<Vec<String>, String> {
        let resolver = self.resolver()?;
        let answer = match timeout(LIMIT, resolver.lookup(question, RecordType::SRV)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => return Ok(Vec::new()),
            Ok(Err(error)) => return Err(plain(&error.to_string())),
            Err(_elapsed) => return Err(format!("no answer within {} s", LIMIT.as_secs())),
        };
        let mut targets: Vec<_> = answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => Some((srv.priority, u16::MAX - srv.weight, srv.target.clone(), srv.port)),
                _ => None,
            })
            .collect();
        targets.sort();
        let mut found = Vec::new();
        for (_, _, target, port) in targets {
            // The same name servers are asked for the address: those of the machine may not know it.
            let addresses = timeout(LIMIT, resolver.lookup_ip(target.clone())).await;
            let addresses = addresses.ok().and_then(Result::ok);
            let addresses = addresses.iter().flat_map(|found| found.iter());
            found.extend(addresses.map(|address| SocketAddr::new(address, port).to_string()));
        }
        Ok(found)
    }

    fn resolver(&self) -> Result<TokioResolver, String> {
        let builder = if self.resolvers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| error.to_string())?
        } else {
            let servers = self.resolvers.iter().map(|server| {
                let mut config = NameServerConfig::udp_and_tcp(server.ip());
                for connection in &mut config.connections {
                    connection.port = server.port();
                }
                config
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        builder.build().map_err(|error| error.to_string())
    }
}

fn with_port(kdc: &str) -> String {
    let kdc = kdc.trim_start_matches("tcp/").trim_start_matches("tcp://");
    match kdc.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && (!host.contains(':') || host.starts_with('[')) => {
            kdc.to_owned()
        }
        _ if kdc.contains(':') && !kdc.starts_with('[') => format!("[{kdc}]:{PORT}"),
        _ => format!("{kdc}:{PORT}"),
    }
}

/// Sends a message to the first KDC that takes it and returns the answer, both with their length in front. A KDC that
/// has the message and does not answer is the last: with the next one a wrong password would count twice.
pub(crate) async fn exchange(realm: &str, kdcs: &[String], message: &[u8]) -> Result<Vec<u8>, LogonReason> {
    let mut tried = Vec::new();
    for kdc in kdcs {
        let stream = match timeout(LIMIT, TcpStream::connect(kdc)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tried.push(format!("{kdc}: {error}"));
                continue;
            }
            Err(_elapsed) => {
                tried.push(format!("{kdc}: no connection within {} s", LIMIT.as_secs()));
                continue;
            }
        };
        let answer = match timeout(LIMIT, talk(stream, message)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_elapsed) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        };
        match answer {
            Ok(answer) => return Ok(answer),
            Err(why) => {
                tried.push(format!("{kdc}: {why}"));
                break;
            }
        }
    }
    Err(LogonReason::KdcSilent { realm: plain(realm), tried: plain(&tried.join("; ")) })
}

async fn talk(mut stream: TcpStream, message: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.set_nodelay(true)?;
    stream.write_all(message).await?;
    let length = stream.read_u32().await?;
    if length > MOST_BYTES {
        return Err(std::io::Error::other(format!("the answer has {length} bytes")));
    }
    let mut answer = length.to_be_bytes().to_vec();
    stream.take(u64::from(length)).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// An error as Kerberos sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KerberosError {
    /// The number, as RFC 4120 has it.
    pub(crate) code: u32,
    /// The number that Windows adds, such as `0xC0000234`.
    pub(crate) status: Option<u32>,
    /// By how much the sender's clock is ahead of ours, in seconds.
    pub(crate) ahead_seconds: Option<i64>,
    text: Option<String>,
}

/// The statuses of Windows that tell reasons apart that are one number in Kerberos.
const STATUSES: [u32; 8] = [
    0xC000_0234, // locked out
    0xC000_0072, // disabled
    0xC000_0193, // account expired
    0xC000_0071, // password expired
    0xC000_0224, // password must change
    0xC000_006F, // logon hours
    0xC000_0070, // workstation
    0xC000_006A, // wrong password
];

impl KerberosError {
    /// Reads an error. Anything else is none.
    pub(crate) fn read(message: &[u8], now: Timestamp) -> Option<Self> {
        let fields = der::inside(der::inside(message, 0x7e)?, 0x30)?;
        let code = der::inside(der::find(fields, 0xa6)?, 0x02)?;
        let code = code.iter().fold(0_u32, |code, byte| code << 8 | u32::from(*byte));
        let data = der::find(fields, 0xac).and_then(|data| der::inside(data, 0x04)).unwrap_or_default();
        let statuses = data.windows(4).map(|at| u32::from_le_bytes([at[0], at[1], at[2], at[3]]));
        let status = statuses.into_iter().find(|status| STATUSES.contains(status));
        let time = der::find(fields, 0xa4).and_then(|time| der::inside(time, 0x18)).and_then(read_time);
        let ahead_seconds = time.map(|time| time.duration_since(now).as_secs());
        let text = der::find(fields, 0xab).and_then(|text| der::inside(text, 0x1b));
        let text = text.map(|text| plain(&String::from_utf8_lossy(text)));
        Some(Self { code, status, ahead_seconds, text })
    }

    /// Returns the reason in an error of a KDC. `service` is what was asked for, once the account itself was let in.
    pub(crate) fn reason(&self, realm: &str, service: Option<&str>) -> LogonReason {
        let service_name = || service.unwrap_or_default().to_owned();
        let realm = || plain(realm);
        match (self.code, self.status, service) {
            (_, Some(0xC000_0234), None) => LogonReason::Locked,
            (_, Some(0xC000_0072), None) => LogonReason::Disabled,
            (_, Some(0xC000_0193), None) => LogonReason::AccountExpired,
            (_, Some(0xC000_0071 | 0xC000_0224), None) | (23, _, None) => LogonReason::PasswordExpired,
            (_, Some(0xC000_006F | 0xC000_0070), None) | (12, _, None) => LogonReason::Policy,
            (18, _, None) => LogonReason::Revoked,
            (24 | 31, _, None) => LogonReason::WrongPassword,
            (6 | 68, _, None) => LogonReason::UnknownName { realm: realm() },
            (14, _, None) => LogonReason::AccountWithoutAes,
            (14, _, Some(_)) => LogonReason::ServerWithoutAes { service: service_name() },
            (7, _, Some(_)) => LogonReason::UnknownService { service: service_name(), realm: realm() },
            (37, _, _) => LogonReason::Clock {
                whose: format!("the clock of the domain {}", realm()),
                ahead_seconds: self.ahead_seconds,
            },
            _ => LogonReason::Other(format!("the domain {} answered with {self}", realm())),
        }
    }

    /// Returns the reason in an error of the server that a ticket was shown to.
    pub(crate) fn of_server(&self, service: &str) -> LogonReason {
        let refused = |why: &str| LogonReason::TicketRefused { why: why.to_owned() };
        match self.code {
            37 => LogonReason::Clock { whose: "its clock".to_owned(), ahead_seconds: self.ahead_seconds },
            32 => refused("it says that the ticket has expired; compare its clock with that of the domain"),
            33 => refused("it says that the ticket is not valid yet; compare its clock with that of the domain"),
            34 => refused("it says that the ticket was shown before (a replay); something may repeat what we send"),
            31 | 35 | 41 | 44 => refused(&format!(
                "it cannot read it, so {service} belongs to another account than the one WinRM runs as, or the key of \
                 its computer account was renewed; `setspn -Q {service}` shows the owner, and `spn: WSMAN` asks for \
                 another name of the same server"
            )),
            _ => refused(&self.to_string()),
        }
    }
}

impl std::fmt::Display for KerberosError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kerberos error {}", self.code)?;
        match &self.text {
            Some(text) if !text.is_empty() => write!(f, " ({text})"),
            Some(_) | None => Ok(()),
        }
    }
}

/// Returns the time in `20261126170000Z`.
fn read_time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i8>().ok();
    let year = text.get(0..4)?.parse().ok()?;
    let date =
        jiff::civil::DateTime::new(year, part(4..6)?, part(6..8)?, part(8..10)?, part(10..12)?, part(12..14)?, 0);
    date.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u8, data: &[u8]) -> Vec<u8> {
        let fields = [
            der::value(0xa4, &[&der::value(0x18, &[b"20261126171000Z"])]),
            der::value(0xa6, &[&der::value(0x02, &[&[code]])]),
            der::value(0xac, &[&der::value(0x04, &[data])]),
        ]
        .concat();
        der::value(0x7e, &[&der::value(0x30, &[&fields])])
    }

    fn reason(code: u8, data: &[u8], service: Option<&str>) -> LogonReason {
        let now: Timestamp = "2026-11-26T17:00:00Z".parse().unwrap();
        KerberosError::read(&error(code, data), now).unwrap().reason("CONTOSO.EXAMPLE", service)
    }

    #[test]
    fn what_is_one_number_in_kerberos_is_told_apart_by_the_status_of_windows() {
        let status = |status: u32| [&[0x30, 0x0e, 3][..], &status.to_le_bytes(), &[0; 8]].concat();
        assert_eq!(reason(18, &status(0xC000_0234), None), LogonReason::Locked);
        assert_eq!(reason(18, &status(0xC000_0072), None), LogonReason::Disabled);
        assert_eq!(reason(18, &status(0xC000_0193), None), LogonReason::AccountExpired);
        assert_eq!(reason(18, b"", None), LogonReason::Revoked);
        assert_eq!(reason(24, b"", None), LogonReason::WrongPassword);
        assert_eq!(reason(23, b"", None), LogonReason::PasswordExpired);
    }

    #[test]
    fn the_same_number_means_another_thing_for_a_service() {
        let service = "HTTP/old1.contoso.example";
        assert_eq!(reason(14, b"", None), LogonReason::AccountWithoutAes);
        assert!(matches!(reason(14, b"", Some(service)), LogonReason::ServerWithoutAes { .. }));
        assert!(matches!(reason(7, b"", Some(service)), LogonReason::UnknownService { .. }));
        assert!(matches!(reason(6, b"", None), LogonReason::UnknownName { .. }));
    }

    #[test]
    fn a_clock_that_differs_is_named_with_the_difference() {
        let LogonReason::Clock { ahead_seconds, .. } = reason(37, b"", None) else { panic!("not the clock") };
        assert_eq!(ahead_seconds, Some(600));
    }

    #[test]
    fn kdcs_have_ports_whatever_form_they_are_written_in() {
        for (text, expected) in [
            ("dc1.contoso.example", "dc1.contoso.example:88"),
            ("dc1.contoso.example:1088", "dc1.contoso.example:1088"),
            ("10.0.0.1", "10.0.0.1:88"),
            ("fd00::1", "[fd00::1]:88"),
            ("[fd00::1]:1088", "[fd00::1]:1088"),
        ] {
            assert_eq!(with_port(text), expected);
        }
    }
}
