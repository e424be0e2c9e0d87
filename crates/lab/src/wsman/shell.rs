//! The remote shell: Create, Command, Send, Receive, Signal, Delete. Commands are answered by the world; nothing is
//! ever run.

use super::by_task;
use super::envelope::fresh_guid;
use super::fault::Fault;
use super::names::{ACTION_CREATE, ACTION_DELETE, ACTION_GET, COMMAND_STATE, NS_SHELL, SHELL_ACTION, SHELL_CMD};
use super::scripts::{self, Program};
use super::xml::{Element, escape};
use super::{Body, Call, Host, Request};
use crate::world::{World, lab_seconds};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::time::after;
use std::collections::{BTreeMap, VecDeque};

/// Most shells of one user on one server.
const MOST_SHELLS: usize = 30;

/// Most commands of one user on one server that have not been acknowledged.
const MOST_COMMANDS: usize = 15;

/// Output up to this length comes in one piece.
const SHORT_OUTPUT: usize = 48;

/// What a process writes at once comes in one piece up to this length, that of a pipe's buffer, and the rest in another. (All
/// commands of recorded hosts bring everything that they have written by then with one answer.)
const ONE_WRITE: usize = 4096;

/// How long a shell may be idle when the client says nothing about it.
const IDLE: SignedDuration = SignedDuration::from_secs(7200);

/// The shortest such time that the server takes.
const SHORTEST_IDLE: SignedDuration = SignedDuration::from_secs(60);

/// One shell.
pub(super) struct Shell {
    commands: BTreeMap<String, Command>,
    /// How long it may be idle.
    idle: SignedDuration,
    /// When it was used last, or until when a request waits in it.
    used: Timestamp,
}

/// One command of a shell.
struct Command {
    /// What it will run once its input is complete.
    waits_for_input: bool,
    /// The script that came before its input.
    script: Option<String>,
    /// Whether it stays, and answers its input line by line.
    stays: bool,
    input: Vec<u8>,
    /// When its output is there. `None` while it waits for input.
    ready: Option<Timestamp>,
    pieces: VecDeque<(&'static str, Vec<u8>)>,
    exit_code: i64,
    /// Which known scripts or program it is, for faults of the scenario.
    tags: Vec<String>,
}

impl Command {
    fn finish(&mut self, output: scripts::Output, ready: Timestamp) {
        self.exit_code = output.exit_code;
        self.tags = vec![output.tag];
        self.pieces = pieces(&output.stdout, &output.stderr);
        self.ready = Some(ready);
        self.waits_for_input = false;
    }

    /// Says what it has to say to the questions of a line, all at once.
    fn say(&mut self, answers: Vec<scripts::Output>, ready: Timestamp) {
        let stdout: String = answers.iter().map(|answer| answer.stdout.as_str()).collect();
        self.tags = answers.into_iter().map(|answer| answer.tag).collect();
        let (first, rest) = stdout.as_bytes().split_at(stdout.len().min(ONE_WRITE));
        let parts = [first, rest].into_iter().filter(|part| !part.is_empty());
        self.pieces = parts.map(|part| ("stdout", part.to_vec())).collect();
        self.ready = Some(ready);
    }

    /// Takes a whole line of its input, where it answers line by line.
    fn line(&mut self) -> Option<String> {
        let end = self.input.iter().position(|byte| *byte == b'\n').filter(|_| self.stays)?;
        let line: Vec<u8> = self.input.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

/// Splits output so that it comes with several answers, cut anywhere.
fn pieces(stdout: &str, stderr: &str) -> VecDeque<(&'static str, Vec<u8>)> {
    let mut pieces = VecDeque::new();
    let bytes = stdout.as_bytes();
    let cut = if bytes.len() > SHORT_OUTPUT { bytes.len() * 2 / 3 } else { bytes.len() };
    let (first, second) = bytes.split_at(cut);
    for part in [first, second] {
        if !part.is_empty() {
            pieces.push_back(("stdout", part.to_vec()));
        }
    }
    if !stderr.is_empty() {
        pieces.push_back(("stderr", stderr.as_bytes().to_vec()));
    }
    pieces
}

fn shell_of<'a>(host: &'a mut Host, request: &Request) -> Result<&'a mut Shell, Fault> {
    let id = request.selector("ShellId").ok_or_else(Fault::too_few_selectors)?;
    let id = id.to_ascii_uppercase();
    host.shells.get_mut(&id).ok_or_else(Fault::no_such_shell)
}

/// Removes the shells whose client has not been heard of for as long as it said itself, and notes that the one of this
/// request is used.
pub(super) fn keep(host: &mut Host, call: &Call<'_>, now: Timestamp) {
    let before = host.shells.len();
    host.shells.retain(|_, shell| now <= after(shell.used, shell.idle));
    host.expired += u32::try_from(before - host.shells.len()).unwrap_or(u32::MAX);
    if let Ok(shell) = shell_of(host, call.request) {
        shell.used = shell.used.max(now);
    }
}

/// Returns how long a shell may be idle that a client asks for.
fn idle(shell: &Element) -> Result<SignedDuration, Fault> {
    let Some(text) = shell.child(NS_SHELL, "IdleTimeOut").map(Element::text) else { return Ok(IDLE) };
    let stated = text.trim().parse::<SignedDuration>().map_err(|_no_duration| Fault::parameter())?;
    if stated < SHORTEST_IDLE { Err(Fault::parameter()) } else { Ok(stated) }
}

fn answer(operation: &str, content: String) -> Body {
    Body::Content { action: format!("{SHELL_ACTION}{operation}Response"), content }
}

/// Answers Create.
pub(super) fn create(world: &World, host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    let idle = idle(call.request.body(NS_SHELL, "Shell")?)?;
    if host.shells.len() >= MOST_SHELLS {
        return Err(Fault::too_many_shells());
    }
    let id = fresh_guid();
    host.shells.insert(id.clone(), Shell { commands: BTreeMap::new(), idle, used: world.now() });
    host.created += 1;
    let to = escape(&format!("https://{}:5986/wsman", world.servers[call.server].name));
    let content = format!(
        "<x:ResourceCreated><a:Address>{to}</a:Address><a:ReferenceParameters><w:ResourceURI>{SHELL_CMD}</w:ResourceURI>\
         <w:SelectorSet><w:Selector Name=\"ShellId\">{id}</w:Selector></w:SelectorSet></a:ReferenceParameters>\
         </x:ResourceCreated>{}",
        description(&id, idle)
    );
    Ok(Body::Content { action: format!("{ACTION_CREATE}Response"), content })
}

fn description(id: &str, idle: SignedDuration) -> String {
    let idle = idle.as_secs();
    format!(
        "<rsp:Shell xmlns:rsp=\"{NS_SHELL}\"><rsp:ShellId>{id}</rsp:ShellId><rsp:ResourceUri>{SHELL_CMD}</rsp:ResourceUri>\
         <rsp:Owner>lab</rsp:Owner><rsp:ClientIP>127.0.0.1</rsp:ClientIP><rsp:IdleTimeOut>PT{idle}.000S</rsp:IdleTimeOut>\
         <rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams>\
         <rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime><rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity></rsp:Shell>"
    )
}

/// Answers Get.
pub(super) fn get(host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    let idle = shell_of(host, call.request)?.idle;
    let id = call.request.selector("ShellId").unwrap_or_default();
    Ok(Body::Content { action: format!("{ACTION_GET}Response"), content: description(&id, idle) })
}

/// Answers Delete.
pub(super) fn delete(host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    shell_of(host, call.request)?;
    let id = call.request.selector("ShellId").unwrap_or_default().to_ascii_uppercase();
    host.shells.remove(&id);
    host.deleted += 1;
    Ok(Body::Content { action: format!("{ACTION_DELETE}Response"), content: String::new() })
}

/// Returns the command line of a Command request.
fn command_line(request: &Request) -> Result<String, Fault> {
    let body = request.body(NS_SHELL, "CommandLine")?;
    let command = body.child(NS_SHELL, "Command").map(Element::text).unwrap_or_default();
    if command.is_empty() {
        return Err(Fault::parameter());
    }
    let mut line = command.to_owned();
    for argument in body.children.iter().filter(|child| child.is(NS_SHELL, "Arguments")) {
        line.push(' ');
        line.push_str(argument.text());
    }
    Ok(line)
}

/// Answers Command.
pub(super) fn command(world: &mut World, host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    let line = command_line(call.request)?;
    let without_cmd =
        call.request.option("WINRS_SKIP_CMD_SHELL").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let open: usize = host.shells.values().map(|shell| shell.commands.len()).sum();
    let shell = shell_of(host, call.request)?;
    // A command counts until its end is acknowledged with a signal, however long ago it ended.
    if open >= MOST_COMMANDS {
        return Err(Fault::too_many_commands());
    }
    let mut command = Command {
        waits_for_input: false,
        script: None,
        stays: false,
        input: Vec::new(),
        ready: None,
        pieces: VecDeque::new(),
        exit_code: 0,
        tags: Vec::new(),
    };
    match scripts::recognise(&line) {
        Program::Missing(_) if without_cmd => return Err(Fault::no_such_file()),
        Program::ScriptFromInput => command.waits_for_input = true,
        Program::ScriptWithInput(script) => {
            command.waits_for_input = true;
            command.script = Some(script);
        }
        Program::Worker => {
            command.stays = true;
            command.tags = vec![Program::Worker.tag()];
        }
        program => {
            let output = scripts::run(world, call.server, &program);
            let ready = ready(world, &output);
            command.finish(output, ready);
        }
    }
    let id = fresh_guid();
    shell.commands.insert(id.clone(), command);
    host.traffic.processes += 1;
    Ok(answer("Command", format!("<rsp:CommandResponse><rsp:CommandId>{id}</rsp:CommandId></rsp:CommandResponse>")))
}

/// Returns when the output of a command is there.
fn ready(world: &World, output: &scripts::Output) -> Timestamp {
    let timing = &world.scenario.timing;
    let seconds = if output.tag == "installer-start" { timing.installer_start_s } else { timing.command_s };
    after(world.now(), lab_seconds(seconds))
}

fn command_of<'a>(shell: &'a mut Shell, id: Option<&str>) -> Result<(String, &'a mut Command), Fault> {
    let id = id.ok_or_else(Fault::parameter)?.to_ascii_uppercase();
    let command = shell.commands.get_mut(&id).ok_or_else(Fault::no_such_command)?;
    Ok((id, command))
}

/// Answers Send.
pub(super) fn send(world: &mut World, host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    let body = call.request.body(NS_SHELL, "Send")?;
    let shell = shell_of(host, call.request)?;
    for stream in body.children.iter().filter(|child| child.is(NS_SHELL, "Stream")) {
        let (_, command) = command_of(shell, stream.attribute("CommandId"))?;
        if stream.attribute("Name") != Some("stdin") {
            return Err(Fault::parameter());
        }
        let bytes = STANDARD.decode(stream.text()).map_err(|_not_base64| Fault::parameter())?;
        command.input.extend_from_slice(&bytes);
        if let Some(line) = command.line() {
            let answers = scripts::answer_line(world, call.server, &line);
            let timing = &world.scenario.timing;
            // The first line is answered when it has started.
            let seconds = |answer: &scripts::Output| {
                if answer.tag == Program::Worker.tag() { timing.command_s } else { timing.answer_s }
            };
            let ready = after(world.now(), lab_seconds(answers.iter().map(seconds).sum()));
            command.say(answers, ready);
        }
        if ends(stream) && command.waits_for_input {
            let input = String::from_utf8_lossy(&command.input).into_owned();
            let output = match &command.script {
                Some(script) => by_task::run(world, call.server, script, &input),
                None => scripts::run(world, call.server, &Program::Script(input)),
            };
            let ready = ready(world, &output);
            command.finish(output, ready);
        }
    }
    Ok(answer("Send", "<rsp:SendResponse/>".to_owned()))
}

/// Answers Receive: waits for output, brings a piece of it, and with the last piece the exit code.
pub(super) fn receive(world: &World, host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    let body = call.request.body(NS_SHELL, "Receive")?;
    let wanted = body.child(NS_SHELL, "DesiredStream").and_then(|stream| stream.attribute("CommandId"));
    let patience = call.arrived + call.request.patience();
    let shell = shell_of(host, call.request)?;
    shell.used = shell.used.max(patience);
    let (id, command) = command_of(shell, wanted)?;
    match command.ready {
        Some(ready) if ready <= world.now() => {}
        Some(ready) if ready <= patience => return Ok(Body::Wait(ready)),
        Some(_) | None if world.now() < patience => return Ok(Body::Wait(patience)),
        Some(_) | None => return Err(Fault::timed_out()),
    }
    let mut content = "<rsp:ReceiveResponse>".to_owned();
    if let Some((name, bytes)) = command.pieces.pop_front() {
        let (one, other) = bytes.split_at(bytes.len() / 2);
        for part in [one, other].into_iter().filter(|part| !part.is_empty()) {
            content.push_str(&stream(name, &id, part));
        }
    }
    if command.pieces.is_empty() && command.stays {
        // It says nothing more until it is asked again.
        command.ready = None;
        content.push_str(&format_running(&id));
    } else if command.pieces.is_empty() {
        for name in ["stdout", "stderr"] {
            content.push_str(&format_end(name, &id));
        }
        // The command stays until its end is acknowledged.
        content.push_str(&format_done(&id, command.exit_code));
    } else {
        content.push_str(&format_running(&id));
    }
    content.push_str("</rsp:ReceiveResponse>");
    Ok(answer("Receive", content))
}

fn stream(name: &str, id: &str, bytes: &[u8]) -> String {
    let data = STANDARD.encode(bytes);
    format!("<rsp:Stream Name=\"{name}\" CommandId=\"{id}\">{data}</rsp:Stream>")
}

fn format_end(name: &str, id: &str) -> String {
    format!("<rsp:Stream Name=\"{name}\" CommandId=\"{id}\" End=\"true\"></rsp:Stream>")
}

fn format_running(id: &str) -> String {
    format!("<rsp:CommandState CommandId=\"{id}\" State=\"{COMMAND_STATE}Running\"></rsp:CommandState>")
}

fn format_done(id: &str, exit_code: i64) -> String {
    format!(
        "<rsp:CommandState CommandId=\"{id}\" State=\"{COMMAND_STATE}Done\"><rsp:ExitCode>{exit_code}</rsp:ExitCode>\
         </rsp:CommandState>"
    )
}

/// Answers Signal, which also acknowledges the end of a command.
pub(super) fn signal(host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    let body = call.request.body(NS_SHELL, "Signal")?;
    let known = [
        format!("{NS_SHELL}/signal/terminate"),
        format!("{NS_SHELL}/signal/ctrl_c"),
        format!("{NS_SHELL}/signal/ctrl_break"),
    ];
    let code = body.child(NS_SHELL, "Code").map(Element::text).unwrap_or_default();
    if !known.iter().any(|known| known.eq_ignore_ascii_case(code)) {
        return Err(Fault::parameter());
    }
    let shell = shell_of(host, call.request)?;
    if let Some(id) = body.attribute("CommandId") {
        let (id, _) = command_of(shell, Some(id))?;
        shell.commands.remove(&id);
    }
    Ok(answer("Signal", "<rsp:SignalResponse/>".to_owned()))
}

/// Returns the words that faults of the scenario may name a shell request by.
pub(super) fn tags(host: &Host, request: &Request) -> Vec<String> {
    let mut tags = Vec::new();
    if let Ok(line) = command_line(request) {
        tags.push(scripts::recognise(&line).tag());
    }
    let Some(shell) = request.selector("ShellId").and_then(|id| host.shells.get(&id.to_ascii_uppercase())) else {
        return tags;
    };
    let receive = request.body(NS_SHELL, "Receive").ok();
    let wanted = receive.and_then(|receive| receive.child(NS_SHELL, "DesiredStream"));
    if let Some(id) = wanted.and_then(|wanted| wanted.attribute("CommandId")) {
        let command = shell.commands.get(&id.to_ascii_uppercase());
        tags.extend(command.into_iter().flat_map(|command| &command.tags).map(|tag| format!("Receive {tag}")));
    }
    tags.extend(scripts_of_input(shell, request));
    tags
}

/// Returns the names of the scripts that a Send brings to its end.
fn scripts_of_input(shell: &Shell, request: &Request) -> Vec<String> {
    let Ok(send) = request.body(NS_SHELL, "Send") else { return Vec::new() };
    let of_line = scripts_of_line(shell, send);
    if of_line.is_empty() { script_of_input(shell, send).into_iter().collect() } else { of_line }
}

fn script_of_input(shell: &Shell, send: &Element) -> Option<String> {
    let last = send.children.iter().find(|child| child.is(NS_SHELL, "Stream") && ends(child))?;
    let command = shell.commands.get(&last.attribute("CommandId")?.to_ascii_uppercase())?;
    let mut input = command.input.clone();
    input.extend(STANDARD.decode(last.text()).ok()?);
    let input = String::from_utf8_lossy(&input).into_owned();
    command.waits_for_input.then(|| match command.script {
        Some(_) => by_task::tag(&input),
        None => Program::Script(input).tag(),
    })
}

/// Returns the names of the scripts of the line that a Send brings to its end.
fn scripts_of_line(shell: &Shell, send: &Element) -> Vec<String> {
    let input = || {
        let stream = send.children.iter().find(|child| child.is(NS_SHELL, "Stream"))?;
        let command = shell.commands.get(&stream.attribute("CommandId")?.to_ascii_uppercase())?;
        let mut input = command.input.clone();
        input.extend(STANDARD.decode(stream.text()).ok()?);
        (command.stays && input.ends_with(b"\n")).then(|| String::from_utf8_lossy(&input).into_owned())
    };
    input().map(|line| scripts::tags_of_line(&line)).unwrap_or_default()
}

fn ends(stream: &Element) -> bool {
    stream.attribute("End").is_some_and(|end| end.eq_ignore_ascii_case("true"))
}
