//! The ticket that a person has got with `kinit`. The system's library is told by the environment where tickets are, so each
//! logon has a process of its own: this program, started for one test that does nothing else.

use crate::acceptors::{Acceptor, SYSTEM_PYTHON, has};
use crate::domain::{Domain, domain};
use crate::hosts::{answers, fingerprint};
use orchestrate_wsman::{
    Auth, Binding, Client, Credentials, Endpoint, Limits, Login, Mechanism, Negotiate, Timeouts, Transport, Trust,
};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FE1: &str = "fe1.contoso.example";

/// Where a logon finds its tickets, and what it logs on to.
struct Asked<'a> {
    domain: &'a Domain,
    folder: tempfile::TempDir,
    krb5_conf: PathBuf,
    name: &'a str,
    address: String,
    pin: Option<String>,
    /// What the child is told besides: see [`one_logon`].
    how: &'a str,
    /// The caches that there are one after the other, each for one question.
    caches: Vec<PathBuf>,
}

impl<'a> Asked<'a> {
    /// Returns a logon to the first host, over HTTP.
    fn new(domain: &'a Domain) -> Self {
        Self {
            domain,
            folder: tempfile::tempdir().unwrap(),
            krb5_conf: domain.folder.join("domain/krb5.conf"),
            name: FE1,
            address: format!("{}:5985", domain.host(1)),
            pin: None,
            how: "",
            caches: Vec::new(),
        }
    }

    fn at(mut self, acceptor: &Acceptor) -> Self {
        self.address = format!("127.0.0.1:{}", acceptor.port);
        self.pin.clone_from(&acceptor.pin);
        self
    }

    fn named(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    fn how(self, how: &'a str) -> Self {
        Self { how, ..self }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Gets a ticket as a person does.
    fn kinit(&mut self, user: &str, password: &str, more: &[&str]) -> PathBuf {
        let cache = self.folder.path().join(format!("got-{}", self.caches.len()));
        let mut command = Command::new("kinit");
        command
            .args(more)
            .arg("-c")
            .arg(&cache)
            .arg(user)
            .env("KRB5_CONFIG", self.domain.folder.join("domain/krb5.conf"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "kinit {user}");
        self.caches.push(cache.clone());
        cache
    }

    fn with_ticket(mut self) -> Self {
        self.kinit("svc-orch", "Orch-Passw0rd1!", &[]);
        self
    }

    /// Gets a ticket and waits until its time is over.
    fn with_expired_ticket(mut self) -> Self {
        expired(&self.kinit("svc-orch", "Orch-Passw0rd1!", &["-l", "1s"]));
        self
    }

    fn with_cache(mut self, bytes: &[u8]) -> Self {
        let cache = self.file("given", bytes);
        self.caches.push(cache);
        self
    }

    /// Logs on once for each cache in a process of its own, and returns what came of each: one line.
    fn told(&self) -> Vec<String> {
        let list =
            |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ticket::one_logon", "--ignored", "--nocapture", "--test-threads=1"])
            .env("KRB5_CONFIG", &self.krb5_conf)
            .env("KRB5CCNAME", format!("FILE:{}", self.folder.path().join("cache").display()))
            .env("TICKET_CACHE", self.folder.path().join("cache"))
            .env("TICKET_CACHES", list(&self.caches))
            .env("TICKET_NAME", self.name)
            .env("TICKET_ADDRESS", &self.address)
            .env("TICKET_PIN", self.pin.as_deref().unwrap_or_default())
            .env("TICKET_HOW", self.how)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let told: Vec<String> =
            said.lines().filter_map(|line| line.strip_prefix("told: ").map(str::to_owned)).collect();
        assert!(!told.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        told
    }

    /// Returns what came of the only logon.
    fn only(&self) -> String {
        let [told] = <[String; 1]>::try_from(self.told()).unwrap();
        told
    }
}

/// Waits until the time of a ticket is over.
fn expired(cache: &Path) {
    let began = Instant::now();
    // There is no wait for a clock.
    while Command::new("klist").args(["-s", "-c"]).arg(cache).status().unwrap().success() {
        assert!(began.elapsed() < Duration::from_secs(240), "the ticket does not expire");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// Says what came of something, for [`Asked::told`].
fn tell(what: &str) {
    // The harness has written the name of the test without an end.
    println!("\ntold: {what}");
}

#[tokio::test]
#[ignore = "one logon with an environment of its own, started by the other tests"]
async fn one_logon() {
    let told = |name: &str| std::env::var(name).unwrap_or_default();
    let (how, cache, pin) = (told("TICKET_HOW"), told("TICKET_CACHE"), told("TICKET_PIN"));
    let caches = told("TICKET_CACHES");
    let mut caches = caches.split(':').filter(|path| !path.is_empty());
    let mut next = || caches.next().map(|path| std::fs::copy(path, &cache).unwrap());
    next();
    let login = match Login::current(std::fs::read(&cache).ok().as_deref()) {
        Ok(login) => login,
        Err(error) => return tell(&format!("not begun: {error}")),
    };
    let mechanism = if how == "ntlm" { Mechanism::Ntlm } else { Mechanism::Any };
    let mut settings = Negotiate::new(Credentials::of(login, None), mechanism);
    if how == "unbound" {
        settings.binding = Binding::Off;
    }
    let transport = if pin.is_empty() { Transport::Http } else { Transport::Https(Trust::pin(&pin).unwrap()) };
    let new = || {
        let endpoint = Endpoint::at(&told("TICKET_NAME"), told("TICKET_ADDRESS"));
        let auth = Auth::Negotiate(settings.clone());
        Client::new(endpoint, &transport, &auth, Timeouts::default(), Limits::default())
    };
    let mut client = match new() {
        Ok(client) => client,
        Err(error) => return tell(&format!("refused: {error}")),
    };
    loop {
        match client.get("Win32_OperatingSystem", &[]).await {
            Ok(_) => tell(&format!("let in: {:?}", client.logon().await.unwrap())),
            Err(error) => tell(&format!("{error} | {:?}", error.cause)),
        }
        if how == "everything" {
            answers(&client).await;
        }
        // A second question on the same connection, where that is what is asked for.
        if how == "outlive" {
            expired(Path::new(&cache));
        }
        if how == "twice" || how == "outlive" {
            let again = client.get("Win32_OperatingSystem", &[]).await;
            tell(&again.map_or_else(|error| format!("{error} | {:?}", error.cause), |_found| "answered".to_owned()));
        }
        if next().is_none() {
            return;
        }
        client = new().unwrap();
    }
}

#[test]
fn a_ticket_is_sealed_over_http_and_bound_over_tls() {
    let Some(domain) = domain() else { return };
    let logon = |is_bound, is_sealed| {
        format!("let in: Logon {{ mechanism: Kerberos, is_bound: {is_bound}, is_sealed: {is_sealed} }}")
    };
    let sealed = Asked::new(domain).how("everything").with_ticket();
    assert_eq!(sealed.only(), logon(false, true));
    let mut bound = Asked::new(domain).how("everything").with_ticket();
    bound.address = format!("{}:5986", domain.host(1));
    bound.pin = Some(fingerprint(domain, 1));
    assert_eq!(bound.only(), logon(true, false));
    // Without `[domain_realm]` the domain of the account says where the server is.
    let mut plain = Asked::new(domain).with_ticket();
    let conf = domain.krb5_conf();
    let (before, _realms_of_domains) = conf.split_once("[domain_realm]").unwrap();
    plain.krb5_conf = plain.file("krb5.conf", before.as_bytes());
    assert_eq!(plain.only(), logon(false, true));
}

#[test]
fn the_library_of_mit_takes_a_ticket_sealed_and_bound_and_what_was_changed_is_not_believed() {
    let Some(domain) = domain().filter(|_| has(SYSTEM_PYTHON, "gssapi")) else { return };
    let keytab = domain.path("domain/fe1.keytab");
    for (mode, tls, how, said) in [
        ("good", false, "twice", ["let in: ", "answered"]),
        ("bind", true, "twice", ["is_bound: true", "answered"]),
        ("bind", true, "unbound", ["demands channel binding", ""]),
        ("bind-other", true, "", ["TLS ends at something between", ""]),
        ("tamper", false, "", ["changed on the way", ""]),
        ("plain", false, "", ["NotSealed", ""]),
        ("replay", false, "twice", ["let in: ", "not the next in the order"]),
    ] {
        let acceptor = Acceptor::with(SYSTEM_PYTHON, mode, tls, Some(&keytab));
        let told = Asked::new(domain).at(&acceptor).how(how).with_ticket().told();
        for (told, said) in told.iter().zip(said) {
            assert!(told.contains(said), "{mode} {how}: {told}");
        }
        let questions = if how == "twice" { 2 } else { 1 };
        assert_eq!(told.len(), questions, "{mode} {how}: {told:?}");
    }
}

#[test]
fn without_a_ticket_there_is_the_command_that_gets_one() {
    let Some(domain) = domain() else { return };
    let told = Asked::new(domain).only();
    for part in ["not begun", "there is no Kerberos ticket", "/cache", "`kinit USER@REALM`", "KRB5CCNAME"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = Asked::new(domain).with_cache(b"no cache").only();
    assert!(told.contains("not begun") && told.contains("is none, or is cut off"), "{told}");
    let told = Asked::new(domain).with_expired_ticket().only();
    assert!(told.contains("has expired: `kinit svc-orch@CONTOSO.EXAMPLE` gets a new one"), "{told}");
    let told = Asked::new(domain).how("ntlm").with_ticket().only();
    assert!(told.contains("refused: `auth: ntlm` needs a password"), "{told}");
}

#[test]
fn a_ticket_that_ends_or_changes_meanwhile_is_named_and_a_new_one_is_taken() {
    let Some(domain) = domain() else { return };
    let mut asked = Asked::new(domain).with_ticket().with_expired_ticket().with_ticket();
    asked.kinit("svc-umlaut", "Größe-Pässw0rd-€6!", &[]);
    let told = asked.told();
    let [first, expired, new, another] = told.as_slice() else { panic!("{told:?}") };
    assert!(first.starts_with("let in: ") && new.starts_with("let in: "), "{told:?}");
    assert!(expired.contains("of svc-orch@CONTOSO.EXAMPLE has expired"), "{expired}");
    assert!(expired.contains("`kinit svc-orch@CONTOSO.EXAMPLE`"), "{expired}");
    assert!(another.contains("no Kerberos ticket of svc-orch@CONTOSO.EXAMPLE any more"), "{another}");
}

#[test]
#[ignore = "takes more than two minutes: the domain takes tickets that end sooner for those that change a password"]
fn a_connection_that_is_logged_on_outlives_its_ticket() {
    let Some(domain) = domain() else { return };
    let mut asked = Asked::new(domain).how("outlive");
    asked.kinit("svc-orch", "Orch-Passw0rd1!", &["-l", "150s"]);
    let told = asked.told();
    let [first, again] = told.as_slice() else { panic!("{told:?}") };
    assert!(first.starts_with("let in: ") && again == "answered", "{told:?}");
}

#[test]
fn a_server_that_the_ticket_does_not_lead_to_is_named_with_the_reason() {
    let Some(domain) = domain() else { return };
    let told = Asked::new(domain).named("fe9.contoso.example").with_ticket().only();
    assert!(told.contains("CONTOSO.EXAMPLE knows no service HTTP/fe9.contoso.example"), "{told}");
    assert!(!told.contains("ntlm") && told.contains("Ticket("), "{told}");
    let told = Asked::new(domain).named("127.0.0.1").with_ticket().only();
    assert!(told.contains("Kerberos knows servers by name, and 127.0.0.1 is an address"), "{told}");

    // A ticket of another realm, by its name alone: as long as the right one, so that the file stays as it is built.
    let other = |bytes: &[u8]| replaced(bytes, b"CONTOSO.EXAMPLE", b"FABRIKA.EXAMPLE");
    let mut got = Asked::new(domain);
    let ticket = std::fs::read(got.kinit("svc-orch", "Orch-Passw0rd1!", &[])).unwrap();
    let told = Asked::new(domain).with_cache(&other(&ticket)).only();
    assert!(
        told.contains("the ticket of svc-orch@FABRIKA.EXAMPLE does not lead to HTTP/fe1.contoso.example"),
        "{told}"
    );
    assert!(told.contains("`kinit svc-orch@CONTOSO.EXAMPLE`"), "{told}");

    let mut silent = Asked::new(domain).with_ticket();
    silent.krb5_conf = silent.file("krb5.conf", domain.krb5_conf().replace(&domain.kdc, "127.0.0.1:1").as_bytes());
    let told = silent.only();
    assert!(told.contains("no KDC of CONTOSO.EXAMPLE answered") && told.contains("KdcSilent"), "{told}");

    // The server has the key of another one.
    let told = Asked::new(domain).named("fe2.contoso.example").with_ticket().only();
    assert!(told.contains("did not take the ticket of svc-orch@CONTOSO.EXAMPLE"), "{told}");
}

#[test]
fn an_account_that_the_domain_refuses_is_left_alone_as_with_a_password() {
    let Some(domain) = domain() else { return };
    let mut asked = Asked::new(domain).how("twice");
    samba(domain, &["create", "svc-gone", "Gone-Passw0rd1!"]);
    asked.kinit("svc-gone", "Gone-Passw0rd1!", &[]);
    samba(domain, &["delete", "svc-gone"]);
    let told = asked.told();
    let [refused, left_alone] = told.as_slice() else { panic!("{told:?}") };
    assert!(refused.contains("UnknownName") && refused.contains("NotSent"), "{refused}");
    assert!(left_alone.contains("was just refused") && left_alone.contains("a new ticket included"), "{left_alone}");
}

/// Changes the accounts of the domain.
fn samba(domain: &Domain, arguments: &[&str]) {
    let mut command = Command::new("samba-tool");
    command.arg("user").args(arguments);
    command.args(["-s", &domain.path("domain/dc/etc/smb.conf"), "-H", &domain.path("domain/dc/private/sam.ldb")]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_server_with_old_keys_is_refused_before_a_message_is_sent() {
    let Some(domain) = domain().filter(|_| has(SYSTEM_PYTHON, "gssapi")) else { return };
    let keytab = domain.path("domain/old1.keytab");
    assert!(Path::new(&keytab).exists());
    let acceptor = Acceptor::with(SYSTEM_PYTHON, "good", false, Some(&keytab));
    let told = Asked::new(domain).at(&acceptor).named("old1.contoso.example").with_ticket().only();
    assert!(told.contains("old keys (RC4) only") && told.contains("NotSent(Logon"), "{told}");
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let found: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, part)| *part == from).map(|(at, _)| at).collect();
    assert!(!found.is_empty());
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}
