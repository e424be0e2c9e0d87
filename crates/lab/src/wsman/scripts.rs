//! Commands and scripts that the lab knows. They are recognised, never run; everything else fails honestly.

use super::machine;
use crate::machine::PowerShellMode;
use crate::world::{
    InstallerAnswer, InstallerEnd, InstallerRequest, LeaseFile, LeaseRequest, ServerIndex, Shutdown, World,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use orchestrate_model::ServiceName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::io::Write as _;

/// The first line of every script of `orchestrate`.
const MARK: &str = "# orchestrate script ";

/// The scripts that the lab knows.
pub(crate) const SCRIPTS: &[&str] = &[
    "state",
    "service-details",
    "delayed",
    "acts",
    "counter-classes",
    "counters",
    "activity",
    "versions",
    "readiness",
    "replication",
    "central-management",
    "fabric",
    "installer-start",
    "installer-state",
    "file",
    "lease",
    "lease-hold",
    "lease-release",
    "by-task",
    "probe",
    "fitness",
    "counter-sets",
    "worker",
];

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Program {
    /// A PowerShell script.
    Script(String),
    /// A PowerShell script that comes as input.
    ScriptFromInput,
    /// A PowerShell script that reads the rest of itself, another script and a secret from its input.
    ScriptWithInput(String),
    /// A PowerShell that stays and answers scripts which come line by line.
    Worker,
    /// `shutdown.exe` with its arguments.
    Shutdown(Vec<String>),
    /// `hostname.exe`
    HostName,
    /// `whoami.exe`
    WhoAmI,
    /// A program that is not there.
    Missing(String),
}

/// What a command leaves behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) exit_code: i64,
    pub(super) tag: String,
}

impl Program {
    /// Returns the word that faults of the scenario name it by.
    pub(super) fn tag(&self) -> String {
        match self {
            Self::Script(text) => Script::parse(text).map_or_else(|| "unknown script".to_owned(), |script| script.name),
            Self::ScriptFromInput => "script from input".to_owned(),
            // The script that is asked in the task is the one that faults are about; it is known once its input is.
            Self::ScriptWithInput(_) => "by-task".to_owned(),
            Self::Worker => "worker".to_owned(),
            Self::Shutdown(_) => "shutdown".to_owned(),
            Self::HostName => "hostname".to_owned(),
            Self::WhoAmI => "whoami".to_owned(),
            Self::Missing(name) => name.clone(),
        }
    }
}

/// Returns what a command line asks for.
pub(super) fn recognise(line: &str) -> Program {
    let words = words(line);
    let first = words.first().cloned().unwrap_or_default();
    let file = first.rsplit(['\\', '/']).next().unwrap_or_default().to_ascii_lowercase();
    match file.strip_suffix(".exe").unwrap_or(&file) {
        "powershell" => powershell(&words[1..]),
        "shutdown" => Program::Shutdown(words[1..].to_vec()),
        "hostname" => Program::HostName,
        "whoami" => Program::WhoAmI,
        _ => Program::Missing(first),
    }
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn powershell(arguments: &[String]) -> Program {
    let option = |names: &[&str]| {
        let position = arguments.iter().position(|given| names.iter().any(|name| given.eq_ignore_ascii_case(name)))?;
        arguments.get(position + 1)
    };
    if let Some(encoded) = option(&["-EncodedCommand", "-e", "-ec", "-enc"]) {
        let text = decode_utf16(encoded).unwrap_or_default();
        let name = Script::parse(&text).map(|script| script.name);
        return match name.as_deref() {
            Some(super::by_task::NAME) => Program::ScriptWithInput(text),
            Some("worker") => Program::Worker,
            Some(_) | None => Program::Script(text),
        };
    }
    match option(&["-Command", "-c"]) {
        Some(input) if input == "-" => Program::ScriptFromInput,
        Some(text) => Program::Script(text.clone()),
        None => Program::Script(String::new()),
    }
}

fn decode_utf16(encoded: &str) -> Option<String> {
    let bytes = STANDARD.decode(encoded).ok()?;
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

/// Answers a command from the world.
pub(super) fn run(world: &mut World, server: ServerIndex, program: &Program) -> Output {
    let tag = program.tag();
    let output = match program {
        Program::Script(text) => script(world, server, text),
        Program::ScriptFromInput | Program::ScriptWithInput(_) | Program::Worker => Output::default(),
        Program::Shutdown(arguments) => shutdown(world, server, arguments),
        Program::HostName => said(&format!("{}\r\n", world.servers[server].name.short())),
        Program::WhoAmI => said(&format!("{}\\lab\r\n", world.servers[server].name.short())),
        Program::Missing(name) => Output {
            stderr: format!(
                "'{name}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
            ),
            exit_code: 1,
            ..Output::default()
        },
    };
    Output { tag, ..output }
}

/// Answers a line of a PowerShell that stays: questions, each a number and a script in base64. One without text is only
/// acknowledged.
pub(super) fn answer_line(world: &mut World, server: ServerIndex, line: &str) -> Vec<Output> {
    let answers = questions(line).into_iter().map(|(number, script)| {
        let output = match script.trim() {
            "" => Output { tag: Program::Worker.tag(), ..Output::default() },
            text => run(world, server, &Program::Script(text.to_owned())),
        };
        // It has said at its start that it wants no news of its progress.
        let stdout = format!("{}\r\nORCHESTRATE-DONE:{number}.\r\n", output.stdout);
        Output { stdout, stderr: String::new(), ..output }
    });
    answers.collect()
}

/// Returns the questions of a line.
fn questions(line: &str) -> Vec<(&str, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let decoded = |encoded: &str| STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    words.chunks_exact(2).map(|question| (question[0], decoded(question[1]).unwrap_or_default())).collect()
}

/// Returns the words that faults name a line by.
pub(super) fn tags_of_line(line: &str) -> Vec<String> {
    questions(line).iter().filter_map(|(_, script)| Some(Script::parse(script)?.name)).collect()
}

fn said(text: &str) -> Output {
    Output { stdout: text.to_owned(), ..Output::default() }
}

fn shutdown(world: &mut World, server: ServerIndex, arguments: &[String]) -> Output {
    let has = |name: &str| arguments.iter().any(|given| given.eq_ignore_ascii_case(name));
    if !has("/r") {
        let stderr = "The lab imitates shutdown.exe only with /r.\r\n".to_owned();
        return Output { stderr, exit_code: 1, ..Output::default() };
    }
    let position = arguments.iter().position(|given| given.eq_ignore_ascii_case("/t"));
    let grace = position.and_then(|position| arguments.get(position + 1)).and_then(|text| text.parse::<f64>().ok());
    let (exit_code, stderr) = match world.restart(server, grace.unwrap_or(30.0)) {
        Shutdown::Accepted => (0, ""),
        Shutdown::Scheduled => (1190, "A system shutdown has already been scheduled.(1190)\r\n"),
    };
    world.tell(server, "shutdown", &arguments.join(" "), exit_code.to_string());
    Output { stderr: stderr.to_owned(), exit_code, ..Output::default() }
}

pub(super) struct Script {
    pub(super) name: String,
    request: Vec<u8>,
}

impl Script {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        let name = lines.next()?.trim().strip_prefix(MARK)?.strip_suffix(" 1")?.to_owned();
        let encoded = lines.next()?.trim().strip_prefix("$request = '")?.strip_suffix('\'')?;
        Some(Self { name, request: STANDARD.decode(encoded).ok()? })
    }
}

fn script(world: &mut World, server: ServerIndex, text: &str) -> Output {
    let Some(script) = Script::parse(text) else {
        return Output {
            stderr: clixml("This script is not one that the lab knows."),
            exit_code: 1,
            ..Output::default()
        };
    };
    if world.servers[server].machine.powershell == PowerShellMode::Constrained {
        // The first lines of every script say so, and end it.
        let stdout = "ORCHESTRATE-UNABLE:ConstrainedLanguage 5.1.14393.0\r\n".to_owned();
        return Output { stdout, exit_code: 3, ..Output::default() };
    }
    if let Some(refused) = super::by_task::in_session(world, server, &script.name) {
        return answered(&refused, 1);
    }
    match answer(world, server, &script) {
        Ok(answer) => answered(&answer, 0),
        Err(error) => answered(&json!({ "error": error }), 1),
    }
}

/// Returns what a script prints that has answered.
pub(super) fn answered(answer: &Value, exit_code: i64) -> Output {
    let stdout = format!("ORCHESTRATE:{}\r\n", written(answer.to_string().as_bytes()));
    Output { stdout, stderr: PROGRESS.to_owned(), exit_code, tag: String::new() }
}

/// Writes an answer as scripts do: one that is long is made short.
fn written(answer: &[u8]) -> String {
    if answer.len() <= 1000 {
        return STANDARD.encode(answer);
    }
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    let folded = deflate.write_all(answer).and_then(|()| deflate.finish());
    folded.map_or_else(|_no_memory| STANDARD.encode(answer), |folded| format!("!{}", STANDARD.encode(folded)))
}

/// What PowerShell writes to its error stream when it loads a module in a session without a console.
const PROGRESS: &str = "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
    <Obj S=\"progress\" RefId=\"0\"><TN RefId=\"0\"><T>System.Management.Automation.PSCustomObject</T>\
    <T>System.Object</T></TN><MS><I64 N=\"SourceId\">1</I64><PR N=\"Record\"><AV>Preparing modules for first use.</AV>\
    <AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj></Objs>";

fn clixml(text: &str) -> String {
    let text = super::xml::escape(text);
    format!(
        "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
         <S S=\"Error\">{text}_x000D__x000A_</S></Objs>"
    )
}

pub(super) fn read<T: DeserializeOwned>(script: &Script) -> Result<T, String> {
    serde_json::from_slice(&script.request).map_err(|error| format!("the request cannot be read: {error}"))
}

pub(super) fn answer(world: &mut World, server: ServerIndex, script: &Script) -> Result<Value, String> {
    match script.name.as_str() {
        "state" => super::state::answer(world, server, &read(script)?),
        "service-details" => service_details(world, server, &read::<Services>(script)?),
        "delayed" => delayed(world, server, &read(script)?),
        "acts" => super::acts::answer(world, server, &read(script)?),
        "counter-classes" => Ok(counter_classes(world, server, &read(script)?)),
        "counters" => Ok(counters(world, server, &read(script)?)),
        "activity" => Ok(activity(world, server, &read(script)?)),
        "versions" => Ok(versions(world, server)),
        "readiness" => readiness(world, server, &read(script)?),
        "replication" => Ok(replication(world)),
        "central-management" => central_management(world, server),
        "fabric" => fabric(world, server, &read(script)?),
        "installer-start" => installer_start(world, server, &read(script)?),
        "installer-state" => Ok(installer_state(world, server, &read(script)?)),
        "file" => Ok(file(world, server, &read(script)?)),
        "probe" => Ok(machine::probe(world, server, &read(script)?)),
        "fitness" => Ok(machine::fitness(world, server)),
        "counter-sets" => Ok(machine::counter_sets(world, server)),
        "lease" => Ok(lease(world, server)),
        "lease-hold" => Ok(lease_hold(world, server, read(script)?)),
        "lease-release" => Ok(lease_release(world, server, &read(script)?)),
        other => Err(format!("the lab does not know the script {other}")),
    }
}

#[derive(Deserialize)]
struct Services {
    services: Vec<String>,
}

fn service_details(world: &World, server: ServerIndex, request: &Services) -> Result<Value, String> {
    let mut services = Map::new();
    let mut names = request.services.clone();
    // What depends on a service is listed with it, and what depends on that.
    while let Some(name) = names.pop() {
        if services.keys().any(|listed| listed.eq_ignore_ascii_case(&name)) {
            continue;
        }
        let Some(service) = world.servers[server].service_named(&name) else { continue };
        let dependents = world.servers[server].dependents(&service.name);
        let dependents: Vec<String> = dependents.map(|dependent| dependent.name.to_string()).collect();
        let detail = json!({ "delayed": service.start.delayed, "dependents": dependents });
        services.insert(name, detail);
        names.extend(dependents);
    }
    Ok(json!({ "services": services }))
}

#[derive(Deserialize)]
struct Delayed {
    service: String,
    delayed: bool,
}

/// What `sc.exe` says when it may not change a service.
pub(super) fn refused(world: &World, service: &str) -> Option<Value> {
    let code = world.refuses_automatic(&ServiceName::new(service).ok()?)?;
    Some(json!({ "ok": false, "code": code, "said": format!("[SC] ChangeServiceConfig FAILED {code}:") }))
}

fn delayed(world: &mut World, server: ServerIndex, request: &Delayed) -> Result<Value, String> {
    let Delayed { service, delayed } = request;
    if let Some(code) = refused(world, service) {
        return Ok(code);
    }
    let done = if *delayed { world.set_delayed(server, service) } else { world.clear_delayed(server, service) };
    done.ok_or("OpenService FAILED 1060")?;
    world.tell(server, if *delayed { "set-delayed" } else { "clear-delayed" }, service, "ok");
    Ok(json!({ "ok": true, "code": 0, "delayed": delayed }))
}

#[derive(Deserialize)]
struct Objects {
    objects: Vec<String>,
}

fn counter_classes(world: &World, server: ServerIndex, request: &Objects) -> Value {
    let mut classes = Map::new();
    for object in &request.objects {
        if let Some(found) = world.perf_class(server, object) {
            let value = json!({ "class": found.class, "properties": found.properties });
            classes.insert(object.clone(), value);
        }
    }
    json!({ "classes": classes })
}

#[derive(Deserialize)]
struct CounterClasses {
    classes: Vec<CounterClass>,
}

#[derive(Deserialize)]
struct CounterClass {
    name: String,
    properties: Vec<String>,
}

/// Answers as WMI does on the server itself: what one class cannot say is said of that class.
fn counters(world: &World, server: ServerIndex, request: &CounterClasses) -> Value {
    let (mut classes, mut errors) = (Map::new(), Map::new());
    for class in &request.classes {
        let Some(instances) = world.perf_instances(server, &class.name) else {
            errors.insert(class.name.clone(), json!("Invalid class "));
            continue;
        };
        let rows = instances.iter().map(|instance| {
            let text = |name: &String| match name.as_str() {
                "Name" => Some((name.clone(), json!(instance.name.as_ref()?))),
                _ => Some((name.clone(), json!(instance.properties.get(name)?.to_string()))),
            };
            Value::Object(class.properties.iter().filter_map(text).collect())
        });
        classes.insert(class.name.clone(), rows.collect());
    }
    json!({ "classes": classes, "errors": errors })
}

fn activity(world: &World, server: ServerIndex, request: &Services) -> Value {
    let (mut activity, mut errors) = (Map::new(), Map::new());
    for name in &request.services {
        match world.activity(server, name) {
            Some(level) => activity.insert(name.clone(), Value::String(level)),
            None => errors.insert(name.clone(), Value::String(format!("Cannot find any service named {name}."))),
        };
    }
    json!({ "activity": activity, "errors": errors })
}

fn versions(world: &World, server: ServerIndex) -> Value {
    let components: Vec<Value> = world
        .components(server)
        .into_iter()
        .map(|(name, version)| json!({ "name": name, "version": version }))
        .collect();
    json!({ "components": components })
}

#[derive(Deserialize)]
struct PoolRequest {
    pool: String,
}

fn readiness(world: &World, server: ServerIndex, request: &PoolRequest) -> Result<Value, String> {
    let found = world.readiness(server, &request.pool)?;
    let domains: Vec<Value> = found
        .domains
        .iter()
        .map(|domain| {
            json!({
                "Name": domain.name,
                "Frontends": domain.servers,
                "TotalFrontends": domain.servers.len(),
                "TotalActiveFrontends": domain.active,
                "IsReadyForUpgrade": domain.ready,
            })
        })
        .collect();
    Ok(json!({ "answer": {
        "PoolFqdn": found.pool,
        "State": found.state,
        "TotalFrontends": found.total,
        "TotalActiveFrontends": found.active,
        "UpgradeDomains": domains,
    } }))
}

fn fabric(world: &World, server: ServerIndex, request: &PoolRequest) -> Result<Value, String> {
    Ok(json!({ "lines": world.fabric(server, &request.pool)? }))
}

fn replication(world: &World) -> Value {
    let replicas: Vec<Value> =
        world.replication().into_iter().map(|(fqdn, upto)| json!({ "fqdn": fqdn, "upToDate": upto })).collect();
    json!({ "replicas": replicas })
}

fn central_management(world: &World, server: ServerIndex) -> Result<Value, String> {
    let active = world.active_master(server)?;
    let agents: Vec<&String> = active.iter().filter(|name| !name.is_empty()).collect();
    Ok(json!({ "answer": { "ActiveMasterFQDN": active, "ActiveFileTransferAgents": agents } }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InstallerStart {
    token: String,
    installer: String,
    #[serde(default)]
    arguments: Vec<String>,
    sha256: String,
    deadline_seconds: f64,
}

fn installer_start(world: &mut World, server: ServerIndex, request: &InstallerStart) -> Result<Value, String> {
    if request.token.is_empty() {
        return Err("an installer needs a token".to_owned());
    }
    let wanted = InstallerRequest {
        token: request.token.clone(),
        path: request.installer.clone(),
        sha256: request.sha256.clone(),
        deadline_s: request.deadline_seconds,
    };
    let (word, detail) = match world.start_installer(server, &wanted) {
        InstallerAnswer::Started => ("started", String::new()),
        InstallerAnswer::Already => ("already", "this token was used before".to_owned()),
        InstallerAnswer::MissingFile => ("missing-file", format!("{} does not exist", request.installer)),
        InstallerAnswer::WrongHash => ("wrong-hash", format!("{} is another file", request.installer)),
    };
    let object = format!("{} {} {}", request.token, request.installer, request.arguments.join(" "));
    world.tell(server, "installer-start", object.trim_end(), word);
    Ok(json!({ "result": word, "detail": detail }))
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

fn installer_state(world: &World, server: ServerIndex, request: &Token) -> Value {
    match world.servers[server].installers.get(&request.token).map(|installer| installer.end) {
        None => json!({ "state": "not-started" }),
        Some(InstallerEnd::Running(_)) => json!({ "state": "running" }),
        Some(InstallerEnd::Finished(code)) => json!({ "state": "finished", "exitCode": code }),
        Some(InstallerEnd::Killed) => json!({ "state": "killed", "detail": "it was ended at its deadline" }),
        Some(InstallerEnd::Vanished) => json!({ "state": "vanished" }),
    }
}

#[derive(Deserialize)]
struct FileRequest {
    path: String,
}

fn file(world: &World, server: ServerIndex, request: &FileRequest) -> Value {
    json!({ "sha256": world.file(server, &request.path) })
}

fn lease(world: &World, server: ServerIndex) -> Value {
    let (lease, now) = world.lease(server);
    json!({ "lease": lease, "now": now.as_second() })
}

#[derive(Deserialize)]
struct LeaseHold {
    keeper: String,
    user: String,
    host: String,
    run: String,
    seconds: f64,
}

fn lease_hold(world: &mut World, server: ServerIndex, request: LeaseHold) -> Value {
    let LeaseHold { keeper, user, host, run, seconds } = request;
    let object = format!("{run} of {keeper}");
    let lease = LeaseFile { keeper, user, host, run, until_seconds: 0 };
    let (word, lease) = match world.hold_lease(server, LeaseRequest { lease, seconds }) {
        Ok(from) => ("ours", from),
        Err(holds) => ("taken", Some(holds)),
    };
    world.tell(server, "lease-hold", &object, word);
    json!({ "result": word, "lease": lease })
}

#[derive(Deserialize)]
struct LeaseRelease {
    keeper: String,
}

fn lease_release(world: &mut World, server: ServerIndex, request: &LeaseRelease) -> Value {
    let word = if world.release_lease(server, &request.keeper) { "free" } else { "taken" };
    world.tell(server, "lease-release", &request.keeper, word);
    json!({ "result": word })
}
