//! A secret that was written into a plan, in every way that somebody might write it, is shown by nothing.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]

use orchestrate_config::{Style, parse, render};

/// The secret of every variant below.
const SECRET: &str = "hunter2-Tr0ub4dor";

/// A plan with something under the access of its pool, and something at its end.
fn plan(winrm: &str, end: &str) -> String {
    format!(
        "version: 1\nname: November\nreason: CHG0031337\npools:\n  pool01.contoso.example:\n    product: lync2013\n    \
         role: front-end\n    load_balancing: {{sip: dns, web: webint.contoso.example, balancer: operator}}\n    servers:\n      \
         fe1.contoso.example: {{address: 192.0.2.11}}\n      fe2.contoso.example: {{address: 192.0.2.12}}\n      \
         fe3.contoso.example: {{address: 192.0.2.13}}\n    access:\n{winrm}maintenance: {{scope: all-services}}\n{end}"
    )
}

/// Variants below `access:`, which stands at four blanks.
const IN_ACCESS: [&str; 34] = [
    "      winrm: {auth: basic, credentials: {user: ann, password: hunter2-Tr0ub4dor}}\n",
    "      winrm:\n        credentials:\n          user: ann\n          password: hunter2-Tr0ub4dor\n",
    "      winrm:\n        credentials:\n          user: ann\n          password:\n            hunter2-Tr0ub4dor\n",
    "      winrm:\n        credentials:\n          pass: hunter2-Tr0ub4dor\n",
    "      winrm:\n        credentials:\n          pw: hunter2-Tr0ub4dor\n",
    "      winrm:\n        credentials:\n          p: hunter2-Tr0ub4dor\n",
    "      winrm:\n        credentials:\n          ann: hunter2-Tr0ub4dor\n",
    "      winrm: {credentials: \"ann:hunter2-Tr0ub4dor\"}\n",
    "      winrm: {credentials: ann/hunter2-Tr0ub4dor}\n",
    "      winrm: {credentials: [ann, hunter2-Tr0ub4dor]}\n",
    "      winrm:\n        credentials:\n          - ann\n          - hunter2-Tr0ub4dor\n",
    "      winrm:\n        credentials:\n          - {env: MAINTENANCE}\n          - hunter2-Tr0ub4dor\n",
    "      winrm: {api_key: hunter2-Tr0ub4dor}\n",
    "      winrm: {apiKey: hunter2-Tr0ub4dor}\n",
    "      winrm: ann:hunter2-Tr0ub4dor\n",
    "      winrm: [hunter2-Tr0ub4dor]\n",
    "      ssh: {key: hunter2-Tr0ub4dor}\n",
    "      hunter2-Tr0ub4dor: {}\n      \"hunter2-Tr0ub4dor x\":\n",
    "      winrm: {credentials: {env: X, \"pass\\u0077ord\": hunter2-Tr0ub4dor}}\n",
    "      winrm: {credentials: {env: X, \"p\\x77d\": hunter2-Tr0ub4dor}}\n",
    "      winrm: {credentials: {env: X, password: \"hunter2\\x2dTr0ub4dor\"}}\n",
    "      winrm: {credentials: {env: X, password: 'hunter2-Tr0ub4dor'}}\n",
    "      winrm:\n        credentials:\n          password: |\n            hunter2-Tr0ub4dor\n",
    "      winrm:\n        credentials:\n          password: >-\n            hunter2-Tr0ub4dor\n            more\n",
    "      winrm:\n        credentials:\n          password: \"first\n            hunter2-Tr0ub4dor\"\n",
    "      winrm: {credentials: {env: &x hunter2-Tr0ub4dor, password: *x}}\n",
    "      winrm: {credentials: {env: X, password: &x hunter2-Tr0ub4dor}, port: *x}\n",
    "      winrm: {credentials: {env: X, password: !hunter2-Tr0ub4dor x}}\n",
    "      winrm: {credentials: {env: X, password: !!str hunter2-Tr0ub4dor}}\n",
    "      winrm: {credentials: {env: X, password: *hunter2-Tr0ub4dor }}\n",
    "      winrm: {credentials: {env: X, password: {a: {b: [hunter2-Tr0ub4dor]}}}}\n",
    "      winrm: {credentials: {env: X, ? password : hunter2-Tr0ub4dor}}\n",
    "      winrm: {credentials: {env: X, extra: 1}} # password hunter2-Tr0ub4dor\n",
    "      winrm: {pin: hunter2-Tr0ub4dor, credentials: {env: X}}\n",
];

/// Variants at the end of the file.
const AT_END: [&str; 26] = [
    "password: hunter2-Tr0ub4dor\n",
    "PassWord: hunter2-Tr0ub4dor\n",
    "db_pass: hunter2-Tr0ub4dor\n",
    "api-key: hunter2-Tr0ub4dor\n",
    "\"api_token\" : hunter2-Tr0ub4dor\n",
    "? secret\n: hunter2-Tr0ub4dor\n",
    "? [password, other]\n: hunter2-Tr0ub4dor\n",
    "secret:\n  - hunter2-Tr0ub4dor\n",
    "secret:\n- hunter2-Tr0ub4dor\n",
    "secret: {hunter2-Tr0ub4dor: x, hunter2-Tr0ub4dor: x}\n",
    "credentials: {user: ann, word: hunter2-Tr0ub4dor}\n",
    "credentials: hunter2-Tr0ub4dor\n",
    "env: [{name: PASSWORD, value: hunter2-Tr0ub4dor}]\n",
    "authorization: Basic hunter2-Tr0ub4dor\n",
    "budgets: [{label: &k password, at_once: 0, *k : hunter2-Tr0ub4dor}]\n",
    "budgets: [{label: &v hunter2-Tr0ub4dor, at_once: &v hunter2-Tr0ub4dor, token: *v}]\n",
    "freezes: [{from: &v hunter2-Tr0ub4dor, to: 2027-01-01, reason: x}]\ntoken: *v\n",
    // No YAML at all.
    "password: [hunter2-Tr0ub4dor\n",
    "password: hunter2-Tr0ub4dor: x\n",
    "password: \"hunter2-Tr0ub4dor\n",
    "password: @hunter2-Tr0ub4dor\n",
    "password:\n\thunter2-Tr0ub4dor\n",
    "x: {password: hunter2-Tr0ub4dor\n",
    "\"pass\\u0077ord\": hunter2-Tr0ub4dor: x\n",
    "password: hunter2-Tr0ub4dor\n\tx\n",
    "secret: `hunter2-Tr0ub4dor`\n",
];

fn shown(text: &str) -> Vec<String> {
    match parse("plan.yaml", text.as_bytes()) {
        Err(found) => {
            let mut all: Vec<String> =
                [Style::Plain, Style::Colour].map(|style| render(&found, text, "plan.yaml", style)).into();
            all.extend([serde_json::to_string(&found).unwrap(), found.to_string(), format!("{found:?}")]);
            all
        }
        Ok(good) => vec![format!("{:?}", good.warnings)],
    }
}

/// Returns whether a part of the secret that tells something is in a text.
fn leaks(text: &str) -> bool {
    ["hunter2", "Tr0ub4dor", "unter2", "Tr0ub"].iter().any(|part| text.contains(part))
}

#[test]
fn p10_a_secret_is_shown_by_nothing_however_it_was_written() {
    let access = IN_ACCESS.iter().map(|winrm| plan(winrm, ""));
    let end = AT_END.iter().map(|end| plan("      winrm: {credentials: {env: X}}\n", end));
    // The same once more where the file stops being YAML behind it, and before it.
    let broken = IN_ACCESS.iter().map(|winrm| plan(winrm, "windows: [\n"));
    let earlier = IN_ACCESS.iter().map(|winrm| plan(&format!("      winrm: : x\n{winrm}"), ""));
    let mut leaking = Vec::new();
    for text in access.chain(end).chain(broken).chain(earlier) {
        assert!(parse("plan.yaml", text.as_bytes()).is_err(), "a secret is accepted: {text}");
        leaking.extend(shown(&text).into_iter().filter(|shown| leaks(shown)).map(|shown| format!("{text}\n{shown}")));
    }
    assert!(leaking.is_empty(), "{} leaks; the first:\n{}", leaking.len(), leaking[0]);
}

#[test]
fn p10_every_way_of_breaking_a_file_at_any_byte_shows_no_secret() {
    for winrm in [IN_ACCESS[1], IN_ACCESS[7], IN_ACCESS[22]] {
        let whole = plan(winrm, "");
        let secret = whole.find(SECRET).unwrap();
        // What is put in breaks quotes, brackets, indentation or the key in front of the secret.
        for at in (secret.saturating_sub(70)..=secret).filter(|at| whole.is_char_boundary(*at)) {
            for odd in ["\"", "[", "}", "\t", ": ", "`", "\n", "&a ", "!", "'"] {
                let text = format!("{}{odd}{}", &whole[..at], &whole[at..]);
                for shown in shown(&text) {
                    assert!(!leaks(&shown), "{odd:?} at {at}:\n{text}\n{shown}");
                }
            }
        }
    }
}

/// Fails when something that is shown of a plan holds one of the words.
fn hidden(text: &str, words: &[&str]) {
    for shown in shown(text) {
        let found: Vec<&&str> = words.iter().filter(|word| shown.contains(**word)).collect();
        assert!(found.is_empty(), "{found:?}:\n{text}\n{shown}");
    }
}

#[test]
fn p10_a_password_in_the_place_of_a_harmless_value_is_not_shown() {
    for value in [
        "credentials: {env: \"svc:S3cr!\"}",
        "credentials: {env: \"S3cr!\"}",
        "realm: \"svc:S3cr!\", credentials: {env: X}",
        "kdc: \"http://svc:S3cr!@kdc\", credentials: {env: X}",
        "port: \"S3cr!\", credentials: {env: X}",
        "auth: \"svc:S3cr!\", credentials: {env: X}",
        "transport: \"svc/S3cr!\", credentials: {env: X}",
        "channel_binding: S3cr!, credentials: {env: X}",
        "spn: \"HTTP S3cr!\", credentials: {env: X}",
        "credentials: {keytab: \"svc:S3cr!\"}",
    ] {
        let text = plan(&format!("      winrm: {{{value}}}\n"), "");
        assert!(parse("plan.yaml", text.as_bytes()).is_err(), "{text}");
        hidden(&text, &["S3cr"]);
    }
    let text = plan("      winrm: {realm: CONTOSO, kdc: \"dc1:0\", credentials: {env: 1X}}\n", "");
    let found = parse("plan.yaml", text.as_bytes()).unwrap_err();
    let shown = render(&found, &text, "plan.yaml", Style::Plain);
    for word in ["realm: CONTOSO", "kdc: \"dc1:0\"", "env: 1X", "`CONTOSO`", "`1X`"] {
        assert!(shown.contains(word), "{word} is missing:\n{shown}");
    }
}

#[test]
fn p10_what_stands_beside_further_names_of_secrets_is_not_shown() {
    for key in [
        "creds",
        "authentication",
        "login",
        "psk",
        "key",
        "key2",
        "wifi_psk",
        "nthash",
        "community",
        "snmp-community",
        "mot_de_passe",
        "contraseña",
        "contrasena",
    ] {
        for end in [format!("{key}: S3cr! {{x: \n"), format!("budgets: [{{{key}: S3cr!, x: 1}}]\n")] {
            hidden(&plan("      winrm: {credentials: {env: X}}\n", &end), &["S3cr"]);
        }
    }
    for access in ["acces", "acess", "Acces", "acccess"] {
        let text = plan("      winrm: {credentials: {env: S3cret, word: S3cr!}}\n", "");
        hidden(&text.replace("    access:", &format!("    {access}:")), &["S3cr"]);
        let text = text.replace("    access:\n      winrm:", &format!("    {access}: {{winrm: S3cr!}}\n    x:"));
        hidden(&text, &["S3cr!"]);
    }
}

#[test]
fn p10_name_and_password_in_an_address_are_not_shown() {
    for (address, rest) in [
        ("\"admin:S3cr!@lb:9999\"", "@lb:9999"),
        ("\"tcp://admin:S3cr!@lb:9999\"", "tcp://"),
        ("\"admin:S3@lb:9999\"", "@lb:9999"),
        ("\"admin:S3cr!\\x40lb:9999\"", "address"),
    ] {
        let text = plan("      winrm: {credentials: {env: X}}\n", "")
            .replace("balancer: operator", &format!("balancer: {{haproxy: {{address: {address}, backend: web}}}}"));
        hidden(&text, &["S3", "admin"]);
        let found = parse("plan.yaml", text.as_bytes()).unwrap_err();
        let shown = render(&found, &text, "plan.yaml", Style::Plain);
        assert!(shown.contains(rest), "{rest} is missing:\n{shown}");
    }
}

#[test]
fn p10_what_an_address_or_a_text_holds_of_secrets_is_not_shown() {
    for end in [
        "notify:\n  - https://hooks.example/hunter2-Tr0ub4dor\n",
        "notify: https://hooks.example/hunter2-Tr0ub4dor\n",
        "notify: {to: https://hooks.example/hunter2-Tr0ub4dor}\n",
        "notify:\n  - slak: https://hooks.example/hunter2-Tr0ub4dor\n",
        "notify:\n  - {teams: {env: X}, on: https://hooks.example/hunter2-Tr0ub4dor}\n",
        "notify:\n  - {teams: {env: X}, on: held, sig: hunter2-Tr0ub4dor}\n",
        "freezes:\n  - {calendar: \"https://cal.example/private-hunter2-Tr0ub4dor/basic.ics\"}\n",
        "connection: \"Server=x;User=op;Password=hunter2-Tr0ub4dor\"\n",
        "elsewhere: \"curl -u op:hunter2-Tr0ub4dor https://lb.example/out\"\n",
        "see: https://wiki.example?token=hunter2-Tr0ub4dor\n",
    ] {
        let text = plan("      winrm: {credentials: {env: X}}\n", end);
        for shown in shown(&text) {
            assert!(!leaks(&shown), "{end}\n{shown}");
        }
    }
}

#[test]
fn p10_the_value_of_an_option_of_the_installer_is_not_shown() {
    for arguments in [
        "[/silent, \"/password:S3cr!\", 0x]",
        "[/silent, \"-password S3cr! /q\"]",
        "[-password, S3cr!, /q]",
        "[\"--token=S3cr!\"]",
        "[\"SVC_PASSWORD=S3cr!\"]",
        "[\"/pass\\x77ord:S3cr!\"]",
        "[/silent, \"/password=S3cr!\"]",
        "[\"-Pwd:S3cr!\"]",
        "[PASSWORD=S3cr!]",
        "[\"/v:PASSWORD=S3cr!\"]",
        "[\"/p:S3cr!\"]",
        "[-p, S3cr!]",
        "[\"-p S3cr!\"]",
        "[-password, -S3cr!]",
        "[PIN=S3cr!]",
        "[\"/source:\\\\\\\\svc:S3cr!@nas\\\\CU\"]",
        "[\"/account:CONTOSO\\\\svc:S3cr!\"]",
        "[\"PIDKEY=S3cr!\"]",
        "\"/password=S3cr!\"",
        "{password: S3cr!}",
    ] {
        let patch = format!("maintenance: {{patch: {{arguments: {arguments}, colour: 1}}, ");
        hidden(&plan("      winrm: {credentials: {env: X}}\n", "").replace("maintenance: {", &patch), &["S3cr"]);
    }
}

#[test]
fn p10_a_secret_in_the_path_of_the_installer_is_not_shown() {
    for installer in [
        r"'\\svc:S3cr!@files\CU\x.exe'",
        r"'\\files\CU\x.exe /password:S3cr!'",
        "https://svc:S3cr!@files/x.exe",
        "https://S3cr!@files/x.exe",
        "'https://files/x.exe?sig=S3cr!'",
        r"{path: 'C:\CU\x.exe', password: S3cr!}",
    ] {
        for patch in [
            format!("{{installer: {installer}, sha256: 1, colour: 1}}"),
            format!("{{instaler: {installer}, sha256: 1}}"),
            format!("{{installer: {installer}, arguments: [/quiet, 'PASSWORD=S3cr!'], deadline: S3}}"),
        ] {
            let text = plan("      winrm: {credentials: {env: X}}\n", "");
            hidden(&text.replace("maintenance: {", &format!("maintenance: {{patch: {patch}, ")), &["S3cr"]);
        }
    }
}

#[test]
fn p10_the_values_of_an_access_are_not_shown_in_another_place() {
    let text = plan("      winrm: {credentials: {env: X}}\n", "");
    for own in [
        "winrm: svc:S3cr!",
        "winrm: {user: svc, word: S3cr!}",
        "ssh: {user: svc, word: S3cr!}",
        "ssh: S3cr!",
        "auth: {PW: S3cr!}",
        "auth: {user: svc, word: S3cr!}",
        "PW: S3cr!",
        "pwd: S3cr!",
        "pass_phrase: S3cr!",
        "Token: S3cr!",
        "key: S3cr!",
        "user: svc, password: S3cr!",
        "credential: svc:S3cr!",
        "logon: {name: svc, value: S3cr!}",
        "user: {svc: S3cr!}",
        "account: svc/S3cr!",
    ] {
        let in_pool =
            text.replace("    access:", &format!("    {}\n    access:", own.replace(", password", "\n    password")));
        let in_server = text.replace("{address: 192.0.2.11}", &format!("{{address: 192.0.2.11, {own}}}"));
        let in_rules = text.replace("maintenance: {", &format!("maintenance: {{{own}, "));
        let in_patch = text.replace("maintenance: {", &format!("maintenance: {{patch: {{{own}}}, "));
        let at_top = format!("{text}{}\n", own.replace(", password", "\npassword"));
        for text in [in_pool, in_server, in_rules, in_patch, at_top] {
            hidden(&text, &["S3cr"]);
        }
    }
}

#[test]
fn p10_a_comment_beside_an_access_is_not_shown_whatever_it_says() {
    for access in [
        "      winrm: {credentials: {env: X}, colour: 1} # svc / S3cr!\n",
        "      winrm:\n        port: 0 # svc / S3cr!\n        credentials: {env: X}\n",
        "      winrm: # S3cr!\n        colour: 1\n        credentials: {env: X}\n",
        "      winrm: {credentials: {env: X},\n        colour: 1} # S3cr!\n",
    ] {
        hidden(&plan(access, ""), &["S3cr"]);
        hidden(&plan(access, "windows: [\n"), &["S3cr"]);
    }
    let text = plan("      winrm: {credentials: {env: X}}\n", "colour: 1 # as the others\n");
    let found = parse("plan.yaml", text.as_bytes()).unwrap_err();
    assert!(render(&found, &text, "plan.yaml", Style::Plain).contains("# as the others"));
}

#[test]
fn p10_no_line_is_shown_of_a_file_that_is_no_plan() {
    for text in [
        "svc-orchestrate\nS3cr!\n",
        "svc: S3cr!\nhost: lb\n",
        "svc-orchestrate\nS3cr!: [x\n",
        "- svc-orchestrate\n- S3cr!\n",
        "[default]\nuser = svc\nword = S3cr!\n",
        "S3cr!: svc\n",
    ] {
        hidden(text, &["S3cr"]);
    }
}

#[test]
fn what_is_no_secret_stays_readable() {
    let text = plan(
        "      winrm: {transport: htps, auth: basc, credentials: {env: MAINTENANCE}}\n",
        "bypass: 1\nmode: fast\n",
    );
    let found = parse("plan.yaml", text.as_bytes()).unwrap_err();
    let shown = render(&found, &text, "plan.yaml", Style::Plain);
    for word in ["transport: htps", "auth: basc", "env: MAINTENANCE", "`https`", "`basic`", "bypass: 1", "mode: fast"] {
        assert!(shown.contains(word), "{word} is missing:\n{shown}");
    }
    assert!(!shown.contains('*'), "{shown}");
}

#[test]
fn what_cannot_be_seen_is_made_visible_in_the_line_that_is_shown() {
    let text =
        plan("      winrm: {credentials: {env: X}}\n", "na\u{202e}me: \"a\u{200b}b\u{9b}\u{e0041}c\"\n\u{1b}[2Jx: 1\n");
    for shown in shown(&text).iter().take(1) {
        let hidden: Vec<char> =
            shown.chars().filter(|c| orchestrate_model::readable::is_hidden(*c) && *c != '\n').collect();
        assert!(hidden.is_empty(), "{hidden:?} in {shown:?}");
    }
}
