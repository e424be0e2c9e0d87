//! Where the parts of a running lab are, and how it is asked for its report or to stop.

use crate::LabError;
use crate::report::LabReport;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use orchestrate_driver::Clock;
use orchestrate_files::{Limit, Whose};
use orchestrate_model::{PoolName, ServerName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;

/// The layout of the file.
const VERSION: u32 = 1;

/// How long a lab may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a lab that was told to stop is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The largest report that is read, in bytes.
const LARGEST_REPORT: usize = 64 << 20;

/// Where the parts of a running lab are. Written for the owner's eyes only: it holds the lab's throw-away credentials.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabDirectory {
    /// The layout of the file: 1.
    pub version: u32,
    /// The id of the lab's process.
    pub pid: u32,
    /// The fingerprint of the change that the lab was made for.
    pub plan: String,
    /// Lab time at the start.
    pub origin: Timestamp,
    /// Real time at the start.
    pub started: Timestamp,
    /// How many times as fast as real time the lab runs.
    pub speed: f64,
    /// The SHA-256 of the scenario file, where there is one, as whoever started the lab wrote it down.
    #[serde(default)]
    pub scenario: Option<String>,
    /// Whether somebody runs the lab in the foreground: it does not end with a run.
    #[serde(default)]
    pub foreground: bool,
    /// Where the lab takes questions about itself.
    pub control: SocketAddr,
    /// What has to come with such a question.
    pub control_token: String,
    /// The certificate of the lab's authority.
    pub ca_pem: String,
    /// The user that the servers know.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// WinRM of each server.
    pub servers: BTreeMap<ServerName, SocketAddr>,
    /// The name server, UDP and TCP.
    pub dns: SocketAddr,
    /// The runtime APIs of the balancers, by pool: one address, or a list in the order of the plan.
    #[serde(with = "one_or_several")]
    pub balancers: BTreeMap<PoolName, Vec<SocketAddr>>,
}

impl fmt::Debug for LabDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabDirectory")
            .field("pid", &self.pid)
            .field("plan", &self.plan)
            .field("speed", &self.speed)
            .field("control", &self.control)
            .field("servers", &self.servers)
            .field("dns", &self.dns)
            .field("balancers", &self.balancers)
            .finish_non_exhaustive()
    }
}

impl LabDirectory {
    /// Reads the file of a lab.
    ///
    /// # Errors
    /// When the file cannot be read, is none of a lab, or names an address that is not on loopback.
    pub fn read(path: &Path) -> Result<Self, LabError> {
        let text = orchestrate_files::read(path, Limit::TEXT, Whose::Anybodys)
            .map_err(|source| LabError::File { path: path.to_owned(), source })?;
        // What the reader says of a file that is none of ours may repeat what is in it.
        let directory: Self =
            serde_json::from_slice(&text).map_err(|_repeats| LabError::NotALab { path: path.to_owned() })?;
        match directory.version == VERSION && directory.is_on_loopback() && directory.is_in_time() {
            true => Ok(directory),
            false => Err(LabError::NotALab { path: path.to_owned() }),
        }
    }

    /// Writes the file, readable by its owner only, all of it or nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LabError> {
        let failed = |source| LabError::File { path: path.to_owned(), source };
        let unreadable = |source| LabError::Unreadable { what: path.display().to_string(), source };
        let text = serde_json::to_vec_pretty(self).map_err(unreadable)?;
        orchestrate_files::replace(path, &text).map_err(failed)
    }

    /// Returns whether every address of the lab is on loopback.
    #[must_use]
    pub fn is_on_loopback(&self) -> bool {
        let servers = self.servers.values().chain(self.balancers.values().flatten());
        servers.chain([&self.control, &self.dns]).all(|address| address.ip().is_loopback())
    }

    /// Returns whether its times and speed are those of a lab.
    fn is_in_time(&self) -> bool {
        crate::is_speed(self.speed) && crate::is_time(self.origin) && crate::is_time(self.started)
    }

    /// Returns a clock that shows the lab's time.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::joined(self.origin, self.started, self.speed)
    }

    /// Asks the lab what has happened so far.
    ///
    /// # Errors
    /// When the lab does not answer, or not as a lab does.
    pub async fn report(&self) -> Result<LabReport, LabError> {
        self.ask(Method::GET, "/report").await
    }

    /// Asks the lab to stop, waits until it has, and returns its last report.
    ///
    /// Who returns earlier leaves a lab that still answers for a moment and whose servers are gone: the next start of the
    /// plan would join it.
    ///
    /// # Errors
    /// When the lab does not answer, or not as a lab does, or has not ended ten seconds later.
    pub async fn stop(&self) -> Result<LabReport, LabError> {
        let report = self.ask(Method::POST, "/stop").await?;
        let ended = async {
            while TcpStream::connect(self.control).await.is_ok() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(()) => Ok(report),
            Err(elapsed) => Err(LabError::NoAnswer { address: self.control, source: Box::new(elapsed) }),
        }
    }

    async fn ask(&self, method: Method, path: &'static str) -> Result<LabReport, LabError> {
        match tokio::time::timeout(PATIENCE, self.exchange(method, path)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(LabError::NoAnswer { address: self.control, source: Box::new(elapsed) }),
        }
    }

    async fn exchange(&self, method: Method, path: &'static str) -> Result<LabReport, LabError> {
        let address = self.control;
        let lost = |source: Box<dyn std::error::Error + Send + Sync>| LabError::NoAnswer { address, source };
        let stream = TcpStream::connect(address).await.map_err(|error| lost(error.into()))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| lost(error.into()))?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.control_token))
            .body(Full::<Bytes>::default())
            .map_err(|error| lost(error.into()))?;
        let answer = sender.send_request(request).await.map_err(|error| lost(error.into()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_REPORT).collect().await.map_err(lost)?;
        connection.abort();
        if status != StatusCode::OK {
            return Err(LabError::Refused { address, status: status.as_u16() });
        }
        let what = format!("the answer of the lab at {address}");
        serde_json::from_slice(&body.to_bytes()).map_err(|source| LabError::Unreadable { what, source })
    }
}

/// A single address is written without a list.
mod one_or_several {
    use super::{BTreeMap, Deserialize, PoolName, Serialize, SocketAddr};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Addresses {
        One(SocketAddr),
        Several(Vec<SocketAddr>),
    }

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<PoolName, Vec<SocketAddr>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let written = map.iter().map(|(pool, addresses)| match addresses.as_slice() {
            [only] => (pool, Addresses::One(*only)),
            several => (pool, Addresses::Several(several.to_vec())),
        });
        serializer.collect_map(written)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<PoolName, Vec<SocketAddr>>, D::Error> {
        let read = BTreeMap::<PoolName, Addresses>::deserialize(deserializer)?;
        let several = |addresses| match addresses {
            Addresses::One(only) => vec![only],
            Addresses::Several(several) => several,
        };
        Ok(read.into_iter().map(|(pool, addresses)| (pool, several(addresses))).collect())
    }
}
