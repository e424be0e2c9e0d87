//! The lease of a server: the file in which control hosts write down whose it is.

use super::{ServerIndex, World, lab_seconds};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A lease, as the file holds it. It outlives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseFile {
    /// Whose it is.
    pub keeper: String,
    /// The account.
    pub user: String,
    /// The control host.
    pub host: String,
    /// The run.
    pub run: String,
    /// Until when it holds, in seconds since 1970 by the server's clock.
    pub until_seconds: i64,
}

/// What is asked for.
pub(crate) struct LeaseRequest {
    /// The lease as it is to be, but for its end.
    pub(crate) lease: LeaseFile,
    /// How long it is to hold.
    pub(crate) seconds: f64,
}

impl World {
    /// Takes or renews the lease of a server. Returns whose it was that had run out, or whose it is that holds.
    pub(crate) fn hold_lease(
        &mut self,
        server: ServerIndex,
        request: LeaseRequest,
    ) -> Result<Option<LeaseFile>, LeaseFile> {
        let now = self.now();
        let until = (now + lab_seconds(request.seconds)).as_second();
        let found = self.servers[server].lease.clone();
        let ours = found.as_ref().is_some_and(|found| found.keeper == request.lease.keeper);
        let until = match &found {
            Some(found) if !ours && found.until_seconds > now.as_second() => return Err(found.clone()),
            Some(found) if ours => until.max(found.until_seconds),
            Some(_) | None => until,
        };
        self.servers[server].lease = Some(LeaseFile { until_seconds: until, ..request.lease });
        Ok(found.filter(|_| !ours))
    }

    /// Gives the lease of a server back. Returns whether it is free now.
    pub(crate) fn release_lease(&mut self, server: ServerIndex, keeper: &str) -> bool {
        let lease = &mut self.servers[server].lease;
        if lease.as_ref().is_some_and(|lease| lease.keeper == keeper) {
            *lease = None;
        }
        lease.is_none()
    }

    /// Returns the lease of a server and the time on its clock.
    pub(crate) fn lease(&self, server: ServerIndex) -> (Option<&LeaseFile>, Timestamp) {
        (self.servers[server].lease.as_ref(), self.now())
    }
}
