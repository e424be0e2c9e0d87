//! The lease of a server: a file in our folder on it, which says whose the server is.

use crate::link::{Glance, Link};
use crate::script::{Lever, Look, Trouble};
use jiff::Timestamp;
use orchestrate_model::{Answer, Keeper, Lease, LeaseAsk, LeaseOutcome, LeaseState};
use orchestrate_wsman::plain;
use serde::Deserialize;
use serde_json::json;

/// A lease as the scripts tell it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    keeper: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    run: String,
    until_seconds: i64,
}

impl Told {
    /// Returns the lease. A time that no clock shows does not run out.
    fn lease(self) -> Lease {
        let until = Timestamp::from_second(self.until_seconds).unwrap_or(Timestamp::MAX);
        let keeper = Keeper { id: self.keeper, user: plain(&self.user), host: plain(&self.host) };
        Lease { keeper, run: plain(&self.run), until }
    }
}

/// Says whose the server is.
pub(crate) async fn read(glance: &Glance<'_>, us: &Keeper) -> Answer<LeaseState> {
    #[derive(Deserialize)]
    struct Said {
        lease: Option<Told>,
        now: i64,
    }
    let said: Result<Said, Trouble> = glance.look(Look::Lease, &json!({})).await;
    Answer::from(said.map(|said| match said.lease {
        None => LeaseState::Free,
        Some(told) if told.keeper == us.id => LeaseState::Ours,
        Some(told) if told.until_seconds <= said.now => LeaseState::RanOut(told.lease()),
        Some(told) => LeaseState::Held(told.lease()),
    }))
}

/// Takes or renews the lease.
pub(crate) async fn hold(link: &Link, us: &Keeper, ask: &LeaseAsk) -> LeaseOutcome {
    #[derive(Deserialize)]
    struct Said {
        result: String,
        lease: Option<Told>,
    }
    let request = json!({
        "keeper": us.id,
        "user": us.user,
        "host": us.host,
        "run": ask.run.as_str(),
        "seconds": ask.lasts.as_secs(),
    });
    let said: Result<Said, Trouble> = link.pull_again(Lever::LeaseHold, &request).await;
    match said {
        Err(trouble) => LeaseOutcome::Unknown(trouble.to_string()),
        Ok(Said { result, lease }) => match (result.as_str(), lease) {
            ("ours", from) => LeaseOutcome::Ours { from: from.map(Told::lease) },
            ("taken", Some(lease)) => LeaseOutcome::Taken(lease.lease()),
            ("busy", _) => LeaseOutcome::Unknown("another control host is at the lease just now".to_owned()),
            (other, _) => {
                LeaseOutcome::Unknown(format!("taking the lease gave {}", orchestrate_model::text::quoted(other)))
            }
        },
    }
}

/// Gives the lease back.
pub(crate) async fn release(link: &Link, us: &Keeper) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Said {
        result: String,
    }
    let said: Result<Said, Trouble> = link.pull_again(Lever::LeaseRelease, &json!({ "keeper": us.id })).await;
    match said {
        // One that is another's by now is not ours any more, which is all that was wanted.
        Ok(said) if matches!(said.result.as_str(), "free" | "taken") => Ok(()),
        Ok(said) => Err(format!("giving the lease back gave {}", orchestrate_model::text::quoted(&said.result))),
        Err(trouble) => Err(trouble.to_string()),
    }
}
