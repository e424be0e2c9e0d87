//! The server side of WS-Management, as far as the lab imitates it. Written apart from the client: both share nothing
//! but the protocol's constants.

mod acts;
mod by_task;
mod enumeration;
mod envelope;
mod fault;
mod machine;
mod names;
mod scripts;
mod shell;
mod state;
mod wmi;
mod wql;
mod xml;

pub(crate) use envelope::Request;
pub(crate) use fault::Fault;
pub(crate) use scripts::SCRIPTS;

use crate::report::{ShellReport, TrafficReport};
use crate::world::{ServerIndex, World};
use enumeration::Enumeration;
use jiff::{SignedDuration, Timestamp};
use names::{
    ACTION_CREATE, ACTION_DELETE, ACTION_ENUMERATE, ACTION_GET, ACTION_PULL, ACTION_RELEASE, SHELL_ACTION, SHELL_CMD,
};
use shell::Shell;
use std::collections::BTreeMap;

/// What one server's WinRM service holds in memory. Gone with every restart.
#[derive(Default)]
pub(crate) struct Host {
    boot: u64,
    contexts: BTreeMap<String, Enumeration>,
    shells: BTreeMap<String, Shell>,
    /// Shells since the start of the lab.
    created: u32,
    deleted: u32,
    expired: u32,
    pub(crate) traffic: TrafficReport,
    /// Its requests by what they were for.
    pub(crate) asked: BTreeMap<String, u64>,
}

impl Host {
    /// Returns how many shells were created and deleted, and how many are open.
    pub(crate) fn shells(&self) -> ShellReport {
        let open = u32::try_from(self.shells.len()).unwrap_or(u32::MAX);
        ShellReport { created: self.created, deleted: self.deleted, expired: self.expired, open }
    }
}

/// One request on its way through the server.
pub(crate) struct Call<'a> {
    /// The server that was asked.
    pub(crate) server: ServerIndex,
    /// When the request came in.
    pub(crate) arrived: Timestamp,
    /// The request.
    pub(crate) request: &'a Request,
    /// What the request is answered with instead of being carried out, when it is a method.
    pub(crate) return_value: Option<u32>,
    /// Whether whoever asked has proven who they are.
    pub(crate) caller: Caller,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody with user name and password.
    Known,
    /// Somebody who only wants to know whether the service is there.
    Anonymous,
}

/// What the server says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// An answer with its HTTP status.
    Answer(u16, String),
    /// Nothing yet: ask again at this time.
    Wait(Timestamp),
}

/// The body of an answer, or that there is none yet.
pub(super) enum Body {
    /// Action of the answer, the namespaces that it declares, and the content of the SOAP body.
    Content { action: String, content: String },
    /// Nothing yet: ask again at this time.
    Wait(Timestamp),
}

/// Answers a request. The world has been advanced to the present.
pub(crate) fn serve(world: &mut World, host: &mut Host, call: &Call<'_>) -> Reply {
    let boot = world.servers[call.server].boot;
    if host.boot != boot {
        let Host { created, deleted, expired, traffic, .. } = *host;
        let asked = std::mem::take(&mut host.asked);
        *host = Host { boot, created, deleted, expired, traffic, asked, ..Host::default() };
    }
    if call.request.is_identify() {
        return Reply::Answer(200, envelope::identify(&world.servers[call.server], call.caller));
    }
    if call.caller == Caller::Anonymous {
        return Reply::Answer(500, Fault::access_denied().envelope(&call.request.message_id, &machine(world, call)));
    }
    match dispatch(world, host, call) {
        Ok(Body::Wait(until)) => Reply::Wait(until),
        Ok(Body::Content { action, content }) => {
            Reply::Answer(200, envelope::answer(&action, &call.request.message_id, &content))
        }
        Err(fault) => Reply::Answer(500, fault.envelope(&call.request.message_id, &machine(world, call))),
    }
}

fn machine(world: &World, call: &Call<'_>) -> String {
    world.servers[call.server].name.to_string()
}

fn dispatch(world: &mut World, host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    call.request.check()?;
    let action = call.request.action.as_str();
    let resource = call.request.resource.as_str();
    if resource.eq_ignore_ascii_case(SHELL_CMD) {
        shell::keep(host, call, world.now());
        return match action {
            ACTION_CREATE => shell::create(world, host, call),
            ACTION_DELETE => shell::delete(host, call),
            ACTION_GET => shell::get(host, call),
            _ => match action.strip_prefix(SHELL_ACTION) {
                Some("Command") => shell::command(world, host, call),
                Some("Receive") => shell::receive(world, host, call),
                Some("Send") => shell::send(world, host, call),
                Some("Signal") => shell::signal(host, call),
                Some(_) | None => Err(Fault::action_not_supported(action)),
            },
        };
    }
    if resource.eq_ignore_ascii_case(machine::CONFIG) && action == ACTION_GET {
        return machine::settings(world, call);
    }
    let Some(class) = wmi::class_of(resource) else {
        return Err(Fault::no_such_resource(resource));
    };
    match action {
        ACTION_GET => wmi::get(world, call, class),
        ACTION_ENUMERATE => enumeration::enumerate(world, host, call, class),
        ACTION_PULL => enumeration::pull(host, call),
        ACTION_RELEASE => enumeration::release(host, call),
        _ => match action.strip_prefix(resource).and_then(|rest| rest.strip_prefix('/')) {
            Some(method) => wmi::invoke(world, call, class, method),
            None => Err(Fault::action_not_supported(action)),
        },
    }
}

/// Returns the words that faults of the scenario may name this request by.
pub(crate) fn tags(host: &Host, request: &Request) -> Vec<String> {
    if request.is_identify() {
        return vec!["Identify".to_owned()];
    }
    let last = request.action.rsplit('/').next().unwrap_or_default().to_owned();
    let mut tags = Vec::new();
    if wmi::class_of(&request.resource).is_some() && request.action.starts_with(&request.resource) {
        tags.push("Invoke".to_owned());
    }
    tags.extend(shell::tags(host, request));
    tags.push(last);
    tags
}

/// Returns what a request is for: its operation, and the class, the method, the script or the program that it concerns.
pub(crate) fn purpose(request: &Request, tags: &[String]) -> String {
    let operation = tags.last().map(String::as_str).unwrap_or_default();
    let class = || wmi::class_of(&request.resource).unwrap_or_default();
    let concerns = match operation {
        ACTION_OF_ENUMERATE => enumeration::class_of(request).unwrap_or_else(|| class().to_owned()),
        _ if tags.len() > 1 => tags[..tags.len() - 1].join(" "),
        _ => class().to_owned(),
    };
    match concerns.strip_prefix("Receive ") {
        Some(scripts) => format!("Receive {}", scripts.replace("Receive ", "")),
        None if concerns == "Invoke" => format!("Invoke {operation}"),
        None => format!("{operation} {concerns}").trim_end().to_owned(),
    }
}

/// The last word of the action that asks for instances.
const ACTION_OF_ENUMERATE: &str = "Enumerate";

/// The longest that the server lets a request wait.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);
