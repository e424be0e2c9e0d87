//! What the hosts do not do: bindings that are wrong or missing, seals that were changed, tickets that are refused.

use crate::domain::domain;
use orchestrate_wsman::{
    Auth, Binding, Cause, Client, Credentials, Endpoint, Error, Krb5Conf, Limits, LogonReason, Mechanism, Negotiate,
    NotSent, Outcome, Realms, Refusal, Timeouts, Transport, Trust, Unresolved,
};
use rcgen::{CertificateParams, KeyPair};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use zeroize::Zeroizing;

const NAME: &str = "fe1.contoso.example";
/// The interpreter that has pyspnego.
const INTERPRETER: &str = "LAB_PYTHON";
/// The interpreter that has Debian's python3-gssapi.
pub(crate) const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// A server of a stranger.
pub(crate) struct Acceptor {
    child: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    /// The hash of its certificate, where it serves TLS.
    pub(crate) pin: Option<String>,
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        // It ends with its input as well.
        self.child.kill().and_then(|()| self.child.wait()).unwrap();
    }
}

pub(crate) fn has(python: &str, module: &str) -> bool {
    let output = Command::new(python).args(["-c", &format!("import {module}")]).output();
    if output.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var("CI").is_err(), "{python} has no {module}: see .ci/run");
    println!("skipped: {python} has no {module}");
    false
}

fn python() -> String {
    std::env::var(INTERPRETER).unwrap_or_else(|_unset| "python3".to_owned())
}

impl Acceptor {
    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    fn start(mode: &str, tls: bool) -> Option<Self> {
        let python = python();
        has(&python, "spnego").then(|| Self::with(&python, mode, tls, None))
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    pub(crate) fn with(python: &str, mode: &str, tls: bool, keytab: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let accounts = folder.path().join("accounts");
        std::fs::write(&accounts, "CONTOSO:svc-orch:Orch-Passw0rd1!\n").unwrap();
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers/acceptor.py")).arg(mode);
        command.env("NTLM_USER_FILE", &accounts);
        if let Some(keytab) = keytab {
            command.env("KRB5_KTNAME", keytab);
        }
        let pin = tls.then(|| {
            let key = KeyPair::generate().unwrap();
            let made = CertificateParams::new(vec!["odd".to_owned()]).unwrap().self_signed(&key).unwrap();
            let files = ["certificate", "key"].map(|name| folder.path().join(name));
            std::fs::write(&files[0], made.pem()).unwrap();
            std::fs::write(&files[1], key.serialize_pem()).unwrap();
            command.args(&files);
            let digest = <sha2::Sha256 as sha2::Digest>::digest(made.der());
            let pin: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
            pin.join(":")
        });
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap(), folder, pin }
    }

    fn client(&self, settings: Negotiate) -> Client {
        assert!(self.folder.path().exists());
        let trust = self.pin.as_deref().map(|pin| Trust::pin(pin).unwrap());
        let transport = trust.map_or(Transport::Http, Transport::Https);
        let endpoint = Endpoint::at(NAME, format!("127.0.0.1:{}", self.port));
        Client::new(endpoint, &transport, &Auth::Negotiate(settings), Timeouts::default(), Limits::default()).unwrap()
    }
}

fn ntlm() -> Negotiate {
    let credentials = Credentials::new("CONTOSO\\svc-orch", Zeroizing::new("Orch-Passw0rd1!".to_owned()));
    Negotiate::new(credentials, Mechanism::Ntlm)
}

fn unbound(mut settings: Negotiate) -> Negotiate {
    settings.binding = Binding::Off;
    settings
}

async fn ask(client: &Client) -> Result<(), Error> {
    let system = client.get("Win32_OperatingSystem", &[]).await?;
    assert_eq!(system.text("Caption"), Some("stranger"));
    Ok(())
}

#[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
async fn fails(mode: &str, tls: bool, settings: Negotiate) -> Option<Error> {
    let acceptor = Acceptor::start(mode, tls)?;
    Some(ask(&acceptor.client(settings)).await.unwrap_err())
}

#[tokio::test]
async fn a_stranger_takes_ntlm_sealed_and_bound() {
    for (mode, tls) in [("good", false), ("good", true), ("bind", true)] {
        let Some(acceptor) = Acceptor::start(mode, tls) else { return };
        let client = acceptor.client(ntlm());
        for _ in 0..3 {
            ask(&client).await.unwrap_or_else(|error| panic!("{mode} {tls}: {error}"));
        }
    }
}

#[tokio::test]
async fn a_missing_and_a_wrong_channel_binding_are_refused_and_told_apart() {
    let Some(missing) = fails("bind", true, unbound(ntlm())).await else { return };
    let wrong = fails("bind-other", true, ntlm()).await.unwrap();
    for (error, said) in [(&missing, "demands channel binding"), (&wrong, "TLS ends at something between")] {
        assert!(matches!(&*error.cause, Cause::Refused(Refusal::Unauthorized { .. })), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_sealed_as_it_should_be_is_not_believed() {
    let Some(error) = fails("plain", false, ntlm()).await else { return };
    assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::NotSealed)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    for mode in ["tamper", "length"] {
        let error = fails(mode, false, ntlm()).await.unwrap();
        assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::Seal(_))), "{mode}: {error}");
    }
    let acceptor = Acceptor::start("replay", false).unwrap();
    let client = acceptor.client(ntlm());
    ask(&client).await.unwrap();
    let error = ask(&client).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::Seal(_))), "{error}");
    assert!(error.to_string().contains("not the next in the order"), "{error}");
    // The next one is on a connection of its own.
    ask(&client).await.unwrap();
}

#[tokio::test]
async fn what_a_server_does_not_offer_is_not_replaced_by_something_weaker() {
    let Some(error) = fails("basic-only", false, ntlm()).await else { return };
    assert!(matches!(&*error.cause, Cause::Refused(Refusal::NotOffered { .. })), "{error}");
    assert!(error.to_string().contains("it offers Basic"), "{error}");
}

fn kerberos() -> Option<Negotiate> {
    let domain = domain()?;
    let credentials = Credentials::new("CONTOSO\\svc-orch", Zeroizing::new("Orch-Passw0rd1!".to_owned()));
    let mut settings = Negotiate::new(credentials, Mechanism::Kerberos);
    settings.realms = Arc::new(Realms { krb5_conf: Krb5Conf::parse(&domain.krb5_conf()), ..Realms::default() });
    Some(settings)
}

#[tokio::test]
async fn the_library_of_mit_takes_kerberos_sealed_and_bound() {
    let Some(domain) = domain().filter(|_| has(SYSTEM_PYTHON, "gssapi")) else { return };
    let keytab = domain.path("domain/fe1.keytab");
    let start = |mode, tls| Acceptor::with(SYSTEM_PYTHON, mode, tls, Some(&keytab));
    for (mode, tls) in [("good", false), ("good", true), ("bind", true)] {
        let acceptor = start(mode, tls);
        let client = acceptor.client(kerberos().unwrap());
        for _ in 0..3 {
            ask(&client).await.unwrap_or_else(|error| panic!("{mode} {tls}: {error}"));
        }
    }
    for (mode, settings, said) in [
        ("bind", unbound(kerberos().unwrap()), "demands channel binding"),
        ("bind-other", kerberos().unwrap(), "TLS ends at something between"),
    ] {
        let error = ask(&start(mode, true).client(settings)).await.unwrap_err();
        assert!(matches!(&*error.cause, Cause::Refused(Refusal::Logon(_))), "{mode}: {error}");
        assert!(error.to_string().contains(said), "{mode}: {error}");
    }
    for (mode, said) in [("tamper", "changed on the way"), ("replay", "not the next in the order")] {
        let acceptor = start(mode, false);
        let client = acceptor.client(kerberos().unwrap());
        let error = match ask(&client).await {
            Ok(()) => ask(&client).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::Seal(_))), "{mode}: {error}");
        assert!(error.to_string().contains(said), "{mode}: {error}");
    }
}

#[tokio::test]
async fn a_ticket_that_is_refused_has_the_reason_of_the_server() {
    let Some(settings) = kerberos() else { return };
    for (mode, said) in [
        ("error-32", "the ticket has expired"),
        ("error-34", "a replay"),
        ("error-37", "its clock is 10 min"),
        ("error-41", "belongs to another account"),
        ("late", "behind this machine"),
        ("refuse", "it does not say why"),
    ] {
        let Some(error) = fails(mode, false, settings.clone()).await else { return };
        assert!(matches!(&*error.cause, Cause::Refused(Refusal::Logon(_))), "{mode}: {error}");
        assert!(error.to_string().contains(said), "{mode}: {error}");
    }
    let error = fails("error-37", false, settings).await.unwrap();
    let Cause::Refused(Refusal::Logon(failure)) = *error.cause else { panic!("not about a logon") };
    let LogonReason::Clock { ahead_seconds: Some(ahead), .. } = failure.reason else { panic!("not the clock") };
    assert!((-660..=-540).contains(&ahead), "{ahead}");
}

#[tokio::test]
async fn a_kdc_that_does_not_answer_is_named() {
    let Some(mut settings) = kerberos() else { return };
    let realm = Some("CONTOSO.EXAMPLE".to_owned());
    settings.realms = Arc::new(Realms { realm, kdcs: vec!["127.0.0.1:1".to_owned()], ..Realms::default() });
    let Some(error) = fails("good", false, settings).await else { return };
    let Cause::NotSent(NotSent::Logon(failure)) = &*error.cause else { panic!("{error}") };
    assert!(matches!(failure.reason, LogonReason::KdcSilent { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}
