//! NTLM and Kerberos against hosts that are nearly Windows, in a domain that locks accounts.

use crate::domain::{Domain, domain};
use orchestrate_wsman::{
    Auth, Cause, Client, Credentials, Endpoint, Error, Krb5Conf, Limits, Login, LogonReason, Mechanism, Negotiate,
    NotSent, Realms, Refusal, ShellOptions, Timeouts, Transport, Trust,
};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

const RIGHT: &str = "Orch-Passw0rd1!";

fn password(user: &str, password: &str) -> Credentials {
    Credentials::new(user, Zeroizing::new(password.to_owned()))
}

/// How an account logs on.
struct Way {
    mechanism: Mechanism,
    credentials: Credentials,
    realms: Realms,
    tls: bool,
}

impl Way {
    fn ntlm(credentials: Credentials) -> Self {
        Self { mechanism: Mechanism::Ntlm, credentials, realms: Realms::default(), tls: false }
    }

    fn kerberos(domain: &Domain, credentials: Credentials) -> Self {
        let realms = Realms { krb5_conf: Krb5Conf::parse(&domain.krb5_conf()), ..Realms::default() };
        Self { mechanism: Mechanism::Kerberos, credentials, realms, tls: false }
    }

    fn over_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Returns a client of a host that stands in the domain as `name`.
    fn client(&self, domain: &Domain, number: u8, name: &str) -> Client {
        let mut settings = Negotiate::new(self.credentials.clone(), self.mechanism);
        settings.realms = Arc::new(self.realms.clone());
        let port = if self.tls { 5986 } else { 5985 };
        let connect_to = format!("{}:{port}", domain.host(number));
        let transport = if self.tls { Transport::Https(pin(domain, number)) } else { Transport::Http };
        let endpoint = Endpoint::at(name, connect_to);
        Client::new(endpoint, &transport, &Auth::Negotiate(settings), Timeouts::default(), Limits::default()).unwrap()
    }

    async fn ask(&self, domain: &Domain) -> Result<(), Error> {
        let client = self.client(domain, 1, "fe1.contoso.example");
        client.get("Win32_OperatingSystem", &[]).await.map(|_found| ())
    }

    async fn refused(&self, domain: &Domain) -> (LogonReason, String) {
        reason(self.ask(domain).await.unwrap_err())
    }
}

/// Returns trust in the certificate that a host has made for itself.
fn pin(domain: &Domain, number: u8) -> Trust {
    Trust::pins([fingerprint(domain, number).as_str(), &"00".repeat(32)]).unwrap()
}

/// Returns the hash of the certificate that a host has made for itself.
pub(crate) fn fingerprint(domain: &Domain, number: u8) -> String {
    let file = domain.path(&format!("fe{number}/opt/omi/etc/ssl/certs/omi.pem"));
    let output = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", &file])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, digest) = text.trim().split_once('=').unwrap();
    digest.to_owned()
}

fn reason(error: Error) -> (LogonReason, String) {
    let text = error.to_string();
    match *error.cause {
        Cause::NotSent(NotSent::Logon(failure)) | Cause::Refused(Refusal::Logon(failure)) => (failure.reason, text),
        other => panic!("not about a logon: {other}"),
    }
}

async fn works(way: &Way, domain: &Domain) {
    answers(&way.client(domain, 1, "fe1.contoso.example")).await;
}

/// Asks a host all kinds of things.
pub(crate) async fn answers(client: &Client) {
    for _ in 0..2 {
        let system = client.get("Win32_OperatingSystem", &[]).await.unwrap();
        assert!(system.time("LastBootUpTime").is_some());
    }
    let services = client.query("SELECT Name, State FROM Win32_Service").await.unwrap();
    assert!(services.len() > 10, "{}", services.len());
    // A fault is sealed as answers are.
    let fault = client.get("Win32_Service", &[("Name", "NoSuchService")]).await.unwrap_err();
    assert!(fault.fault().is_some(), "{fault}");
    let shell = client.create_shell(&ShellOptions::default()).await.unwrap();
    let output = shell.run("whoami", &[], None, Duration::from_secs(30)).await.unwrap();
    assert_eq!(output.exit_code, 0);
    shell.delete().await.unwrap();
}

#[tokio::test]
async fn ntlm_is_sealed_over_http_and_bound_over_tls() {
    let Some(domain) = domain() else { return };
    works(&Way::ntlm(password("CONTOSO\\svc-orch", RIGHT)), domain).await;
    works(&Way::ntlm(password("CONTOSO\\svc-umlaut", "Größe-Pässw0rd-€6!")), domain).await;
    works(&Way::ntlm(password("CONTOSO\\svc-orch", RIGHT)).over_tls(), domain).await;
}

#[tokio::test]
async fn kerberos_is_sealed_over_http_and_bound_over_tls() {
    let Some(domain) = domain() else { return };
    for (user, secret) in [
        ("CONTOSO\\svc-orch", RIGHT),
        ("contoso.example\\svc-orch", RIGHT),
        ("svc-orch@contoso.example", RIGHT),
        ("CONTOSO\\svc-umlaut", "Größe-Pässw0rd-€6!"),
    ] {
        let way = Way::kerberos(domain, password(user, secret));
        way.ask(domain).await.unwrap_or_else(|error| panic!("{user}: {error}"));
    }
    works(&Way::kerberos(domain, password("CONTOSO\\svc-orch", RIGHT)), domain).await;
    works(&Way::kerberos(domain, password("CONTOSO\\svc-orch", RIGHT)).over_tls(), domain).await;
}

#[tokio::test]
async fn kerberos_takes_a_keytab_and_a_name_that_is_neither_account_nor_realm() {
    let Some(domain) = domain() else { return };
    let keytab = std::fs::read(domain.path("domain/svc-orch.keytab")).unwrap();
    for principal in ["svc-orch", "svc-orch@CONTOSO.EXAMPLE"] {
        let login = Login::with_keytab(&keytab, principal).unwrap();
        works(&Way::kerberos(domain, Credentials::of(login, None)), domain).await;
    }
    let realm = Some("CONTOSO.EXAMPLE".to_owned());
    let stated = Realms { realm, kdcs: vec![domain.kdc.clone()], ..Realms::default() };
    let mut way = Way::kerberos(domain, password("second.person@mail.example", "Orch-Passw0rd2!"));
    way.realms = stated;
    // What is stated is enough without `auth: kerberos`.
    way.mechanism = Mechanism::Any;
    works(&way, domain).await;
}

#[tokio::test]
async fn every_reason_of_the_domain_has_its_own_message() {
    let Some(domain) = domain() else { return };
    let told = async |user: &str, secret: &str| Way::kerberos(domain, password(user, secret)).refused(domain).await;
    let (reason, text) = told("CONTOSO\\svc-expired", "Orch-Passw0rd3!").await;
    assert_eq!(reason, LogonReason::PasswordExpired, "{text}");
    let (reason, text) = told("CONTOSO\\svc-disabled", "Orch-Passw0rd4!").await;
    assert_eq!(reason, LogonReason::Disabled, "{text}");
    let (reason, text) = told("CONTOSO\\no-such-account", "x").await;
    assert!(matches!(reason, LogonReason::UnknownName { .. }), "{text}");
    let nowhere = Way { realms: Realms::default(), ..Way::kerberos(domain, password("FABRIKAM\\svc", "x")) };
    let (reason, text) = nowhere.refused(domain).await;
    assert_eq!(reason, LogonReason::UnknownRealm, "{text}");
    assert!(text.contains("`realm`"), "{text}");
}

#[tokio::test]
async fn a_host_with_rc4_keys_only_and_a_host_that_the_domain_does_not_know_are_named() {
    let Some(domain) = domain() else { return };
    let way = Way::kerberos(domain, password("CONTOSO\\svc-orch", RIGHT));
    let told = async |name: &str| {
        let client = way.client(domain, 1, name);
        reason(client.get("Win32_OperatingSystem", &[]).await.unwrap_err())
    };
    let (reason, text) = told("old1.contoso.example").await;
    assert!(matches!(reason, LogonReason::ServerWithoutAes { .. }), "{text}");
    assert!(text.contains("RC4") && text.contains("auth: ntlm"), "{text}");
    let (reason, text) = told("fe9.contoso.example").await;
    assert!(matches!(reason, LogonReason::UnknownService { .. }), "{text}");
    let (reason, text) = told("fe2.contoso.example").await;
    assert!(matches!(reason, LogonReason::TicketRefused { .. }), "{text}");
}

/// How many wrong passwords the domain has counted.
fn counted(domain: &Domain, account: &str) -> String {
    let output = std::process::Command::new("ldbsearch")
        .args(["-H", &domain.path("domain/dc/private/sam.ldb"), &format!("(sAMAccountName={account})"), "badPwdCount"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("badPwdCount: ")).unwrap_or("none").to_owned()
}

#[tokio::test]
async fn three_hosts_asked_at_once_with_a_wrong_password_cost_one_attempt() {
    let Some(domain) = domain() else { return };
    let way = Way::kerberos(domain, password("CONTOSO\\svc-lock", "wrong"));
    let mut asked = Vec::new();
    for number in 1..=3 {
        let client = way.client(domain, number, &format!("fe{number}.contoso.example"));
        // A look has two connections.
        for client in [client.second(), client] {
            asked.push(tokio::spawn(async move { client.get("Win32_OperatingSystem", &[]).await.unwrap_err() }));
        }
    }
    let mut refused = Vec::new();
    for error in asked {
        match *error.await.unwrap().cause {
            Cause::NotSent(NotSent::Logon(failure)) => refused.push(failure.reason),
            Cause::NotSent(NotSent::JustRefused { .. }) => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(refused, [LogonReason::WrongPassword]);
    assert_eq!(counted(domain, "svc-lock"), "1");
    // The domain locks it at the third, whoever tries.
    for _ in 0..2 {
        let (reason, _) = Way::kerberos(domain, password("CONTOSO\\svc-lock", "wrong")).refused(domain).await;
        assert!(matches!(reason, LogonReason::WrongPassword | LogonReason::Revoked), "{reason:?}");
    }
    let (reason, text) = Way::kerberos(domain, password("CONTOSO\\svc-lock", "Orch-Passw0rd5!")).refused(domain).await;
    assert!(matches!(reason, LogonReason::Revoked | LogonReason::Locked), "{text}");
    assert!(text.contains("locked out"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_by_ntlm_is_refused_without_a_reason_and_never_shown() {
    let Some(domain) = domain() else { return };
    let error = Way::ntlm(password("CONTOSO\\svc-orch", "not-the-passw0rd")).ask(domain).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::Refused(Refusal::Unauthorized { .. })), "{error}");
    assert!(error.to_string().contains("NTLM does not say why"), "{error}");
    assert!(
        error.to_string().contains("Tried: NTLM. Not tried: Kerberos, because `auth: ntlm` was asked for"),
        "{error}"
    );
    assert!(!format!("{error:?} {error}").contains("not-the-passw0rd"));
}

#[tokio::test]
async fn a_principal_name_without_a_kdc_says_that_kerberos_was_not_tried_and_why() {
    let Some(domain) = domain() else { return };
    // Nothing answers there: a name server that cannot be asked knows no KDC.
    let realms = Realms { resolvers: vec![([127, 0, 0, 1], 9).into()], ..Realms::default() };
    let credentials = password("svc-orch@contoso.example", "not-the-passw0rd");
    let way = Way { mechanism: Mechanism::Any, credentials, realms, tls: false };
    let error = way.ask(domain).await.unwrap_err().to_string();
    for part in ["Tried: NTLM", "Not tried: Kerberos, because no KDC of contoso.example is known", "`realm` and `kdc`"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
}
