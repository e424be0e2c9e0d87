//! A server that knows just enough to be looked at and changed.

use crate::loopback::{Loopback, NAME, Reaction, Seen, auth};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orchestrate_driver::Clock;
use orchestrate_driver_winrm::{Transport, Trust, WinrmLimits, WinrmServer, WinrmTarget};
use orchestrate_model::pool::Cmdlets;
use orchestrate_model::{Keeper, PoolName, Product, Role, ServerName};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// When the server was booted.
pub(crate) const BOOTED: &str = "2026-11-20T06:00:00Z";

/// What the server is like.
pub(crate) struct World {
    /// Rows of `Win32_Service`.
    pub(crate) services: Vec<Value>,
    /// Rows of counter classes, by class.
    pub(crate) counters: BTreeMap<&'static str, Vec<Value>>,
    /// What scripts answer, by name.
    pub(crate) scripts: BTreeMap<&'static str, Value>,
    /// Out-parameters of methods.
    pub(crate) output: Value,
    /// The exit code of programs that are no script.
    pub(crate) exit_code: i64,
    /// The action that ends the connection instead of being answered.
    pub(crate) dies_at: Option<&'static str>,
    /// The action that is never answered.
    pub(crate) hangs_at: Option<&'static str>,
    /// Whether every request is refused with a 401.
    pub(crate) refuses: bool,
    /// Faults instead of answers, used up one by one: the action, the subcode and the code.
    pub(crate) faults: Vec<(&'static str, &'static str, u32)>,
    /// Output and exit code of the command in hand.
    pub(crate) pending: (String, i64),
    /// The input of the last command whose script is on its line.
    pub(crate) input: String,
    /// The command line of the last command.
    pub(crate) command_line: String,
    /// Names of the scripts that ran, with their requests.
    pub(crate) ran: Vec<(String, Value)>,
    /// Whether the command that is to stay is there, and takes questions.
    pub(crate) stays: bool,
    /// What it has said, and its exit code once it has ended.
    pub(crate) heard: (String, i64),
    /// What its PowerShell is like.
    pub(crate) powershell: Powershell,
    /// What happens to the next question of a command that stays.
    pub(crate) mishap: Option<Mishap>,
    /// What is said after the next question.
    pub(crate) late: String,
    /// How many processes were started that stay.
    pub(crate) workers: usize,
    /// What one that is starting was asked.
    pub(crate) unheard: Vec<String>,
    /// The classes of counters that were enumerated.
    pub(crate) enumerated: Vec<String>,
}

/// What the PowerShell of a server is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Powershell {
    /// It stays and answers.
    Usual,
    /// One that is to stay ends as soon as it is started.
    LeavesAtOnce,
    /// One that stays never says anything.
    Mute,
    /// One that stays takes its time to start: what it is asked until then is answered once it has.
    Starting,
    /// No script can run: a policy of the server restricts it.
    Restricted,
}

/// What happens to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The process ends.
    Ends,
    /// It is never answered. What is asked later is.
    Silence,
    /// It is answered, and the answer arrives only after the next question.
    Late,
    /// More is said than is ever read.
    Flood,
    /// What the process prints besides looks much like answers.
    Noise,
}

impl Default for World {
    fn default() -> Self {
        Self {
            services: vec![service("RTCSRV", "Running", "Auto"), service("RTCCAA", "Paused", "Manual")],
            counters: BTreeMap::new(),
            scripts: [(
                "service-details",
                json!({"services": {
                    "rtcsrv": {"delayed": true, "dependents": ["RTCCAA"]},
                    "RTCCAA": {"delayed": true, "dependents": []},
                }}),
            )]
            .into(),
            output: json!({"ReturnValue": 0}),
            exit_code: 0,
            dies_at: None,
            hangs_at: None,
            refuses: false,
            faults: Vec::new(),
            pending: (String::new(), 0),
            input: String::new(),
            command_line: String::new(),
            ran: Vec::new(),
            stays: false,
            heard: (String::new(), 0),
            powershell: Powershell::Usual,
            mishap: None,
            late: String::new(),
            workers: 0,
            unheard: Vec::new(),
            enumerated: Vec::new(),
        }
    }
}

impl World {
    /// Lets the process that is starting be there.
    pub(crate) fn has_started(&mut self) {
        self.powershell = Powershell::Usual;
        for line in std::mem::take(&mut self.unheard) {
            self.question(&line);
        }
    }
}

/// Returns a row of `Win32_Service`.
pub(crate) fn service(name: &str, state: &str, mode: &str) -> Value {
    json!({"Name": name, "DisplayName": format!("Lync Server {name}"), "State": state, "StartMode": mode,
        "AcceptPause": state == "Running"})
}

/// The server with a driver for it.
pub(crate) struct Fake {
    pub(crate) server: Loopback,
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) driver: WinrmServer,
}

impl Fake {
    pub(crate) async fn start(world: World) -> Self {
        Self::start_with(world, |_| {}).await
    }

    /// Starts a server, with a driver for a target that `change` has changed.
    pub(crate) async fn start_with(world: World, change: impl FnOnce(&mut WinrmTarget)) -> Self {
        let world = Arc::new(Mutex::new(world));
        let shared = world.clone();
        let server = Loopback::start(move |seen, _| shared.lock().unwrap().react(seen)).await;
        let mut target = target(&server);
        change(&mut target);
        let driver = WinrmServer::new(target, Clock::real()).unwrap();
        Self { server, world, driver }
    }

    /// Returns how often a script ran.
    pub(crate) fn runs(&self, script: &str) -> usize {
        self.world.lock().unwrap().ran.iter().filter(|(name, _)| name == script).count()
    }

    /// Returns how often an action was asked for.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.server.actions().iter().filter(|seen| *seen == action).count()
    }
}

/// Returns the target of a server.
pub(crate) fn target(server: &Loopback) -> WinrmTarget {
    WinrmTarget {
        keeper: Keeper { id: "us".to_owned(), user: "ops".to_owned(), host: "ctl1".to_owned() },
        server: ServerName::new(NAME).unwrap(),
        pool: PoolName::new("pool01.contoso.example").unwrap(),
        product: Product::Lync2013,
        role: Role::FrontEnd,
        connect_to: Some(server.address.to_string()),
        names: None,
        transport: Transport::Https(Trust::Authority(server.authority.clone())),
        auth: auth(),
        cmdlets: Cmdlets::Session,
        measures: BTreeMap::new(),
        // Most tests ask twice to see what becomes of the second question.
        limits: WinrmLimits { details: std::time::Duration::ZERO, ..WinrmLimits::default() },
    }
}

impl World {
    fn react(&mut self, seen: &Seen) -> Reaction {
        let action = seen.action();
        if let Some(at) = self.faults.iter().position(|(at, _, _)| *at == action) {
            let (_, subcode, code) = self.faults.remove(at);
            return seen.fault(subcode, code);
        }
        if self.refuses {
            return Reaction::Answer { status: "401 Unauthorized", headers: String::new(), body: Vec::new() };
        }
        if self.hangs_at == Some(action.as_str()) {
            return Reaction::Hang;
        }
        if self.dies_at == Some(action.as_str()) {
            return Reaction::Close;
        }
        match action.as_str() {
            "Get" => seen.answer(&element(
                "p:Win32_OperatingSystem",
                &json!({"LastBootUpTime": BOOTED, "LocalDateTime": "2026-11-23T01:00:00Z",
                    "Caption": "Windows\u{202e} Server", "Version": "6.3.9600"}),
            )),
            "Enumerate" => self.enumerate(seen),
            "Create" => seen.answer("<rsp:Shell><rsp:ShellId>S1</rsp:ShellId></rsp:Shell>"),
            "Command" => {
                let id = self.command(seen);
                seen.answer(&format!("<rsp:CommandResponse><rsp:CommandId>{id}</rsp:CommandId></rsp:CommandResponse>"))
            }
            "Send" => {
                let text = STANDARD.decode(seen.text("Stream").unwrap()).unwrap();
                let text = String::from_utf8(text).unwrap();
                if id_of(seen) == STAYS {
                    self.question(&text);
                } else if text.starts_with("# orchestrate script ") {
                    self.script(&text);
                } else {
                    self.input = text;
                }
                seen.answer("<rsp:SendResponse/>")
            }
            "Receive" => self.receive(seen),
            "Signal" | "Delete" => seen.answer(""),
            method => seen.answer(&element(&format!("p:{method}_OUTPUT"), &self.output)),
        }
    }

    fn receive(&mut self, seen: &Seen) -> Reaction {
        let id = id_of(seen);
        let running = id == STAYS && self.stays;
        if running && self.mishap == Some(Mishap::Flood) {
            self.heard.0 = "x".repeat(300_000);
        }
        if running && self.heard.0.is_empty() {
            return seen.fault("TimedOut", 2_150_858_793);
        }
        let said = if id == STAYS { &mut self.heard } else { &mut self.pending };
        let state = match running {
            true => "Running\">".to_owned(),
            false => format!("Done\"><rsp:ExitCode>{}</rsp:ExitCode>", said.1),
        };
        let text = STANDARD.encode(std::mem::take(&mut said.0));
        seen.answer(&format!(
            "<rsp:ReceiveResponse><rsp:Stream Name=\"stdout\" CommandId=\"{id}\">{text}</rsp:Stream><rsp:CommandState \
             CommandId=\"{id}\" State=\"x/CommandState/{state}</rsp:CommandState></rsp:ReceiveResponse>"
        ))
    }

    fn enumerate(&mut self, seen: &Seen) -> Reaction {
        let query = seen.text("Filter").unwrap();
        let rows = if query.contains("FROM Win32_Service") {
            let of_product = query.contains("DisplayName LIKE 'Lync Server %'");
            let found = |row: &&Value| {
                query.to_lowercase().contains(&format!("'{}'", text(&row["Name"]).to_lowercase()))
                    || (of_product && text(&row["DisplayName"]).starts_with("Lync Server "))
            };
            // What is asked for is that which is otherwise than it was seen.
            let is_other = |row: &&Value| {
                let same = format!("State <> '{}' OR StartMode <> '{}'", text(&row["State"]), text(&row["StartMode"]));
                let name = format!("'{}'", text(&row["Name"]));
                let group = query.split(")) OR ((").find(|group| group.contains(&name)).unwrap_or_default();
                !query.contains("State <> ") || !group.contains(&same)
            };
            self.services.iter().filter(found).filter(is_other).cloned().collect()
        } else {
            let class = query.rsplit(' ').next().unwrap();
            self.enumerated.push(class.to_owned());
            match self.counters.get(class) {
                Some(rows) => rows.clone(),
                None => return seen.fault("AccessDenied", 5),
            }
        };
        let items: String = rows.iter().map(|row| element("w:XmlFragment", row)).collect();
        seen.answer(&format!("<n:EnumerateResponse><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"))
    }

    /// Starts a command, and returns its id.
    fn command(&mut self, seen: &Seen) -> &'static str {
        let document = roxmltree::Document::parse(&seen.body).unwrap();
        let words = document.descendants().filter(|node| matches!(node.tag_name().name(), "Command" | "Arguments"));
        let words: Vec<&str> = words.filter_map(|node| node.text()).collect();
        self.command_line = words.join(" ");
        self.pending = (String::new(), self.exit_code);
        let workers = self.workers;
        if words[0].ends_with("powershell.exe") && words.contains(&"-EncodedCommand") {
            let bytes = STANDARD.decode(words.last().unwrap()).unwrap();
            let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            self.script(&String::from_utf16(&units).unwrap());
        }
        if self.workers == workers {
            return "C1";
        }
        self.stays = matches!(self.powershell, Powershell::Usual | Powershell::Mute | Powershell::Starting);
        self.heard = std::mem::take(&mut self.pending);
        STAYS
    }

    /// Answers a line of a command that stays.
    fn question(&mut self, line: &str) {
        if self.powershell == Powershell::Starting {
            self.unheard.push(line.to_owned());
            return;
        }
        if self.powershell == Powershell::Mute || !self.stays {
            return;
        }
        let words: Vec<&str> = line.trim_end_matches('\n').split(' ').collect();
        let questions: Vec<(&str, String)> = words
            .chunks(2)
            .map(|question| (question[0], String::from_utf8(STANDARD.decode(question[1]).unwrap()).unwrap()))
            .collect();
        let mishap = self.mishap.filter(|_| questions.iter().any(|(_, script)| !script.trim().is_empty()));
        match mishap {
            Some(Mishap::Ends) => {
                (self.stays, self.heard, self.mishap) = (false, (String::new(), 255), None);
                return;
            }
            Some(Mishap::Silence) => {
                self.mishap = None;
                return;
            }
            Some(Mishap::Late | Mishap::Flood | Mishap::Noise) | None => {}
        }
        let mut said = String::new();
        for (number, script) in questions {
            if !script.trim().is_empty() {
                self.script(&script);
            }
            if mishap == Some(Mishap::Noise) {
                said.extend([format!(
                    "ORCHESTRATE-DONE:{number}.0\r\n> ORCHESTRATE-DONE:{number}.\r\nORCHESTRATE:e30=\r\n"
                )]);
            }
            said.extend([std::mem::take(&mut self.pending.0), format!("\r\nORCHESTRATE-DONE:{number}.\r\n")]);
        }
        match mishap {
            Some(Mishap::Late) => (self.late, self.mishap) = (said, None),
            Some(Mishap::Ends | Mishap::Silence | Mishap::Flood | Mishap::Noise) | None => {
                self.heard.0.extend([std::mem::take(&mut self.late), said]);
            }
        }
    }

    fn script(&mut self, text: &str) {
        let mut lines = text.lines();
        let first = lines.next().unwrap().strip_prefix("# orchestrate script ").unwrap();
        let name = first.strip_suffix(" 1").unwrap().to_owned();
        if self.powershell == Powershell::Restricted {
            self.workers += usize::from(name == "worker");
            self.pending = ("ORCHESTRATE-UNABLE:ConstrainedLanguage 5.1.14393.0\r\n".to_owned(), 3);
            return;
        }
        if name == "worker" {
            self.workers += 1;
            return;
        }
        let data = lines.next().unwrap().split('\'').nth(1).unwrap().to_owned();
        let request: Value = serde_json::from_slice(&STANDARD.decode(data).unwrap()).unwrap();
        let missing = json!({"error": format!("no such cmdlet for {name}")});
        let answer = self.scripts.get(name.as_str()).cloned().unwrap_or(missing);
        self.pending = (
            format!("warning: noise\r\nORCHESTRATE:{}\r\n", STANDARD.encode(answer.to_string())),
            i64::from(answer.get("error").is_some()),
        );
        self.ran.push((name, request));
    }
}

/// The id of the command that stays.
const STAYS: &str = "W1";

/// Returns the id of the command that a Send or a Receive is about.
fn id_of(seen: &Seen) -> &'static str {
    if seen.body.contains("CommandId=\"W1\"") { STAYS } else { "C1" }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn element(name: &str, properties: &Value) -> String {
    let children: String = properties
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| match value {
            Value::Null => {
                format!("<{name} xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>")
            }
            value => format!("<{name}>{}</{name}>", text(value)),
        })
        .collect();
    format!("<{name} xmlns:p=\"x\">{children}</{name}>")
}
