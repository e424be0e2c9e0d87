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
        transport: Transport::Https(Trust::Authority(server.authority.clone())),
        auth: auth(),
        cmdlets: Cmdlets::Session,
        measures: BTreeMap::new(),
        limits: WinrmLimits::default(),
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
                self.command(seen);
                seen.answer("<rsp:CommandResponse><rsp:CommandId>C1</rsp:CommandId></rsp:CommandResponse>")
            }
            "Send" => {
                let text = STANDARD.decode(seen.text("Stream").unwrap()).unwrap();
                let text = String::from_utf8(text).unwrap();
                if text.starts_with("# orchestrate script ") {
                    self.script(&text);
                } else {
                    self.input = text;
                }
                seen.answer("<rsp:SendResponse/>")
            }
            "Receive" => seen.answer(&format!(
                "<rsp:ReceiveResponse><rsp:Stream Name=\"stdout\" CommandId=\"C1\">{}</rsp:Stream><rsp:CommandState \
                 CommandId=\"C1\" State=\"x/CommandState/Done\"><rsp:ExitCode>{}</rsp:ExitCode></rsp:CommandState>\
                 </rsp:ReceiveResponse>",
                STANDARD.encode(&self.pending.0),
                self.pending.1
            )),
            "Signal" | "Delete" => seen.answer(""),
            method => seen.answer(&element(&format!("p:{method}_OUTPUT"), &self.output)),
        }
    }

    fn enumerate(&self, seen: &Seen) -> Reaction {
        let query = seen.text("Filter").unwrap();
        let rows = if query.contains("FROM Win32_Service") {
            let of_product = query.contains("DisplayName LIKE 'Lync Server %'");
            let found = |row: &&Value| {
                query.to_lowercase().contains(&format!("'{}'", text(&row["Name"]).to_lowercase()))
                    || (of_product && text(&row["DisplayName"]).starts_with("Lync Server "))
            };
            self.services.iter().filter(found).cloned().collect()
        } else {
            let class = query.rsplit(' ').next().unwrap();
            match self.counters.get(class) {
                Some(rows) => rows.clone(),
                None => return seen.fault("AccessDenied", 5),
            }
        };
        let items: String = rows.iter().map(|row| element("w:XmlFragment", row)).collect();
        seen.answer(&format!("<n:EnumerateResponse><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"))
    }

    fn command(&mut self, seen: &Seen) {
        let document = roxmltree::Document::parse(&seen.body).unwrap();
        let words = document.descendants().filter(|node| matches!(node.tag_name().name(), "Command" | "Arguments"));
        let words: Vec<&str> = words.filter_map(|node| node.text()).collect();
        self.command_line = words.join(" ");
        self.pending = (String::new(), self.exit_code);
        if words[0].ends_with("powershell.exe") && words.contains(&"-EncodedCommand") {
            let bytes = STANDARD.decode(words.last().unwrap()).unwrap();
            let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            self.script(&String::from_utf16(&units).unwrap());
        }
    }

    fn script(&mut self, text: &str) {
        let mut lines = text.lines();
        let first = lines.next().unwrap().strip_prefix("# orchestrate script ").unwrap();
        let name = first.strip_suffix(" 1").unwrap().to_owned();
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
