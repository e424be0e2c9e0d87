//! One way to silence the alerts about a server while it is out.

use crate::channel::{Undelivered, causes, short, without_address};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::notify::Matcher;
use orchestrate_model::{PoolName, RunId, ServerName};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// How long one attempt may take. What is asked is small, and other servers wait for the answer.
const ATTEMPT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Most of an answer that is read: the silences of a large installation are a few megabytes.
const MOST_READ: usize = 16 << 20;

/// The version of the JSON object for webhooks.
const VERSION: u32 = 1;

/// The JSON Schema of that object.
pub const SILENCE_SCHEMA: &str = include_str!("../schemas/silence.json");

/// A way to silence alerts.
#[derive(Clone)]
pub struct Silencer {
    /// What it is called in messages, without its address.
    pub name: String,
    /// By which way.
    pub way: SilenceWay,
    /// How long a silence lasts when it is not extended.
    pub lasts: SignedDuration,
}

/// By which way alerts are silenced.
#[derive(Clone)]
pub enum SilenceWay {
    /// An Alertmanager, and what the alerts of a server have to match.
    Alertmanager {
        /// Where it is, up to `/api`.
        url: Url,
        /// All of them have to match.
        matchers: Vec<Matcher>,
    },
    /// Two addresses to which a JSON object is posted.
    Webhooks {
        /// When a silence begins, and when it is extended.
        start: Url,
        /// When it ends.
        end: Url,
    },
}

/// An address may be as secret as a password.
impl std::fmt::Debug for Silencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Silencer").field("name", &self.name).field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

/// What is silenced: the alerts about a server, for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silenced {
    /// The run.
    pub run: RunId,
    /// What people call the change.
    pub change: String,
    /// Why it is done, with its number.
    pub reason: String,
    /// The pool of the server.
    pub pool: PoolName,
    /// The server.
    pub server: ServerName,
    /// Whether nothing of it is real.
    pub lab: bool,
}

impl Silenced {
    /// Returns what a silence of ours is found by: whoever sets it may be killed before the answer comes.
    fn mark(&self) -> String {
        format!("[orchestrate {} {}]", self.run, self.server)
    }

    /// Returns a text with the names of the server in the places for them.
    fn filled(&self, matcher: &Matcher) -> String {
        let escaped = |text: &str| if matcher.is_regex { quoted_meta(text) } else { text.to_owned() };
        let names =
            [("{server}", self.server.as_str()), ("{short}", self.server.short()), ("{pool}", self.pool.as_str())];
        names.into_iter().fold(matcher.value.clone(), |text, (place, name)| text.replace(place, &escaped(name)))
    }
}

/// Returns a text in which nothing has a meaning for a regular expression.
fn quoted_meta(text: &str) -> String {
    text.chars().fold(String::new(), |mut quoted, c| {
        if !c.is_ascii_alphanumeric() && c.is_ascii() && c != '-' && c != '_' {
            quoted.push('\\');
        }
        quoted.push(c);
        quoted
    })
}

impl Silencer {
    /// Sets a silence, or extends the one that there is. Returns what it is known by.
    pub(crate) async fn set(
        &self,
        client: &Client,
        what: &Silenced,
        (known, until): (Option<&str>, Timestamp),
    ) -> Result<Option<String>, Undelivered> {
        match &self.way {
            SilenceWay::Alertmanager { url, matchers } => {
                let found = match known {
                    Some(_) => None,
                    // One of an earlier start, or one whose answer was lost.
                    None => ours(client, url, what).await?.into_iter().next(),
                };
                let id = known.map(str::to_owned).or(found);
                match set_in_alertmanager(client, (url, matchers), what, (id.clone(), until)).await {
                    // Somebody has ended it, or it has ended by itself.
                    Err(Undelivered::Refused { status, .. })
                        if id.is_some() && [StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST].contains(&status) =>
                    {
                        set_in_alertmanager(client, (url, matchers), what, (None, until)).await.map(Some)
                    }
                    set => set.map(Some),
                }
            }
            SilenceWay::Webhooks { start, .. } => {
                let body = object(what, "silence", Some(until));
                asked(client, Method::POST, start, Some(&body)).await.map(|_answer| None)
            }
        }
    }

    /// Ends every silence of a server that is of the run.
    pub(crate) async fn end(&self, client: &Client, what: &Silenced, known: Option<&str>) -> Result<(), Undelivered> {
        match &self.way {
            SilenceWay::Alertmanager { url, .. } => {
                // What is known is ended first, also where the list cannot be read.
                if let Some(id) = known {
                    delete(client, url, id).await?;
                }
                for id in ours(client, url, what).await? {
                    delete(client, url, &id).await?;
                }
                Ok(())
            }
            SilenceWay::Webhooks { end, .. } => {
                let body = object(what, "unsilence", None);
                asked(client, Method::POST, end, Some(&body)).await.map(drop)
            }
        }
    }
}

fn object(what: &Silenced, event: &str, until: Option<Timestamp>) -> Value {
    let Silenced { run, change, reason, pool, server, lab } = what;
    json!({"version": VERSION, "event": event, "id": format!("{run}/{server}"), "run": run, "change": change,
        "reason": reason, "pool": pool, "server": server, "until": until, "lab": lab})
}

/// Returns an address below that of an Alertmanager.
fn below(url: &Url, path: &[&str]) -> Url {
    let mut url = url.clone();
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.pop_if_empty().extend(["api", "v2"]).extend(path);
    }
    url
}

async fn set_in_alertmanager(
    client: &Client,
    (url, matchers): (&Url, &[Matcher]),
    what: &Silenced,
    (id, until): (Option<String>, Timestamp),
) -> Result<String, Undelivered> {
    let matchers: Vec<Value> = matchers
        .iter()
        .map(|matcher| {
            json!({"name": matcher.label, "value": what.filled(matcher), "isRegex": matcher.is_regex,
                "isEqual": matcher.is_equal})
        })
        .collect();
    let comment = format!("{}: {} is out of service for {} {}", what.change, what.server, what.reason, what.mark());
    let mut body = json!({"matchers": matchers, "startsAt": Timestamp::now(), "endsAt": until,
        "createdBy": "orchestrate", "comment": comment});
    if let (Some(id), Value::Object(keys)) = (id, &mut body) {
        keys.insert("id".to_owned(), id.into());
    }
    let answer = asked(client, Method::POST, &below(url, &["silences"]), Some(&body)).await?;
    let parsed = serde_json::from_slice::<Value>(&answer).ok();
    let id = parsed.as_ref().and_then(|value| value["silenceID"].as_str()).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| rubbish(&answer))
}

/// Returns the silences of a server that are of this run and have not ended.
async fn ours(client: &Client, url: &Url, what: &Silenced) -> Result<Vec<String>, Undelivered> {
    let answer = asked(client, Method::GET, &below(url, &["silences"]), None).await?;
    let list = serde_json::from_slice::<Vec<Value>>(&answer).map_err(|_no_list| rubbish(&answer))?;
    let mark = what.mark();
    let is_ours = |silence: &&Value| {
        silence["comment"].as_str().is_some_and(|comment| comment.ends_with(&mark))
            && silence["status"]["state"] != "expired"
    };
    Ok(list.iter().filter(is_ours).filter_map(|silence| silence["id"].as_str().map(str::to_owned)).collect())
}

async fn delete(client: &Client, url: &Url, id: &str) -> Result<(), Undelivered> {
    match asked(client, Method::DELETE, &below(url, &["silence", id]), None).await {
        // It has gone, or has ended: an Alertmanager says of an ended one that it cannot be ended.
        Err(Undelivered::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(()),
        Err(Undelivered::Refused { said, .. }) if said.contains("already expired") => Ok(()),
        other => other.map(drop),
    }
}

fn rubbish(answer: &[u8]) -> Undelivered {
    Undelivered::Unreachable(format!("it gave no answer of an Alertmanager{}", short(&String::from_utf8_lossy(answer))))
}

async fn asked(client: &Client, method: Method, url: &Url, body: Option<&Value>) -> Result<Vec<u8>, Undelivered> {
    let mut request = client.request(method, url.clone()).timeout(ATTEMPT);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    // The address is left out of what is told.
    let unreachable = |error: reqwest::Error| Undelivered::Unreachable(causes(&error.without_url()));
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let said = read(answer).await.map_err(unreachable)?;
    if status.is_success() {
        return Ok(said);
    }
    Err(Undelivered::Refused { status, said: short(&without_address(&String::from_utf8_lossy(&said), url)) })
}

async fn read(mut answer: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut said = Vec::new();
    while let Some(more) = answer.chunk().await? {
        said.extend_from_slice(&more);
        if said.len() > MOST_READ {
            break;
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_webhooks_get_is_as_its_schema_says() {
        let schema: Value = serde_json::from_str(SILENCE_SCHEMA).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let what = Silenced {
            run: RunId::new("run-1").unwrap(),
            change: "pool01 November update".to_owned(),
            reason: "CHG1".to_owned(),
            pool: PoolName::new("pool01.contoso.example").unwrap(),
            server: ServerName::new("fe1.contoso.example").unwrap(),
            lab: false,
        };
        for object in [object(&what, "silence", Some(Timestamp::UNIX_EPOCH)), object(&what, "unsilence", None)] {
            assert!(validator.is_valid(&object), "{object}");
            let described: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
            assert_eq!(described, object.as_object().unwrap().keys().collect::<Vec<_>>());
        }
        assert!(!validator.is_valid(&object(&what, "whisper", None)));
    }
}
