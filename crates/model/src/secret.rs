//! What looks like a secret by its name, wherever it stands: in a plan, or among the arguments of an installer.

/// What stands in the place of a secret in all that is shown.
pub const MASKED: &str = "***";

/// Parts of names of secrets, in lower case without anything but letters and digits.
const PARTS: [&str; 21] = [
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
    "motdepasse",
    "contraseña",
    "contrasena",
];

/// Whole words of names under which secrets are kept, and other things as well: what stands there is masked, and the
/// key is not refused as that of a secret.
const WORDS: [&str; 9] =
    ["cred", "creds", "credential", "credentials", "authentication", "login", "psk", "key", "community"];

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

/// Returns from where on a text holds the value of an option of a command that has the name of a secret, such as
/// `/password:x`, `-password x`, `--token=x` and `PASSWORD=x`. The end of the text: the value is not in it.
#[must_use]
pub fn option_value(text: &str) -> Option<usize> {
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
    let body = text.trim_start_matches(['/', '-']);
    let is_option = body.len() < text.len();
    let sign = body.find([':', '=']);
    let name = body.get(..sign.unwrap_or(body.len())).unwrap_or_default().to_ascii_lowercase();
    let value = sign.map_or(text.len(), |sign| text.len() - body.len() + sign + 1);
    let short = match name.as_str() {
        "p" | "auth" | "pin" => is_option || sign.is_some(),
        "u" | "user" => is_option && text.contains('%'),
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

/// Returns where the name and password of an address begin, such as `https://name:x@host` and `\\\\name:x@host`.
fn logon(text: &str) -> Option<usize> {
    let (before, _) = text.rsplit_once('@')?;
    let start = before.find("://").map(|at| at + 3).or_else(|| before.starts_with(r"\\").then_some(2))?;
    before.get(start..).filter(|logon| logon.contains(':')).map(|_| start)
}

/// Returns a path or an address as it may be shown: without the name and password in it.
#[must_use]
pub fn shown_address(text: &str) -> String {
    match (logon(text), text.rfind('@')) {
        (Some(from), Some(to)) => format!("{}{MASKED}{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    }
}

/// Returns the arguments of a program as they may be shown: what looks like the value of a secret is masked, also where
/// its name is an argument of its own. The second value says whether there was one.
#[must_use]
pub fn shown_arguments(arguments: &[String]) -> (Vec<String>, bool) {
    let (mut shown, mut found, mut follows) = (Vec::new(), false, false);
    for argument in arguments {
        let is_switch = argument.starts_with(['/', '-']);
        if follows && !is_switch {
            (found, follows) = (true, false);
            shown.push(MASKED.to_owned());
            continue;
        }
        let known =
            [option_value, password_option, logon, inner_value, account_value].map(|find| find(argument.as_str()));
        let value = known.into_iter().flatten().min();
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
        ] {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(shown_arguments(&given), (wanted.iter().map(|text| (*text).to_owned()).collect(), true));
        }
    }

    #[test]
    fn the_logon_in_an_address_is_masked() {
        assert_eq!(shown_address(r"\\svc:geheim@nas\CU\x.exe"), r"\\***@nas\CU\x.exe");
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
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(shown_arguments(&given), (given.clone(), false));
    }
}
