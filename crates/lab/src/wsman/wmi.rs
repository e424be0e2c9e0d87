//! WMI classes of an imitated server: `Win32_Service`, `Win32_OperatingSystem` and performance classes.

use super::fault::Fault;
use super::names::{ACTION_GET, NS_CIM, NS_WSMAN, NS_XSI, WMI_CIMV2};
use super::xml::{escape, leaf};
use super::{Body, Call};
use crate::world::{Control, LabService, ServerIndex, World};
use jiff::Timestamp;
use orchestrate_model::time::after;
use orchestrate_model::{RunState, StartMode};

/// A value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Bool(bool),
    Datetime(Timestamp),
    Null,
}

/// An instance of a class: its properties, sorted by name.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) class: String,
    pub(super) properties: Vec<(String, Value)>,
}

impl Instance {
    fn new(class: &str, mut properties: Vec<(String, Value)>) -> Self {
        properties.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        Self { class: class.to_owned(), properties }
    }

    /// Returns a property, whatever the case of its name.
    pub(super) fn property(&self, name: &str) -> Option<&Value> {
        self.properties.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the instance with all its properties, in the namespace of its class.
    pub(super) fn whole(&self) -> String {
        let class = &self.class;
        let uri = format!("{WMI_CIMV2}{class}");
        let mut inside = String::new();
        for (name, value) in &self.properties {
            inside.push_str(&written(&format!("p:{name}"), value, "cim:"));
        }
        format!(
            "<p:{class} xmlns:xsi=\"{NS_XSI}\" xmlns:p=\"{uri}\" xmlns:cim=\"{NS_CIM}\" xsi:type=\"p:{class}_Type\">\
             {inside}</p:{class}>"
        )
    }

    /// Returns some of the properties, without a namespace, as a projection has them.
    pub(super) fn fragment(&self, wanted: &[String]) -> String {
        let mut inside = String::new();
        for (name, value) in &self.properties {
            if wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)) {
                inside.push_str(&written(name, value, ""));
            }
        }
        format!("<w:XmlFragment xmlns:xsi=\"{NS_XSI}\" xmlns:w=\"{NS_WSMAN}\">{inside}</w:XmlFragment>")
    }
}

fn written(name: &str, value: &Value, prefix: &str) -> String {
    match value {
        Value::Text(text) => leaf(name, text),
        Value::Number(number) => leaf(name, &number.to_string()),
        Value::Bool(answer) => leaf(name, if *answer { "true" } else { "false" }),
        Value::Datetime(at) => {
            let text = at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
            format!("<{name}><{prefix}Datetime>{text}</{prefix}Datetime></{name}>")
        }
        Value::Null => format!("<{name} xsi:nil=\"true\"/>"),
    }
}

/// Returns the class that a resource URI names, or `*`.
pub(super) fn class_of(resource: &str) -> Option<&str> {
    let prefix = resource.get(..WMI_CIMV2.len())?;
    prefix.eq_ignore_ascii_case(WMI_CIMV2).then(|| &resource[WMI_CIMV2.len()..])
}

/// Returns all instances of a class. `None` when there is no such class.
pub(super) fn instances(world: &World, server: ServerIndex, class: &str) -> Option<Vec<Instance>> {
    match class.to_ascii_lowercase().as_str() {
        "win32_service" => {
            let host = &world.servers[server];
            Some(host.services.values().map(|service| service_instance(world, server, service)).collect())
        }
        "win32_operatingsystem" => Some(vec![system_instance(world, server)]),
        "win32_logicaldisk" => Some(vec![disk_instance(world, server)]),
        _ => {
            let found = world.perf_instances(server, class)?;
            Some(found.into_iter().map(|found| perf_instance(class, found.name, found.properties)).collect())
        }
    }
}

fn perf_instance(class: &str, name: Option<String>, properties: std::collections::BTreeMap<String, i64>) -> Instance {
    let mut all: Vec<(String, Value)> =
        properties.into_iter().map(|(name, value)| (name, Value::Number(value))).collect();
    all.push(("Caption".to_owned(), Value::Null));
    all.push(("Description".to_owned(), Value::Null));
    all.push(("Name".to_owned(), name.map_or(Value::Null, Value::Text)));
    Instance::new(class, all)
}

fn state_text(state: RunState) -> &'static str {
    match state {
        RunState::Stopped => "Stopped",
        RunState::StartPending => "Start Pending",
        RunState::StopPending => "Stop Pending",
        RunState::Running => "Running",
        RunState::ContinuePending => "Continue Pending",
        RunState::PausePending => "Pause Pending",
        RunState::Paused => "Paused",
    }
}

fn mode_text(mode: StartMode) -> &'static str {
    match mode {
        StartMode::Automatic => "Auto",
        StartMode::Manual => "Manual",
        StartMode::Disabled => "Disabled",
        StartMode::Boot => "Boot",
        StartMode::System => "System",
    }
}

fn service_instance(world: &World, server: ServerIndex, service: &LabService) -> Instance {
    let host = &world.servers[server];
    let text = |value: &str| Value::Text(value.to_owned());
    let pending = !service.state.is_settled();
    let mut properties = vec![
        ("AcceptPause", Value::Bool(service.accepts_pause())),
        ("AcceptStop", Value::Bool(service.accepts_stop())),
        ("Caption", text(&service.display)),
        ("CheckPoint", Value::Number(i64::from(pending))),
        ("CreationClassName", text("Win32_Service")),
        ("Description", text(service.facts.map_or("", |facts| facts.session))),
        ("DesktopInteract", Value::Bool(false)),
        ("DisplayName", text(&service.display)),
        ("ErrorControl", text("Normal")),
        ("ExitCode", Value::Number(i64::from(service.exit_code))),
        ("InstallDate", Value::Null),
        ("Name", text(service.name.as_str())),
        ("PathName", Value::Text(format!("C:\\Lab\\{}.exe", service.name))),
        ("ProcessId", Value::Number(i64::from(service.pid))),
        ("ServiceSpecificExitCode", Value::Number(0)),
        ("ServiceType", text("Own Process")),
        ("Started", Value::Bool(service.state != RunState::Stopped)),
        ("StartMode", text(mode_text(service.start.mode))),
        ("StartName", text("NT AUTHORITY\\NetworkService")),
        ("State", text(state_text(service.state))),
        ("Status", text("OK")),
        ("SystemCreationClassName", text("Win32_ComputerSystem")),
        ("SystemName", Value::Text(host.name.short().to_ascii_uppercase())),
        ("TagId", Value::Number(0)),
        ("WaitHint", Value::Number(if pending { 30_000 } else { 0 })),
    ];
    if host.os.shows_delayed {
        properties.push(("DelayedAutoStart", Value::Bool(service.start.delayed)));
    }
    let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Instance::new("Win32_Service", properties)
}

fn system_instance(world: &World, server: ServerIndex) -> Instance {
    let host = &world.servers[server];
    let text = |value: &str| Value::Text(value.to_owned());
    let properties = vec![
        ("BuildNumber", text(host.os.build)),
        ("BuildType", text("Multiprocessor Free")),
        ("Caption", text(host.os.caption)),
        ("CodeSet", text("1252")),
        ("CountryCode", text("1")),
        ("CreationClassName", text("Win32_OperatingSystem")),
        ("CSCreationClassName", text("Win32_ComputerSystem")),
        ("CSDVersion", Value::Null),
        ("CSName", Value::Text(host.name.short().to_ascii_uppercase())),
        ("CurrentTimeZone", Value::Number(0)),
        ("InstallDate", Value::Datetime(after(host.booted, -jiff::SignedDuration::from_hours(24 * 400)))),
        ("LastBootUpTime", Value::Datetime(world.by_clock_of(server, host.booted))),
        ("LocalDateTime", Value::Datetime(world.clock_of(server))),
        ("Locale", text("0409")),
        ("Manufacturer", text("orchestrate lab")),
        ("MUILanguages", text("en-US")),
        ("Name", Value::Text(format!("{}|C:\\Windows|\\Device\\Harddisk0\\Partition2", host.os.caption))),
        ("NumberOfUsers", Value::Number(0)),
        ("Organization", text("orchestrate lab")),
        ("OSArchitecture", text("64-bit")),
        ("OSLanguage", Value::Number(1033)),
        ("OSType", Value::Number(18)),
        ("Primary", Value::Bool(true)),
        ("ProductType", Value::Number(3)),
        ("ServicePackMajorVersion", Value::Number(0)),
        ("ServicePackMinorVersion", Value::Number(0)),
        ("Status", text("OK")),
        ("SystemDirectory", text("C:\\Windows\\system32")),
        ("Version", text(host.os.version)),
        ("WindowsDirectory", text("C:\\Windows")),
    ];
    let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Instance::new("Win32_OperatingSystem", properties)
}

/// The size of the disk of every server, in bytes.
const DISK: i64 = 100 << 30;

fn disk_instance(world: &World, server: ServerIndex) -> Instance {
    let free = world.servers[server].machine.free_gib;
    #[expect(clippy::cast_possible_truncation, reason = "a scenario has at most the size of the disk")]
    let free = (free * f64::from(1 << 30)) as i64;
    let text = |value: &str| Value::Text(value.to_owned());
    let properties = vec![
        ("Caption", text("C:")),
        ("Description", text("Local Fixed Disk")),
        ("DeviceID", text("C:")),
        ("DriveType", Value::Number(3)),
        ("FileSystem", text("NTFS")),
        ("FreeSpace", Value::Number(free)),
        ("Name", text("C:")),
        ("Size", Value::Number(DISK)),
    ];
    let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Instance::new("Win32_LogicalDisk", properties)
}

/// Finds the one instance that the selectors of a request name.
fn select(world: &World, call: &Call<'_>, class: &str) -> Result<Instance, Fault> {
    let all = instances(world, call.server, class).ok_or_else(|| Fault::no_such_resource(class))?;
    let mut selectors = call.request.selectors();
    selectors.retain(|(name, _)| !name.eq_ignore_ascii_case("__cimnamespace"));
    if class.eq_ignore_ascii_case("Win32_OperatingSystem") && selectors.is_empty() {
        return all.into_iter().next().ok_or_else(|| Fault::no_such_resource(class));
    }
    match selectors.as_slice() {
        [] => Err(Fault::too_few_selectors()),
        [(name, wanted)] if name.eq_ignore_ascii_case("Name") => {
            let named = |instance: &Instance| match instance.property("Name") {
                Some(Value::Text(found)) => found.eq_ignore_ascii_case(wanted),
                _ => false,
            };
            all.into_iter().find(named).ok_or_else(|| Fault::no_such_resource(&format!("{class} named {wanted}")))
        }
        _ => Err(Fault::unexpected_selectors()),
    }
}

/// Answers Get.
pub(super) fn get(world: &World, call: &Call<'_>, class: &str) -> Result<Body, Fault> {
    let instance = select(world, call, class)?;
    Ok(Body::Content { action: format!("{ACTION_GET}Response"), content: instance.whole() })
}

/// Answers Invoke.
pub(super) fn invoke(world: &mut World, call: &Call<'_>, class: &str, method: &str) -> Result<Body, Fault> {
    let canonical =
        ["Win32_Service", "Win32_OperatingSystem"].into_iter().find(|known| known.eq_ignore_ascii_case(class));
    let class = canonical.ok_or_else(|| Fault::no_such_resource(class))?;
    let uri = call.request.resource.as_str();
    let input = call.request.body(uri, &format!("{method}_INPUT"));
    let value = if class == "Win32_Service" {
        let supported = Control::of_method(method).is_some() || method == "ChangeStartMode";
        if !supported {
            return Err(Fault::action_not_supported(&call.request.action));
        }
        input?;
        invoke_service(world, call, method)?
    } else if method == "Reboot" {
        input?;
        world.restart(call.server, 0.0);
        world.tell(call.server, method, "", "0");
        0
    } else {
        return Err(Fault::action_not_supported(&call.request.action));
    };
    let uri = escape(&format!("{WMI_CIMV2}{class}"));
    let content = format!(
        "<p:{method}_OUTPUT xmlns:xsi=\"{NS_XSI}\" xmlns:p=\"{uri}\" xmlns:cim=\"{NS_CIM}\" \
         xsi:type=\"p:{method}_OUTPUT_Type\"><p:ReturnValue>{value}</p:ReturnValue></p:{method}_OUTPUT>"
    );
    Ok(Body::Content { action: format!("{}Response", call.request.action), content })
}

fn invoke_service(world: &mut World, call: &Call<'_>, method: &str) -> Result<u32, Fault> {
    let service = call.request.selector("Name").ok_or_else(Fault::too_few_selectors)?;
    if world.servers[call.server].service_named(&service).is_none() {
        return Err(Fault::no_such_resource(&format!("Win32_Service named {service}")));
    }
    let mut object = service.clone();
    let value = if let Some(value) = call.return_value {
        Some(value)
    } else if let Some(control) = Control::of_method(method) {
        world.control(call.server, &service, control)
    } else {
        let input = call.request.body(&call.request.resource, &format!("{method}_INPUT"))?;
        let mode = input.child(&call.request.resource, "StartMode").map(super::xml::Element::text);
        let mode = mode.ok_or_else(|| Fault::schema("The method has no argument StartMode."))?;
        object = format!("{service} {mode}");
        world.change_start_mode(call.server, &service, mode)
    };
    let value = value.ok_or_else(|| Fault::no_such_resource(&service))?;
    world.tell(call.server, method, &object, value.to_string());
    Ok(value)
}
