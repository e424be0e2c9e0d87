//! A change with one front end pool, and a client that speaks the wire by hand.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use orchestrate_lab::{Lab, LabConfig, LabDirectory, Scenario};
use orchestrate_model::change::{
    AtDeadline, Drain, HoldChoice, Maintenance, Patch, RestartPoint, RestartPolicy, Scope,
};
use orchestrate_model::change::{StartTypePolicy, StopWhen};
use orchestrate_model::pool::{
    Access, Balancer, DnsSettings, HaproxyBalancer, LoadBalancing, Pool, Server, SipBalancing,
};
use orchestrate_model::{Change, DnsName, PoolName, Product, Role, ServerName};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName as TlsName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::net::TcpStream;

pub(crate) const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
pub(crate) const POOL: &str = "pool01.contoso.example";

pub(crate) fn server_name(text: &str) -> ServerName {
    ServerName::new(text).unwrap()
}

pub(crate) fn change() -> Change {
    let servers = (1..=3).map(|number| Server {
        name: server_name(&format!("fe{number}.contoso.example")),
        addresses: vec![format!("192.0.2.1{number}").parse().unwrap()],
        upgrade_domain: None,
        hosts: BTreeSet::new(),
        external: BTreeMap::new(),
        pins: Vec::new(),
        away: None,
    });
    let pool = Pool {
        name: PoolName::new(POOL).unwrap(),
        product: Product::Lync2013,
        role: Role::FrontEnd,
        load_balancing: LoadBalancing {
            sip: SipBalancing::Dns,
            web: Some(DnsName::new("webint.contoso.example").unwrap()),
            balancer: Balancer::Haproxy(HaproxyBalancer::one("127.0.0.1:9999", "web")),
            external: BTreeMap::new(),
            entry: Vec::new(),
        },
        servers: servers.collect(),
        access: Access::Unstated,
        after: Vec::new(),
        labels: BTreeSet::new(),
        paired_with: None,
        next_hop: None,
        accept_outage: None,
        archiving: None,
        first: None,
        order: Vec::new(),
        extra_services: Vec::new(),
        database: None,
        measures: BTreeMap::new(),
    };
    Change {
        name: "test".to_owned(),
        reason: "test".to_owned(),
        pools: vec![pool],
        maintenance: maintenance(),
        budgets: Vec::new(),
        stop_when: StopWhen { failed: 1 },
        windows: Vec::new(),
        freezes: Vec::new(),
        notify: Vec::new(),
        silences: Vec::new(),
        approvals: None,
        emergency: None,
        only: BTreeSet::new(),
        dns: DnsSettings::default(),
    }
}

fn maintenance() -> Maintenance {
    Maintenance {
        scope: Scope::AllServices,
        at_once: 1,
        start_type: StartTypePolicy::Manual,
        drain: Drain {
            deadline: SignedDuration::from_hours(2),
            at_deadline: AtDeadline::Hold,
            stuck_after: SignedDuration::from_mins(30),
            per_service: BTreeMap::new(),
            by_sessions_alone: BTreeSet::new(),
        },
        installers: vec![Patch {
            installer: "C:\\CU\\LyncServerUpdateInstaller.exe".to_owned(),
            arguments: vec!["/silentmode".to_owned()],
            sha256: SHA256.to_owned(),
            deadline: SignedDuration::from_mins(45),
            level: None,
            exit_codes: BTreeMap::new(),
            needs_free: None,
            pending_restart: orchestrate_model::change::PendingRestart::Refuse,
            restart: RestartPoint::AtEnd,
        }],
        restart: RestartPolicy::WhenNeeded,
        soak: SignedDuration::from_mins(20),
        accept_loss: Vec::new(),
        unmeasured: BTreeMap::new(),
        on_hold: HoldChoice::Stop.into(),
        pool_unsafe: orchestrate_model::change::PoolUnsafe::Stop,
        fit: orchestrate_model::change::WindowFit::Worst,
    }
}

pub(crate) async fn lab(scenario: &str, speed: f64) -> Lab {
    let scenario: Scenario = serde_saphyr::from_str(scenario).unwrap();
    let origin: Timestamp = "2026-11-21T21:00:00Z".parse().unwrap();
    Lab::start(LabConfig { scenario, speed, origin, ..LabConfig::new(change()) }).await.unwrap()
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Returns the text of the first element with this local name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let document = roxmltree::Document::parse(&self.body).expect("an answer is XML");
        let found = document.descendants().find(|node| node.tag_name().name() == name)?;
        Some(found.text().unwrap_or_default().to_owned())
    }

    /// Returns the texts of all elements with this local name.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(&self.body).expect("an answer is XML");
        let found = document.descendants().filter(|node| node.tag_name().name() == name);
        found.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    }

    /// Returns the numeric code of a fault.
    pub(crate) fn code(&self) -> Option<u32> {
        let document = roxmltree::Document::parse(&self.body).expect("an answer is XML");
        let found = document.descendants().find(|node| node.tag_name().name() == "WSManFault")?;
        found.attribute("Code")?.parse().ok()
    }
}

pub(crate) struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    authorization: Option<String>,
}

impl Client {
    pub(crate) async fn connect(directory: &LabDirectory, server: &str) -> std::io::Result<Self> {
        let address = directory.servers[&server_name(server)];
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(directory.ca_pem.as_bytes()).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = TlsName::try_from(server.to_owned()).unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        let token = STANDARD.encode(format!("{}:{}", directory.user, directory.password));
        Ok(Self { sender, authorization: Some(format!("Basic {token}")) })
    }

    pub(crate) fn without_password(mut self) -> Self {
        self.authorization = None;
        self
    }

    pub(crate) async fn post(&mut self, body: &str) -> Result<Answer, hyper::Error> {
        self.post_with(body, &[]).await
    }

    pub(crate) async fn post_with(&mut self, body: &str, headers: &[(&str, &str)]) -> Result<Answer, hyper::Error> {
        let mut request = hyper::Request::post("/wsman")
            .header("Host", "lab")
            .header("Content-Type", "application/soap+xml;charset=UTF-8");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.into_body().collect().await?.to_bytes();
        let is_wide = headers.get("Content-Type").is_some_and(|kind| kind.as_bytes().ends_with(b"charset=UTF-16"));
        let body = if is_wide {
            let units: Vec<u16> = body.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap()
        } else {
            String::from_utf8(body.to_vec()).unwrap()
        };
        Ok(Answer { status, headers, body })
    }
}

pub(crate) const WMI: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/";
pub(crate) const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/";
pub(crate) const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/";
pub(crate) const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/";

/// Returns a message; `more` goes into the header.
pub(crate) fn message(action: &str, resource: &str, more: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
        xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
        xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
        ><s:Header><a:To>https://lab:5986/wsman</a:To><w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>
        <a:ReplyTo><a:Address s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>
        </a:ReplyTo><a:Action s:mustUnderstand="true">{action}</a:Action><a:MessageID>uuid:11111111-2222-3333-4444-555555555555</a:MessageID>
        <w:OperationTimeout>PT20.000S</w:OperationTimeout>{more}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

pub(crate) fn selector(name: &str, value: &str) -> String {
    format!(r#"<w:SelectorSet><w:Selector Name="{name}">{value}</w:Selector></w:SelectorSet>"#)
}

pub(crate) fn get_service(name: &str) -> String {
    message(&format!("{TRANSFER}Get"), &format!("{WMI}Win32_Service"), &selector("Name", name), "")
}

pub(crate) fn invoke(service: &str, method: &str, arguments: &str) -> String {
    let resource = format!("{WMI}Win32_Service");
    let body = format!(r#"<p:{method}_INPUT xmlns:p="{resource}">{arguments}</p:{method}_INPUT>"#);
    message(&format!("{resource}/{method}"), &resource, &selector("Name", service), &body)
}

/// Runs a script as the driver does and returns its answer and its exit code.
pub(crate) async fn script(
    client: &mut Client,
    name: &str,
    request: &serde_json::Value,
) -> (serde_json::Value, String) {
    let encoded = STANDARD.encode(request.to_string());
    let text = format!("# orchestrate script {name} 1\n$request = '{encoded}'\n# the rest decodes it\n");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let powershell = "%SystemRoot%\\System32\\WindowsPowerShell\\v1.0\\powershell.exe";
    let arguments =
        format!("-NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {}", STANDARD.encode(wide));
    let (stdout, _stderr, code) = command(client, powershell, &arguments).await;
    let line = stdout.lines().find_map(|line| line.strip_prefix("ORCHESTRATE:")).expect("a marked line");
    (serde_json::from_slice(&STANDARD.decode(line).unwrap()).unwrap(), code)
}

/// Runs a command in a shell of its own and returns its output, its error output and its exit code.
pub(crate) async fn command(client: &mut Client, program: &str, arguments: &str) -> (String, String, String) {
    let cmd = format!("{SHELL}cmd");
    let create = "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>";
    let created = client.post(&message(&format!("{TRANSFER}Create"), &cmd, "", create)).await.unwrap();
    assert_eq!(created.status, 200, "{}", created.body);
    let shell = selector("ShellId", &created.text("ShellId").unwrap());
    let body = format!(
        "<rsp:CommandLine><rsp:Command>{program}</rsp:Command><rsp:Arguments>{arguments}</rsp:Arguments></rsp:CommandLine>"
    );
    let started = client.post(&message(&format!("{SHELL}Command"), &cmd, &shell, &body)).await.unwrap();
    let id = started.text("CommandId").expect("a command id");
    let body =
        format!(r#"<rsp:Receive><rsp:DesiredStream CommandId="{id}">stdout stderr</rsp:DesiredStream></rsp:Receive>"#);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let code = loop {
        let answer = client.post(&message(&format!("{SHELL}Receive"), &cmd, &shell, &body)).await.unwrap();
        if answer.status == 500 && answer.code() == Some(2_150_858_793) {
            continue;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        let document = roxmltree::Document::parse(&answer.body).unwrap();
        for stream in document.descendants().filter(|node| node.tag_name().name() == "Stream") {
            let bytes = STANDARD.decode(stream.text().unwrap_or_default().trim()).unwrap();
            match stream.attribute("Name") {
                Some("stdout") => stdout.extend(bytes),
                _ => stderr.extend(bytes),
            }
        }
        if let Some(code) = answer.text("ExitCode") {
            break code;
        }
    };
    let deleted = client.post(&message(&format!("{TRANSFER}Delete"), &cmd, &shell, "")).await.unwrap();
    assert_eq!(deleted.status, 200);
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap(), code)
}

/// Waits until a condition on the report holds; `what` says which.
pub(crate) async fn until(lab: &Lab, what: &str, mut holds: impl FnMut(&orchestrate_lab::LabReport) -> bool) {
    for _ in 0..2_000 {
        if holds(&lab.report()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("never came about: {what}\n{}", lab.report());
}
