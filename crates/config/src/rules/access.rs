//! How the servers of a pool are reached: what goes together, and what would be unsafe or without effect.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{At, Reader};
use crate::texts::{Argument, Line};
use crate::written::{CmdletsChoice, Credentials, Plan, Pool, Winrm};
use orchestrate_model::pool::{ChannelBinding, TaskAccount, Transport, WinrmAuth};
use orchestrate_model::readable::is_padded;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    for way in plan.notify.iter().flat_map(|ways| &ways.value) {
        if let Some(words) = &way.value.0.command {
            one_word(reader, &words.value.0);
        }
    }
    let Some(pools) = &plan.pools else { return };
    for (_, pool) in pools.value.good() {
        if let Some(winrm) = pool.value.access.as_ref().and_then(|access| access.value.winrm.as_ref()) {
            let auth = winrm.value.auth.as_ref().map_or(WinrmAuth::Negotiate, |auth| auth.value);
            transport(reader, &winrm.value);
            tls_settings(reader, &winrm.value);
            server_pins(reader, &pool.value, &winrm.value);
            shell_path(reader, "ca", winrm.value.ca.as_ref());
            kerberos(reader, &winrm.value, auth);
            if let Some(credentials) = &winrm.value.credentials {
                sources(reader, &credentials.value.0, credentials.span);
                written_elsewhere(reader, &credentials.value.0);
                kinds(reader, &credentials.value.0, auth, credentials.span);
                as_self(reader, &winrm.value, &credentials.value.0, auth);
            }
        }
    }
}

/// Values that mean something to a shell, or hold more than what belongs there.
fn written_elsewhere(reader: &mut Reader, credentials: &Credentials) {
    let files = [
        ("file", &credentials.file),
        ("keytab", &credentials.keytab),
        ("certificate", &credentials.certificate),
        ("key", &credentials.key),
    ];
    for (key, path) in files {
        shell_path(reader, key, path.as_ref());
    }
    if let Some(words) = &credentials.command {
        one_word(reader, &words.value.0);
    }
    let names =
        [("prompt", &credentials.prompt), ("keyring", &credentials.keyring), ("principal", &credentials.principal)];
    for (key, name) in names.into_iter().filter_map(|(key, name)| Some((key, name.as_ref()?))) {
        // No account of Windows and no principal of Kerberos has one in its name.
        if name.value.0.contains(':') {
            reader.report(
                Diagnostic::error(
                    codes::BAD_NAME,
                    name.span,
                    format!("`{key}` holds a `:`, which no account has in its name"),
                )
                .label("expected the name of an account, and nothing else")
                .help("a password never stands in a plan"),
            );
        }
    }
}

/// A path is taken as it is written: no shell has replaced anything in it.
fn shell_path(reader: &mut Reader, key: &str, path: Option<&At<Line>>) {
    if let Some(path) = path.filter(|path| path.value.0.starts_with(['~', '$', '%'])) {
        reader.report(
            Diagnostic::error(
                codes::BAD_TEXT,
                path.span,
                format!("`{key}` begins as a path does that a shell completes"),
            )
            .label("expected a path as the system has it")
            .help("write the whole path: nothing is put in the place of `~`, `$HOME` or `%USERPROFILE%`"),
        );
    }
}

/// Program and arguments are a list: what stands in one text would be looked for as a program of that name.
fn one_word(reader: &mut Reader, words: &[At<Argument>]) {
    if let Some(program) = words.first().filter(|word| is_padded(&word.value.0)) {
        reader.report(
            Diagnostic::error(codes::BAD_TEXT, program.span, "the name of the program begins or ends with a blank")
                .label("expected a program without blanks at its ends")
                .help("a blank at an end is not seen, and makes another name of it"),
        );
    }
    let [only] = words else { return };
    let text = only.value.0.trim();
    if text.contains(' ') && !text.contains(['/', '\\']) || text.contains(" /") || text.contains(" -") {
        reader.report(
            Diagnostic::error(codes::BAD_TEXT, only.span, "a program and its arguments are written as a list")
                .label("this whole text would be the name of the program")
                .help("`command: [pass, show, maintenance]`"),
        );
    }
}

fn is_http(winrm: &Winrm) -> bool {
    winrm.transport.as_ref().is_some_and(|transport| transport.value == Transport::Http)
}

fn transport(reader: &mut Reader, winrm: &Winrm) {
    let Some(auth) = winrm.auth.as_ref().filter(|_| is_http(winrm)) else { return };
    let text = match auth.value {
        WinrmAuth::Basic => "basic authentication over http sends the password in the clear",
        WinrmAuth::Certificate => "a client certificate is shown by TLS, and http has none",
        WinrmAuth::Negotiate | WinrmAuth::Kerberos | WinrmAuth::Ntlm => return,
    };
    reader.report(
        Diagnostic::error(codes::BASIC_WITHOUT_TLS, auth.span, text)
            .label("expected `negotiate`, or `transport: https`")
            .help("use `transport: https`, or `auth: negotiate`, which seals its messages"),
    );
}

fn tls_settings(reader: &mut Reader, winrm: &Winrm) {
    let binding = winrm.channel_binding.as_ref().filter(|binding| binding.value == ChannelBinding::Required);
    let settings = [
        ("ca", winrm.ca.as_ref().map(|at| at.span)),
        ("pin", winrm.pin.as_ref().map(|at| at.span)),
        ("channel_binding", binding.map(|at| at.span)),
    ];
    for (key, span) in settings.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        if is_http(winrm) {
            without_tls(reader, key, span);
        }
    }
}

fn server_pins(reader: &mut Reader, pool: &Pool, winrm: &Winrm) {
    let Some(servers) = pool.servers.as_ref().filter(|_| is_http(winrm)) else { return };
    for (_, server) in servers.value.good() {
        if let Some(pin) = &server.value.pin {
            without_tls(reader, "pin", pin.span);
        }
    }
}

fn without_tls(reader: &mut Reader, key: &str, span: Span) {
    reader.report(
        Diagnostic::error(
            codes::TLS_SETTING_WITHOUT_TLS,
            span,
            format!("`{key}` has no effect with `transport: http`"),
        )
        .label("only TLS has certificates")
        .help("use `transport: https`, or leave the key out"),
    );
}

fn kerberos(reader: &mut Reader, winrm: &Winrm, auth: WinrmAuth) {
    let settings = [
        ("realm", winrm.realm.as_ref().map(|at| at.span)),
        ("kdc", winrm.kdc.as_ref().map(|at| at.span)),
        ("spn", winrm.spn.as_ref().map(|at| at.span)),
    ];
    let is_used = matches!(auth, WinrmAuth::Negotiate | WinrmAuth::Kerberos);
    let is_current = winrm.credentials.as_ref().is_some_and(|at| at.value.0.current.is_some());
    let has_effect = |key: &str| is_used && (!is_current || key == "spn");
    let unused = settings.into_iter().filter_map(|(key, span)| Some((key, span?))).filter(|(key, _)| !has_effect(key));
    for (key, span) in unused {
        let (text, help) = if is_used {
            ("is what the system knows by itself of the logon of a person", "leave the key out")
        } else {
            ("is for Kerberos, which this `auth` does not use", "write `auth: kerberos`, or leave the key out")
        };
        reader.report(
            Diagnostic::error(codes::KERBEROS_SETTING_UNUSED, span, format!("`{key}` {text}"))
                .label("has no effect")
                .help(help),
        );
    }
    if let (Some(kdc), None, true) = (&winrm.kdc, &winrm.realm, is_used) {
        reader.report(
            Diagnostic::error(codes::KDC_WITHOUT_REALM, kdc.span, "a KDC is stated, and not which realm it is of")
                .label("expected `realm` beside it")
                .help("add `realm`, the DNS name of the domain in capitals, such as `CONTOSO.EXAMPLE`"),
        );
    }
}

fn sources(reader: &mut Reader, written: &Credentials, whole: Span) {
    let halves = [
        ("principal", span(written.principal.as_ref()), "keytab", span(written.keytab.as_ref())),
        ("key", span(written.key.as_ref()), "certificate", span(written.certificate.as_ref())),
    ];
    for (key, found, owner, other) in halves {
        if let (Some(found), None) = (found, other) {
            reader.report(
                Diagnostic::error(codes::HALF_A_SOURCE, found, format!("`{key}` belongs to `{owner}`"))
                    .label(format!("expected `{owner}` beside it"))
                    .help("leave the key out, or state both"),
            );
        }
    }
    if written.keytab.is_some() && written.principal.is_none() {
        reader.report(
            Diagnostic::error(codes::HALF_A_SOURCE, whole, "a keytab may hold keys of many; which one is to be used?")
                .label("expected `principal` as well")
                .help("write `{keytab: FILE, principal: svc-orchestrate}`; `klist -k FILE` shows what it holds"),
        );
    }
}

fn kinds(reader: &mut Reader, written: &Credentials, auth: WinrmAuth, whole: Span) {
    let (is_key, is_certificate) = (written.keytab.is_some(), written.certificate.is_some());
    let text = match auth {
        WinrmAuth::Basic if written.current.is_some() => "the logon of a person has no password that could be sent",
        WinrmAuth::Negotiate | WinrmAuth::Kerberos if is_certificate => "a certificate is for `auth: certificate`",
        WinrmAuth::Ntlm | WinrmAuth::Basic if is_certificate => "a certificate is for `auth: certificate`",
        WinrmAuth::Ntlm | WinrmAuth::Basic if is_key => "a keytab is for Kerberos",
        WinrmAuth::Certificate if !is_certificate => "`auth: certificate` needs a certificate and its key",
        WinrmAuth::Negotiate | WinrmAuth::Kerberos | WinrmAuth::Ntlm | WinrmAuth::Basic | WinrmAuth::Certificate => {
            return;
        }
    };
    let help = match (is_certificate, is_key) {
        (true, _) => "write `auth: certificate`",
        (false, true) => "write `auth: kerberos`",
        (false, false) if written.current.is_some() => "write `auth: kerberos`, or leave `auth` out",
        (false, false) => "write `credentials: {certificate: FILE, key: FILE}`",
    };
    reader.report(
        Diagnostic::error(codes::CREDENTIALS_DO_NOT_FIT, whole, text).label("do not fit the authentication").help(help),
    );
}

/// A task with the account's own name needs its password, and a name that other machines know.
fn as_self(reader: &mut Reader, winrm: &Winrm, written: &Credentials, auth: WinrmAuth) {
    let Some(CmdletsChoice::Task(by)) = winrm.cmdlets.as_ref().map(|at| &at.value) else { return };
    let Some(runs_as) = by.task.as_ref().and_then(|task| task.value.runs_as.as_ref()) else { return };
    if runs_as.value.0 != TaskAccount::Caller {
        return;
    }
    let text = match auth {
        WinrmAuth::Certificate => "a certificate is no password for a task",
        WinrmAuth::Basic => "an account for basic authentication is one of the server, and unknown to other machines",
        WinrmAuth::Negotiate | WinrmAuth::Kerberos | WinrmAuth::Ntlm if written.keytab.is_some() => {
            "a key is no password for a task"
        }
        WinrmAuth::Negotiate | WinrmAuth::Kerberos | WinrmAuth::Ntlm if written.current.is_some() => {
            "the password of a person's logon is not known here"
        }
        WinrmAuth::Negotiate | WinrmAuth::Kerberos | WinrmAuth::Ntlm => return,
    };
    reader.report(
        Diagnostic::error(codes::NOT_AS_SELF, runs_as.span, text)
            .label("`self` needs the password of an account of the domain")
            .help(r"write `as: 'CONTOSO\svc-pool$'`, a group-managed service account, or `as: system`"),
    );
}

fn span<T>(at: Option<&At<T>>) -> Option<Span> {
    at.map(|at| at.span)
}
