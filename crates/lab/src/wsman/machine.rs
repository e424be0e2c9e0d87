//! What the script `probe` and the settings of WinRM say of an imitated server, in the texts that Windows has for it.

use super::{Body, Call, Fault};
use crate::machine::{AccountStanding, FileReaders};
use crate::world::{ServerIndex, World, lab_seconds};
use orchestrate_model::probe::PendingSign;
use orchestrate_model::time::after;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The resource of WinRM's own settings.
pub(super) const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";

/// The rights that the product's services are installed with: administrators everything, others a look.
const SERVICE_RULES: &str = "D:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)(A;;CCLCSWLOCRRC;;;IU)\
    (A;;CCLCSWLOCRRC;;;SU)S:(AU;FA;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;WD)";

/// What the script `probe` asks.
#[derive(Deserialize)]
pub(super) struct ProbeRequest {
    #[serde(default)]
    services: Vec<String>,
    file: Option<String>,
}

fn value(value: impl Into<Value>) -> Value {
    json!({ "value": value.into() })
}

/// Answers the script `probe`.
pub(super) fn probe(world: &World, server: ServerIndex, request: &ProbeRequest) -> Value {
    let machine = &world.servers[server].machine;
    let known = |name: &String| world.servers[server].service_named(name).is_some();
    let rules = |name: &String| {
        if known(name) {
            value(format!("\r\n{SERVICE_RULES}\r\n"))
        } else {
            json!({ "error": "sc.exe ended with 1060: [SC] EnumQueryServicesStatus:OpenService FAILED 1060" })
        }
    };
    let services: Map<String, Value> = request.services.iter().map(|name| (name.clone(), rules(name))).collect();
    let mut answer = fitness(world, server);
    answer["powershell"] = "5.1.14393.0".into();
    answer["whoami"] = value(whoami(machine.account));
    answer["services"] = services.into();
    answer["scheduler"] = value("\\");
    if let Some(path) = &request.file {
        answer["file"] = value(file(world, server, path));
    }
    answer
}

/// Answers the script `fitness`.
pub(super) fn fitness(world: &World, server: ServerIndex) -> Value {
    let machine = &world.servers[server].machine;
    let sign = |sign: PendingSign, what: &str| {
        let found = machine.pending_restart.contains(&sign).then(|| {
            let since = after(world.origin(), -lab_seconds(machine.pending_since_s));
            json!({ "what": what, "since": since.to_string() })
        });
        json!({ "value": found })
    };
    json!({
        "temp": value("C:\\Windows\\TEMP"),
        "drive": value("C:"),
        "servicing": sign(PendingSign::Servicing, "packages wait for a restart"),
        "windowsUpdate": sign(PendingSign::WindowsUpdate, "installed updates wait for a restart"),
        "fileRenames": sign(PendingSign::FileRenames, "1 waiting, the first is C:\\Config.Msi\\2f1a.rbf"),
        "computerRename": sign(PendingSign::ComputerRename, "FE9 becomes FE1"),
    })
}

fn whoami(standing: AccountStanding) -> String {
    let user = "\"lab\\lab\",\"S-1-5-21-1111-2222-3333-1104\"\r\n\r\n";
    let everyone =
        "\"Everyone\",\"Well-known group\",\"S-1-1-0\",\"Mandatory group, Enabled by default, Enabled group\"\r\n";
    let administrators =
        |attributes: &str| format!("\"BUILTIN\\Administrators\",\"Alias\",\"S-1-5-32-544\",\"{attributes}\"\r\n");
    let level = |name: &str, number: u32| {
        format!("\"Mandatory Label\\{name} Mandatory Level\",\"Label\",\"S-1-16-{number}\",\"\"\r\n\r\n")
    };
    let notify = "\"SeChangeNotifyPrivilege\",\"Bypass traverse checking\",\"Enabled\"\r\n";
    let shutdown = "\"SeShutdownPrivilege\",\"Shut down the system\",\"Enabled\"\r\n";
    match standing {
        AccountStanding::Administrator => {
            let group = administrators("Mandatory group, Enabled by default, Enabled group, Group owner");
            format!("{user}{everyone}{group}{}{notify}{shutdown}", level("High", 12_288))
        }
        AccountStanding::Filtered => {
            let group = administrators("Group used for deny only");
            format!("{user}{everyone}{group}{}{notify}", level("Medium", 8_192))
        }
        AccountStanding::Other => format!("{user}{everyone}{}{notify}", level("Medium", 8_192)),
    }
}

fn file(world: &World, server: ServerIndex, path: &str) -> Value {
    if world.file(server, path).is_none() {
        return json!({ "exists": false });
    }
    let rules = match world.servers[server].machine.installer_for {
        FileReaders::Everybody => "O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)",
        FileReaders::ItsOwner => "O:S-1-5-21-1111-2222-3333-1104G:SYD:PAI(A;;FA;;;S-1-5-21-1111-2222-3333-1104)",
    };
    json!({ "exists": true, "encrypted": false, "rules": value(rules), "drive": value("Fixed") })
}

/// Answers the script `counter-sets`.
pub(super) fn counter_sets(world: &World, server: ServerIndex) -> Value {
    let sets = world.perf_classes(server);
    let sets = sets
        .into_iter()
        .map(|(name, found)| json!({ "name": name, "class": found.class, "counters": found.properties }));
    json!({ "sets": sets.collect::<Vec<Value>>() })
}

/// Answers a Get of WinRM's settings, which only administrators may.
pub(super) fn settings(world: &World, call: &Call<'_>) -> Result<Body, Fault> {
    let machine = &world.servers[call.server].machine;
    if machine.account != AccountStanding::Administrator {
        return Err(Fault::access_denied());
    }
    let shells = machine.shells_per_user;
    let content = format!(
        "<cfg:Config xmlns:cfg=\"{CONFIG}\"><cfg:MaxEnvelopeSizekb>500</cfg:MaxEnvelopeSizekb>\
         <cfg:MaxTimeoutms>60000</cfg:MaxTimeoutms><cfg:Service><cfg:AllowUnencrypted>false</cfg:AllowUnencrypted>\
         <cfg:Auth><cfg:Basic>true</cfg:Basic><cfg:CbtHardeningLevel>Relaxed</cfg:CbtHardeningLevel></cfg:Auth>\
         </cfg:Service><cfg:Winrs><cfg:AllowRemoteShellAccess>true</cfg:AllowRemoteShellAccess>\
         <cfg:MaxProcessesPerShell>25</cfg:MaxProcessesPerShell><cfg:MaxMemoryPerShellMB>1024</cfg:MaxMemoryPerShellMB>\
         <cfg:MaxShellsPerUser>{shells}</cfg:MaxShellsPerUser></cfg:Winrs></cfg:Config>"
    );
    Ok(Body::Content { action: format!("{}Response", super::names::ACTION_GET), content })
}
