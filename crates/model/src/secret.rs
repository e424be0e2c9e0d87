//! What looks like a secret by its name, wherever it stands: in a plan, or among the arguments of an installer.

/// What stands in the place of a secret in all that is shown.
pub const MASKED: &str = "***";

/// Parts of names of secrets, in lower case without anything but letters and digits.
const PARTS: [&str; 27] = [
    "password",
    "passwd",
    "passwort",
    "kennwort",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "sshkey",
    "bearer",
    "authorization",
    "cookie",
    "sessionkey",
    "nthash",
    "accountkey",
    "storagekey",
    "productkey",
    "licensekey",
    "licencekey",
    "pidkey",
    "motdepasse",
    "contraseña",
    "contrasena",
];

/// Whole words of names under which secrets are kept, and other things as well: what stands there is masked, and the
/// key is not refused as that of a secret.
const WORDS: [&str; 10] =
    ["cred", "creds", "credential", "credentials", "authentication", "auth", "login", "psk", "key", "community"];

/// Returns whether a key has the name of a secret.
#[must_use]
pub fn looks_secret(key: &str) -> bool {
    let key: String = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let short = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let harmless = ["bypass", "compass", "surpass"].iter().any(|word| short.ends_with(word));
    PARTS.iter().any(|part| key.contains(part))
        || short == "pw"
        || (short.ends_with("pass") && !harmless)
        || (short.ends_with("pw") && short.len() > 3)
}

/// Returns whether what stands beside a key is masked in what is shown.
#[must_use]
pub fn hides(key: &str) -> bool {
    // Names of servers and pools are keys as well, and may be called `login`.
    let is_name = key.contains('.');
    let is_one = |word: &str| WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()));
    let mut words = key.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    looks_secret(key) || (!is_name && words.any(|word| is_one(&word)))
}

/// Returns from where on a text holds the value of an option of a command, or of a part of it, that has the name of a secret. The
/// end of the text: the value is not in it.
#[must_use]
pub fn option_value(text: &str) -> Option<usize> {
    [named_option, password_option, logon_option, inner_value, account_value]
        .into_iter()
        .filter_map(|find| find(text))
        .min()
}

/// Options such as `/password:x`, `-password x`, `--token=x` and `PASSWORD=x`.
fn named_option(text: &str) -> Option<usize> {
    const QUOTES: [char; 2] = ['"', '\''];
    let mut at = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_start_matches(QUOTES);
        let body = word.trim_start_matches(['/', '-']);
        let sign = body.find([':', '=']);
        let name = body.get(..sign.unwrap_or(body.len())).unwrap_or_default();
        let name = name.trim_end().trim_end_matches(QUOTES);
        let is_option = body.len() < word.len();
        let is_name = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let is_secret = is_name && if is_option { hides(name) } else { sign.is_some() && looks_secret(name) };
        let body_at = at + piece.len() - body.len();
        at += piece.len();
        if is_secret {
            return Some(sign.map_or(at, |sign| body_at + sign + 1));
        }
    }
    None
}

/// Returns from where on an argument holds what is short for a password: `/p:x`, `-p x`, `-u:name%x`, `--auth x`, `PIN=x`, and a
/// part of a connection text such as `Server=s;Pwd=x`. Too much is masked rather than too little.
fn password_option(text: &str) -> Option<usize> {
    let mut at = 0;
    text.split_inclusive(char::is_whitespace).find_map(|piece| {
        let begins = at;
        at += piece.len();
        let word = piece.trim_end();
        // A name alone at the end of a word has its value behind the blank.
        let value = password_word(word)?;
        Some(if value == word.len() { begins + piece.len() } else { begins + value })
    })
}

/// Returns from where on the value of an option for an account has a password: `name:x`.
fn behind_user(text: &str) -> Option<usize> {
    let at = text.find(':')? + 1;
    (at > 1 && at < text.len() && !text[at..].starts_with(['\\', '/'])).then_some(at)
}

/// Options whose value is an account, perhaps with its password, as the next word.
fn is_user_option(word: &str) -> bool {
    word.strip_prefix(['/', '-'])
        .is_some_and(|name| ["u", "user", "-user"].iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// Returns from where on a text holds the password of an account behind its option, as in `curl -u name:x`.
fn logon_option(text: &str) -> Option<usize> {
    let (mut at, mut follows) = (0, false);
    text.split_inclusive(char::is_whitespace).find_map(|piece| {
        let begins = at;
        at += piece.len();
        let word = piece.trim_end();
        let value = std::mem::replace(&mut follows, is_user_option(word)).then(|| behind_user(word));
        value.flatten().map(|value| begins + value)
    })
}

fn password_word(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['/', '-']);
    let is_option = body.len() < text.len();
    let sign = body.find([':', '=']);
    let name = body.get(..sign.unwrap_or(body.len())).unwrap_or_default().to_ascii_lowercase();
    let value = sign.map_or(text.len(), |sign| text.len() - body.len() + sign + 1);
    let short = match name.as_str() {
        "p" | "auth" | "pin" => is_option || sign.is_some(),
        // Not the name of an account, nor a path or an address.
        "u" | "user" => is_option && (text.contains('%') || behind_user(&text[value..]).is_some()),
        _ => name.ends_with("saskey") || name.ends_with("_pin"),
    };
    let parts = || {
        let at = text.find(';')?;
        let rest = &text[at + 1..];
        let mut from = at + 1;
        rest.split(';').find_map(|part| {
            let start = from;
            from += part.len() + 1;
            let (name, _) = part.split_once('=')?;
            looks_secret(name).then_some(start + name.len() + 1)
        })
    };
    if short { Some(value) } else { parts() }
}

/// Returns from where on an argument holds a value whose name stands behind a sign of its own, such as `/v:PASSWORD=x`,
/// `-D:password=x` and `/install:pwd:x`.
fn inner_value(text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.match_indices([':', '=']).find_map(|(at, sign)| {
        let before = &text[..at];
        let name = before.trim_end_matches(is_part).len();
        let value = at + sign.len();
        (looks_secret(&before[name..]) && value < text.len()).then_some(value)
    })
}

/// Returns from where on an option holds the password of an account, such as `/account:CONTOSO\\svc:x`.
fn account_value(text: &str) -> Option<usize> {
    let body = text.starts_with(['/', '-']).then_some(text)?;
    let domain = body.find('\\')?;
    let sign = body[domain..].find(':')? + domain;
    (body[..domain].contains([':', '=']) && sign + 1 < text.len()).then_some(sign + 1)
}

/// Returns where the name and password of an address begin, such as `https://name:x@host`, `https://x@host` and
/// `\\\\name:x@host`, also behind the name of an option.
fn logon(text: &str) -> Option<usize> {
    let (before, _) = text.rsplit_once('@')?;
    if let Some(at) = before.find("://") {
        return Some(at + 3).filter(|start| *start < before.len());
    }
    let share = || before.find(r"\\").or_else(|| before.find("//")).map(|at| at + 2);
    // `/server:name:x@host`, and not the address of a person, as in `/mail:name@host`.
    let option = || before.starts_with(['/', '-']).then(|| before.find([':', '=']).map(|at| at + 1)).flatten();
    let start = share().or_else(option)?;
    before.get(start..).filter(|logon| logon.contains(':')).map(|_| start)
}

/// Returns where the part of an address begins that may be as good as a password: what stands behind the question mark.
fn query(text: &str) -> Option<usize> {
    let host = text.find("://")? + 3;
    let at = host + text[host..].find(['?', '#'])? + 1;
    (at < text.len()).then_some(at)
}

/// Returns a path or an address as it may be shown: without the name and password in it, the query behind it, and options with
/// the name of a secret.
#[must_use]
pub fn shown_address(text: &str) -> String {
    let shown = match (logon(text), text.rfind('@')) {
        (Some(from), Some(to)) if from <= to => format!("{}{MASKED}{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    };
    let known = [option_value, query].map(|find| find(&shown));
    match known.into_iter().flatten().min().filter(|at| *at < shown.len()) {
        Some(at) => format!("{}{MASKED}", &shown[..at]),
        None => shown,
    }
}

/// Returns from where on an argument of a command, or any other text, holds what may be a secret. The end of the text: it is
/// the next argument.
#[must_use]
pub fn value_in(argument: &str) -> Option<usize> {
    let known = [option_value, logon, query].map(|find| find(argument));
    known.into_iter().flatten().min()
}

/// Returns a text of a person as it may be shown, such as how a balancer is changed by others: what may be a secret in it is
/// masked, with all that follows.
#[must_use]
pub fn shown_text(text: &str) -> String {
    match value_in(text).filter(|at| *at < text.len()) {
        Some(at) => format!("{}{MASKED}", &text[..at]),
        None => text.to_owned(),
    }
}

/// Switches that are no secret, though they stand behind the name of one whose value was left out.
const SWITCHES: [&str; 12] = [
    "quiet",
    "q",
    "qn",
    "qb",
    "passive",
    "silent",
    "silentmode",
    "s",
    "norestart",
    "forcerestart",
    "promptrestart",
    "log",
];

/// Returns whether an argument is a switch that every installer knows.
fn is_switch(argument: &str) -> bool {
    let name = argument.strip_prefix(['/', '-']).unwrap_or_default();
    SWITCHES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Returns the arguments of a program as they may be shown: what looks like the value of a secret is masked, also where
/// its name is an argument of its own. The second value says whether there was one.
#[must_use]
pub fn shown_arguments(arguments: &[String]) -> (Vec<String>, bool) {
    let (mut shown, mut found, mut follows) = (Vec::new(), false, false);
    let mut user = false;
    for argument in arguments {
        // A password may begin with a sign of a switch as well.
        if follows && !is_switch(argument) {
            (found, follows) = (true, false);
            shown.push(MASKED.to_owned());
            continue;
        }
        let behind = std::mem::replace(&mut user, is_user_option(argument)).then(|| behind_user(argument)).flatten();
        let value = value_in(argument).into_iter().chain(behind).min();
        follows = value.is_some_and(|at| at >= argument.len());
        match value.filter(|at| *at < argument.len()) {
            Some(at) => {
                found = true;
                shown.push(format!("{}{MASKED}", &argument[..at]));
            }
            None => shown.push(argument.clone()),
        }
    }
    (shown, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_secret_among_arguments_is_masked_however_it_is_written() {
        for (given, wanted) in [
            (&["/password:geheim"][..], &["/password:***"][..]),
            (&["/quiet", "SVCPASSWORD=ge heim"], &["/quiet", "SVCPASSWORD=***"]),
            (&["--token", "abc", "/norestart"], &["--token", "***", "/norestart"]),
            (&["-pw", "abc"], &["-pw", "***"]),
            (&["/login:svc /password:x"], &["/login:***"]),
            (&["/p:geheim"], &["/p:***"]),
            (&["-p", "geheim", "/quiet"], &["-p", "***", "/quiet"]),
            (&["/connection:Server=s;Pwd=geheim"], &["/connection:Server=s;Pwd=***"]),
            (&["https://u:geheim@h/x"], &["https://***"]),
            (&["-u:svc%geheim"], &["-u:***"]),
            (&["SASKEY=geheim", "PIN=1234"], &["SASKEY=***", "PIN=***"]),
            (&["--auth", "geheim"], &["--auth", "***"]),
            (&["/v:PASSWORD=geheim"], &["/v:PASSWORD=***"]),
            (&["-D:password=geheim"], &["-D:password=***"]),
            (&["/install:pwd:geheim"], &["/install:pwd:***"]),
            (&["--set:api_key=geheim"], &["--set:api_key=***"]),
            (&["-Credential=bob/geheim"], &["-Credential=***"]),
            (&[r"/svcaccount:corp\bob:geheim"], &[r"/svcaccount:corp\bob:***"]),
            (&["/x:secret=geheim", "/y"], &["/x:secret=***", "/y"]),
            (&["-p geheim"], &["-p ***"]),
            (&["-u", "svc:geheim", "/q"], &["-u", "svc:***", "/q"]),
            (&["curl -u svc:geheim https://h/"], &["curl -u svc:***"]),
            (&["/user:svc:geheim"], &["/user:***"]),
            (&["/quiet -p geheim"], &["/quiet -p ***"]),
            (&["-password", "-geheim", "/quiet"], &["-password", "***", "/quiet"]),
            (&["/pwd", "/geheim/x"], &["/pwd", "***"]),
            (&["/pwd=", "geheim"], &["/pwd=", "***"]),
            (&["/from:svc:geheim@nas"], &["/from:***"]),
            (&["/source=https://geheim@h/x"], &["/source=https://***"]),
            (&[r"/source:\\svc:geheim@nas\CU"], &[r"/source:\\***"]),
            (&["https://h/x?sig=geheim"], &["https://h/x?***"]),
            (&["PIDKEY=geheim", "/ProductKey:geheim"], &["PIDKEY=***", "/ProductKey:***"]),
            (&["–password:geheim"], &["–password:***"]),
            (&["-H", "Authorization: Basic geheim"], &["-H", "Authorization:***"]),
        ] {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(shown_arguments(&given), (wanted.iter().map(|text| (*text).to_owned()).collect(), true));
        }
    }

    #[test]
    fn the_logon_in_an_address_is_masked() {
        assert_eq!(shown_address(r"\\svc:geheim@nas\CU\x.exe"), r"\\***@nas\CU\x.exe");
        for (given, wanted) in [
            ("https://u:p@h/x.exe", "https://***@h/x.exe"),
            ("https://geheim@h/x.exe", "https://***@h/x.exe"),
            ("https://h/x.exe?sv=1&sig=geheim", "https://h/x.exe?***"),
            (r"\\svc:ge/heim@nas\CU\x@1.exe", r"\\***@1.exe"),
            ("//svc:geheim@nas/x.exe", "//***@nas/x.exe"),
            (r"C:\CU\x.exe /password:geheim /quiet", r"C:\CU\x.exe /password:***"),
        ] {
            assert_eq!(shown_address(given), wanted);
        }
        for plain in [r"C:\CU\x.exe", r"\\nas\CU\x.exe", r"C:\a@b\x.exe"] {
            assert_eq!(shown_address(plain), plain);
        }
    }

    #[test]
    fn ordinary_arguments_are_shown_as_they_are() {
        let given: Vec<String> = [
            "/silentmode",
            "/quiet",
            "/norestart",
            "/passive",
            "/L*v",
            r"C:\log.txt",
            "REBOOT=ReallySuppress",
            "/bypass",
            "/mail:ann@contoso.example",
            "/user:CONTOSO\\svc",
            "/u",
            "svc",
            "/proxy:http://proxy.contoso.example:8080/",
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(shown_arguments(&given), (given.clone(), false));
    }
}
